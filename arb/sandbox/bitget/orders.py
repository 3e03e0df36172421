"""Placing and cancelling at Bitget: the parameters of its order endpoints, and their refusals.

Source: the venue's API v2, "Spot / Trade", and its error-code table. `force` is read in any letter case.
A placement may be received at most `receiveWindow` milliseconds after its `requestTime`. The code that refuses a later one
is not documented; here it is that of a timestamp out of its window.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from arb.clock import NS_PER_MS
from arb.sandbox.bitget.auth import BitgetRefusal
from arb.sandbox.bitget.params import find_symbol
from arb.sandbox.bitget.reads import find_order
from arb.sandbox.bitget.wire import Json, client_oid
from arb.sandbox.coded import Item, ItemReader
from arb.sandbox.exact import plain, whole
from arb.sandbox.exchange import SimExchange
from arb.sandbox.values import OrderRequest, Refusal, Refused

CLIENT_OID = re.compile(r"[\x21-\x7e]{1,64}")
BATCH_SIZE_MAX = 50
RECEIVE_WINDOW_MAX_MS = 60_000
FORCES = ("gtc", "ioc", "fok", "post_only")
NO_SUCH_ORDER = ("43001", "The order does not exist")


_CODES = {
    Refusal.UNKNOWN_SYMBOL: ("40034", "Parameter symbol does not exist"),
    Refusal.NOT_TRADABLE: ("50004", "The transaction pair is currently not supported or has been suspended"),
    Refusal.INSUFFICIENT_BALANCE: ("43012", "Insufficient balance"),
    Refusal.NO_LIQUIDITY: ("50026", "Market price parameter error"),
    Refusal.DUPLICATE_CLIENT_ID: ("43118", "clientOrderId duplicate"),
    Refusal.ABOVE_MAX_SIZE: ("45113", "Maximum order value limit triggered"),
    Refusal.ORDER_CLOSED: NO_SUCH_ORDER,
    Refusal.ORDER_CANCELLED: NO_SUCH_ORDER,
}
_PARAMETERS = {"amount": "size", "time_in_force": "force"}


def place(exchange: SimExchange, item: Item, now_ns: int) -> Json:
    """`POST /spot/trade/place-order`: place one order and return its two names; raises `BitgetRefusal`."""
    if exchange.enforces_expiry:
        _check_window(item, now_ns // NS_PER_MS)
    request = order_request(exchange, item)
    try:
        placed = exchange.place(request, now_ns)
    except Refused as refused:
        raise _explained(refused, request, exchange) from None
    return {"orderId": str(placed.id), "clientOid": client_oid(placed)}


def place_batch(exchange: SimExchange, item: Item, now_ns: int) -> Json:
    """`POST /spot/trade/batch-orders`: place up to 50 orders of one symbol, or of several in `batchMode` `multiple`."""
    return _each(item, lambda one: place(exchange, one, now_ns))


def replace(exchange: SimExchange, item: Item, now_ns: int) -> Json:
    """`POST /spot/trade/cancel-replace-order`: cancel a limit order and place one of another price and size.

    `success` in the answer shows whether the new order was placed. Raises `BitgetRefusal` where the old one stays open.
    """
    symbol = find_symbol(exchange, _needed(item, "symbol"))
    price, size = _number(item, "price"), _number(item, "size")
    if not item.get("orderId") and not item.get("clientOid"):
        raise BitgetRefusal("40019", "Parameter orderId cannot be empty")
    found = find_order(exchange, item)
    if found is None or found.symbol != symbol or not found.is_open:
        raise BitgetRefusal(*NO_SUCH_ORDER)
    new: dict[str, Any] = {
        "symbol": item["symbol"],
        "side": found.side,
        "orderType": "limit",
        "force": found.request.tif,
        "price": plain(price),
        "size": plain(size),
        "clientOid": item.get("newClientOid") or "",
    }
    order_request(exchange, new)
    exchange.cancel(found, now_ns)
    try:
        placed = place(exchange, new, now_ns)
    except BitgetRefusal as refusal:
        return {"orderId": "", "clientOid": str(new["clientOid"]), "success": "failure", "msg": refusal.message}
    return placed | {"success": "success", "msg": None}


def replace_batch(exchange: SimExchange, item: Item, now_ns: int) -> list[Json]:
    """`POST /spot/trade/batch-cancel-replace-order`: up to 50 of these, each for itself."""
    answered = _each({**item, "batchMode": "multiple"}, lambda one: replace(exchange, one, now_ns))
    refused = [
        {"orderId": row["orderId"], "clientOid": row["clientOid"], "success": "failure", "msg": row["errorMsg"]}
        for row in answered["failureList"]
    ]
    return [*answered["successList"], *refused]


def cancel_symbol(exchange: SimExchange, item: Item, now_ns: int) -> Json:
    spelling = _needed(item, "symbol")
    symbol = find_symbol(exchange, spelling)
    if symbol is None:
        raise BitgetRefusal(*_CODES[Refusal.UNKNOWN_SYMBOL])
    exchange.cancel_all(now_ns, symbol)
    return {"symbol": spelling}


def cancel(exchange: SimExchange, item: Item, now_ns: int) -> Json:
    """`POST /spot/trade/cancel-order`: cancel by `orderId` or `clientOid`; raises `BitgetRefusal`."""
    symbol = find_symbol(exchange, _needed(item, "symbol"))
    if symbol is None:
        raise BitgetRefusal(*_CODES[Refusal.UNKNOWN_SYMBOL])
    if not item.get("orderId") and not item.get("clientOid"):
        raise BitgetRefusal("40019", "Parameter orderId cannot be empty")
    found = find_order(exchange, item)
    if found is None or found.symbol != symbol:
        raise BitgetRefusal(*NO_SUCH_ORDER)
    try:
        exchange.cancel(found, now_ns)
    except Refused as refused:
        raise BitgetRefusal(*_CODES[refused.kind]) from None
    return {"orderId": str(found.id), "clientOid": client_oid(found)}


def _check_window(item: Item, now_ms: int) -> None:
    if not item.get("receiveWindow"):
        return
    sent_ms, window_ms = whole(_needed(item, "requestTime")), whole(str(item["receiveWindow"]))
    if sent_ms is None:
        raise _bad("requestTime")
    if window_ms is None or not 0 < window_ms <= RECEIVE_WINDOW_MAX_MS:
        raise _bad("receiveWindow")
    if now_ms - sent_ms > window_ms:
        raise BitgetRefusal("40008", "Request timestamp expired")


def cancel_batch(exchange: SimExchange, item: Item, now_ns: int) -> Json:
    """`POST /spot/trade/batch-cancel-order`: cancel up to 50 orders of one symbol, or of several in `batchMode` `multiple`.

    Each order answers for itself, in `successList` or `failureList`; raises `BitgetRefusal` for a malformed request.
    """
    return _each(item, lambda one: cancel(exchange, one, now_ns))


def _each(item: Item, act: Callable[[Item], Json]) -> Json:
    """Act on each order of a request's list, and sort the answers by whether they refuse."""
    wanted = item.get("orderList")
    if not isinstance(wanted, list) or not all(isinstance(one, dict) for one in wanted):
        raise BitgetRefusal("40019", "Parameter orderList cannot be empty")
    if not 1 <= len(wanted) <= BATCH_SIZE_MAX:
        raise BitgetRefusal("40017", "Parameter verification failed orderList")
    shared = {} if item.get("batchMode") == "multiple" else {"symbol": _needed(item, "symbol")}
    done: list[Json] = []
    failed: list[Json] = []
    for one in wanted:
        try:
            done.append(act(one | shared))
        except BitgetRefusal as refusal:
            named = {name: str(one.get(name) or "") for name in ("orderId", "clientOid")}
            failed.append(named | {"errorMsg": refusal.message, "errorCode": refusal.code})
    return {"successList": done, "failureList": failed}


