"""Gate's field names: the sandbox's values written as Gate writes them, and Gate's labels for refusals."""

from collections.abc import Mapping
from decimal import Decimal

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.bills import TRANSFER, Bill
from arb.sandbox.currencies import SimWallet
from arb.sandbox.exact import ZERO, add, mul, plain, ratio, sub
from arb.sandbox.exchange import SimExchange
from arb.sandbox.gate.auth import GateError
from arb.sandbox.values import Refusal, Refused, SimFill, SimInstrument, SimOrder, Transfer

Json = dict[str, object]

_TIF = {"gtc": "gtc", "ioc": "ioc", "fok": "fok", "post_only": "poc"}
_AVERAGE_PLACES = Decimal("1E-12")


def pair_of(symbol: str) -> str:
    return symbol.replace("/", "_")


def symbol_of(pair: str) -> str:
    return pair.replace("_", "/")


def seconds(ns: int) -> int:
    return ns // NS_PER_S


def millis(ns: int) -> int:
    return ns // NS_PER_MS


def fine_millis(ns: int) -> str:
    """Return milliseconds with six decimal places, as trades carry them."""
    return f"{ns // NS_PER_MS}.{ns % NS_PER_MS:06d}"


def error_of(refused: Refused, instrument: SimInstrument | None) -> GateError:
    kind, detail = refused.kind, refused.detail
    if kind is Refusal.BELOW_MIN_NOTIONAL:
        quote = instrument.quote if instrument else ""
        message = f"Your order size is too small. The minimum is {detail} {quote}"
        return GateError(400, "INVALID_PARAM_VALUE", message)
    if kind is Refusal.BELOW_MIN_SIZE:
        base = instrument.base if instrument else ""
        return GateError(400, "INVALID_PARAM_VALUE", f"Your order size is too small. The minimum is {detail} {base}")
    status, label, message = _LABELS[kind]
    return GateError(status, label, message.format(detail=detail))


_LABELS: dict[Refusal, tuple[int, str, str]] = {
    Refusal.UNKNOWN_SYMBOL: (400, "INVALID_CURRENCY_PAIR", "Invalid currency pair {detail}"),
    Refusal.NOT_TRADABLE: (400, "INVALID_CURRENCY_PAIR", "Currency pair {detail} is not tradable"),
    Refusal.BAD_ARGUMENT: (400, "INVALID_PARAM_VALUE", "Invalid parameter {detail}"),
    Refusal.BAD_PRICE_PRECISION: (400, "INVALID_PRECISION", "Price precision allows {detail} decimal places"),
    Refusal.BAD_SIZE_PRECISION: (400, "INVALID_PRECISION", "Amount precision allows {detail} decimal places"),
    Refusal.ABOVE_MAX_SIZE: (400, "AMOUNT_TOO_MUCH", "Amount is above the maximum {detail}"),
    Refusal.PRICE_BAND: (400, "PRICE_TOO_DEVIATED", "Order price deviates too much from the market"),
    Refusal.INSUFFICIENT_BALANCE: (400, "BALANCE_NOT_ENOUGH", "Not enough balance"),
    Refusal.POST_ONLY_WOULD_TAKE: (400, "POC_FILL_IMMEDIATELY", "Order would match and take immediately"),
    Refusal.FOK_NOT_FILLED: (400, "FOK_NOT_FILL", "Order cannot be filled completely"),
    Refusal.NO_LIQUIDITY: (400, "ORDER_BOOK_NOT_FOUND", "No liquidity"),
    Refusal.DUPLICATE_CLIENT_ID: (400, "REPEATED_CREATION", "Duplicate client order id"),
    Refusal.EXPIRED: (403, "REQUEST_EXPIRED", "Request arrived after X-Gate-Exptime"),
    Refusal.ORDER_NOT_FOUND: (404, "ORDER_NOT_FOUND", "Order with ID {detail} not found"),
    Refusal.ORDER_CLOSED: (400, "ORDER_CLOSED", "Order {detail} is closed"),
    Refusal.ORDER_CANCELLED: (400, "ORDER_CANCELLED", "Order {detail} is cancelled"),
}


def finish_as(order: SimOrder) -> str:
    return "poc" if order.reason == "post_only" else order.reason


