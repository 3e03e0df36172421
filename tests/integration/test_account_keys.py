"""Changed keys, over sockets: whatever key it is reached with, an account stays the same one, and nothing of it is lost."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.core.messages.events import RunStarted
from arb.store.journal.reader import JournalReader
from arb.venues.kit.endpoints import account_id, sandbox_access
from tests.integration import truth
from tests.integration.support import (
    DB,
    VENUES,
    WELL_ENDED,
    EngineProcess,
    SandboxProcess,
    engine_process,
    run_arb,
    run_arguments,
    sandbox_process,
)
from tests.support.journals import lay_open

JOURNAL = "a.journal.sqlite"


def die_with_an_open_pair(folder: Path, sandbox: SandboxProcess, seen: str) -> None:
    """Run an engine until pairs have completed and one hangs for orders without answer, and kill it."""
    with engine_process(folder, sandbox) as engine:

        def hangs(status: dict[str, Any]) -> bool:
            engine.lift(status, seen)
            return bool(status["unknown_orders"])

        engine.trade_on(1, seen)
        for venue in VENUES:
            sandbox.fault(venue, "lost_request", count=1000)
        engine.until(hangs, f"{seen}: a pair hangs")
        engine.process.kill()
        engine.process.communicate()
    sandbox.no_more_faults()


def goes_on(engine: EngineProcess, seen: str) -> None:
    """Wait until an engine has settled what the one before it left, and trades."""
    engine.until(lambda status: not status["unknown_orders"], f"{seen}: what was left is settled")
    engine.trade_on(2, seen)


def accounts(folder: Path, table: str = "orders") -> dict[str, set[str]]:
    """Return the names under which each venue's account stands in the ledger."""
    rows = truth.rows_of(folder / DB, f"SELECT DISTINCT venue, account_id FROM {table}")
    return {venue: {row["account_id"] for row in rows if row["venue"] == venue} for venue in VENUES}


def started_with(folder: Path) -> list[RunStarted]:
    """Return the starts in the journal, in order."""
    with closing(JournalReader.open(folder / JOURNAL)) as reader:
        return [entry.message for entry in reader.entries() if isinstance(entry.message, RunStarted)]


def nothing_lost(folder: Path, sandbox: SandboxProcess, seen: str) -> None:
    """See that the ledger is the sandbox's own, and that nothing was given up or left aside."""
    assert truth.differences(folder / DB, sandbox.ledger()) == [], seen
    assert truth.rows_of(folder / DB, "SELECT id FROM pair_trades WHERE state = 'abandoned'") == [], seen
    reported = truth.rows_of(
        folder / DB,
        "SELECT text FROM incidents WHERE kind IN ('abandoned', 'left_over', 'balance_drift', 'foreign_order')"
        " OR text LIKE '%stranded%'",
    )
    assert [row["text"] for row in reported] == [], seen
    twice = "SELECT venue, symbol, trade_id FROM fills GROUP BY venue, symbol, trade_id, order_id HAVING count(*) > 1"
    assert truth.rows_of(folder / DB, twice) == [], seen


def as_an_earlier_version_left_it(folder: Path, sandbox: SandboxProcess) -> dict[str, str]:
    """Write journal and ledger as if accounts had been called by their keys; return those names by venue."""
    present = started_with(folder)[-1].account_ids
    lay_open(folder / JOURNAL)
    by_key = {
        venue: account_id(
            venue, sandbox_access(venue, sandbox.announced["venues"][venue])[1], sandbox.announced["sandbox_id"]
        )
        for venue in VENUES
    }
    with closing(sqlite3.connect(folder / JOURNAL)) as db, db:
        db.execute("DELETE FROM entries WHERE payload LIKE '%FormerAccountsRecord%'")
        db.execute("DELETE FROM live WHERE kind = 'former'")
        rows = db.execute("SELECT id, payload FROM entries WHERE type = 'RunStarted'").fetchall()
        for number, payload in rows:
            reported = msgspec.json.decode(payload)
            del reported["former_account_ids"]
            db.execute("UPDATE entries SET payload = ? WHERE id = ?", (msgspec.json.encode(reported).decode(), number))
        for venue, name in by_key.items():
            db.execute("UPDATE entries SET payload = replace(payload, ?, ?)", (present[venue], name))
    with closing(sqlite3.connect(folder / DB)) as db, db:
        for venue, name in by_key.items():
            for table in ("orders", "fills", "balances"):
                db.execute(f"UPDATE {table} SET account_id = ? WHERE account_id = ?", (name, present[venue]))
    return by_key


@pytest.mark.thorough
def test_an_engine_with_another_key_of_an_account_is_not_let_in_beside_one_that_trades_it(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox, engine_process(tmp_path, sandbox) as engine:
        engine.until_pairs(1)
        sandbox.change_keys()
        other = tmp_path / "other"
        other.mkdir()
        refused = run_arb("run", *run_arguments(other, sandbox), cwd=other)
        assert (refused.code, refused.out) == (2, ""), refused.err
        line = refused.err.splitlines()[-1]
        assert line.startswith("arb: account ") and "-uid-" in line and "already traded on this machine" in line


@pytest.mark.thorough
def test_keys_changed_while_a_pair_is_open_lose_nothing(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        seen = f"seed {sandbox.seed}"
        die_with_an_open_pair(tmp_path, sandbox, seen)
        sandbox.change_keys()
        with engine_process(tmp_path, sandbox) as engine:
            goes_on(engine, seen)
            ended = engine.stop()
        assert (ended.code, ended.summary["halted"]) in WELL_ENDED, f"{seen}: {ended.out}\n{ended.err}"
        nothing_lost(tmp_path, sandbox, seen)
        first, second = started_with(tmp_path)
        assert first.account_ids == second.account_ids
        assert len(second.former_account_ids) == 2 * len(VENUES)
        assert accounts(tmp_path) == {venue: {first.account_ids[venue]} for venue in VENUES}


@pytest.mark.thorough
def test_what_a_version_left_that_knew_accounts_by_their_keys_is_taken_up_also_after_their_keys_have_changed(
    tmp_path: Path,
) -> None:
    with sandbox_process(tmp_path) as sandbox:
        seen = f"seed {sandbox.seed}"
        die_with_an_open_pair(tmp_path, sandbox, seen)
        by_key = as_an_earlier_version_left_it(tmp_path, sandbox)
        die_with_an_open_pair(tmp_path, sandbox, seen)
        sandbox.change_keys()
        with engine_process(tmp_path, sandbox) as engine:
            goes_on(engine, seen)
            ended = engine.stop()
        assert (ended.code, ended.summary["halted"]) in WELL_ENDED, f"{seen}: {ended.out}\n{ended.err}"
        nothing_lost(tmp_path, sandbox, seen)
        last = started_with(tmp_path)[-1]
        named = accounts(tmp_path, "fills")
        assert all(names <= {by_key[venue], last.account_ids[venue]} for venue, names in named.items()), named
        assert all(set().union(*named.values()) & set(known.values()) for known in (by_key, last.account_ids)), named
        assert all(last.former_account_ids[by_key[venue]] == last.account_ids[venue] for venue in VENUES)
