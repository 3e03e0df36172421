"""What legs that fell short have cost: learned from closed pairs, shrunk to a prior, forgotten with time, always in bounds."""

from decimal import Decimal
from itertools import pairwise
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.core.accounts.restart import Restored
from arb.core.messages.commands import Persist
from arb.core.messages.events import PrivateUp
from arb.core.messages.records import PairRecord, PairState, Waterfall
from arb.core.messages.recovery_records import LegCostRecord, PlanRecord
from arb.core.messages.settings import LEARNED, OFF, LegCost, Limits
from arb.core.state.leg_costs import HALF_LIFE_NS, PRIOR_BPS, LegCosts
from arb.market.order import Side
from arb.market.route import Route
from tests.builders import SYMBOL, Bench, D
from tests.unit.core.accounts.test_account_reconciler import a_lost_order, told
from tests.unit.core.trades.test_trade import accept, crossed, fill
from tests.unit.store.rows import a_plan

NOW_NS = 1_800_000_000_000_000_000
CAP = Decimal(50)
ROUTE = ("BTC/USDT", "gate", "okx")
SAME_VENUES = ("ETH/USDT", "gate", "okx")
OTHER = ("BTC/USDT", "okx", "gate")
ROUTES = (ROUTE, SAME_VENUES, OTHER)


def learning(rule: LegCost = LEARNED) -> LegCosts:
    return LegCosts(Limits(leg_cost=rule, max_notional_quote=D(2000)), CAP)


def paying(notional: Decimal | int, route: Route = ROUTE) -> PlanRecord:
    """Return the plan of a pair that was to pay so much quote."""
    symbol, buy, sell = route
    return a_plan(symbol=symbol, buy_venue=buy, sell_venue=sell, buy_size=D(notional), buy_vwap=D(1))


def costing(quote: str) -> Waterfall:
    """Return the waterfall of a pair whose legs cost so much quote, half of it by what they did not fill."""
    cost_e8 = int(Decimal(quote) * 10**8)
    shortfall = cost_e8 // 2
    return Waterfall(
        expected_net_e8=0,
        buy_slippage_e8=0,
        sell_slippage_e8=0,
        size_shortfall_e8=-shortfall,
        fee_difference_e8=0,
        hedge_cost_e8=shortfall - cost_e8,
        residual_change_e8=0,
        realised_net_e8=-cost_e8,
    )


def test_before_any_pair_the_prior_is_expected_everywhere() -> None:
    assert learning().bps(ROUTE, NOW_NS) == PRIOR_BPS


def test_a_route_that_costs_more_is_expected_to_and_its_venues_a_little_but_no_others() -> None:
    costs = learning()
    for _ in range(150):  # 2000 quote each, of which 4 are lost: 20 bps
        costs.learn(paying(2000), costing("4"), NOW_NS)
    own, venues, other = (costs.bps(route, NOW_NS) for route in ROUTES)
    # 150 pairs of 20 bps and 50 of the prior's 4 for the venues; the route's own 150 and 50 of those.
    assert venues == 16
    assert own == 19
    assert other == PRIOR_BPS


def test_pairs_whose_legs_both_filled_bring_the_cost_down() -> None:
    costs = learning()
    for _ in range(400):
        costs.learn(paying(2000), costing("0"), NOW_NS)
    assert 0 < costs.bps(ROUTE, NOW_NS) < D("0.1")


def test_a_pair_taken_back_leaves_what_was_known_before() -> None:
    costs = learning()
    costs.learn(paying(2000), costing("3"), NOW_NS)
    before = costs.bps(ROUTE, NOW_NS)
    costs.learn(paying(1000), costing("9"), NOW_NS)
    assert costs.bps(ROUTE, NOW_NS) > before
    costs.unlearn(paying(1000), costing("9"), NOW_NS, NOW_NS)
    assert costs.bps(ROUTE, NOW_NS) == before


