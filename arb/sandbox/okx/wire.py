"""How OKX writes instruments, books, orders, fills and balances: from the exchange's values to its field names.

Source: the venue's API v5 pages, section by section; the field sets are those a stock client reads plus the ones that
distinguish states. All values are texts, instants are Unix milliseconds. Fees carry the venue's sign: negative when
paid. This module reads values and writes dictionaries; it knows nothing of requests, sessions or sockets.
"""

from typing import Any

import msgspec

from arb.clock import NS_PER_MS
from arb.sandbox.accounts import Balance
from arb.sandbox.currencies import SimWallet
from arb.sandbox.exact import mul, plain, quotient_text
from arb.sandbox.market import BookView, DailyFigures
from arb.sandbox.values import PublicTrade, SimFill, SimInstrument, SimOrder

encode = msgspec.json.encode

Json = dict[str, Any]

CANCEL_SOURCES = {"cancelled": "1", "fok": "13", "ioc": "14", "post_only": "31"}
"""`cancelSource` by the reason for which an order ended."""


def inst_id(symbol: str) -> str:
    """Return the venue's spelling of a symbol: `BTC/USDT` becomes `BTC-USDT`."""
    return symbol.replace("/", "-")


def symbol_of(instrument_id: object) -> str:
    """Return the symbol of an instrument id, '' when the id is not in the venue's spelling."""
    text = str(instrument_id)
    return "" if "/" in text else text.replace("-", "/")


