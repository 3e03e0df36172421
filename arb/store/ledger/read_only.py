"""A ledger for the user's own queries in SQL: read-only for any statement, and ended at once by Ctrl-C.

Three walls prevent a write. A statement must begin with a word that reads; the connection is read-only (SQLite:
`mode=ro`, `query_only` and an authorizer that allows only reading; PostgreSQL: each is sent as one statement (extended
protocol), in a transaction that began `READ ONLY` and has taken its snapshot, after which it cannot be made to write);
and the account that connects to PostgreSQL may have no right to write.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import islice
from typing import Any, NamedTuple

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy.engine import URL

from arb.errors import ArbError, ConfigError, StoreError
from arb.masking import clean
from arb.store.ledger.database import (
    SHOWN_OPTIONS,
    driver_error,
    mask_url,
    parse_url,
    postgres_arguments,
    sqlite_file,
)
from arb.store.ledger.export_place import DUCKDB_FILE
from arb.store.ledger.migrate import Reader

READING = ("SELECT", "WITH", "VALUES", "EXPLAIN", "TABLE", "SHOW")
"""The words with which a statement may begin."""
STEPS_BETWEEN_LOOKS = 10_000
"""After so many steps of SQLite's machine, less than a millisecond, it is seen whether Ctrl-C was pressed."""
_COMMENTS = re.compile(r"(\s+|--[^\n]*(\n|$)|/\*.*?\*/)*", re.DOTALL)
_READ_ACTIONS = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
_SESSION_BEGUN = "SELECT backend_start FROM pg_stat_activity WHERE pid = %s AND pid = pg_backend_pid()"
"""None behind a pooler, which invents the process: it might be that of somebody else's session."""
_END_SESSION = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s"
_WRITES = (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege)


