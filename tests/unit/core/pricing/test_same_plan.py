"""The plan of the quick search is the plan of the thorough one, bit for bit, on books as deep as those that are traded on.

Books of up to 60 levels, lots that do not fit each other, every kind of fee, minimums and maximums, price bands, balances,
thresholds and caps that bind or do not, and numbers up to the greatest that a book can hold.
"""

import random
from collections import Counter
from decimal import Decimal
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from arb.core.pricing.depth import Depth
from arb.core.pricing.partial import worst_partial_ok
from arb.core.pricing.plan import Plan
from arb.core.pricing.spread import episode, evaluate, least_edge
from arb.core.pricing.terms import EdgeLimits, Funds, PairTerms, VenueTerms
from arb.market.arena import INT64_MAX
from arb.market.instrument import FeeIn
from arb.market.numbers import exact
from arb.market.scale import Scale
from tests.unit.core.pricing import plain_spread as plain
from tests.unit.core.pricing.plain_sizes import PlainDepth

CASES_EACH = 25
"""Random cases of one example: 500 in all."""


class Case(NamedTuple):
    terms: PairTerms
    asks: Depth
    bids: Depth
    funds: Funds
    required_bps: Decimal
    leg_loss_max_bps: Decimal

    def plainly(self) -> tuple[PlainDepth, PlainDepth]:
        asks, bids = self.asks, self.bids
        return (
            PlainDepth(asks.prices, asks.sizes, asks.opposite),
            PlainDepth(bids.prices, bids.sizes, bids.opposite),
        )


