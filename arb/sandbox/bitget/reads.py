"""Bitget's reads: public data and the account's own, one function per endpoint.

Source: the venue's API v2 pages of the same names. Each function takes (exchange, query parameters, now_ns) and returns
the `data` of the answer; it raises `BitgetRefusal` for a bad request. Identity and rate limits are checked before.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from arb.clock import NS_PER_S
from arb.sandbox.bills import TRANSFER
from arb.sandbox.bitget import wire
from arb.sandbox.bitget.auth import BitgetRefusal
from arb.sandbox.bitget.params import Params, needed, page, symbol_param, wanted_symbol, whole_param
from arb.sandbox.bitget.wire import Json
from arb.sandbox.exact import plain, whole
from arb.sandbox.exchange import SimExchange
from arb.sandbox.market import daily_figures
from arb.sandbox.values import SimFill, SimOrder

BILLS_MAX = 500
KEPT_NS = 90 * 86_400 * NS_PER_S
BOOK_DEPTH_MAX = 150
Row = TypeVar("Row")

Read = Callable[[SimExchange, Params, int], Any]


# -- public ------------------------------------------------------------------------------------------------------------


def server_time(_: SimExchange, __: Params, now_ns: int) -> Json:
    return {"serverTime": wire.ms(now_ns)}


def coins(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    assets = dict.fromkeys(a for rules in exchange.instruments.values() for a in (rules.base, rules.quote))
    return [wire.coin(asset, exchange.wallets.of(asset)) for asset in assets if params.get("coin", asset) == asset]


def symbols(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    wanted = wanted_symbol(exchange, params)
    return [wire.symbol_rules(rules) for rules in exchange.instruments.values() if wanted in (None, rules.symbol)]


def margin_symbols(exchange: SimExchange, _: Params, __: int) -> list[Json]:
    return [wire.margin_symbol(rules) for rules in exchange.instruments.values()]


def contracts(_: SimExchange, params: Params, __: int) -> list[Json]:
    """`GET /mix/market/contracts`: this venue lists none."""
    needed(params, "productType")
    return []


def book(exchange: SimExchange, params: Params, now_ns: int) -> Json:
    """`GET /spot/market/orderbook`: up to 150 levels."""
    depth = whole_param(params, "limit", BOOK_DEPTH_MAX, BOOK_DEPTH_MAX)
    return wire.book(exchange.snapshot(symbol_param(exchange, params), depth), now_ns)


def merged_book(exchange: SimExchange, params: Params, now_ns: int) -> Json:
    """`GET /spot/market/merge-depth`: the book unmerged, for any `precision`; `limit` is 100 by default."""
    limit = params.get("limit", "")
    depth = BOOK_DEPTH_MAX if limit == "max" else whole_param(params, "limit", 100, BOOK_DEPTH_MAX)
    symbol = symbol_param(exchange, params)
    scale = str(exchange.instruments[symbol].price_places)
    row = wire.book(exchange.snapshot(symbol, depth), now_ns)
    return row | {"scale": scale, "precision": "scale0", "isMaxPrecision": "YES"}


def fee_levels(exchange: SimExchange, _: Params, __: int) -> list[Json]:
    """`GET /spot/market/vip-fee-rate`: one level, with the rates of the first symbol."""
    maker, taker = exchange.fee_rates(next(iter(exchange.instruments)))
    level = {"level": "1", "dealAmount": "0", "assetAmount": "0", "btcWithdrawAmount": "0", "usdtWithdrawAmount": "0"}
    return [level | {"takerFeeRate": plain(taker), "makerFeeRate": plain(maker)}]


def no_plan_orders(_: SimExchange, __: Params, ___: int) -> Json:
    """`GET /spot/trade/current-plan-order`: the sandbox takes no plan orders."""
    return {"nextFlag": False, "idLessThan": "", "orderList": []}


def own_transfers(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    """`GET /spot/account/transferRecords`: transfers between the holder's own accounts, which spot has from futures."""
    needed(params, "coin")
    rows = [bill for bill in exchange.bills_of(now_ns, params["coin"]) if bill.kind == TRANSFER]
    return [
        wire.own_transfer(bill)
        for bill in page(rows, params, lambda bill: bill.id, lambda bill: bill.ns, most=BILLS_MAX)
    ]