class Rows(NamedTuple):
    """An answer: the names of its columns, and its rows; `more`: there are further rows."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    more: bool


class Interrupted(Exception):
    """Ctrl-C ended a question."""


class _OneStatement(psycopg.Cursor[Any]):
    """Sends each text as one statement, which the server refuses to take for several (PostgreSQL manual, 54.2.3)."""

    def _execute_send(self, query: Any, *, force_extended: bool = False, binary: bool | None = None) -> None:
        super()._execute_send(query, force_extended=True, binary=binary)


class ReadOnlyLedger:
    """One connection to a ledger that takes queries. Use from one thread: for Ctrl-C, the main one."""

    def __init__(self, db_url: str) -> None:
        """Connect; raises `ConfigError` when there is no such ledger or its schema is another one, and `StoreError`."""
        self._db_url = db_url
        Reader(db_url)
        self._file = sqlite_file(parse_url(db_url))
        self._session: tuple[int, Any] = (0, None)
        self._database: Any = self._connected()

    def close(self) -> None:
        self._database.close()

    def ask(self, sql: str, most: int | None = None) -> Rows:
        """Return the answer to one statement, at most so many rows of it.

        Raises `ConfigError` for a statement that would write or that the database does not understand, `StoreError` when the
        database fails, and `Interrupted` on Ctrl-C.
        """
        _require_reading(sql)
        if self._file is None and self._database.info.transaction_status != TransactionStatus.IDLE:
            self._end_transaction()  # a second Ctrl-C arrived while the first one ended the query before
        with self._errors(), closing(self._database.cursor()) as cursor:
            if self._file is None:
                cursor.execute("BEGIN READ ONLY")
                cursor.execute("SELECT 1")  # from its first snapshot on, a transaction cannot be made to write
                cursor.execute(sql)
            else:
                cursor.execute(sql)
            columns = [str(column[0]) for column in cursor.description or ()]
            found = [tuple(map(_shortened, row)) for row in (cursor if most is None else islice(cursor, most + 1))]
        return Rows(columns, found if most is None else found[:most], most is not None and len(found) > most)

    def _connected(self) -> Any:
        if self._file is None:
            try:
                arguments = postgres_arguments(self._db_url)
                opened = psycopg.connect(**arguments, autocommit=True, cursor_factory=_OneStatement)
                pid = opened.info.backend_pid
                begun = opened.execute(_SESSION_BEGUN, [pid]).fetchone()
            except psycopg.Error as error:
                raise driver_error(self._db_url, error) from None
            self._session = (pid, begun and begun[0])
            return opened
        database = sqlite3.connect(f"{self._file.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
        database.execute("PRAGMA query_only=ON")
        database.set_authorizer(
            lambda action, *_: sqlite3.SQLITE_OK if action in _READ_ACTIONS else sqlite3.SQLITE_DENY
        )
        # Called within a query, it gives Python the moment in which it takes Ctrl-C.
        database.set_progress_handler(lambda: 0, STEPS_BETWEEN_LOOKS)
        return database

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            raise Interrupted from None
        except _WRITES as error:
            raise ConfigError(f"{_READS_ONLY}: {_first_line(error)}") from None
        except psycopg.OperationalError as error:
            raise driver_error(self._db_url, error) from None
        except psycopg.Error as error:
            raise ConfigError(f"SQL: {_first_line(error)}") from None
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None)
            if code == sqlite3.SQLITE_INTERRUPT:
                raise Interrupted from None
            if code in (sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY):
                raise ConfigError(f"{_READS_ONLY}: {_first_line(error)}") from None
            if code in (sqlite3.SQLITE_ERROR, None):
                raise ConfigError(f"SQL: {_first_line(error)}") from None
            raise StoreError(f"ledger {mask_url(self._db_url)}: {_first_line(error)}") from None
        finally:
            if self._file is None:
                self._end_transaction()

    def _end_transaction(self) -> None:
        """End PostgreSQL's transaction; where that cannot be, reconnect and end the statement from there.

        It cannot where the connection is lost, or Ctrl-C was pressed between two steps of the driver: with an unawaited
        statement sent, or a request to cancel under way that meets the next statement. Such a request is not enough: a
        server that has not begun the statement yet ignores it, and continues when the connection is closed.
        """
        try:
            self._database.rollback()
        except psycopg.Error:
            left = self._session
            with suppress(psycopg.Error):
                self._database.cancel()
            self._database.close()
            with suppress(ArbError, psycopg.Error):  # without a server nothing continues, and the next query reports it
                self._database = self._connected()
                self._database.execute(_END_SESSION, left)


_READS_ONLY = "the ledger is only read here; only the engine writes it"


def _shortened(value: Any) -> Any:
    """Return a float with the 15 digits that are sure: further ones of a sum are rounding errors of binary numbers."""
    return float(f"{value:.15g}") if isinstance(value, float) else value


def _require_reading(sql: str) -> None:
    """Raise `ConfigError` for a statement that does not begin with a word that reads."""
    skipped = _COMMENTS.match(sql)
    word = re.match(r"\(*\s*([A-Za-z]*)", sql[skipped.end() if skipped else 0 :])
    begin = word[1].upper() if word else ""
    if begin not in READING:
        shown = clean(" ".join(sql.split()), 30)
        raise ConfigError(f"{_READS_ONLY}: {shown!r} does not begin with {', '.join(READING[:-1])} or {READING[-1]}")


def _first_line(error: Exception) -> str:
    return clean((str(error).strip().splitlines() or [type(error).__name__])[0])


def connections(db_url: str) -> dict[str, str]:
    """Return how other programs connect to a ledger to read it, by program; without a password."""
    url = parse_url(db_url)
    file = sqlite_file(url)
    duck = f"arb export --parquet DIR, then in DIR: duckdb -init {DUCKDB_FILE}"
    if file is not None:
        path = str(file.resolve())
        return {
            "sqlite3": f"sqlite3 -readonly -header -column '{path}'",
            "duckdb": f"ATTACH '{path}' AS ledger (TYPE sqlite, READ_ONLY)",
            "duckdb on files": duck,
            "dbeaver": f"driver SQLite, path {path}, and in its properties open_mode = 1 (read only)",
            "python": f"sqlite3.connect('file:{path}?mode=ro', uri=True)",
        }
    host, port, user = url.host or str(url.query.get("host", "localhost")), url.port or 5432, url.username or ""
    shown = {name: value for name, value in url.query.items() if name in SHOWN_OPTIONS}
    bare = URL.create("postgresql", url.username, None, url.host, url.port, url.database, shown)
    address = bare.render_as_string(hide_password=False)
    return {
        "password": "from PGPASSWORD or ~/.pgpass; better the one of a role that may only read",
        "psql": f"PGOPTIONS='-c default_transaction_read_only=on' psql '{address}'",
        "duckdb": f"ATTACH 'host={host} port={port} user={user} dbname={url.database}' AS ledger (TYPE postgres, READ_ONLY)",
        "duckdb on files": duck,
        "dbeaver": f"driver PostgreSQL, jdbc:postgresql://{host}:{port}/{url.database}?readOnly=true, user {user}",
        "python": f"ledger = psycopg.connect('{address}', prepare_threshold=None); ledger.read_only = True",
        "behind a pooler": "psql without PGOPTIONS, and BEGIN READ ONLY before the question: sessions there are shared",
    }