def order_request(exchange: SimExchange, item: Item) -> OrderRequest:
    """Read one order; raises `BitgetRefusal` naming the parameter that is missing or wrong.

    A market buy counts `size` in quote; `force` does not apply to a market order.
    """
    spelling, side, kind = _needed(item, "symbol"), _needed(item, "side").lower(), _needed(item, "orderType").lower()
    symbol = find_symbol(exchange, spelling)
    if symbol is None:
        raise BitgetRefusal(*_CODES[Refusal.UNKNOWN_SYMBOL])
    if side not in ("buy", "sell"):
        raise _bad("side")
    if kind not in ("limit", "market"):
        raise _bad("orderType")
    force = "ioc" if kind == "market" else _needed(item, "force").lower()
    if force not in FORCES:
        raise _bad("force")
    client_id = str(item.get("clientOid") or "")
    if client_id and not CLIENT_OID.fullmatch(client_id):
        raise BitgetRefusal("40500", "Client_oid check error")
    amount = _number(item, "size")
    in_quote = kind == "market" and side == "buy"
    return OrderRequest(
        symbol=symbol,
        side=side,
        kind=kind,
        tif=force,
        price=_number(item, "price") if kind == "limit" else None,
        size=None if in_quote else amount,
        quote_size=amount if in_quote else None,
        client_id=client_id,
        cancel_unfit=True,
        echo={"unique_client_id": "yes"},
    )


def _explained(refused: Refused, request: OrderRequest, exchange: SimExchange) -> BitgetRefusal:
    rules = exchange.instruments[request.symbol]
    kind = refused.kind
    if kind is Refusal.BAD_ARGUMENT:
        return _bad(_PARAMETERS.get(refused.detail, refused.detail))
    if kind is Refusal.BAD_PRICE_PRECISION:
        return _too_fine("price", request.price, rules.price_places)
    if kind is Refusal.BAD_SIZE_PRECISION:
        return _too_fine("size", request.size, rules.size_places)
    if kind is Refusal.BELOW_MIN_NOTIONAL:
        return BitgetRefusal("45110", f"less than the minimum amount {plain(rules.min_notional)} {rules.quote}")
    if kind is Refusal.BELOW_MIN_SIZE:
        return BitgetRefusal("45110", f"less than the minimum amount {plain(rules.order_min_size)} {rules.base}")
    if kind is Refusal.PRICE_BAND and request.side == "buy":
        return BitgetRefusal("50018", "The price exceed maximum limits")
    if kind is Refusal.PRICE_BAND:
        return BitgetRefusal("50017", "Price under minimum limits")
    return BitgetRefusal(*_CODES[kind])


def _too_fine(name: str, value: Decimal | None, places: int) -> BitgetRefusal:
    shown = "" if value is None else plain(value)
    message = f"Parameter verification exception {name} checkBDScale error value={shown} checkScale={places}"
    return BitgetRefusal("40808", message)


def _bad(name: str) -> BitgetRefusal:
    return BitgetRefusal("40017", f"Parameter verification failed {name}")


_ITEMS = ItemReader(lambda name: BitgetRefusal("40019", f"Parameter {name} cannot be empty"), _bad)
_needed, _number = _ITEMS.needed, _ITEMS.number
