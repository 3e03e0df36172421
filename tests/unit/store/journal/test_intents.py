"""The intent log: whatever happened to the file, nothing leaves that has no place in it, and what may have left is found."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.core.messages.intents import Intent
from arb.errors import ConfigError, StoreError
from arb.store.journal.intents import FILE_BYTES, SLOT_BYTES, SLOTS, IntentLog, intents_of
from tests.support.intents import an_intent
from tests.unit.store.conftest import fill

ROOT = Path(__file__).parents[4]
OWN, OTHER = "00000000000000aa", "00000000000000bb"
HEAD = SLOT_BYTES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.intents"


@pytest.fixture
def log(path: Path) -> Iterator[IntentLog]:
    with closing(IntentLog(path, OWN)) as opened:
        yield opened


def found(path: Path, journal_id: str = OWN) -> list[Intent]:
    """Return what a next process finds."""
    with closing(IntentLog(path, journal_id)) as opened:
        return opened.found


def written(path: Path, *intents: Intent) -> None:
    with closing(IntentLog(path, OWN)) as opened:
        for intent in intents:
            opened.write(intent, intent.seq - 1)


def damage(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


# What it is for.


def test_the_next_process_finds_what_was_intended_oldest_first_and_to_the_last_digit(path: Path) -> None:
    intents = [an_intent(seq, seq) for seq in (3, 4, 9)]
    written(path, *intents)
    assert found(path) == intents
    assert found(path) == intents, "reading changes nothing"


KILLED = """
import os, signal, sys
from pathlib import Path
from arb.store.journal.intents import IntentLog
from tests.support.intents import an_intent
log = IntentLog(Path(sys.argv[1]), sys.argv[2])
for seq in (1, 2):
    log.write(an_intent(seq, seq), 0)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_intended_survives_kill_9_without_any_sync(path: Path) -> None:
    child = subprocess.run([sys.executable, "-c", KILLED, str(path), OWN], cwd=ROOT, check=False)
    assert child.returncode == -signal.SIGKILL
    assert found(path) == [an_intent(1, 1), an_intent(2, 2)]


def test_a_place_is_used_again_only_when_the_journal_has_the_step_that_stands_there(log: IntentLog) -> None:
    for seq in range(1, SLOTS + 1):
        log.write(an_intent(seq, seq), 0)
    with pytest.raises(StoreError, match="64 openings wait for the journal"):
        log.write(an_intent(100, 100), 0)
    log.write(an_intent(100, 100), 1)
    with pytest.raises(StoreError, match="wait for the journal"):
        log.write(an_intent(101, 101), 1)
    log.write(an_intent(101, 101), 2)


def test_it_stays_as_large_as_it_was_made(path: Path, log: IntentLog) -> None:
    for seq in range(1, 5 * SLOTS):
        log.write(an_intent(seq, seq), seq - 1)
    assert path.stat().st_size == FILE_BYTES
    assert [intent.seq for intent in found(path)] == list(range(4 * SLOTS, 5 * SLOTS))


def test_an_intent_too_long_for_a_place_is_refused_and_nothing_is_written(path: Path, log: IntentLog) -> None:
    with pytest.raises(StoreError, match="has no place in 2048"):
        log.write(an_intent(names=("b" * 2_000, "s")), 0)
    assert found(path) == []


def test_a_warmup_writes_into_the_file_and_changes_nothing_that_is_read(path: Path) -> None:
    written(path, an_intent(1, 1), an_intent(2, 2))
    with closing(IntentLog(path, OWN)) as log:
        os.utime(path, ns=(0, 0))
        before = path.read_bytes()
        log.warm_up()
        assert path.stat().st_mtime_ns > 0, "an intent takes the same way"
        assert path.read_bytes() == before
        log.write(an_intent(3, 3), 2)
        log.warm_up()
        with closing(IntentLog(path, OWN)) as again:
            assert [intent.seq for intent in again.found] == [2, 3]


