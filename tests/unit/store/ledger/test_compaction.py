"""An old journal made small: no row is lost, no open pair forgotten, and the engine goes on where it stopped."""

import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec
import pytest

from arb.clock import NS_PER_DAY
from arb.core.messages.records import PairState
from arb.errors import ConfigError, StoreError
from arb.store.journal.blocks import Line
from arb.store.journal.journal import Journal
from arb.store.journal.reader import MAX_SUB, JournalReader
from arb.store.journal.upkeep import drop_story
from arb.store.ledger.ledger import InlineLedger
from arb.store.ledger.rebuild import db_compact, db_rebuild
from tests.unit.store.conftest import a_journal
from tests.unit.store.rows import (
    T0,
    a_control,
    a_filled_order,
    a_finished_pair,
    a_pair,
    a_plan,
    an_event,
    an_order,
    keep,
)
from tests.unit.store.story import contents, fill_journal

FOR_EVER_NS = 1 << 62


def write_history(path: Path, db_url: str) -> None:
    """Leave a journal with finished pairs, an open one told of often, and a ledger of it."""
    journal = a_journal(path)
    ledger = InlineLedger(db_url, journal)
    ledger.submit(fill_journal(journal, 20))
    tell(journal, ledger, a_plan(21), a_pair(21), an_order(41, 21))
    for _ in range(30):
        tell(journal, ledger, a_pair(21, PairState.REPAIRING), a_control(), a_filled_order(41, 21))
    ledger.close()
    journal.close()


def tell(journal: Journal, ledger: InlineLedger, *records: object) -> None:
    seq = journal.last_seq + 1
    ledger.submit(journal.append(an_event(seq), keep(seq, *records)))  # type: ignore[arg-type]


def entries(path: Path) -> int:
    return len(lines_of(path))


def lines_of(path: Path) -> list[Line]:
    with closing(JournalReader.open(path)) as reader:
        return list(reader.lines())


def test_without_a_journal_there_is_nothing_to_drop(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        drop_story(tmp_path / "none.sqlite", FOR_EVER_NS)


def test_an_entry_that_cannot_be_read_leaves_the_journal_as_it_was(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.journal.sqlite"
    write_history(path, sqlite_url)
    with sqlite3.connect(path) as vandal:
        vandal.execute("UPDATE entries SET payload = '{}' WHERE seq = 9 AND sub = 1")
    vandal.close()
    before = entries(path)
    with pytest.raises(StoreError, match="cannot be read"):
        drop_story(path, FOR_EVER_NS)
    assert entries(path) == before


def test_rebuilt_from_a_small_journal_the_ledger_has_the_very_same_rows(db_url: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.journal.sqlite"
    write_history(path, db_url)
    before, size = contents(db_url), entries(path)
    answer = db_compact(db_url, path, None, FOR_EVER_NS)
    assert answer["journal_entries_dropped"] == size - entries(path) > size // 2
    assert contents(db_url) == before
    db_rebuild(db_url, path)
    assert contents(db_url) == before
    assert db_compact(db_url, path, None, FOR_EVER_NS)["journal_entries_dropped"] == 0


def test_space_that_a_reader_keeps_is_named(sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "ledger.journal.sqlite"
    write_history(path, sqlite_url)
    with ExitStack() as readers:
        for file, table in ((path, "entries"), (tmp_path / "ledger.sqlite", "runs")):
            reader = readers.enter_context(closing(sqlite3.connect(file, isolation_level=None)))
            reader.execute("BEGIN")
            reader.execute(f"SELECT count(*) FROM {table}").fetchone()
        db_compact(sqlite_url, path, None, FOR_EVER_NS)
    assert [text.partition(":")[0] for text in caplog.messages if "another program reads it" in text] == [
        f"ledger {tmp_path / 'ledger.sqlite'}",
        f"journal {path}",
    ]


def test_a_restart_finds_what_it_found_before_and_the_ledger_goes_on(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.journal.sqlite"
    write_history(path, sqlite_url)
    journal = a_journal(path)
    state = journal.restore()
    journal.close()
    drop_story(path, FOR_EVER_NS)
    journal = a_journal(path)
    assert journal.restore() == state
    assert [pair.pair.id for pair in state.pairs] == [21]
    ledger = InlineLedger(sqlite_url, journal)
    tell(journal, ledger, *a_finished_pair(22))
    ledger.close()
    journal.close()
    before = contents(sqlite_url)
    assert len(before["pair_trades"]) == 22
    db_rebuild(sqlite_url, path)
    assert contents(sqlite_url) == before


def test_what_is_younger_stays(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.journal.sqlite"
    write_history(path, sqlite_url)
    journal = a_journal(path)
    next_day_ns = (T0 // NS_PER_DAY + 1) * NS_PER_DAY
    for _ in range(2):
        seq = journal.last_seq + 1
        journal.append(msgspec.structs.replace(an_event(seq), t_ns=next_day_ns), ())
    journal.close()
    before = entries(path)
    assert drop_story(path, next_day_ns - NS_PER_DAY) == 0
    assert drop_story(path, next_day_ns) == before - entries(path) > before // 2
    events = [line for line in lines_of(path) if not line.id & MAX_SUB]
    assert [line.t_ns for line in events] == [next_day_ns, next_day_ns]
