"""The value of fees, their expected place and height, and the row of a fill."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from arb.core.messages.records import FillRecord
from arb.core.messages.recovery_records import FeeHold
from arb.core.pricing.plan import Plan
from arb.core.state.engine_state import EngineState
from arb.market.fill import Fill
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import ZERO, to_e8
from arb.market.order import Side
from arb.market.route import Route
from arb.market.symbol import Symbol

RATE_STEP = Decimal("1e-8")
VALUE_STEP = Decimal("1e-18")
FEE_SLACK = Decimal("0.01")
"""A fee may exceed the model by this share of it before the model counts as wrong ..."""
ROUNDING_MAX = Decimal("1e-6")
"""... or by one unit of the last decimal it was reported with, and never more than this, in the fee's own currency."""
ASSET_SLACK = Decimal("0.05")
"""The same for a fee in another asset: the venue converts it at a price of its own, and we value it at ours."""
FUNDS_SHARE = Decimal("0.9")
"""Of the asset that fees are taken from only this much counts: its price moves between a plan and the unwind of its legs."""
AMOUNT_STEP = Decimal("1e-8")


def fee_quote(state: EngineState, fill: Fill) -> Decimal | None:
    """Return a fee's value in quote: at the fill's own price for base, at the present or the stated price for another asset.

    None when nothing prices that asset. A value from a mid is rounded to 18 decimals: the ledger's readers hold no more
    digits.
    """
    base, quote = Symbol.of(fill.symbol).base_and_quote
    if fill.fee_currency == quote:
        return fill.fee
    if fill.fee_currency == base:
        return fill.fee * fill.price
    unit = state.fee_asset_price(fill.venue, fill.fee_currency, quote)
    return None if unit is None else (fill.fee * unit).quantize(VALUE_STEP)


def booked_fee(state: EngineState, fill: Fill) -> Decimal:
    """Return the booked value of a fee in quote: its own, else the model's, so that profit is not flattered.

    A rebate without a price is booked at 0, and so is a fee without a known rate. A fee of ours without a price becomes an
    incident (`Engine._check_fee`).
    """
    value = fee_quote(state, fill)
    if value is not None:
        return value
    instrument = state.instrument(fill.venue, fill.symbol)
    if fill.fee <= 0 or instrument is None or instrument.taker_fee is None:
        return ZERO
    return max(ZERO, instrument.taker_fee) * fill.size * fill.price


def unsupported(state: EngineState, instrument: Instrument) -> bool:
    """Return whether fees are taken in an asset that cannot be valued, so that nothing may open there.

    Its balance has to cover both legs and an unwind, so the asset and its present value must be known; a fee of 0 needs
    neither. Where the symbol itself trades that asset, each fill would change the asset of the next fee.
    """
    asset = instrument.fee_asset
    if asset and asset in (instrument.base, instrument.quote):
        return True
    if instrument.buy_fee_in is not FeeIn.OTHER or not instrument.taker_fee:
        return False
    return not asset or state.fee_asset_price(instrument.venue, asset, instrument.quote) is None


def fee_funds(state: EngineState, instrument: Instrument) -> Decimal:
    """Return the quote value of the free balance of an instrument's fee asset; 0 without one."""
    venue, asset = instrument.venue, instrument.fee_asset
    price = state.fee_asset_price(venue, asset, instrument.quote) or ZERO
    return state.inventory.free(venue, asset) * price * FUNDS_SHARE


def fee_holds(state: EngineState, route: Route, decided: Plan) -> tuple[FeeHold, ...]:
    """Return a pair's reservations of its venues' fee assets: at each venue for its leg and an unwind of it.

    Never more than was free for it (`Sizes.limit_funds`): the sizing uses the same price and the worse of two prices.
    """
    terms = decided.terms
    if terms.buy.buy_fee_in is not FeeIn.OTHER and terms.sell.buy_fee_in is not FeeIn.OTHER:
        return ()
    buy, sell = decided.legs(route)
    legs = (buy, terms.buy, decided.amount(decided.hold)), (sell, terms.sell, sell.size * decided.sell_vwap())
    holds = list[FeeHold]()
    for leg, of, notional in legs:
        venue, instrument = leg.venue, state.instruments[leg.venue, leg.symbol]
        price = state.fee_asset_price(venue, instrument.fee_asset, instrument.quote)
        if of.buy_fee_in is FeeIn.OTHER and of.taker_fee > 0 and price is not None:
            amount = 2 * of.taker_fee * notional / (price * FUNDS_SHARE)
            holds.append(FeeHold(venue, instrument.fee_asset, amount.quantize(AMOUNT_STEP, ROUND_FLOOR)))
    return tuple(holds)


def usable_rate(rate: Decimal) -> bool:
    """Return whether a fee rate can be computed with: below 100 %, and no finer than `RATE_STEP`."""
    return abs(rate) < 1 and rate == rate.quantize(RATE_STEP)


def expected_fee_currency(fill: Fill, buy_fee_in: FeeIn) -> str | None:
    """Return the asset the model expects a fee in; None for an asset that it cannot name."""
    base, quote = Symbol.of(fill.symbol).base_and_quote
    if buy_fee_in is FeeIn.OTHER:
        return None
    return base if fill.side is Side.BUY and buy_fee_in is FeeIn.BASE else quote


def dearer_rate(fill: Fill, instrument: Instrument, unit: Decimal = Decimal(1)) -> Decimal | None:
    """Return the rate a fill was really charged, rounded up, when that is more than the listed one; None when it is not."""
    rate, charged = charged_rate(fill, instrument, unit)
    return charged if charged is not None and rate is not None and charged > rate else None


def charged_rate(
    fill: Fill, instrument: Instrument, unit: Decimal = Decimal(1)
) -> tuple[Decimal | None, Decimal | None]:
    """Return the listed rate of a fill's fee, and the charged one, rounded up, where it differs; None: it does not.

    Only for a fee in the currency that `instrument`, as the venue lists it, implies, or in its `fee_asset`, one unit of which
    is worth `unit` in quote. Venues round fees, so a little more is allowed (`FEE_SLACK`, `ASSET_SLACK`, `ROUNDING_MAX`).
    """
    rate, slack = instrument.taker_fee, FEE_SLACK
    if fill.fee_currency == instrument.fee_asset:
        rate, slack = instrument.fee_asset_taker, ASSET_SLACK
    elif fill.fee_currency != expected_fee_currency(fill, instrument.buy_fee_in):
        return None, None
    if rate is None:
        return None, None
    charged_on = fill.size if fill.fee_currency == instrument.base else fill.size * fill.price
    expected, charged = rate * charged_on, fill.fee * unit
    exponent = fill.fee.as_tuple().exponent
    rounding = min(Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0), ROUNDING_MAX) * unit
    if abs(charged - expected) <= max(abs(expected) * slack, rounding):
        return rate, None
    return rate, (charged / charged_on).quantize(RATE_STEP, rounding=ROUND_CEILING)


def fill_record(
    state: EngineState, order_id: int, account_id: str, fill: Fill, rate: Decimal | None = None
) -> FillRecord:
    """Return the row of a fill of the order with row id `order_id`; `rate`: the fee that was planned for it, as a ratio."""
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
        fee_expected_e8=None if rate is None else to_e8(rate * fill.size * fill.price),
    )
