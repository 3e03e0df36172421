"""How Bitget writes rules, orders, fills, balances and records of a unified account: from the exchange's values to its names.

Source: the venue's API v3 ("Unified Trading Account"), section by section. Fees are positive when charged. Rows of answers name
their category in capitals, rows of frames in small letters.
"""

from collections.abc import Mapping
from decimal import Decimal

from arb.sandbox.accounts import Balance
from arb.sandbox.bills import INTEREST, TRADE, WITHDRAW, Bill
from arb.sandbox.bitget.wire import Json, average, client_oid, ms, native, order_status
from arb.sandbox.exact import mul, plain
from arb.sandbox.values import SimFill, SimInstrument, SimOrder

SPOT, OTHER = "SPOT", "OTHER"
NO_FEE = [{"feeCoin": "", "fee": ""}]
_CANCEL_REASONS = {
    "cancelled": "normal_cancel",
    "ioc": "ioc_not_full_cancel",
    "fok": "fok_not_full_cancel",
    "post_only": "post_only_fill_cancel",
    "depth": "trade_count_too_small",
}


def instrument(rules: SimInstrument) -> Json:
    return {
        "symbol": native(rules.symbol),
        "category": SPOT,
        "baseCoin": rules.base,
        "quoteCoin": rules.quote,
        "buyLimitPriceRatio": plain(rules.band),
        "sellLimitPriceRatio": plain(rules.band),
        "feeRateUpRatio": "",
        "minOrderQty": plain(rules.order_min_size),
        "maxOrderQty": "0" if rules.max_size is None else plain(rules.max_size),
        "pricePrecision": str(rules.price_places),
        "quantityPrecision": str(rules.size_places),
        "quotePrecision": str(rules.price_places + rules.size_places),
        "minOrderAmount": plain(rules.min_notional),
        "maxSymbolOrderNum": "400",
        "maxProductOrderNum": "400",
        "status": "online" if rules.tradable else "offline",
        "offTime": "",
        "limitOpenTime": "",
        "maintainTime": "",
        "areaSymbol": "no",
    }


def order(subject: SimOrder, category: str = SPOT) -> Json:
    """Write an order as `order-info`, the lists and the channel `order` show it.

    A market buy counts its `amount` in quote, and its `qty` is 0.
    """
    status, quote_size = order_status(subject), subject.request.quote_size
    return {
        "orderId": str(subject.id),
        "clientOid": client_oid(subject),
        "category": category,
        "symbol": native(subject.symbol),
        "orderType": subject.request.kind,
        "side": subject.side,
        "price": "0" if subject.price is None else plain(subject.price),
        "qty": plain(subject.size) if quote_size is None else "0",
        "amount": "0" if quote_size is None else plain(quote_size),
        "cumExecQty": plain(subject.filled),
        "cumExecValue": plain(subject.cost),
        "avgPrice": average(subject),
        "timeInForce": subject.request.tif if subject.request.kind == "limit" else "gtc",
        "orderStatus": status,
        "posSide": "",
        "holdMode": "",
        "reduceOnly": "NO",
        "marginMode": "crossed",
        "feeDetail": fees(subject.fees) or NO_FEE,
        "cancelReason": _CANCEL_REASONS.get(subject.reason, subject.reason) if status == "cancelled" else "",
        "execType": "normal",
        "stpMode": "none",
        "createdTime": ms(subject.created_ns),
        "updatedTime": ms(subject.updated_ns),
    }


def fees(charged: Mapping[str, Decimal]) -> list[Json]:
    """Write fees by coin: positive when charged."""
    return [{"feeCoin": asset, "fee": plain(fee)} for asset, fee in charged.items()]


def fill(subject: SimFill, kind: str, client_id: str) -> Json:
    """Write one entry of `GET /trade/fills`; `kind` is the order's type, `client_id` its name."""
    return _fill(subject, kind, client_id, SPOT) | {"createdTime": ms(subject.ns), "tradeSide": ""}


def fill_push(subject: SimFill, kind: str, client_id: str) -> Json:
    return _fill(subject, kind, client_id, SPOT.lower()) | {"execTime": ms(subject.ns), "isRPI": "no"}


def _fill(subject: SimFill, kind: str, client_id: str, category: str) -> Json:
    return {
        "execId": str(subject.trade_id),
        "execLinkId": str(subject.trade_id),
        "orderId": str(subject.order_id),
        "clientOid": client_id,
        "category": category,
        "symbol": native(subject.symbol),
        "orderType": kind,
        "side": subject.side,
        "execPrice": plain(subject.price),
        "execQty": plain(subject.size),
        "execValue": plain(mul(subject.price, subject.size)),
        "tradeScope": subject.role,
        "feeDetail": fees({subject.fee_currency: subject.fee}),
        "updatedTime": ms(subject.ns),
        "execPnl": "0",
    }


def coin(asset: str, held: Balance, debt: str = "debt") -> Json:
    """Write one coin of `GET /account/assets`; `debt` is the name of the field for debts, which differs in frames."""
    total = plain(held.total)
    return {
        "coin": asset,
        "equity": total,
        "usdValue": "0",
        "balance": total,
        "available": plain(held.free),
        debt: "0",
        "locked": plain(held.locked),
    }


def record(subject: Bill) -> Json:
    """Write one entry of `GET /account/financial-records`: amounts have no sign; the name of the type shows the direction."""
    inwards = subject.amount > 0
    if subject.kind == TRADE and subject.amount == 0:
        kind = "ORDER_PLF_FEE_OUT"
    elif subject.kind == TRADE:
        kind = "ORDER_DEALT_IN" if inwards else "ORDER_DEALT_FROZEN_OUT"
    elif subject.kind == INTEREST:
        kind = "SYSTEM_TRANSFER_IN"
    else:
        kind = "TRANSFER_OUT" if subject.kind == WITHDRAW or not inwards else "TRANSFER_IN"
    return {
        "category": category_of(subject),
        "id": str(subject.id),
        "symbol": "" if subject.fill is None else native(subject.fill.symbol),
        "coin": subject.asset,
        "type": kind,
        "amount": plain(subject.amount.copy_abs()),
        "fee": plain(subject.fee.copy_negate()),
        "balance": plain(subject.balance),
        "ts": ms(subject.ns),
    }


def category_of(subject: Bill) -> str:
    return SPOT if subject.kind == TRADE else OTHER
