"""Binance's reads: public data, the account, and the key. One function per endpoint.

Source: `rest-api.md` and the wallet documents of the same names. Each function takes (exchange, parameters, now_ns), returns
the answer's content, and raises `BinanceRefusal` for a bad request. Identity and limits are checked before.
"""

import json
from datetime import UTC, datetime
from decimal import Decimal

from arb.sandbox.binance import wire
from arb.sandbox.binance.auth import NO_PERMISSION, BinanceRefusal, Params
from arb.sandbox.binance.limits import ORDER_RULES, WEIGHT_RULE
from arb.sandbox.binance.params import NO_SUCH_SYMBOL, count, find_symbol, rows_asked, symbol_param, text, wanted_symbol
from arb.sandbox.binance.wire import Json, amount, ms, native
from arb.sandbox.exact import ONE, ZERO, plain, sub
from arb.sandbox.exchange import SimExchange
from arb.sandbox.market import daily_figures
from arb.sandbox.registry import SPECS

DEPTH_MAX = 5000


def nothing(_: SimExchange, __: Params, ___: int) -> Json:
    return {}


def no_rows(_: SimExchange, __: Params, ___: int) -> list[Json]:
    """Answer with an empty list: margin pairs, of which the sandbox has none."""
    return []


def no_symbols(_: SimExchange, __: Params, now_ns: int) -> Json:
    """Answer for the futures, of which the sandbox has none."""
    return {"timezone": "UTC", "serverTime": ms(now_ns), "rateLimits": [], "exchangeFilters": [], "symbols": []}


def forbidden(_: SimExchange, __: Params, ___: int) -> Json:
    raise BinanceRefusal(*NO_PERMISSION)


# -- public ------------------------------------------------------------------------------------------------------------


def server_time(_: SimExchange, __: Params, now_ns: int) -> Json:
    return {"serverTime": ms(now_ns)}


def exchange_info(exchange: SimExchange, params: Params, now_ns: int) -> Json:
    rows = [wire.symbol_info(exchange.instruments[symbol]) for symbol in _symbols(exchange, params)]
    limits = [WEIGHT_RULE, *ORDER_RULES.values()]
    return {"timezone": "UTC", "serverTime": ms(now_ns), "rateLimits": limits, "exchangeFilters": [], "symbols": rows}


def _symbols(exchange: SimExchange, params: Params) -> list[str]:
    """Return the symbols of `symbol` or `symbols`, all where neither was sent."""
    one = wanted_symbol(exchange, params)
    if one is not None:
        return [one]
    written = text(params, "symbols")
    if not written:
        return list(exchange.instruments)
    try:
        names = json.loads(written) if len(written) < 100_000 and written.count("[") == 1 else None
    except ValueError:
        names = None
    if not isinstance(names, list) or not names:
        raise BinanceRefusal("-1100", "Illegal characters found in parameter 'symbols'; legal range is '^\\[.*\\]$'.")
    found = [symbol for name in names if (symbol := find_symbol(exchange, str(name))) is not None]
    if len(found) < len(names):
        raise BinanceRefusal(*NO_SUCH_SYMBOL)
    return found


def _one_or_all(params: Params, rows: list[Json]) -> Json | list[Json]:
    return rows[0] if "symbol" in params else rows


def book(exchange: SimExchange, params: Params, _: int) -> Json:
    """`GET /api/v3/depth`."""
    view = exchange.snapshot(symbol_param(exchange, params), max(1, count(params, "limit", 100, DEPTH_MAX)))
    return {"lastUpdateId": view.update_id, "bids": view.bids, "asks": view.asks}


def book_tickers(exchange: SimExchange, params: Params, _: int) -> Json | list[Json]:
    rows = []
    for symbol in _symbols(exchange, params):
        view = exchange.snapshot(symbol, 1)
        rows.append(wire.book_ticker(symbol, view.bids, view.asks))
    return _one_or_all(params, rows)


def daily_tickers(exchange: SimExchange, params: Params, now_ns: int) -> Json | list[Json]:
    return _one_or_all(
        params,
        [
            wire.daily_ticker(daily_figures(exchange.market(symbol), now_ns), symbol, now_ns)
            for symbol in _symbols(exchange, params)
        ],
    )


def prices(exchange: SimExchange, params: Params, now_ns: int) -> Json | list[Json]:
    """`GET /api/v3/ticker/price`."""
    rows = daily_tickers(exchange, params, now_ns)
    found = [{name: row[of] for name, of in _PRICE.items()} for row in (rows if isinstance(rows, list) else [rows])]
    return _one_or_all(params, found)


_PRICE = {"symbol": "symbol", "price": "lastPrice"}


