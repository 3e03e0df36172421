"""How Bitget writes orders, fills and balances of a unified account (API v3, "Trade", "Account", and the private
channels).

Answers and frames use the same names. A fee is positive when charged, the opposite of API v2. One account has spot, margin
and futures, and `BTCUSDT` is a name in each of them. So only rows of the category `SPOT`, in either letter case, are of
symbols that we trade; all others are foreign.
"""

from decimal import Decimal
from typing import Any

from arb.core.messages.events import AssetBalance
from arb.market.fill import Fill, FillSource
from arb.market.numbers import EXACT, ZERO
from arb.market.order import OrderReport
from arb.venues.bitget.records import is_open, liquidity_of
from arb.venues.kit.fields import Fields, Symbols, UnknownSymbol
from arb.venues.kit.rules.outcome import decode_body

CATEGORY = "SPOT"


def order_report(venue: str, raw: Any, symbols: Symbols) -> OrderReport:
    """Read an order of `order-info`, of the order lists or of the channel `order`.

    `amount` is the quote that a market buy spends, whose `qty` may be 0 then.
    """
    fields = Fields(venue, "order", raw)
    symbol = _symbol(venue, fields, symbols)
    ended, state = not is_open(fields, "orderStatus"), fields.text("orderStatus")
    size = fields.not_negative("qty")
    by_quote = fields.maybe_text("orderType") == "market" and fields.maybe_text("side") == "buy"
    some = state if state in ("filled", "partially_filled") else ""
    filled = fields.filled("cumExecQty", size, some=some, sized=not by_quote)
    return OrderReport(
        venue=venue,
        symbol=symbol,
        client_order_id=fields.maybe_text("clientOid"),
        venue_order_id=fields.text("orderId"),
        side=fields.side(),
        price=fields.maybe_decimal("price"),
        size=size,
        filled=filled,
        avg_price=fields.maybe_decimal("avgPrice") if filled else None,
        is_open=not ended,
        finish_reason=fields.maybe_text("cancelReason") or state if ended else None,
        updated_ns=fields.maybe_ms_ns("updatedTime"),
    )


def fill(venue: str, raw: Any, symbols: Symbols, source: FillSource, received_ns: int) -> Fill:
    fields = Fields(venue, "fill", raw)
    symbol = _symbol(venue, fields, symbols)
    fee, fee_currency = _fee(venue, fields)
    return Fill(
        venue=venue,
        symbol=symbol,
        trade_id=fields.text("execId"),
        venue_order_id=fields.text("orderId"),
        client_order_id=fields.maybe_text("clientOid"),
        side=fields.side(),
        price=fields.positive("execPrice"),
        size=fields.positive("execQty"),
        fee=fee,
        fee_currency=fee_currency,
        liquidity=liquidity_of(fields),
        source=source,
        event_ns=fields.maybe_ms_ns("updatedTime")
        or fields.ms_ns("execTime" if fields.has("execTime") else "createdTime"),
        received_ns=received_ns,
    )


def balance(venue: str, raw: Any) -> tuple[str, AssetBalance]:
    """Read one coin of `/account/assets` or of the channel `account`: `locked` by spot orders; debts show in `available`."""
    fields = Fields(venue, "balance", raw)
    return fields.text("coin"), AssetBalance(fields.not_negative("available"), fields.not_negative("locked", ZERO))


def _symbol(venue: str, fields: Fields, symbols: Symbols) -> str:
    category, native = fields.text("category"), fields.text("symbol")
    if category.upper() != CATEGORY:
        raise UnknownSymbol(venue, f"{category} {native}")
    return symbols.of(venue, native)


def _fee(venue: str, fields: Fields) -> tuple[Decimal, str]:
    """Return the fee and its asset. `feeDetail` is a list of coins; an object, and JSON as text, occur, too."""
    detail = fields.raw("feeDetail")
    if isinstance(detail, str):
        try:
            detail = decode_body(detail.encode())
        except ValueError:
            raise fields.bad("feeDetail", "text that is no JSON") from None
    rows = detail if isinstance(detail, list) else [detail]
    charged: dict[str, Decimal] = {}
    for raw in rows:
        row = Fields(venue, "fill: feeDetail", raw)
        coin, fee = row.text("feeCoin"), row.decimal("fee")
        charged[coin] = EXACT.add(charged.get(coin, ZERO), fee)
    counted = {coin: fee for coin, fee in charged.items() if fee} or charged
    if len(counted) != 1:
        raise fields.bad("feeDetail", f"a fee in {len(counted)} coins")
    [(coin, fee)] = counted.items()
    return fee, coin
