"""A host whose clock is wrong, or stood still: our time is the venues', and nothing has to be put right by hand."""

import signal
import sqlite3
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from arb.clock import NS_PER_S, SystemClock
from tests.integration import truth
from tests.integration.host_clock import HostClock
from tests.integration.support import (
    DB,
    WELL_ENDED,
    Ended,
    EngineProcess,
    SandboxProcess,
    end_of,
    engine_of,
    engine_process,
    run_arb,
    run_arguments,
    run_script,
    sandbox_process,
)
from tests.integration.test_venue_down import killed_with_a_leg_naked_at_okx
from tests.support.journals import lay_open

QUARANTINES = "SELECT text FROM incidents WHERE kind = 'venue_health' AND text LIKE '%clock_offset%'"
HOUR_S, YEAR_S = 3600, 365 * 86_400
NEAR_NS, SLOW_NS = 5 * NS_PER_S, 600 * NS_PER_S
"""How far a row may lie from true time, just written or from the beginning of a test."""
SUSPENDED_S = 15
"""Longer than a venue's clock may be off without a quarantine."""


def rows(folder: Path, query: str) -> list[dict[str, Any]]:
    return truth.rows_of(folder / DB, query)


def start(folder: Path, sandbox: SandboxProcess, host: HostClock, *more: str) -> AbstractContextManager[EngineProcess]:
    """Start `arb run` on a host with clocks of its own."""
    arguments = ("run", *run_arguments(folder, sandbox), *more)
    return engine_of(folder, run_script("host_clock.py", str(host.path), *arguments, cwd=folder))


def run_ahead(folder: Path, sandbox: SandboxProcess, ahead_s: float, *more: str) -> Ended:
    """Run on a host whose clock is `ahead_s` off until a pair is completed."""
    host = HostClock(folder)
    host.set(ahead_ns=int(ahead_s * NS_PER_S))
    with start(folder, sandbox, host, *more) as engine:
        engine.trade_on(1, f"on a host {ahead_s} s ahead")
        return engine.stop()


def refused_ahead(folder: Path, sandbox: SandboxProcess, ahead_s: float) -> Ended:
    """Return how a start ends by itself on a host whose clock is `ahead_s` off."""
    host = HostClock(folder)
    host.set(ahead_ns=int(ahead_s * NS_PER_S))
    with start(folder, sandbox, host) as engine:
        return end_of(engine.process)


def latest_ns(folder: Path) -> int:
    """Return the latest instant at which the engine wrote anything down."""
    with closing(sqlite3.connect(folder / "a.journal.sqlite")) as journal:
        [entries] = journal.execute("SELECT max(t_ns) FROM entries").fetchone()
    [runs] = rows(folder, "SELECT max(max(started_ns), max(ended_ns)) AS ns FROM runs")
    return int(max(entries or 0, runs["ns"] or 0))


def said_of_clocks(folder: Path) -> list[str]:
    return [row["text"] for row in rows(folder, "SELECT text FROM incidents WHERE kind = 'clock_anchored' ORDER BY ns")]


def assert_replays(folder: Path) -> None:
    """The tape of the run repeats every decision."""
    journal = str(folder / "a.journal.sqlite")
    again = run_arb("replay", "run.jsonl", "--json", "--journal", journal, cwd=folder)
    assert again.code == 0, again
    assert again.summary["replay"]["difference"] is None, again
    assert again.summary["replay"]["compared"] > 0


@pytest.mark.thorough
@pytest.mark.parametrize("ahead_s", [HOUR_S, -HOUR_S, 30])
def test_on_a_host_whose_clock_is_off_the_venues_time_is_ours_and_it_trades(tmp_path: Path, ahead_s: int) -> None:
    true = SystemClock()
    with sandbox_process(tmp_path) as sandbox:
        first = run_ahead(tmp_path, sandbox, ahead_s, "--tape", str(tmp_path / "run.jsonl"))
        seen = f"seed {sandbox.seed}: {first.out}\n{first.err[-3000:]}"
        assert (first.code, first.summary["halted"]) in WELL_ENDED, seen
        assert abs(latest_ns(tmp_path) - true.wall_ns()) < SLOW_NS, seen
        assert len(said_of_clocks(tmp_path)) == 1, seen
        assert_replays(tmp_path)
        second = run_ahead(tmp_path, sandbox, 0)
        seen = f"seed {sandbox.seed}: {second.out}\n{second.err[-3000:]}"
        assert (second.code, second.summary["halted"]) in WELL_ENDED, seen
        assert len(said_of_clocks(tmp_path)) == 1, seen
        assert truth.differences(tmp_path / DB, sandbox.ledger()) == [], seen
    assert rows(tmp_path, QUARANTINES) == []


