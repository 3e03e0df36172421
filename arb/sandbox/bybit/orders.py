"""Placing, amending and cancelling at Bybit: the parameters of its order endpoints, and their answers.

Source: the venue's API v5, "Place Order", "Amend Order", "Cancel Order", "Cancel All Orders", the three batches, and
"Error Codes". An answer only confirms that a request was taken in. A post-only order that would take is taken in and then
rejected, which queries and the topic `order` show.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from arb.sandbox.bybit.auth import BybitRefusal
from arb.sandbox.bybit.params import NO_SUCH_SYMBOL, find_symbol, is_spot
from arb.sandbox.bybit.wire import Json, ms, native, order_link_id
from arb.sandbox.coded import Item, ItemReader
from arb.sandbox.exact import plain, whole
from arb.sandbox.exchange import SimExchange
from arb.sandbox.values import OrderRequest, Refusal, Refused, SimOrder

LINK_ID = re.compile(r"[0-9A-Za-z_-]{1,36}")
FORCES = {"GTC": "gtc", "IOC": "ioc", "FOK": "fok", "PostOnly": "post_only"}
SIDES = {"Buy": "buy", "Sell": "sell"}
BATCH_SIZE_MAX = 10
NO_SUCH_ORDER = ("170213", "Order does not exist.")
NOT_PERMITTED = ("10005", "Permission denied, please check your API key permissions.")

_CODES = {
    Refusal.UNKNOWN_SYMBOL: NO_SUCH_SYMBOL,
    Refusal.NOT_TRADABLE: ("170157", "The trading pair is not available for API trading."),
    Refusal.BAD_PRICE_PRECISION: ("170134", "Order price has too many decimals."),
    Refusal.BAD_SIZE_PRECISION: ("170137", "Order quantity has too many decimals."),
    Refusal.BELOW_MIN_SIZE: ("170136", "Order quantity exceeded lower limit."),
    Refusal.ABOVE_MAX_SIZE: ("170135", "Order quantity exceeded upper limit."),
    Refusal.BELOW_MIN_NOTIONAL: ("170140", "Order value exceeded lower limit."),
    Refusal.INSUFFICIENT_BALANCE: ("170131", "Insufficient balance."),
    Refusal.NO_LIQUIDITY: ("170210", "New order rejected."),
    Refusal.DUPLICATE_CLIENT_ID: ("170141", "Duplicate clientOrderId"),
    Refusal.ORDER_CLOSED: ("170139", "Order has been filled."),
    Refusal.ORDER_CANCELLED: ("170142", "Order has been canceled."),
}


def place(exchange: SimExchange, item: Item, now_ns: int) -> Json:
    """`POST /v5/order/create`: take an order in and return its two names."""
    _may_trade(exchange)
    request = _order_request(exchange, item)
    # Client ids are unique among all orders, ended ones too.
    if request.client_id and exchange.order_by_client_id(request.client_id) is not None:
        raise BybitRefusal(*_CODES[Refusal.DUPLICATE_CLIENT_ID])
    try:
        return _names(exchange.place(request, now_ns))
    except Refused as refused:
        raise _explained(refused, request, exchange) from None


def amend(exchange: SimExchange, item: Item, now_ns: int) -> Json:
    """`POST /v5/order/amend`: another price or quantity, in place."""
    _may_trade(exchange)
    found = find_order(exchange, item)
    price = _number(item, "price") if item.get("price") else None
    size = _number(item, "qty") if item.get("qty") else None
    if price is None and size is None:
        raise BybitRefusal("170312", "The order remains unchanged.")
    try:
        return _names(exchange.amend(found, now_ns, price=price, size=size))
    except Refused as refused:
        raise _explained(refused, found.request, exchange) from None


def cancel(exchange: SimExchange, item: Item, now_ns: int) -> Json:
    """`POST /v5/order/cancel` by `orderId`, else by `orderLinkId`."""
    _may_trade(exchange)
    found = find_order(exchange, item)
    try:
        return _names(exchange.cancel(found, now_ns))
    except Refused as refused:
        raise BybitRefusal(*_CODES[refused.kind]) from None


def cancel_all(exchange: SimExchange, item: Item, now_ns: int) -> Json:
    """`POST /v5/order/cancel-all`: all orders of spot, or of one symbol."""
    _may_trade(exchange)
    if not is_spot(item):
        return {"list": [], "success": "1"}
    ended = exchange.cancel_all(now_ns, _symbol(exchange, item) if item.get("symbol") else None)
    return {"list": [_names(one) for one in ended], "success": "1"}


Act = Callable[[SimExchange, Item, int], Json]


def each(exchange: SimExchange, item: Item, now_ns: int, act: Act) -> tuple[Json, Json]:
    """Perform a batch and return `result` and `retExtInfo`, whose two lists go by the order of the request."""
    wanted = item.get("request")
    if not isinstance(wanted, list) or not all(isinstance(one, dict) for one in wanted):
        raise BybitRefusal("10001", "Request parameter error.")
    if not 1 <= len(wanted) <= BATCH_SIZE_MAX:
        raise BybitRefusal("10001", "The number of orders in a batch exceeds the limit.")
    rows: list[Json] = []
    replies: list[Json] = []
    for one in wanted:
        named = {name: str(one.get(name) or "") for name in ("symbol", "orderId", "orderLinkId")}
        row, code, message = named | {"createAt": ""}, 0, "OK"
        try:
            row |= act(exchange, {**one, "category": item.get("category")}, now_ns) | {"createAt": ms(now_ns)}
        except BybitRefusal as refusal:
            code, message = int(refusal.code), refusal.message
        rows.append(row | {"category": str(item.get("category") or "")})
        replies.append({"code": code, "msg": message})
    return {"list": rows}, {"list": replies}


def find_order(exchange: SimExchange, item: Mapping[str, Any]) -> SimOrder:
    """Return the order that a request names; raises `BybitRefusal` when there is none in its symbol."""
    order_id, link_id = str(item.get("orderId") or ""), str(item.get("orderLinkId") or "")
    if not order_id and not link_id:
        raise BybitRefusal("10001", "params error: orderId or orderLinkId is required")
    known = exchange.order(whole(order_id) or 0) if order_id else exchange.order_by_client_id(link_id)
    if not is_spot(item) or known is None or _symbol(exchange, item) != known.symbol:
        raise BybitRefusal(*NO_SUCH_ORDER)
    return known


def named_in(exchange: SimExchange, item: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return the symbol and the client id that a request is about, without judging it."""
    symbol, link_id = find_symbol(exchange, str(item.get("symbol") or "")), str(item.get("orderLinkId") or "")
    if not link_id:
        known = exchange.order(whole(str(item.get("orderId") or "")) or 0)
        link_id = "" if known is None else known.client_id
    return symbol, link_id


