"""OKX's view of an account beyond balances and orders: mostly empty, as for a spot account without margin.

Source: the venue's API v5 pages of the same names. Functions are like those of `reads.py`.
"""

from decimal import Decimal

from arb.sandbox.exact import ONE, ZERO, add, mul, plain, ratio
from arb.sandbox.exchange import SimExchange
from arb.sandbox.okx import wire
from arb.sandbox.okx.auth import OkxRefusal
from arb.sandbox.okx.params import Params, product_param, symbol_param
from arb.sandbox.okx.wire import Json


def nothing(_: SimExchange, __: Params, ___: int) -> list[Json]:
    """Positions, algo orders, maintenance, assets of the funding account: there are none."""
    return []


def rate_limit(_: SimExchange, __: Params, now_ns: int) -> list[Json]:
    """`GET /trade/account-rate-limit`: a sub-account's 1,000 orders in two seconds."""
    return [
        {
            "accRateLimit": "1000",
            "fillRatio": "",
            "mainFillRatio": "",
            "nextAccRateLimit": "1000",
            "ts": wire.ms(now_ns),
        }
    ]


def max_size(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    """`GET /account/max-size`: the base that free quote buys, at `px` or the best ask; and the base that can be sold."""
    symbol = symbol_param(exchange, params)
    _need_cash(params)
    rules, ask = exchange.instruments[symbol], exchange.market(symbol).book.asks.best()
    price = Decimal(params["px"]) if params.get("px") else mul(Decimal(ask or 0), rules.tick)
    free = exchange.balances()
    buy = ratio(free[rules.quote].free, price).quantize(rules.lot, rounding="ROUND_FLOOR") if price else ZERO
    row = {
        "ccy": rules.base,
        "instId": wire.inst_id(symbol),
        "maxBuy": plain(buy),
        "maxSell": plain(free[rules.base].free),
    }
    return [row]


def max_available(exchange: SimExchange, params: Params, _: int) -> list[Json]:
    """`GET /account/max-avail-size`: the free quote for a buy, and the free base for a sale."""
    symbol = symbol_param(exchange, params)
    _need_cash(params)
    rules, free = exchange.instruments[symbol], exchange.balances()
    buy, sell = plain(free[rules.quote].free), plain(free[rules.base].free)
    return [{"availBuy": buy, "availSell": sell, "instId": wire.inst_id(symbol)}]


def valuation(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    """`GET /asset/asset-valuation`: the trading account, at the middle of the books, in USDT for any `ccy`."""
    total = ZERO
    for asset, held in exchange.balances().items():
        symbol = f"{asset}/USDT"
        price = ONE if asset == "USDT" else ZERO
        if symbol in exchange.markets:
            twice = exchange.markets[symbol].book.mid_twice() or 0
            price = mul(mul(Decimal(twice), exchange.instruments[symbol].tick), Decimal("0.5"))
        total = add(total, mul(held.total, price))
    details = {"classic": "0", "earn": "0", "funding": "0", "trading": plain(total)}
    return [{"details": details, "totalBal": plain(total), "ts": wire.ms(now_ns)}]


def mark_price(exchange: SimExchange, params: Params, now_ns: int) -> list[Json]:
    """`GET /public/mark-price`: spot has none."""
    product_param(params)
    return []


def _need_cash(params: Params) -> None:
    if params.get("tdMode") != "cash":
        raise OkxRefusal("51010", "You can't complete this request under your current account mode.")
