"""How Binance writes symbols, orders, fills, balances and events: from the exchange's values to its names.

Source: `rest-api.md`, `user-data-stream.md` and `filters.md`; field sets are those of their examples and of recorded
answers. Amounts are texts with eight decimals, more only where the sandbox's exact fees need them; instants are Unix
milliseconds. This module reads values and writes dictionaries; it knows nothing of requests, sessions or sockets.
"""

from decimal import Decimal
from typing import Any

import msgspec

from arb.clock import NS_PER_MS
from arb.sandbox.accounts import Balance
from arb.sandbox.currencies import SimWallet
from arb.sandbox.exact import ZERO, mul, plain
from arb.sandbox.market import DailyFigures
from arb.sandbox.values import PublicTrade, SimFill, SimInstrument, SimOrder

encode = msgspec.json.encode

Json = dict[str, Any]

SELF_TRADE_MODES = {"EXPIRE_TAKER": "taker", "EXPIRE_MAKER": "maker", "EXPIRE_BOTH": "both"}
USUAL_SELF_TRADE_MODE = "EXPIRE_MAKER"
OPEN_ORDERS_MAX = 200
LARGEST = Decimal("9000000")
ORDER_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET")
_STATES = {"live": "NEW", "partially_filled": "PARTIALLY_FILLED", "filled": "FILLED"}
_ENDS = {"cancelled": "CANCELED", "self_trade": "EXPIRED_IN_MATCH"}
_EXPIRY_REASONS = {"ioc": "UNFILLED_IOC_QUANTITY_EXPIRED", "fok": "UNFILLED_FOK_ORDER_EXPIRED"}


def native(symbol: str) -> str:
    """Return the venue's spelling of a symbol: `BTC/USDT` becomes `BTCUSDT`."""
    return symbol.replace("/", "")


def ms(ns: int) -> int:
    return ns // NS_PER_MS


def amount(value: Decimal) -> str:
    """Write an amount with at least eight decimals."""
    whole, _, decimals = plain(value).partition(".")
    return f"{whole}.{decimals:0<8}"


# -- public ------------------------------------------------------------------------------------------------------------


_PLACES = (
    *("baseAssetPrecision", "quotePrecision", "quoteAssetPrecision"),
    *("baseCommissionPrecision", "quoteCommissionPrecision"),
)
_NOT_ALLOWED = (
    *("icebergAllowed", "ocoAllowed", "otoAllowed", "opoAllowed", "allowTrailingStop", "cancelReplaceAllowed"),
    *("amendAllowed", "pegInstructionsAllowed", "isMarginTradingAllowed"),
)


def symbol_info(rules: SimInstrument) -> Json:
    largest = amount(LARGEST if rules.max_size is None else rules.max_size)
    up, down = plain(1 + rules.band), plain(1 - rules.band)
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": amount(rules.order_tick), "maxPrice": amount(LARGEST)}
        | {"tickSize": amount(rules.order_tick)},
        {"filterType": "LOT_SIZE", "minQty": amount(rules.order_min_size), "maxQty": largest}
        | {"stepSize": amount(rules.order_lot)},
        {"filterType": "ICEBERG_PARTS", "limit": 10},
        {"filterType": "MARKET_LOT_SIZE", "minQty": amount(ZERO), "maxQty": largest, "stepSize": amount(ZERO)},
        {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": up, "bidMultiplierDown": "0"}
        | {"askMultiplierUp": "1000", "askMultiplierDown": down, "avgPriceMins": 5},
        {"filterType": "NOTIONAL", "minNotional": amount(rules.min_notional), "applyMinToMarket": True}
        | {"maxNotional": amount(LARGEST), "applyMaxToMarket": False, "avgPriceMins": 5},
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": OPEN_ORDERS_MAX},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
    ]
    return {
        "symbol": native(rules.symbol),
        "status": "TRADING" if rules.tradable else "BREAK",
        "baseAsset": rules.base,
        "quoteAsset": rules.quote,
        **dict.fromkeys(_PLACES, 8),
        "orderTypes": list(ORDER_TYPES),
        **dict.fromkeys(_NOT_ALLOWED, False),
        "quoteOrderQtyMarketAllowed": True,
        "isSpotTradingAllowed": True,
        "filters": filters,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": USUAL_SELF_TRADE_MODE,
        "allowedSelfTradePreventionModes": list(SELF_TRADE_MODES),
    }


