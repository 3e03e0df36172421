"""An fsync that failed once: the next one proves nothing, so all is written again and read back before it is believed."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from arb.errors import StoreError
from arb.store.journal.guards import beside
from arb.store.journal.intents import FILE_BYTES, IntentLog
from arb.store.journal.journal import Journal
from tests.support.intents import an_intent
from tests.unit.store.conftest import open_journal
from tests.unit.store.rows import an_event


class Disk:
    """`os.fsync` of a disk that refuses, while `broken`, files whose names end so."""

    def __init__(self) -> None:
        self.broken = ""
        self._fsync = os.fsync

    def fsync(self, descriptor: int) -> None:
        if self.broken and str(Path(f"/proc/self/fd/{descriptor}").readlink()).endswith(self.broken):
            raise OSError(errno.EIO, "Input/output error")
        self._fsync(descriptor)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(os, "fsync", made.fsync)
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    opened = open_journal(path)
    yield opened
    opened.close()


def fail_once(journal: Journal, disk: Disk) -> None:
    disk.broken = "-wal"
    with pytest.raises(StoreError, match="cannot sync"):
        journal.sync()
    disk.broken = ""


def steps_in_the_file_alone(path: Path, folder: Path) -> list[int]:
    """Return the steps that are in the main file, as after a power cut that took the log."""
    copy = folder / "alone.sqlite"
    shutil.copy(path, copy)
    with closing(sqlite3.connect(copy)) as db:
        return [step for (step,) in db.execute("SELECT DISTINCT seq FROM entries ORDER BY seq")]


def test_after_a_failed_fsync_the_log_is_moved_into_the_file_before_the_next_one_counts(
    journal: Journal, path: Path, tmp_path: Path, disk: Disk
) -> None:
    journal.append(an_event(1), ())
    fail_once(journal, disk)
    journal.append(an_event(2), ())
    journal.sync()
    assert beside(path, "-wal").stat().st_size == 0
    assert steps_in_the_file_alone(path, tmp_path) == [1, 2]


def test_without_a_failure_the_log_stays_where_it_is(journal: Journal, path: Path) -> None:
    journal.append(an_event(1), ())
    journal.sync()
    assert beside(path, "-wal").stat().st_size > 0


def test_while_a_reader_holds_the_log_nothing_is_believed(journal: Journal, path: Path, disk: Disk) -> None:
    journal.append(an_event(1), ())
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entries").fetchone()
        fail_once(journal, disk)
        journal.append(an_event(2), ())
        with pytest.raises(StoreError, match="the log is in use"):
            journal.sync()
        journal.append(an_event(3), ())  # repairs go on
    journal.sync()
    assert beside(path, "-wal").stat().st_size == 0


def left_by_a_killed_process(journal: Journal, folder: Path) -> Path:
    """Return the files of a journal that is still open, copied: what `kill -9` would leave."""
    assert isinstance(journal.path, Path)
    folder.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(beside(journal.path, suffix), folder)
    return folder / journal.path.name


def test_a_start_moves_the_log_of_a_killed_process_into_the_file(journal: Journal, tmp_path: Path, disk: Disk) -> None:
    journal.append(an_event(1), ())
    fail_once(journal, disk)  # and then it is killed
    path = left_by_a_killed_process(journal, tmp_path / "killed")
    with closing(open_journal(path)):
        assert beside(path, "-wal").stat().st_size == 0
        assert steps_in_the_file_alone(path, tmp_path) == [1]


def test_a_start_believes_nothing_while_a_reader_keeps_the_old_log(journal: Journal, tmp_path: Path) -> None:
    journal.append(an_event(1), ())
    path = left_by_a_killed_process(journal, tmp_path / "killed")
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entries").fetchone()
        started = open_journal(path)
        started.append(an_event(2), ())  # repairs go on
        with pytest.raises(StoreError, match="the log is in use"):
            started.sync()
    started.sync()
    assert steps_in_the_file_alone(path, tmp_path) == [1, 2]
    started.close()


def test_a_log_that_a_reader_keeps_growing_is_named_at_each_doubling(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("arb.store.journal.journal.CHECKPOINT_BYTES", 50_000)
    journal = open_journal(path.with_name("long.journal.sqlite"))
    with closing(sqlite3.connect(str(journal.path), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entries").fetchone()
        for seq in range(1, 1_000):
            journal.append(an_event(seq), ())
            journal.sync()
    warned = [record for record in caplog.messages if "cannot be emptied" in record]
    assert 1 < len(warned) < 8
    for seq in range(1_000, 2_000):
        journal.append(an_event(seq), ())
        journal.sync()
    assert [record for record in caplog.messages if "cannot be emptied" in record] == warned
    journal.close()


def test_a_file_that_comes_back_damaged_is_not_believed(journal: Journal, path: Path, disk: Disk) -> None:
    for seq in range(1, 400):
        journal.append(an_event(seq), ())
    fail_once(journal, disk)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with path.open("r+b") as file:
        file.seek(-4096, os.SEEK_END)
        file.write(b"\xff" * 4096)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"damaged|malformed"):
            journal.sync()


def test_intents_are_written_again_after_a_failed_fsync(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = IntentLog(tmp_path / "t.intents", "0123456789abcdef")
    log.write(an_intent(1), 0)
    disk.broken = ".intents"
    with pytest.raises(StoreError, match="cannot sync"):
        log.sync()
    disk.broken = ""
    written: list[tuple[int, int]] = []
    pwrite = os.pwrite

    def recorded(descriptor: int, data: bytes, at: int) -> int:
        written.append((len(data), at))
        return pwrite(descriptor, data, at)

    monkeypatch.setattr(os, "pwrite", recorded)
    log.sync()
    log.sync()
    assert written == [(FILE_BYTES, 0)]
    log.close()
    assert [intent.seq for intent in IntentLog(tmp_path / "t.intents", "0123456789abcdef").found] == [1]
