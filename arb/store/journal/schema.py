"""The journal's file: its tables, opened for writing, made where there is none, brought up from an earlier version."""

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

from arb.clock import Clock
from arb.errors import ConfigError, StoreError
from arb.store.journal.blocks import BLOCKS
from arb.store.journal.guards import keep_private
from arb.store.journal.reader import APPLICATION_ID, MAX_SUB, SCHEMA_VERSION, SUB_BITS, check_schema

_SCHEMA = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    t_ns INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('event', 'command')),
    type TEXT NOT NULL,
    payload TEXT NOT NULL,
    seq INTEGER GENERATED ALWAYS AS (id >> {SUB_BITS}) VIRTUAL,
    sub INTEGER GENERATED ALWAYS AS (id & {MAX_SUB}) VIRTUAL
);
CREATE TABLE live (
    kind TEXT NOT NULL, key INTEGER NOT NULL, pair_id INTEGER NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE counters (kind TEXT PRIMARY KEY, max_id INTEGER NOT NULL) WITHOUT ROWID;
{BLOCKS}
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""
# Version 1 had no blocks: its entries stay as they are, until they are compressed in turn.
_FROM_VERSION_1 = f"BEGIN IMMEDIATE;{BLOCKS}PRAGMA user_version = 2;COMMIT;"


def connect(path: Path, make: Callable[[sqlite3.Connection], None] | None = None) -> sqlite3.Connection:
    """Open the file for writing and bring it to the present schema; `make` fills an empty one, which is refused without.

    Raises `ConfigError` when it cannot be written or a newer arb wrote it, `StoreError` when it is not a sound journal.
    """
    keep_private(path)
    try:
        db = sqlite3.connect(path, isolation_level=None, timeout=1)
    except sqlite3.Error as error:
        raise ConfigError(f"journal {path}: cannot be opened for writing: {error}; choose another --db") from None
    try:
        db.execute("PRAGMA page_size=2048")  # one event is about 1 kB, and whole pages go to the log
        version = check_schema(db, path)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("PRAGMA wal_autocheckpoint=0")
        if version == 0:
            if make is None:
                raise StoreError(f"journal {path}: an empty file; put the journal back, or choose another --db")
            make(db)
        elif version == 1:
            db.executescript(_FROM_VERSION_1)
        db.execute("BEGIN IMMEDIATE")  # a read-only file shows itself here, not at the first order
        db.execute("ROLLBACK")
    except sqlite3.Error as error:
        db.close()
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            raise ConfigError(f"journal {path}: cannot be written: {error}; choose another --db") from None
        raise StoreError(f"journal {path}: {error}") from None
    except BaseException:
        db.close()
        raise
    return db


def create(db: sqlite3.Connection, clock: Clock, rng: random.Random) -> None:
    db.executescript(f"BEGIN;{_SCHEMA}")
    meta = [("journal_id", f"{rng.getrandbits(64):016x}"), ("created_ns", str(clock.wall_ns()))]
    db.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", meta)
    db.execute("COMMIT")
