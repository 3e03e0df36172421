"""Two guards beside the journal: the lock that keeps a second engine out, and the disk space kept for hedges.

Both are files of their own. Locking the journal file itself would be a trap: POSIX drops every lock a process holds
on a file when *any* descriptor of it is closed, and SQLite's own locks are of that kind
(sqlite.org/howtocorrupt.html, 2.2).
"""

import fcntl
import os
from pathlib import Path
from typing import Protocol

from arb.errors import ConfigError

RESERVE_BYTES = 32 * 1024 * 1024


class InstanceLock:
    """Hold `PATH.lock` for as long as the process lives; the operating system lets go even after `kill -9`."""

    def __init__(self, journal: Path) -> None:
        """Take the lock; raise `ConfigError` when another process (or another journal object) holds it."""
        self._path = journal.with_name(journal.name + ".lock")
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigError(
                f"journal {journal}: cannot write beside it: {error.strerror}; choose another --db"
            ) from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._fd, 32).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise ConfigError(
                f"journal {journal}: already running (process {holder or 'unknown'});"
                " stop it first or choose another --db"
            ) from None
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"{os.getpid()}\n".encode("ascii"))

    def release(self) -> None:
        """Let another process in. The file stays: removing it would let two processes lock two different files."""
        os.close(self._fd)


class Reserve(Protocol):
    """Space kept for finishing what is open when the disk is full."""

    @property
    def held(self) -> bool:
        """Return whether the space is set aside right now."""

    def release(self) -> None:
        """Give the space back to the file system."""

    def establish(self) -> bool:
        """Try to set the space aside (again); return whether it is held now."""


class FileReserve:
    """A pre-allocated file of `size` bytes; deleting it is what makes the space usable."""

    def __init__(self, path: Path, size: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size = size
        self.held = path.exists() and path.stat().st_size >= size

    def release(self) -> None:
        """Delete the file."""
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
            self._path.unlink(missing_ok=True)
            return False
        self.held = True
        return True

    def _allocate(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, self._size)
                return
            block = bytes(1024 * 1024)  # macOS has no posix_fallocate: written blocks are allocated blocks
            for start in range(0, self._size, len(block)):
                os.write(descriptor, block[: self._size - start])
        finally:
            os.close(descriptor)
