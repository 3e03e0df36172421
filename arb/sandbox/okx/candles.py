"""OKX's candles, by `GET /market/candles` and on the channels `candle...` of `/ws/v5/business`.

Source: the venue's API v5, "GET / Candlesticks" and "WS / Candlesticks channel". Candles of six hours or more begin by the
clock of Hong Kong (UTC+8), or by UTC where the name ends in `utc`. Months, and seconds, are not made here.
"""

from collections.abc import Mapping

from arb.clock import NS_PER_MS
from arb.sandbox.candles import DAY_NS, HOUR_NS, MINUTE_NS, MONDAY_NS, Candle, Span
from arb.sandbox.exact import plain
from arb.sandbox.exchange import SimExchange
from arb.sandbox.okx import wire
from arb.sandbox.okx.auth import OkxRefusal
from arb.sandbox.okx.params import natural, symbol_param, whole_param

CANDLES_MAX = 300
HONG_KONG_NS = -8 * HOUR_NS
_LONG = {"6H": Span(6 * HOUR_NS), "12H": Span(12 * HOUR_NS), "1D": Span(DAY_NS), "1W": Span(7 * DAY_NS, MONDAY_NS)}
SPANS = (
    {f"{minutes}m": Span(minutes * MINUTE_NS) for minutes in (1, 3, 5, 15, 30)}
    | {f"{hours}H": Span(hours * HOUR_NS) for hours in (1, 2, 4)}
    | {name: Span(span.ns, span.anchor_ns + HONG_KONG_NS) for name, span in _LONG.items()}
    | {f"{name}utc": span for name, span in _LONG.items()}
)
"""The lengths of candles by the venue's names."""


def row(candle: Candle, is_over: bool) -> list[str]:
    prices = [plain(price) for price in (candle.opened, candle.high, candle.low, candle.close)]
    quote = plain(candle.quote)
    return [wire.ms(candle.ns), *prices, plain(candle.base), quote, quote, "1" if is_over else "0"]


def candles(exchange: SimExchange, params: Mapping[str, str], now_ns: int) -> list[list[str]]:
    """`GET /market/candles` and `/market/history-candles`: newest first, begun before `after` and later than `before`."""
    symbol, span = symbol_param(exchange, params), SPANS.get(params.get("bar") or "1m")
    if span is None:
        raise OkxRefusal("51000", "Parameter bar error", 400)
    count = whole_param(params, "limit", 100, CANDLES_MAX)
    until_ns, market = now_ns + 1, exchange.market(symbol)
    if params.get("after"):
        until_ns = min(until_ns, natural("after", params["after"]) * NS_PER_MS)
    found = market.candles.last(span, count, until_ns)
    if params.get("before"):
        floor_ns = natural("before", params["before"]) * NS_PER_MS
        found = [candle for candle in found if candle.ns > floor_ns]
    return [row(candle, candle.ns + span.ns <= now_ns) for candle in reversed(found)]
