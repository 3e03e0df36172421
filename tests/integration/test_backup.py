"""A backup of a running engine, restored elsewhere after that engine traded on and died: the accounts' truth is found again."""

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from arb.live.control import ask
from tests.integration import truth
from tests.integration.live_mode import live_config, live_engine
from tests.integration.support import DB, WELL_ENDED, Ended, SandboxProcess, run_arb, sandbox_process, where


def own_names(db: Path) -> Counter[str]:
    rows = truth.rows_of(db, "SELECT client_order_id FROM orders WHERE role <> 'foreign'")
    return Counter(row["client_order_id"] for row in rows)


def trade_and_die(folder: Path, sandbox: SandboxProcess, pairs: int, into: Path | None = None) -> dict[str, Any]:
    """Run an engine until it has completed so many pairs, and as many after a backup, if one is asked for; kill it."""
    made: dict[str, Any] = {}
    with live_engine(folder, sandbox) as engine:
        engine.trade_on(pairs, "before the backup")
        if into is not None:
            ended = run_arb("backup", str(into), "--json", *where(folder), cwd=folder)
            assert ended.code == 0, ended
            made = ended.summary
            engine.trade_on(2 * pairs, "after the backup")
        engine.process.send_signal(signal.SIGKILL)
        engine.process.wait()
    return made


def restored_and_run(folder: Path, sandbox: SandboxProcess, backup: str, before: Counter[str]) -> Ended:
    """Restore a backup, start an engine there, lift its halt, and stop it once it has sent orders that are not in `before`."""
    restored = run_arb("restore", backup, "--json", *where(folder), cwd=folder)
    assert restored.code == 0 and restored.summary["checked"] is True, restored
    with live_engine(folder, sandbox) as engine:
        status = engine.until(lambda status: status["halted"] is not None, "it begins halted")
        assert status["halted"] == "asked", status
        ask(engine.journal, {"do": "resume", "reason": "the accounts were looked at"})
        engine.until(lambda status: bool(own_names(engine.db) - before), "it sends orders of its own")
        ended = engine.stop()
    assert (ended.code, ended.summary["halted"]) in WELL_ENDED, ended
    check = run_arb("db", "check", "--json", *where(folder), cwd=folder)
    assert check.code == 0 and check.summary["ok"], check
    return ended


def two_places(folder: Path, sandbox: SandboxProcess) -> tuple[Path, Path]:
    first, second = folder / "first", folder / "second"
    for place in (first, second):
        place.mkdir()
        live_config(place, sandbox.announced)
    return first, second


def test_a_live_backup_restored_elsewhere_finds_all_that_was_traded_after_it(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        first, second = two_places(tmp_path, sandbox)
        made = trade_and_die(first, sandbox, 2, tmp_path / "copies")
        before = own_names(first / DB)
        ended = restored_and_run(second, sandbox, made["backup"], before)
        seen = f"seed {sandbox.seed}: {ended.out}\n{ended.err[-6000:]}"
        assert truth.differences(second / DB, sandbox.ledger()) == [], seen
        after = own_names(second / DB)
        assert not before - after, seen
        assert max(after.values()) == 1, "no id was used twice"


@pytest.mark.thorough
def test_orders_of_a_process_that_began_after_the_backup_are_foreign_and_said_so(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        first, second = two_places(tmp_path, sandbox)
        made = trade_and_die(first, sandbox, 1, tmp_path / "copies")
        trade_and_die(first, sandbox, 4)  # more than it finishes of the first one's
        ended = restored_and_run(second, sandbox, made["backup"], own_names(first / DB))
        seen = f"seed {sandbox.seed}: {ended.out}\n{ended.err[-6000:]}"
        found = {(row["venue"], row["trade_id"]) for row in truth.rows_of(second / DB, "SELECT * FROM fills")}
        theirs = {(venue, row["trade_id"]) for venue, held in sandbox.ledger().items() for row in held["fills"]}
        assert found == theirs, seen
        strange = truth.rows_of(second / DB, "SELECT * FROM incidents WHERE kind = 'not_adopted'")
        assert strange and {row["severity"] for row in strange} == {"critical"}, seen
        assert truth.twice_sent(sandbox.ledger()) == [], seen
