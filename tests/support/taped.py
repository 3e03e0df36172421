"""Runs on the sandbox's core in virtual time, taped in memory: standing books that somebody moves by a seed, and no rivals.

An edge opens at seeded instants at one venue and closes once a pair has taken it; who trades besides us is up to
the faults handed in (`partial_fill`: rivals leave a share of an order).
"""

import asyncio
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from arb.clock import NS_PER_S, ManualClock, SystemClock
from arb.core.engine import Engine
from arb.core.messages.events import AnyEvent, ShutdownAsked
from arb.core.messages.records import OpportunityRecord
from arb.core.messages.settings import Limits, RepairPolicy, Timing
from arb.core.state.engine_state import EngineSettings
from arb.live.node import Node
from arb.live.parts import Parts
from arb.live.universe import books_of, universe_of
from arb.market.feed import further_name, venue_of
from arb.sandbox.admin import Admin
from arb.sandbox.server import first_line
from arb.sandbox.world import SimWorld
from arb.store.journal.journal import Journal
from arb.store.journal.reader import Entry, Row
from arb.store.tapes.line import Kind, TapeLine
from arb.store.tapes.tape import TapeHead
from arb.venues.build import GatewayLimits, build_feeds, build_gateway, venue_profile
from arb.venues.kit.endpoints import OrderEntry, sandbox_access
from arb.venues.registry import SPECS
from arb.virtual_loop import VirtualLoop
from proofs.faultsim.faults import Life
from proofs.faultsim.network import Network

START_NS = 1_700_000_000 * NS_PER_S
SYMBOL = "DOGE/USDT"
SIZE = "3000"
PLAIN = ("0.10000", "0.10010")
"""Bid and ask while nothing is to be earned."""
DEAR = ("0.10100", "0.10110")
CALM_EVERY_S = 0.1
STEPS_MAX = 20
"""How often an edge is shown before somebody gives up waiting for a pair."""
_encode = msgspec.json.Encoder(decimal_format="string").encode


class MemoryTape:
    """See `arb.live.parts.Tape`: the lines that a file would hold."""

    def __init__(self) -> None:
        self.head: TapeHead | None = None
        self.lines: list[TapeLine] = []

    def begin(self, head: TapeHead, t_ns: int) -> None:
        self.head = head

    def frame(self, seq: int, received_ns: int, connection: str, raw: bytes, url: str = "") -> None:
        venue, further = venue_of(connection), further_name(connection)
        kind: Kind = "http" if url else "ws"
        self.lines.append(TapeLine(received_ns / 1e9, venue, kind, raw.decode(), url, seq, received_ns, further))

    def event(self, event: AnyEvent) -> None:
        raw = _encode(event).decode()
        venue = getattr(event, "venue", None) or ""
        self.lines.append(TapeLine(event.t_ns / 1e9, venue, "event", raw, "", event.seq, event.t_ns))


class NoLedger:
    """See `arb.live.runner.LedgerWriter`."""

    def submit(self, rows: Sequence[Row]) -> None: ...

    def submit_untraded(self, record: OpportunityRecord) -> None: ...


class TapedRun(msgspec.Struct, frozen=True):
    """What a run leaves behind, and its engine."""

    head: TapeHead
    lines: list[TapeLine]
    entries: list[Entry]
    engine: Engine


def taped_run(seed: int, *, faults: Iterable[Mapping[str, object]] = (), edges: int = 12) -> TapedRun:
    """Let an engine trade on so many edges; the same seed gives the same tape."""
    return _Run(seed, list(faults), edges).play()


