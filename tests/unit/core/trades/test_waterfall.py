"""Every cent explained: the columns sum to what the balances really gained, for any fills."""

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from arb.core.messages.records import Waterfall
from arb.core.messages.recovery_records import PlanRecord
from arb.core.pricing.depth import Depth
from arb.core.pricing.plan import Plan
from arb.core.pricing.spread import evaluate
from arb.core.pricing.terms import EdgeLimits, PairTerms, VenueTerms
from arb.core.trades.waterfall import Traded, residual_size, waterfall
from arb.errors import InvariantError
from arb.market.instrument import FeeIn
from arb.market.order import Side
from arb.market.route import Route
from arb.market.scale import Scale

D = Decimal
NUMBERS: dict[str, Any] = dict.fromkeys(
    ("buy_limit", "sell_limit", "residual", "residual_value", "net", "hold_quote", "hold_base"), D(0)
)
NAMES: dict[str, Any] = {"pair_id": 1, "symbol": "BTC/USDT", "buy_venue": "gate", "sell_venue": "okx"}
PLAN = PlanRecord(
    buy_size=D(2),
    sell_size=D(2),
    buy_vwap=D(100),
    sell_vwap=D(110),
    buy_fee=D("0.001"),
    sell_fee=D("0.002"),
    buy_fee_in=FeeIn.QUOTE,
    mark=D(109),
    **NAMES,
    **NUMBERS,
)
EXPECTED_E8 = 1_936_000_000  # 220*0.998 - 200*1.001 = 219.56 - 200.2
NO_BUY, NO_SELL = Traded(side=Side.BUY), Traded(side=Side.SELL)


def bought(size: str, quote: str, fee: str = "0", **fees: Decimal) -> Traded:
    return Traded(side=Side.BUY, size=D(size), quote=D(quote), fee_quote=D(fee), **fees)


def sold(size: str, quote: str, fee: str = "0", **fees: Decimal) -> Traded:
    return Traded(side=Side.SELL, size=D(size), quote=D(quote), fee_quote=D(fee), **fees)


def columns(found: Waterfall) -> dict[str, int]:
    return {name.removesuffix("_e8"): getattr(found, name) for name in found.__struct_fields__ if getattr(found, name)}


def test_legs_the_wrong_way_round_are_our_own_bug() -> None:
    with pytest.raises(InvariantError):
        waterfall(PLAN, NO_SELL, NO_BUY, [], D(109))


def test_pair_that_filled_as_planned_has_only_its_expected_net() -> None:
    found = waterfall(PLAN, bought("2", "200", "0.2"), sold("2", "220", "0.44"), [], D(109))
    assert columns(found) == {"expected_net": EXPECTED_E8, "realised_net": EXPECTED_E8}


def test_pair_that_filled_nothing_lost_exactly_what_it_expected() -> None:
    found = waterfall(PLAN, NO_BUY, NO_SELL, [], D(109))
    assert columns(found) == {"expected_net": EXPECTED_E8, "size_shortfall": -EXPECTED_E8}


def test_worse_prices_are_slippage_of_their_own_leg() -> None:
    found = waterfall(PLAN, bought("2", "201", "0.2"), sold("2", "219.5", "0.44"), [], D(109))
    assert columns(found) == {
        "expected_net": EXPECTED_E8,
        "buy_slippage": -100_000_000,
        "sell_slippage": -50_000_000,
        "realised_net": EXPECTED_E8 - 150_000_000,
    }


def test_fee_charged_in_points_is_a_fee_difference_at_its_quote_value() -> None:
    found = waterfall(PLAN, bought("2", "200", fee_other=D("0.15")), sold("2", "220", "0.44"), [], D(109))
    assert found.fee_difference_e8 == 5_000_000  # 0.2 planned, 0.15 charged
    assert found.realised_net_e8 == EXPECTED_E8 + 5_000_000


def test_fee_planned_in_points_and_charged_as_planned_makes_no_difference() -> None:
    planned = replace(PLAN, buy_fee_in=FeeIn.OTHER)
    found = waterfall(planned, bought("2", "200", fee_other=D("0.2")), sold("2", "220", "0.44"), [], D(109))
    assert columns(found) == {"expected_net": EXPECTED_E8, "realised_net": EXPECTED_E8}


