"""Placing, cancelling and looking up orders at Binance.

Source: `rest-api.md`, "Trading endpoints" and "Account Endpoints", `errors.md`, `filters.md` and `faqs/stp_faq.md`. An answer
is the matching engine's: with `RESULT` and `FULL` it is the last word on an order that does not rest.
"""

import re
from decimal import Decimal
from typing import TypeVar

from arb.clock import NS_PER_MS
from arb.sandbox.binance import wire
from arb.sandbox.binance.auth import BinanceRefusal, Params, missing
from arb.sandbox.binance.params import (
    count,
    decimal,
    needed,
    rows_asked,
    span,
    symbol_param,
    text,
    wanted_symbol,
    within,
)
from arb.sandbox.binance.wire import ORDER_TYPES, SELF_TRADE_MODES, Json
from arb.sandbox.candles import DAY_NS
from arb.sandbox.exact import mul, units_floor
from arb.sandbox.exchange import SimExchange
from arb.sandbox.values import OrderRequest, Refusal, Refused, SimOrder

Row = TypeVar("Row")

CLIENT_ID = re.compile(r"[\.A-Z\:/a-z0-9_-]{1,36}")
FORCES = {"GTC": "gtc", "IOC": "ioc", "FOK": "fok"}
ANSWERS = ("ACK", "RESULT", "FULL")
ARCHIVED_NS = 90 * DAY_NS
"""After how long an order that ended without a fill is shown no more."""
SIGNED = frozenset({"timestamp", "recvWindow", "signature", "apiKey", "returnRateLimits"})
PLACING = frozenset(
    (
        *("symbol", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "newClientOrderId"),
        *("strategyId", "strategyType", "newOrderRespType", "selfTradePreventionMode"),
    )
)
CANCELLING = frozenset(("symbol", "orderId", "origClientOrderId", "newClientOrderId", "cancelRestrictions"))
"""The parameters of these two; one that is in neither this nor `SIGNED` is refused."""
NO_FUNDS = ("-2010", "Account has insufficient balance for requested action.")
NO_SUCH_ORDER = ("-2013", "Order does not exist.")

_CODES = {
    Refusal.NOT_TRADABLE: ("-2010", "Market is closed."),
    Refusal.BAD_PRICE_PRECISION: ("-1013", "Filter failure: PRICE_FILTER"),
    Refusal.BAD_SIZE_PRECISION: ("-1013", "Filter failure: LOT_SIZE"),
    Refusal.BELOW_MIN_SIZE: ("-1013", "Filter failure: LOT_SIZE"),
    Refusal.ABOVE_MAX_SIZE: ("-1013", "Filter failure: LOT_SIZE"),
    Refusal.BELOW_MIN_NOTIONAL: ("-1013", "Filter failure: NOTIONAL"),
    Refusal.PRICE_BAND: ("-1013", "Filter failure: PERCENT_PRICE_BY_SIDE"),
    Refusal.INSUFFICIENT_BALANCE: NO_FUNDS,
    Refusal.POST_ONLY_WOULD_TAKE: ("-2010", "Order would immediately match and take."),
    Refusal.DUPLICATE_CLIENT_ID: ("-2010", "Duplicate order sent."),
}


def place(exchange: SimExchange, params: Params, now_ns: int) -> Json:
    """`POST /api/v3/order`: the answer is `FULL` for limit and market orders, else `ACK`, unless one is asked for."""
    request = _request(exchange, params)
    kind = text(params, "newOrderRespType") or ("ACK" if request.tif == "post_only" else "FULL")
    if kind not in ANSWERS:
        raise BinanceRefusal("-1130", "Data sent for parameter 'newOrderRespType' is not valid.")
    if not exchange.holder.may_trade(request.symbol):
        raise BinanceRefusal("-2010", "Symbol not whitelisted for API key.")
    if len(exchange.open_orders(request.symbol)) >= wire.OPEN_ORDERS_MAX:
        raise BinanceRefusal("-1013", "Filter failure: MAX_NUM_ORDERS")
    try:
        placed = exchange.place(request, now_ns)
    except Refused as refused:
        raise _explained(refused) from None
    return wire.placed(placed, kind, exchange.fills_of_order(placed))


