"""`[run] symbols = "auto"` during a run: chosen again once a day; new listings in between are announced.

The choice goes to the engine as one event, which adds and drops books; the feeds then follow the books. A newly listed symbol
is not traded before it is chosen, and then only as the engine's own checks allow.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from arb.clock import NS_PER_S, Clock
from arb.core.engine import Engine
from arb.core.messages.events import AnyEvent, SymbolsChosen, TroubleReported
from arb.core.messages.incidents import IncidentKind, some
from arb.errors import VenueError
from arb.market.instrument import Instrument
from arb.market.symbol import Symbol
from arb.venues.kit.base import MarketFeed, OrderGateway
from arb.venues.registry import spec_of

log = logging.getLogger(__name__)

POLL_S = 5.0
AGAIN_S = 600.0
"""How long after a venue did not answer it is tried again."""
DAY_S = 86_400


class Chooser(Protocol):
    """Chooses the symbols worth trading; `at_utc_s`: at which second of the UTC day it is asked."""

    at_utc_s: int

    async def choose(self, venues: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Return by venue the symbols that may be traded there, the best first; raises `VenueError` where one is silent."""


class SymbolKeeper:
    """Keeps the symbols of a run. `start_feed` runs a connection that carries its first book."""

    def __init__(
        self,
        chooser: Chooser,
        gateways: Mapping[str, OrderGateway],
        engine: Engine,
        take: Callable[[AnyEvent], object],
        feeds: Mapping[str, MarketFeed],
        start_feed: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._chooser = chooser
        self._gateways = gateways
        self._engine = engine
        self._take = take
        self._feeds = feeds
        self._start_feed = start_feed
        self._clock = clock
        self._quote = Symbol.of(engine.state.settings.symbols[0]).quote
        self._listed: dict[str, Collection[str]] = {}

    async def run(self) -> None:
        due_ns = self._next_ns()
        while True:
            self._announce()
            await asyncio.sleep(POLL_S)
            if self._clock.wall_ns() >= due_ns:
                due_ns = self._next_ns() if await self._choose() else self._clock.wall_ns() + int(AGAIN_S * NS_PER_S)

    def _next_ns(self) -> int:
        now_s = self._clock.wall_ns() // NS_PER_S
        return (now_s + DAY_S - (now_s - self._chooser.at_utc_s) % DAY_S) * NS_PER_S

    async def _choose(self) -> bool:
        """Choose, add and drop symbols; return False where a venue did not answer, and nothing has changed."""
        state = self._engine.state
        present = [venue for venue in self._gateways if venue not in state.absent]
        try:
            chosen = await self._chooser.choose(present)
            coming = [one for venue in present for one in await self._new_at(venue, chosen.get(venue, ()))]
            await self._read_currencies(coming)
        except VenueError as error:
            log.warning("symbols are not chosen again: %s; next try in %.0f minutes", error, AGAIN_S / 60)
            return False
        wanted = dict.fromkeys(symbol for symbols in chosen.values() for symbol in symbols)
        if not wanted:  # rather a fault of the answer than of all markets at once
            log.warning(
                "the rules of [run.auto] choose nothing now: the symbols stay as they are until the next choice"
            )
            return True
        traded = {symbol for _, symbol in state.books.rows}
        unchosen = sorted(traded - wanted.keys())
        leaving = [symbol for symbol in unchosen if self._engine.chosen.holding(symbol) is None]
        venues_of = {symbol: {venue for venue in present if state.books.has(venue, symbol)} for symbol in wanted}
        for one in coming:
            venues_of[one.symbol].add(one.venue)
        order = list(wanted)
        fit = sorted((one for one in coming if len(venues_of[one.symbol]) > 1), key=lambda one: order.index(one.symbol))
        instruments, connections = self._carried(fit, leaving)
        if not instruments and not leaving:
            return True
        for venue in present:
            self._gateways[venue].allow(one.symbol for one in instruments if one.venue == venue)
        before = self._books()
        self._take(SymbolsChosen(instruments=tuple(instruments), connections=connections, dropped=tuple(unchosen)))
        self._follow(before)
        return True

    async def _new_at(self, venue: str, symbols: Sequence[str]) -> tuple[Instrument, ...]:
        """Read the rules and fees of those of `symbols` that a venue lists and that have no book there."""
        new = tuple(symbol for symbol in symbols if not self._engine.state.books.has(venue, symbol))
        return await self._gateways[venue].instruments(new) if new else ()

    async def _read_currencies(self, instruments: Iterable[Instrument]) -> None:
        """Report the currency lists for the new symbols, so that coins and wallets are judged from the first."""
        assets: dict[str, set[str]] = {}
        for one in instruments:
            assets.setdefault(one.venue, set()).update((one.base, one.quote))
        for venue, named in assets.items():
            try:
                listed = await self._gateways[venue].currencies(tuple(sorted(named)))
            except VenueError as error:
                log.warning("currencies of %s not read, and asked for again: %s", venue, error)
                continue
            if listed is not None:
                self._take(listed)

    def _carried(
        self, coming: Sequence[Instrument], leaving: Collection[str]
    ) -> tuple[list[Instrument], dict[str, tuple[str, ...]]]:
        """Share books out among the connections with room once those of `leaving` are gone; return those that fit."""
        books = self._engine.state.books
        freed = {row for (_, symbol), row in books.rows.items() if symbol in leaving}
        room: dict[str, dict[str, int]] = {}
        for name, connection in books.connections.items():
            most = spec_of(connection.venue).connections.books_per_connection or books.arena.rows
            room.setdefault(connection.venue, {})[name] = most - len(connection.rows.keys() - freed)
        carried: list[Instrument] = []
        connections: dict[str, tuple[str, ...]] = {}
        for one in coming:
            name, left = max(room[one.venue].items(), key=lambda item: item[1])
            if left <= 0:
                log.warning("no connection to %s has room for %s: it is not traded there", one.venue, one.symbol)
                continue
            room[one.venue][name] -= 1
            connections[name] = (*connections.get(name, ()), one.native_symbol)
            carried.append(one)
        return carried, connections

    def _books(self) -> dict[str, set[str]]:
        return {name: set(found.rows.values()) for name, found in self._engine.state.books.connections.items()}

    def _follow(self, before: Mapping[str, set[str]]) -> None:
        for name, natives in self._books().items():
            for native in sorted(before[name] - natives):
                self._feeds[name].retire_book(native)
            for native in sorted(natives - before[name]):
                self._feeds[name].add_book(native)
            if natives:
                self._start_feed(name)

    def _announce(self) -> None:
        for venue, gateway in self._gateways.items():
            listed = gateway.listed
            before = self._listed.get(venue)
            if listed is before or not listed:
                continue
            self._listed[venue] = listed
            if before is None:
                continue
            new, gone = (self._named(*each) for each in ((listed, before), (before, listed)))
            said = [f"newly lists {new}"] if new else []
            said += [f"drops {gone}"] if gone else []
            if said:
                text = f"{venue} {' and '.join(said)}: considered at the next choice of symbols"
                self._take(TroubleReported(kind=IncidentKind.NEW_LISTING, text=text))

    def _named(self, there: Collection[str], elsewhere: Collection[str]) -> str:
        return some(sorted(symbol for symbol in {*there} - {*elsewhere} if symbol.endswith(f"/{self._quote}")))
