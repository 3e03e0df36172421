"""Bybit's reads: public data and the account's own, one function per endpoint.

Source: the venue's API v5 pages of the same names. Each function takes (exchange, query parameters, now_ns) and returns
the `result` of the answer; it raises `BybitRefusal` for a bad request. Identity and rate limits are checked before.
"""

from collections.abc import Callable

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.bybit import wire
from arb.sandbox.bybit.auth import BybitRefusal
from arb.sandbox.bybit.params import (
    Params,
    count_param,
    is_spot,
    page,
    span_of,
    symbol_param,
    wanted_symbol,
)
from arb.sandbox.bybit.wire import Json
from arb.sandbox.candles import DAY_NS
from arb.sandbox.exact import plain
from arb.sandbox.exchange import SimExchange
from arb.sandbox.market import daily_figures
from arb.sandbox.values import SimOrder

BOOK_DEPTH_MAX = 200
KEPT_IN_MEMORY = 500
"""How many ended orders `GET /v5/order/realtime` still finds."""
FORGOTTEN_NS = DAY_NS
"""How long the history shows an order that ended without a fill."""
_STATUS = {"unified 2.0": 5, "unified 2.0 pro": 6}

Read = Callable[[SimExchange, Params, int], Json]


# -- public ------------------------------------------------------------------------------------------------------------


