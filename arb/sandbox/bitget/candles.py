"""Bitget's candles, by `GET /spot/market/candles` and `history-candles`, and on the channels `candle...`.

Source: the venue's API v2, "Get Candlestick Data", "Get History Candlestick Data" and "Candlestick Channel". Candles of six
hours or more begin by UTC+8, or by UTC where the name ends in `utc`. REST and websocket spell the lengths differently.
Months are not made.
"""

from collections.abc import Mapping

from arb.clock import NS_PER_MS
from arb.sandbox.bitget import wire
from arb.sandbox.bitget.auth import BitgetRefusal
from arb.sandbox.bitget.params import needed, symbol_param, whole_param
from arb.sandbox.candles import DAY_NS, HOUR_NS, MINUTE_NS, MONDAY_NS, Candle, Span
from arb.sandbox.exact import plain
from arb.sandbox.exchange import SimExchange

CANDLES_MAX, HISTORY_MAX = 1000, 200
EAST_NS = -8 * HOUR_NS
_MINUTES = {minutes: Span(minutes * MINUTE_NS) for minutes in (1, 3, 5, 15, 30)}
_HOURS = {hours: Span(hours * HOUR_NS, EAST_NS if hours > 4 else 0) for hours in (1, 4, 6, 12)}
_DAY, _WEEK = Span(DAY_NS, EAST_NS), Span(7 * DAY_NS, MONDAY_NS + EAST_NS)
_UTC = {
    "6Hutc": Span(6 * HOUR_NS),
    "12Hutc": Span(12 * HOUR_NS),
    "1Dutc": Span(DAY_NS),
    "1Wutc": Span(7 * DAY_NS, MONDAY_NS),
}
GRANULARITIES = (
    {f"{minutes}min": span for minutes, span in _MINUTES.items()}
    | {f"{hours}h": span for hours, span in _HOURS.items()}
    | {"1day": _DAY, "1week": _WEEK}
    | _UTC
)
"""The lengths of candles as REST names them."""
CHANNELS = {
    f"candle{name}": span
    for name, span in (
        {f"{minutes}m": span for minutes, span in _MINUTES.items()}
        | {f"{hours}H": span for hours, span in _HOURS.items()}
        | {"1D": _DAY, "1W": _WEEK}
        | _UTC
    ).items()
}
"""The same as channels name them."""


def row(candle: Candle) -> list[str]:
    prices = [plain(price) for price in (candle.opened, candle.high, candle.low, candle.close)]
    quote = plain(candle.quote)
    return [wire.ms(candle.ns), *prices, plain(candle.base), quote, quote]


def candles(exchange: SimExchange, params: Mapping[str, str], now_ns: int) -> list[list[str]]:
    """`GET /spot/market/candles`: the last `limit` that begin from `startTime` on and before `endTime`, oldest first."""
    symbol, span = symbol_param(exchange, params), GRANULARITIES.get(needed(params, "granularity"))
    if span is None:
        raise BitgetRefusal("40017", "Parameter verification failed granularity")
    count = whole_param(params, "limit", 100, CANDLES_MAX)
    since_ns = whole_param(params, "startTime", 0) * NS_PER_MS
    until_ns = min(now_ns + 1, whole_param(params, "endTime", 2**63) * NS_PER_MS)
    found = exchange.market(symbol).candles.last(span, count, until_ns)
    return [row(candle) for candle in found if candle.ns >= since_ns]


def history_candles(exchange: SimExchange, params: Mapping[str, str], now_ns: int) -> list[list[str]]:
    """`GET /spot/market/history-candles`: the last `limit` before `endTime`, which must be given."""
    needed(params, "endTime")
    wanted = {name: value for name, value in params.items() if name != "startTime"}
    return candles(exchange, wanted | {"limit": str(whole_param(params, "limit", 100, HISTORY_MAX))}, now_ns)
