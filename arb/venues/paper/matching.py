"""The fills of an order at a paper venue: by the book at its arrival, limited to the sizes at the decision.

An order is matched when its answer is due, one latency after it arrived. By then the frames that the venue sent before the
arrival are here; the newest of them, by the venue's own time, is the book that the order met. It takes of each level at
most the size that was there both when it was sent and when it arrived, less the size our earlier orders took
(`PaperAccount.left`). The market does not react to it.
"""

from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal, localcontext

import msgspec

from arb.core.books.books import Books
from arb.core.messages.commands import PlaceOrder
from arb.errors import require
from arb.market.fill import Fill, FillSource, Liquidity
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import ZERO
from arb.market.order import OrderReport, Side, TimeInForce
from arb.venues.paper.account import EXACT, Kept, PaperAccount, taker_fee

SHORT_OF_FUNDS = "insufficient_balance"
OFF_STEPS = "off_steps"
NOT_TRADABLE = "not_tradable"
FEE_STEP = Decimal("1e-12")
"""The step to which a fee in another asset is rounded up."""
Levels = dict[Decimal, Decimal]
"""Sizes by price, best first."""


class Reached(msgspec.Struct):
    """The outcome of all sizes that arrived, each in quote at its order's limit; `wanted` is the sum of the others.

    `not_shown`: beyond the sizes the book showed within the limit when the order was sent. `gone`: was there then, and
    not any more when the order arrived. `taken_before`: was there, but our earlier orders had taken it. `unseen`: the
    book was not live.
    """

    wanted: Decimal = ZERO
    filled: Decimal = ZERO
    not_shown: Decimal = ZERO
    gone: Decimal = ZERO
    taken_before: Decimal = ZERO
    unseen: Decimal = ZERO


class Underway(msgspec.Struct):
    """An order on its way: when it arrives (our clock), and two sets of levels within its limit. These are the levels when it
    was sent, and the newest ones that the venue sent before it arrives.
    """

    command: PlaceOrder
    arrives_ns: int
    decided: Levels
    standing: Levels


FeePrice = Callable[[str, str], Decimal | None]
"""The price of an asset in a quote, None where it is unknown."""


def unpriced(asset: str, quote: str) -> Decimal | None:
    return None


class Charging:
    """Charges the fills of one order, one after the other: in the asset of the venue's own while that lasts, else as listed."""

    def __init__(self, instrument: Instrument, side: Side, account: PaperAccount, fee_price: FeePrice) -> None:
        self._instrument = instrument
        self._in_base = side is Side.BUY and instrument.buy_fee_in is FeeIn.BASE
        asset = instrument.fee_asset
        own = asset and asset not in (instrument.base, instrument.quote) and instrument.fee_asset_taker is not None
        self._price = fee_price(asset, instrument.quote) if own else None
        self._left = account.balances.get(asset, ZERO)

    def of(self, price: Decimal, size: Decimal) -> tuple[Decimal, str]:
        """Return the fee of the next fill, and the asset it is taken in."""
        rules = self._instrument
        if self._price is not None and rules.fee_asset_taker is not None:
            fee = (size * price * rules.fee_asset_taker / self._price).quantize(FEE_STEP, ROUND_CEILING)
            if fee <= self._left:
                self._left -= fee
                return fee, rules.fee_asset
        traded = size if self._in_base else size * price
        return traded * taker_fee(rules), rules.base if self._in_base else rules.quote