class _Run:
    def __init__(self, seed: int, faults: list[Mapping[str, object]], edges: int) -> None:
        self._clock = ManualClock(START_NS)
        self._world = SimWorld(seed, START_NS, static=True, symbols=(SYMBOL,), with_ceiling=False)
        self._network = Network(self._world, self._clock, random.Random(f"{seed}/network"))
        self._announced = first_line(self._world, 1)
        self._admin = Admin(self._world, self._announced)
        self._moves = random.Random(f"{seed}/moves")
        self._rng = random.Random(f"{seed}/engine")
        self._faults = faults
        self._edges = edges
        self._tape = MemoryTape()
        self._count = 0

    def play(self) -> TapedRun:
        loop = VirtualLoop(self._clock, self._network)
        asyncio.set_event_loop(loop)
        journal = Journal.in_memory(self._clock, random.Random(1))
        life = Life(loop)
        clock = SystemClock(self._clock.wall_ns, self._clock.monotonic_ns)
        node = Node(self._parts(journal, clock, life))
        try:
            loop.run_until_complete(self._main(node, clock))
        finally:
            self._network.end()
            for task in asyncio.all_tasks(loop):
                task.cancel()
                loop.run_until_complete(asyncio.wait([task]))
            loop.close()
            asyncio.set_event_loop(None)
        assert self._tape.head is not None
        return TapedRun(self._tape.head, self._tape.lines, list(journal.reader().entries()), node.engine)

    async def _main(self, node: Node, clock: SystemClock) -> None:
        for venue in self._world.venues:
            self._post(venue, PLAIN)
        await node.start()
        moving = asyncio.ensure_future(self._move(node, clock))
        await node.trade(_for_ever())
        moving.cancel()
        await node.close()

    async def _move(self, node: Node, clock: SystemClock) -> None:
        """Keep all books in motion; open an edge now and then, and close it once a pair has taken it.

        So no order of ours meets a book that no frame has shown yet.
        """
        await asyncio.sleep(1)
        for fault in self._faults:
            self._ask("/fault", fault)
        manager, tally = node.engine.manager, node.engine.state.tally
        for _ in range(self._edges):
            before, dear = tally.opened, self._moves.choice(list(self._world.venues))
            for step in range(STEPS_MAX):
                if step and tally.opened == before:
                    self._post_all(dear)
                elif not manager.open:
                    self._post_all(dear if not step else "")
                    if step:
                        break
                await asyncio.sleep(CALM_EVERY_S)
            for _ in range(self._moves.randrange(4, 8)):
                await asyncio.sleep(CALM_EVERY_S)
                if not manager.open:
                    self._post_all("")
        node.runner.emit(ShutdownAsked(deadline_ns=clock.wall_ns() + 10 * NS_PER_S))

    def _post_all(self, dear: str) -> None:
        for venue in self._world.venues:
            self._post(venue, DEAR if venue == dear else PLAIN)

    def _post(self, venue: str, quotes: tuple[str, str]) -> None:
        """Replace a book; its far level shows that something changed."""
        self._count += 1
        far = str(10 + self._count % 7)
        bid, ask = quotes
        sides = {"bids": [[bid, SIZE], ["0.05", far]], "asks": [[ask, SIZE], ["0.2", far]]}
        self._ask("/book", {"venue": venue, "symbol": SYMBOL, **sides})

    def _ask(self, path: str, body: Mapping[str, object]) -> None:
        status, answer = self._admin.handle("POST", path, json.dumps(body).encode(), self._clock.wall_ns())
        assert status == 200, answer

    def _parts(self, journal: Journal, clock: SystemClock, life: Life) -> Parts:
        network = self._network.begin(life, clock)
        announced: dict[str, Any] = self._announced["venues"]  # type: ignore[assignment]
        access = [(spec, *sandbox_access(spec.name, announced[spec.name])) for spec in SPECS if spec.name in announced]
        sandbox_id, limits = str(self._announced["sandbox_id"]), GatewayLimits(symbols=(SYMBOL,))
        settings = EngineSettings(
            limits=Limits(min_edge_bps=Decimal(3), max_notional_quote=Decimal(1000)),
            timing=Timing(),
            repair=RepairPolicy(),
            venues=tuple(
                venue_profile(spec, OrderEntry.REST, limits.max_order_value_quote, limits.max_orders_per_minute)
                for spec, _, _ in access
            ),
            symbols=(SYMBOL,),
        )
        gateways = {
            spec.name: build_gateway(
                spec,
                site,
                credentials,
                clock=clock,
                rng=self._rng,
                limits=limits,
                sandbox_id=sandbox_id,
                network=network,
                entry=OrderEntry.REST,
                expiry_proved=True,
            )
            for spec, site, credentials in access
        }
        sites = {spec.name: site for spec, site, _ in access}
        return Parts(
            settings=settings,
            symbols=dict.fromkeys(gateways, (SYMBOL,)),
            mode="sandbox",
            sandbox_id=sandbox_id,
            seed=None,
            clock=clock,
            shift=clock.shift,
            rng=self._rng,
            journal=journal,
            make_ledger=lambda _: NoLedger(),
            gateways=gateways,
            make_universe=universe_of,
            make_books=partial(books_of, timing=settings.timing),
            make_feeds=partial(build_feeds, sites, clock=clock, rng=self._rng, network=network),
            on_alert=lambda *_: None,
            tape=self._tape,
        )


async def _for_ever() -> int:
    await asyncio.Event().wait()
    return 0
