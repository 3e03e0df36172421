"""The guards of the journal and the accounts: one engine to a journal, one to an account, and disk space kept for
repairs.

The lock of the journal is a separate file. Locking the journal file itself would be a trap: POSIX drops every lock a
process holds on a file when *any* descriptor of it is closed, and SQLite's own locks are of that kind
(sqlite.org/howtocorrupt.html, 2.2).

Two engines that trade one account on this machine would each take the other's orders for foreign ones. Before a venue
was asked only an account's key is known, afterwards the account itself: both are locked, so that neither one key nor
two keys of one account let two engines in. Each account has a lock file next to the journal, which its users see, and
one in the user's directory that every engine of this user reads, for any place of its journal and any environment. The
operating system releases it even after `kill -9`.

Only its user can read an engine's files: they are made without rights for others, and no link in their place is
followed.
"""

import contextlib
import fcntl
import os
import pwd
import re
import sqlite3
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from arb.errors import ConfigError

RESERVE_BYTES = 32 * 1024 * 1024
SUFFIXES = ("", "-wal", "-shm")
"""The files of a SQLite file in WAL mode while it is open: its own name, and these behind it."""
NO_SPACE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)
"""SQLite's codes for no space: it knows a full disk, but calls a used-up quota a failed write, and has a separate code
for a shared-memory file that cannot grow.
"""
SHARED = ".local/state/arb"
"""The directory of the locks of accounts in the user's home directory, as the system knows it."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
HOMELESS = Path("/var/tmp")
"""Their directory for a user who has no writable home directory."""


def beside(file: Path, suffix: str) -> Path:
    """Return a file that SQLite keeps next to another one, or next to the target of a link."""
    target = file.resolve()
    return target.with_name(target.name + suffix)


def keep_private(database: Path) -> None:
    """Remove the rights of others to a SQLite file and its side files, which an earlier version may have given."""
    for suffix in SUFFIXES:
        file = beside(database, suffix)
        with contextlib.suppress(OSError):  # not there, or another user's: writing it will raise for who may not
            mode = file.stat().st_mode
            if mode & 0o077 and stat.S_ISREG(mode):
                file.chmod(stat.S_IMODE(mode) & 0o700)


def files_of(file: Path) -> tuple[tuple[int, int], ...]:
    """Return which files an open SQLite file in WAL mode consists of, as the system numbers them.

    They stay the same for as long as a connection is open. Raises `FileNotFoundError` when one is not there.
    """
    found = [beside(file, suffix).stat() for suffix in SUFFIXES]
    return tuple((one.st_dev, one.st_ino) for one in found)


def sync_log(file: Path) -> int:
    """Make the commits of an open SQLite file survive a power cut; return how many bytes its log has."""
    return synced(beside(file, "-wal"))


def synced(path: Path) -> int:
    """Bring a file or a folder to the disk; return its size."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def empty_log(db: sqlite3.Connection) -> bool:
    """Move the log of an open SQLite file into the file, and empty it; return False where a reader prevents it."""
    [busy, *_] = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def rewrite_log(db: sqlite3.Connection, file: Path) -> None:
    """Move the log of an open SQLite file into the file, and read that back from the disk: after an fsync that failed.

    The system reports a failed fsync once, and takes the lost pages for written: the next fsync proves nothing of them. Raises
    `OSError` or `sqlite3.Error` where the disk refuses or returns something else, and while a reader holds the log.
    """
    if not empty_log(db):
        raise sqlite3.OperationalError(
            "an fsync may have failed, and the log is in use: it cannot be written again yet"
        )
    descriptor = os.open(beside(file, ""), os.O_RDONLY)
    try:
        os.fsync(descriptor)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as fresh:
        [found] = fresh.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(f"an fsync failed, and the file is damaged: {found}")


def close_and_put_back(db: sqlite3.Connection, file: Path) -> None:
    """Close the last connection to a file; one that was removed meanwhile is written again from the data the connection
    holds.

    Raises `sqlite3.Error` or `OSError` when the disk refuses; the connection is closed all the same.
    """
    removed = not file.exists()
    copy = beside(file, ".copy")
    with contextlib.closing(db):
        if removed:
            copy.unlink(missing_ok=True)
            with contextlib.closing(sqlite3.connect(copy)) as target:
                db.backup(target)
    if removed:
        for suffix in SUFFIXES:  # of the removed file: its log must not be read into another one
            beside(file, suffix).unlink(missing_ok=True)
        copy.rename(beside(file, ""))


class InstanceLock:
    """Hold `PATH.lock` for as long as the process lives; the operating system releases it even after `kill -9`."""

    def __init__(self, path: Path, of: str = "journal") -> None:
        """Take the lock; raise `ConfigError` when another process (or another object of this one) holds it."""
        self._path = path.with_name(path.name + ".lock")
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise ConfigError(f"{of} {path}: cannot write next to it: {error.strerror}; choose another --db") from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._fd, 32).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise ConfigError(
                f"{of} {path}: already running (process {holder or 'unknown'}); stop it first or choose another --db"
            ) from None
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"{os.getpid()}\n".encode("ascii"))

    def release(self) -> None:
        """Let another process in. The file stays: removing it would let two processes lock two different files."""
        os.close(self._fd)