class PaperMatching:
    """Matches the orders of one account against the books that the engine itself sees.

    `offset_ns`: the venue's clock minus ours, which its frames are timed by and fills are reported in. `fee_price`: the
    price in quote of the asset that pays the account's fees. Without a price, or with too little of that asset, the fee is
    taken from base or quote.
    """

    def __init__(
        self,
        venue: str,
        books: Callable[[], Books],
        account: PaperAccount,
        offset_ns: Callable[[], int],
        fee_price: FeePrice = unpriced,
    ) -> None:
        self._fee_price = fee_price
        self._venue = venue
        self._books = books
        self._account = account
        self._offset_ns = offset_ns
        self._underway: list[Underway] = []
        self.reached = Reached()

    def leave(self, command: PlaceOrder, arrives_ns: int) -> Underway:
        """Note the levels an order is sent to, at the instant it is sent."""
        require(command.tif is TimeInForce.IOC, "paper takes immediate-or-cancel orders only")
        live = self._books().is_live(self._venue, command.symbol)
        levels = self._levels(command) if live else {}
        order = Underway(command, arrives_ns, levels, levels)
        self._underway.append(order)
        return order

    @property
    def watches(self) -> bool:
        return bool(self._underway)

    def on_frame(self) -> None:
        """Note the levels a frame changed where orders are going, unless the venue sent it after they arrive."""
        for order in self._underway:
            symbol = order.command.symbol
            if self._books().is_live(self._venue, symbol) and self._sent_ns(symbol) <= order.arrives_ns:
                order.standing = self._levels(order.command)

    def answer(self, order: Underway, instrument: Instrument) -> Kept | str:
        """Match an order whose answer is due; return its outcome, or the code it is refused with."""
        self._underway.remove(order)
        code = self._refusal(order, instrument)
        if code is not None:
            return code
        command = order.command
        with localcontext(EXACT):
            kept = Kept(command.client_order_id, order.arrives_ns, *self._matched(order, instrument))
        self._account.keep(kept, instrument)
        require(kept.report.filled <= command.size, f"{command.client_order_id}: more filled than ordered")
        return kept

    def _sent_ns(self, symbol: str) -> int:
        """Return when the venue sent a book's last frame, our clock; its receipt where the venue states no time."""
        arena, row = self._books().arena, self._books().rows[self._venue, symbol]
        event_ns, received_ns = int(arena.event_ns[row]), int(arena.received_ns[row])
        return event_ns - self._offset_ns() if event_ns else received_ns

    def _levels(self, command: PlaceOrder) -> Levels:
        buys, limit = command.side is Side.BUY, command.price
        levels = self._books().levels(self._venue, command.symbol, command.side)
        return {price: size for price, size in levels if (price <= limit if buys else price >= limit)}

    def _refusal(self, order: Underway, instrument: Instrument) -> str | None:
        """Return the first of the venue's own rules that refuses an order, or None."""
        command = order.command
        size, price = command.size, command.price
        if order.arrives_ns > command.expires_ns:
            return "expired"
        if not instrument.tradable:
            return NOT_TRADABLE
        with localcontext(EXACT):
            if size % instrument.lot or price % instrument.tick or size <= 0 or price <= 0:
                return OFF_STEPS
            if size < instrument.min_size or (instrument.max_size is not None and size > instrument.max_size):
                return "size"
            if size * price < instrument.min_notional:
                return "min_notional"
            if self._outside_band(command, instrument):
                return "price_band"
        return None if self._account.covers(instrument, command.side, size, price) else SHORT_OF_FUNDS

    def _outside_band(self, command: PlaceOrder, instrument: Instrument) -> bool:
        """Return whether an order crosses the book by more than the venue allows, as a ratio of the book's middle."""
        band, mid = instrument.price_band, self._books().mid(self._venue, command.symbol)
        if band is None or mid is None:
            return False
        return command.price > mid * (1 + band) if command.side is Side.BUY else command.price < mid * (1 - band)

    def _matched(self, order: Underway, instrument: Instrument) -> tuple[OrderReport, tuple[Fill, ...]]:
        command, event_ns = order.command, order.arrives_ns + self._offset_ns()
        fees = Charging(instrument, command.side, self._account, self._fee_price)
        fills = tuple(
            self._fill(command, price, size, fees.of(price, size), event_ns) for price, size in self._sweep(order)
        )
        filled = sum((fill.size for fill in fills), ZERO)
        notional = sum((fill.size * fill.price for fill in fills), ZERO)
        report = OrderReport(
            venue=self._venue,
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
        return report, fills

    def _sweep(self, order: Underway) -> list[tuple[Decimal, Decimal]]:
        """Take the available levels within the limit, best first; return (price, size) of each level taken.

        The levels of a book that is not live are unknown: nothing is taken.
        """
        command, account, reached = order.command, self._account, self.reached
        reached.wanted += command.size * command.price
        if not self._books().is_live(self._venue, command.symbol):
            reached.unseen += command.size * command.price
            return []
        account.forget_gone(command.symbol, command.side, order.standing, command.price)
        swept: list[tuple[Decimal, Decimal]] = []
        wanted = command.size
        for price, shown in order.standing.items():
            there = account.left(command.symbol, command.side, price, shown)
            size = min(wanted, there, order.decided.get(price, ZERO))
            if size > 0:
                account.take(command.symbol, command.side, price, shown, size)
                swept.append((price, size))
                wanted -= size
        self._explain(order, command.size - wanted)
        return swept

    def _explain(self, order: Underway, filled: Decimal) -> None:
        """Count why an order did not get its full size: by the sizes when sent, at its arrival, and taken before."""
        size, price, reached = order.command.size, order.command.price, self.reached
        shown = min(size, sum(order.decided.values(), ZERO))
        met = min(size, sum((min(order.standing.get(at, ZERO), there) for at, there in order.decided.items()), ZERO))
        reached.filled += filled * price
        reached.not_shown += (size - shown) * price
        reached.gone += (shown - met) * price
        reached.taken_before += (met - filled) * price

    def _fill(
        self, command: PlaceOrder, price: Decimal, size: Decimal, fee: tuple[Decimal, str], event_ns: int
    ) -> Fill:
        charged, currency = fee
        return Fill(
            venue=self._venue,
            symbol=command.symbol,
            trade_id=self._account.next_trade_id(),
            venue_order_id=_venue_order_id(command),
            client_order_id=command.client_order_id,
            side=command.side,
            price=price,
            size=size,
            fee=charged,
            fee_currency=currency,
            liquidity=Liquidity.TAKER,
            source=FillSource.STREAM,
            event_ns=event_ns,
            received_ns=0,
        )


def _venue_order_id(command: PlaceOrder) -> str:
    return f"paper-{command.client_order_id}"
