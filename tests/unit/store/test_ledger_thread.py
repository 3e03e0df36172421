"""The ledger's thread: nobody waits for it, and nothing is lost when the database is away."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from arb.store.journal import Journal
from arb.store.ledger import InlineLedger, Ledger
from arb.store.migrate import upgrade
from tests.unit.store.conftest import query
from tests.unit.store.rows import a_finished_pair, a_pair, a_run, an_event, an_opportunity, an_order, keep
from tests.unit.store.states import WAIT_S, States
from tests.unit.store.story import WHOLE, counts, fill_journal


@pytest.fixture
def states() -> States:
    return States()


@pytest.fixture
def ledger(sqlite_url: str, journal: Journal, states: States) -> Iterator[Ledger]:
    started = Ledger(sqlite_url, journal, states, queue_rows=1000, spool_rows=5)
    yield started
    started.close(0.0)


def test_rows_handed_over_are_written_by_the_thread(db_url: str, journal: Journal, states: States) -> None:
    fill_journal(journal, 2)  # before the ledger starts: it reads them from the journal
    ledger = Ledger(db_url, journal, states)
    for record in a_finished_pair(3):
        seq = journal.last_seq + 1
        ledger.submit(journal.append(an_event(seq), keep(seq, record)))
    ledger.submit_untraded(an_opportunity(9))
    assert ledger.close(WAIT_S)
    assert counts(db_url) == WHOLE | {"opportunities": 4}
    assert states.heard == []
    assert ledger.blocked is None


def test_a_full_queue_sends_the_ledger_back_to_the_journal(sqlite_url: str, journal: Journal, states: States) -> None:
    ledger = Ledger(sqlite_url, journal, states, queue_rows=2)
    assert ledger.flush(WAIT_S)
    ledger.submit(fill_journal(journal))
    assert ledger.close(WAIT_S)
    assert counts(sqlite_url) == WHOLE


def test_a_locked_ledger_blocks_and_then_catches_up(
    sqlite_url: str, journal: Journal, ledger: Ledger, states: States, tmp_path: Path
) -> None:
    assert ledger.flush(WAIT_S)
    lock = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    ledger.submit(fill_journal(journal))
    for number in range(8):
        ledger.submit_untraded(an_opportunity(100 + number))
    assert "locked" in states.wait_for(blocked=True)
    assert "locked" in (ledger.blocked or "")
    assert ledger.dropped_untraded == 3
    lock.execute("ROLLBACK")
    lock.close()
    states.wait_for(blocked=False)
    assert ledger.flush(WAIT_S)
    assert counts(sqlite_url) == WHOLE | {"opportunities": 3 + 5}
    assert ledger.dropped_untraded == 3


def test_a_ledger_removed_while_running_is_made_again_from_the_journal(
    sqlite_url: str, journal: Journal, ledger: Ledger, states: States, tmp_path: Path
) -> None:
    ledger.submit(fill_journal(journal, 2))
    assert ledger.flush(WAIT_S)
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"ledger.sqlite{suffix}").unlink()
    seq = journal.last_seq + 1
    ledger.submit(journal.append(an_event(seq), keep(seq, *a_finished_pair(3))))
    assert "removed or replaced" in states.wait_for(blocked=True)
    states.wait_for(blocked=False)
    assert ledger.flush(WAIT_S)
    assert counts(sqlite_url) == WHOLE


def test_a_refused_row_blocks_by_name_and_everything_after_it_waits(
    sqlite_url: str, journal: Journal, ledger: Ledger, states: States
) -> None:
    ledger.submit(journal.append(an_event(1), keep(1, a_run(), an_order(7, 55))))
    assert "OrderRecord 7 is refused" in states.wait_for(blocked=True)
    assert not ledger.flush(0.0)
    seq = journal.last_seq + 1
    ledger.submit(
        journal.append(an_event(seq), keep(seq, a_pair(55)))
    )  # the reference it lacked: one batch with it now
    states.wait_for(blocked=False)
    assert counts(sqlite_url)["orders"] == 1


def test_a_ledger_that_cannot_be_written_at_the_end_does_not_hold_up_the_exit(
    sqlite_url: str, journal: Journal, states: States, tmp_path: Path
) -> None:
    upgrade(sqlite_url)
    lock = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    ledger = Ledger(sqlite_url, journal, states)
    ledger.submit(fill_journal(journal))
    assert not ledger.close(0.01)
    lock.close()
    InlineLedger(sqlite_url, journal).close()
    assert counts(sqlite_url) == WHOLE


def test_a_server_that_drops_the_connection_is_reached_again(
    postgres_url: str, journal: Journal, states: States
) -> None:
    ledger = Ledger(postgres_url, journal, states)
    ledger.submit(fill_journal(journal, 2))
    assert ledger.flush(WAIT_S)
    query(
        postgres_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    seq = journal.last_seq + 1
    ledger.submit(journal.append(an_event(seq), keep(seq, *a_finished_pair(3))))
    states.wait_for(blocked=True)
    states.wait_for(blocked=False)
    assert ledger.close(WAIT_S)
    assert counts(postgres_url) == WHOLE
