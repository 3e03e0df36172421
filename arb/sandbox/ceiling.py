"""The profit of a clairvoyant without latency: the yardstick of the sandbox, by its own arithmetic.

An episode is the time during which buying a symbol at one venue and selling it at another is profitable on the true
books, after both taker fees. The clairvoyant takes each episode once, at the instant of its greatest net. The sell size
is a multiple of the seller's lot. The buy size is the smallest multiple of the buyer's lot that covers it after a base
fee, and the residual is sold into the rest of the bids. The size ends where the next level would no longer pay, or one lot
below that, where rounding up the buy would cost more than it brings. Balances do not limit it, and depth shared by two
episodes counts in both, so it is a ceiling and not a forecast.
"""

from collections.abc import Iterator
from decimal import ROUND_CEILING, Context, Decimal

from arb.sandbox.exact import ONE, ZERO, add, mul, sub, units_floor
from arb.sandbox.exchange import SimExchange

_WIDE = Context(prec=60)


class Ceiling:
    """Sum the best net of every episode over all symbols and ordered pairs of venues."""

    def __init__(self, exchanges: list[SimExchange]) -> None:
        self._exchanges = exchanges
        self._closed: dict[str, Decimal] = {}
        self._open: dict[tuple[str, str, str], Decimal] = {}
        self._seen: dict[str, tuple[list[int], bool]] = {}
        """By symbol: the update ids of its books when last observed, and whether any pair was profitable."""

    def observe(self, symbol: str) -> bool:
        """Update the nets of a symbol from its present books; return whether any pair of venues is profitable now."""
        ids = [exchange.markets[symbol].book.update_id for exchange in self._exchanges if symbol in exchange.markets]
        seen = self._seen.get(symbol)
        if seen is not None and seen[0] == ids:
            return seen[1]
        profitable = False
        for buyer in self._exchanges:
            for seller in self._exchanges:
                if buyer is not seller and symbol in buyer.markets and symbol in seller.markets:
                    profitable |= self._observe_pair(symbol, buyer, seller)
        self._seen[symbol] = ids, profitable
        return profitable

    def totals(self) -> dict[str, Decimal]:
        """Return the sum so far per quote asset, open episodes included."""
        totals = dict(self._closed)
        for (symbol, _, _), net in self._open.items():
            quote = symbol.partition("/")[2]
            totals[quote] = add(totals.get(quote, ZERO), net)
        return totals

    def _observe_pair(self, symbol: str, buyer: SimExchange, seller: SimExchange) -> bool:
        key = (symbol, buyer.profile.name, seller.profile.name)
        net = best_net(symbol, buyer, seller)
        if net > 0:
            self._open[key] = max(net, self._open.get(key, ZERO))
            return True
        taken = self._open.pop(key, None)
        if taken is not None:
            quote = symbol.partition("/")[2]
            self._closed[quote] = add(self._closed.get(quote, ZERO), taken)
        return False


def best_net(symbol: str, buyer: SimExchange, seller: SimExchange) -> Decimal:
    """Return the net of the size at which the next level would no longer pay; 0 when none pays."""
    fee_a, fee_b = buyer.fee_rates(symbol)[1], seller.fee_rates(symbol)[1]
    in_base = buyer.buys_pay_in == "base" and buyer.fee_asset is None
    kept = sub(ONE, fee_a) if in_base else ONE
    paid_factor = ONE if in_base else add(ONE, fee_a)
    got_factor = sub(ONE, fee_b)
    size = _paying_size(symbol, buyer, seller, kept, paid_factor, got_factor)
    if size == 0:
        return ZERO
    lot_a, lot_b = buyer.instruments[symbol].lot, seller.instruments[symbol].lot
    whole_buy = mul(Decimal(units_floor(_WIDE.divide(size, kept), lot_a)), lot_a)
    candidates = {units_floor(size, lot_b), units_floor(size, lot_b) - 1, units_floor(mul(whole_buy, kept), lot_b)}
    best = ZERO
    for lots in candidates:
        if lots > 0:
            best = max(best, _net_of(symbol, buyer, seller, mul(Decimal(lots), lot_b), kept, paid_factor, got_factor))
    return best


def _net_of(
    symbol: str,
    buyer: SimExchange,
    seller: SimExchange,
    sell: Decimal,
    kept: Decimal,
    paid_factor: Decimal,
    got_factor: Decimal,
) -> Decimal:
    """Return the net of one sell size; below 0 when the asks cannot cover it."""
    lot_a = buyer.instruments[symbol].lot
    lots = _WIDE.divide(_WIDE.divide(sell, kept), lot_a).to_integral_value(rounding=ROUND_CEILING)
    buy = mul(lots, lot_a)
    cost, short = _walk(_levels(buyer, symbol, is_bid=False), buy)
    if short:
        return -ONE
    sold_with_residual, _ = _walk(_levels(seller, symbol, is_bid=True), mul(buy, kept))
    return sub(mul(got_factor, sold_with_residual), mul(paid_factor, cost))


def _paying_size(
    symbol: str, buyer: SimExchange, seller: SimExchange, kept: Decimal, paid_factor: Decimal, got_factor: Decimal
) -> Decimal:
    """Walk both books while one more unit sold brings more than it costs; return the base sold."""
    asks, bids = _levels(buyer, symbol, is_bid=False), _levels(seller, symbol, is_bid=True)
    ask, bid = next(asks, None), next(bids, None)
    total, ask_left, bid_left = ZERO, ZERO, ZERO
    if ask is not None and bid is not None:
        ask_left, bid_left = mul(ask[1], kept), bid[1]
    while ask is not None and bid is not None:
        if mul(mul(bid[0], got_factor), kept) <= mul(ask[0], paid_factor):
            break
        step = min(ask_left, bid_left)
        total, ask_left, bid_left = add(total, step), sub(ask_left, step), sub(bid_left, step)
        if ask_left == 0:
            ask = next(asks, None)
            ask_left = mul(ask[1], kept) if ask is not None else ZERO
        if bid_left == 0:
            bid = next(bids, None)
            bid_left = bid[1] if bid is not None else ZERO
    return total


def _levels(exchange: SimExchange, symbol: str, *, is_bid: bool) -> Iterator[tuple[Decimal, Decimal]]:
    rules, book = exchange.instruments[symbol], exchange.markets[symbol].book
    side = book.bids if is_bid else book.asks
    for ticks in side.best_first():
        yield mul(Decimal(ticks), rules.tick), mul(Decimal(side.levels[ticks].total), rules.lot)


def _walk(levels: Iterator[tuple[Decimal, Decimal]], size: Decimal) -> tuple[Decimal, bool]:
    """Return (quote exchanged for `size` from the best level on, whether the depth fell short)."""
    total, left = ZERO, size
    for price, available in levels:
        taken = min(left, available)
        total, left = add(total, mul(price, taken)), sub(left, taken)
        if left == 0:
            return total, False
    return total, left > 0
