"""How Bybit writes instruments, books, orders, fills, balances and bills: from the exchange's values to its names.

Source: the venue's API v5 pages, section by section; field sets are those of its examples and of recorded answers. All
amounts are texts, instants are Unix milliseconds, in rows as texts. A fee is positive when charged. This module reads
values and writes dictionaries; it knows nothing of requests, sessions or sockets.
"""

from typing import Any

import msgspec

from arb.clock import NS_PER_MS
from arb.sandbox.accounts import Balance
from arb.sandbox.bills import INTEREST, Bill
from arb.sandbox.currencies import SimWallet
from arb.sandbox.exact import ZERO, mul, plain, quotient_text, sub
from arb.sandbox.market import DailyFigures
from arb.sandbox.values import PublicTrade, SimFill, SimInstrument, SimOrder

encode = msgspec.json.encode

Json = dict[str, Any]

_FORCES = {"gtc": "GTC", "ioc": "IOC", "fok": "FOK", "post_only": "PostOnly"}
_SIDES = {"buy": "Buy", "sell": "Sell"}
_REASONS = {
    "cancelled": "EC_PerCancelRequest",
    "fok": "EC_NoEnoughQtyToFill",
    "post_only": "EC_PostOnlyWillTakeLiquidity",
}
"""`rejectReason` by the reason for which an order ended unfilled."""


def native(symbol: str) -> str:
    """Return the venue's spelling of a symbol: `BTC/USDT` becomes `BTCUSDT`."""
    return symbol.replace("/", "")