def a_case(chance: random.Random) -> Case:
    """Return two sides that cross by a little, by much or not at all, and terms in proportion to them."""
    greatest = chance.random() < 0.2
    scale = Scale(chance.choice([0, 1, 4, 8]), chance.choice([0, 2, 4, 8]))
    mid = INT64_MAX - chance.randrange(10**6) if greatest else chance.choice([1, 30, 10**3, 10**5, 6 * 10**7]) * 997
    shift = round(mid * chance.choice([-0.001, 0.0, 0.001, 0.003, 0.005, 0.005, 0.01, 0.01, 0.3]))
    unit = 10 ** chance.choice([16, 17] if greatest else [0, 1, 3, 6])
    lots = [max(1, unit * chance.choice([1, 1, 2, 3, 7, 10]) // chance.choice([1, 1, 3, 10])) for _ in range(2)]
    even = not greatest and chance.random() < 0.15  # no fees, and prices that meet: what a unit brings may be nothing
    if even:
        mid, shift = 997, chance.randint(-1, 4)
    asks = _side(chance, mid, +1, unit, greatest)
    bids = _side(chance, mid + (0 if greatest else shift), -1, unit, greatest)
    price, size = exact(mid, scale.price_exp), exact(unit, scale.size_exp)
    fees = [chance.choice(["0", "0.001", "0.001", "0.0005", "-0.0001", "0.00025", "0.05"]) for _ in range(2)]
    fees = ["0", "0"] if even else fees
    venues = [
        VenueTerms(
            taker_fee=Decimal(fee),
            buy_fee_in=chance.choice([FeeIn.BASE, FeeIn.BASE, FeeIn.QUOTE, FeeIn.OTHER]),
            tick=exact(chance.choice([1, 1, 2, 5]), scale.price_exp),
            lot=exact(lot, scale.size_exp),
            min_size=size * chance.choice([0, 0, 1, 5]),
            min_notional=price * size * chance.choice([0, 0, 0, 1, 20]),
            max_size=_maybe(chance, 0.1, size * chance.randint(1, 300)),
            price_band=_maybe(chance, 0.1, Decimal(chance.randint(0, 100)).scaleb(-4)),
        )
        for fee, lot in zip(fees, lots, strict=True)
    ]
    limits = EdgeLimits(
        max_edge_bps=_maybe(chance, 0.6, Decimal(chance.choice(["30", "300", "300", "0"]))),
        min_net=price * size * Decimal(chance.choice(["0", "0", "0", "0.001", "0.1"])),
        max_notional=_maybe(chance, 0.5, price * size * chance.choice([3, 20, 100, 400])),
        max_slippage_bps=Decimal(chance.choice([0, 5, 30])),
        dust_max_quote=_maybe(chance, 0.8, price * size * Decimal(chance.choice(["0", "0.3", "1", "4", "20"]))),
    )
    funds = Funds(
        quote=_maybe(chance, 0.3, price * size * chance.randint(5, 400)),
        base=_maybe(chance, 0.3, size * chance.randint(5, 400)),
        buy_fee_funds=_maybe(chance, 0.3, price * size * chance.randint(0, 300) / 1000),
        sell_fee_funds=_maybe(chance, 0.3, price * size * chance.randint(0, 300) / 1000),
    )
    return Case(
        PairTerms(scale, venues[0], venues[1], limits),
        Depth(*asks, chance.choice([None, max(1, mid - 1)])),
        Depth(*bids, chance.choice([None, min(INT64_MAX, mid + shift + 1)])),
        funds,
        Decimal(chance.choice(["0", "1", "6.5", "20", "9.625"])),
        Decimal(chance.choice(["50", "0", "0.5", "10000"])),
    )


def _side(chance: random.Random, start: int, way: int, unit: int, greatest: bool) -> tuple[list[int], list[int]]:
    """Return prices from `start` on and sizes; `greatest`: sizes up to the greatest that a word holds."""
    step = max(1, start // chance.choice([20, 10**3, 10**5, 10**7]))
    prices: list[int] = []
    sizes: list[int] = []
    price = start - way * chance.randrange(3)
    for _ in range(chance.choice([1, 2, 5] if greatest else [1, 2, 5, 20, 50, 60])):
        if not 0 < price <= INT64_MAX:
            break
        prices.append(price)
        sizes.append(chance.randint(1, INT64_MAX) if greatest else chance.randint(1, 40 * unit))
        price += way * chance.randint(1, step)
    return prices, sizes


def _maybe(chance: random.Random, share: float, value: Decimal) -> Decimal | None:
    return value if chance.random() < share else None


def answers(case: Case) -> tuple[object, ...]:
    terms, asks, bids = case.terms, case.asks, case.bids
    best = episode(terms, asks, bids)
    answer = evaluate(terms, asks, bids, case.funds, case.required_bps, best)
    assert evaluate(terms, asks, bids, case.funds, case.required_bps) == answer  # the hint changes nothing
    safe = isinstance(answer, Plan) and worst_partial_ok(
        answer, asks.prices[0], bids.prices[0], leg_loss_max_bps=case.leg_loss_max_bps
    )
    return best, answer, safe, least_edge(terms, asks, bids)


def plain_answers(case: Case) -> tuple[object, ...]:
    terms, (asks, bids) = case.terms, case.plainly()
    answer = plain.evaluate(terms, asks, bids, case.funds, case.required_bps)
    safe = isinstance(answer, Plan) and plain.worst_partial_ok(answer, asks, bids, case.leg_loss_max_bps)
    return plain.episode(terms, asks, bids), answer, safe, plain.least_edge(terms, asks, bids)


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_plan_refusal_and_worst_partial_are_those_of_every_size_tried(seed: int) -> None:
    chance = random.Random(seed)
    for number in range(CASES_EACH):
        case = a_case(chance)
        assert answers(case) == plain_answers(case), f"case {number} of seed {seed}"


def test_the_random_cases_reach_plans_of_every_depth_and_every_refusal() -> None:
    chance, found = random.Random(7), Counter[str]()
    for _ in range(3000):
        case = a_case(chance)
        answer = evaluate(case.terms, case.asks, case.bids, case.funds, case.required_bps)
        if isinstance(answer, Plan):
            found["deep plan" if case.bids.level_of(answer.sell_size) > 8 else "plan"] += 1
            found["cut plan"] += answer != episode(case.terms, case.asks, case.bids)
            found["a product beyond 64 bits"] += answer.cost > INT64_MAX
        else:
            found[answer.reason] += 1
    kinds = {"plan", "deep plan", "cut plan", "a product beyond 64 bits", "no_depth", "below_min_size",
             "below_min_notional", "price_band", "residual_too_large", "insufficient_balance", "max_notional",
             "edge_implausible", "net_below_minimum", "edge_below_threshold"}  # fmt: skip
    assert {kind for kind in kinds if found[kind] >= 3} == kinds, found