def test_unwind_at_a_third_price_is_hedge_cost_and_leaves_no_residual() -> None:
    # The sell leg failed; what was bought at 100 is sold back at 99 for a fee of 0.198.
    unwind = [sold("2", "198", "0.198")]
    found = waterfall(PLAN, bought("2", "200", "0.2"), NO_SELL, unwind, D(120))
    assert residual_size(bought("2", "200"), NO_SELL, unwind) == 0
    assert found.residual_change_e8 == 0
    assert found.hedge_cost_e8 == (D("197.802") - 2 * 109) * 10**8
    assert found.realised_net_e8 == D("-2.398") * 10**8


def test_residual_is_revalued_at_the_close() -> None:
    found = waterfall(PLAN, bought("2", "200", "0.2"), sold("1.5", "165", "0.33"), [], D(108))
    assert found.residual_change_e8 == D("-0.5") * 10**8
    assert found.realised_net_e8 == (D("-200.2") + D("164.67") + 54) * 10**8


def test_inherited_dust_sold_above_its_mark_earns_the_difference() -> None:
    nothing = replace(PLAN, buy_size=D(0), sell_size=D(0))
    found = waterfall(nothing, NO_BUY, NO_SELL, [sold("0.5", "55", "0.055")], D(108), inherited=D("0.5"))
    assert columns(found) == {"hedge_cost": 44_500_000, "realised_net": 44_500_000}  # 54.945 - 0.5 * 109


def test_what_another_pair_has_taken_over_stays_at_the_value_it_was_booked_at() -> None:
    # 2 bought, none sold: 1.5 of them were taken over at 105 each, and the half that is left is worth 120 now.
    found = waterfall(PLAN, bought("2", "200", "0.2"), NO_SELL, [], D(120), handed=D("1.5"), handed_value=D("157.5"))
    assert found.realised_net_e8 == (D("-200.2") + D("157.5") + 60) * 10**8
    assert found.residual_change_e8 == (D("0.5") * (120 - 109) + D("157.5") - D("1.5") * 109) * 10**8


def test_rounding_goes_into_residual_change_so_that_integers_sum() -> None:
    planned = replace(PLAN, buy_vwap=D("100.000000033333333333"))
    found = waterfall(planned, bought("2", "200", "0.2"), sold("2", "220", "0.44"), [], D(109))
    assert sum(columns(found).values()) == 2 * found.realised_net_e8
    assert abs(found.residual_change_e8) <= 3


def numbers(low: int, high: int, places: int) -> st.SearchStrategy[Decimal]:
    return st.integers(low, high).map(lambda n: D(n).scaleb(-places))


SIZES = numbers(0, 500_000, 5)
PRICES = numbers(1, 20_000_00, 2)
RATES = numbers(-1000, 5000, 5)


@st.composite
def trades(draw: st.DrawFn, side: Side | None = None) -> Traded:
    """Fills of one side, possibly none, with fees and rebates in any assets at once."""
    size = draw(st.just(D(0)) | SIZES)
    quote = size * draw(PRICES)
    fees = [draw(st.just(D(0)) | numbers(-(10**6), 10**7, 8)) if size else D(0) for _ in range(3)]
    return Traded(
        side=side or draw(st.sampled_from(Side)),
        size=size,
        quote=quote,
        fee_quote=fees[0],
        fee_base=fees[1] / 1000,
        fee_other=fees[2],
    )


PLANS = st.builds(
    PlanRecord,
    buy_size=SIZES,
    sell_size=SIZES,
    buy_vwap=PRICES,
    sell_vwap=PRICES,
    buy_fee=RATES,
    sell_fee=RATES,
    buy_fee_in=st.sampled_from(FeeIn),
    mark=PRICES,
    **{name: st.just(value) for name, value in (NAMES | NUMBERS).items()},
)


def dec(value: Decimal | Fraction) -> Decimal:
    assert isinstance(value, Decimal)
    return value