def book_ticker(symbol: str, bids: list[list[str]], asks: list[list[str]]) -> Json:
    (bid, bid_size), (ask, ask_size) = (side[0] if side else ("0.00000000",) * 2 for side in (bids, asks))
    return {"symbol": native(symbol), "bidPrice": bid, "bidQty": bid_size, "askPrice": ask, "askQty": ask_size}


def daily_ticker(figures: DailyFigures, symbol: str, now_ns: int) -> Json:
    """Write one entry of `GET /api/v3/ticker/24hr`."""
    last, opened = Decimal(figures.last or 0), Decimal(figures.opened or 0)
    volume, turnover = Decimal(figures.base), Decimal(figures.quote)
    average = f"{turnover / volume if volume else last:.8f}"
    return book_ticker(symbol, [list(figures.bid)], [list(figures.ask)]) | {
        "priceChange": amount(last - opened),
        "priceChangePercent": f"{Decimal(figures.change) * 100:.3f}",
        "weightedAvgPrice": average,
        "prevClosePrice": amount(opened),
        "lastPrice": amount(last),
        "lastQty": amount(Decimal(figures.last_size)),
        "openPrice": amount(opened),
        "highPrice": amount(Decimal(figures.high or 0)),
        "lowPrice": amount(Decimal(figures.low or 0)),
        "volume": amount(volume),
        "quoteVolume": amount(turnover),
        "openTime": ms(now_ns) - 86_400_000,
        "closeTime": ms(now_ns),
        "firstId": -1,
        "lastId": -1,
        "count": 0,
    }


_STREAMED = {
    "p": "priceChange",
    "P": "priceChangePercent",
    "w": "weightedAvgPrice",
    "x": "prevClosePrice",
    "c": "lastPrice",
    "Q": "lastQty",
    "b": "bidPrice",
    "B": "bidQty",
    "a": "askPrice",
    "A": "askQty",
    "o": "openPrice",
    "h": "highPrice",
    "l": "lowPrice",
    "v": "volume",
    "q": "quoteVolume",
    "O": "openTime",
    "C": "closeTime",
    "F": "firstId",
    "L": "lastId",
    "n": "count",
}


def streamed_ticker(figures: DailyFigures, symbol: str, now_ns: int, *, is_short: bool) -> Json:
    """Write an event of the streams `ticker` and, `is_short`, `miniTicker`."""
    row = daily_ticker(figures, symbol, now_ns)
    head = {"e": "24hrMiniTicker" if is_short else "24hrTicker", "E": ms(now_ns), "s": native(symbol)}
    return head | {letter: row[_STREAMED[letter]] for letter in ("cohlvq" if is_short else _STREAMED)}


def public_trade(trade: PublicTrade) -> Json:
    return {
        "id": trade.trade_id,
        "price": amount(trade.price),
        "qty": amount(trade.size),
        "quoteQty": amount(mul(trade.price, trade.size)),
        "time": ms(trade.ns),
        "isBuyerMaker": trade.side == "sell",
        "isBestMatch": True,
    }


def streamed_trade(trade: PublicTrade, name: str) -> Json:
    """Write a trade of the streams `trade` and `aggTrade`; here each is an aggregate of its own."""
    number, at = trade.trade_id, ms(trade.ns)
    ids = {"t": number} if name == "trade" else {"a": number, "f": number, "l": number}
    head = {"e": name, "E": at, "s": native(trade.symbol), **ids}
    sizes = {"p": amount(trade.price), "q": amount(trade.size)}
    return head | sizes | {"T": at, "m": trade.side == "sell", "M": True}


