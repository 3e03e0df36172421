"""The journal and the disk: full, synced, removed, and the process killed."""

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from arb.clock import ManualClock
from arb.errors import StoreError
from arb.store.guards import FileReserve
from arb.store.journal import Journal
from tests.unit.store.conftest import NoReserve, open_journal
from tests.unit.store.rows import T0, a_control, a_finished_pair, a_pair, a_plan, an_event, keep

ROOT = Path(__file__).parents[3]


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


def test_a_journal_removed_while_running_is_noticed(journal: Journal, path: Path) -> None:
    journal.append(an_event(1), ())
    path.with_name(path.name + "-wal").unlink()
    with pytest.raises(StoreError, match="removed while running"):
        journal.sync()


KILLED = """
import os, random, signal, sys
from pathlib import Path
from arb.clock import ManualClock
from arb.core.records import PairState
from arb.store.journal import Journal
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
