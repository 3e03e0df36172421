"""The file of paper accounts, next to the journal: the facts a venue would know of them.

`NAME.account.sqlite` holds texts by account and name. It is no copy of the journal but the other side of it: after
`kill -9` the engine queries its orders at the paper venue, as it would at a real one, and this file answers. A write is
durable before it returns, even against a power cut, and is made off the loop. The journal's lock guards this file, too.
"""

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from arb.errors import ConfigError, StoreError
from arb.store.journal.guards import keep_private

SUFFIX = ".account.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entries (
    account_id TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (account_id, name)
) WITHOUT ROWID;
"""
_TOKEN_BITS = 32


def account_path(journal: Path) -> Path:
    return journal.with_name(journal.name.removesuffix(".journal.sqlite") + SUFFIX)


class AccountFile:
    """See the module's text; an `arb.venues.paper.account.AccountMemory`."""

    def __init__(self, journal: Path, rng: random.Random, environment: str) -> None:
        """Open the file next to `journal`, which this process has locked; raises `ConfigError` where it cannot be used.

        `environment`: whose venues' accounts these are, as fixed by the first opening of a file.
        """
        self.path = account_path(journal)
        with contextlib.ExitStack() as stack:
            try:
                # One connection, used by one thread at a time: here at the start, and by the writer from then on.
                self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
                stack.callback(self._db.close)
                keep_private(self.path)
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.executescript(_SCHEMA)
                new = f"{rng.getrandbits(_TOKEN_BITS):08x}"
                self._db.execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('token', ?)", (new,))
                self._db.execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('environment', ?)", (environment,))
                known = self._db.execute("SELECT value FROM meta WHERE name = 'environment'").fetchone()[0]
                self.token: str = self._db.execute("SELECT value FROM meta WHERE name = 'token'").fetchone()[0]
            except sqlite3.Error as error:
                raise ConfigError(f"paper accounts {self.path}: {error}; choose another --db") from None
            if known != environment:
                raise ConfigError(
                    f"paper accounts {self.path}: they are of {known} venues, and this run's are {environment}; figures of "
                    "both would mix: choose another --db"
                )
            stack.pop_all()
        self._writer = ThreadPoolExecutor(1, "paper-account")

    def read(self, account_id: str) -> dict[str, str]:
        rows = self._db.execute("SELECT name, value FROM entries WHERE account_id = ?", (account_id,))
        return dict(rows.fetchall())

    async def write(self, account_id: str, entries: Mapping[str, str | None]) -> None:
        """Write entries, None to delete one, in one transaction, after those of earlier calls; raises `StoreError`."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._write, account_id, entries)

    def close(self) -> None:
        self._writer.shutdown()
        self._db.close()

    def _write(self, account_id: str, entries: Mapping[str, str | None]) -> None:
        gone = [(account_id, name) for name, value in entries.items() if value is None]
        put = [(account_id, name, value) for name, value in entries.items() if value is not None]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("DELETE FROM entries WHERE account_id = ? AND name = ?", gone)
            self._db.executemany("INSERT OR REPLACE INTO entries (account_id, name, value) VALUES (?, ?, ?)", put)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise StoreError(f"paper accounts {self.path}: {error}") from None
