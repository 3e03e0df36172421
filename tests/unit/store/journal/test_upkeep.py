"""A journal kept small while an engine writes it: nothing is lost, whatever is read of it, and wherever a process dies."""

import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from arb.clock import NS_PER_DAY, ManualClock
from arb.core.messages.records import PairState
from arb.errors import StoreError
from arb.market.order import OrderStatus
from arb.store.journal.blocks import Change, Line, compress, lines_in
from arb.store.journal.journal import Journal
from arb.store.journal.reader import MAX_SUB, JournalReader, Position
from arb.store.journal.upkeep import Upkeep, drop_story, needed, story_kept
from arb.store.ledger.rebuild import db_rebuild
from tests.support.old_files import unpacked
from tests.unit.store.conftest import a_journal
from tests.unit.store.rows import T0, a_control, a_fill, a_filled_order, a_pair, a_plan, an_event, an_order, keep
from tests.unit.store.story import contents, fill_journal

NEVER, ALWAYS = 0, 1 << 62
NEWEST = 10


@pytest.fixture(name="path")
def a_history(tmp_path: Path) -> Path:
    """Leave a journal with finished pairs, and an open one told of often."""
    path = tmp_path / "ledger.journal.sqlite"
    with closing(a_journal(path)) as journal:
        fill_journal(journal, 20)
        tell(journal, a_plan(21), a_pair(21), an_order(41, 21))
        for _ in range(30):
            tell(journal, a_pair(21, PairState.REPAIRING), a_control(), a_filled_order(41, 21))
    return path


def tell(journal: Journal, *records: object) -> None:
    seq = journal.last_seq + 1
    journal.append(an_event(seq), keep(seq, *records))  # type: ignore[arg-type]


def an_upkeep(path: Path, before_ns: int) -> Upkeep:
    return Upkeep(path, lambda _: before_ns, newest_entries=NEWEST, block_entries=40, least_entries=40)


def kept_small(journal: Journal, path: Path, before_ns: int) -> Iterator[Change]:
    """Make all changes that are due, and yield each when it was made."""
    with closing(an_upkeep(path, before_ns)) as upkeep:
        while (change := upkeep.due()) is not None:
            journal.replace(change)
            yield change


