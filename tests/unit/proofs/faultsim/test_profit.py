"""The judges of the threshold and of the day's loss: what they let pass, and what they do not."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.core.messages.settings import OFF, LegCost, Limits
from proofs.faultsim.profit import below_the_threshold, opened_past_the_loss
from tests.unit.proofs.faultsim.test_conduct import a_journal, a_pair

FOUR = LegCost("4bps")


def a_plan(number: int, *, net: str = "1", leg_cost_bps: str = "4", skew_bps: str = "0") -> dict[str, Any]:
    """Return a plan that pays 1000 quote, so that a net of 1 is an edge of 10 bps."""
    return {
        "type": "PlanRecord",
        "pair_id": number,
        "symbol": "BTC/USDT",
        "buy_venue": "gate",
        "sell_venue": "okx",
        "buy_size": "10",
        "buy_vwap": "100",
        "buy_fee": "0.001",
        "buy_fee_in": "base",
        "net": net,
        "leg_cost_bps": leg_cost_bps,
        "skew_bps": skew_bps,
    }


def opening(number: int) -> dict[str, Any]:
    return a_pair(number, "opening") | {"waterfall": None}


def judged(path: Path, rule: LegCost = FOUR) -> list[str]:
    limits = Limits(min_edge_bps=Decimal(1), leg_cost=rule, max_notional_quote=Decimal(2000))
    return list(below_the_threshold(path, limits, Decimal(2)))


@pytest.mark.parametrize(("net", "found"), [("0.49", 1), ("0.5", 0)])
def test_a_pair_must_leave_the_least_edge_after_what_its_legs_may_cost(tmp_path: Path, net: str, found: int) -> None:
    assert len(judged(a_journal(tmp_path, (0, a_plan(1, net=net)), (0, opening(1))))) == found


@pytest.mark.parametrize(("rule", "stated"), [(OFF, "0"), (LegCost("3bps"), "3")])
def test_a_fixed_cost_is_judged_as_it_is_set(tmp_path: Path, rule: LegCost, stated: str) -> None:
    path = a_journal(tmp_path, (0, a_plan(1, leg_cost_bps=stated)), (0, opening(1)))
    assert judged(path, rule) == []
    assert judged(path, LegCost("9bps"))


@pytest.mark.parametrize(
    ("net", "skew", "found"),
    [("0.7", "2", 0), ("0.69", "2", 1), ("0.41", "-0.9", 0), ("0.40", "-0.9", 1), ("0.8", "2.1", 1), ("0.5", "-1", 1)],
)
def test_a_threshold_that_bands_moved_is_kept_and_moved_no_further_than_allowed(
    tmp_path: Path, net: str, skew: str, found: int
) -> None:
    assert len(judged(a_journal(tmp_path, (0, a_plan(1, net=net, skew_bps=skew)), (0, opening(1))))) == found


def brought(number: int, quote: int) -> dict[str, Any]:
    """Return a pair that has ended and brought so much quote."""
    return a_pair(number, "completed") | {"waterfall": {"realised_net_e8": quote * 10**8}}


def test_a_pair_that_opens_after_the_days_loss_is_found(tmp_path: Path) -> None:
    path = a_journal(tmp_path, (1, brought(1, -5)), (2, opening(2)))
    assert list(opened_past_the_loss(path, Decimal(6))) == []
    assert list(opened_past_the_loss(path, Decimal(5))) == [
        "opened: pair 2, after -500000000e-8 at the most -500000000e-8"
    ]


def test_what_a_pair_brought_counts_until_it_has_ended_again(tmp_path: Path) -> None:
    reopened = a_pair(1, "repairing") | {"waterfall": None}
    path = a_journal(
        tmp_path, (1, brought(1, 9)), (2, brought(2, -10)), (3, reopened), (4, brought(1, 9)), (5, opening(3))
    )
    assert list(opened_past_the_loss(path, Decimal(5))) == []
    assert list(opened_past_the_loss(path, Decimal(1)))
