"""Bitget's answers to a unified account (API v3): orders and reads, one function per endpoint.

Source: the venue's API v3 pages of the same names, and its "Rest API Error Code". Nothing but spot is traded here: the
other categories exist and are empty. Each function takes (exchange, parameters, now_ns) and returns the `data` of the
answer; it raises `BitgetRefusal` for a bad request. Identity and rate limits are checked before.
"""

import re
from collections.abc import Callable
from typing import TypeVar

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.bitget import unified_wire as wire
from arb.sandbox.bitget.auth import BitgetRefusal
from arb.sandbox.bitget.orders import FORCES
from arb.sandbox.bitget.params import PAGE_MAX, Params, find_symbol
from arb.sandbox.bitget.reads import find_order, order_kind
from arb.sandbox.bitget.wire import Json, client_oid, native
from arb.sandbox.coded import Item, ItemReader
from arb.sandbox.exact import plain, whole
from arb.sandbox.exchange import SimExchange
from arb.sandbox.values import OrderRequest, Refusal, Refused, SimOrder

CLIENT_OID = re.compile(r"[.A-Z:/a-z0-9_-]{1,32}")
BATCH_SIZE_MAX = 20
COUNTDOWN_S_MIN, COUNTDOWN_S_MAX = 5, 60
CATEGORIES = (wire.SPOT, "MARGIN", "USDT-FUTURES", "COIN-FUTURES", "USDC-FUTURES")
SPAN_MAX_NS = 30 * 86_400 * NS_PER_S
KEPT_NS = 90 * 86_400 * NS_PER_S
NO_SUCH_ORDER = ("25204", "Order does not exist")
NO_SUCH_SYMBOL = "25100"

Row = TypeVar("Row")

_CODES = {
    Refusal.NOT_TRADABLE: ("25101", "Trading pair not open for trading"),
    Refusal.INSUFFICIENT_BALANCE: ("25202", "Insufficient balance"),
    Refusal.NO_LIQUIDITY: ("25209", "Insufficient market liquidity, please try again later"),
    Refusal.DUPLICATE_CLIENT_ID: ("25212", "Duplicate clientOid"),
    Refusal.ORDER_CLOSED: NO_SUCH_ORDER,
    Refusal.ORDER_CANCELLED: NO_SUCH_ORDER,
}


# -- orders ------------------------------------------------------------------------------------------------------------


def place(exchange: SimExchange, item: Item, now_ns: int) -> Json:
    """`POST /trade/place-order`: place one spot order and return its two names."""
    request = _order_request(exchange, item)
    try:
        placed = exchange.place(request, now_ns)
    except Refused as refused:
        raise _explained(refused, request, exchange) from None
    return {"orderId": str(placed.id), "clientOid": client_oid(placed)}


def cancel(exchange: SimExchange, item: Item, now_ns: int) -> Json:
    """`POST /trade/cancel-order`: cancel by `orderId` or `clientOid`."""
    found = find_order(exchange, _with_name(item))
    if found is None:
        raise BitgetRefusal(*NO_SUCH_ORDER)
    try:
        exchange.cancel(found, now_ns)
    except Refused as refused:
        raise BitgetRefusal(*_CODES[refused.kind]) from None
    return {"orderId": str(found.id), "clientOid": client_oid(found)}


def place_batch(exchange: SimExchange, item: Item, now_ns: int) -> list[Json]:
    """`POST /trade/place-batch`: a bare list of up to 20 orders of one category; each answers for itself."""
    return _each(item, lambda one: place(exchange, one, now_ns))


def cancel_batch(exchange: SimExchange, item: Item, now_ns: int) -> list[Json]:
    """`POST /trade/cancel-batch`: a bare list of up to 20 orders of one category; each answers for itself."""

    def act(one: Item) -> Json:
        _category(one)
        _symbol(exchange, one)
        return cancel(exchange, one, now_ns)

    return _each(item, act)


