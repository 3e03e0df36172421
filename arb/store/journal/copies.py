"""Copies of SQLite files, each of one instant, made while an engine writes them."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from arb.errors import ConfigError, StoreError
from arb.store.journal.guards import synced


def copy_sqlite(file: Path, copy: Path) -> None:
    """Copy a SQLite file as it is at one instant into a new private file, and bring that to the disk.

    Every page is read, so a damaged file is not copied. The copy is in WAL mode: opening it changes none of its bytes.
    Raises `ConfigError` when there is no such file, and `StoreError`, with no copy left, when it cannot be read or the
    copy cannot be written.
    """
    if not file.exists():
        raise ConfigError(f"{file}: no such file; there is nothing to copy")
    try:
        os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise StoreError(f"{file}: cannot be copied to {copy}: {error.strerror}") from None
    try:
        # Not mode=ro: a reader of a WAL file must be able to make its shared-memory file.
        source = f"{file.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(source, uri=True, isolation_level=None, timeout=5)) as db:
            db.execute("VACUUM INTO ?", (str(copy.absolute()),))
        with closing(sqlite3.connect(copy, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode=WAL")
        synced(copy)
    except (OSError, sqlite3.Error) as error:
        copy.unlink(missing_ok=True)
        raise StoreError(f"{file}: cannot be copied to {copy}: {error}") from None
