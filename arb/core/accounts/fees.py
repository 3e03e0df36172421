"""What fees are worth, where and how high they are expected, and the row of a fill."""

from decimal import ROUND_CEILING, Decimal

from arb.core.records import FillRecord
from arb.core.state import EngineState
from arb.market.fill import Fill
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import ZERO
from arb.market.order import Side
from arb.market.symbol import Symbol

RATE_STEP = Decimal("1e-8")
VALUE_STEP = Decimal("1e-18")
FEE_SLACK = Decimal("0.01")
"""A fee may be so much above the model, as a share of it, before the model counts as wrong ..."""
ROUNDING_MAX = Decimal("1e-6")
"""... or by one unit of the last decimal it was reported with, and never more than this, in the fee's own currency."""


def fee_quote(state: EngineState, fill: Fill) -> Decimal | None:
    """Return a fee's value in quote: at the fill's own price for base, at the present mid for another asset.

    None when no book prices that asset. What a mid gives is rounded to 18 decimals: the ledger's readers hold no more digits.
    """
    base, quote = Symbol.of(fill.symbol).base_and_quote
    if fill.fee_currency == quote:
        return fill.fee
    if fill.fee_currency == base:
        return fill.fee * fill.price
    unit = state.quote_value(fill.fee_currency, quote)
    return None if unit is None else (fill.fee * unit).quantize(VALUE_STEP)


def booked_fee(state: EngineState, fill: Fill) -> Decimal:
    """Return the value in quote a fee is booked at: its own, else what the model charges, so that profit is not flattered.

    A rebate without a price is booked at 0, and so is a fee of which the model knows no rate. A fee of ours without a price
    becomes an incident (`Engine._check_fee`).
    """
    value = fee_quote(state, fill)
    if value is not None:
        return value
    instrument = state.instrument(fill.venue, fill.symbol)
    if fill.fee <= 0 or instrument is None or instrument.taker_fee is None:
        return ZERO
    return max(ZERO, instrument.taker_fee) * fill.size * fill.price


def unsupported(instrument: Instrument) -> bool:
    """Return whether fees are taken in an asset that is neither base nor quote, so that nothing may open there.

    The balance of that asset would have to cover both legs and an unwind. Venues report that another asset pays, not which
    one, so neither its balance nor its price is known before the first fill. A fee of 0 needs neither.
    """
    return instrument.buy_fee_in is FeeIn.OTHER and bool(instrument.taker_fee)


def usable_rate(rate: Decimal) -> bool:
    """Return whether a fee rate can be computed with: below 100 %, and no finer than `RATE_STEP`."""
    return abs(rate) < 1 and rate == rate.quantize(RATE_STEP)


def expected_fee_currency(fill: Fill, buy_fee_in: FeeIn) -> str | None:
    """Return the asset the model expects a fee in; None for an asset that it cannot name."""
    base, quote = Symbol.of(fill.symbol).base_and_quote
    if buy_fee_in is FeeIn.OTHER:
        return None
    return base if fill.side is Side.BUY and buy_fee_in is FeeIn.BASE else quote


def dearer_rate(fill: Fill, instrument: Instrument) -> Decimal | None:
    """Return the rate a fill was really charged, rounded up, when that is more than the model's; None when it is not.

    Only for a fee in the currency the model expects. Venues round fees, so a little more is allowed (`FEE_SLACK`,
    `ROUNDING_MAX`).
    """
    if instrument.taker_fee is None or fill.fee_currency != expected_fee_currency(fill, instrument.buy_fee_in):
        return None
    charged_on = fill.size if fill.fee_currency == instrument.base else fill.size * fill.price
    expected = instrument.taker_fee * charged_on
    exponent = fill.fee.as_tuple().exponent
    rounding = min(Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0), ROUNDING_MAX)
    if fill.fee <= expected + max(abs(expected) * FEE_SLACK, rounding):
        return None
    return (fill.fee / charged_on).quantize(RATE_STEP, rounding=ROUND_CEILING)


def fill_record(state: EngineState, order_id: int, account_id: str, fill: Fill) -> FillRecord:
    """Return the row of a fill of the order with row id `order_id`."""
    return FillRecord(
        id=state.next_id("fills"),
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
        fee_quote_value=booked_fee(state, fill),
        liquidity=str(fill.liquidity),
        source=str(fill.source),
        event_ns=fill.event_ns,
        received_ns=fill.received_ns,
    )