def ms(ns: int) -> str:
    return str(ns // NS_PER_MS)


# -- public ------------------------------------------------------------------------------------------------------------


def instrument(rules: SimInstrument) -> Json:
    largest = "9999999999" if rules.max_size is None else plain(rules.max_size)
    return {
        "symbol": native(rules.symbol),
        "baseCoin": rules.base,
        "quoteCoin": rules.quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "none",
        "stTag": "0",
        "lotSizeFilter": {
            "basePrecision": plain(rules.order_lot),
            "quotePrecision": "0.00000001",
            "minOrderQty": plain(rules.order_min_size),
            "maxOrderQty": largest,
            "minOrderAmt": plain(rules.min_notional),
            "maxOrderAmt": "1999999999",
            "maxLimitOrderQty": largest,
            "maxMarketOrderQty": largest,
            "postOnlyMaxLimitOrderSize": largest,
        },
        "priceFilter": {"tickSize": plain(rules.order_tick)},
        "riskParameters": {"priceLimitRatioX": plain(rules.band), "priceLimitRatioY": plain(rules.band)},
        "symbolType": "",
    }


def ticker(figures: DailyFigures, symbol: str) -> Json:
    """Write one entry of `GET /v5/market/tickers`; the stream's has neither best prices nor sizes."""
    return streamed_ticker(figures, symbol) | {
        "bid1Price": figures.bid[0],
        "bid1Size": figures.bid[1],
        "ask1Price": figures.ask[0],
        "ask1Size": figures.ask[1],
    }


def streamed_ticker(figures: DailyFigures, symbol: str) -> Json:
    return {
        "symbol": native(symbol),
        "lastPrice": figures.last,
        "highPrice24h": figures.high,
        "lowPrice24h": figures.low,
        "prevPrice24h": figures.opened,
        "volume24h": figures.base,
        "turnover24h": figures.quote,
        "price24hPcnt": figures.change,
        "usdIndexPrice": "",
    }


def public_trade(trade: PublicTrade) -> Json:
    """Write one entry of `GET /v5/market/recent-trade`."""
    return {
        "execId": str(trade.trade_id),
        "symbol": native(trade.symbol),
        "price": plain(trade.price),
        "size": plain(trade.size),
        "side": _SIDES[trade.side],
        "time": ms(trade.ns),
        "isBlockTrade": False,
    }


def streamed_trade(trade: PublicTrade) -> Json:
    return {
        "T": trade.ns // NS_PER_MS,
        "s": native(trade.symbol),
        "S": _SIDES[trade.side],
        "v": plain(trade.size),
        "p": plain(trade.price),
        "i": str(trade.trade_id),
        "BT": False,
    }


def currency(asset: str, wallet: SimWallet) -> Json:
    """Write one entry of `GET /v5/asset/coin/query-info`: an asset with its one chain."""
    chain = {
        "chainType": wallet.chain,
        "chain": wallet.chain,
        "confirmation": "1",
        "withdrawFee": wallet.fee,
        "depositMin": "0",
        "withdrawMin": "0.00000001",
        "chainDeposit": "1" if wallet.deposit else "0",
        "chainWithdraw": "1" if wallet.withdrawal else "0",
        "minAccuracy": "8",
        "withdrawPercentageFee": "0",
        "contractAddress": wallet.contract,
        "safeConfirmNumber": "1",
    }
    return {"name": asset, "coin": asset, "remainAmount": "10000000", "chains": [chain]}


# -- private -----------------------------------------------------------------------------------------------------------


def order_link_id(subject: SimOrder) -> str:
    """Return the client's id; the venue fills in a number where none was given."""
    return subject.client_id or str(subject.id + 1)


def order_status(subject: SimOrder) -> str:
    if subject.is_open:
        if subject.lots and subject.remaining_lots == 0:
            return "Filled"
        return "PartiallyFilled" if subject.filled_lots else "New"
    if subject.status == "closed":
        return "Filled"
    if subject.filled_lots:
        return "PartiallyFilledCanceled"
    return "Rejected" if subject.reason == "post_only" else "Cancelled"


def _reject_reason(subject: SimOrder) -> str:
    if subject.status != "cancelled":
        return "EC_NoError"
    if subject.reason == "ioc":
        return "EC_CancelForNoFullFill" if subject.filled_lots else "EC_NoImmediateQtyToFill"
    return _REASONS.get(subject.reason, "EC_Others")


def order(subject: SimOrder) -> Json:
    """Write an order as queries and the topic `order` show it; the `qty` of a market buy counts quote."""
    request = subject.request
    asked = request.quote_size if request.quote_size is not None else subject.size
    rests = subject.is_open and request.quote_size is None
    left = sub(subject.size, subject.filled) if rests else ZERO
    return {
        "orderId": str(subject.id),
        "orderLinkId": order_link_id(subject),
        "blockTradeId": "",
        "symbol": native(subject.symbol),
        "price": "0" if subject.price is None else plain(subject.price),
        "qty": plain(asked),
        "side": _SIDES[subject.side],
        "isLeverage": "0",
        "positionIdx": 0,
        "orderStatus": order_status(subject),
        "createType": "CreateByUser",
        "cancelType": "CancelByUser" if subject.reason == "cancelled" else "UNKNOWN",
        "rejectReason": _reject_reason(subject),
        "avgPrice": quotient_text(subject.cost, subject.filled) if subject.filled_lots else "",
        "leavesQty": plain(left),
        "leavesValue": plain(mul(left, subject.price or ZERO)),
        "cumExecQty": plain(subject.filled),
        "cumExecValue": plain(subject.cost),
        "cumExecFee": plain(subject.fee),
        "cumFeeDetail": {asset: plain(fee) for asset, fee in subject.fees.items()},
        "feeCurrency": subject.fee_currency,
        "timeInForce": _FORCES[request.tif],
        "orderType": "Market" if request.kind == "market" else "Limit",
        "marketUnit": "" if request.kind == "limit" else "baseCoin" if request.quote_size is None else "quoteCoin",
        "stopOrderType": "",
        "orderIv": "",
        "triggerPrice": "0.00",
        "takeProfit": "0.00",
        "stopLoss": "0.00",
        "tpTriggerBy": "",
        "slTriggerBy": "",
        "triggerDirection": 0,
        "triggerBy": "",
        "lastPriceOnCreated": "",
        "reduceOnly": False,
        "closeOnTrigger": False,
        "placeType": "",
        "smpType": "None",
        "smpGroup": 0,
        "smpOrderId": "",
        "createdTime": ms(subject.created_ns),
        "updatedTime": ms(subject.updated_ns),
    }


def execution(fill: SimFill, subject: SimOrder) -> Json:
    """Write one execution of an order, as `GET /v5/execution/list` and the topic `execution` show it."""
    return {
        "symbol": native(fill.symbol),
        "orderId": str(fill.order_id),
        "orderLinkId": order_link_id(subject),
        "side": _SIDES[fill.side],
        "orderPrice": "0" if subject.price is None else plain(subject.price),
        "orderQty": plain(subject.size),
        "leavesQty": "0",
        "createType": "CreateByUser",
        "orderType": "Market" if subject.request.kind == "market" else "Limit",
        "stopOrderType": "",
        "execFee": plain(fill.fee),
        "execFeeV2": "",
        "feeCurrency": fill.fee_currency,
        "extraFees": "",
        "feeRate": "",
        "execId": str(fill.trade_id),
        "execPrice": plain(fill.price),
        "execQty": plain(fill.size),
        "execType": "Trade",
        "execValue": plain(mul(fill.price, fill.size)),
        "execTime": ms(fill.ns),
        "isMaker": fill.role == "maker",
        "isLeverage": "0",
        "tradeIv": "",
        "markIv": "",
        "markPrice": "",
        "indexPrice": "",
        "underlyingPrice": "",
        "blockTradeId": "",
        "closedSize": "",
        "seq": fill.sequence,
    }


_NO_LOAN: Json = dict.fromkeys(
    (
        *("accruedInterest", "borrowAmount", "bonus", "cumRealisedPnl", "spotBorrow", "spotHedgingQty"),
        *("totalOrderIM", "totalPositionIM", "totalPositionMM", "unrealisedPnl"),
    ),
    "0",
) | {"collateralSwitch": False, "marginCollateral": True}
"""The fields of a coin for loans and futures, which a spot account has not."""


def coin(asset: str, balance: Balance) -> Json:
    """Write one coin of an account; `availableToWithdraw` and `free` are deprecated, and empty."""
    return _NO_LOAN | {
        "coin": asset,
        "equity": plain(balance.total),
        "usdValue": "",
        "walletBalance": plain(balance.total),
        "free": "",
        "locked": plain(balance.locked),
        "availableToWithdraw": "",
        "availableToBorrow": "",
    }


def account(coins: list[Json]) -> Json:
    sums = ("totalEquity", "totalWalletBalance", "totalMarginBalance", "totalAvailableBalance", "totalPerpUPL")
    rates = ("accountIMRate", "accountMMRate", "totalInitialMargin", "totalMaintenanceMargin", "accountLTV")
    return dict.fromkeys((*sums, *rates), "") | {"accountType": "UNIFIED", "coin": coins}


def bill(subject: Bill, link_id: str) -> Json:
    """Write one entry of `GET /v5/account/transaction-log`: a deposit shows as a transfer into the account."""
    change, fill = sub(subject.amount, subject.fee), subject.fill
    kind = "TRANSFER_IN" if change > 0 else "TRANSFER_OUT"
    row: Json = dict.fromkeys(("symbol", "side", "funding", "orderLinkId", "orderId", "tradePrice", "tradeId"), "") | {
        "id": str(subject.id),
        "category": "",
        "type": "INTEREST" if subject.kind == INTEREST else kind,
        "transSubType": "",
        "transactionTime": ms(subject.ns),
        "currency": subject.asset,
        "qty": plain(subject.amount),
        "size": "0",
        "fee": plain(subject.fee),
        "feeRate": "",
        "cashFlow": plain(subject.amount),
        "change": plain(change),
        "cashBalance": plain(subject.balance),
        "bonusChange": "",
        "extraFees": "",
    }
    if fill is None:
        return row
    return row | {
        "category": "spot",
        "type": "TRADE",
        "symbol": native(fill.symbol),
        "side": _SIDES[fill.side],
        "orderLinkId": link_id,
        "orderId": str(fill.order_id),
        "tradeId": str(fill.trade_id),
        "tradePrice": plain(fill.price),
    }
