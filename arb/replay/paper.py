"""A simulated venue for captures: orders meet the books of the tape, fees are charged, balances change.

An order is matched at the instant it arrives, as immediate-or-cancel, against the levels the tape shows then. What we have
taken from a level is remembered until the tape shows another size there: a level that never changes is not filled twice.
Nobody reacts to our orders, and there is no queue, no rejection by mood and no outage: a replay flatters.
"""

from collections.abc import Mapping
from decimal import Context, Decimal, localcontext

import msgspec

from arb.core.books import Books
from arb.core.commands import CancelOrder, PlaceOrder, QueryOrder, SurveyAccount
from arb.core.events import (
    AccountSurveyed,
    AnyEvent,
    AssetBalance,
    BalancesReported,
    CancelAnswered,
    OrderAccepted,
    OrderFilled,
    OrderLooked,
    OrderRejected,
)
from arb.errors import require
from arb.market.fill import Fill, FillSource, Liquidity
from arb.market.instrument import FeeIn, Instrument
from arb.market.order import OrderReport, Outcome, Side, TimeInForce

ZERO = Decimal(0)
EXACT = Context(prec=80)
START_BALANCE = Decimal(1_000_000)
"""Of every asset at every venue: enough that inventory refuses nothing, unless the settings' own limits do."""


class _Taken(msgspec.Struct):
    """What we have taken from a level, and the size it showed then, both on the symbol's scale."""

    shown: int
    taken: int


class _Kept(msgspec.Struct, frozen=True):
    matched_ns: int
    report: OrderReport
    fills: tuple[Fill, ...]


class PaperVenue:
    """One account at one simulated venue. Instants are ns UTC on the tape's clock; `offset_ns`: venue's minus tape's."""

    def __init__(self, venue: str, books: Books, instruments: Mapping[str, Instrument]) -> None:
        self.venue = venue
        self._books = books
        self._instruments = instruments
        assets = {asset for instrument in instruments.values() for asset in (instrument.base, instrument.quote)}
        self._balances = dict.fromkeys(sorted(assets), START_BALANCE)
        self._taken: dict[tuple[str, Side, int], _Taken] = {}
        self._orders: dict[str, _Kept] = {}
        self._trades = 0

    def place(self, command: PlaceOrder, sent_ns: int, now_ns: int, back_ns: int, offset_ns: int) -> list[AnyEvent]:
        """Match an order that arrives now; return its answer and its fills, which are known to us at `back_ns`."""
        with localcontext(EXACT):
            code = self._refusal(command, now_ns)
            if code is not None:
                return [
                    OrderRejected(
                        venue=self.venue,
                        client_order_id=command.client_order_id,
                        code=code,
                        message="simulated",
                        sent_ns=sent_ns,
                        acked_ns=back_ns,
                    )
                ]
            kept = self._match(command, now_ns, now_ns + offset_ns, back_ns)
        self._orders[command.client_order_id] = kept
        accepted = OrderAccepted(
            venue=self.venue,
            client_order_id=command.client_order_id,
            report=kept.report,
            sent_ns=sent_ns,
            acked_ns=back_ns,
        )
        return [accepted, *(OrderFilled(fill=fill) for fill in kept.fills)]

    def cancel(self, command: CancelOrder) -> CancelAnswered:
        """Answer that nothing rests: every order has ended on arrival."""
        return CancelAnswered(
            venue=self.venue, client_order_id=command.client_order_id, outcome=Outcome.REJECTED, code="not_open"
        )

    def look(self, command: QueryOrder, now_ns: int) -> OrderLooked:
        """Answer with all that is known of an order."""
        kept = self._orders.get(command.client_order_id)
        return OrderLooked(
            venue=self.venue,
            symbol=command.symbol,
            client_order_id=command.client_order_id,
            look=command.look,
            complete=True,
            report=None if kept is None else kept.report,
            fills=() if kept is None else kept.fills,
            started_ns=now_ns,
        )

    def survey(self, command: SurveyAccount, now_ns: int) -> AccountSurveyed:
        """Answer with every order of the symbols that was matched since the instant asked for; nothing is transferred."""
        kept = [
            order
            for order in self._orders.values()
            if order.report.symbol in command.symbols and order.matched_ns >= command.since_ns
        ]
        return AccountSurveyed(
            venue=self.venue,
            complete=True,
            orders=tuple(order.report for order in kept),
            fills=tuple(fill for order in kept for fill in order.fills),
            transfers=(),
            transfers_complete=True,
            started_ns=now_ns,
        )

    def balances(self, asked_ns: int) -> BalancesReported:
        """Return all balances; nothing is ever locked."""
        told = {asset: AssetBalance(amount, ZERO) for asset, amount in self._balances.items()}
        return BalancesReported(venue=self.venue, balances=told, complete=True, asked_ns=asked_ns)

    def _refusal(self, command: PlaceOrder, now_ns: int) -> str | None:
        require(command.tif is TimeInForce.IOC, "simulated venues take immediate-or-cancel orders only")
        instrument = self._instruments[command.symbol]
        if now_ns > command.expires_ns:
            return "expired"
        if not self._books.is_live(self.venue, command.symbol):
            return "no_book"
        if command.side is Side.SELL:
            enough = command.size <= self._balances[instrument.base]
        else:
            fee = _fee_rate(instrument) if instrument.buy_fee_in is FeeIn.QUOTE else ZERO
            enough = command.size * command.price * (1 + fee) <= self._balances[instrument.quote]
        return None if enough else "insufficient_balance"

    def _match(self, command: PlaceOrder, now_ns: int, event_ns: int, back_ns: int) -> _Kept:
        instrument = self._instruments[command.symbol]
        scale = self._books.scales[command.symbol]
        fills: list[Fill] = []
        for price, size in self._sweep(command):
            fill = self._fill(
                command,
                instrument,
                scale.price_to_decimal(price),
                scale.size_to_decimal(size),
                (event_ns, back_ns),
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
        books, symbol = self._books, command.symbol
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

    def _fill(
        self, command: PlaceOrder, instrument: Instrument, price: Decimal, size: Decimal, at_ns: tuple[int, int]
    ) -> Fill:
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
            event_ns=at_ns[0],
            received_ns=at_ns[1],
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
