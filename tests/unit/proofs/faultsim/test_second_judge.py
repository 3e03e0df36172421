"""The second judge agrees with simulated runs, and finds each kind of difference that is planted in one."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from proofs.faultsim.disk import temporary_files
from proofs.faultsim.plan import make_plan
from proofs.faultsim.world import Simulation
from tests.support.second_judge import judge, named, report
from tests.support.simulated import simulated_ledger

Truth = dict[str, Any]
SEEDS = range(1, 11)
CLOSINGS = """
    DROP TABLE IF EXISTS pair_closings;
    CREATE TABLE pair_closings AS SELECT id AS pair_trade_id, 1 AS n, 0 AS fees_e8, * FROM pair_trades;
"""
DAYS = "CREATE TABLE days AS SELECT * FROM v_daily_pnl; DROP VIEW v_daily_pnl; ALTER TABLE days RENAME TO v_daily_pnl;"
BOOKED = "hedge_cost_e8 = hedge_cost_e8 + 1000000000, realised_net_e8 = realised_net_e8 + 1000000000"
FIRST = "(SELECT MIN(id) FROM pair_trades WHERE state = 'completed')"


@pytest.fixture(name="run", scope="module")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, Path]:
    path = tmp_path_factory.mktemp("run") / "a.sqlite"
    return simulated_ledger(path).truth, path


@pytest.mark.thorough
@pytest.mark.parametrize("seed", SEEDS)
def test_it_agrees_with_a_simulated_seed(seed: int) -> None:
    with temporary_files() as files:
        outcome = Simulation(make_plan(seed), files).run()
        assert judge(outcome.truth, files.ledger) == [], f"python -m proofs.faultsim --seed {seed}"


@pytest.mark.thorough
def test_it_agrees_with_a_run_and_counts_it(run: tuple[Truth, Path]) -> None:
    truth, path = run
    assert judge(truth, path) == []
    counted = report(truth, path)
    with closing(sqlite3.connect(path)) as ledger:
        (pairs,) = ledger.execute("SELECT COUNT(*) FROM pair_trades").fetchone()
        (fills,) = ledger.execute(
            "SELECT COUNT(*) FROM fills f JOIN orders o ON o.id = f.order_id WHERE o.role <> 'foreign'"
        ).fetchone()
    assert (counted["pairs"], counted["fills"]) == (str(pairs), str(fills))
    assert float(counted["exposure_quote_s"]) > 0 < float(counted["peak_quote"])


def _own(truth: Truth, kind: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the rows of a kind at the first venue that has one of ours, and that row."""
    return next((side[kind], row) for side in truth.values() for row in side[kind] if named(row["client_id"]))


def _again(kind: str) -> Callable[[Truth], None]:
    def change(truth: Truth) -> None:
        rows, row = _own(truth, kind)
        rows.append(dict(row))

    return change


def _other(kind: str, **values: Any) -> Callable[[Truth], None]:
    return lambda truth: _own(truth, kind)[1].update(values)


def _taken_back(truth: Truth) -> None:
    rows, row = _own(truth, "fills")
    rows.remove(row)


def _naked_for_half_a_minute(truth: Truth) -> None:
    _own(truth, "fills")[1]["ts_ms"] -= 30_000


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_again("orders"), "2 times in the venue"),
        (_again("requests"), "placed 2 times"),
        (_again("fills"), "2 times in the venue"),
        (_other("orders", filled="7"), "7 at the venue"),
        (_other("fills", fee="7"), "unexplained"),
        (_other("fills", fee_currency="POINT"), "POINT at the venue"),
        (_taken_back, "in the ledger, not at the venue"),
        (_naked_for_half_a_minute, "its fills show"),
        (lambda truth: next(iter(truth.values()))["balances"]["USDT"].update(free="1"), "USDT: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_finds_a_difference_at_a_venue(run: tuple[Truth, Path], change: Callable[[Truth], None], found: str) -> None:
    truth = json.loads(json.dumps(run[0]))
    change(truth)
    wrong = judge(truth, run[1])
    assert any(found in line for line in wrong), wrong


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("DELETE FROM fills WHERE id = (SELECT MIN(id) FROM fills)", "at the venue, not in the ledger"),
        ("UPDATE fills SET fee = '7' WHERE id = (SELECT MIN(id) FROM fills)", "in the ledger"),
        (
            "UPDATE orders SET status = 'absent', filled = '0' WHERE id = (SELECT MIN(order_id) FROM fills)",
            "absent in the ledger",
        ),
        (f"UPDATE pair_trades SET hedge_cost_e8 = hedge_cost_e8 + 1 WHERE id = {FIRST}", "do not add up"),
        (
            f"UPDATE pair_trades SET {BOOKED} WHERE id = {FIRST}",
            "its fills at the venues brought",
        ),
        (
            f"UPDATE pair_trades SET {BOOKED}, kind = 'flatten'",
            "USDT: pairs realised",
        ),
        (f"{DAYS} UPDATE v_daily_pnl SET trading_net_e8 = trading_net_e8 + 1", "v_daily_pnl shows"),
        (f"{CLOSINGS} INSERT INTO pair_closings SELECT * FROM pair_closings", "is off its closings by"),
    ],
    ids=lambda value: value if value.islower() else "",
)
def test_it_finds_a_difference_in_the_ledger(run: tuple[Truth, Path], tmp_path: Path, script: str, found: str) -> None:
    wrong = judge(run[0], _changed(run[1], tmp_path, script))
    assert any(found in line for line in wrong), wrong


def test_it_adds_a_day_up_from_the_closings_where_the_ledger_has_them(run: tuple[Truth, Path], tmp_path: Path) -> None:
    assert judge(run[0], _changed(run[1], tmp_path, CLOSINGS)) == []


def _changed(path: Path, folder: Path, script: str) -> Path:
    copy = Path(shutil.copyfile(path, folder / "b.sqlite"))
    with closing(sqlite3.connect(copy)) as ledger:
        ledger.executescript(f"PRAGMA ignore_check_constraints = 1; {script};")
        ledger.commit()
    return copy
