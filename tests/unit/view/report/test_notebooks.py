"""Every notebook, run as a user would on one ledger that the sandbox filled: what it shows is what the ledger says."""

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nbclient", reason="the extra `notebooks` is not installed")
pytest.importorskip("pandas", reason="the extra `notebooks` is not installed")

from arb.core.messages.records import PairRecord
from arb.errors import CheckFailed
from arb.view.report.sweeps import sweep
from tests import house
from tests.support.history import a_history, fill_ledger
from tests.support.notebooks import FOLDER, SHOWN, SWEEP, SWEPT_DAYS, read, run, run_on_rows, run_sweep, shown
from tests.support.once import once
from tests.support.simulated import simulated_ledger

NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb") if path.stem != SWEEP)
FIRST_REVIEW = "what_did_i_earn"
FIGURES_OF = {"trade_review": 5, "opportunity_analysis": 5, "execution_quality": 4, "inventory_and_pnl": 3}
SIZE_MAX = 600_000
"""Bytes of all notebooks together: a figure that forgot to aggregate would be over it alone."""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the one ledger: an engine traded half a minute of virtual time on the sandbox, with faults."""

    def make(folder: Path) -> None:
        outcome = simulated_ledger(folder / "sandbox.sqlite")
        assert outcome.troubles == [] and outcome.left_open == []

    return once(tmp_path_factory, "notebooks-ledger", make) / "sandbox.sqlite"


@pytest.fixture(scope="module")
def answers(ledger: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what each notebook shows of the sandbox's ledger."""
    return shown_of(tmp_path_factory, "notebooks-answers", lambda _: f"sqlite:///{ledger}")


def shown_of(factory: pytest.TempPathFactory, name: str, url_in: Callable[[Path], str]) -> dict[str, str]:
    """Return what each notebook shows of a ledger, run once; `url_in` makes the ledger, in a folder where it needs one."""

    def make(folder: Path) -> None:
        done = run(NAMES, url_in(folder))
        (folder / "answers.json").write_text(json.dumps({name: shown(cells) for name, cells in done.items()}))

    answers: dict[str, str] = json.loads((once(factory, name, make) / "answers.json").read_text())
    return answers


def a_database(server: Any) -> str:
    """Return the URL of a made-up history on PostgreSQL; it vanishes with the server, and that with the session."""
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE notebooks")
    url = str(server.get_uri("notebooks")).replace("postgresql://", "postgresql+psycopg://", 1)
    fill_ledger(url, a_history(pairs=40, days=3))
    return url


def one(ledger: Path, sql: str) -> int:
    with closing(sqlite3.connect(ledger)) as connection:
        return int(connection.execute(sql).fetchone()[0])


@pytest.mark.thorough
def test_the_ledger_has_what_there_is_to_review(ledger: Path) -> None:
    assert one(ledger, "SELECT COUNT(*) FROM pair_trades WHERE state = 'completed'") > 50
    assert one(ledger, "SELECT COUNT(*) FROM orders WHERE role IN ('hedge', 'unwind')") > 10
    assert one(ledger, "SELECT COUNT(*) FROM incidents") > 0


@pytest.mark.thorough
def test_the_trade_review_shows_every_term_of_the_waterfall_exactly(answers: dict[str, str], ledger: Path) -> None:
    text = answers["trade_review"]
    for term in ("expected_net", "buy_slippage", "sell_slippage", "size_shortfall", "fee_difference", "hedge_cost"):
        assert re.search(rf"{term}_e8 +{one(ledger, f'SELECT SUM({term}_e8) FROM pair_trades')}\b", text), term
    net = one(ledger, "SELECT SUM(realised_net_e8) FROM pair_trades")
    assert re.search(rf"realised_net_e8 +{net}\b", text)
    pairs = one(ledger, "SELECT COUNT(*) FROM pair_trades")
    assert f"{net / 1e8:,.2f} USDT earned by {pairs:,} pairs" in text