def _may_trade(exchange: SimExchange) -> None:
    if not exchange.holder.may("SpotTrade"):
        raise BybitRefusal(*NOT_PERMITTED)


def _names(subject: SimOrder) -> Json:
    return {"orderId": str(subject.id), "orderLinkId": order_link_id(subject)}


def _order_request(exchange: SimExchange, item: Item) -> OrderRequest:
    """Read one order; a market buy counts `qty` in quote unless `marketUnit` is `baseCoin`."""
    if not is_spot(item):
        raise BybitRefusal("110007", "ab not enough for new order")
    symbol, side, kind = _symbol(exchange, item), SIDES.get(_needed(item, "side")), _needed(item, "orderType")
    if side is None:
        raise _bad("side")
    if kind not in ("Limit", "Market"):
        raise _bad("orderType")
    if str(item.get("isLeverage") or "0") != "0":
        raise BybitRefusal("170131", "Insufficient balance.")  # nothing is lent here
    force = "IOC" if kind == "Market" else str(item.get("timeInForce") or "GTC")
    link_id = str(item.get("orderLinkId") or "")
    if force not in FORCES:
        raise BybitRefusal("170117", "Invalid timeInForce.")
    if link_id and not LINK_ID.fullmatch(link_id):
        raise BybitRefusal("170130", "Data sent for parameter 'orderLinkId' is not valid.")
    amount = _number(item, "qty")
    in_quote = kind == "Market" and side == "buy" and item.get("marketUnit") != "baseCoin"
    return OrderRequest(
        symbol=symbol,
        side=side,
        kind=kind.lower(),
        tif=FORCES[force],
        price=_number(item, "price") if kind == "Limit" else None,
        size=None if in_quote else amount,
        quote_size=amount if in_quote else None,
        client_id=link_id,
        cancel_unfit=True,
    )


def _explained(refused: Refused, request: OrderRequest, exchange: SimExchange) -> BybitRefusal:
    if refused.kind is Refusal.PRICE_BAND:
        rules, twice = exchange.instruments[request.symbol], exchange.market(request.symbol).reference()
        most = rules.tick * Decimal(twice) / 2 * (1 + rules.band if request.side == "buy" else 1 - rules.band)
        text = f"price cannot be {'higher' if request.side == 'buy' else 'lower'} than {plain(most)}"
        return BybitRefusal("170193" if request.side == "buy" else "170194", f"{request.side.title()} order {text}.")
    found = _CODES.get(refused.kind)
    return _bad(refused.detail or "order") if found is None else BybitRefusal(*found)


def _symbol(exchange: SimExchange, item: Item) -> str:
    found = find_symbol(exchange, _needed(item, "symbol"))
    if found is None:
        raise BybitRefusal(*NO_SUCH_SYMBOL)
    return found


def _bad(name: str) -> BybitRefusal:
    return BybitRefusal("170130", f"Data sent for parameter '{native(name)}' is not valid.")


_ITEMS = ItemReader(lambda name: BybitRefusal("10001", f"params error: {name} is required"), _bad)
_needed, _number = _ITEMS.needed, _ITEMS.number