def coin(asset: str, held: Balance, wallet: SimWallet) -> Json:
    """Write one entry of `GET /sapi/v1/capital/config/getall`: an asset with its one network."""
    network = {
        "network": wallet.chain,
        "coin": asset,
        "name": wallet.chain,
        "isDefault": True,
        "depositEnable": wallet.deposit,
        "withdrawEnable": wallet.withdrawal,
        "withdrawFee": wallet.fee,
        "withdrawMin": "0.00000001",
        "withdrawMax": "9999999999.99999999",
        "withdrawIntegerMultiple": "0.00000001",
        "minConfirm": 1,
        "unLockConfirm": 0,
        "contractAddress": wallet.contract,
        "busy": False,
    }
    return {
        "coin": asset,
        "name": asset,
        "free": amount(held.free),
        "locked": amount(held.locked),
        **dict.fromkeys(("freeze", "withdrawing", "ipoing", "ipoable", "storage"), "0"),
        "isLegalMoney": False,
        "trading": True,
        "depositAllEnable": wallet.deposit,
        "withdrawAllEnable": wallet.withdrawal,
        "networkList": [network],
    }


# -- orders ------------------------------------------------------------------------------------------------------------


def client_order_id(subject: SimOrder) -> str:
    """Return the client's id; the venue makes one where none was given."""
    return subject.client_id or f"venue{subject.id}"


def status(subject: SimOrder) -> str:
    state = subject.state("ended")
    return _STATES[state] if state in _STATES else _ENDS.get(subject.reason, "EXPIRED")


def order_type(subject: SimOrder) -> str:
    if subject.request.kind == "market":
        return "MARKET"
    return "LIMIT_MAKER" if subject.request.tif == "post_only" else "LIMIT"


def force(subject: SimOrder) -> str:
    return subject.request.tif.upper() if order_type(subject) == "LIMIT" else "GTC"


def expiry_reason(subject: SimOrder) -> str:
    """Return why an order expired, "" for one that did not."""
    if status(subject) != "EXPIRED":
        return ""
    return (
        "INSUFFICIENT_LIQUIDITY"
        if subject.request.kind == "market"
        else _EXPIRY_REASONS.get(subject.reason, "EXCHANGE_CANCELED")
    )


def _quote_asked(subject: SimOrder) -> str:
    return subject.request.echo.get("quoteOrderQty") or amount(ZERO)


def named(subject: SimOrder) -> Json:
    ids = {"orderId": subject.id, "orderListId": -1, "clientOrderId": client_order_id(subject)}
    return {"symbol": native(subject.symbol), **ids}


def _state(subject: SimOrder) -> Json:
    """Write the fields of an order that every answer but `ACK` has."""
    written: Json = {
        "price": amount(subject.price or ZERO),
        "origQty": amount(subject.size),
        "executedQty": amount(subject.filled),
        "origQuoteOrderQty": _quote_asked(subject),
        "cummulativeQuoteQty": amount(subject.cost),
        "status": status(subject),
        "timeInForce": force(subject),
        "type": order_type(subject),
        "side": subject.side.upper(),
        "selfTradePreventionMode": subject.request.echo.get("selfTradePreventionMode", USUAL_SELF_TRADE_MODE),
    }
    if reason := expiry_reason(subject):
        written["expiryReason"] = reason
    if subject.reason == "self_trade":
        written |= {"preventedMatchId": subject.id, "preventedQuantity": amount(subject.size - subject.filled)}
    return written


def placed(subject: SimOrder, kind: str, fills: list[SimFill]) -> Json:
    """Write the answer to a new order: `ACK`, `RESULT` or `FULL`."""
    answer = named(subject) | {"transactTime": ms(subject.updated_ns)}
    if kind == "ACK":
        return answer
    answer |= _state(subject) | {"workingTime": ms(subject.created_ns)}
    return answer if kind == "RESULT" else answer | {"fills": [_part(fill) for fill in fills]}


def _part(fill: SimFill) -> Json:
    return {
        "price": amount(fill.price),
        "qty": amount(fill.size),
        "commission": amount(fill.fee),
        "commissionAsset": fill.fee_currency,
        "tradeId": fill.trade_id,
    }