def test_the_opportunity_analysis_counts_what_was_seen_and_taken(answers: dict[str, str], ledger: Path) -> None:
    text = answers["opportunity_analysis"]
    for outcome in ("traded", "refused"):
        mine = f"FROM opportunities WHERE outcome = '{outcome}'"
        count, offered = one(ledger, f"SELECT COUNT(*) {mine}"), one(ledger, f"SELECT SUM(best_net_e8) {mine}")
        assert re.search(rf"{outcome} +{count} +{offered}\b", text), outcome
    seen = one(ledger, "SELECT COUNT(*) FROM opportunities")
    assert f"Half of all {seen:,} edges are gone after" in text
    above = one(ledger, "SELECT COUNT(*) FROM opportunities WHERE CAST(best_edge_bps AS REAL) >= 12")
    assert re.search(rf"12\.0 +\d+ +-?\d+ +{above}\b", text)


def test_execution_quality_counts_legs_and_what_mending_them_cost(answers: dict[str, str], ledger: Path) -> None:
    text = answers["execution_quality"]
    legs = one(ledger, "SELECT COUNT(*) FROM orders WHERE role = 'entry'")
    assert f"of {legs:,} legs fell short" in text
    repaired = "id IN (SELECT pair_trade_id FROM orders WHERE role IN ('hedge', 'unwind'))"
    for state in ("completed", "unwound"):
        cost = one(ledger, f"SELECT SUM(hedge_cost_e8) FROM pair_trades WHERE state = '{state}' AND {repaired}")
        assert re.search(rf"{state} +{cost}\b", text), state


def test_inventory_shows_fees_and_profit_as_the_ledger_has_them(answers: dict[str, str], ledger: Path) -> None:
    text = answers["inventory_and_pnl"]
    for venue in ("gate", "okx", "bitget"):
        mine = f"FROM fills WHERE venue = '{venue}' AND fee_currency = 'USDT'"
        fees = one(ledger, f"SELECT SUM(fee_quote_value_e8) {mine}")
        assert re.search(rf"USDT +{one(ledger, f'SELECT COUNT(*) {mine}')} +{fees}\b", text), venue
    assert str(one(ledger, "SELECT SUM(realised_net_e8) FROM pair_trades")) in text


def test_the_first_review_answers_too(answers: dict[str, str], ledger: Path) -> None:
    text = answers[FIRST_REVIEW]
    counts = [one(ledger, f"SELECT COUNT(*) FROM {name}") for name in ("pair_trades", "opportunities", "fills")]
    assert "{} pair trades, {} opportunities, {} fills in 1 run(s)".format(*counts) in text