def _request(exchange: SimExchange, params: Params) -> OrderRequest:
    check_read(params, PLACING)
    symbol, side, kind = symbol_param(exchange, params), needed(params, "side"), needed(params, "type")
    if side not in ("BUY", "SELL"):
        raise BinanceRefusal("-1117", "Invalid side.")
    if kind not in ORDER_TYPES:
        raise BinanceRefusal("-1116", "Invalid orderType.")
    mode = text(params, "selfTradePreventionMode") or wire.USUAL_SELF_TRADE_MODE
    if mode not in SELF_TRADE_MODES:
        raise BinanceRefusal("-1013", "This symbol does not allow the specified self-trade prevention mode.")
    size, price = decimal(params, "quantity"), decimal(params, "price")
    quote, echo = decimal(params, "quoteOrderQty"), {"selfTradePreventionMode": mode, "unique_client_id": "yes"}
    if quote is not None and kind == "MARKET" and size is None:
        size = _size_for(exchange, symbol, side.lower(), quote)
        echo["quoteOrderQty"] = wire.amount(quote)
    elif quote is not None:
        raise _not_required("quoteOrderQty")
    if size is None:
        raise missing("quantity")
    return OrderRequest(
        symbol=symbol,
        side=side.lower(),
        kind="market" if kind == "MARKET" else "limit",
        tif=_force(params, kind),
        price=_price(price, kind),
        size=size,
        client_id=client_id(params, "newClientOrderId"),
        cancel_unfit=kind != "LIMIT_MAKER",
        self_trade=SELF_TRADE_MODES[mode],
        echo=echo,
    )


def _price(price: Decimal | None, kind: str) -> Decimal | None:
    if price is None and kind != "MARKET":
        raise missing("price")
    if price is not None and kind == "MARKET":
        raise _not_required("price")
    return price


def _force(params: Params, kind: str) -> str:
    force = text(params, "timeInForce")
    if kind != "LIMIT":
        if force:
            raise _not_required("timeInForce")
        return "ioc" if kind == "MARKET" else "post_only"
    if not force:
        raise missing("timeInForce")
    if force not in FORCES:
        raise BinanceRefusal("-1115", "Invalid timeInForce.")
    return FORCES[force]