def server_time(_: SimExchange, __: Params, now_ns: int) -> Json:
    return {"timeSecond": str(now_ns // NS_PER_S), "timeNano": str(now_ns)}


def instruments(exchange: SimExchange, params: Params, _: int) -> Json:
    """`GET /v5/market/instruments-info`: those that trade; of spot without pages."""
    listed = exchange.instruments.values() if is_spot(params) else ()
    wanted = wanted_symbol(exchange, params) if listed else None
    rows = [wire.instrument(rules) for rules in listed if rules.tradable and wanted in (None, rules.symbol)]
    return {"category": params["category"], "list": rows, "nextPageCursor": ""}


def book(exchange: SimExchange, params: Params, now_ns: int) -> Json:
    is_spot(params)
    depth = min(max(1, count_param(params, "limit", 1)), BOOK_DEPTH_MAX)
    view = exchange.snapshot(symbol_param(exchange, params), depth)
    instants = {"ts": now_ns // NS_PER_MS, "cts": view.ns // NS_PER_MS}
    return {
        "s": params["symbol"],
        "b": view.bids,
        "a": view.asks,
        "u": view.update_id,
        "seq": view.update_id,
    } | instants


def tickers(exchange: SimExchange, params: Params, now_ns: int) -> Json:
    spot = is_spot(params)
    wanted = wanted_symbol(exchange, params) if spot else None
    rows = [
        wire.ticker(daily_figures(exchange.market(symbol), now_ns), symbol)
        for symbol in (exchange.instruments if spot else ())
        if wanted in (None, symbol)
    ]
    return {"category": params["category"], "list": rows}


def trades(exchange: SimExchange, params: Params, _: int) -> Json:
    """`GET /v5/market/recent-trade`: newest first, up to 60 of spot."""
    is_spot(params)
    count = min(max(1, count_param(params, "limit", 60)), 60)
    found = exchange.public_trades(symbol_param(exchange, params), count)
    return {"category": "spot", "list": [wire.public_trade(trade) for trade in found]}


def system_status(_: SimExchange, __: Params, ___: int) -> Json:
    """`GET /v5/system/status`: no maintenance."""
    return {"list": []}


# -- the account -------------------------------------------------------------------------------------------------------


def key_info(exchange: SimExchange, _: Params, __: int) -> Json:
    """`GET /v5/user/query-api`: the rights and the owner of the key."""
    uid, holder = exchange.profile.user_id, exchange.holder
    groups: dict[str, list[str]] = {group: [] for group in ("ContractTrade", "Spot", "Wallet", "Options", "Exchange")}
    for right in holder.rights:
        groups["Spot" if right == "SpotTrade" else "Wallet"].append(right)
    return {
        "id": "13770661",
        "note": "sandbox",
        "apiKey": exchange.profile.key,
        "readOnly": 0 if holder.rights else 1,
        "secret": "",
        "permissions": groups,
        "ips": list(holder.addresses) or ["*"],
        "type": 1,
        "deadlineDay": -2 if holder.addresses else 83,
        "expiredAt": "1970-01-01T00:00:00Z" if holder.addresses else "2036-05-15T03:21:05Z",
        "createdAt": "2024-10-16T02:24:40Z",
        "unified": 0,
        "uta": 1,
        "userID": uid,
        "inviterID": 0,
        "vipLevel": "No VIP",
        "isMaster": not holder.sub_account,
        "parentUid": str(uid + 1) if holder.sub_account else "0",
        "kycLevel": "LEVEL_1",
        "kycRegion": "MYS",
    }


def account_info(exchange: SimExchange, _: Params, now_ns: int) -> Json:
    return {
        "unifiedMarginStatus": _STATUS[exchange.account_mode],
        "marginMode": "REGULAR_MARGIN",
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
        "dcpStatus": "OFF",
        "timeWindow": 10,
        "smpGroup": 0,
        "updatedTime": wire.ms(now_ns),
    }


def user_settings(_: SimExchange, __: Params, ___: int) -> Json:
    """`GET /v5/account/user-setting-config`: limit prices stay as sent, fees are not taken in MNT."""
    return {"lpaSpot": False, "lpaPerp": False, "smsef": False, "fmsef": False}


def wallet_balance(exchange: SimExchange, params: Params, _: int) -> Json:
    """`GET /v5/account/wallet-balance`: the coins held, or those named in `coin`."""
    if params.get("accountType") != "UNIFIED":
        raise BybitRefusal("10001", "accountType only support UNIFIED.")
    wanted = set(filter(None, str(params.get("coin") or "").split(",")))
    coins = [
        wire.coin(asset, held)
        for asset, held in exchange.balances().items()
        if (asset in wanted if wanted else held.total > 0)
    ]
    return {"list": [wire.account(coins)]}


def fee_rate(exchange: SimExchange, params: Params, _: int) -> Json:
    """`GET /v5/account/fee-rate`: of one symbol, or of all."""
    spot = is_spot(params)
    wanted = wanted_symbol(exchange, params) if spot else None
    rows = []
    for symbol in exchange.instruments if spot else ():
        if wanted in (None, symbol):
            maker, taker = exchange.fee_rates(symbol)
            names = {"symbol": wire.native(symbol), "baseCoin": ""}
            rows.append(names | {"takerFeeRate": plain(taker), "makerFeeRate": plain(maker)})
    return {"category": params["category"], "list": rows}


def coins(exchange: SimExchange, params: Params, _: int) -> Json:
    """`GET /v5/asset/coin/query-info`: one chain per asset."""
    assets = dict.fromkeys(a for rules in exchange.instruments.values() for a in (rules.base, rules.quote))
    wanted = params.get("coin")
    return {"rows": [wire.currency(asset, exchange.wallets.of(asset)) for asset in assets if wanted in (None, asset)]}


def deposits(exchange: SimExchange, params: Params, _: int) -> Json:
    """`GET /v5/asset/deposit/query-record`, newest first."""
    return {"rows": _moved(exchange, params, sign=1), "nextPageCursor": ""}


def withdrawals(exchange: SimExchange, params: Params, _: int) -> Json:
    """`GET /v5/asset/withdraw/query-record`, newest first."""
    return {"rows": _moved(exchange, params, sign=-1), "nextPageCursor": ""}


def _moved(exchange: SimExchange, params: Params, sign: int) -> list[Json]:
    rows = []
    for moved in reversed(exchange.account.transfers):
        if moved.amount * sign <= 0 or params.get("coin") not in (None, "", moved.asset):
            continue
        number, at = str(moved.id), wire.ms(moved.ns)
        row: Json = {"coin": moved.asset, "chain": "ETH", "amount": plain(abs(moved.amount)), "txID": number, "tag": ""}
        if sign > 0:
            row |= {"id": number, "status": 3, "toAddress": "sandbox", "depositFee": "0", "successAt": at}
        else:
            row |= {"withdrawId": number, "status": "success", "toAddress": "sandbox", "withdrawFee": "0"}
            row |= {"createTime": at, "updateTime": at}
        rows.append(row)
    return rows


def transaction_log(exchange: SimExchange, params: Params, now_ns: int) -> Json:
    """`GET /v5/account/transaction-log`: of a day unless a span is named, newest first."""
    first, last = span_of(params, now_ns, DAY_NS)
    if params.get("category"):
        is_spot(params)
    rows = []
    for bill in exchange.bills_of(now_ns, params.get("currency")):
        owner = None if bill.fill is None else exchange.order(bill.fill.order_id)
        row = wire.bill(bill, "" if owner is None else wire.order_link_id(owner))
        same = all(params.get(name) in (None, "", row[name]) for name in ("category", "type"))
        if same and first <= bill.ns // NS_PER_MS <= last:
            rows.append((bill.id, row))
    return page(rows, params, lambda pair: pair[0], lambda pair: pair[1], usual=20, most=50)


# -- orders and fills --------------------------------------------------------------------------------------------------


def realtime(exchange: SimExchange, params: Params, now_ns: int) -> Json:
    """`GET /v5/order/realtime`: open orders, or with `openOnly=1` and by an id the last 500 that ended, too.

    A restart of the service empties its memory of ended orders (fault `order_not_found`); `history` still shows them.
    """
    is_spot(params)
    symbol, by_id = wanted_symbol(exchange, params), params.get("orderId") or params.get("orderLinkId")
    rows = exchange.open_orders(symbol)
    if (by_id or params.get("openOnly") == "1") and not exchange.hide_ended_by_client_id:
        ended = exchange.done_orders(now_ns + exchange.history_lag_ns, symbol)
        rows = [*rows, *(one for one in ended[:KEPT_IN_MEMORY] if one.id not in exchange.unseen)]
    return _orders([one for one in rows if _is_wanted(one, params)], params)


def history(exchange: SimExchange, params: Params, now_ns: int) -> Json:
    """`GET /v5/order/history`: ended orders by the time they were made; those without a fill for a day only."""
    is_spot(params)
    first, last = span_of(params, now_ns)
    rows = [
        one
        for one in exchange.done_orders(now_ns, wanted_symbol(exchange, params))
        if not is_forgotten(one, now_ns) and first <= one.created_ns // NS_PER_MS <= last and _is_wanted(one, params)
    ]
    return _orders(rows, params)


def is_forgotten(subject: SimOrder, now_ns: int) -> bool:
    """Return whether an order is no longer shown: it ended without a fill more than a day ago."""
    ended_ns = subject.finished_ns
    return ended_ns is not None and not subject.filled_lots and now_ns - ended_ns > FORGOTTEN_NS


def executions(exchange: SimExchange, params: Params, now_ns: int) -> Json:
    """`GET /v5/execution/list`: newest first, of one order where it is named."""
    is_spot(params)
    first, last = span_of(params, now_ns)
    rows = []
    for fill in exchange.fills_of(now_ns, wanted_symbol(exchange, params)):
        owner = exchange.orders[fill.order_id]
        if first <= fill.ns // NS_PER_MS <= last and _is_wanted(owner, params):
            rows.append((fill, owner))
    rows.sort(key=lambda pair: pair[0].trade_id, reverse=True)
    found = page(rows, params, lambda pair: pair[0].trade_id, lambda pair: wire.execution(*pair), usual=50, most=100)
    return {"category": "spot"} | found


def _is_wanted(subject: SimOrder, params: Params) -> bool:
    if params.get("orderId"):  # it precedes `orderLinkId`
        return str(subject.id) == str(params["orderId"])
    return params.get("orderLinkId") in (None, "", wire.order_link_id(subject))


def _orders(rows: list[SimOrder], params: Params) -> Json:
    rows.sort(key=lambda one: one.id, reverse=True)
    return {"category": "spot"} | page(rows, params, lambda one: one.id, wire.order, usual=20, most=50)
