"""The judges of what pairs hold: what they let pass, and what they do not; and the special test that draws it."""

import json
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.core.messages.settings import OnSingleLeg
from proofs.faultsim.aims import FLATTEN
from proofs.faultsim.disk import temporary_files
from proofs.faultsim.plan import make_plan
from proofs.faultsim.seeds import simulated
from proofs.faultsim.shares import handed_over, shares_misstated, traded_twice
from tests.unit.proofs.faultsim.test_conduct import a_journal, a_pair

HANDING = 925
"""A seed in which a late fill comes while a flatten trades the residual of its pair away."""
DUST = Decimal(5)
Entries = tuple[tuple[int, dict[str, Any] | str], ...]


def an_order(
    number: int, pair: int, side: str, size: str, *, filled: str = "0", status: str = "sent"
) -> dict[str, Any]:
    return {
        "type": "OrderRecord",
        "id": number,
        "pair_trade_id": pair,
        "client_order_id": f"o{number}",
        "venue": "gate",
        "symbol": "BTC/USDT",
        "side": side,
        "size": size,
        "filled": filled,
        "status": status,
    }


def a_fill(order: int, side: str, size: str, price: str = "100") -> dict[str, Any]:
    return {
        "type": "FillRecord",
        "order_id": order,
        "symbol": "BTC/USDT",
        "side": side,
        "size": size,
        "price": price,
        "fee": "0",
        "fee_currency": "USDT",
    }


def placed(number: int, side: str, size: str) -> str:
    order = {"client_order_id": f"o{number}", "symbol": "BTC/USDT", "side": side, "size": size, "price": "100"}
    return f"PlaceOrder {json.dumps(order)}"


def residuals(size: str, booked: str) -> dict[str, Any]:
    kept = [] if Decimal(size) == 0 else [{"symbol": "BTC/USDT", "size": size, "booked": booked}]
    return {"type": "PoolRecord", "account_ids": [], "dust": [], "carried": kept}


def a_flatten(number: int, state: str, residual: str) -> tuple[dict[str, Any], dict[str, Any]]:
    plan = {"type": "PlanRecord", "pair_id": number, "symbol": "BTC/USDT", "residual": residual, "mark": "100"}
    return plan, a_pair(number, state) | {"kind": "flatten", "waterfall": {"realised_net_e8": 0}}


def ended(number: int, state: str, net: int = 0, **handed: str) -> dict[str, Any]:
    return a_pair(number, state) | {"waterfall": {"realised_net_e8": net}} | handed


CARRIED: Entries = (
    (0, a_pair(1, "opening")),
    (0, an_order(1, 1, "buy", "1")),
    (1, a_fill(1, "buy", "0.9")),
    (1, an_order(1, 1, "buy", "1", filled="0.9", status="partial_cancelled")),
    (1, ended(1, "carried")),
    (1, residuals("0.9", "90")),
    *((2, row) for row in a_flatten(2, "repairing", "0.9")),
    (2, residuals("0", "0")),
    (2, an_order(2, 2, "sell", "0.9")),
    (2, placed(2, "sell", "0.9")),
    (3, a_fill(1, "buy", "0.1")),
    (3, an_order(1, 1, "buy", "1", filled="1", status="filled")),
)
"""A pair that carried 0.9, a flatten that has an order for it on its way, and a late fill of 0.1."""


@pytest.mark.parametrize(("size", "found"), [("0.1", 0), ("1", 1)])
def test_more_on_its_way_than_is_held_is_found(tmp_path: Path, size: str, found: int) -> None:
    path = a_journal(
        tmp_path, *CARRIED, (3, a_pair(1, "repairing")), (4, an_order(3, 1, "sell", size)), (4, placed(3, "sell", size))
    )
    assert len(list(traded_twice(path, DUST))) == found


def test_a_repair_away_from_flat_is_found_and_one_within_dust_is_not(tmp_path: Path) -> None:
    for number, (size, found) in enumerate((("0.1", 0), ("0.5", 1))):
        more = (3, a_pair(1, "repairing")), (4, an_order(3, 1, "buy", size)), (4, placed(3, "buy", size))
        assert len(list(traded_twice(a_journal(tmp_path / str(number), *CARRIED, *more), DUST))) == found


def test_nothing_is_said_while_two_legs_are_on_their_way(tmp_path: Path) -> None:
    more = (4, a_pair(3, "opening")), (4, an_order(3, 3, "buy", "5")), (4, placed(3, "buy", "5"))
    assert list(traded_twice(a_journal(tmp_path, *CARRIED, *more), DUST)) == []


SOLD: Entries = (
    *CARRIED,
    (3, a_pair(1, "repairing") | {"handed_size": "0.9", "handed_value": "90"}),
    (4, a_fill(2, "sell", "0.9")),
    (4, an_order(2, 2, "sell", "0.9", filled="0.9", status="filled")),
    *((4, row) for row in a_flatten(2, "completed", "0.9")),
)


def test_what_was_handed_over_counts_once_and_the_rest_as_residual(tmp_path: Path) -> None:
    last = ended(1, "carried", handed_size="0.9", handed_value="90")
    path = a_journal(tmp_path, *SOLD, (5, last), (5, residuals("0.1", "10")))
    assert list(shares_misstated(path)) == []
    assert handed_over(path) == {1: (Decimal("0.9"), Decimal(90)), 2: (Decimal(0), Decimal(0))}


def test_base_that_pairs_and_residuals_count_twice_is_found(tmp_path: Path) -> None:
    path = a_journal(tmp_path, *SOLD, (5, ended(1, "carried")), (5, residuals("1", "10")))
    assert list(shares_misstated(path)) == ["shares: 1 BTC/USDT with pairs and residuals, the fills left 0.1"]
    assert len(list(shares_misstated(a_journal(tmp_path / "open", *CARRIED, (3, a_pair(1, "repairing")))))) == 1


def test_quote_that_is_booked_twice_is_found(tmp_path: Path) -> None:
    path = a_journal(tmp_path, *SOLD, (5, ended(1, "carried", net=90 * 10**8)), (5, residuals("0.1", "10")))
    [found] = shares_misstated(path)
    assert "have earned" in found


def test_the_special_test_holds_legs_flattens_them_and_has_the_rest_filled_late() -> None:
    plan = make_plan(HANDING)
    assert plan.repair.on_single_leg is OnSingleLeg.HOLD
    assert {FLATTEN, "partial_fill", "late_fill"} <= {strike.name for strike in plan.strikes}


@pytest.mark.thorough
def test_in_a_seed_of_it_a_pair_is_reopened_whose_residual_a_flatten_has_taken_over_and_all_ends_well() -> None:
    with temporary_files() as files:
        _, findings, _ = simulated(make_plan(HANDING), files)
        assert findings == []
        assert any(size for size, _ in handed_over(files.journal).values())
        with closing(sqlite3.connect(files.ledger)) as ledger:
            assert ledger.execute("SELECT count(*) FROM pair_trades WHERE kind = 'flatten'").fetchone()[0]