def _size_for(exchange: SimExchange, symbol: str, side: str, quote: Decimal) -> Decimal:
    """Return the size that a market order exchanges for an amount of quote at most."""
    rules, lots = exchange.instruments[symbol], 0
    book = exchange.market(symbol).book
    left = units_floor(quote, mul(rules.tick, rules.lot))
    for ticks, offered in book.top(side == "sell", 1000).items():
        taken = min(offered, left // ticks)
        lots, left = lots + taken, left - taken * ticks
        if taken < offered:
            break
    if not lots:
        raise BinanceRefusal("-1013", "Filter failure: NOTIONAL")
    return mul(Decimal(lots), rules.lot)


def client_id(params: Params, name: str) -> str:
    chosen = text(params, name)
    if chosen and not CLIENT_ID.fullmatch(chosen):
        legal = f"^{CLIENT_ID.pattern}$"
        raise BinanceRefusal("-1100", f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
    return chosen


def check_read(params: Params, known: frozenset[str]) -> None:
    """Raise `BinanceRefusal` where a parameter was sent that the endpoint does not read."""
    read = sum(name in known or name in SIGNED for name in params)
    if read < len(params):
        sent = f"read '{read}' parameter(s) but was sent '{len(params)}'."
        raise BinanceRefusal("-1104", f"Not all sent parameters were read; {sent}")


def _not_required(name: str) -> BinanceRefusal:
    return BinanceRefusal("-1106", f"Parameter '{name}' sent when not required.")


def _explained(refused: Refused) -> BinanceRefusal:
    found = _CODES.get(refused.kind)
    if found is None:
        found = ("-1013", "Invalid price." if refused.detail == "price" else "Invalid quantity.")
    return BinanceRefusal(*found)


# -- cancelling --------------------------------------------------------------------------------------------------------


def cancel(exchange: SimExchange, params: Params, now_ns: int) -> Json:
    """`DELETE /api/v3/order` by id, by client id, or by both; the answer is the order's last state."""
    check_read(params, CANCELLING)
    rule, cancel_id = text(params, "cancelRestrictions"), client_id(params, "newClientOrderId")
    if rule and rule not in ("ONLY_NEW", "ONLY_PARTIALLY_FILLED"):
        raise BinanceRefusal("-1145", "Invalid cancelRestrictions")
    unknown = BinanceRefusal("-2011", "Unknown order sent.")
    found = _named(exchange, params, unknown)
    if found is None or not found.is_open:
        raise unknown
    if rule and wire.status(found) != rule.removeprefix("ONLY_"):
        raise BinanceRefusal("-2011", "Order was not canceled due to cancel restrictions.")
    return _ended(exchange, found, cancel_id, now_ns)


def cancel_all(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    """`DELETE /api/v3/openOrders`: all orders of a symbol; none at all is an error."""
    found = exchange.open_orders(symbol_param(exchange, params))
    if not found:
        raise BinanceRefusal("-2011", "Unknown order sent.")
    return [_ended(exchange, one, "", now_ns) for one in reversed(found)]


def _ended(exchange: SimExchange, found: SimOrder, cancel_id: str, now_ns: int) -> Json:
    found.request.echo["cancel_id"] = cancel_id
    return wire.cancelled(exchange.cancel(found, now_ns))


# -- looking up --------------------------------------------------------------------------------------------------------


def _named(exchange: SimExchange, params: Params, mismatch: BinanceRefusal) -> SimOrder | None:
    """Return the order of a symbol that a request names: by its id where that was sent, whose client id must fit then."""
    symbol, number, own = symbol_param(exchange, params), count(params, "orderId"), text(params, "origClientOrderId")
    if number < 0 and not own:
        text_ = "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
        raise BinanceRefusal("-1102", text_)
    found = exchange.order(number) if number >= 0 else exchange.order_by_client_id(own)
    if found is not None and found.symbol == symbol and own not in ("", wire.client_order_id(found)):
        raise mismatch
    return found if found is not None and found.symbol == symbol else None


def query(exchange: SimExchange, params: Params, now_ns: int) -> Json:
    """`GET /api/v3/order`; its memory may be late."""
    mismatch = BinanceRefusal("-2039", "Client order ID is not correct for this order ID.")
    found = _named(exchange, params, mismatch)
    if found is None:
        raise BinanceRefusal(*NO_SUCH_ORDER)
    if is_archived(found, now_ns):
        text_ = "Order was canceled or expired with no executed qty over 90 days ago and has been archived."
        raise BinanceRefusal("-2026", text_)
    return wire.order(found)


def is_archived(subject: SimOrder, now_ns: int) -> bool:
    ended_ns = subject.finished_ns
    return ended_ns is not None and not subject.filled_lots and now_ns - ended_ns > ARCHIVED_NS


def open_orders(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    found = exchange.open_orders(wanted_symbol(exchange, params))
    return [wire.order(one) for one in sorted(found, key=lambda one: one.id)]


def all_orders(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    """`GET /api/v3/allOrders`: open and ended, oldest first; from an id on, in a span of a day, or the last."""
    symbol, number, limit = symbol_param(exchange, params), count(params, "orderId"), rows_asked(params)
    first, last = span(params)
    found = [
        one
        for one in (*exchange.open_orders(symbol), *exchange.done_orders(now_ns, symbol))
        if not is_archived(one, now_ns) and one.id >= number and within(one.created_ns // NS_PER_MS, first, last)
    ]
    found.sort(key=lambda one: one.id)
    return [wire.order(one) for one in _cut(found, limit, from_start=number >= 0 or first >= 0)]


_COMBINATIONS = [
    set(names.split())
    for names in ("", "orderId", "startTime", "endTime", "fromId", "startTime endTime", "orderId fromId")
]
"""The combinations of parameters that `GET /api/v3/myTrades` takes with a symbol."""


def trades(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    """`GET /api/v3/myTrades`: oldest first; from a trade id on, in a span of a day, or the last."""
    symbol, number, limit = symbol_param(exchange, params), count(params, "orderId"), rows_asked(params)
    first, last = span(params)
    from_id = count(params, "fromId")
    if {name for name in ("orderId", "startTime", "endTime", "fromId") if name in params} not in _COMBINATIONS:
        raise BinanceRefusal("-1128", "Combination of optional parameters invalid.")
    found = [
        fill
        for fill in exchange.fills_of(now_ns, symbol, None if number < 0 else number)
        if fill.trade_id >= from_id and within(fill.ns // NS_PER_MS, first, last)
    ]
    found.sort(key=lambda fill: fill.trade_id)
    return [wire.trade(fill) for fill in _cut(found, limit, from_start=from_id >= 0 or first >= 0)]


def _cut(rows: list[Row], limit: int, *, from_start: bool) -> list[Row]:
    return rows[:limit] if from_start else rows[-limit:]