def public_trades(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    found = exchange.public_trades(symbol_param(exchange, params), rows_asked(params))
    return [wire.public_trade(trade) for trade in reversed(found)]


def aggregate_trades(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    """`GET /api/v3/aggTrades`: here each trade is an aggregate of its own."""
    found = exchange.public_trades(symbol_param(exchange, params), rows_asked(params))
    rows = [wire.streamed_trade(trade, "aggTrade") for trade in reversed(found)]
    return [{name: row[name] for name in "apqflTmM"} for row in rows]


def system_status(_: SimExchange, __: Params, ___: int) -> Json:
    return {"status": 0, "msg": "normal"}


# -- the account -------------------------------------------------------------------------------------------------------


def account(exchange: SimExchange, params: Params, now_ns: int) -> Json:
    """`GET /api/v3/account`."""
    only_held = text(params, "omitZeroBalances") in ("true", "True")
    maker, taker = exchange.fee_rates(next(iter(exchange.instruments)))
    rows = [
        {"asset": asset, "free": amount(held.free), "locked": amount(held.locked)}
        for asset, held in exchange.balances().items()
        if held.total or not only_held
    ]
    return {
        "makerCommission": int(maker * 10_000),
        "takerCommission": int(taker * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": _rates(maker, taker),
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": ms(now_ns),
        "accountType": "SPOT",
        "balances": rows,
        "permissions": ["SPOT"],
        "uid": exchange.profile.user_id,
    }


def _rates(maker: Decimal, taker: Decimal) -> Json:
    return {"maker": f"{maker:.8f}", "taker": f"{taker:.8f}", "buyer": amount(ZERO), "seller": amount(ZERO)}


def commission(exchange: SimExchange, params: Params, _: int) -> Json:
    """`GET /api/v3/account/commission`; `discount` is by how much the asset of the venue's own lowers the rate."""
    symbol, nothing_more = symbol_param(exchange, params), _rates(ZERO, ZERO)
    [own] = SPECS[exchange.profile.name].fee_assets
    pays = exchange.fee_asset is not None
    return {
        "symbol": native(symbol),
        "standardCommission": _rates(*exchange.fee_rates(symbol)),
        "specialCommission": nothing_more,
        "taxCommission": nothing_more,
        "discount": {"enabledForAccount": pays, "enabledForSymbol": True, "discountAsset": own.asset}
        | {"discount": amount(sub(ONE, own.share))},
    }


def trade_fees(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    """`GET /sapi/v1/asset/tradeFee`."""
    rows = []
    for symbol in _symbols(exchange, params):
        maker, taker = exchange.fee_rates(symbol)
        rows.append({"symbol": native(symbol), "makerCommission": plain(maker), "takerCommission": plain(taker)})
    return rows


RIGHTS = (
    *("enableReading", "enableWithdrawals", "enableInternalTransfer", "enableMargin", "enableFutures"),
    *("permitsUniversalTransfer", "enableVanillaOptions", "enableFixApiTrade", "enableFixReadOnly"),
    *("enableSpotAndMarginTrading", "enablePortfolioMarginTrading"),
)


def key_rights(exchange: SimExchange, _: Params, now_ns: int) -> Json:
    """`GET /sapi/v1/account/apiRestrictions`."""
    held = {right: exchange.holder.may(right) for right in RIGHTS}
    return {"ipRestrict": bool(exchange.holder.addresses), "createTime": ms(now_ns) - 86_400_000} | held


def coins(exchange: SimExchange, _: Params, __: int) -> list[Json]:
    """`GET /sapi/v1/capital/config/getall`: every asset with its one network."""
    assets = dict.fromkeys(a for rules in exchange.instruments.values() for a in (rules.base, rules.quote))
    held = exchange.balances()
    return [wire.coin(asset, held[asset], exchange.wallets.of(asset)) for asset in assets]


def deposits(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    return [row | {"insertTime": at, "status": 1} for row, at in _moved(exchange, params, sign=1)]


def withdrawals(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    return [
        row | {"applyTime": _written(at), "completeTime": _written(at), "status": 6, "transactionFee": "0"}
        for row, at in _moved(exchange, params, sign=-1)
    ]


def _moved(exchange: SimExchange, params: Params, sign: int) -> list[tuple[Json, int]]:
    """Return deposits (`sign` 1) or withdrawals (-1), newest first, with their instants in Unix milliseconds."""
    rows = []
    for moved in reversed(exchange.account.transfers):
        if moved.amount * sign <= 0 or params.get("coin") not in (None, moved.asset):
            continue
        number = str(moved.id)
        row: Json = {"id": number, "txId": number, "coin": moved.asset, "amount": plain(abs(moved.amount))}
        row |= {"network": exchange.wallets.of(moved.asset).chain, "address": "sandbox", "addressTag": ""}
        rows.append((row | {"transferType": 0, "walletType": 0}, ms(moved.ns)))
    return rows


def _written(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%d %H:%M:%S}"