def cancel_symbol(exchange: SimExchange, item: Item, now_ns: int) -> Json:
    """`POST /trade/cancel-symbol-order`: cancel all orders of a category, or of one of its symbols."""
    spot = _category(item) == wire.SPOT
    symbol = _symbol(exchange, item) if item.get("symbol") else None
    ended = exchange.open_orders(symbol) if spot else []
    named = [{"orderId": str(one.id), "clientOid": client_oid(one)} for one in ended]
    if spot:
        exchange.cancel_all(now_ns, symbol)
    return {"list": named}


def countdown(exchange: SimExchange, item: Item, now_ns: int) -> str:
    """`POST /trade/countdown-cancel-all`: the dead-man switch; 0 disarms, else 5 to 60 seconds."""
    seconds = whole(_needed(item, "countdown"))
    if seconds is None or (seconds != 0 and not COUNTDOWN_S_MIN <= seconds <= COUNTDOWN_S_MAX):
        raise _bad("countdown")
    exchange.arm_countdown(seconds * NS_PER_S, now_ns)
    return "success"


def _order_request(exchange: SimExchange, item: Item) -> OrderRequest:
    """Read one order; a market buy counts `qty` in quote, and `timeInForce` does not apply to a market order."""
    category, side, kind = _category(item), _needed(item, "side").lower(), _needed(item, "orderType").lower()
    if category != wire.SPOT:
        raise BitgetRefusal("25203", "Insufficient margin")
    symbol = _symbol(exchange, item)
    if side not in ("buy", "sell"):
        raise _bad("side")
    if kind not in ("limit", "market"):
        raise _bad("orderType")
    force = "ioc" if kind == "market" else str(item.get("timeInForce") or "gtc").lower()
    if force not in FORCES:
        raise _bad("timeInForce")
    client_id = str(item.get("clientOid") or "")
    if client_id and not CLIENT_OID.fullmatch(client_id):
        raise _bad("clientOid")
    amount = _number(item, "qty")
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
    rules, kind, named = exchange.instruments[request.symbol], refused.kind, native(request.symbol)
    band = plain(rules.band * 100)
    explained = {
        Refusal.BAD_PRICE_PRECISION: ("25244", f"Price should be a multiple of {plain(rules.order_tick)}"),
        Refusal.BAD_SIZE_PRECISION: ("25610", "Order amount does not meet precision requirements"),
        Refusal.BELOW_MIN_NOTIONAL: ("25611", "Order quantity must be greater than the minimum order amount"),
        Refusal.BELOW_MIN_SIZE: (
            "25207",
            f"{named} trading quantity cannot be less than {plain(rules.order_min_size)} units",
        ),
        Refusal.ABOVE_MAX_SIZE: ("25208", f"{named} trading quantity cannot exceed {rules.max_size} units"),
        Refusal.PRICE_BAND: (
            ("25206", f"{named} trading price cannot exceed {band}%")
            if request.side == "buy"
            else ("25205", f"{named} trading price cannot be below {band}%")
        ),
    }
    found = explained.get(kind) or _CODES.get(kind)
    return _bad(refused.detail or "order") if found is None else BitgetRefusal(*found)


def _each(item: Item, act: Callable[[Item], Json]) -> list[Json]:
    wanted = item.get("orderList")
    if not isinstance(wanted, list) or not all(isinstance(one, dict) for one in wanted):
        raise _bad("body")
    if not 1 <= len(wanted) <= BATCH_SIZE_MAX:
        raise BitgetRefusal("40306", "Batch processing orders can only process up to 20")
    if len({str(one.get("category") or "").upper() for one in wanted}) > 1:
        raise BitgetRefusal("25238", "category do not assign values at the same")
    answered: list[Json] = []
    for one in wanted:
        try:
            answered.append(act(one))
        except BitgetRefusal as refusal:
            names = {name: str(one.get(name) or "") for name in ("orderId", "clientOid")}
            answered.append(names | {"code": refusal.code, "msg": refusal.message})
    return answered


# -- public ------------------------------------------------------------------------------------------------------------