def tickers(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    wanted = wanted_symbol(exchange, params)
    return [
        wire.ticker(daily_figures(exchange.market(symbol), now_ns), symbol, now_ns)
        for symbol in exchange.instruments
        if wanted in (None, symbol)
    ]


def trades(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    """`GET /spot/market/fills` and `fills-history`: newest first."""
    symbol = symbol_param(exchange, params)
    return [
        wire.public_trade(trade) for trade in exchange.public_trades(symbol, whole_param(params, "limit", 100, 500))
    ]


# -- the account -------------------------------------------------------------------------------------------------------


def account_info(exchange: SimExchange, _: Params, now_ns: int) -> Json:
    """`GET /spot/account/info`: the key's rights and addresses, as its holder has chosen."""
    holder = exchange.holder
    return {
        "userId": str(exchange.profile.user_id),
        "inviterId": "",
        "channelCode": "",
        "channel": "",
        "ips": ",".join(holder.addresses),
        "authorities": list(holder.rights),
        "parentId": exchange.profile.user_id + (1 if holder.sub_account else 0),
        "traderType": "not_trader",
        "regisTime": wire.ms(min(rules.listed_ns for rules in exchange.instruments.values())),
    }


def assets(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    """`GET /spot/account/assets`: held assets, or everything with `assetType=all`."""
    show_all = params.get("assetType", "hold_only") == "all"
    return [
        wire.balance(asset, held, now_ns)
        for asset, held in exchange.balances().items()
        if params.get("coin") in (None, "", asset) and (show_all or held.total > 0)
    ]


def trade_rate(exchange: SimExchange, params: Params, _: int) -> Json:
    """`GET /common/trade-rate`: the account's own rates."""
    if needed(params, "businessType") not in ("spot", "margin", "mix"):
        raise BitgetRefusal("40017", "Parameter verification failed businessType")
    return _rates(exchange, symbol_param(exchange, params))


def deduct_info(exchange: SimExchange, _: Params, __: int) -> Json:
    return {"deduct": "off" if exchange.fee_asset is None else "on"}


def all_trade_rates(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    """`GET /common/all-trade-rate`: the account's own rates for every symbol of a business line."""
    if needed(params, "businessType") != "spot":
        return []
    return [{"symbol": wire.native(symbol), **_rates(exchange, symbol)} for symbol in exchange.instruments]


def _rates(exchange: SimExchange, symbol: str) -> Json:
    maker, taker = exchange.fee_rates(symbol)
    return {"makerFeeRate": plain(maker), "takerFeeRate": plain(taker)}


def deposits(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    return _transfers(exchange, params, deposited=True)


def withdrawals(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    return _transfers(exchange, params, deposited=False)


# -- orders and fills --------------------------------------------------------------------------------------------------


def find_order(exchange: SimExchange, item: Mapping[str, Any]) -> SimOrder | None:
    """Return the order that `orderId`, else `clientOid`, names; None when there is none."""
    order_id = str(item.get("orderId") or "")
    if order_id:
        return exchange.order(whole(order_id) or 0)
    return exchange.order_by_client_id(str(item.get("clientOid") or ""))


def order_info(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    """`GET /spot/trade/orderInfo`: a list of one, or empty when there is no such order."""
    if not params.get("orderId") and not params.get("clientOid"):
        raise BitgetRefusal("40019", "Parameter orderId cannot be empty")
    found = find_order(exchange, params)
    return [] if found is None else [wire.order(found)]


def open_orders(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    """`GET /spot/trade/unfilled-orders`, newest first."""
    rows = [o for o in exchange.open_orders(wanted_symbol(exchange, params)) if _named(str(o.id), params)]
    return [wire.open_order(o) for o in page(rows, params, lambda o: o.id, lambda o: o.created_ns)]


def ended_orders(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    """`GET /spot/trade/history-orders`: by order id, newest first; times are those of creation."""
    rows = [o for o in exchange.done_orders(now_ns, wanted_symbol(exchange, params)) if _named(str(o.id), params)]
    rows.sort(key=lambda o: o.id, reverse=True)
    return [
        wire.order(o)
        for o in page(_within(rows, now_ns, lambda o: o.created_ns), params, lambda o: o.id, lambda o: o.created_ns)
    ]


def fills(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    """`GET /spot/trade/fills`: newest first, paged by `tradeId`."""
    rows = [f for f in exchange.fills_of(now_ns, wanted_symbol(exchange, params)) if _named(str(f.order_id), params)]
    rows = _within(rows, now_ns, lambda f: f.ns)
    rows.sort(key=lambda f: f.trade_id, reverse=True)
    return [wire.fill(f, order_kind(exchange, f)) for f in page(rows, params, lambda f: f.trade_id, lambda f: f.ns)]


def bills(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    """`GET /spot/account/bills`: newest first, paged by `billId`."""
    rows = [
        (bill, row)
        for bill in exchange.bills_of(now_ns, params.get("coin"))
        for row in [wire.bill(bill)]
        if all(params.get(name) in (None, "", row[name]) for name in ("groupType", "businessType"))
    ]
    rows = _within(rows, now_ns, lambda pair: pair[0].ns)
    paged = page(rows, params, lambda pair: pair[0].id, lambda pair: pair[0].ns, most=BILLS_MAX)
    return [row for _, row in paged]


def order_kind(exchange: SimExchange, subject: SimFill) -> str:
    """Return `limit` or `market`, the type of the order that a fill belongs to."""
    found = exchange.order(subject.order_id)
    return "limit" if found is None else found.request.kind


# -- choosing rows -----------------------------------------------------------------------------------------------------


def _within(rows: list[Row], now_ns: int, instant: Callable[[Row], int]) -> list[Row]:
    return [row for row in rows if instant(row) >= now_ns - KEPT_NS]


def _named(order_id: str, params: Params) -> bool:
    return params.get("orderId") in (None, "", order_id)


def _transfers(exchange: SimExchange, params: Params, *, deposited: bool) -> list[Json]:
    for bound in ("startTime", "endTime"):
        needed(params, bound)
    rows = [
        booked
        for booked in reversed(exchange.account.transfers)
        if (booked.amount > 0) is deposited and booked.amount != 0 and params.get("coin") in (None, "", booked.asset)
    ]
    return [wire.transfer(booked) for booked in page(rows, params, lambda b: b.id, lambda b: b.ns)]
