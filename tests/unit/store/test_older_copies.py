"""Copies of different times put together: a journal older than its intents or its ledger is refused, and nothing is lost."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from arb.clock import ManualClock
from arb.errors import StoreError
from arb.store.journal.intents import intents_of
from arb.store.journal.journal import Journal
from arb.store.ledger.ledger import InlineLedger, prepare_ledger
from tests.support.intents import an_intent
from tests.unit.store.conftest import open_journal
from tests.unit.store.rows import T0, a_run, an_event, keep
from tests.unit.store.story import fill_journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.journal.sqlite"


def copied(path: Path, folder: Path) -> Path:
    """Return a copy of a running engine's journal, as `sqlite3 .backup` makes it."""
    folder.mkdir()
    copy = folder / path.name
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


def run_on(journal: Journal, first: int) -> None:
    """Go on as an engine does: a step, a sync, and then an opening whose step is not written yet."""
    journal.append(an_event(first), ())
    journal.sync()
    journal.intend([an_intent(first + 1, run_id=1)])


def test_intents_that_are_newer_than_a_copy_of_the_journal_are_refused(path: Path, tmp_path: Path) -> None:
    journal = open_journal(path)
    journal.append(an_event(1), ())
    copy = copied(path, tmp_path / "copy")
    run_on(journal, 2)
    shutil.copy(intents_of(path), intents_of(copy))
    journal.close()
    for opening in (open_journal, lambda where: Journal.settle_intents(where, ManualClock(T0))):
        with pytest.raises(StoreError, match=r"newer than their journal, which ends at step 1 and had reached 2"):
            opening(copy)
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT max(seq) FROM entries").fetchone() == (1,)


def test_what_a_power_cut_took_from_the_journal_is_no_reason_to_refuse(path: Path, tmp_path: Path) -> None:
    journal = open_journal(path)
    journal.append(an_event(1), ())
    journal.sync()
    copy = copied(path, tmp_path / "copy")  # what was synced
    journal.append(an_event(2), ())
    journal.intend([an_intent(3, run_id=1)])
    shutil.copy(intents_of(path), intents_of(copy))
    journal.close()
    open_journal(copy).close()


def test_a_ledger_ahead_of_its_journal_is_noticed_also_where_intents_came_after(
    sqlite_url: str, path: Path, tmp_path: Path
) -> None:
    journal = open_journal(path)
    journal.append(an_event(1), keep(1, a_run(1)))
    copy = copied(path, tmp_path / "copy")
    ledger = InlineLedger(sqlite_url, journal)
    journal.append(an_event(2), ())
    ledger.submit(fill_journal(journal))
    ledger.close()
    last = journal.last_seq
    journal.close()
    older = open_journal(copy)
    older.append(an_event(last + 1), ())  # as intents of a later step are appended
    with pytest.raises(StoreError, match="ahead of its journal"):
        prepare_ledger(sqlite_url, older)
    older.close()
