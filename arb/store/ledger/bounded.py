"""Queries that cannot write and are bounded in time, for all functions of this package.

The database itself refuses to write: SQLite opens the file with `mode=ro` and `query_only`, PostgreSQL begins every
transaction read-only. It also ends a slow query (SQLite's progress handler, PostgreSQL's `statement_timeout`), so that
a query never keeps the engine's checkpoints from resetting the write-ahead log for longer than that.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import Dialect

from arb.clock import NS_PER_MS, SystemClock

LIMIT_MS = 2_000
_STEPS = 20_000
"""After so many steps of SQLite's machine the time is looked at: every few milliseconds."""
_limit_ms: ContextVar[int | None] = ContextVar("limit_ms", default=None)


@contextmanager
def bounded(limit_ms: int = LIMIT_MS) -> Iterator[None]:
    """Within this context every connection to a ledger is read-only, and is cut off after `limit_ms` > 0.

    A question that is cut off raises `StoreError`, as any other fault of the database.
    """
    token = _limit_ms.set(limit_ms)
    try:
        yield
    finally:
        _limit_ms.reset(token)


def _open(dialect: Dialect, _record: object, arguments: list[Any], named: dict[str, Any]) -> Any:
    if _limit_ms.get() is None or dialect.name != "sqlite" or named.get("uri"):
        return None  # a file opened by a URI is on a read-only medium, and is opened accordingly
    uri = f"{Path(arguments[0]).absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, check_same_thread=False)


def _bound(connection: Any, _record: object) -> None:
    limit_ms = _limit_ms.get()
    if limit_ms is not None and isinstance(connection, sqlite3.Connection):
        clock = SystemClock()
        until_ns = clock.monotonic_ns() + limit_ms * NS_PER_MS
        connection.execute("PRAGMA query_only=ON")
        connection.set_progress_handler(lambda: clock.monotonic_ns() > until_ns, _STEPS)


def _begin(connection: Connection) -> None:
    limit_ms = _limit_ms.get()
    if limit_ms is not None and connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {limit_ms}")


event.listen(Engine, "do_connect", _open)
event.listen(Engine, "connect", _bound)
event.listen(Engine, "begin", _begin)
