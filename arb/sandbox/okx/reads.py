"""OKX's reads: public data and the account's own, one function per endpoint.

Source: the venue's API v5 pages of the same names. Each function takes (exchange, query parameters, now_ns) and returns
the `data` list; it raises `OkxRefusal` for a bad request. Identity and rate limits are checked before.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from arb.clock import NS_PER_MS
from arb.sandbox.candles import DAY_NS, HOUR_NS
from arb.sandbox.exact import plain
from arb.sandbox.exchange import SimExchange
from arb.sandbox.market import daily_figures
from arb.sandbox.okx import wire
from arb.sandbox.okx.bills import bill as written_bill
from arb.sandbox.okx.orders import MARGIN_MODES, inst_id_code
from arb.sandbox.okx.params import (
    Params,
    known_symbol,
    page,
    product_param,
    span_param,
    symbol_param,
    wanted_symbol,
    whole_param,
)
from arb.sandbox.okx.wire import Json
from arb.sandbox.values import SimFill, SimOrder

BOOK_DEPTH_MAX = 400
FULL_BOOK_DEPTH_MAX = 5000
ARCHIVE_NS = 90 * DAY_NS

_LEVELS = {"spot": "1", "futures": "2", "multi_currency": "3", "portfolio": "4"}

Read = Callable[[SimExchange, Params, int], list[Any]]


# -- public ------------------------------------------------------------------------------------------------------------


def server_time(_: SimExchange, __: Params, now_ns: int) -> list[Json]:
    return [{"ts": wire.ms(now_ns)}]


def instruments(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    """`GET /public/instruments`: only spot has any."""
    return listed(exchange, wanted_symbol(exchange, params)) if product_param(params) == "SPOT" else []


def account_instruments(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    """`GET /account/instruments`: instruments the account may trade, which residence may restrict."""
    rows = instruments(exchange, params, 0)
    return [row for row in rows if exchange.holder.may_trade(wire.symbol_of(row["instId"]))]


def listed(exchange: SimExchange, wanted: str | None = None) -> list[Json]:
    groups = _fee_groups(exchange)
    rows = [
        wire.instrument(rules, inst_id_code(exchange, rules.symbol), groups[exchange.fee_rates(rules.symbol)])
        for rules in exchange.instruments.values()
        if wanted in (None, rules.symbol)
    ]
    return rows if exchange.holder.fee_groups else [{k: v for k, v in row.items() if k != "groupId"} for row in rows]


def _fee_groups(exchange: SimExchange) -> dict[tuple[Decimal, Decimal], str]:
    """Return the number of the fee group for each distinct pair of rates (maker, taker)."""
    distinct = dict.fromkeys(exchange.fee_rates(symbol) for symbol in exchange.instruments)
    return {rates: str(number) for number, rates in enumerate(distinct, 1)}


def book(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    """`GET /market/books`: up to 400 levels, 1 without `sz`."""
    return [wire.book(exchange.snapshot(symbol_param(exchange, params), whole_param(params, "sz", 1, BOOK_DEPTH_MAX)))]


def full_book(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    """`GET /market/books-full`: up to 5000 levels."""
    return [
        wire.book(exchange.snapshot(symbol_param(exchange, params), whole_param(params, "sz", 1, FULL_BOOK_DEPTH_MAX)))
    ]


def ticker(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    symbol = symbol_param(exchange, params)
    return [wire.ticker(daily_figures(exchange.market(symbol), now_ns), symbol, now_ns)]


def tickers(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    if product_param(params) != "SPOT":
        return []
    return [
        wire.ticker(daily_figures(exchange.market(symbol), now_ns), symbol, now_ns) for symbol in exchange.instruments
    ]


def trades(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    """`GET /market/trades`: newest first, up to 500."""
    symbol = symbol_param(exchange, params)
    return [
        wire.public_trade(trade) for trade in exchange.public_trades(symbol, whole_param(params, "limit", 100, 500))
    ]


# -- the account -------------------------------------------------------------------------------------------------------


def account_config(exchange: SimExchange, _: Params, __: int) -> list[Json]:
    """`GET /account/config`: as its holder has chosen."""
    uid, holder, mode = str(exchange.profile.user_id), exchange.holder, exchange.account_mode
    return [
        {
            "acctLv": _LEVELS[mode],
            "acctStpMode": "cancel_maker",
            "autoLoan": holder.borrows and mode in MARGIN_MODES,
            "enableSpotBorrow": holder.borrows and mode == "spot",
            "feeType": "1" if exchange.buys_pay_in == "quote" else "0",
            "greeksType": "PA",
            "ip": ",".join(holder.addresses),
            "kycLv": "3",
            "label": "sandbox",
            "level": "Lv1",
            "levelTmp": "",
            "mainUid": f"1{uid}" if holder.sub_account else uid,
            "opAuth": "1",
            "perm": ",".join(holder.rights),
            "posMode": "net_mode",
            "roleType": "0",
            "type": "1" if holder.sub_account else "0",
            "uid": uid,
        }
    ]


def account_balance(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    """`GET /account/balance`, of the assets named in `ccy` when given."""
    wanted = set(filter(None, params.get("ccy", "").split(",")))
    details = [
        wire.balance_detail(asset, balance, now_ns)
        for asset, balance in exchange.balances().items()
        if not wanted or asset in wanted
    ]
    return [wire.account(details, now_ns)]


def trade_fee(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    """`GET /account/trade-fee`: negative when paid. Without `instId` the rates of all groups, above them the first one's."""
    product = product_param(params)
    wanted = params.get("instId")
    symbol = known_symbol(exchange, wanted) if wanted else next(iter(exchange.instruments))
    rates = exchange.fee_rates(symbol)
    maker, taker = (plain(rate.copy_negate()) for rate in rates)
    groups = [
        {"groupId": group, "maker": plain(of[0].copy_negate()), "taker": plain(of[1].copy_negate())}
        for of, group in _fee_groups(exchange).items()
        if not wanted or of == rates
    ]
    return [
        {
            "category": "1",
            "delivery": "",
            "exercise": "",
            **({"feeGroup": groups} if exchange.holder.fee_groups else {}),
            "instType": product,
            "level": "Lv1",
            "maker": maker,
            "makerU": "",
            "makerUSDC": "",
            "taker": taker,
            "takerU": "",
            "takerUSDC": "",
            "fiat": [],
            "uly": "",
            "ruleType": "normal",
            "ts": wire.ms(now_ns),
        }
    ]


