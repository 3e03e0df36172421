"""The places of the stores, and the one way to connect to the ledger.

The journal's place follows from the ledger's URL. Connections have foreign keys on, WAL, one busy time-out, real
transactions.
"""

import hashlib
import os
import re
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, Dialect, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from arb.errors import ConfigError, StoreError
from arb.masking import HIDDEN, SecretMask, clean
from arb.store.journal.guards import keep_private

FILE_NAME_MAX = 200
"""File systems take 255 bytes, and the names of the files next to a ledger are longer than its own."""


def parse_url(db_url: str) -> URL:
    """Return the ledger's URL; raise `ConfigError` unless it names a SQLite file or a PostgreSQL database."""
    url = _parsed(db_url)
    if url is None:
        raise ConfigError(
            f"database URL {mask_url(db_url)!r}: not a URL; write sqlite:///var/NAME.sqlite or postgresql://USER@HOST/NAME"
            " (in a password, '@' is written %40 and '?' %3F)"
        )
    backend = url.get_backend_name()
    if backend == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise ConfigError(f"database URL {mask_url(db_url)!r}: names no file; write sqlite:///var/NAME.sqlite")
        if len(os.fsencode(Path(str(url.database)).name)) > FILE_NAME_MAX:
            raise ConfigError(
                f"database URL {db_url[:60]!r}...: the file's name is too long: {FILE_NAME_MAX} characters are the most"
            )
        _require_file(Path(str(url.database)))
        return url
    if backend == "postgresql":
        if not url.database:
            raise ConfigError(
                f"database URL {mask_url(db_url)!r}: names no database; write postgresql://USER@HOST/NAME"
            )
        return url.set(drivername="postgresql+psycopg")
    raise ConfigError(f"database URL {mask_url(db_url)!r}: {backend} is not supported; use sqlite or postgresql")


def _require_file(file: Path) -> None:
    """Raise `ConfigError` where a ledger's file is a folder or a device, or is in a folder that this user may not read."""
    try:
        mode = file.stat().st_mode
    except PermissionError:
        for folder in reversed(file.absolute().parents):
            if not os.access(folder, os.X_OK):
                raise ConfigError(
                    f"ledger {file}: {folder} belongs to {_owner(folder)}, and you may not look into it: "
                    f"run this as that user (sudo -u {_owner(folder)} arb ...), or choose another --db"
                ) from None
        raise
    except OSError:
        return  # it is not there, or opening it reports why
    if not stat.S_ISREG(mode):
        raise ConfigError(f"ledger {file}: is no file: name one with --db, such as sqlite:///var/NAME.sqlite")


def _owner(folder: Path) -> str:
    try:
        return folder.owner()
    except KeyError:  # a number without a name
        return f"user {folder.stat().st_uid}"


def _parsed(db_url: str) -> URL | None:
    """Return the URL, or None for text that is none, and for one whose password ends too early.

    A password with an unescaped `@`, or a query with one, is cut there, and its rest taken for a host.
    """
    try:
        url = make_url(db_url)
    except (ArgumentError, ValueError):
        return None
    address, _, query = db_url.partition("?")
    cut = address.count("@") > 1 or "@" in query
    return None if cut and url.get_backend_name() != "sqlite" else url


SHOWN_OPTIONS = frozenset({"host", "port", "dbname", "user", "sslmode", "application_name", "connect_timeout"})
"""The options of a PostgreSQL URL's query that may be shown: a mistyped `password=` is not among them either."""


def mask_url(db_url: str) -> str:
    """Return the URL as it may be shown: without its password, and of its query only options known to be no secret."""
    url = _parsed(db_url)
    if url is None:
        scheme = re.match(r"[a-z0-9+]+://", db_url)
        return db_url if db_url.isalnum() else f"{scheme.group() if scheme else ''}{HIDDEN}"
    if url.get_backend_name() == "sqlite":
        return db_url
    shown = url.set(query={}).render_as_string(hide_password=True)
    given = [option for option in db_url.partition("?")[2].split("&") if option]
    options = [option for option in given if option.partition("=")[0] in SHOWN_OPTIONS]
    if len(options) < len(given):
        options.append(HIDDEN)
    return f"{shown}?{'&'.join(options)}" if options else shown


