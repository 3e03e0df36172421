"""One engine per account on this machine: two ledgers trading one account would each take the other for a stranger.

Each account has a lock file beside the journal, which its users see, and one in a directory of the user's own that every
engine of this user looks into, wherever its journal lies. The operating system lets go even after `kill -9`.
"""

import fcntl
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from arb.errors import ConfigError


def shared_directory() -> Path:
    """Return the directory that all engines of this user look into."""
    return Path(tempfile.gettempdir()) / f"arb-{os.getuid()}"


class AccountLocks:
    """Hold `account-ID.lock` of every account, beside the journal and in the shared directory, until released."""

    def __init__(self, journal: Path, account_ids: Iterable[str], shared: Path | None = None) -> None:
        """Take all locks or none; raise `ConfigError` when another engine holds one."""
        self._held: list[tuple[int, Path]] = []
        directories = dict.fromkeys((journal.parent, shared_directory() if shared is None else shared))
        try:
            for account_id in sorted(account_ids):
                for directory in directories:
                    self._take(directory, account_id, journal)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Remove the files and let other engines in."""
        for descriptor, path in self._held:
            path.unlink(missing_ok=True)  # safe: whoever takes a lock makes sure that its file is still the one named
            os.close(descriptor)
        self._held.clear()

    def _take(self, directory: Path, account_id: str, journal: Path) -> None:
        path = directory / f"account-{re.sub(r'[^0-9A-Za-z_.-]', '_', account_id)}.lock"
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = _open_locked(path)
        except BlockingIOError as busy:
            holder = str(busy) or "another process"
            raise ConfigError(
                f"account {account_id}: already traded on this machine by {holder}; stop it first, or use another key"
            ) from None
        except OSError as error:
            raise ConfigError(f"account {account_id}: lock {path}: {error.strerror}: make it writable") from None
        self._held.append((descriptor, path))
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()}, journal {journal.absolute()}\n".encode())


def _open_locked(path: Path) -> int:
    """Return a locked descriptor of the file that `path` names; raise `BlockingIOError` with the holder's words."""
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