def test_a_pair_taken_back_days_later_has_no_more_weight_than_it_had_left() -> None:
    costs, without = learning(), learning()
    costs.learn(paying(1000), costing("9"), NOW_NS)
    later_ns = NOW_NS + 3 * HALF_LIFE_NS
    for one in (costs, without):
        one.learn(paying(2000), costing("3"), later_ns)
    costs.unlearn(paying(1000), costing("9"), NOW_NS, later_ns)
    assert costs.bps(ROUTE, later_ns) == without.bps(ROUTE, later_ns)


@pytest.mark.parametrize(("rule", "bps"), [(OFF, "0"), (LegCost("3.5bps"), "3.5")])
def test_a_fixed_cost_does_not_learn(rule: LegCost, bps: str) -> None:
    costs = learning(rule)
    assert costs.learn(paying(1000), costing("9"), NOW_NS) == []
    assert costs.bps(ROUTE, NOW_NS) == D(bps)


Closing = tuple[PlanRecord, Waterfall, int]
closings: st.SearchStrategy[list[Closing]] = st.lists(
    st.tuples(
        st.builds(paying, st.integers(0, 10**12), st.sampled_from(ROUTES)),
        st.integers(-(10**15), 10**15).map(lambda e8: costing(str(Decimal(e8).scaleb(-8)))),
        st.integers(NOW_NS, NOW_NS + 40 * HALF_LIFE_NS),
    ),
    max_size=30,
).map(lambda pairs: sorted(pairs, key=lambda pair: pair[2]))


def estimates(costs: LegCosts, now_ns: int) -> list[Decimal]:
    return [costs.bps(route, now_ns) for route in ROUTES]


@given(closings)
def test_an_estimate_is_never_below_zero_nor_above_the_cap(pairs: list[Closing]) -> None:
    costs = learning()
    for plan, waterfall, now_ns in pairs:
        costs.learn(plan, waterfall, now_ns)
        assert all(0 <= bps <= CAP for bps in estimates(costs, now_ns))


@given(closings, st.randoms(use_true_random=False))
def test_pairs_that_close_at_one_instant_count_in_any_order(pairs: list[Closing], rng: Random) -> None:
    one, other = learning(), learning()
    for costs, order in ((one, pairs), (other, rng.sample(pairs, len(pairs)))):
        for plan, waterfall, _ in order:
            costs.learn(plan, waterfall, NOW_NS)
    assert estimates(one, NOW_NS) == estimates(other, NOW_NS)


@given(st.integers(0, 20), st.lists(st.integers(0, 30 * HALF_LIFE_NS), min_size=2, max_size=12))
def test_without_news_an_estimate_only_ever_comes_nearer_to_the_prior(lost: int, after: list[int]) -> None:
    costs = learning()
    for _ in range(50):
        costs.learn(paying(2000), costing(str(lost)), NOW_NS)
    away = [abs(costs.bps(ROUTE, NOW_NS + ns) - PRIOR_BPS) for ns in sorted(after)]
    rounding = D("0.002")
    assert all(later <= earlier + rounding for earlier, later in pairwise(away))
    assert abs(costs.bps(ROUTE, NOW_NS + 60 * HALF_LIFE_NS) - PRIOR_BPS) <= rounding


@given(closings, st.integers(0, 5 * HALF_LIFE_NS))
def test_a_restart_goes_on_with_the_same_estimates(pairs: list[Closing], later_ns: int) -> None:
    costs, again = learning(), learning()
    rows: dict[int, LegCostRecord] = {}
    last_ns = NOW_NS
    for plan, waterfall, last_ns in pairs:
        for row in costs.learn(plan, waterfall, last_ns):
            rows[row.id] = msgspec.json.decode(msgspec.json.encode(row), type=LegCostRecord)
    again.restore(rows.values())
    assert estimates(again, last_ns + later_ns) == estimates(costs, last_ns + later_ns)


LEARNS = Limits(min_net_quote=D(0), min_edge_bps=D(1), leg_cost=LEARNED)


