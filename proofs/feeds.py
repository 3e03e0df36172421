"""Our public feeds for long, on the server in the role of the venues: `python -m proofs.feeds --for 1800`.

Every book of every venue is kept up over as many connections as the venues' limits ask for, while things go wrong about
every ten seconds. What is printed: for how much of the time books were live, what was lost and asked for anew, what the
venues had to refuse, processor time and memory. At the end the market stands still and every book is compared with its
venue's; exit code 1 when one differs, one is missing, or a venue refused something for a limit.
"""

import argparse
import asyncio
import json
import random
import resource
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from arb.clock import SystemClock
from arb.core.books.books import Books
from arb.core.messages.events import AnyEvent, FeedDown, FeedUp
from arb.core.messages.settings import Timing
from arb.live.universe import Universe, books_of, universe_of
from arb.market.arena import BookState
from arb.market.feed import ResyncBy, connection_name
from arb.venues.books.plain.base import WireFeed
from arb.venues.build import build_feeds
from arb.venues.kit.base import MarketFeed
from arb.venues.kit.feed import SocketFeed
from arb.venues.transport.websocket import nothing
from tests.contract.ccxt_books import Levels
from tests.contract.venue_server import Venues, our_listing, site_of, venue_server

SAMPLED_EVERY_S = 0.25
SETTLE_S = 90.0
"""How long books may take to come back when nothing changes any more: a resync that was lost often waits up to a minute."""

CHANGED_EVERY_S = 5.0


@dataclass
class Kept:
    """What a run has seen. `live`: how many samples found each row live; `wrong`: books that differ from their venue's."""

    rows: int
    samples: int = 0
    live: Any = None
    resyncs: Counter[str] = field(default_factory=Counter)
    drops: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def sample(self, state: Any) -> None:
        """Count the rows that are live now."""
        found = (state[: self.rows] == BookState.LIVE).astype(np.int64)
        self.live = found if self.live is None else self.live + found
        self.samples += 1


class Keeper:
    """All books of all venues, kept up as the runner does it, without an engine that decides."""

    def __init__(self, universe: Universe, info: dict[str, Any]) -> None:
        self._clock = SystemClock()
        self.books: Books = books_of(universe, Timing())
        self.kept = Kept(len(universe.rows))
        self._natives = {universe.rows[i.venue, i.symbol]: (i.venue, i.native_symbol) for i in universe.instruments}
        sites = {venue: site_of(venue, info) for venue in info["venues"]}
        self._feeds: dict[str, MarketFeed] = build_feeds(
            sites, self.books, self._on_frame, self._on_event, clock=self._clock, rng=random.Random(1)
        )

    def _on_frame(self, name: str, received_ns: int, raw: bytes, url: str = "", /) -> None:
        result = self.books.on_frame(name, received_ns, raw, url)
        feed = self._feeds[name]
        assert isinstance(feed, SocketFeed)
        for resync in result.resyncs:
            self.kept.resyncs[feed.venue] += resync.lost
            feed.resync(resync.native_symbol, resync.by)
        if result.notice is not None:
            feed.on_notice(result.notice)

    def _on_event(self, event: AnyEvent) -> None:
        if isinstance(event, FeedUp):
            self.books.on_connect(event.connection or connection_name(event.venue), self._clock.wall_ns())
        elif isinstance(event, FeedDown):
            self.kept.drops[event.venue] += 1
            self.books.on_disconnect(event.connection or connection_name(event.venue), self._clock.wall_ns())

    async def run(self) -> None:
        """Keep the feeds up and count, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for feed in self._feeds.values():
                group.create_task(feed.run(nothing))
            group.create_task(self._count())

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(SAMPLED_EVERY_S)
            self.kept.sample(self.books.arena.state)
            self._renew_dead()

    def _renew_dead(self) -> None:
        """Ask anew for books that stand still alone, as the engine's watch over books does."""
        now_ns = self._clock.wall_ns()
        for name, connection in self.books.connections.items():
            for row in connection.dead_books(self.books.arena, now_ns) if connection.up_ns else ():
                native = connection.rows[row]
                connection.feed.invalidate(native, now_ns, "it stands still alone")
                self.kept.resyncs[connection.venue] += 1
                self._feeds[name].resync(native)

    async def compare(self, venues: Venues) -> None:
        """Compare every book with its venue's, once the market stands still and what was lost had time to come back.

        A book whose snapshot is fetched waits for a change: those that wait get one every few seconds.
        """
        shown = {row: await asyncio.to_thread(venues.book, *name) for row, name in self._natives.items()}
        began_s, changed_s = asyncio.get_running_loop().time(), 0.0
        while shown and (waited_s := asyncio.get_running_loop().time() - began_s) < SETTLE_S:
            shown = {row: levels for row, levels in shown.items() if not self._shows(row, *levels)}
            if waited_s > changed_s + CHANGED_EVERY_S:
                changed_s = waited_s
                for row in [row for row in shown if self._waits_for_a_change(row)]:
                    venue, native = self._natives[row]
                    await asyncio.to_thread(venues.step, venue, 1, symbol=native)
                    shown[row] = await asyncio.to_thread(venues.book, venue, native)
            await asyncio.sleep(0.1)
        for row in shown:
            found = self.kept.wrong if self.books.arena.usable(row) else self.kept.missing
            found.append(" ".join(self._natives[row]))

    def _waits_for_a_change(self, row: int) -> bool:
        feed = self.books.connections[self.books.connection_of(*self.books.keys[row])].feed
        return feed.resync_by is ResyncBy.FETCH and not self.books.arena.usable(row)

    def _shows(self, row: int, bids: Levels, asks: Levels) -> bool:
        """Return whether a book is live and exactly the venue's; the arena would show levels finer than its scale rounded."""
        _, native = self._natives[row]
        carrier = self.books.connections[self.books.connection_of(*self.books.keys[row])].feed
        assert isinstance(carrier, WireFeed)
        [slot] = [slot for slot in carrier.books() if slot.native_symbol == native]
        if slot.state is not BookState.LIVE:
            return False
        price_unit, size_unit = 10**slot.seat.scale.price_exp, 10**slot.seat.scale.size_exp
        shown = [
            [(Fraction(price) / price_unit, Fraction(size) / size_unit) for price, size in side]
            for side in slot.book.levels(max(len(bids), len(asks)))
        ]
        theirs = [[(Fraction(price), Fraction(size)) for price, size in side] for side in (bids, asks)]
        if slot.book.bid_horizon is not None and theirs[0]:  # what is beyond a cut snapshot nobody knows
            theirs[0] = [level for level in theirs[0] if level[0] >= Fraction(slot.book.bid_horizon) / price_unit]
        if slot.book.ask_horizon is not None and theirs[1]:
            theirs[1] = [level for level in theirs[1] if level[0] <= Fraction(slot.book.ask_horizon) / price_unit]
        return shown == theirs and all(shown)

    def table(self, venues: Mapping[str, Any]) -> list[str]:
        """Return what is printed, one line a venue."""
        lines = []
        for name, state in venues.items():
            rows = [row for row, (venue, _) in self._natives.items() if venue == name]
            shares = self.kept.live[rows] / self.kept.samples
            lines.append(
                f"{name}: {len(rows)} books on {len(self.books.connections_of(name))} connections, live"
                f" {shares.mean():.3%} of the time (the worst {shares.min():.1%}), {self.kept.resyncs[name]} resyncs,"
                f" {self.kept.drops[name]} connections lost, {state['sent']} frames, refused: {state['refused'] or 'nothing'}"
            )
        return lines


