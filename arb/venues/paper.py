"""Paper trading: orders meet the books that the engine itself sees, fees are charged, balances change; nothing leaves.

An order arrives `latency_ns` after it was sent, is matched at that instant as immediate-or-cancel against the levels the books
show then, and its answer is known `latency_ns` later. What we have taken from a level is remembered until the book shows
another size there: a level that never changes is not filled twice. Nobody reacts to our orders, and there is no queue, no
rejection by mood and no outage: paper flatters. The books may be those of a tape or of live feeds.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from decimal import Context, Decimal, localcontext
from functools import partial
from typing import Any

import msgspec

from arb.clock import NS_PER_S, Clock
from arb.core.books import Books
from arb.core.commands import CancelOrder, PlaceOrder, QueryOrder, SnapshotAccount
from arb.core.events import (
    AccountSnapshotTaken,
    AssetBalance,
    BalancesReported,
    CancelAnswered,
    ClockMeasured,
    OrderAccepted,
    OrderFilled,
    OrderQueried,
    OrderRejected,
    PrivateUp,
)
from arb.errors import require
from arb.market.fill import Fill, FillSource, Liquidity
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import ZERO
from arb.market.order import OrderReport, Outcome, Side, TimeInForce
from arb.venues.base import Departure, EventListener, PlaceAnswer
from arb.venues.rules.guard import SalePrice

EXACT = Context(prec=80)
START_BALANCE = Decimal(1_000_000)
SHORT_OF_FUNDS = "insufficient_balance"
"""Of every asset at every venue: enough that inventory refuses nothing, unless the settings' own limits do."""


class _Taken(msgspec.Struct):
    """What we have taken from a level, and the size it showed then, both on the symbol's scale."""

    shown: int
    taken: int


class _Kept(msgspec.Struct, frozen=True):
    matched_ns: int
    report: OrderReport
    fills: tuple[Fill, ...]


