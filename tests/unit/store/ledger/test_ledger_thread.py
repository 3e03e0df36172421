"""The ledger's thread: nobody waits for it, and nothing is lost when the database is away."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from arb.clock import SystemClock
from arb.core.messages.commands import AnyRecord
from arb.durations import Durations, Waiting
from arb.store.journal.journal import Journal
from arb.store.ledger.database import open_engine
from arb.store.ledger.ledger import InlineLedger, Ledger, prepare_ledger
from arb.store.ledger.migrate import upgrade
from arb.store.ledger.rebuild import db_rebuild
from arb.store.ledger.writer import Writer
from tests.unit.store.conftest import a_journal, query
from tests.unit.store.rows import (
    D,
    a_fill,
    a_finished_pair,
    a_pair,
    a_run,
    an_event,
    an_incident,
    an_opportunity,
    an_order,
    keep,
)
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


@pytest.mark.thorough
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
    sqlite_url: str, journal: Journal, states: States, tmp_path: Path
) -> None:
    waiting = Waiting(SystemClock(), delays := Durations())
    ledger = Ledger(sqlite_url, journal, states, queue_rows=1000, spool_rows=5, waiting=waiting)
    assert ledger.flush(WAIT_S)
    assert (waiting.ns, delays.count) == (0, 0)
    lock = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    ledger.submit(fill_journal(journal))
    for number in range(8):
        ledger.submit_untraded(an_opportunity(100 + number))
    assert "locked" in states.wait_for(blocked=True)
    assert "locked" in (ledger.blocked or "")
    assert ledger.dropped_untraded == 3
    waited_ns = waiting.ns
    assert waited_ns > 0 and delays.count == 0
    lock.execute("ROLLBACK")
    lock.close()
    states.wait_for(blocked=False)
    assert ledger.flush(WAIT_S)
    assert counts(sqlite_url) == WHOLE | {"opportunities": 3 + 5}
    assert ledger.dropped_untraded == 3
    assert (waiting.ns, delays.count) == (0, 1) and delays.max_ns > waited_ns
    ledger.close(0.0)


def test_a_journal_that_cannot_be_read_blocks_the_ledger_until_it_can(
    sqlite_url: str, journal: Journal, states: States, tmp_path: Path
) -> None:
    fill_journal(journal)
    file, aside = tmp_path / "ledger.journal.sqlite", tmp_path / "aside"
    file.rename(aside)
    ledger = Ledger(sqlite_url, journal, states)
    assert "no such file" in states.wait_for(blocked=True)
    assert not ledger.flush(0.0)
    aside.rename(file)
    states.wait_for(blocked=False)
    assert ledger.close(WAIT_S)
    assert counts(sqlite_url) == WHOLE


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


def test_a_refused_row_is_an_incident_until_it_can_be_written(
    sqlite_url: str, journal: Journal, ledger: Ledger
) -> None:
    ledger.submit(journal.append(an_event(1), keep(1, a_run(), an_order(7, 55))))
    assert ledger.flush(WAIT_S)
    assert said_of_refused(sqlite_url) == [
        "OrderRecord 7 is in the journal only: pair_trade_id 55 is not in the ledger"
    ]
    seq = journal.last_seq + 1
    ledger.submit(journal.append(an_event(seq), keep(seq, a_pair(55), an_order(7, 55))))  # the reference it lacked
    assert ledger.flush(WAIT_S)
    assert counts(sqlite_url)["orders"] == 1
    assert not said_of_refused(sqlite_url)


CJK = "".join(chr(0x4E00 + 7 * number % 20_000) for number in range(1_000))
REFUSED: dict[str, AnyRecord] = {
    "a reference to nothing": an_order(7, 55),
    "a number beyond 64 bits": an_order(7, 1, sent_ns=2**63),
    "no number": an_order(7, 1, price=D("NaN")),
    "the name of another order": an_order(7, 1, client_order_id=an_order(1, 1).client_order_id),
}


def said_of_refused(url: str) -> list[str]:
    """Return the texts of the incidents that stand for refused rows."""
    return [text for (text,) in query(url, "SELECT text FROM incidents WHERE kind = 'row_refused' ORDER BY text")]


@pytest.mark.thorough
@pytest.mark.parametrize("why", REFUSED)
def test_a_row_that_cannot_be_written_is_set_aside_and_named_and_all_others_are_written(
    db_url: str, states: States, tmp_path: Path, why: str
) -> None:
    aside: list[str] = []
    journal = a_journal(tmp_path / "ledger.journal.sqlite")
    ledger = Ledger(db_url, journal, states, on_set_aside=lambda refused: aside.append(str(refused)))
    rows = fill_journal(journal)
    rows += journal.append(an_event(journal.last_seq + 1), keep(1, a_fill(70, 7, trade_id="t70"), REFUSED[why]))
    ledger.submit(rows)
    assert ledger.close(WAIT_S)
    assert [text.partition(" is refused")[0] for text in aside] == ["OrderRecord 7", "FillRecord 70"]
    texts, incidents = said_of_refused(db_url), query(db_url, "SELECT * FROM incidents ORDER BY id")
    assert [text.partition(" is in")[0] for text in texts] == ["FillRecord 70", "OrderRecord 7"]
    assert counts(db_url) == WHOLE | {"incidents": WHOLE["incidents"] + 2}
    assert states.heard == []
    prepare_ledger(db_url, journal)  # the next start knows its ledger, though the newest rows are not there
    journal.close()
    answer = db_rebuild(db_url, tmp_path / "ledger.journal.sqlite")
    assert answer["set_aside"] == aside
    assert query(db_url, "SELECT * FROM incidents ORDER BY id") == incidents
    assert db_rebuild(db_url, tmp_path / "ledger.journal.sqlite")["set_aside"] == aside  # its own incidents are no loss


def test_text_that_postgresql_cannot_index_is_set_aside(postgres_url: str, journal: Journal, states: States) -> None:
    aside: list[str] = []
    ledger = Ledger(postgres_url, journal, states, on_set_aside=lambda refused: aside.append(str(refused)))
    ledger.submit(fill_journal(journal))
    ledger.submit(journal.append(an_event(journal.last_seq + 1), keep(1, a_fill(70, 1, trade_id=CJK))))
    assert ledger.close(WAIT_S)
    assert len(aside) == 1 and "exceeds btree" in aside[0]
    assert counts(postgres_url) == WHOLE | {"incidents": WHOLE["incidents"] + 1}


def test_text_that_a_database_cannot_hold_is_written_harmless(db_url: str, journal: Journal, states: States) -> None:
    ledger = Ledger(db_url, journal, states)
    ledger.submit(fill_journal(journal))
    seq = journal.last_seq + 1
    ledger.submit(journal.append(an_event(seq), keep(seq, an_incident(2, text="before\0after"))))
    ledger.submit_untraded(an_opportunity(9, buy_venue="ga\0te"))
    assert ledger.close(WAIT_S)
    assert query(db_url, "SELECT text FROM incidents WHERE id = 2") == [("before\N{REPLACEMENT CHARACTER}after",)]
    assert query(db_url, "SELECT buy_venue FROM opportunities WHERE id = 9") == [("ga\N{REPLACEMENT CHARACTER}te",)]
    assert states.heard == []


def test_half_of_a_character_is_written_harmless(db_url: str) -> None:
    upgrade(db_url)
    engine = open_engine(db_url)
    with engine.begin() as connection:
        Writer(connection.dialect.name).write(connection, [a_run(1), an_incident(1, text="h\ud800lf")])
    engine.dispose()
    assert query(db_url, "SELECT text FROM incidents") == [("h\N{REPLACEMENT CHARACTER}lf",)]


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


@pytest.mark.own_session
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