def _secrets_of(db_url: str) -> SecretMask:
    """Return the mask of the texts that `mask_url` hides, for a driver's messages about a connection."""
    url = _parsed(db_url)
    if url is None:
        return SecretMask()
    options = (value for name, value in url.query.items() if name not in SHOWN_OPTIONS)
    return SecretMask([str(secret) for secret in (url.password, *options) if secret is not None])


def sqlite_file(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite":
        return None
    return Path(str(url.database))


def journal_path(db_url: str, journal_dir: Path) -> Path:
    """Return the journal that belongs to a ledger.

    Next to a SQLite ledger `DIR/NAME.sqlite` it is `DIR/NAME.journal.sqlite`; of a link, next to its target. For
    PostgreSQL it is in `journal_dir`, named by a hash of the URL; the password, the query and the driver are not
    hashed, so that changing one of them finds the same journal.
    """
    url = parse_url(db_url)
    file = sqlite_file(url)
    if file is not None:
        beside = file.with_name(f"{file.stem}.journal.sqlite")
        if not file.is_symlink() or beside.exists():
            return beside
        file = file.resolve()
        return file.with_name(f"{file.stem}.journal.sqlite")
    host = url.host or url.query.get("host", "")
    identity = f"postgresql://{url.username or ''}@{host}:{url.port or 5432}/{url.database}"
    return journal_dir / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.journal.sqlite"


BUSY_TIMEOUT_MS = 1000
LOCK_TIMEOUT_MS = 3000
MIGRATION_LOCK_MS = 10_000
"""How long an upgrade waits for one of another process, and for readers of a table that it changes."""
# A network that silently drops everything is noticed within about 15 s.
_POSTGRES = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    # A pooler in transaction mode gives the server's session, and the statements prepared in it, to others.
    "prepare_threshold": None,
}


def open_engine(
    db_url: str, *, create: bool = False, busy_timeout_ms: int = BUSY_TIMEOUT_MS, foreign_keys: bool = True
) -> Engine:
    """Return an engine without a pool: the ledger has one writer, and reports are short.

    `create` allows a SQLite file to be made. `foreign_keys` False is for migrations, which rebuild tables that others
    refer to: SQLite accepts that setting outside of a transaction only, and PostgreSQL needs none. Raises `ConfigError`
    when the URL is not usable, or names no existing file.
    """
    url = parse_url(db_url)
    file = sqlite_file(url)
    if file is None:
        engine = create_engine(url, poolclass=NullPool, connect_args=_POSTGRES)
        event.listen(engine, "do_connect", _connect_to_utf8(db_url))
        event.listen(engine, "begin", _postgres_begin)
        return engine
    if not create and not file.exists():
        raise ConfigError(f"ledger {file}: no such file; run the engine first, or choose another --mode or --db")
    if create:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"ledger {file}: cannot make its directory: {error.strerror}") from None
        keep_private(file)
    elif _on_read_only_medium(file):
        # SQLite reads a file in WAL mode without its side files only where it cannot change ("immutable").
        url = url.set(database=file.resolve().as_uri(), query={"mode": "ro", "immutable": "1", "uri": "true"})
    engine = create_engine(url, poolclass=NullPool)
    event.listen(engine, "connect", _sqlite_setup(busy_timeout_ms, foreign_keys))
    # Python's driver begins transactions automatically, and not before DDL: switched off, and begun by us.
    event.listen(engine, "begin", _sqlite_begin)
    return engine


@contextmanager
def opened(db_url: str, *, create: bool = False, foreign_keys: bool = True) -> Iterator[Engine]:
    """Open a ledger as `open_engine` does, for as long as the context; raises `StoreError` where the database fails in it."""
    engine = open_engine(db_url, create=create, foreign_keys=foreign_keys)
    try:
        yield engine
    except DBAPIError as error:
        raise store_error(db_url, error) from None
    finally:
        engine.dispose()


def _on_read_only_medium(file: Path) -> bool:
    """Return whether a ledger is on a read-only medium; raises `ConfigError` where side files of it exist there."""
    if not os.statvfs(file.parent).f_flag & os.ST_RDONLY:
        return False
    beside = file.with_name(f"{file.name}-wal")
    if beside.exists() and beside.stat().st_size:
        raise ConfigError(
            f"ledger {file}: on a read-only medium, and its latest rows are in {beside.name}: copy both to where can be written"
        )
    return True


