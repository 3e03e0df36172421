"""Binance's candles, by `GET /api/v3/klines` and on the streams `SYMBOL@kline_INTERVAL`; seconds and months are not made.

Source: `rest-api.md`, "Kline/Candlestick data", and `web-socket-streams.md`. Trades are not counted by number or side.
"""

from arb.clock import NS_PER_MS
from arb.sandbox.binance.auth import BinanceRefusal, Params
from arb.sandbox.binance.params import count, needed, rows_asked, symbol_param
from arb.sandbox.binance.wire import Json, amount, ms
from arb.sandbox.candles import DAY_NS, HOUR_NS, MINUTE_NS, MONDAY_NS, Candle, Span
from arb.sandbox.exact import ZERO
from arb.sandbox.exchange import SimExchange

INTERVALS = (
    {f"{minutes}m": Span(minutes * MINUTE_NS) for minutes in (1, 3, 5, 15, 30)}
    | {f"{hours}h": Span(hours * HOUR_NS) for hours in (1, 2, 4, 6, 8, 12)}
    | {"1d": Span(DAY_NS), "3d": Span(3 * DAY_NS), "1w": Span(7 * DAY_NS, MONDAY_NS)}
)


def candles(exchange: SimExchange, params: Params, now_ns: int) -> list[list[object]]:
    """`GET /api/v3/klines`: oldest first, from `startTime` on, else the last up to `endTime`."""
    symbol, interval = symbol_param(exchange, params), INTERVALS.get(needed(params, "interval"))
    if interval is None:
        raise BinanceRefusal("-1120", "Invalid interval.")
    limit, first = rows_asked(params), count(params, "startTime")
    until_ns = min(now_ns, count(params, "endTime", 2**62 // NS_PER_MS) * NS_PER_MS) + 1
    book = exchange.market(symbol).candles
    if first < 0:
        found = book.last(interval, limit, until_ns)
    else:
        first_ns = first * NS_PER_MS
        found = book.between(interval, first_ns, min(until_ns, first_ns + limit * interval.ns))
    return [_row(candle, interval) for candle in found[:limit]]


def _row(candle: Candle, interval: Span) -> list[object]:
    prices = [amount(price) for price in (candle.opened, candle.high, candle.low, candle.close)]
    ends = ms(candle.ns + interval.ns) - 1
    rest = [0, amount(ZERO), amount(ZERO), "0"]
    return [ms(candle.ns), *prices, amount(candle.base), ends, amount(candle.quote), *rest]


def streamed_candle(candle: Candle, span: Span, interval: str, is_over: bool) -> Json:
    """Write the `k` of a kline event."""
    return {
        "t": ms(candle.ns),
        "T": ms(candle.ns + span.ns) - 1,
        "i": interval,
        "f": -1,
        "L": -1,
        "o": amount(candle.opened),
        "c": amount(candle.close),
        "h": amount(candle.high),
        "l": amount(candle.low),
        "v": amount(candle.base),
        "n": 0,
        "x": is_over,
        "q": amount(candle.quote),
        "V": amount(ZERO),
        "Q": amount(ZERO),
        "B": "0",
    }