def order_numbers(order: SimOrder) -> dict[str, str]:
    by_quote = order.request.quote_size
    amount = by_quote if by_quote is not None else order.size
    left = sub(by_quote, order.cost) if by_quote is not None else sub(order.size, order.filled)
    average = ZERO
    if order.filled_lots:
        average = ratio(order.cost, order.filled).quantize(_AVERAGE_PLACES)
    return {
        "amount": plain(amount),
        "price": plain(order.price) if order.price is not None else "0",
        "left": plain(left),
        "filled_amount": plain(order.filled),
        "filled_total": plain(order.cost),
        "avg_deal_price": plain(average),
        **_fees(order.fees, fee_currency(order)),
        "rebated_fee": "0",
    }


def _fees(charged: Mapping[str, Decimal], currency: str) -> dict[str, str]:
    """Return the fees in the currency of the side, in points and in GT: separate fields, which are always there."""
    names = {"fee": currency, "point_fee": "POINT", "gt_fee": "GT"}
    return {name: plain(charged.get(asset, ZERO)) for name, asset in names.items()}


def fee_currency(order: SimOrder) -> str:
    """Return the currency that fees of this side are charged in (also when points or GT paid instead)."""
    return order.instrument.base if order.side == "buy" else order.instrument.quote


def order_json(order: SimOrder) -> Json:
    rules = order.instrument
    numbers = order_numbers(order)
    return {
        "id": str(order.id),
        "text": order.client_id or "apiv4",
        "amend_text": "-",
        "create_time": str(seconds(order.created_ns)),
        "update_time": str(seconds(order.updated_ns)),
        "create_time_ms": millis(order.created_ns),
        "update_time_ms": millis(order.updated_ns),
        "status": order.status,
        "currency_pair": pair_of(order.symbol),
        "type": order.request.kind,
        "account": order.request.echo.get("account", "spot"),
        "side": order.side,
        **numbers,
        "time_in_force": _TIF[order.request.tif],
        "iceberg": "0",
        "fill_price": numbers["filled_total"],
        "fee_currency": fee_currency(order),
        "gt_maker_fee": "0",
        "gt_taker_fee": "0",
        "gt_discount": False,
        "rebated_fee_currency": rules.quote if order.side == "buy" else rules.base,
        "stp_id": 0,
        "stp_act": "-",
        "finish_as": finish_as(order),
        "auto_borrow": False,
    }


def order_event_json(order: SimOrder, what: str, user_id: int) -> Json:
    """Return an item of `spot.orders`; its millisecond times are strings."""
    rest = order_json(order)
    rest.pop("status")
    rest.update(
        {
            "user": user_id,
            "event": "update" if what == "amend" else what,
            "create_time_ms": fine_millis(order.created_ns),
            "update_time_ms": fine_millis(order.updated_ns),
            "finish_as": finish_as(order),
        }
    )
    return rest


def fill_json(fill: SimFill, exchange: SimExchange) -> Json:
    return {
        "id": str(fill.trade_id),
        "create_time": str(seconds(fill.ns)),
        "create_time_ms": fine_millis(fill.ns),
        "currency_pair": pair_of(fill.symbol),
        "side": fill.side,
        "role": fill.role,
        "amount": plain(fill.size),
        "price": plain(fill.price),
        "order_id": str(fill.order_id),
        **_fees({fill.fee_currency: fill.fee}, _fill_fee_currency(fill, exchange)),
        "fee_currency": _fill_fee_currency(fill, exchange),
        "amend_text": "-",
        "sequence_id": str(fill.sequence),
        "text": fill.client_id or "apiv4",
        "deal": plain(mul(fill.price, fill.size)),
    }


def fill_event_json(fill: SimFill, exchange: SimExchange) -> Json:
    return {
        "id": fill.trade_id,
        "user_id": exchange.profile.user_id,
        "order_id": str(fill.order_id),
        "currency_pair": pair_of(fill.symbol),
        "create_time": seconds(fill.ns),
        "create_time_ms": fine_millis(fill.ns),
        "side": fill.side,
        "amount": plain(fill.size),
        "role": fill.role,
        "price": plain(fill.price),
        **_fees({fill.fee_currency: fill.fee}, _fill_fee_currency(fill, exchange)),
        "fee_currency": _fill_fee_currency(fill, exchange),
        "text": fill.client_id or "apiv4",
        "amend_text": "-",
        "biz_info": "-",
        "sequence_id": fill.sequence,
    }


def _fill_fee_currency(fill: SimFill, exchange: SimExchange) -> str:
    rules = exchange.instruments[fill.symbol]
    return rules.base if fill.side == "buy" else rules.quote


