"""No pair begins that a partial fill could leave with base that nobody may trade."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arb.core.pricing.depth import Depth
from arb.core.pricing.partial import worst_partial_ok, worst_residual
from arb.core.pricing.plan import Plan
from arb.core.pricing.spread import evaluate
from arb.core.pricing.terms import EdgeLimits, PairTerms, VenueTerms
from arb.market.instrument import FeeIn
from arb.market.scale import Scale

ASKS, BIDS = Depth([1000], [60]), Depth([1100], [60])  # 0.6 base at 100 and at 110
SCALE = Scale(1, 2)


def venue(
    lot: str = "0.01", min_size: str = "0", min_notional: str = "0", fee: str = "0", fee_in: str = "quote"
) -> VenueTerms:
    return VenueTerms(
        taker_fee=Decimal(fee),
        buy_fee_in=FeeIn(fee_in),
        tick=Decimal("0.1"),
        lot=Decimal(lot),
        min_size=Decimal(min_size),
        min_notional=Decimal(min_notional),
    )


def planned(buy: VenueTerms, sell: VenueTerms, dust: str | None) -> Plan:
    limits = EdgeLimits(dust_max_quote=None if dust is None else Decimal(dust))
    plan = evaluate(PairTerms(SCALE, buy, sell, limits), ASKS, BIDS)
    assert isinstance(plan, Plan)
    return plan


def safe(plan: Plan, may_overshoot: bool) -> bool:
    return worst_partial_ok(plan, ASKS.prices[0], BIDS.prices[0], may_overshoot=may_overshoot)


def hedgeable(buy: VenueTerms, sell: VenueTerms, dust: str | None, *, may_overshoot: bool = True) -> bool:
    return safe(planned(buy, sell, dust), may_overshoot)


def test_minimum_at_both_venues_above_twice_the_dust_is_unhedgeable() -> None:
    # Minimum 0.2 at both: a fill of 0.1 is worth 11 and nobody takes it.
    assert not hedgeable(venue(min_size="0.2"), venue(min_size="0.2"), "10.99")
    assert hedgeable(venue(min_size="0.2"), venue(min_size="0.2"), "11")


def test_one_venue_that_takes_every_lot_is_enough() -> None:
    assert hedgeable(venue(min_size="0.3"), venue(), "0")
    assert hedgeable(venue(), venue(min_size="0.3"), "0")


def test_without_overshooting_everything_below_the_minimum_is_left() -> None:
    both = venue(min_size="0.2")
    assert not hedgeable(both, both, "20.89", may_overshoot=False)  # 0.19 at 110 is 20.9
    assert hedgeable(both, both, "20.9", may_overshoot=False)


def test_fee_in_base_leaves_at_most_the_fee_off_the_lots() -> None:
    plan = planned(venue(fee="0.001", fee_in="base"), venue(), None)
    assert worst_residual(plan, 995) == plan.buy_size * plan.terms.fee_one // 1000
    assert worst_residual(plan, 995, may_overshoot=False) == plan.terms.fee_one - 1  # nearly a whole lot of 1


def test_unlimited_dust_is_always_enough() -> None:
    assert hedgeable(venue(min_size="0.5"), venue(min_size="0.5"), None)


def least_legal(rules: VenueTerms, price: Fraction) -> Fraction:
    """Return the smallest order the venue takes, by counting up."""
    lot, n = Fraction(rules.lot), 1
    while n * lot < Fraction(rules.min_size) or n * lot * price < Fraction(rules.min_notional):
        n += 1
    return n * lot


def unhedged_after(imbalance: Fraction, orders: list[tuple[Fraction, Fraction]], *, may_overshoot: bool) -> Fraction:
    """Return how much of `imbalance` no legal order repairs; `orders`: each venue's lot and smallest order."""
    best = imbalance
    for lot, least in orders:
        below = imbalance // lot * lot
        for size in (least, below, below + lot):
            if size >= least and (may_overshoot or size <= imbalance):
                best = min(best, abs(imbalance - size))
    return best


def venues() -> st.SearchStrategy[VenueTerms]:
    return st.builds(
        venue,
        lot=st.sampled_from(["0.01", "0.03", "0.05", "0.07", "0.2"]),
        min_size=st.sampled_from(["0", "0.1", "0.25"]),
        min_notional=st.sampled_from(["0", "3", "12"]),
        fee=st.sampled_from(["0", "0.002", "0.02", "-0.01"]),
        fee_in=st.sampled_from(["quote", "base"]),
    )


@pytest.mark.parametrize("may_overshoot", [True, False])
@settings(max_examples=60, deadline=None)
@given(buy=venues(), sell=venues(), dust=st.sampled_from(["0", "0.2", "1", "3", "8", "30"]))
def test_every_partial_of_an_accepted_plan_leaves_a_legal_order_or_dust(
    buy: VenueTerms, sell: VenueTerms, dust: str, may_overshoot: bool
) -> None:
    terms = PairTerms(SCALE, buy, sell, EdgeLimits(dust_max_quote=Decimal(dust)))
    plan = evaluate(terms, ASKS, BIDS)
    assume(isinstance(plan, Plan) and safe(plan, may_overshoot))
    assert isinstance(plan, Plan)
    price = Fraction(1000, 10) * Fraction(995, 1000)
    orders = [(Fraction(rules.lot), least_legal(rules, price)) for rules in (buy, sell)]
    brought = Fraction(terms.received, terms.parts)
    for fq in range(0, plan.buy_size + 1, terms.buy_lot):
        for fs in range(0, plan.sell_size + 1, terms.sell_lot * 3):
            imbalance = abs(fq * brought - fs) / 100
            left = unhedged_after(imbalance, orders, may_overshoot=may_overshoot)
            assert left * 110 <= Fraction(dust), (fq, fs)