async def keep(seconds: float, venues: Venues) -> tuple[Keeper, list[str]]:
    """Keep all books up for a while, compare them, and return what was seen and the lines that say so."""
    listed = [await our_listing(venue, venues.info) for venue in venues.info["venues"]]
    shared = set.intersection(*({symbol for symbol, i in one.items() if i.tradable} for one in listed))
    keeper = Keeper(universe_of(one[symbol] for one in listed for symbol in sorted(shared)), venues.info)
    running = asyncio.create_task(keeper.run())
    try:
        done, _ = await asyncio.wait([running], timeout=seconds)
        if done:
            running.result()
        await asyncio.to_thread(venues.control, "/still")
        await keeper.compare(venues)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    state = await asyncio.to_thread(venues.look, "/state")
    return keeper, [*keeper.table(state["venues"]), *(f"struck: {line}" for line in state["struck"])]


def main() -> int:
    """Run from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="feeds", description=__doc__)
    parser.add_argument("--for", dest="seconds", type=float, default=1800.0, help="seconds")
    parser.add_argument("--symbols", type=int, default=300)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rate", type=float, default=2.0, help="changes a second and book; fewer on a busy machine")
    parser.add_argument("--gate-eu", action="store_true", help="let Gate be its EU entity")
    arguments = parser.parse_args()
    options = ["--symbols", str(arguments.symbols), "--seed", str(arguments.seed), "--schedule", "mixed"]
    options += ["--rate", str(arguments.rate)]
    with venue_server(*options, *(["--gate-eu"] if arguments.gate_eu else [])) as venues:
        keeper, lines = asyncio.run(keep(arguments.seconds, venues))
        refused = {
            name: state["refused"] for name, state in venues.look("/state")["venues"].items() if state["refused"]
        }
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = (used.ru_utime + used.ru_stime) / arguments.seconds
    lines.append(f"processor: {cpu:.1%} of a core; memory: at most {used.ru_maxrss // 1024} MiB")
    bad = {"wrong": keeper.kept.wrong, "missing": keeper.kept.missing, "refused": refused}
    lines.append(json.dumps(bad))
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if any(bad.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
