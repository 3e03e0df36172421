"""Quiet defaults for tests: instruments, books, engines, and the events a venue would send.

A test names only what it is about; everything else is ordinary.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TypeVar

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.accounts.restart import Restored
from arb.core.books.books import Books
from arb.core.engine import Engine, StrategyFactory
from arb.core.messages.commands import AnyCommand, Persist, PlaceOrder, RecallOrders
from arb.core.messages.events import (
    AccountSnapshotTaken,
    AnyEvent,
    AssetBalance,
    BalancesReported,
    ClockMeasured,
    ExpiryProved,
    OrderRejected,
    OrdersRecalled,
    PrivateUp,
    QueueDrained,
    RunStarted,
    VenueArrived,
    VenueListed,
)
from arb.core.messages.records import Record
from arb.core.messages.settings import CoinRule, InventoryBands, Limits, Ramp, RepairPolicy, Timing
from arb.core.state.budget import PlaceRate
from arb.core.state.engine_state import EngineSettings, VenueProfile
from arb.core.strategies.taker_pair.detector import Detector
from arb.core.trades.strategy import RunEnding
from arb.market.arena import BookArena
from arb.market.feed import NOTHING, BookSeat, FeedCounts, FrameResult
from arb.market.fill import Fill, FillSource, Liquidity
from arb.market.instrument import FeeIn, Instrument
from arb.market.order import OrderReport
from arb.market.scale import Scale, common_scale
from arb.market.symbol import Symbol
from arb.venues.kit.dialect import Listing

START_NS = 1_760_000_000 * NS_PER_S
SYMBOL = "BTC/USDT"
FUNDS = {"USDT": "100000", "BTC": "2"}
D = Decimal
Row = TypeVar("Row", bound=Record)


def an_instrument(venue: str = "gate", symbol: str = SYMBOL, **changes: object) -> Instrument:
    """Return an instrument with a fine lot, a 0.1 % fee taken in quote, and a minimum of 1 USDT."""
    base = Instrument(
        venue=venue,
        symbol=symbol,
        native_symbol=symbol.replace("/", "_"),
        tick=D("0.1"),
        lot=D("0.001"),
        min_size=D("0.001"),
        min_notional=D(1),
        taker_fee=D("0.001"),
        maker_fee=D("0.001"),
        buy_fee_in=FeeIn.QUOTE,
    )
    return msgspec.structs.replace(base, **changes)


class SilentFeed:
    """A `BookFeed` that understands no frame: tests write the arena themselves."""

    def __init__(self, venue: str, seats: dict[str, BookSeat]) -> None:
        self.venue = venue
        self.counts = FeedCounts()
        self._seats = seats

    def seats(self) -> dict[str, BookSeat]:
        """Return what was given."""
        return self._seats

    def on_frame(self, received_ns: int, raw: bytes | str) -> FrameResult:
        """Change nothing."""
        return NOTHING

    def on_disconnect(self, at_ns: int) -> FrameResult:
        """Change nothing."""
        return NOTHING

    def add_book(self, native_symbol: str, seat: BookSeat) -> None:
        """Take up one more book."""
        self._seats[native_symbol] = seat

    def retire_book(self, native_symbol: str) -> None:
        """Forget a book."""
        del self._seats[native_symbol]

    def rescale_book(self, native_symbol: str, scale: Scale, at_ns: int) -> None:
        """Note another scale; what the arena shows is the test's to set anew."""
        self._seats[native_symbol] = BookSeat(self._seats[native_symbol].row, scale)

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"a test should not need {name}")


