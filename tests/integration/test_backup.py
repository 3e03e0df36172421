"""A backup of a running engine, restored elsewhere after that engine traded on and died: its account's truth is found again."""

import signal
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from arb.live.control import ask
from tests.integration import truth
from tests.integration.live_mode import live_config, live_engine
from tests.integration.support import DB, WELL_ENDED, run_arb, sandbox_process, where


def placed(db: Path) -> Counter[str]:
    with closing(sqlite3.connect(db)) as ledger:
        return Counter(name for (name,) in ledger.execute("SELECT client_order_id FROM orders WHERE role <> 'foreign'"))


def test_a_live_backup_restored_elsewhere_finds_what_was_traded_after_it(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with sandbox_process(tmp_path) as sandbox:
        live_config(first, sandbox.announced)
        live_config(second, sandbox.announced)
        with live_engine(first, sandbox) as engine:
            engine.until_pairs(3)
            made = run_arb("backup", str(tmp_path / "copies"), "--json", *where(first), cwd=first)
            assert made.code == 0, made
            engine.trade_on(6, "after the backup")
            engine.process.send_signal(signal.SIGKILL)
            engine.process.wait()
        backup = made.summary["backup"]
        restored = run_arb("restore", backup, "--json", *where(second), cwd=second)
        assert restored.code == 0 and restored.summary["checked"] is True, restored
        before = placed(second / DB)
        lost = placed(first / DB) - before
        assert before and lost, "orders on both sides of the backup"
        with live_engine(second, sandbox) as engine:
            status = engine.until(lambda status: status["halted"] is not None, "it begins halted")
            assert status["halted"] == "asked", status
            ask(engine.journal, {"do": "resume", "reason": "the account was checked"})
            engine.trade_on(2, "after the restore")
            ended = engine.stop()
        seen = f"seed {sandbox.seed}: {ended.out}\n{ended.err[-6000:]}"
        assert (ended.code, ended.summary["halted"]) in WELL_ENDED, seen
        assert truth.differences(second / DB, sandbox.ledger()) == [], seen
        names = placed(second / DB)
        assert not lost - names, seen
        assert max(names.values()) == 1, "no id was used twice"
        check = run_arb("db", "check", "--json", *where(second), cwd=second)
        assert check.code == 0 and check.summary["ok"], check
