"""The judge of legs: what it lets pass, and what it does not."""

from pathlib import Path
from typing import Any

import pytest

from proofs.faultsim.legs import legs_misstated
from tests.unit.proofs.faultsim.test_conduct import a_journal

PLAN: dict[str, Any] = {
    "type": "PlanRecord",
    "pair_id": 1,
    "buy_venue": "gate",
    "sell_venue": "okx",
    "buy_size": "1.0",
    "sell_size": "0.9",
    "buy_limit": "100.0",
    "sell_limit": "101.0",
    "residual": "0.1",
}
RESIDUAL = PLAN | {"buy_size": "0", "sell_size": "0", "residual": "-2", "buy_limit": "0", "sell_limit": "0"}
ENTRIES = [
    {"pair_trade_id": 1, "role": "entry", "side": "buy", "price": "100"},
    {"pair_trade_id": 1, "role": "entry", "side": "sell", "price": "101"},
    {"pair_trade_id": 1, "role": "hedge", "side": "sell", "price": "7"},
]


def leg(side: str, venue: str, size: str, limit: str | None) -> dict[str, Any]:
    return {"pair_trade_id": 1, "side": side, "venue": venue, "size": size, "limit_price": limit}


BUY, SELL = leg("buy", "gate", "1", "100"), leg("sell", "okx", "0.9", "101")


def judged(folder: Path, plan: dict[str, Any], *legs: dict[str, Any], orders: int = 3, edge: bool = True) -> list[str]:
    pairs = [{"id": 1, "opportunity_id": 5 if edge else None}]
    return list(legs_misstated(a_journal(folder, (0, plan)), list(legs), pairs, ENTRIES[:orders]))


def test_the_sides_of_a_plan_at_its_limits_pass(tmp_path: Path) -> None:
    assert judged(tmp_path, PLAN, BUY, SELL) == []


def test_a_residual_is_one_leg_without_a_limit(tmp_path: Path) -> None:
    assert judged(tmp_path, RESIDUAL, leg("buy", "gate", "2", None), edge=False, orders=0) == []


def test_a_rebuilt_pair_has_no_limit_of_an_order_that_nobody_has_seen(tmp_path: Path) -> None:
    unseen = leg("sell", "okx", "0.9", None)
    assert judged(tmp_path, PLAN, BUY, unseen, orders=1, edge=False) == []


def test_a_limit_that_only_the_order_and_the_ledger_agree_on_is_found(tmp_path: Path) -> None:
    assert len(judged(tmp_path, PLAN | {"sell_limit": "102"}, BUY, SELL)) == 1


@pytest.mark.parametrize(
    "legs",
    [
        (BUY,),
        (BUY, SELL, SELL),
        (BUY, leg("sell", "gate", "0.9", "101")),
        (BUY, leg("sell", "okx", "1", "101")),
        (BUY, leg("sell", "okx", "0.9", "7")),
        (BUY, leg("sell", "okx", "0.9", None)),
    ],
)
def test_a_leg_that_is_missing_doubled_or_other_than_planned_is_found(
    tmp_path: Path, legs: tuple[dict[str, Any], ...]
) -> None:
    assert len(judged(tmp_path, PLAN, *legs)) == 1