class Bench:
    """An engine on a bench: books set by hand, time moved by hand, commands collected.

    `reported` gives a venue's first balances, `found` what the first snapshot of the first venue's account finds. `absent` says
    which venues do not answer at the start, and why; `fee_prices` what is stated of the assets that venues take fees from.
    `recall` searches the journal for orders; without it the journal has lost its last moments, and all of them with these.
    `keep` is given each event with its commands, as a journal is, the first after `last_seq`.
    """

    def __init__(
        self,
        *,
        venues: Iterable[str] = ("gate", "okx"),
        instruments: Iterable[Instrument] | None = None,
        limits: Limits | None = None,
        timing: Timing | None = None,
        policy: RepairPolicy | None = None,
        restored: Restored | None = None,
        no_expiry: Iterable[str] = (),
        unproved: Iterable[str] = (),
        max_order_value: str | None = None,
        balances: dict[str, str] | None = None,
        run_id: int = 1_760_000_000,
        start_ns: int = START_NS,
        reported: dict[str, dict[str, str]] | None = None,
        found: dict[str, object] | None = None,
        accounts: dict[str, str] | None = None,
        former: dict[str, str] | None = None,
        absent: dict[str, str] | None = None,
        recall: Callable[[RecallOrders], OrdersRecalled] | None = None,
        keep: Callable[[AnyEvent, tuple[AnyCommand, ...]], object] = lambda *_: None,
        last_seq: int = 0,
        strategies: Iterable[StrategyFactory] = (Detector,),
        coins: CoinRule | None = None,
        fee_prices: dict[str, dict[str, str]] | None = None,
        ramp: Ramp | None = None,
        inventory: InventoryBands | None = None,
    ) -> None:
        self.venues = tuple(venues)
        self.absent = absent or {}
        self.keep = keep
        self.recall = recall or lost_with_the_last_moments
        listed = list(instruments) if instruments is not None else [an_instrument(venue) for venue in self.venues]
        listed = [instrument for instrument in listed if instrument.venue not in self.absent]
        symbols = sorted({instrument.symbol for instrument in listed})
        self.now_ns = start_ns
        self.seq = last_seq
        self.said: list[AnyCommand] = []
        keys = [(instrument.venue, instrument.symbol) for instrument in listed]
        scales = {
            symbol: common_scale(
                [i.tick for i in listed if i.symbol == symbol], [i.lot for i in listed if i.symbol == symbol]
            )
            for symbol in symbols
        }
        self.timing = timing or Timing()
        self.made_of = (listed, {key: row for row, key in enumerate(keys)}, scales)
        self.books = self.make_books(*self.made_of)
        self.arena = self.books.arena
        settings = EngineSettings(
            limits=limits or Limits(min_net_quote=D(0), min_edge_bps=D(1)),
            timing=self.timing,
            repair=policy or RepairPolicy(),
            venues=tuple(
                VenueProfile(
                    v,
                    PlaceRate(20, 1000),
                    v not in set(no_expiry),
                    None if max_order_value is None else D(max_order_value),
                    fee_asset_prices_quote={asset: D(price) for asset, price in (fee_prices or {}).get(v, {}).items()},
                )
                for v in self.venues
            ),
            symbols=tuple(symbols),
            coins=coins,
            ramp=ramp,
            inventory=inventory or InventoryBands(),
        )
        self.engine = Engine(settings, self.books, strategies)
        self.engine.load(restored or Restored())
        self.tell(
            RunStarted(
                run_id=run_id,
                nonce=run_id,
                mode="sandbox",
                sandbox_id="s",
                account_ids=accounts or {venue: f"{venue}:test" for venue in self.venues},
                seed=1,
                version="t",
                former_account_ids=former or {},
                absent=self.absent,
            )
        )
        for venue in self.venues:
            if venue not in set(unproved):
                self.tell(ExpiryProved(venue=venue))
        for instrument in listed:
            self.tell(VenueListed(venue=instrument.venue, instruments=(instrument,)))
        self._funds = {venue: (reported or {}).get(venue, balances or FUNDS) for venue in self.venues}
        for venue in self.venues:
            if venue not in self.absent:
                self._bring_up(venue, (found or {}) if venue == self.venues[0] else {})
        self.wait_ms(1)

    def _bring_up(self, venue: str, found: dict[str, object]) -> None:
        """Let a venue answer the first questions to it."""
        self.tell(ClockMeasured(venue=venue, offset_ns=0, error_ns=NS_PER_MS))
        self.tell(a_balance(venue, self._funds[venue], asked_ns=self.now_ns))
        self.tell(a_snapshot(venue, started_ns=self.now_ns, **found))
        self.tell(PrivateUp(venue=venue))
        self.tell(a_balance(venue, self._funds[venue], asked_ns=self.now_ns))

    def arrive(self, venue: str, *listed: Instrument, account_id: str = "", former: Iterable[str] = ()) -> None:
        """Let a venue come that was absent; it lists what the others do unless that is said."""
        instruments = listed or (an_instrument(venue),)
        named = account_id or f"{venue}:test"
        self.tell(
            VenueArrived(
                venue=venue,
                account_id=named,
                former_account_ids=dict.fromkeys(former, named),
                instruments=instruments,
                connections={venue: tuple(instrument.native_symbol for instrument in instruments)},
            )
        )
        self._bring_up(venue, {})
        self.wait_ms(1)

    def make_books(self, listed: list[Instrument], rows: dict[tuple[str, str], int], scales: dict[str, Scale]) -> Books:
        """Return the books; a test that is about frames has others."""
        feeds = {
            venue: SilentFeed(venue, {s: BookSeat(row, scales[s]) for (at, s), row in rows.items() if at == venue})
            for venue in self.venues
        }
        return Books(BookArena(len(rows), 20, spare=4), rows, scales, feeds, self.timing)  # type: ignore[arg-type]

    def tell(self, event: AnyEvent) -> tuple[AnyCommand, ...]:
        """Hand an event to the engine now; return its commands."""
        self.seq += 1
        stamped = msgspec.structs.replace(event, seq=self.seq, t_ns=self.now_ns)
        commands = self.engine.handle(stamped)
        self.keep(stamped, commands)
        self.said.extend(commands)
        for command in commands:
            if isinstance(command, RecallOrders):
                commands += self.tell(self.recall(command))
        return commands

    def wait_ms(self, duration: float) -> None:
        """Let time pass."""
        self.now_ns += int(duration * NS_PER_MS)

    def quote(self, venue: str, bids: str, asks: str, symbol: str = SYMBOL) -> None:
        """Set a book, for example `quote("gate", "99.9x2 99.8x5", "100x1")`, as a frame sent and received now."""
        row, scale = self.books.rows[venue, symbol], self.books.scales[symbol]
        for text, write in ((bids, self.arena.write_bids), (asks, self.arena.write_asks)):
            levels = [level.split("x") for level in text.split()]
            write(
                row,
                [scale.price_to_int(price) for price, _ in levels],
                [scale.size_to_int(size) for _, size in levels],
            )
        self.arena.write(row, self.seq, self.now_ns, self.now_ns)
        self.engine.on_frame(venue, self.now_ns, b"")
        self.engine.strategy.on_quotes((row,))

    def drain(self) -> tuple[AnyCommand, ...]:
        """Let the engine act, and again as long as it wants another turn."""
        commands = self.tell(QueueDrained())
        while self.engine.wants_turn:
            commands += self.tell(QueueDrained())
        return commands

    def placed(self) -> list[PlaceOrder]:
        """Return every order placed so far."""
        return [command for command in self.said if isinstance(command, PlaceOrder)]

    def end_episodes(self) -> None:
        """End every episode: an edge that still stands begins a new one."""
        self.engine.strategy.on_event(RunEnding(self.now_ns))

    def not_taken(self) -> dict[str, int]:
        """End every episode, and return how many were not taken so far, by reason."""
        self.end_episodes()
        return dict(self.engine.state.tally.not_taken)

    def rows(self, kind: type[Row]) -> list[Row]:
        """Return every row of a kind persisted so far, in order."""
        return [c.record for c in self.said if isinstance(c, Persist) and isinstance(c.record, kind)]


