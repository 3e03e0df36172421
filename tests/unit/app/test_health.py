"""`arb status --check`: one line and an exit code, each fault by its own word, the worst first."""

from pathlib import Path
from typing import Any

import pytest

from arb.app import health
from arb.cli import main
from arb.config import ReviewOptions, Settings
from arb.store.ledger.migrate import upgrade
from arb.store.ledger.queries import LedgerReader
from tests.unit.view.test_view import EXPOSED, HALT, STOP, a_state

QUIET: dict[str, Any] = a_state(unhedged=[], unhedged_notional="0")
HALTED = QUIET | {"state": "HALTED", "stops": [HALT]}
BLOCKED = QUIET | {"state": "BLOCKED", "stops": [STOP]}
NAKED = QUIET | {"unhedged": [EXPOSED | {"age_ms": 5001}], "unhedged_notional": "50000.129"}


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    upgrade("sqlite:///ledger.sqlite")
    return "sqlite:///ledger.sqlite"


def checked(ledger: str, monkeypatch: pytest.MonkeyPatch, *states: dict[str, Any] | None) -> tuple[str, int, str]:
    """Check an engine that answers with these states in turn, the last one for ever; return word, exit code and line."""
    answers = iter(states)
    latest: list[dict[str, Any] | None] = [None]

    def answer(*_: object) -> dict[str, Any] | None:
        latest[0] = next(answers, latest[0])
        return latest[0]

    monkeypatch.setattr(health, "ask", answer)
    document, code = health.check(Settings(), ReviewOptions(mode="sandbox", db=ledger), lambda _: None)
    return document["check"], code, document["line"]


def test_without_an_engine_and_a_ledger_it_is_dead_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["status", "--check", "--db", "sqlite:///none.sqlite"]) == 3
    out = capsys.readouterr().out
    assert out == "dead: no engine answers on ledger sqlite:///none.sqlite: start it with `arb run`\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("state", "word", "code", "said"),
    [
        (None, "dead", 3, "no engine answers"),
        ({"error": "not yet"}, "dead", 3, "no engine answers"),
        (NAKED, "naked", 4, "50000.13 unhedged beyond the deadline (0.5 BTC for 5 s)"),
        (HALTED, "halted", 4, "nothing opens: halt: asked; `arb resume --reason TEXT` lifts it"),
        (HALTED | {"state": "REDUCING"}, "halted", 4, "halt: asked"),
        (
            BLOCKED,
            "blocked",
            4,
            "daily_notional_quote: 9999326.14 of 10000000.00 used today, until 2025-10-10 00:00 UTC",
        ),
        (BLOCKED | {"state": "WAITING"}, "blocked", 4, "daily_notional_quote"),
        (QUIET, "ok", 0, "pairs may open, and no alert is open"),
    ],
)
def test_each_fault_has_a_word_a_code_and_its_cause(
    state: dict[str, Any] | None, word: str, code: int, said: str, ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = checked(ledger, monkeypatch, state)
    assert found[:2] == (word, code) and found[2].startswith(f"{word}: ") and said in found[2]


def test_a_leg_within_its_deadline_is_no_fault(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    young = NAKED | {"unhedged": [EXPOSED | {"age_ms": 5000}]}
    assert checked(ledger, monkeypatch, young)[:2] == ("ok", 0)


def test_a_pause_of_a_moment_is_no_fault(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(ledger, monkeypatch, BLOCKED, BLOCKED, QUIET)[:2] == ("ok", 0)


def test_an_engine_that_dies_meanwhile_is_dead_and_not_blocked(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(ledger, monkeypatch, BLOCKED, None)[:2] == ("dead", 3)


def test_all_faults_stand_in_the_line_the_worst_first(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LedgerReader, "alerts", lambda _: [{"kind": "halt"}, {"kind": "carried"}])
    word, code, line = checked(
        ledger, monkeypatch, HALTED | {key: NAKED[key] for key in ("unhedged", "unhedged_notional")}
    )
    assert (word, code) == ("naked", 4)
    assert [line.index(text) for text in ("naked: ", "; halted: ", "; alerts: 2 open (carried, halt)")] == sorted(
        line.index(text) for text in ("naked: ", "; halted: ", "; alerts: 2 open (carried, halt)")
    )
    assert checked(ledger, monkeypatch, QUIET)[:2] == ("alerts", 3)


def test_alerts_that_cannot_be_read_are_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert checked("sqlite:///none.sqlite", monkeypatch, QUIET)[:2] == ("alerts", 3)


def test_a_check_takes_no_selection(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--check", "--run", "1", "--db", ledger]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