def quoting(bid: str) -> Bench:
    bench = Bench(limits=LEARNS)
    bench.quote("gate", "999x5", "1000x1")
    bench.quote("okx", f"{bid}x1", "1012x5")
    bench.drain()
    return bench


def test_an_edge_is_refused_that_leaves_too_little_after_what_legs_cost() -> None:
    """Fees are 0.1 % on each side: 1002.4 is an edge of 4 bps and 1003 of 10; 1 must be left, and 4 are expected to be lost."""
    assert not quoting("1002.4").placed()
    bench = quoting("1003")
    assert len(bench.placed()) == 2
    plan, pair = bench.rows(PlanRecord)[-1], bench.rows(PairRecord)[-1]
    assert isinstance(plan, PlanRecord)
    assert isinstance(pair, PairRecord)
    assert plan.leg_cost_bps == PRIOR_BPS
    assert pair.leg_cost_e8 == 4 * 10**7  # 4 bps of 1000 quote


def test_an_edge_that_was_refused_opens_without_a_frame_once_its_legs_are_expected_to_cost_less() -> None:
    bench = quoting("1002.4")
    bench.tell(PrivateUp(venue="okx"))
    bench.drain()
    assert not bench.placed()
    bench.engine.state.leg_costs.learn(paying(2_000_000), costing("0"), bench.now_ns)
    bench.tell(PrivateUp(venue="okx"))
    assert bench.engine.wants_drain
    bench.drain()
    assert len(bench.placed()) == 2


def test_a_pair_that_closes_is_learned_from_in_the_step_that_closes_it() -> None:
    bench = Bench(limits=LEARNS)
    buy, sell = crossed(bench)
    fill(bench, buy, "1")
    accept(bench, buy, "1")
    assert not bench.rows(LegCostRecord)
    said = len(bench.said)
    fill(bench, sell, "1")
    closing = [command.record for command in bench.said[said:] if isinstance(command, Persist)]
    states = [row.state for row in closing if isinstance(row, PairRecord)]
    learned = [row for row in closing if isinstance(row, LegCostRecord)]
    assert states == [PairState.COMPLETED]
    assert [(row.symbol, row.buy_venue, row.sell_venue, row.cost_e8, row.notional_e8) for row in learned] == [
        ("", "gate", "okx", 0, 100 * 10**8),
        (SYMBOL, "gate", "okx", 0, 100 * 10**8),
    ]


def test_a_late_fill_takes_back_what_was_learned_until_the_pair_has_closed_again() -> None:
    bench = Bench(limits=LEARNS)
    buy, sell = crossed(bench)
    fill(bench, buy, "0.5")
    fill(bench, sell, "0.5")
    accept(bench, buy, "0.5")
    accept(bench, sell, "0.5")
    fill(bench, buy, "0.4", "t2")
    rows = bench.rows(LegCostRecord)
    assert [row.notional_e8 for row in rows] == [100 * 10**8] * 2 + [0] * 2


def test_a_pair_rebuilt_from_what_venues_hold_teaches_nothing() -> None:
    bench = Bench(limits=LEARNS)
    told(bench, a_lost_order("gate", Side.BUY, "1"), a_lost_order("okx", Side.SELL, "1"))
    ended = bench.rows(PairRecord)[-1]
    assert isinstance(ended, PairRecord)
    assert ended.state is PairState.COMPLETED
    assert ended.leg_cost_e8 is None
    assert not bench.rows(LegCostRecord)


def test_an_engine_goes_on_with_what_an_earlier_one_learned() -> None:
    row = LegCostRecord(
        id=1, symbol="", buy_venue="gate", sell_venue="okx", ns=NOW_NS, cost_e8=10**11, notional_e8=2 * 10**14
    )  # 5 bps of 2,000,000 quote
    restored = Bench(limits=LEARNS, restored=Restored(leg_costs=(row,))).engine.state.leg_costs
    assert D("4.9") < restored.bps(ROUTE, NOW_NS) < 5