def lost_with_the_last_moments(command: RecallOrders) -> OrdersRecalled:
    """Answer as a journal that lacks these orders, and that a power cut may have taken them from."""
    names = tuple(name for _, name in command.orders if name is not None)
    return OrdersRecalled(venue=command.venue, orders=command.orders, pairs=(), lost=names)


def a_balance(venue: str, amounts: dict[str, str], *, asked_ns: int) -> BalancesReported:
    """Return a complete report of free amounts."""
    return BalancesReported(
        venue=venue,
        balances={asset: AssetBalance(D(amount), D(0)) for asset, amount in amounts.items()},
        complete=True,
        asked_ns=asked_ns,
    )


def a_snapshot(venue: str, **details: object) -> AccountSnapshotTaken:
    """Return a complete account snapshot that found nothing but the details given."""
    found: dict[str, object] = {
        "complete": True,
        "orders": (),
        "fills": (),
        "transfers": (),
        "transfers_complete": True,
    }
    return AccountSnapshotTaken(venue=venue, **(found | {"started_ns": START_NS} | details))  # type: ignore[arg-type]


def a_fill(
    order: PlaceOrder,
    size: str,
    *,
    price: str | None = None,
    trade_id: str = "t1",
    fee: str = "0",
    fee_currency: str | None = None,
    at_ns: int = START_NS,
) -> Fill:
    """Return a fill of an order at its limit unless a price is given."""
    return Fill(
        venue=order.venue,
        symbol=order.symbol,
        trade_id=trade_id,
        venue_order_id=f"v-{order.client_order_id}",
        client_order_id=order.client_order_id,
        side=order.side,
        price=D(price) if price else order.price,
        size=D(size),
        fee=D(fee),
        fee_currency=fee_currency or Symbol.of(order.symbol).quote,
        liquidity=Liquidity.TAKER,
        source=FillSource.STREAM,
        event_ns=at_ns,
        received_ns=at_ns,
    )


def a_report(order: PlaceOrder, filled: str, *, is_open: bool = False) -> OrderReport:
    """Return a venue's report of an order."""
    return OrderReport(
        venue=order.venue,
        symbol=order.symbol,
        client_order_id=order.client_order_id,
        venue_order_id=f"v-{order.client_order_id}",
        side=order.side,
        price=order.price,
        size=order.size,
        filled=D(filled),
        avg_price=None,
        is_open=is_open,
    )


def a_refusal(order: PlaceOrder, code: str, *, at_ns: int, **says: bool) -> OrderRejected:
    """Return a venue's refusal of an order; `says`: what its outcome table knows of the code (`bars`, `off_steps`, ...)."""
    return OrderRejected(
        venue=order.venue,
        client_order_id=order.client_order_id,
        code=code,
        message="refused",
        sent_ns=at_ns,
        acked_ns=at_ns,
        **says,
    )


def read_whole(listing: Listing) -> dict[str, Instrument]:
    """Return what a listing holds, once all its rows have been read."""
    while True:
        try:
            next(listing)
        except StopIteration as end:
            read: dict[str, Instrument] = end.value
            return read
