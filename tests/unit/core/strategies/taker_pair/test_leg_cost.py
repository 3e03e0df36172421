"""What `[limits] leg_cost` allows for legs that fall short is asked of an edge besides `min_edge_bps`."""

import pytest

from arb.core.messages.records import PairRecord
from arb.core.messages.recovery_records import PlanRecord
from arb.core.messages.settings import LEARNED, LEARNED_FIRST_BPS, OFF, LegCost, Limits, leg_cost_bps
from tests.builders import Bench, D


def quoting(bid: str, rule: LegCost) -> Bench:
    """Fees are 0.1 % on each side: 1002.4 is an edge of 4 bps and 1003 of 10; 1 must be left."""
    bench = Bench(limits=Limits(min_net_quote=D(0), min_edge_bps=D(1), leg_cost=rule))
    bench.quote("gate", "999x5", "1000x1")
    bench.quote("okx", f"{bid}x1", "1012x5")
    bench.drain()
    return bench


@pytest.mark.parametrize(("bid", "rule", "legs"), [("1002.4", OFF, 2), ("1002.4", LegCost("4bps"), 0)])
def test_an_edge_is_refused_that_leaves_too_little_after_what_legs_cost(bid: str, rule: LegCost, legs: int) -> None:
    assert len(quoting(bid, rule).placed()) == legs


def test_a_pair_keeps_what_its_legs_were_expected_to_cost() -> None:
    bench = quoting("1003", LegCost("4bps"))
    plan, pair = bench.rows(PlanRecord)[-1], bench.rows(PairRecord)[-1]
    assert isinstance(plan, PlanRecord) and isinstance(pair, PairRecord)
    assert plan.leg_cost_bps == 4
    assert pair.leg_cost_e8 == 4 * 10**7, "4 bps of 1000 quote"


@pytest.mark.parametrize(("rule", "bps"), [(OFF, "0"), (LegCost("3.5bps"), "3.5"), (LEARNED, LEARNED_FIRST_BPS)])
def test_a_rule_is_a_rate_and_an_earlier_run_that_learned_replays_with_its_first_estimate(
    rule: LegCost, bps: str
) -> None:
    assert leg_cost_bps(rule) == D(bps)
