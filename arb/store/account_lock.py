"""One engine per account on this machine: two ledgers trading one account would each take the other for a stranger.

Before a venue was asked only an account's key is known, afterwards the account itself: both are held, so that neither one key
nor two keys of one account let two engines in. What the venue is asked in between changes nothing there.

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
        self._accounts: set[str] = set()
        self._journal = journal
        self._directories = tuple(dict.fromkeys((journal.parent, shared_directory() if shared is None else shared)))
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
        """Remove the files and let other engines in."""
        for descriptor, path in self._held:
            path.unlink(missing_ok=True)  # safe: whoever takes a lock makes sure that its file is still the one named
            os.close(descriptor)
        self._held.clear()
        self._accounts.clear()

    def _take(self, directory: Path, account_id: str) -> None:
        path = directory / f"account-{re.sub(r'[^0-9A-Za-z_.-]', '_', account_id)}.lock"
        try:
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