def reference(p: PlanRecord, buy: Traded, sell: Traded, repairs: list[Traded], m1: Decimal) -> dict[str, Decimal]:
    """The formula of the contract, letter by letter, in decimals of 200 digits."""
    q, s, Va, Vb, m0 = p.buy_size, p.sell_size, p.buy_vwap, p.sell_vwap, p.mark
    fA, fB = p.buy_fee, p.sell_fee
    gA = 1 if p.buy_fee_in is FeeIn.BASE else 1 + fA
    nA = 1 - fA if p.buy_fee_in is FeeIn.BASE else 1
    fq, fs, Fa, Fb = dec(buy.size), dec(sell.size), dec(buy.fee_quote), dec(sell.fee_quote)
    phi, X = dec(buy.fee_base) + dec(sell.fee_base), dec(buy.fee_other) + dec(sell.fee_other)
    H = h = D(0)
    for trade in repairs:
        sign = 1 if trade.side is Side.SELL else -1
        H += sign * dec(trade.quote) - dec(trade.fee_quote) - dec(trade.fee_other)
        h += -sign * dec(trade.size) - dec(trade.fee_base)
    R = fq - phi - fs + h
    quote_change = -dec(buy.quote) - Fa + dec(sell.quote) - Fb + H
    return {
        "expected_net": (1 - fB) * s * Vb + (q * nA - s) * m0 - gA * q * Va,
        "buy_slippage": fq * Va - dec(buy.quote),
        "sell_slippage": dec(sell.quote) - fs * Vb,
        "size_shortfall": (q - fq) * (Va * gA - nA * m0) - (s - fs) * (Vb * (1 - fB) - m0),
        "fee_difference": (fs * Vb * fB - Fb) - X + (fq * Va * (gA - 1) - Fa) + (fq * (1 - nA) - phi) * m0,
        "hedge_cost": H + h * m0,
        "residual_change": R * (m1 - m0),
        "realised_net": quote_change - X + R * m1,
    }


@settings(max_examples=500, deadline=None)
@given(
    planned=PLANS,
    buy=trades(Side.BUY),
    sell=trades(Side.SELL),
    repairs=st.lists(trades(), max_size=3),
    m1=PRICES,
)
def test_columns_equal_the_contract_and_sum_exactly(
    planned: PlanRecord, buy: Traded, sell: Traded, repairs: list[Traded], m1: Decimal
) -> None:
    found = waterfall(planned, buy, sell, repairs, m1)
    with localcontext(prec=200):
        expected = reference(planned, buy, sell, repairs, m1)
        assert sum(expected.values()) == 2 * expected["realised_net"]
        for name, value in expected.items():
            slack = D(4) if name == "residual_change" else D("0.5")
            assert abs(getattr(found, f"{name}_e8") - value * 10**8) <= slack, name
    parts = [getattr(found, f"{name}_e8") for name in expected if name != "realised_net"]
    assert sum(parts) == found.realised_net_e8


def test_expected_net_of_a_journalled_plan_is_the_net_it_was_decided_on() -> None:
    base_fee = VenueTerms(taker_fee=D("0.001"), buy_fee_in=FeeIn.BASE, tick=D("0.1"), lot=D("0.07"))
    quote_fee = VenueTerms(taker_fee=D("0.0007"), buy_fee_in=FeeIn.QUOTE, tick=D("0.1"), lot=D("0.03"))
    asks, bids = Depth.of([(1000, 31), (1003, 50)]), Depth.of([(1090, 40), (1081, 45)])
    plan = evaluate(PairTerms(Scale(1, 2), base_fee, quote_fee, EdgeLimits()), asks, bids)
    assert isinstance(plan, Plan)
    record = plan.record(1, Route.of("BTC/USDT", "gate", "okx"))
    found = waterfall(record, NO_BUY, NO_SELL, [], D(109))
    assert found.expected_net_e8 == round(record.net * 10**8)


def test_a_planned_residual_is_valued_exactly_where_its_mark_is_rounded() -> None:
    plan = replace(PLAN, residual=D(3), residual_value=D(1), mark=D("0.3333"))
    found = waterfall(plan, bought("2", "200", "0.2"), sold("2", "220", "0.44"), [bought("3", "0")], D(0))
    assert found.hedge_cost_e8 == 10**8  # 3 base, worth 1 together
