"""An engine set up to be measured: venues, one symbol, books, and the events it needs before it may act."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from arb.clock import NS_PER_MS
from arb.core.books import Books
from arb.core.commands import AnyCommand
from arb.core.engine import Engine
from arb.core.events import (
    AccountSnapshotTaken,
    AnyEvent,
    AssetBalance,
    BalancesReported,
    ClockMeasured,
    FeedUp,
    InstrumentListed,
    PrivateUp,
    RunStarted,
)
from arb.core.risk.limits import PlaceRate
from arb.core.settings import Limits, RepairPolicy, Timing
from arb.core.state import EngineSettings, VenueProfile
from arb.live.fast_books import compile_books
from arb.market.arena import BookArena
from arb.market.feed import BookFeed, BookSeat
from arb.market.instrument import FeeIn, Instrument
from arb.market.scale import Scale
from arb.venues.gate.books import GateFeed

SYMBOL = "BTC/USDT"
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
        self._open()

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

    def _open(self) -> None:
        accounts = {venue: f"{venue}:bench" for venue in self.venues}
        self.handle(
            RunStarted(
                run_id=1, nonce=1, mode="sandbox", sandbox_id="bench", account_ids=accounts, seed=1, version="bench"
            )
        )
        for venue in self.venues:
            self.handle(InstrumentListed(instrument=_instrument(venue)))
        funds: Mapping[str, AssetBalance] = {
            "USDT": AssetBalance(Decimal(10_000_000), Decimal(0)),
            "BTC": AssetBalance(Decimal(100), Decimal(0)),
        }
        for venue in self.venues:
            self.handle(ClockMeasured(venue=venue, offset_ns=0, error_ns=NS_PER_MS))
            reported = BalancesReported(venue=venue, balances=dict(funds), complete=True, asked_ns=self.now_ns)
            self.handle(reported)
            self.handle(
                AccountSnapshotTaken(
                    venue=venue,
                    complete=True,
                    orders=(),
                    fills=(),
                    transfers=(),
                    transfers_complete=True,
                    started_ns=self.now_ns,
                )
            )
            self.handle(reported)  # after the account snapshot, before which nothing opens
            self.handle(PrivateUp(venue=venue))
            self.handle(FeedUp(venue=venue))
            self.books.on_frame(venue, self.now_ns, b'{"channel":"spot.pong"}')


def _instrument(venue: str) -> Instrument:
    return Instrument(
        venue=venue,
        symbol=SYMBOL,
        native_symbol=NATIVE_SYMBOL,
        tick=Decimal("0.1"),
        lot=Decimal("0.0001"),
        min_size=Decimal("0.0001"),
        min_notional=Decimal(1),
        taker_fee=Decimal("0.001"),
        maker_fee=Decimal("0.001"),
        buy_fee_in=FeeIn.BASE,
    )