def whatever_is_read(path: Path) -> list[object]:
    """Return what every way of reading a journal finds."""
    with closing(JournalReader.open(path)) as reader:
        last = reader.last_position()
        middle = Position(last.seq // 2, 1)
        return [
            list(reader.lines()),
            list(reader.records_from()),
            list(reader.records_from(middle)),
            list(reader.records_back_from(last)),
            list(reader.records_back_from(middle)),
            list(reader.entries(middle)),
            list(reader.mentioning((an_order(2).client_order_id or "",), T0)),
            list(reader.live()),
            reader.rows_since(T0 + last.seq // 2),
            reader.state(),
            reader.last_ns(),
        ]


def lines_now(path: Path) -> list[Line]:
    with closing(JournalReader.open(path)) as reader:
        return list(reader.lines())


def blocks_of(path: Path) -> list[tuple[int, int]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT first, last FROM blocks ORDER BY first").fetchall()


def test_a_block_gives_back_what_was_put_into_it() -> None:
    lines = [Line(4096, T0, "A", '{"price":"1.10"}'), Line(4097, T0 - 5, "B", "{}"), Line(12288, T0 + 7, "A", "ü")]
    block = compress(lines, whole=True)
    assert lines_in(block.data) == lines
    assert block[:5] == (4096, 12288, T0 - 5, T0 + 7, True)


@pytest.mark.parametrize("damaged", [b"", b"no zlib", zlib.compress(b"no entries")])
def test_a_damaged_block_is_noticed(damaged: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        lines_in(damaged)


def test_a_flipped_bit_of_a_block_is_noticed_and_its_place_said(path: Path) -> None:
    drop_story(path, None)
    with closing(sqlite3.connect(path)) as db, db:
        [first, data] = db.execute("SELECT first, data FROM blocks").fetchone()
        db.execute("UPDATE blocks SET data = ?", (data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],))
    with (
        closing(JournalReader.open(path)) as reader,
        pytest.raises(StoreError, match=rf"entry {first >> 12}\.0 cannot be read"),
    ):
        list(reader.records_from())


def test_compressed_a_journal_says_what_it_said(path: Path) -> None:
    before = whatever_is_read(path)
    with closing(a_journal(path)) as journal:
        changes = list(kept_small(journal, path, NEVER))
        assert len(changes) > 3 and not any(change.dropped for change in changes)
        assert whatever_is_read(path) == before
    with closing(sqlite3.connect(path)) as db:
        assert NEWEST <= db.execute("SELECT count(*) FROM entries").fetchone()[0] < NEWEST + 40


def test_what_was_compressed_takes_a_fraction_of_the_space_and_the_rest_is_used_again(path: Path) -> None:
    with closing(a_journal(path)) as journal, closing(sqlite3.connect(path)) as db:
        size = sum(len(line.payload) for line in lines_now(path))
        [pages] = db.execute("PRAGMA page_count").fetchone()
        list(kept_small(journal, path, NEVER))
        assert db.execute("SELECT sum(length(data)) FROM blocks").fetchone()[0] * 6 < size
        for number in range(200, 250):
            tell(journal, a_pair(number), an_order(2 * number, number))
        assert db.execute("PRAGMA page_count").fetchone() == (pages,)


def test_an_engine_goes_on_writing_between_what_is_prepared_and_what_is_changed(path: Path) -> None:
    before = whatever_is_read(path)[0]
    with closing(a_journal(path)) as journal, closing(an_upkeep(path, NEVER)) as upkeep:
        change = upkeep.due()
        assert change is not None
        tell(journal, a_control())
        journal.replace(change)
        tell(journal, a_control())
        assert whatever_is_read(path)[0][: len(before)] == before  # type: ignore[index, arg-type]
        assert blocks_of(path) == [(change.first, change.last)]


def test_a_change_that_was_made_for_something_else_is_refused_and_changes_nothing(path: Path) -> None:
    before = whatever_is_read(path)
    with closing(a_journal(path)) as journal, closing(an_upkeep(path, NEVER)) as upkeep:
        change = upkeep.due()
        assert change is not None
        journal.replace(change)
        for wrong in (change, change._replace(blocks=1, entries=1), change._replace(blocks=0)):
            with pytest.raises(StoreError, match="expects other numbers"):
                journal.replace(wrong)
        assert whatever_is_read(path) == before
        tell(journal, a_control())  # and it can be written as before


@pytest.mark.thorough
def test_wherever_a_process_dies_the_rows_and_what_a_restart_needs_are_there(
    path: Path, sqlite_url: str, tmp_path: Path
) -> None:
    db_rebuild(sqlite_url, path)
    rows = contents(sqlite_url)
    with closing(a_journal(path)) as journal:
        state, dropped = msgspec.structs.replace(journal.restore(), recent=()), 0
        for number, change in enumerate(kept_small(journal, path, ALWAYS)):
            dropped += change.dropped
            dead = tmp_path / str(number) / path.name
            dead.parent.mkdir()
            for name in (path.name, f"{path.name}-wal", "ledger.sqlite"):
                shutil.copy(path.with_name(name), dead.with_name(name))
            db_rebuild(url := f"sqlite:///{dead.parent}/ledger.sqlite", dead)
            assert contents(url) == rows
            with closing(a_journal(dead)) as after:
                assert msgspec.structs.replace(after.restore(), recent=()) == state
    assert dropped > 100


def test_of_a_row_its_first_state_stays_for_what_refers_to_it_and_its_last(tmp_path: Path) -> None:
    path = tmp_path / "a.journal.sqlite"
    with closing(a_journal(path)) as journal:
        tell(journal, a_pair(1), an_order(1, 1))
        tell(journal, an_order(1, 1, status=OrderStatus.SENT))
        tell(journal, a_fill(1, 1))
        tell(journal, a_filled_order(1, 1))
    states = [(line.id >> 12, line.id & MAX_SUB) for line in needed(lines_now(path))]
    assert states == [(1, 1), (1, 2), (3, 1), (4, 1)]


def test_what_was_said_of_an_order_is_found_from_any_instant_on(path: Path) -> None:
    name = an_order(20).client_order_id or ""
    with closing(a_journal(path)) as journal:
        *_, latest = journal.reader().mentioning((name,))
        list(kept_small(journal, path, NEVER))
    with closing(JournalReader.open(path)) as reader:
        assert latest in list(reader.mentioning((name,), latest.t_ns))
        assert not list(reader.mentioning((name,), T0 + reader.last_position().seq - NEWEST // 2))


def test_a_story_is_kept_for_whole_days_counted_from_the_last_entry_at_the_latest() -> None:
    last_ns = 100 * NS_PER_DAY + 5
    assert story_kept(ManualClock(last_ns), 90)(last_ns) == 10 * NS_PER_DAY
    assert story_kept(ManualClock(last_ns + 365 * NS_PER_DAY), 90)(last_ns) == 10 * NS_PER_DAY  # a clock a year ahead
    assert story_kept(ManualClock(last_ns), 0)(last_ns) == 0


def test_a_journal_of_an_earlier_version_is_compressed_like_any_other(tmp_path: Path) -> None:
    path = unpacked("killed.journal.sqlite", tmp_path)
    before = whatever_is_read_of_old(path)
    with closing(Journal.open(path, ManualClock(T0))) as journal:
        assert len(list(kept_small(journal, path, NEVER))) > 3
    assert whatever_is_read_of_old(path) == before


def whatever_is_read_of_old(path: Path) -> list[object]:
    with closing(JournalReader.open(path)) as reader:
        return [
            list(reader.lines()),
            list(reader.records_from()),
            list(reader.live()),
            reader.rows_since(0),
            reader.state(),
        ]


def test_an_upkeep_waits_for_what_is_being_read_before_it_lets_go(path: Path) -> None:
    upkeep = an_upkeep(path, NEVER)
    upkeep.close()
    with pytest.raises(StoreError, match="closed"):
        upkeep.due()


def test_every_closing_of_a_pair_is_needed_though_it_was_open_again() -> None:
    states = [("opening", 0), ("repairing", 0), ("completed", 0), ("repairing", 1), ("repairing", 1), ("completed", 1)]
    lines = [
        Line(
            number,
            number,
            "Persist",
            f'{{"record":{{"type":"PairRecord","id":7,"state":"{state}","closed_before":{n}}}}}',
        )
        for number, (state, n) in enumerate(states, 1)
    ]
    assert [line.id for line in needed(lines)] == [1, 3, 4, 6]
