"""What fees are worth, where they are expected, and the row of a fill."""

from decimal import Decimal

from arb.core.house import House
from arb.core.records import FillRecord
from arb.market.fill import Fill
from arb.market.instrument import FeeIn
from arb.market.order import Side

ZERO = Decimal(0)


def fee_quote(house: House, fill: Fill) -> Decimal:
    """Return a fee's value in quote: at the fill's own price for base, at the present mid for another asset."""
    base, quote = fill.symbol.split("/")
    if fill.fee_currency == quote:
        return fill.fee
    if fill.fee_currency == base:
        return fill.fee * fill.price
    unit = house.quote_value(fill.fee_currency, quote)
    return ZERO if unit is None else fill.fee * unit


def expected_fee_currency(fill: Fill, buy_fee_in: FeeIn) -> str:
    """Return the asset the model expects a fee in."""
    base, quote = fill.symbol.split("/")
    return base if fill.side is Side.BUY and buy_fee_in is FeeIn.BASE else quote


def fill_record(house: House, order_id: int, account_id: str, fill: Fill) -> FillRecord:
    """Return the row of a fill of the order with row id `order_id`."""
    return FillRecord(
        id=house.next_id("fills"),
        order_id=order_id,
        account_id=account_id,
        venue=fill.venue,
        symbol=fill.symbol,
        trade_id=fill.trade_id,
        side=fill.side,
        price=fill.price,
        size=fill.size,
        fee=fill.fee,
        fee_currency=fill.fee_currency,
        fee_quote_value=fee_quote(house, fill),
        liquidity=str(fill.liquidity),
        source=str(fill.source),
        event_ns=fill.event_ns,
        received_ns=fill.received_ns,
    )
