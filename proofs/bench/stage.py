"""An engine set up to be measured: venues, one symbol, books, and the events it needs before it may act."""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from arb.clock import NS_PER_MS
from arb.core.books.books import Books
from arb.core.engine import Engine
from arb.core.messages.commands import AnyCommand
from arb.core.messages.events import AnyEvent
from arb.core.messages.settings import Limits, RepairPolicy, Timing
from arb.core.state.budget import PlaceRate
from arb.core.state.engine_state import EngineSettings, VenueProfile
from arb.live.fast_books import compile_books
from arb.live.warmup import SYMBOL as SYMBOL  # part of this stage
from arb.live.warmup import let_trade
from arb.market.arena import BookArena
from arb.market.feed import BookFeed, BookSeat
from arb.market.scale import Scale
from arb.venues.gate.books import GateFeed

NATIVE_SYMBOL = "BTC_USDT"
START_NS = 1_760_000_000_000_000_000
SCALE = Scale(1, 4)
"""Ticks of 0.1, lots of 0.0001."""
DEPTH = 20
Level = tuple[int, int]


class Stage:
    """One engine that trades `SYMBOL` at `venues`; time stands still. `compiled`: compiled code keeps its books."""

    def __init__(
        self, venues: Iterable[str], *, depth: int = DEPTH, gate_level: int = 400, compiled: bool = False
    ) -> None:
        self.venues = tuple(venues)
        self.rows = {(venue, SYMBOL): row for row, venue in enumerate(self.venues)}
        self.arena = BookArena(len(self.venues), depth)
        feeds: dict[str, BookFeed] = {}
        for venue in self.venues:
            seat = {NATIVE_SYMBOL: BookSeat(self.rows[venue, SYMBOL], SCALE)}
            feeds[venue] = GateFeed(seat, self.arena, level=gate_level)
        timing = Timing()
        self.books = Books(self.arena, self.rows, {SYMBOL: SCALE}, feeds, timing)
        if compiled:
            compile_books(self.books)
        settings = EngineSettings(
            limits=Limits(min_edge_bps=Decimal(1), min_net_quote=Decimal(0)),
            timing=timing,
            repair=RepairPolicy(),
            venues=tuple(VenueProfile(venue, PlaceRate(1_000_000, 1000), True) for venue in self.venues),
            symbols=(SYMBOL,),
        )
        self.engine = Engine(settings, self.books)
        self.now_ns = START_NS
        self.seq = 0
        let_trade(self.venues, self.handle, self.now_ns)
        for venue in self.venues:
            self.books.on_frame(venue, self.now_ns, b'{"channel":"spot.pong"}')

    def handle(self, event: AnyEvent) -> tuple[AnyCommand, ...]:
        """Hand an event to the engine now; return its commands."""
        return self.engine.handle(self.stamped(event))

    def stamped(self, event: AnyEvent) -> AnyEvent:
        """Return the event with the next sequence number and the present instant."""
        self.seq += 1
        return msgspec.structs.replace(event, seq=self.seq, t_ns=self.now_ns)

    def show(self, venue: str, bids: Iterable[Level], asks: Iterable[Level]) -> int:
        """Write a live book (integers on `SCALE`, best first) and return its row."""
        row = self.rows[venue, SYMBOL]
        for write, levels in ((self.arena.write_bids, list(bids)), (self.arena.write_asks, list(asks))):
            write(row, [price for price, _ in levels], [size for _, size in levels])
        self.seq += 1
        self.arena.write(row, self.seq, self.now_ns - 20 * NS_PER_MS, self.now_ns)
        return row
