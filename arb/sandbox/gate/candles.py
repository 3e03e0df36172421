"""Gate's candles, by `GET /spot/candlesticks` and on the channel `spot.candlesticks`.

Source: the API documentation, "Market K-line chart" and the spot websocket's "Candlesticks channel". Candles of seven days
begin on Thursdays, as the epoch did. Those of 10 s and of a month are not made here.
"""

from arb.clock import NS_PER_S
from arb.sandbox.candles import DAY_NS, HOUR_NS, MINUTE_NS, Candle, Span
from arb.sandbox.exact import plain
from arb.sandbox.exchange import SimExchange
from arb.sandbox.gate.auth import GateError
from arb.sandbox.gate.fields import Json, pair_of, seconds
from arb.sandbox.gate.query import Answer, Query

CANDLES_MAX = 1000
SPANS = (
    {f"{minutes}m": Span(minutes * MINUTE_NS) for minutes in (1, 5, 15, 30)}
    | {f"{hours}h": Span(hours * HOUR_NS) for hours in (1, 2, 4, 8)}
    | {"1d": Span(DAY_NS), "7d": Span(7 * DAY_NS)}
)
"""The lengths of candles by the venue's names."""


def span_of(name: str) -> Span:
    span = SPANS.get(name)
    if span is None:
        raise GateError(400, "INVALID_PARAM_VALUE", f"Invalid interval {name}")
    return span


def candlesticks(exchange: SimExchange, symbol: str, query: Query) -> Answer:
    """Answer `/spot/candlesticks`, oldest first: the last `limit`, or those from `from` to `to`, both inclusive."""
    span, candles = span_of(query.params.get("interval") or "30m"), exchange.market(symbol).candles
    since_ns, until = query.time_ns("from"), query.time_ns("to")
    if since_ns is None:
        until_ns = query.now_ns + 1 if until is None else min(until, query.now_ns) + 1
        found = candles.last(span, query.number("limit", 100, CANDLES_MAX), until_ns)
    else:
        until_ns = query.now_ns + 1 if until is None else min(until, query.now_ns) + 1
        if (until_ns - since_ns) // span.ns > CANDLES_MAX:
            raise GateError(400, "INVALID_PARAM_VALUE", f"Candlestick range too broad, at most {CANDLES_MAX} points")
        found = candles.between(span, since_ns, until_ns)
    return 200, [_row(candle, candle.ns + span.ns <= query.now_ns) for candle in found]


def _row(candle: Candle, is_over: bool) -> list[str]:
    prices = [plain(price) for price in (candle.close, candle.high, candle.low, candle.opened)]
    return [str(seconds(candle.ns)), plain(candle.quote), *prices, plain(candle.base), "true" if is_over else "false"]


def candle_event(symbol: str, span: Span, candle: Candle, is_over: bool) -> Json:
    name = next(name for name, known in SPANS.items() if known == span)
    return {
        "t": str(candle.ns // NS_PER_S),
        "v": plain(candle.quote),
        "c": plain(candle.close),
        "h": plain(candle.high),
        "l": plain(candle.low),
        "o": plain(candle.opened),
        "n": f"{name}_{pair_of(symbol)}",
        "a": plain(candle.base),
        "w": is_over,
    }