def currencies(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    """`GET /asset/currencies`: one chain per asset."""
    assets = dict.fromkeys(a for rules in exchange.instruments.values() for a in (rules.base, rules.quote))
    wanted = set(filter(None, params.get("ccy", "").split(",")))
    return [wire.currency(asset, exchange.wallets.of(asset)) for asset in assets if not wanted or asset in wanted]


def deposits(_exchange: SimExchange, _params: Params, _: int) -> list[Json]:
    """`GET /asset/deposit-history`: nothing ever reaches the funding account from outside; see `bills`."""
    return []


def withdrawals(_exchange: SimExchange, _params: Params, _: int) -> list[Json]:
    """`GET /asset/withdrawal-history`: the funding account has none."""
    return []


# -- orders and fills --------------------------------------------------------------------------------------------------


def show_order(exchange: SimExchange, subject: SimOrder) -> Json:
    fills = exchange.fills_of_order(subject)
    return wire.order(subject, fills[-1] if fills else None)


def open_orders(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    """`GET /trade/orders-pending`, newest first."""
    if params.get("instType", "SPOT") != "SPOT":
        return []
    rows = [o for o in exchange.open_orders(wanted_symbol(exchange, params)) if _order_wanted(o, params)]
    return [show_order(exchange, o) for o in page(rows, params, lambda o: o.id)]


def ended_orders(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    """`GET /trade/orders-history`: by order id, newest first; `begin` and `end` are times of creation."""
    if product_param(params) != "SPOT":
        return []
    return _ended_orders(exchange, params, now_ns, 7 * DAY_NS)


def ended_orders_archive(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    """`GET /trade/orders-history-archive`: as `ended_orders`, of three months."""
    return _ended_orders(exchange, params, now_ns, ARCHIVE_NS) if product_param(params) == "SPOT" else []


def is_forgotten(subject: SimOrder, now_ns: int) -> bool:
    """Return whether an order is no longer shown: it ended without a fill more than two hours ago."""
    ended_ns = subject.finished_ns
    return ended_ns is not None and not subject.filled and now_ns - ended_ns > 2 * HOUR_NS


def _ended_orders(exchange: SimExchange, params: Params, now_ns: int, reach_ns: int) -> list[Json]:
    first, last = span_param(params)
    first = max(first, (now_ns - reach_ns) // NS_PER_MS)
    rows = [
        o
        for o in exchange.done_orders(now_ns, wanted_symbol(exchange, params))
        if not is_forgotten(o, now_ns) and _order_wanted(o, params) and first <= o.created_ns // NS_PER_MS <= last
    ]
    rows.sort(key=lambda o: o.id, reverse=True)
    return [show_order(exchange, o) for o in page(rows, params, lambda o: o.id)]


def fills(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    """`GET /trade/fills`: of three days, newest first, paged by `billId`."""
    return _fills(exchange, params, now_ns, 3 * DAY_NS)


def _fills(exchange: SimExchange, params: Params, now_ns: int, reach_ns: int) -> list[Json]:
    if params.get("instType", "SPOT") != "SPOT":
        return []
    first, last = span_param(params)
    first = max(first, (now_ns - reach_ns) // NS_PER_MS)
    order_id = params.get("ordId")
    rows = [
        fill
        for fill in exchange.fills_of(now_ns, wanted_symbol(exchange, params))
        if (not order_id or str(fill.order_id) == order_id) and first <= fill.ns // NS_PER_MS <= last
    ]
    rows.sort(key=lambda fill: fill.bill_id, reverse=True)
    return [wire.fill(fill, _tag(exchange, fill)) for fill in page(rows, params, lambda fill: fill.bill_id)]


def fills_history(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    """`GET /trade/fills-history`: as `fills`, of three months, and the product must be named."""
    product_param(params)
    return _fills(exchange, params, now_ns, ARCHIVE_NS)


def bills(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    """`GET /account/bills`: of seven days, newest first, paged by `billId`."""
    return _bills(exchange, params, now_ns, 7 * DAY_NS)


def bills_archive(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    """`GET /account/bills-archive`: as `bills`, of three months."""
    return _bills(exchange, params, now_ns, ARCHIVE_NS)


def _bills(exchange: SimExchange, params: Params, now_ns: int, reach_ns: int) -> list[Json]:
    first, last = span_param(params)
    first = max(first, (now_ns - reach_ns) // NS_PER_MS)
    rows = [
        (bill, row)
        for bill in exchange.bills_of(now_ns, params.get("ccy"))
        if first <= bill.ns // NS_PER_MS <= last
        for row in [written_bill(bill, "" if bill.fill is None else _tag(exchange, bill.fill))]
        if all(params.get(name) in (None, "", row[name]) for name in ("instType", "instId", "type", "subType"))
    ]
    return [row for _, row in page(rows, params, lambda pair: pair[0].id)]


# -- writing rows ------------------------------------------------------------------------------------------------------


def _order_wanted(subject: SimOrder, params: Params) -> bool:
    kind, state = params.get("ordType"), params.get("state")
    return (not kind or wire.ord_type(subject) in kind.split(",")) and (not state or wire.order_state(subject) == state)


def _tag(exchange: SimExchange, subject: SimFill) -> str:
    found = exchange.order(subject.order_id)
    return "" if found is None else found.request.echo.get("tag", "")