def test_it_belongs_to_its_user_alone(path: Path) -> None:
    written(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o664)
    written(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_lies_beside_its_journal_also_where_a_link_leads_there(tmp_path: Path) -> None:
    target = tmp_path / "real" / "t.journal.sqlite"
    target.parent.mkdir()
    target.touch()
    link = tmp_path / "t.journal.sqlite"
    link.symlink_to(target)
    assert intents_of(target) == intents_of(link) == target.parent.resolve() / "t.intents"


# What may be wrong with the file.


def test_an_intent_that_was_cut_short_is_passed_over_and_the_others_are_found(path: Path) -> None:
    written(path, an_intent(1, 1), an_intent(2, 2))
    damage(path, HEAD + SLOT_BYTES + 100, b"\0" * 8)
    assert [intent.seq for intent in found(path)] == [1]


@given(cut=st.integers(1, FILE_BYTES - 1), garbage=st.binary(max_size=64), at=st.integers(0, FILE_BYTES - 65))
def test_no_damage_makes_an_intent_of_what_never_was_one(cut: int, garbage: bytes, at: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.intents"
        intents = [an_intent(seq, seq) for seq in range(1, 6)]
        written(path, *intents)
        damage(path, at, garbage)
        os.truncate(path, cut)
        try:
            left = found(path)
        except (StoreError, ConfigError):  # its head is damaged
            assert cut < HEAD or at < HEAD
        else:
            assert all(intent in intents for intent in left)
            assert path.stat().st_size == FILE_BYTES, "the space that is needed is there again"


REFUSED: dict[str, tuple[Callable[[Path], None], type[Exception], str]] = {
    "empty": (lambda path: os.truncate(path, 0), StoreError, "not a log of intents, or damaged; move it away"),
    "another program's": (lambda path: damage(path, 0, b"x" * FILE_BYTES), StoreError, "not a log of intents"),
    "a folder": (
        lambda path: path.rename(path.with_suffix(".x")).with_suffix(path.suffix).mkdir(),
        ConfigError,
        "cannot be written",
    ),
    "a link": (lambda path: path.symlink_to(path.rename(path.with_suffix(".x"))), ConfigError, "cannot be written"),
    "a newer version's": (
        lambda path: damage(path, 12, b"\2\0\0\0"),
        ConfigError,
        "newer arb .version 2, this one knows 1",
    ),
    "with a damaged head": (lambda path: damage(path, 20, b"xx"), StoreError, "head is damaged; move it away"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_is_no_log_of_ours_is_refused_and_stays(path: Path, what: str) -> None:
    make, error, says = REFUSED[what]
    written(path, an_intent())
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(error, match=says):
        IntentLog(path, OWN)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_the_log_of_another_journal_is_set_aside_and_comes_back_with_its_journal(path: Path) -> None:
    written(path, an_intent())
    assert found(path, OTHER) == []
    assert path.with_name("t.intents.00000000000000aa").exists()
    assert found(path, OWN) == [an_intent()]
    assert found(path, OTHER) == []


def test_without_the_right_to_write_it_there_is_no_start(path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    path.parent.chmod(0o500)
    try:
        with pytest.raises(ConfigError, match="cannot be written"):
            IntentLog(path, OWN)
    finally:
        path.parent.chmod(0o700)


# The disk.


def test_on_a_full_disk_what_was_allocated_takes_intents(small_disk: Path) -> None:
    with closing(IntentLog(small_disk / "t.intents", OWN)) as log:
        fill(small_disk, but_for=0)
        for seq in range(1, SLOTS):
            log.write(an_intent(seq, seq), 0)
        log.sync()
    assert len(found(small_disk / "t.intents")) == SLOTS - 1


def test_without_space_for_it_nothing_is_intended_until_there_is_some(small_disk: Path) -> None:
    path = small_disk / "t.intents"
    ballast = fill(small_disk, but_for=4_096)
    with closing(IntentLog(path, OWN)) as log:
        with pytest.raises(StoreError, match="no space"):
            log.write(an_intent(), 0)
        with pytest.raises(StoreError, match="no space"):
            log.sync()
        assert not list(small_disk.glob("t.*")), "what was begun is not left behind"
        ballast.unlink()
        log.sync()
        log.write(an_intent(), 0)
    assert found(path) == [an_intent()]


def test_a_warmup_never_fails_not_even_where_an_intent_has_no_place(small_disk: Path) -> None:
    path = small_disk / "t.intents"
    ballast = fill(small_disk, but_for=4_096)
    with closing(IntentLog(path, OWN)) as log:
        log.warm_up()
        ballast.unlink()
        log.sync()
        os.truncate(path, 0)
        fill(small_disk, but_for=0)
        log.warm_up()
        with pytest.raises(StoreError):
            log.sync()


def test_a_log_that_is_removed_or_replaced_while_running_is_found_out(path: Path, log: IntentLog) -> None:
    log.sync()
    moved = path.rename(path.with_suffix(".away"))
    with pytest.raises(StoreError, match="removed while running"):
        log.sync()
    path.write_bytes(moved.read_bytes())
    with pytest.raises(StoreError, match="replaced while running"):
        log.sync()
    path.unlink()
    moved.rename(path)
    log.sync()


def test_a_log_that_is_cut_while_running_has_its_space_again_after_the_next_sync(path: Path, log: IntentLog) -> None:
    os.truncate(path, 100)
    log.sync()
    assert path.stat().st_size == FILE_BYTES
    log.write(an_intent(), 0)


def test_a_log_removed_while_running_is_written_again_when_it_is_closed(path: Path) -> None:
    log = IntentLog(path, OWN)
    path.unlink()
    log.write(an_intent(), 0)
    log.close()
    assert found(path) == [an_intent()]
