"""The best plan that compiled code finds is that of the plain search, bit for bit, or it says that it is not sure."""

import random
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.core.pricing.depth import Depth, Depths
from arb.core.pricing.plan import Plan
from arb.core.pricing.spread import Unsure, episode
from arb.core.pricing.terms import EdgeLimits, Funds, PairTerms, VenueTerms
from arb.market.arena import BookArena
from arb.market.instrument import FeeIn
from arb.market.numbers import exact
from arb.market.scale import Scale
from arb.venues.books.compiled.loading import is_available
from arb.venues.books.compiled.plans import CompiledPlans
from tests.unit.core.pricing.test_same_plan import Case, a_case

CASES_EACH = 25
"""Random cases of one example: 50,000 in all."""
DEPTH = 60

pytestmark = pytest.mark.skipif(not is_available(), reason="compiled code cannot be had here")


class Twin:
    """Two rows that show the sides of a case, searched by compiled code and plainly."""

    def __init__(self) -> None:
        self.arena = BookArena(2, DEPTH)
        self.plans = CompiledPlans(self.arena)
        self.depths = Depths(self.arena)

    def answers(self, case: Case) -> tuple[Plan | Unsure | None, Plan | None]:
        self._show(0, [] if case.asks.opposite is None else [case.asks.opposite], case.asks)
        self.arena.write_bids(1, list(case.bids.prices), list(case.bids.sizes))
        beside = case.bids.opposite
        self.arena.write_asks(1, *(([], []) if beside is None else ([beside], [1])))
        self.arena.write(1, 1, 1, 1)
        return self.plans(case.terms, 0, 1), episode(case.terms, self.depths.asks(0), self.depths.bids(1))

    def _show(self, row: int, bids: list[int], asks: Depth) -> None:
        self.arena.write_bids(row, bids, [1] * len(bids))
        self.arena.write_asks(row, list(asks.prices), list(asks.sizes))
        self.arena.write(row, 1, 1, 1)


@pytest.mark.thorough
@settings(max_examples=2000)
@given(st.integers(0, 2**32))
def test_what_compiled_code_finds_is_what_the_plain_search_finds(seed: int) -> None:
    chance, twin = random.Random(seed), Twin()
    for number in range(CASES_EACH):
        found, plain = twin.answers(a_case(chance))
        assert found is Unsure.UNSURE or found == plain, f"case {number} of seed {seed}"


def test_it_is_sure_of_most_and_not_of_what_does_not_fit_a_word() -> None:
    chance, twin, seen = random.Random(7), Twin(), Counter[str]()
    for _ in range(3000):
        case = a_case(chance)
        found, plain = twin.answers(case)
        if found is Unsure.UNSURE:
            seen["unsure"] += 1
            seen["unsure, and a plan"] += plain is not None
        else:
            seen["plan" if plain is not None else "none"] += 1
            seen["deep plan"] += plain is not None and case.bids.level_of(plain.sell_size) > 8
            seen["band"] += plain is not None and case.terms.buy_band is not None
    assert min(seen[kind] for kind in ("unsure", "plan", "none", "deep plan", "band")) > 20, seen
    assert seen["plan"] > seen["unsure, and a plan"], seen


def test_it_is_sure_of_a_coin_that_costs_much_and_of_one_that_costs_nearly_nothing() -> None:
    for scale, mid, unit in ((Scale(4, 8), 600_000_000, 10**8), (Scale(12, 2), 9_000_000, 10**11)):
        rules = VenueTerms(
            taker_fee=Decimal("0.0008"),
            buy_fee_in=FeeIn.BASE,
            tick=exact(1000, scale.price_exp),
            lot=exact(10_000, scale.size_exp),
            min_size=exact(10_000, scale.size_exp),
            min_notional=Decimal(1),
            price_band=Decimal("0.1"),
        )
        limits = EdgeLimits(
            max_edge_bps=Decimal(300),
            max_notional=Decimal(2000),
            max_slippage_bps=Decimal(5),
            dust_max_quote=Decimal(5),
        )
        sizes = [unit // 50 + 7 * level for level in range(50)]
        asks = Depth([mid + 1000 * level for level in range(50)], sizes, mid - 1000)
        bids = Depth([mid + mid // 150 - 1000 * level for level in range(50)], sizes, mid + mid // 100)
        case = Case(PairTerms(scale, rules, rules, limits), asks, bids, Funds(), Decimal(0), Decimal(50))
        found, plain = Twin().answers(case)
        assert isinstance(plain, Plan) and found == plain