def place_of_lock(journal: Path) -> str | None:
    """Return which file the lock of a journal is, by the name that only this kernel gives it; None where it has none.

    The holder of the lock that finds this name elsewhere knows that its writer has ended. A host's name would not do:
    two containers may share one. The kernel's own (random at each boot), device and inode together are one file for
    good.
    """
    try:
        kernel = _BOOT_ID.read_text(encoding="ascii").strip()
        found = journal.with_name(journal.name + ".lock").stat()
    except OSError:  # macOS has no such name
        return None
    return f"{kernel}:{found.st_dev}:{found.st_ino}"


class Reserve(Protocol):
    """Space kept for finishing open pairs when the disk is full."""

    @property
    def held(self) -> bool: ...

    def release(self) -> None: ...

    def establish(self) -> bool:
        """Try to set the space aside (again); return whether it is held now."""


class FileReserve:
    """A pre-allocated file of `size` bytes; deleting it makes the space usable."""

    def __init__(self, path: Path, size: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size = size
        self.held = (
            path.exists() and 512 * path.stat().st_blocks >= size
        )  # a copied file may have its size, and no space

    def release(self) -> None:
        """Delete the file; on a disk that refuses even that, nothing is held all the same."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        self.held = False

    def establish(self) -> bool:
        """Allocate the file if twice its size is free, so that it is not taken and lost in turns; return whether
        held."""
        if self.held:
            return True
        try:
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize < 2 * self._size:
                return False
            self._allocate()
        except OSError:
            self.release()
            return False
        self.held = True
        return True

    def _allocate(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            allocate(descriptor, self._size)
            os.fsync(descriptor)  # some file systems find out only then that there is no space
        finally:
            os.close(descriptor)


def allocate(descriptor: int, size: int) -> None:
    """Allocate the first `size` bytes of a file on the disk, keeping its contents. Raises `OSError` without space."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    held = os.fstat(descriptor).st_size
    block = bytes(1024 * 1024)  # macOS has no posix_fallocate: written blocks are allocated blocks
    for start in range(held, size, len(block)):
        os.pwrite(descriptor, block[: size - start], start)


class NoReserve:
    """A journal that protects no money needs no disk reserve, and no log of intents."""

    held = False

    def release(self) -> None: ...

    def establish(self) -> bool:
        """Count as held, so that nothing waits for it."""
        return True


def shared_directory() -> Path:
    """Return the directory that all engines of this user read; no variable of the environment moves it."""
    try:
        home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # as in a container that is started under a number
        home = HOMELESS
    own = home / SHARED
    is_writable = os.access(own, os.W_OK) or os.access(home, os.W_OK)  # a service may see only `own` as writable
    return own if is_writable and home != HOMELESS else HOMELESS / f"arb-{os.getuid()}"


def _require_own(directory: Path) -> None:
    """Make a private directory where there is none; raise `ConfigError` for one that others own or may write to."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ConfigError(
            f"account locks: {directory} is not only this user's (owner {found.st_uid}, mode {stat.filemode(found.st_mode)}):"
            " remove it, or take the right to write there from others"
        )


class AccountLocks:
    """Hold `account-ID.lock` of every account, next to the journal and in the shared directory, until released."""

    def __init__(self, journal: Path, account_ids: Iterable[str], shared: Path | None = None) -> None:
        """Take all locks or none; raise `ConfigError` when another engine holds one."""
        self._held: list[tuple[int, Path]] = []
        self._accounts: set[str] = set()
        self._journal = journal
        self._shared = shared_directory() if shared is None else shared
        self._directories = tuple(dict.fromkeys((journal.parent, self._shared)))
        try:
            self.add(account_ids)
        except BaseException:
            self.release()
            raise

    def add(self, account_ids: Iterable[str]) -> None:
        """Take the locks of more accounts; raise `ConfigError` when another engine holds one. Those held stay held."""
        for account_id in sorted(set(account_ids) - self._accounts):
            for directory in self._directories:
                self._take(directory, account_id)
            self._accounts.add(account_id)

    def release(self) -> None:
        for descriptor, path in self._held:
            path.unlink(missing_ok=True)  # safe: every taker of a lock makes sure that its file is still the one named
            os.close(descriptor)
        self._held.clear()
        self._accounts.clear()

    def _take(self, directory: Path, account_id: str) -> None:
        path = directory / f"account-{re.sub(r'[^0-9A-Za-z_.-]', '_', account_id)}.lock"
        try:
            if directory == self._shared:
                _require_own(directory)
            else:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = _open_locked(path)
        except BlockingIOError as busy:
            holder = str(busy) or "another process"
            raise ConfigError(
                f"account {account_id}: already traded on this machine by {holder}; stop it first, or use another account"
            ) from None
        except OSError as error:
            raise ConfigError(f"account {account_id}: lock {path}: {error.strerror}: make it writable") from None
        self._held.append((descriptor, path))
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()}, journal {self._journal.absolute()}\n".encode())


def running_engines(shared: Path | None = None) -> list[str]:
    """Return the engines of this user that hold an account on this machine, each as its process and its journal."""
    found = set()
    for path in (shared_directory() if shared is None else shared).glob("account-*.lock"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # of an engine that was killed
            except BlockingIOError:
                found.add(file.read(4096).decode("utf-8", "replace").strip())
    return sorted(found - {""})


def _open_locked(path: Path) -> int:
    """Return a locked descriptor of the file that `path` names; raise `BlockingIOError` naming its holder."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(descriptor, 4096).decode("utf-8", "replace").strip()
            os.close(descriptor)
            raise BlockingIOError(holder) from None
        if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
        os.close(descriptor)  # its last holder removed it just now: take the new one