class PaperGateway:
    """One account at one venue; see `arb.venues.base.OrderGateway`.

    `books` returns the books that orders are matched against; `offset_ns` the venue's clock minus ours, which the instants of
    fills are reported in. `latency_ns` >= 0 is the way of an order there, and that of its answer back.
    """

    def __init__(
        self,
        venue: str,
        instruments: Iterable[Instrument],
        books: Callable[[], Books],
        *,
        clock: Clock,
        latency_ns: int,
        offset_ns: Callable[[], int],
        balances: Mapping[str, Decimal] | None = None,
    ) -> None:
        self.venue = venue
        self.account_id = f"{venue}:paper"
        self.former_ids: tuple[str, ...] = ()
        self.expiry_proved = True  # expired orders are refused here
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self.listed = frozenset(self._instruments)
        self._books = books
        self._clock = clock
        self._latency_ns = latency_ns
        self._offset_ns = offset_ns
        assets = {asset for listed in self._instruments.values() for asset in (listed.base, listed.quote)}
        self._balances = dict.fromkeys(sorted(assets), START_BALANCE) if balances is None else dict(balances)
        self._taken: dict[tuple[str, Side, int], _Taken] = {}
        self._orders: dict[str, _Kept] = {}
        self._trades = 0
        self._listener: EventListener | None = None

    async def start(self) -> None:
        """Do nothing: there is nobody to ask."""

    async def close(self) -> None:
        """Do nothing: no socket is held."""

    def value_sales(self, price: SalePrice) -> None:
        """Do nothing: nothing is signed, so no guard stands here."""

    # Orders.

    def prepare(self, command: PlaceOrder) -> Departure | OrderRejected:
        """Make an order ready to leave; nothing here ever refuses one before it was sent."""
        return partial(self._leave, command)

    async def place(self, command: PlaceOrder) -> PlaceAnswer:
        """Send one order."""
        return await self._leave(command)

    def _leave(self, command: PlaceOrder) -> Coroutine[Any, Any, PlaceAnswer]:
        return self._answer(command, self._clock.wall_ns())

    async def _answer(self, command: PlaceOrder, sent_ns: int) -> PlaceAnswer:
        await self._travel()
        with localcontext(EXACT):
            code = self._refusal(command, self._clock.wall_ns())
            kept = None if code is not None else self._match(command, self._clock.wall_ns())
        if kept is not None:
            self._orders[command.client_order_id] = kept
        await self._travel()
        now_ns = self._clock.wall_ns()
        if kept is None:
            return OrderRejected(
                venue=self.venue,
                client_order_id=command.client_order_id,
                code=str(code),
                message="simulated",
                sent_ns=sent_ns,
                acked_ns=now_ns,
                short_of_funds=code == SHORT_OF_FUNDS,
            )
        # The private stream reports the fills right after the answer.
        asyncio.get_running_loop().call_soon(self._report_fills, kept.fills, now_ns)
        return OrderAccepted(
            venue=self.venue,
            client_order_id=command.client_order_id,
            report=kept.report,
            sent_ns=sent_ns,
            acked_ns=now_ns,
        )

    async def cancel(self, command: CancelOrder) -> CancelAnswered:
        """Answer that nothing rests: every order has ended on arrival."""
        await self._round_trip()
        return CancelAnswered(
            venue=self.venue, client_order_id=command.client_order_id, outcome=Outcome.REJECTED, code="not_open"
        )

    async def cancel_many(self, commands: Sequence[CancelOrder]) -> tuple[CancelAnswered, ...]:
        """Answer the same of several."""
        return tuple(await asyncio.gather(*map(self.cancel, commands)))

    # Questions.

    async def query_order(self, command: QueryOrder) -> OrderQueried:
        """Answer with all that is known of an order when the question arrives."""
        started_ns = self._clock.wall_ns()
        await self._travel()
        kept = self._orders.get(command.client_order_id)
        await self._travel()
        return OrderQueried(
            venue=self.venue,
            symbol=command.symbol,
            client_order_id=command.client_order_id,
            attempt=command.attempt,
            complete=True,
            report=None if kept is None else kept.report,
            fills=() if kept is None else kept.fills,
            started_ns=started_ns,
        )

    async def snapshot_account(self, command: SnapshotAccount) -> AccountSnapshotTaken:
        """Answer with every order of the symbols that was matched since the instant asked for; nothing is transferred."""
        started_ns = self._clock.wall_ns()
        await self._travel()
        kept = [
            order
            for order in self._orders.values()
            if order.report.symbol in command.symbols and order.matched_ns >= command.since_ns
        ]
        await self._travel()
        return AccountSnapshotTaken(
            venue=self.venue,
            complete=True,
            orders=tuple(order.report for order in kept),
            fills=tuple(fill for order in kept for fill in order.fills),
            transfers=(),
            transfers_complete=True,
            started_ns=started_ns,
        )

    async def balances(self) -> BalancesReported:
        """Return all balances as they are when the question arrives; nothing is ever locked."""
        asked_ns = self._clock.wall_ns()
        await self._travel()
        held = {asset: AssetBalance(amount, ZERO) for asset, amount in self._balances.items()}
        await self._travel()
        return BalancesReported(venue=self.venue, balances=held, complete=True, asked_ns=asked_ns)

    async def instruments(self, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        """Return the rules of those of `symbols` that are traded here."""
        return tuple(listed for symbol, listed in self._instruments.items() if symbol in symbols)

    async def measure_clock(self) -> ClockMeasured:
        """Return what is known of the venue's clock; no question is asked, so nothing is added to the error."""
        return ClockMeasured(venue=self.venue, offset_ns=self._offset_ns(), error_ns=0)

    async def clock_suspected(self) -> None:
        """Wait for ever: nobody calls a request out of time."""
        await asyncio.Event().wait()

    async def arm_dead_man(self, timeout_s: int) -> bool:
        """Return False: nothing ever rests here."""
        return False

    async def run_private(self, listener: EventListener) -> None:
        """Report fills to `listener` until cancelled."""
        self._listener = listener
        listener(PrivateUp(venue=self.venue))
        await asyncio.Event().wait()

    def _report_fills(self, fills: tuple[Fill, ...], now_ns: int) -> None:
        if self._listener is not None:
            for fill in fills:
                self._listener(OrderFilled(fill=msgspec.structs.replace(fill, received_ns=now_ns)))

    async def _travel(self) -> None:
        if self._latency_ns:
            await asyncio.sleep(self._latency_ns / NS_PER_S)

    async def _round_trip(self) -> None:
        await self._travel()
        await self._travel()

    # Matching.

    def _refusal(self, command: PlaceOrder, now_ns: int) -> str | None:
        require(command.tif is TimeInForce.IOC, "paper takes immediate-or-cancel orders only")
        instrument = self._instruments[command.symbol]
        if now_ns > command.expires_ns:
            return "expired"
        if not self._books().is_live(self.venue, command.symbol):
            return "no_book"
        if command.side is Side.SELL:
            enough = command.size <= self._balances[instrument.base]
        else:
            fee = _fee_rate(instrument) if instrument.buy_fee_in is FeeIn.QUOTE else ZERO
            enough = command.size * command.price * (1 + fee) <= self._balances[instrument.quote]
        return None if enough else SHORT_OF_FUNDS

    def _match(self, command: PlaceOrder, now_ns: int) -> _Kept:
        instrument, event_ns = self._instruments[command.symbol], now_ns + self._offset_ns()
        scale = self._books().scales[command.symbol]
        fills: list[Fill] = []
        for price, size in self._sweep(command):
            fill = self._fill(
                command,
                instrument,
                scale.price_to_decimal(price),
                scale.size_to_decimal(size),
                event_ns,
            )
            self._settle(fill, instrument)
            fills.append(fill)
        filled = sum((fill.size for fill in fills), ZERO)
        notional = sum((fill.size * fill.price for fill in fills), ZERO)
        report = OrderReport(
            venue=self.venue,
            symbol=command.symbol,
            client_order_id=command.client_order_id,
            venue_order_id=_venue_order_id(command),
            side=command.side,
            price=command.price,
            size=command.size,
            filled=filled,
            avg_price=notional / filled if filled else None,
            is_open=False,
            finish_reason="filled" if filled == command.size else "ioc",
            updated_ns=event_ns,
        )
        return _Kept(now_ns, report, tuple(fills))

    def _sweep(self, command: PlaceOrder) -> list[tuple[int, int]]:
        """Take what the book shows within the limit; return (price, size) per level on the symbol's scale."""
        books, symbol = self._books(), command.symbol
        row, scale = books.rows[self.venue, symbol], books.scales[symbol]
        buys = command.side is Side.BUY
        limit, left = scale.price_to_int(command.price), scale.size_to_int(command.size)
        swept: list[tuple[int, int]] = []
        for price, shown in books.arena.asks(row) if buys else books.arena.bids(row):
            if not left or (price > limit if buys else price < limit):
                break
            taken = self._taken.get((symbol, command.side, price))
            if taken is None or taken.shown != shown:
                taken = self._taken[symbol, command.side, price] = _Taken(shown, 0)
            size = min(left, shown - taken.taken)
            if size:
                taken.taken += size
                left -= size
                swept.append((price, size))
        return swept

    def _fill(self, command: PlaceOrder, instrument: Instrument, price: Decimal, size: Decimal, event_ns: int) -> Fill:
        self._trades += 1
        in_base = command.side is Side.BUY and instrument.buy_fee_in is FeeIn.BASE
        traded = size if in_base else size * price
        return Fill(
            venue=self.venue,
            symbol=command.symbol,
            trade_id=str(self._trades),
            venue_order_id=_venue_order_id(command),
            client_order_id=command.client_order_id,
            side=command.side,
            price=price,
            size=size,
            fee=traded * _fee_rate(instrument),
            fee_currency=instrument.base if in_base else instrument.quote,
            liquidity=Liquidity.TAKER,
            source=FillSource.STREAM,
            event_ns=event_ns,
            received_ns=self._clock.wall_ns() + self._latency_ns,
        )

    def _settle(self, fill: Fill, instrument: Instrument) -> None:
        sign = 1 if fill.side is Side.BUY else -1
        self._balances[instrument.base] += sign * fill.size
        self._balances[instrument.quote] -= sign * fill.size * fill.price
        self._balances[fill.fee_currency] -= fill.fee


def _fee_rate(instrument: Instrument) -> Decimal:
    return ZERO if instrument.taker_fee is None else instrument.taker_fee


def _venue_order_id(command: PlaceOrder) -> str:
    return f"paper-{command.client_order_id}"
