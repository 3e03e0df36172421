"""Bybit's candles, by `GET /v5/market/kline` and on the topics `kline.INTERVAL.SYMBOL`; months are not made.

Source: the venue's API v5, "Get Kline" and the websocket's "Kline".
"""

from arb.clock import NS_PER_MS
from arb.sandbox.bybit.auth import BybitRefusal
from arb.sandbox.bybit.params import Params, count_param, symbol_param
from arb.sandbox.bybit.wire import Json, ms
from arb.sandbox.candles import DAY_NS, MINUTE_NS, MONDAY_NS, Candle, Span
from arb.sandbox.exact import plain
from arb.sandbox.exchange import SimExchange

CANDLES_MAX = 1000
INTERVALS = {str(minutes): Span(minutes * MINUTE_NS) for minutes in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)} | {
    "D": Span(DAY_NS),
    "W": Span(7 * DAY_NS, MONDAY_NS),
}


def candles(exchange: SimExchange, params: Params, now_ns: int) -> Json:
    """`GET /v5/market/kline`: newest first, begun from `start` on and up to `end`."""
    symbol, span = symbol_param(exchange, params), INTERVALS.get(str(params.get("interval") or ""))
    if span is None:
        raise BybitRefusal("10001", "Invalid period!")
    count = min(max(1, count_param(params, "limit", 200)), CANDLES_MAX)
    until_ns = min(now_ns, count_param(params, "end", 2**63) * NS_PER_MS) + 1
    found = exchange.market(symbol).candles.last(span, count, until_ns)
    since_ns = count_param(params, "start", 0) * NS_PER_MS
    rows = [_row(candle) for candle in reversed(found) if candle.ns >= since_ns]
    return {"category": "spot", "symbol": params["symbol"], "list": rows}


def _row(candle: Candle) -> list[str]:
    prices = [plain(price) for price in (candle.opened, candle.high, candle.low, candle.close)]
    return [ms(candle.ns), *prices, plain(candle.base), plain(candle.quote)]


def streamed_candle(candle: Candle, span: Span, interval: str, is_over: bool, now_ns: int) -> Json:
    return {
        "start": candle.ns // NS_PER_MS,
        "end": (candle.ns + span.ns) // NS_PER_MS - 1,
        "interval": interval,
        "open": plain(candle.opened),
        "close": plain(candle.close),
        "high": plain(candle.high),
        "low": plain(candle.low),
        "volume": plain(candle.base),
        "turnover": plain(candle.quote),
        "confirm": is_over,
        "timestamp": now_ns // NS_PER_MS,
    }
