"""The journal and the disk: full, synced, removed, and the process killed."""

import errno
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from arb.clock import ManualClock
from arb.core.messages.records import PairState
from arb.errors import StoreError
from arb.store.journal.guards import RESERVE_BYTES, FileReserve
from arb.store.journal.journal import Journal
from tests.unit.store.conftest import NoReserve, fill, open_journal
from tests.unit.store.rows import T0, a_control, a_finished_pair, a_pair, a_plan, an_event, an_order, keep

ROOT = Path(__file__).parents[4]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    opened = open_journal(path)
    yield opened
    opened.close()


def limit_pages(journal: Journal, pages: int) -> None:
    """Make the disk end here. SQLite then answers as on a full disk."""
    journal._db.execute(f"PRAGMA max_page_count = {pages}")


class PageReserve(NoReserve):
    """A reserve whose release makes the disk larger, once."""

    def __init__(self) -> None:
        self.journal: Journal | None = None

    def release(self) -> None:
        super().release()
        assert self.journal is not None
        limit_pages(self.journal, 1_000_000)


def append_until_full(journal: Journal, seq: int) -> int:
    while not journal.reserve_touched:
        seq += 1
        journal.append(an_event(seq), keep(seq, a_plan(seq), a_pair(seq)))
        assert seq < 10_000
    return seq


def test_on_a_full_disk_the_reserve_lets_the_hedge_through(path: Path) -> None:
    reserve = PageReserve()
    journal = Journal.open(path, ManualClock(T0), rng=random.Random(1), reserve=reserve)
    reserve.journal = journal
    limit_pages(journal, 40)
    last = append_until_full(journal, 0)
    journal.append(an_event(last + 1), ())
    assert journal.reader().last_position().seq == last + 1
    assert len(journal.restore().pairs) == last
    reserve.held = True  # space returned: establish() succeeds
    journal.sync()
    assert not journal.reserve_touched
    journal.close()


def test_a_disk_full_beyond_the_reserve_is_an_error_and_nothing_is_half_written(journal: Journal) -> None:
    limit_pages(journal, 40)
    with pytest.raises(StoreError, match="even with the reserve released"):
        append_until_full(journal, 0)
    before = journal.restore()
    with pytest.raises(StoreError, match="full"):
        journal.append(an_event(20_000), keep(20_000, *a_finished_pair(20_000)))
    assert journal.restore() == before
    limit_pages(journal, 1_000_000)
    journal.append(an_event(20_000), keep(20_000, a_plan(20_000), a_pair(20_000)))
    assert len(journal.restore().pairs) == len(before.pairs) + 1


def test_the_reserve_is_real_space_and_can_be_had_again(tmp_path: Path) -> None:
    reserve = FileReserve(tmp_path / "r", size=64 * 1024)
    assert reserve.establish()
    assert (tmp_path / "r").stat().st_blocks * 512 >= 64 * 1024
    assert FileReserve(tmp_path / "r", size=64 * 1024).held
    reserve.release()
    assert not (tmp_path / "r").exists()
    assert reserve.establish()


def test_a_reserve_without_space_behind_it_is_not_held(tmp_path: Path) -> None:
    with (tmp_path / "r").open("wb") as copied:  # as by cp --sparse, or from a backup
        copied.truncate(64 * 1024)
    reserve = FileReserve(tmp_path / "r", size=64 * 1024)
    assert not reserve.held
    assert reserve.establish()
    assert (tmp_path / "r").stat().st_blocks * 512 >= 64 * 1024


def test_a_reserve_that_does_not_reach_the_disk_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", refuse)
        assert not FileReserve(tmp_path / "r", size=64 * 1024).establish()
    assert FileReserve(tmp_path / "r", size=64 * 1024).establish()


def test_a_reserve_on_a_disk_that_became_read_only_ends_without_an_error(small_disk: Path) -> None:
    reserve = FileReserve(small_disk / "r", size=64 * 1024)
    assert reserve.establish()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    reserve.release()
    assert not reserve.held
    assert not reserve.establish()


def test_the_reserve_takes_space_from_when_orders_may_leave_until_an_end_without_open_pairs(tmp_path: Path) -> None:
    path, reserve = tmp_path / "a.journal.sqlite", tmp_path / "a.journal.reserve"
    Journal.open(path, ManualClock(T0)).close()  # refused at a start, say
    assert not reserve.exists()
    journal = Journal.open(path, ManualClock(T0))
    journal.hold_reserve()
    assert reserve.stat().st_size == RESERVE_BYTES and not journal.reserve_touched
    journal.append(an_event(1), keep(1, a_plan(1), a_pair(1), an_order(1, 1)))
    journal.close()
    assert reserve.exists(), "the next start may find the disk full, and a pair to finish"
    journal = Journal.open(path, ManualClock(T0))
    journal.append(an_event(2), keep(2, a_pair(1, PairState.COMPLETED)))
    journal.close()
    assert not reserve.exists()


def test_a_reserve_larger_than_the_disk_is_not_held(tmp_path: Path) -> None:
    assert not FileReserve(tmp_path / "r", size=1 << 60).establish()
    assert not (tmp_path / "r").exists()