def ms(ns: int) -> str:
    return str(ns // NS_PER_MS)


# -- public ------------------------------------------------------------------------------------------------------------


def instrument(rules: SimInstrument, code: str, fee_group: str) -> Json:
    """Write one entry of `GET /public/instruments`; `code` is the instrument's number."""
    largest = "9999999999" if rules.max_size is None else plain(rules.max_size)
    return {
        "alias": "",
        "baseCcy": rules.base,
        "category": "1",
        "ctMult": "",
        "ctType": "",
        "ctVal": "",
        "ctValCcy": "",
        "expTime": "",
        "instFamily": "",
        "instId": inst_id(rules.symbol),
        "instIdCode": int(code),
        "instType": "SPOT",
        "lever": "",
        "listTime": ms(rules.listed_ns),
        "lotSz": plain(rules.order_lot),
        "maxLmtAmt": "20000000",
        "maxLmtSz": largest,
        "maxMktAmt": "1000000",
        "maxMktSz": "1000000",
        "maxIcebergSz": largest,
        "maxStopSz": "1000000",
        "maxTriggerSz": largest,
        "maxTwapSz": largest,
        "auctionEndTime": "",
        "contTdSwTime": "",
        "futureSettlement": False,
        "groupId": fee_group,
        "openType": "",
        "preMktSwTime": "",
        "tradeQuoteCcyList": [rules.quote],
        "upcChg": [],
        "minSz": plain(rules.order_min_size),
        "optType": "",
        "quoteCcy": rules.quote,
        "ruleType": "normal",
        "settleCcy": "",
        "state": "live" if rules.tradable else "suspend",
        "stk": "",
        "tickSz": plain(rules.order_tick),
        "uly": "",
    }


def book_levels(levels: list[list[str]]) -> list[list[str]]:
    """Append to each [price, size] the constant "0" and a number of orders ("0" for a removed level)."""
    return [[price, size, "0", "0" if size == "0" else "1"] for price, size in levels]


def book(view: BookView) -> Json:
    return {
        "asks": book_levels(view.asks),
        "bids": book_levels(view.bids),
        "ts": ms(view.ns),
        "seqId": view.update_id,
    }


def public_trade(trade: PublicTrade) -> Json:
    return {
        "instId": inst_id(trade.symbol),
        "tradeId": str(trade.trade_id),
        "px": plain(trade.price),
        "sz": plain(trade.size),
        "side": trade.side,
        "ts": ms(trade.ns),
    }


def ticker(figures: DailyFigures, symbol: str, now_ns: int) -> Json:
    return {
        "instType": "SPOT",
        "instId": inst_id(symbol),
        "last": figures.last,
        "lastSz": figures.last_size,
        "askPx": figures.ask[0],
        "askSz": figures.ask[1],
        "bidPx": figures.bid[0],
        "bidSz": figures.bid[1],
        "open24h": figures.opened,
        "high24h": figures.high,
        "low24h": figures.low,
        "volCcy24h": figures.quote,
        "vol24h": figures.base,
        "ts": ms(now_ns),
        "sodUtc0": figures.opened,
        "sodUtc8": figures.opened,
    }


def currency(asset: str, wallet: SimWallet) -> Json:
    """Write one entry of `GET /asset/currencies`: an asset with its one chain."""
    return {
        "ccy": asset,
        "name": asset,
        "chain": f"{asset}-{wallet.chain}",
        "ctAddr": wallet.contract[-6:],
        "canDep": wallet.deposit,
        "canWd": wallet.withdrawal,
        "canInternal": True,
        "mainNet": not wallet.contract,
        "needTag": False,
        "fee": wallet.fee,
        "minFee": wallet.fee,
        "maxFee": wallet.fee,
        "minDepArrivalConfirm": "1",
        "minDep": "0.00000001",
        "minWd": "0.00000001",
        "maxWd": "1000000000",
        "wdTickSz": "8",
    }


# -- private -----------------------------------------------------------------------------------------------------------


def order_state(order: SimOrder) -> str:
    return order.state("canceled")


def ord_type(subject: SimOrder) -> str:
    """Return the venue's order type, which is kind and time in force in one."""
    if subject.request.kind == "market":
        return "market"
    return "limit" if subject.request.tif == "gtc" else subject.request.tif


def order(subject: SimOrder, last: SimFill | None) -> Json:
    """Write an order as REST queries and the `orders` channel show it; `last` is the fill of the push, if any."""
    request = subject.request
    asked = request.quote_size if request.quote_size is not None else subject.size
    ended = "" if subject.is_open else subject.reason
    fee_asset = subject.fee_currency or (subject.instrument.base if subject.side == "buy" else subject.instrument.quote)
    return {
        "accFillSz": plain(subject.filled),
        "algoClOrdId": "",
        "algoId": "",
        "attachAlgoClOrdId": "",
        "attachAlgoOrds": [],
        "avgPx": quotient_text(subject.cost, subject.filled) if subject.filled_lots else "",
        "cTime": ms(subject.created_ns),
        "cancelSourceReason": "",
        "cancelSource": CANCEL_SOURCES.get(ended, "") if order_state(subject) == "canceled" else "",
        "category": "normal",
        "ccy": "",
        "clOrdId": subject.client_id,
        "fee": plain(subject.fee.copy_negate()),
        "feeCcy": fee_asset,
        "fillPx": "" if last is None else plain(last.price),
        "fillSz": "0" if last is None else plain(last.size),
        "fillTime": "" if last is None else ms(last.ns),
        "instId": inst_id(subject.symbol),
        "instType": "SPOT",
        "isTpLimit": "false",
        "lever": "",
        "linkedAlgoOrd": {"algoId": ""},
        "ordId": str(subject.id),
        "ordType": ord_type(subject),
        "pnl": "0",
        "posSide": "net",
        "px": "" if subject.price is None else plain(subject.price),
        "pxType": "",
        "pxUsd": "",
        "pxVol": "",
        "quickMgnType": "",
        "rebate": "0",
        "rebateCcy": "",
        "reduceOnly": "false",
        "side": subject.side,
        "slOrdPx": "",
        "slTriggerPx": "",
        "slTriggerPxType": "",
        "source": "",
        "state": order_state(subject),
        "stpId": "",
        "stpMode": "cancel_maker",
        "sz": plain(asked),
        "tag": request.echo.get("tag", ""),
        "tdMode": "cash",
        "tgtCcy": "" if request.kind == "limit" else "base_ccy" if request.quote_size is None else "quote_ccy",
        "tpOrdPx": "",
        "tpTriggerPx": "",
        "tpTriggerPxType": "",
        "tradeId": "" if last is None else str(last.trade_id),
        "tradeQuoteCcy": subject.instrument.quote,
        "uTime": ms(subject.updated_ns),
    }


def order_push(subject: SimOrder, fill: SimFill | None, ns: int) -> Json:
    """Write an order as the `orders` channel shows it: with the one fill that the push is about, or none."""
    return order(subject, fill) | {
        "amendResult": "",
        "code": "0",
        "execType": "" if fill is None else exec_type(fill),
        "fillFee": "0" if fill is None else plain(fill.fee.copy_negate()),
        "fillFeeCcy": "" if fill is None else fill.fee_currency,
        "fillNotionalUsd": "" if fill is None else plain(mul(fill.price, fill.size)),
        "lastPx": "" if fill is None else plain(fill.price),
        "msg": "",
        "reqId": "",
        "uTime": ms(ns),
    }


def exec_type(fill: SimFill) -> str:
    """Return `T` for taker, `M` for maker."""
    return "T" if fill.role == "taker" else "M"


def fill(subject: SimFill, tag: str) -> Json:
    return {
        "instType": "SPOT",
        "instId": inst_id(subject.symbol),
        "tradeId": str(subject.trade_id),
        "ordId": str(subject.order_id),
        "clOrdId": subject.client_id,
        "billId": str(subject.bill_id),
        "tag": tag,
        "fillPx": plain(subject.price),
        "fillSz": plain(subject.size),
        "side": subject.side,
        "posSide": "net",
        "execType": exec_type(subject),
        "feeCcy": subject.fee_currency,
        "fee": plain(subject.fee.copy_negate()),
        "ts": ms(subject.ns),
        "fillTime": ms(subject.ns),
    }


def balance_detail(asset: str, balance: Balance, ns: int) -> Json:
    """Write one asset of `GET /account/balance` in spot mode, where `availEq` is empty and `availBal` counts."""
    return _NO_MARGIN | {
        "availBal": plain(balance.free),
        "availEq": "",
        "cashBal": plain(balance.total),
        "ccy": asset,
        "crossLiab": "",
        "disEq": "",
        "eq": plain(balance.total),
        "eqUsd": "",
        "frozenBal": plain(balance.locked),
        "spotBal": plain(balance.total),
        "interest": "",
        "isoEq": "",
        "liab": "",
        "ordFrozen": plain(balance.locked),
        "uTime": ms(ns),
        "upl": "",
    }


_NO_MARGIN: Json = dict.fromkeys(
    [
        "accAvgPx",
        "borrowFroz",
        "clSpotInUseAmt",
        "frpType",
        "imr",
        "isoLiab",
        "isoUpl",
        "maxLoan",
        "maxSpotInUseAmt",
        "mgnRatio",
        "mmr",
        "notionalLever",
        "openAvgPx",
        "smtSyncEq",
        "spotCopyTradingEq",
        "spotInUseAmt",
        "spotUpl",
        "spotUplRatio",
        "stgyEq",
        "totalPnl",
        "totalPnlRatio",
        "twap",
        "uplLiab",
    ],
    "",
) | {"collateralEnabled": False, "collateralRestrict": False, "fixedBal": "0", "rewardBal": "0", "spotIsoBal": "0"}
"""The fields of an asset's details for margin and cost: empty, in a spot account."""


def account(details: list[Json], ns: int) -> Json:
    return {
        "adjEq": "",
        "availEq": "",
        "borrowFroz": "",
        "details": details,
        "imr": "",
        "isoEq": "",
        "mgnRatio": "",
        "mmr": "",
        "notionalUsd": "",
        "notionalUsdForBorrow": "",
        "notionalUsdForFutures": "",
        "notionalUsdForOption": "",
        "notionalUsdForSwap": "",
        "ordFroz": "",
        "totalEq": "",
        "uTime": ms(ns),
        "upl": "",
    }