def instruments(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    if _category(params) != wire.SPOT:
        return []
    wanted = _symbol(exchange, params) if params.get("symbol") else None
    return [wire.instrument(rules) for rules in exchange.instruments.values() if wanted in (None, rules.symbol)]


def book(exchange: SimExchange, params: Params, now_ns: int) -> Json:
    _category(params)
    limit = whole(params.get("limit") or "5")
    view = exchange.snapshot(_symbol(exchange, params), min(200, limit or 5))
    return {"a": view.asks, "b": view.bids, "ts": str(now_ns // NS_PER_MS)}


# -- the account -------------------------------------------------------------------------------------------------------


def info(exchange: SimExchange, _: Params, __: int) -> Json:
    """`GET /account/info`: a key that may trade and read the account, not withdraw."""
    return {
        "userId": str(exchange.profile.user_id),
        "inviterId": "",
        "parentId": str(exchange.profile.user_id + 1) if exchange.holder.sub_account else "",
        "channelCode": "",
        "channel": "",
        "ips": ",".join(exchange.holder.addresses),
        "permType": "read-and-write",
        "permissions": ["uta_mgt", "uta_trade"],
        "regisTime": "1704067200000",
    }


def settings(exchange: SimExchange, _: Params, __: int) -> Json:
    return {
        "uid": str(exchange.profile.user_id),
        "accountMode": "unified",
        "assetMode": "multi_assets",
        "accountLevel": "basic",
        "holdMode": "one_way_mode",
        "stpMode": "none",
        "symbolConfigList": [],
        "coinConfigList": [],
    }


def assets(exchange: SimExchange, _: Params, __: int) -> Json:
    sums = dict.fromkeys(("accountEquity", "usdtEquity", "btcEquity", "unrealisedPnl", "effEquity", "mmr", "imr"), "0")
    return sums | {"assets": [wire.coin(asset, held) for asset, held in exchange.balances().items() if held.total > 0]}


def fee_rate(exchange: SimExchange, params: Params, _: int) -> Json:
    """`GET /account/fee-rate`: positive when charged."""
    _category(params)
    return _rates(exchange, _symbol(exchange, params))


def all_fee_rates(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    """`GET /account/all-fee-rate`: of all symbols of a category, or of one."""
    if _category(params) != wire.SPOT:
        return []
    wanted = _symbol(exchange, params) if params.get("symbol") else None
    return [
        {"symbol": native(symbol), **_rates(exchange, symbol)}
        for symbol in exchange.instruments
        if wanted in (None, symbol)
    ]


def deduction(exchange: SimExchange, _: Params, __: int) -> Json:
    return {"deduct": "off" if exchange.fee_asset is None else "on"}


def records(exchange: SimExchange, params: Params, now_ns: int) -> Json:
    """`GET /account/financial-records`: newest first, of one category."""
    category = _category(params, (*CATEGORIES, wire.OTHER))
    rows = [
        bill
        for bill in exchange.bills_of(now_ns, params.get("coin"))
        if wire.category_of(bill) == category and params.get("type") in (None, "", wire.record(bill)["type"])
    ]
    return _page(rows, params, lambda bill: bill.id, lambda bill: bill.ns, wire.record, now_ns)


def order_info(exchange: SimExchange, params: Params, _: int) -> Json:
    """`GET /trade/order-info`, open or ended, by `orderId`, else by `clientOid`."""
    found = find_order(exchange, _with_name(params))
    if found is None:
        raise BitgetRefusal(*NO_SUCH_ORDER)
    return wire.order(found)


def open_orders(exchange: SimExchange, params: Params, _: int) -> Json:
    """`GET /trade/unfilled-orders`, newest first; of all categories without one."""
    category = _category(params) if params.get("category") else wire.SPOT
    symbol = _symbol(exchange, params) if params.get("symbol") else None
    return _orders(exchange.open_orders(symbol) if category == wire.SPOT else [], params)


def ended_orders(exchange: SimExchange, params: Params, now_ns: int) -> Json:
    """`GET /trade/history-orders` of one category: by order id, newest first; times are those of creation."""
    category = _category(params)
    symbol = _symbol(exchange, params) if params.get("symbol") else None
    rows = exchange.done_orders(now_ns, symbol) if category == wire.SPOT else []
    return _orders(sorted(rows, key=lambda one: one.id, reverse=True), params, now_ns)


def fills(exchange: SimExchange, params: Params, now_ns: int) -> Json:
    """`GET /trade/fills`: newest first; of one order where it is named, and never by symbol."""
    category = _category(params) if params.get("category") else wire.SPOT
    rows = [
        one
        for one in (exchange.fills_of(now_ns) if category == wire.SPOT else [])
        if params.get("orderId") in (None, "", str(one.order_id))
    ]
    rows.sort(key=lambda one: one.trade_id, reverse=True)
    return _page(
        rows,
        params,
        lambda one: one.trade_id,
        lambda one: one.ns,
        lambda one: wire.fill(one, order_kind(exchange, one), client_id_of(exchange, one.order_id)),
        now_ns,
    )


def client_id_of(exchange: SimExchange, order_id: int) -> str:
    found = exchange.order(order_id)
    return "" if found is None else client_oid(found)


def _orders(rows: list[SimOrder], params: Params, now_ns: int = 0) -> Json:
    return _page(rows, params, lambda one: one.id, lambda one: one.created_ns, wire.order, now_ns)


def _page(
    rows: list[Row],
    params: Params,
    number: Callable[[Row], int],
    instant: Callable[[Row], int],
    write: Callable[[Row], Json],
    now_ns: int = 0,
) -> Json:
    """Cut a page out of rows that are newest first; `cursor` is where the next one begins."""
    limit, below = _count(params, "limit", PAGE_MAX), _count(params, "cursor", 2**63)
    first, last = _count(params, "startTime", 0), _count(params, "endTime", 2**63)
    if params.get("startTime") and params.get("endTime") and (last - first) * NS_PER_MS > SPAN_MAX_NS:
        raise BitgetRefusal("00001", "startTime and endTime interval cannot be greater than 30 days")
    if not params.get("endTime"):  # 30 days between both, and 90 days of all
        first = max(first, (now_ns - SPAN_MAX_NS) // NS_PER_MS)
    first = max(first, (now_ns - KEPT_NS) // NS_PER_MS)
    kept = [row for row in rows if number(row) < below and first <= instant(row) // NS_PER_MS <= last]
    shown = kept[: min(max(1, limit), PAGE_MAX)]
    return {"list": [write(row) for row in shown], "cursor": str(number(shown[-1])) if shown else None}


# -- parameters --------------------------------------------------------------------------------------------------------


def _rates(exchange: SimExchange, symbol: str) -> Json:
    maker, taker = exchange.fee_rates(symbol)
    return {"makerFeeRate": plain(maker), "takerFeeRate": plain(taker)}


def _category(params: Item, known: tuple[str, ...] = CATEGORIES) -> str:
    category = _needed(params, "category").upper()
    if category not in known:
        raise _bad("category")
    return category


def _symbol(exchange: SimExchange, params: Item) -> str:
    spelling = _needed(params, "symbol")
    found = find_symbol(exchange, spelling)
    if found is None:
        raise BitgetRefusal(NO_SUCH_SYMBOL, f"Trading pair {spelling[:40]} does not exist")
    return found


def _with_name(params: Item) -> Item:
    if not params.get("orderId") and not params.get("clientOid"):
        raise _bad("orderId")
    return params


def _count(params: Params, name: str, default: int) -> int:
    text = params.get(name, "")
    number = whole(text) if text else default
    if number is None:
        raise _bad(name)
    return number


def _bad(name: str) -> BitgetRefusal:
    return BitgetRefusal("400172", f"Parameter verification failed {name}")


_ITEMS = ItemReader(_bad, _bad)
_needed, _number = _ITEMS.needed, _ITEMS.number