def test_sync_from_another_thread_moves_a_long_log_into_the_file(journal: Journal, path: Path) -> None:
    text = "x" * 60_000
    errors: list[StoreError] = []
    done = threading.Event()

    def keep_syncing() -> None:
        try:
            while not done.is_set():
                journal.sync()
        except StoreError as error:
            errors.append(error)

    thread = threading.Thread(target=keep_syncing)
    thread.start()
    for seq in range(1, 400):
        journal.append(an_event(seq), keep(seq, a_control(text=text)))
    done.set()
    thread.join()
    journal.sync()
    assert not errors
    assert path.stat().st_size > 5_000_000
    assert journal.restore().last_seq == 399


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_journal_removed_while_running_is_noticed(journal: Journal, path: Path, suffix: str) -> None:
    journal.append(an_event(1), ())
    path.with_name(path.name + suffix).unlink()
    with pytest.raises(StoreError, match="removed while running"):
        journal.sync()


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_journal_replaced_while_running_is_noticed_until_it_is_put_back(
    journal: Journal, path: Path, suffix: str
) -> None:
    journal.append(an_event(1), ())
    file, aside = path.with_name(path.name + suffix), path.with_name("aside")
    file.rename(aside)
    file.write_bytes(aside.read_bytes())
    with pytest.raises(StoreError, match="replaced while running"):
        journal.sync()
    aside.replace(file)
    journal.sync()


def test_a_journal_behind_a_link_is_synced_and_put_back_where_the_link_leads(path: Path) -> None:
    target = path.parent / "elsewhere" / "own.sqlite"
    target.parent.mkdir()
    path.symlink_to(target)
    journal = open_journal(path)
    journal.append(an_event(1), ())
    journal.sync()
    target.unlink()
    journal.close()
    assert path.is_symlink() and target.exists()
    again = open_journal(path)
    assert again.last_seq == 1
    again.close()


def test_a_journal_removed_while_running_is_there_again_after_its_close(path: Path) -> None:
    journal = open_journal(path)
    journal.append(an_event(1), keep(1, a_plan(1), a_pair(1)))
    path.unlink()
    journal.append(an_event(2), keep(2, a_plan(2), a_pair(2)))
    before, journal_id = journal.restore(), journal.journal_id
    journal.close()
    assert sorted(file.name for file in path.parent.glob("t.journal.sqlite*")) == [path.name, f"{path.name}.lock"]
    again = open_journal(path)
    assert (again.restore(), again.journal_id, len(before.pairs)) == (before, journal_id, 2)
    again.close()


QUOTA = """
import random, resource, signal, sys
from pathlib import Path
from arb.clock import ManualClock
from arb.store.journal.journal import Journal
from tests.unit.store.conftest import NoReserve
from tests.unit.store.rows import a_control, an_event, keep

class Quota(NoReserve):
    def release(self):
        super().release()
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal.open(Path(sys.argv[1]), ManualClock(1), rng=random.Random(1), reserve=Quota())
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
for seq in range(1, 200):
    journal.append(an_event(seq), keep(seq, a_control(text="x" * 9_000)))
print(journal.last_seq, journal.reserve_touched)
"""


def test_a_used_up_quota_is_a_full_disk_to_the_journal(path: Path) -> None:
    # A limit on the size of files fails a write as a quota does: not with "no space left on device".
    child = subprocess.run(
        [sys.executable, "-c", QUOTA, str(path)], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert child.stdout == "199 True\n", child.stderr


FRAME_BYTES, FIRST_INDEX = 2_048 + 24, 4_062
"""A page in the log, and how many of them the first 32 KiB of shared memory have room for."""


def test_shared_memory_that_cannot_grow_is_a_full_disk_to_the_journal(small_disk: Path) -> None:
    path = small_disk / "t.journal.sqlite"
    journal = Journal.open(path, ManualClock(T0), rng=random.Random(1), reserve=FileReserve(small_disk / "r", 500_000))
    journal.hold_reserve()
    log, text = path.with_name(path.name + "-wal"), "x" * 60_000
    while log.stat().st_size < (FIRST_INDEX - 32) * FRAME_BYTES:
        journal.append(an_event(journal.last_seq + 1), keep(1, a_control(text=text)))
    fill(small_disk, but_for=82_000)  # room for the log's next 32 pages, not for 32 KiB more
    while not journal.reserve_touched:
        journal.append(an_event(journal.last_seq + 1), keep(1, a_control(text=text)))
    assert log.stat().st_size < (FIRST_INDEX + 64) * FRAME_BYTES
    assert journal.restore().last_seq == journal.last_seq
    journal.close()


KILLED = """
import os, random, signal, sys
from pathlib import Path
from arb.clock import ManualClock
from arb.core.messages.records import PairState
from arb.store.journal.journal import Journal
from tests.unit.store.rows import a_pair, a_plan, an_event, an_order, keep
journal = Journal.open(Path(sys.argv[1]), ManualClock(1))
for seq in range(1, 200):
    journal.append(an_event(seq), keep(seq, a_plan(seq), an_order(seq, seq), a_pair(seq)))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_appended_survives_kill_9_without_any_sync(path: Path) -> None:
    child = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, check=False)
    assert child.returncode == -signal.SIGKILL
    journal = open_journal(path)  # the lock died with its holder
    state = journal.restore()
    assert state.last_seq == 199
    assert [(pair.pair.id, len(pair.orders)) for pair in state.pairs] == [(n, 1) for n in range(1, 200)]
    journal.close()
