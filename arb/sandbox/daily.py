"""The day's figures of a symbol, as tickers show them: from the tape of public trades and the best levels."""

from dataclasses import dataclass
from decimal import Decimal

from arb.clock import NS_PER_S
from arb.sandbox.exact import ZERO, add, mul, plain, ratio, sub
from arb.sandbox.exchange import SimExchange
from arb.sandbox.market import TRADE_TAPE_LENGTH

DAY_NS = 86_400 * NS_PER_S
Texts = tuple[str, str]


@dataclass(frozen=True, slots=True)
class DailyFigures:
    """Best levels as (price, size) texts, '' where a side is empty, and the trades of the last 24 hours in sum.

    Prices are texts; before the first trade they are that of the best bid. `change` is a ratio, rounded to 5 places.
    """

    bid: Texts
    ask: Texts
    last: str
    last_size: str
    opened: str
    high: str
    low: str
    change: str
    base: str
    quote: str


def daily_figures(exchange: SimExchange, symbol: str, now_ns: int) -> DailyFigures:
    """Return the figures of a symbol at this instant."""
    view = exchange.snapshot(symbol, 1)
    bid, ask = _best(view.bids), _best(view.asks)
    trades = [t for t in exchange.public_trades(symbol, TRADE_TAPE_LENGTH) if t.ns > now_ns - DAY_NS]
    if not trades:
        return DailyFigures(bid, ask, bid[0], "0", bid[0], bid[0], bid[0], "0", "0", "0")
    prices = [trade.price for trade in trades]
    base, quote = ZERO, ZERO
    for trade in trades:
        base, quote = add(base, trade.size), add(quote, mul(trade.price, trade.size))
    change = ratio(sub(prices[0], prices[-1]), prices[-1]).quantize(Decimal("0.00001"))
    return DailyFigures(
        bid=bid,
        ask=ask,
        last=plain(prices[0]),
        last_size=plain(trades[0].size),
        opened=plain(prices[-1]),
        high=plain(max(prices)),
        low=plain(min(prices)),
        change=plain(change),
        base=plain(base),
        quote=plain(quote),
    )


def _best(levels: list[list[str]]) -> Texts:
    return (levels[0][0], levels[0][1]) if levels else ("", "")
