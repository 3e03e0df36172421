"""How Bitget writes symbols, books, orders, fills and balances: from the exchange's values to its field names.

Source: the venue's API v2 spot pages, section by section. Values are texts, instants are Unix milliseconds as text.
Fees carry the venue's sign: negative when paid. This module reads values and writes dictionaries; it knows nothing of
requests, sessions or sockets.
"""

from decimal import Decimal
from typing import Any

import msgspec

from arb.clock import NS_PER_MS
from arb.sandbox.accounts import Balance
from arb.sandbox.bills import INTEREST, TRANSFER, Bill
from arb.sandbox.currencies import SimWallet
from arb.sandbox.exact import ZERO, mul, plain, quotient_text
from arb.sandbox.market import BookView, DailyFigures
from arb.sandbox.values import PublicTrade, SimFill, SimInstrument, SimOrder, Transfer

encode = msgspec.json.encode

Json = dict[str, Any]


def native(symbol: str) -> str:
    """Return the venue's spelling of a symbol: `BTC/USDT` becomes `BTCUSDT`."""
    return symbol.replace("/", "")


def ms(ns: int) -> str:
    return str(ns // NS_PER_MS)


# -- public ------------------------------------------------------------------------------------------------------------


def symbol_rules(rules: SimInstrument) -> Json:
    """Write one entry of `GET /spot/public/symbols`: steps are given as numbers of decimal places."""
    return {
        "symbol": native(rules.symbol),
        "baseCoin": rules.base,
        "quoteCoin": rules.quote,
        "minTradeAmount": plain(rules.order_min_size),
        "maxLimitOrderValue": "20000000",
        "maxMarketOrderValue": "1000000",
        "maxTradeAmount": "10000000000" if rules.max_size is None else plain(rules.max_size),
        "takerFeeRate": plain(rules.taker_fee),
        "makerFeeRate": plain(rules.maker_fee),
        "pricePrecision": str(rules.price_places),
        "quantityPrecision": str(rules.size_places),
        "quotePrecision": str(rules.price_places + rules.size_places),
        "status": "online" if rules.tradable else "halt",
        "minTradeUSDT": plain(rules.min_notional),
        "buyLimitPriceRatio": plain(rules.band),
        "sellLimitPriceRatio": plain(rules.band),
        "areaSymbol": "no",
        "orderQuantity": "200",
        "openTime": ms(rules.listed_ns),
        "offTime": "",
    }


def margin_symbol(rules: SimInstrument) -> Json:
    """Write one entry of `GET /margin/currencies`: nothing can be borrowed here."""
    return {
        "symbol": native(rules.symbol),
        "baseCoin": rules.base,
        "quoteCoin": rules.quote,
        "maxCrossedLeverage": "1",
        "maxIsolatedLeverage": "1",
        "isBorrowable": False,
        "isCrossBorrowable": False,
        "isIsolatedBaseBorrowable": False,
        "isIsolatedQuoteBorrowable": False,
        "minTradeAmount": plain(rules.order_min_size),
        "minTradeUSDT": plain(rules.min_notional),
        "pricePrecision": str(rules.price_places),
        "quantityPrecision": str(rules.size_places),
        "status": "1",
    }


def coin(asset: str, wallet: SimWallet) -> Json:
    """Write one entry of `GET /spot/public/coins`: an asset with its one chain."""
    chain = {
        "chain": wallet.chain,
        "needTag": "false",
        "withdrawable": "true" if wallet.withdrawal else "false",
        "rechargeable": "true" if wallet.deposit else "false",
        "withdrawFee": wallet.fee,
        "extraWithdrawFee": "0",
        "depositConfirm": "1",
        "withdrawConfirm": "1",
        "minDepositAmount": "0.00000001",
        "minWithdrawAmount": "0.00000001",
        "browserUrl": "",
        "contractAddress": wallet.contract or None,
        "withdrawStep": "0",
        "withdrawMinScale": "8",
        "congestion": "normal",
    }
    return {"coinId": asset, "coin": asset, "transfer": "true", "areaCoin": "no", "chains": [chain]}


def book(view: BookView, now_ns: int) -> Json:
    return {"asks": view.asks, "bids": view.bids, "ts": ms(now_ns)}


def ticker(figures: DailyFigures, symbol: str, now_ns: int) -> Json:
    return {
        "symbol": native(symbol),
        "open": figures.opened,
        "high24h": figures.high,
        "low24h": figures.low,
        "lastPr": figures.last,
        "quoteVolume": figures.quote,
        "baseVolume": figures.base,
        "usdtVolume": figures.quote,
        "ts": ms(now_ns),
        "bidPr": figures.bid[0],
        "askPr": figures.ask[0],
        "bidSz": figures.bid[1],
        "askSz": figures.ask[1],
        "openUtc": figures.opened,
        "changeUtc24h": figures.change,
        "change24h": figures.change,
    }


def public_trade(trade: PublicTrade) -> Json:
    return {
        "symbol": native(trade.symbol),
        "tradeId": str(trade.trade_id),
        "side": trade.side,
        "price": plain(trade.price),
        "size": plain(trade.size),
        "ts": ms(trade.ns),
    }


# -- private -----------------------------------------------------------------------------------------------------------


def order_status(subject: SimOrder) -> str:
    return subject.state("cancelled")


def client_oid(subject: SimOrder) -> str:
    """Return the client's name for an order; the venue makes one up when the client gave none."""
    return subject.client_id or str(subject.id)


def asked(subject: SimOrder) -> Decimal:
    """Return the ordered size: in quote for a market buy, else in base."""
    return subject.size if subject.request.quote_size is None else subject.request.quote_size


def order(subject: SimOrder) -> Json:
    """Write an order as `orderInfo` and `history-orders` show it. `feeDetail` is JSON inside a text."""
    return {
        "userId": "",
        "symbol": native(subject.symbol),
        "baseCoin": subject.instrument.base,
        "quoteCoin": subject.instrument.quote,
        "orderId": str(subject.id),
        "clientOid": client_oid(subject),
        "tpslType": "normal",
        "triggerPrice": None,
        "price": "0" if subject.price is None else plain(subject.price),
        "size": plain(asked(subject)),
        "orderType": subject.request.kind,
        "side": subject.side,
        "status": order_status(subject),
        "priceAvg": average(subject),
        "baseVolume": plain(subject.filled),
        "quoteVolume": plain(subject.cost),
        "enterPointSource": "API",
        "feeDetail": fee_text(subject),
        "orderSource": subject.request.kind if subject.request.kind == "market" else "normal",
        "cancelReason": "normal_cancel" if subject.reason == "cancelled" else "",
        "force": subject.request.tif if subject.request.kind == "limit" else "gtc",
        "cTime": ms(subject.created_ns),
        "uTime": ms(subject.updated_ns),
    }


def open_order(subject: SimOrder) -> Json:
    """Write an order as `unfilled-orders` shows it: there `priceAvg` is the limit price, as the venue documents."""
    row = order(subject)
    unset = dict.fromkeys(
        (
            *("presetTakeProfitPrice", "executeTakeProfitPrice", "presetStopLossPrice", "executeStopLossPrice"),
            *("triggerPrice", "triggerType"),
        )
    )
    return row | unset | {"priceAvg": row["price"], "basePrice": "0"}


def average(subject: SimOrder) -> str:
    return quotient_text(subject.cost, subject.filled) if subject.filled_lots else "0"


def fee_text(subject: SimOrder) -> str:
    """Write an order's fees as the venue does: a JSON text with plain numbers, '' while there are none."""
    if not subject.fees:
        return ""
    coins = (subject.instrument.base, subject.instrument.quote)
    total = plain(sum((fee for asset, fee in subject.fees.items() if asset in coins), ZERO).copy_negate())
    parts = [f'"newFees":{{"c":0,"d":0,"deduction":false,"r":{total},"t":{total},"totalDeductionFee":0}}']
    for asset, charged in subject.fees.items():
        fee, deduction = _signed(charged, asset, coins)
        parts.append(
            f'"{asset}":{{"deduction":{str(deduction).lower()},"feeCoinCode":"{asset}","totalDeductionFee":0,"totalFee":{fee}}}'
        )
    return f"{{{','.join(parts)}}}"


def _signed(fee: Decimal, asset: str, coins: tuple[str, ...]) -> tuple[str, bool]:
    """Return a fee as the venue writes it, and whether BGB paid it: below zero when paid, but above zero in BGB."""
    deducted = asset not in coins
    return plain(fee if deducted else fee.copy_negate()), deducted


def fill(subject: SimFill, kind: str) -> Json:
    """Write one entry of `GET /spot/trade/fills`; `kind` is the order's type."""
    return {
        "userId": "",
        "symbol": native(subject.symbol),
        "orderId": str(subject.order_id),
        "tradeId": str(subject.trade_id),
        "orderType": kind,
        "side": subject.side,
        "priceAvg": plain(subject.price),
        "size": plain(subject.size),
        "amount": plain(mul(subject.price, subject.size)),
        "feeDetail": fee_detail(subject),
        "tradeScope": subject.role,
        "cTime": ms(subject.ns),
        "uTime": ms(subject.ns),
    }


def fee_detail(subject: SimFill) -> Json:
    fee, deduction = _signed(subject.fee, subject.fee_currency, tuple(subject.symbol.split("/")))
    return {
        "deduction": "yes" if deduction else "no",
        "feeCoin": subject.fee_currency,
        "totalDeductionFee": "0" if deduction else "",
        "totalFee": fee,
    }


def order_push(subject: SimOrder, last: SimFill | None, ns: int) -> Json:
    """Write an order as the `orders` channel shows it: with the one fill that the push is about, or none."""
    coins = (subject.instrument.base, subject.instrument.quote)
    fees = [{"feeCoin": asset, "fee": _signed(fee, asset, coins)[0]} for asset, fee in subject.fees.items()]
    push = {
        "instId": native(subject.symbol),
        "orderId": str(subject.id),
        "clientOid": client_oid(subject),
        "size": plain(asked(subject)),
        "newSize": plain(asked(subject)),
        "notional": plain(_notional(subject)),
        "orderType": subject.request.kind,
        "force": subject.request.tif if subject.request.kind == "limit" else "gtc",
        "side": subject.side,
        "accBaseVolume": plain(subject.filled),
        "priceAvg": average(subject),
        "status": order_status(subject),
        "cTime": ms(subject.created_ns),
        "uTime": ms(ns),
        "stpMode": "none",
        "feeDetail": fees,
        "enterPointSource": "API",
    }
    if subject.price is not None:
        push["price"] = plain(subject.price)
    if last is None:
        return push
    return push | {
        "fillPrice": plain(last.price),
        "tradeId": str(last.trade_id),
        "baseVolume": plain(last.size),
        "fillTime": ms(last.ns),
        "fillFee": _signed(last.fee, last.fee_currency, coins)[0],
        "fillFeeCoin": last.fee_currency,
        "tradeScope": "T" if last.role == "taker" else "M",
    }


def _notional(subject: SimOrder) -> Decimal:
    if subject.request.quote_size is not None:
        return subject.request.quote_size
    return subject.cost if subject.price is None else mul(subject.price, subject.size)


def fill_push(subject: SimFill, kind: str) -> Json:
    return fill(subject, kind) | {"feeDetail": [fee_detail(subject) | {"totalDeductionFee": "0"}]}


def balance(asset: str, held: Balance, ns: int) -> Json:
    """Write one asset of the account: amounts locked by orders are `frozen`."""
    return {
        "coin": asset,
        "available": plain(held.free),
        "frozen": plain(held.locked),
        "locked": "0",
        "limitAvailable": "0",
        "uTime": ms(ns),
    }


def bill(subject: Bill) -> Json:
    """Write one entry of `GET /spot/account/bills`: `size` before the fee, `balance` after it."""
    group, inwards = subject.kind, subject.amount > 0
    business = subject.kind
    if subject.fill is not None:
        group, business = "transaction", subject.fill.side
    elif subject.kind == TRANSFER:
        business = "transfer_in" if inwards else "transfer_out"
    elif subject.kind == INTEREST:
        group = "financial"
    return {
        "billId": str(subject.id),
        "coin": subject.asset,
        "groupType": group,
        "businessType": business,
        "size": plain(subject.amount),
        "balance": plain(subject.balance),
        "fees": plain(subject.fee.copy_negate()),
        "cTime": ms(subject.ns),
    }


def own_transfer(subject: Bill) -> Json:
    """Write the bill of a transfer between the holder's accounts as `transferRecords` shows it."""
    inwards = subject.amount > 0
    return {
        "coin": subject.asset,
        "status": "Successful",
        "fromType": "usdt_futures" if inwards else "spot",
        "fromSymbol": "",
        "toType": "spot" if inwards else "usdt_futures",
        "toSymbol": "",
        "size": plain(subject.amount.copy_abs()),
        "ts": ms(subject.ns),
        "clientOid": "",
        "transferId": str(subject.id),
    }


def transfer(subject: Transfer) -> Json:
    """Write a booked transfer as a deposit or a withdrawal, by its sign."""
    return {
        "orderId": str(subject.id),
        "tradeId": f"sandbox{subject.id}",
        "coin": subject.asset,
        "type": "deposit" if subject.amount > 0 else "withdraw",
        "size": plain(subject.amount.copy_abs()),
        "status": "success",
        "toAddress": "",
        "fromAddress": "",
        "dest": "on_chain",
        "chain": subject.asset,
        "cTime": ms(subject.ns),
        "uTime": ms(subject.ns),
    }