def postgres_arguments(db_url: str) -> dict[str, Any]:
    """Return the arguments only the driver needs to connect to PostgreSQL; `ConfigError` as `parse_url`."""
    url = parse_url(db_url)
    return {**url.get_dialect()().create_connect_args(url)[1], **_POSTGRES}


def _sqlite_setup(busy_timeout_ms: int, foreign_keys: bool) -> Any:
    def setup(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={busy_timeout_ms}")
        connection.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")  # a power cut may undo commits, which the journal then repeats

    return setup


def _connect_to_utf8(db_url: str) -> Any:
    def connect(dialect: Dialect, _record: object, arguments: list[Any], named: dict[str, Any]) -> Any:
        """Connect; raise `ConfigError` where the database cannot hold every text: before SQLAlchemy asks it anything."""
        connection: Any = dialect.connect(*arguments, **named)
        encoding = connection.info.parameter_status("server_encoding")
        if encoding not in (None, "UTF8"):
            connection.close()
            raise ConfigError(
                f"ledger {mask_url(db_url)}: its encoding is {encoding}, which cannot hold every text: create another, "
                "CREATE DATABASE NAME TEMPLATE template0 ENCODING 'UTF8'"
            )
        return connection

    return connect


def _postgres_begin(connection: Connection) -> None:
    # Waiting for ever for another session's lock would look like a healthy ledger. Only for this transaction, as behind
    # a pooler.
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")


def _sqlite_begin(connection: Connection) -> None:
    deferred = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if deferred else "BEGIN IMMEDIATE")


def store_error(db_url: str, error: DBAPIError) -> StoreError:
    """Return a database error as one line that names the ledger, and who holds it up, and shows no password."""
    held = _holders(db_url) if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE else ""
    return StoreError(f"{driver_error(db_url, error.orig)}{held}")


def driver_error(db_url: str, error: BaseException | None) -> StoreError:
    """Return a driver's message as one line that names the ledger and shows no password."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return StoreError(f"ledger {mask_url(db_url)}: {_secrets_of(db_url).masked(lines[0])}")


_LOCK_NOT_AVAILABLE = "55P03"
# Of advisory locks only those with a key of one number, as an upgrade's: the accounts' (`lease.py`) hold up no row.
_HOLDERS = """
SELECT DISTINCT activity.pid, activity.usename, activity.application_name, activity.state,
    to_char(activity.xact_start AT TIME ZONE 'UTC', 'HH24:MI:SS')
FROM pg_locks AS held JOIN pg_stat_activity AS activity ON activity.pid = held.pid
LEFT JOIN pg_class AS class ON class.oid = held.relation
WHERE held.granted AND activity.datname = current_database() AND activity.pid <> pg_backend_pid()
    AND (held.locktype = 'advisory' AND held.objsubid = 1 OR class.relnamespace = current_schema()::regnamespace)
ORDER BY activity.pid LIMIT 3
"""


def _holders(db_url: str) -> str:
    """Return which other sessions hold locks in a PostgreSQL ledger, "" when none does any more."""
    engine = open_engine(db_url)
    try:
        with engine.connect() as connection:
            found = connection.execute(text(_HOLDERS)).all()
    except DBAPIError:
        return ""
    finally:
        engine.dispose()
    named = [
        f"process {pid} ({', '.join(clean(part) for part in (f'user {user}', program, state) if part)}, since {since} UTC)"
        for pid, user, program, state, since in found
    ]
    return f"; locks are held by {' and '.join(named)}" if named else ""


ANSWER_WITHIN_S = 5.0


def recorded_journal(db_url: str) -> Path | None:
    """Return the journal's path recorded in a ledger on PostgreSQL; None when it does not answer within seconds, has none,
    or is refused (`ConfigError`).

    A SQLite ledger is not asked: its journal is next to it, and a copy would name that of the original. The caller may
    need nothing else of a ledger, so its tables are not loaded for this.
    """
    if sqlite_file(parse_url(db_url)) is not None:
        return None
    found: list[Path] = []

    def read() -> None:
        engine = open_engine(db_url)
        try:
            with suppress(DBAPIError, ConfigError), engine.connect() as connection:
                named = connection.execute(text("SELECT journal_path FROM projection")).scalars().first()
                found.extend([Path(named)] if named else [])
        finally:
            engine.dispose()

    # A server that takes the connection and then stalls would hold the caller for ever.
    asking = threading.Thread(target=read, daemon=True)
    asking.start()
    asking.join(ANSWER_WITHIN_S)
    return found[0] if found else None
