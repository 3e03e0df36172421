"""Connections to the ledger, set up alike everywhere: foreign keys on, WAL, one busy time-out, real transactions."""

import sqlite3
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from arb.errors import ConfigError, StoreError
from arb.store.paths import mask_url, parse_url, sqlite_file

BUSY_TIMEOUT_MS = 1000
LOCK_TIMEOUT_MS = 3000
# A network that swallows everything, without a word, is noticed within about 15 s.
_POSTGRES = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


def open_engine(
    db_url: str, *, create: bool = False, busy_timeout_ms: int = BUSY_TIMEOUT_MS, foreign_keys: bool = True
) -> Engine:
    """Return an engine without a pool: the ledger has one writer, and reports are short.

    `create` allows a SQLite file to be made. `foreign_keys` False is for migrations, which make tables anew that others refer
    to: SQLite takes that word outside of a transaction only, and PostgreSQL needs none. Raises `ConfigError` when the URL is
    not usable, or names no existing file.
    """
    url = parse_url(db_url)
    file = sqlite_file(url)
    if file is None:
        engine = create_engine(url, poolclass=NullPool, connect_args=_POSTGRES)
        event.listen(engine, "connect", _postgres_setup)
        return engine
    if not create and not file.exists():
        raise ConfigError(f"ledger {file}: no such file; run the engine first, or choose another --db")
    if create:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"ledger {file}: cannot make its directory: {error.strerror}") from None
    engine = create_engine(url, poolclass=NullPool)
    event.listen(engine, "connect", _sqlite_setup(busy_timeout_ms, foreign_keys))
    # Python's driver begins transactions of its own accord, and not before DDL: switched off, and begun by us.
    event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_setup(busy_timeout_ms: int, foreign_keys: bool) -> Any:
    def setup(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={busy_timeout_ms}")
        connection.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")  # a power cut may undo commits, which the journal then repeats

    return setup


def _postgres_setup(connection: Any, _record: object) -> None:
    # Waiting for ever for somebody's lock would look like a ledger that is well.
    connection.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
    connection.commit()


def _sqlite_begin(connection: Connection) -> None:
    deferred = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if deferred else "BEGIN IMMEDIATE")


def store_error(db_url: str, error: DBAPIError) -> StoreError:
    """Return a database error as one line that names the ledger and shows no password."""
    lines = str(error.orig).strip().splitlines() or [type(error).__name__]
    return StoreError(f"ledger {mask_url(db_url)}: {lines[0]}")


def explain_unusable(db_url: str, engine: Engine) -> None:
    """Connect once; raise `StoreError` with one clear line when the database cannot be reached or read."""
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except DBAPIError as error:
        raise store_error(db_url, error) from None