@pytest.mark.thorough
def test_no_notebook_stumbles_over_an_empty_ledger(ledger_file: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = shown_of(tmp_path_factory, "notebooks-empty", lambda _: f"sqlite:///{ledger_file}")
    assert "0 pair trades" in empty[FIRST_REVIEW]
    assert "nothing earned, nothing lost" in empty["trade_review"]
    assert "no edge was above the fees" in empty["opportunity_analysis"]
    assert "No orders sent yet" in empty["execution_quality"]
    assert "trading has moved nothing" in empty["inventory_and_pnl"]


@pytest.mark.thorough
def test_on_postgresql_the_same_notebooks_show_the_same_sums(
    postgres_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    postgres = shown_of(tmp_path_factory, "notebooks-postgres", lambda _: a_database(postgres_server))
    rows = list(a_history(pairs=40, days=3))
    last = {row.id: row for row in rows if isinstance(row, PairRecord) and row.quote == "USDT"}
    nets = [row.waterfall.realised_net_e8 for row in last.values() if row.waterfall is not None]
    assert re.search(rf"realised_net_e8 .*\b{sum(nets)}\b", postgres["trade_review"])
    assert "40 pair trades" in postgres[FIRST_REVIEW] or f"{len(last)} pair" in postgres[FIRST_REVIEW]
    for name, figures in FIGURES_OF.items():
        assert postgres[name].count("<svg ") == figures


@pytest.mark.parametrize("name", NAMES)
def test_the_first_cell_chooses_ledger_and_rows_and_the_others_keep_to_it(name: str) -> None:
    first, *others = [cell.source for cell in read(name).cells if cell.cell_type == "code"]
    assert "LEDGER = load.ledger()" in first
    if name == FIRST_REVIEW:
        assert "SINCE, UNTIL = " in first and "VENUES, SYMBOLS = [], []" in first
        return
    assert "\nROWS = {}" in first
    for source in others:
        calls = re.findall(r"\bload\.(?!TERMS)\w+\(([^)]*)\)", source)
        assert all(given == "LEDGER, **ROWS" for given in calls), source
        assert "LEDGER" in source or "frames." not in source, source


@pytest.mark.thorough
def test_a_notebook_shows_only_the_rows_chosen_from_any_directory(ledger: Path, tmp_path: Path) -> None:
    text = shown(run_on_rows("trade_review", tmp_path, str(ledger), '{"symbol": "SOL/USDT", "venue": "okx"}'))
    where = "FROM pair_trades WHERE symbol = 'SOL/USDT' AND 'okx' IN (buy_venue, sell_venue)"
    assert re.search(rf"realised_net_e8 +{one(ledger, f'SELECT SUM(realised_net_e8) {where}')}\b", text)
    assert "BTC/USDT" not in text


@pytest.mark.thorough
def test_the_notebook_of_sweeps_finds_the_best_and_says_of_how_many_and_what_it_made_on_days_held_out(
    tmp_path: Path,
) -> None:
    text = shown(run_sweep(tmp_path))
    rows = [json.loads(line) for line in (tmp_path / "var" / "sweep.jsonl").read_text().splitlines()]
    assert len(rows) == 15 * SWEPT_DAYS
    days = sorted({row["day_utc"] for row in rows})
    nets: dict[str, Decimal] = {}
    for row in rows:
        if row["day_utc"] in days[:-2]:
            nets[str(row["set"])] = nets.get(str(row["set"]), Decimal(0)) + Decimal(row["net"])
    best = max(nets.values())
    assert "15 sets were tried on these tapes: the best of so many looks better than it is." in text
    words = " ".join(re.sub(r"<[^>]+>", " ", text).split())
    assert f"made most, {best:.2f} USDT: the best of 15 sets tried" in words
    assert text.count("<svg ") == 3 and "held out" in text and all(day in text for day in days)


@pytest.mark.parametrize("name", FIGURES_OF)
def test_a_notebook_shows_its_figures(name: str, answers: dict[str, str]) -> None:
    assert answers[name].count("<svg ") == FIGURES_OF[name]


@pytest.mark.parametrize("name", [*NAMES, SWEEP])
def test_a_notebook_has_no_logic_of_its_own(name: str) -> None:
    if name == FIRST_REVIEW:
        pytest.skip("shows how to work on views with pandas alone")
    for cell in read(name).cells:
        if cell.cell_type == "code":
            assert not re.search(r"^\s*(def|for|if|while|class|lambda)\b", cell.source, re.MULTILINE), cell.source


@pytest.mark.parametrize("name", [*SHOWN, SWEEP])
def test_a_notebook_is_kept_with_clean_outputs(name: str) -> None:
    text = (FOLDER / f"{name}.ipynb").read_text()
    notebook: Any = json.loads(text)
    assert not house.machine_traces(name, text)
    for cell in notebook["cells"]:
        assert cell["metadata"] == {} and cell.get("execution_count") is None
        for output in cell.get("outputs", ()):
            assert output["output_type"] in ("execute_result", "stream") and output.get("metadata", {}) == {}
    assert text.count("<svg ") == FIGURES_OF.get(name, 3)


def test_the_first_review_is_kept_without_outputs() -> None:
    assert not [output for cell in read(FIRST_REVIEW).cells for output in cell.get("outputs", ())]


def test_all_notebooks_together_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.ipynb")) < SIZE_MAX


def test_where_no_tapes_are_a_sweep_says_how_to_come_by_some(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"^no tapes at .*nowhere: name a tape.*`arb record --out tapes"):
        sweep(str(tmp_path / "nowhere"), {"limits.min_edge_bps": "2,4"}, out=str(tmp_path / "sweep.jsonl"))
    assert list(tmp_path.iterdir()) == []
