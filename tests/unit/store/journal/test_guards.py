"""One account is traded by one engine of a machine, whatever ledgers there are."""

import contextlib
import os
import tempfile
from pathlib import Path

import pytest

from arb.errors import ConfigError
from arb.store.journal.guards import AccountLocks, FileReserve, InstanceLock, keep_private, shared_directory


def locks(folder: Path, name: str, *accounts: str) -> AccountLocks:
    """Take the locks of an engine whose journal lies in a directory of its own."""
    return AccountLocks(folder / name / "a.journal.sqlite", accounts, shared=folder / "shared")


def test_a_second_ledger_elsewhere_may_not_trade_the_same_account(tmp_path: Path) -> None:
    first = locks(tmp_path, "one", "gate-1", "okx-1")
    with pytest.raises(ConfigError) as caught:
        locks(tmp_path, "two", "okx-1", "bitget-1")
    assert f"account okx-1: already traded on this machine by process {os.getpid()}" in str(caught.value)
    assert str(tmp_path / "one" / "a.journal.sqlite") in str(caught.value)
    first.release()
    locks(tmp_path, "two", "okx-1", "bitget-1").release()


def test_two_keys_of_one_account_lock_each_other_out_once_it_is_known_whose_they_are(tmp_path: Path) -> None:
    first, second = locks(tmp_path, "one", "gate-key-1"), locks(tmp_path, "two", "gate-key-2")
    first.add(["gate-uid-53"])
    with pytest.raises(ConfigError, match="account gate-uid-53: already traded on this machine by process"):
        second.add(["gate-uid-53"])
    with pytest.raises(ConfigError, match="gate-key-2"):
        locks(tmp_path, "three", "gate-key-2")  # it holds what it held
    second.release()
    first.release()
    again = locks(tmp_path, "two", "gate-key-2")
    again.add(["gate-uid-53"])
    again.release()
    assert not list((tmp_path / "shared").iterdir())


def test_an_account_that_is_held_already_may_be_added_again(tmp_path: Path) -> None:
    held = locks(tmp_path, "one", "gate-key-1")
    held.add(["gate-key-1", "gate-key-1"])
    held.release()
    assert not list((tmp_path / "one").iterdir())


def test_who_is_refused_one_account_keeps_none(tmp_path: Path) -> None:
    first = locks(tmp_path, "one", "okx-1")
    with pytest.raises(ConfigError):
        locks(tmp_path, "two", "gate-1", "okx-1")
    locks(tmp_path, "three", "gate-1").release()
    first.release()


def test_different_accounts_do_not_disturb_each_other(tmp_path: Path) -> None:
    held = [locks(tmp_path, "one", "gate-1"), locks(tmp_path, "one", "gate-2")]
    assert (tmp_path / "one" / "account-gate-1.lock").exists()
    for lock in held:
        lock.release()


def test_a_directory_that_cannot_be_written_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("a file")
    with pytest.raises(ConfigError, match="make it writable"):
        locks(tmp_path, "one", "gate-1")


def test_an_account_id_never_leaves_its_directory(tmp_path: Path) -> None:
    held = locks(tmp_path, "one", "../gate/1")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["account-.._gate_1.lock"]
    held.release()
    assert not list((tmp_path / "one").iterdir())


def test_the_shared_directory_is_one_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = shared_directory()
    for name in ("TMPDIR", "HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    tempfile.tempdir = None  # what Python remembers of TMPDIR
    assert shared_directory() == before


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_shared_directory_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(mode)
    with pytest.raises(ConfigError, match="is not only this user's"):
        locks(tmp_path, "one", "gate-1")


def test_a_link_in_the_place_of_the_shared_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "shared").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="is not only this user's"):
        locks(tmp_path, "one", "gate-1")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a directory to another user")
def test_a_shared_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o700)
    os.chown(tmp_path / "shared", 65534, 65534)
    with pytest.raises(ConfigError, match="owner 65534"):
        locks(tmp_path, "one", "gate-1")


@pytest.mark.parametrize("name", ["a.journal.sqlite.lock", "a.journal.reserve"])
def test_no_link_in_the_place_of_a_file_of_ours_is_followed(tmp_path: Path, name: str) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / name).symlink_to(tmp_path / "theirs")
    with contextlib.suppress(ConfigError):
        InstanceLock(tmp_path / "a.journal.sqlite").release()
    FileReserve(tmp_path / "a.journal.reserve", size=4096).establish()
    assert (tmp_path / "theirs").read_text() == "theirs"


def test_files_of_an_earlier_version_become_this_users_alone(tmp_path: Path) -> None:
    for name in ("a.sqlite", "a.sqlite-wal", "a.sqlite-shm"):
        (tmp_path / name).touch(mode=0o644)
    keep_private(tmp_path / "a.sqlite")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    (tmp_path / "a.sqlite").chmod(0o444)
    keep_private(tmp_path / "a.sqlite")
    assert (tmp_path / "a.sqlite").stat().st_mode & 0o777 == 0o400, "one that may not be written stays so"