@pytest.mark.thorough
@pytest.mark.parametrize("ahead_s", [YEAR_S, -YEAR_S])
def test_a_clock_more_than_a_day_off_ends_the_start_and_the_next_one_is_as_if_it_had_not_been(
    tmp_path: Path, ahead_s: int
) -> None:
    true = SystemClock()
    with sandbox_process(tmp_path) as sandbox:
        refused = refused_ahead(tmp_path, sandbox, ahead_s)
        assert (refused.code, refused.out) == (3, ""), refused
        line = refused.err.strip().splitlines()[-1]
        assert all(word in line for word in ("365 d", "clock", "venues")), line
        again = run_ahead(tmp_path, sandbox, 0)
        assert (again.code, again.summary["halted"]) in WELL_ENDED, again
        assert abs(latest_ns(tmp_path) - true.wall_ns()) < SLOW_NS
        assert said_of_clocks(tmp_path) == []


@pytest.mark.thorough
def test_with_a_leg_naked_a_clock_a_year_ahead_does_not_keep_it_from_being_repaired(tmp_path: Path) -> None:
    true = SystemClock()
    with killed_with_a_leg_naked_at_okx(tmp_path) as sandbox:
        sandbox.set_book("okx", "DOGE/USDT", [["0.0999", "900000"]], [["0.1001", "900000"]])
        host = HostClock(tmp_path)
        host.set(ahead_ns=YEAR_S * NS_PER_S)
        with start(tmp_path, sandbox, host) as engine:
            engine.until(lambda _: not open_pairs(tmp_path), "the leg is repaired")
            ended = engine.stop()
        assert ended.summary["unhedged_notional"] == "0", ended
        assert abs(latest_ns(tmp_path) - true.wall_ns()) < SLOW_NS
        assert truth.differences(tmp_path / DB, sandbox.ledger()) == []


def open_pairs(folder: Path) -> list[dict[str, Any]]:
    return rows(folder, "SELECT id FROM pair_trades WHERE closed_ns IS NULL")


def put_journal_ahead(folder: Path, ahead_s: int) -> None:
    """Make a journal look as if a run had been started with a clock that much ahead, by a version that believed it."""
    lay_open(folder / "a.journal.sqlite")
    with closing(sqlite3.connect(folder / "a.journal.sqlite")) as journal:
        journal.execute("UPDATE entries SET t_ns = t_ns + ?", (ahead_s * NS_PER_S,))
        journal.commit()


@pytest.mark.thorough
@pytest.mark.parametrize("ahead_s", [HOUR_S, YEAR_S])
def test_a_journal_that_was_written_ahead_does_not_put_the_next_run_ahead(tmp_path: Path, ahead_s: int) -> None:
    true = SystemClock()
    with sandbox_process(tmp_path) as sandbox:
        run_ahead(tmp_path, sandbox, 0)
        put_journal_ahead(tmp_path, ahead_s)
        again = run_ahead(tmp_path, sandbox, 0)
        seen = f"seed {sandbox.seed}: {again.out}\n{again.err[-3000:]}"
        assert (again.code, again.summary["halted"]) in WELL_ENDED, seen
        [run] = rows(tmp_path, "SELECT started_ns FROM runs ORDER BY id DESC LIMIT 1")
        assert abs(run["started_ns"] - true.wall_ns()) < SLOW_NS, seen
        assert len(said_of_clocks(tmp_path)) == 1, seen
        assert truth.differences(tmp_path / DB, sandbox.ledger()) == [], seen


def completed(engine: EngineProcess) -> int:
    return int(engine.status()["pairs"]["completed"])


@pytest.mark.thorough
def test_a_machine_that_was_suspended_comes_back_by_itself(tmp_path: Path) -> None:
    true = SystemClock()
    with sandbox_process(tmp_path) as sandbox:
        host = HostClock(tmp_path)
        with start(tmp_path, sandbox, host, "--tape", str(tmp_path / "run.jsonl")) as engine:
            engine.trade_on(2, "before the suspension")
            engine.process.send_signal(signal.SIGSTOP)
            engine.rest(SUSPENDED_S)
            host.set(stood_ns=SUSPENDED_S * NS_PER_S)
            engine.process.send_signal(signal.SIGCONT)
            engine.until(lambda _: bool(said_of_clocks(tmp_path)), "it has set its clock")
            engine.trade_on(completed(engine) + 3, "after the suspension")
            began_ns, written = true.wall_ns(), latest_ns(tmp_path)
            engine.until(lambda _: latest_ns(tmp_path) > written, "it writes on")
            assert began_ns - NEAR_NS < latest_ns(tmp_path) < true.wall_ns() + NEAR_NS
            ended = engine.stop()
        seen = f"seed {sandbox.seed}: {ended.out}\n{ended.err[-3000:]}"
        assert ended.summary["unhedged_notional"] == "0", seen
        assert truth.differences(tmp_path / DB, sandbox.ledger()) == [], seen
        assert rows(tmp_path, QUARANTINES) == [], seen
        assert_replays(tmp_path)


@pytest.mark.thorough
def test_with_clocks_that_are_right_nothing_is_said_of_them(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox, engine_process(tmp_path, sandbox) as engine:
        engine.trade_on(2, "with right clocks")
        engine.stop()
        assert said_of_clocks(tmp_path) == []