def pair_json(rules: SimInstrument) -> Json:
    """Return an item of `/spot/currency_pairs`; precisions are decimal places."""
    return {
        "id": pair_of(rules.symbol),
        "base": rules.base,
        "base_name": rules.base,
        "quote": rules.quote,
        "quote_name": rules.quote,
        "fee": "0.2",
        "min_base_amount": plain(rules.order_min_size),
        "min_quote_amount": plain(rules.min_notional),
        "max_base_amount": None if rules.max_size is None else plain(rules.max_size),
        "max_quote_amount": "5000000",
        "amount_precision": rules.size_places,
        "precision": rules.price_places,
        "trade_status": "tradable" if rules.tradable else "untradable",
        "sell_start": seconds(rules.listed_ns),
        "buy_start": seconds(rules.listed_ns),
        "delisting_time": 0,
        "type": "normal",
        "trade_url": "",
        "st_tag": False,
        "up_rate": plain(rules.band),
        "down_rate": plain(rules.band),
        "slippage": "0.05",
        "market_order_max_stock": "1000000",
        "market_order_max_money": "1000000",
    }


def currency_json(asset: str, wallet: SimWallet) -> Json:
    chain: Json = {
        "name": wallet.chain,
        "addr": wallet.contract,
        "withdraw_disabled": not wallet.withdrawal,
        "withdraw_delayed": False,
        "deposit_disabled": not wallet.deposit,
    }
    return {
        "currency": asset,
        "name": asset,
        "delisted": False,
        "withdraw_disabled": not wallet.withdrawal,
        "withdraw_delayed": False,
        "deposit_disabled": not wallet.deposit,
        "trade_disabled": False,
        "chain": wallet.chain,
        "chains": [chain],
    }


def ticker_json(exchange: SimExchange, symbol: str) -> Json:
    """Return an item of `/spot/tickers`; the day's figures are those of the kept tape."""
    market = exchange.market(symbol)
    bid, ask = market.book.bids.best(), market.book.asks.best()
    tape = market.tape
    last = plain(tape[-1].price) if tape else market.price_text(market.reference() // 2)
    prices = [trade.price for trade in tape]
    base, quote = ZERO, ZERO
    for trade in tape:
        base, quote = add(base, trade.size), add(quote, mul(trade.price, trade.size))
    return {
        "currency_pair": pair_of(symbol),
        "last": last,
        "lowest_ask": "" if ask is None else market.price_text(ask),
        "lowest_size": "" if ask is None else market.size_text(market.book.asks.levels[ask].total),
        "highest_bid": "" if bid is None else market.price_text(bid),
        "highest_size": "" if bid is None else market.size_text(market.book.bids.levels[bid].total),
        "change_percentage": "0",
        "base_volume": plain(base),
        "quote_volume": plain(quote),
        "high_24h": plain(max(prices)) if prices else last,
        "low_24h": plain(min(prices)) if prices else last,
    }


def bill_rows(bill: Bill) -> list[Json]:
    """Return the rows of `/spot/account_book` that a bill makes, newest first: the fee of a trade is a separate row.

    A transfer between own accounts shows as one from or to the futures account.
    """
    if bill.fill is not None:
        fee_kind = "point_fee" if bill.asset == "POINT" else "order_fee"
        rows = [(1, fee_kind, bill.fee.copy_negate(), bill.balance)] if bill.fee else []
        if bill.amount:
            rows.append((0, "order_fill", bill.amount, add(bill.balance, bill.fee)))
    else:
        kind = bill.kind
        if kind == TRANSFER:
            kind = "futures_in" if bill.amount > 0 else "futures_out"
        rows = [(0, kind, bill.amount, bill.balance)]
    return [
        {
            "id": str(2 * bill.id + place),
            "time": millis(bill.ns),
            "currency": bill.asset,
            "change": plain(change),
            "balance": plain(balance),
            "type": kind,
            "text": "" if bill.fill is None else str(bill.fill.order_id),
        }
        for place, kind, change, balance in rows
    ]


def transfer_json(transfer: Transfer) -> Json:
    is_deposit = transfer.amount >= 0
    return {
        "id": f"{'d' if is_deposit else 'w'}{transfer.id}",
        "txid": f"{transfer.id:064x}",
        "withdraw_order_id": "",
        "timestamp": str(seconds(transfer.ns)),
        "amount": plain(abs(transfer.amount)),
        "currency": transfer.asset,
        "address": "",
        "memo": "",
        "status": "DONE",
        "chain": transfer.asset,
        "fee": "0",
    }