def cancelled(subject: SimOrder) -> Json:
    """Write the answer to a cancel: there `clientOrderId` is the cancel's own."""
    head = named(subject) | {"origClientOrderId": client_order_id(subject), "clientOrderId": cancel_id(subject)}
    return head | {"transactTime": ms(subject.updated_ns)} | _state(subject)


def cancel_id(subject: SimOrder) -> str:
    return subject.request.echo.get("cancel_id") or f"cancel{subject.id}"


def order(subject: SimOrder) -> Json:
    """Write an order as queries show it."""
    nothing = dict.fromkeys(("stopPrice", "icebergQty"), amount(ZERO))
    times = {
        "time": ms(subject.created_ns),
        "updateTime": ms(subject.updated_ns),
        "workingTime": ms(subject.created_ns),
    }
    return named(subject) | _state(subject) | nothing | times | {"isWorking": True}


def trade(fill: SimFill) -> Json:
    """Write one entry of `GET /api/v3/myTrades`."""
    return {
        "symbol": native(fill.symbol),
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": -1,
        "price": amount(fill.price),
        "qty": amount(fill.size),
        "quoteQty": amount(mul(fill.price, fill.size)),
        "commission": amount(fill.fee),
        "commissionAsset": fill.fee_currency,
        "time": ms(fill.ns),
        "isBuyer": fill.side == "buy",
        "isMaker": fill.role == "maker",
        "isBestMatch": True,
    }


# -- events ------------------------------------------------------------------------------------------------------------


def execution_report(subject: SimOrder, kind: str, now_ns: int, fill: SimFill | None = None) -> Json:
    """Write an `executionReport`: `c` is the cancel's id when `x` is `CANCELED`, and `C` is the order's then."""
    own = client_order_id(subject)
    last_size, last_price = (ZERO, ZERO) if fill is None else (fill.size, fill.price)
    report = {
        "e": "executionReport",
        "E": ms(now_ns),
        "s": native(subject.symbol),
        "c": cancel_id(subject) if kind == "CANCELED" else own,
        "S": subject.side.upper(),
        "o": order_type(subject),
        "f": force(subject),
        "q": amount(subject.size),
        "p": amount(subject.price or ZERO),
        "P": amount(ZERO),
        "F": amount(ZERO),
        "g": -1,
        "C": own if kind == "CANCELED" else "",
        "x": kind,
        "X": status(subject),
        "r": "NONE",
        "i": subject.id,
        "l": amount(last_size),
        "z": amount(subject.filled),
        "L": amount(last_price),
        "n": "0" if fill is None else amount(fill.fee),
        "N": None if fill is None else fill.fee_currency,
        "T": ms(now_ns),
        "t": -1 if fill is None else fill.trade_id,
        "I": subject.id * 1000 + subject.version,
        "w": subject.is_open and kind == "NEW" and subject.request.tif in ("gtc", "post_only"),
        "m": fill is not None and fill.role == "maker",
        "M": False,
        "O": ms(subject.created_ns),
        "Z": amount(subject.cost),
        "Y": amount(mul(last_price, last_size)),
        "Q": _quote_asked(subject),
        "W": ms(subject.created_ns),
        "V": subject.request.echo.get("selfTradePreventionMode", USUAL_SELF_TRADE_MODE),
    }
    if kind == "TRADE_PREVENTION":
        left = amount(subject.size - subject.filled)
        report |= {"v": subject.id, "A": left, "B": left, "u": -1}
    elif reason := expiry_reason(subject):
        report["eR"] = reason
    return report


def account_position(held: dict[str, Balance], now_ns: int) -> Json:
    rows = [{"a": asset, "f": amount(balance.free), "l": amount(balance.locked)} for asset, balance in held.items()]
    return {"e": "outboundAccountPosition", "E": ms(now_ns), "u": ms(now_ns), "B": rows}


def balance_update(asset: str, change: Decimal, now_ns: int) -> Json:
    return {"e": "balanceUpdate", "E": ms(now_ns), "a": asset, "d": amount(change), "T": ms(now_ns)}
