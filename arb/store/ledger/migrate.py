"""The ledger's schema, made and changed through alembic and nothing else. Its configuration is made here: a wheel carries no
ini file. Which revision a ledger has, and which there are, is read without alembic, whose loading takes longer than most
commands that ask for no more.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

import arb
from arb.errors import ConfigError, StoreError, require
from arb.store.ledger.database import (
    MIGRATION_LOCK_MS,
    mask_url,
    open_engine,
    opened,
    parse_url,
    sqlite_file,
    store_error,
)
from arb.store.ledger.tables import Base
from arb.store.ledger.views import VIEWS

if TYPE_CHECKING:
    from alembic.config import Config

_FILE = re.compile(r"([0-9]{4})_[a-z0-9_]+\.py")
# One number for all processes: two that upgrade the same PostgreSQL at once take turns.
_ADVISORY_LOCK = 0x617262
_moment: ContextVar[tuple[str, Connection] | None] = ContextVar("moment", default=None)
"""The ledger that is read at one instant, and the connection that sees it."""


def migrations_dir() -> Path:
    package = Path(arb.__file__).parent
    for place in (package / "migrations", package.parent / "migrations"):
        if (place / "env.py").is_file():
            return place
    raise StoreError(f"the migrations are missing from this installation (looked next to {package})")


def make_config(connection: Connection | None = None) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_dir()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@cache
def known() -> tuple[str, ...]:
    """Return all revisions this arb knows, the newest first: each is a file that begins with its number."""
    files = (_FILE.fullmatch(path.name) for path in (migrations_dir() / "versions").iterdir())
    return tuple(sorted((file[1] for file in files if file), reverse=True))


def head() -> str:
    return known()[0]


def upgrade(db_url: str, revision: str = "head") -> tuple[str | None, str | None]:
    """Bring the schema to `revision`, making the database file if need be; return (revision before, revision after).

    One transaction: after a failure the old schema holds. Raises `ConfigError` when a newer arb made the schema, or
    another program the file, `StoreError` when the database cannot be reached or written.
    """
    goal = head() if revision == "head" else revision
    return _migrate(db_url, goal, "upgrade", revision)


def downgrade(db_url: str, revision: str) -> tuple[str | None, str | None]:
    """Take the schema back to `revision` (`base`: nothing); the rows of dropped tables are lost."""
    return _migrate(db_url, revision, "downgrade", revision)


def current(db_url: str) -> str | None:
    """Return the schema's revision, None when there is none yet; raise as `upgrade` does."""
    with opened(db_url) as engine, engine.connect() as connection:
        return _revision(connection)


def check(db_url: str, *, whole: bool = True) -> list[str]:
    """Return the faults of the ledger's schema and integrity, one line each; an empty list is good.

    Unless `whole`, the pages of a SQLite file are not read one by one, but only its rows' references.
    """
    with opened(db_url) as engine, engine.connect() as connection:
        return [*_schema_faults(connection), *_integrity_faults(connection, whole)]


def schema_faults(db_url: str) -> list[str]:
    with opened(db_url) as engine, engine.connect() as connection:
        return _schema_faults(connection)


def require_current(db_url: str, engine: Engine) -> None:
    try:
        with engine.connect() as connection:
            found = _revision(connection)
    except DBAPIError as error:
        raise store_error(db_url, error) from None
    _refuse_newer(db_url, found)
    if found is None:
        raise ConfigError(f"ledger {mask_url(db_url)}: nothing ran here yet: start an engine with `arb run`")
    if found != head():
        raise ConfigError(f"ledger {mask_url(db_url)}: schema {found}, this arb needs {head()}; run `arb db upgrade`")


class Reader:
    """Reads a ledger of the present schema, with a connection for every question, so that nothing is held between them."""

    def __init__(self, db_url: str) -> None:
        """Raise `ConfigError` when there is no such ledger, or its schema is not the present one."""
        self._db_url = db_url
        self._engine = open_engine(db_url).execution_options(read_only=True)
        if self._engine.dialect.name == "postgresql":  # a SQLite transaction always sees one instant
            self._engine = self._engine.execution_options(isolation_level="REPEATABLE READ")
        require_current(db_url, self._engine)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection that sees one instant; raises `StoreError` where the database fails.

        Within `one_moment` it is the connection of the whole answer.
        """
        moment = _moment.get()
        try:
            if moment is not None and moment[0] == self._db_url:
                yield moment[1]
                return
            with self._engine.connect() as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            raise store_error(self._db_url, error) from None


@contextmanager
def one_moment(db_url: str) -> Iterator[None]:
    """Within this context all readers of a ledger see one instant: that of the first question.

    Raises as `Reader` does.
    """
    with Reader(db_url).transaction() as connection:
        token = _moment.set((db_url, connection))
        try:
            yield
        finally:
            _moment.reset(token)


def _migrate(db_url: str, goal: str, way: str, revision: str) -> tuple[str | None, str | None]:
    _refuse_others(db_url)
    with opened(db_url, create=True, foreign_keys=False) as engine:
        with engine.connect().execution_options(read_only=True) as connection:
            before = _revision(connection)  # before any lock is asked for: as a rule there is nothing to do
        _refuse_newer(db_url, before)
        if before == goal:
            return before, before
        return _carried_out(db_url, engine, goal, way, revision)


def _carried_out(db_url: str, engine: Engine, goal: str, way: str, revision: str) -> tuple[str | None, str | None]:
    from alembic import command
    from alembic.util.exc import CommandError

    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SET LOCAL lock_timeout = {MIGRATION_LOCK_MS}"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            before = _revision(connection)
            _refuse_newer(db_url, before)
            if before == goal:
                return before, before
            dangling = set(_dangling(connection))
            getattr(command, way)(make_config(connection), revision)
            for fault in _dangling(connection):
                # `arb db check` reports earlier faults: an upgrade may be on the way to a rebuild.
                require(fault in dangling, f"ledger {mask_url(db_url)}: the migration lost a row: {fault}")
            return before, _revision(connection)
    except CommandError as error:
        raise ConfigError(f"ledger {mask_url(db_url)}: {error}") from None


def _revision(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _is_newer(revision: str | None) -> bool:
    return revision is not None and revision not in known()


def _refuse_newer(db_url: str, revision: str | None) -> None:
    if _is_newer(revision):
        raise ConfigError(f"ledger {mask_url(db_url)}: schema {revision} was made by a newer arb; upgrade arb")


def _refuse_others(db_url: str) -> None:
    """Refuse a SQLite file that another program made, before anything of it is touched.

    A PostgreSQL database may well be shared.
    """
    path = sqlite_file(parse_url(db_url))
    if path is None or not path.is_file():
        return
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as file:
            tables = sorted(str(row[0]) for row in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))
    except sqlite3.Error:
        return  # its faults are reported when it is opened for good
    if tables and "alembic_version" not in tables:
        named = ", ".join(tables[:3])
        raise ConfigError(
            f"ledger {mask_url(db_url)}: another program's SQLite file (tables {named}); choose another --db"
        )


def _schema_faults(connection: Connection) -> list[str]:
    found = _revision(connection)
    if _is_newer(found):
        return [f"schema {found} was made by a newer arb, this one knows {head()}: upgrade arb"]
    if found != head():
        return [f"schema is {found or 'missing'}, this arb needs {head()}: run `arb db upgrade`"]
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    context = MigrationContext.configure(connection, opts={"compare_type": True})
    faults = [
        f"schema differs from the one arb expects: {change}" for change in compare_metadata(context, Base.metadata)
    ]
    for view in VIEWS:
        try:
            with connection.begin_nested():
                connection.execute(text(f"SELECT * FROM {view} LIMIT 0")).all()
        except DBAPIError as error:
            faults.append(f"view {view} cannot be read: {str(error.orig).splitlines()[0]}")
    return faults


def _integrity_faults(connection: Connection, whole: bool) -> list[str]:
    if connection.dialect.name != "sqlite":
        return []  # PostgreSQL checks its own pages and constraints
    found = connection.execute(text("PRAGMA integrity_check")).scalars() if whole else ()
    return [*(str(fault) for fault in found if fault != "ok"), *_dangling(connection)]


def _dangling(connection: Connection) -> list[str]:
    """Return the rows of a SQLite file that refer to nothing, one line each."""
    if connection.dialect.name != "sqlite":
        return []
    return [
        f"{table} row {row_id} refers to a row of {parent} that is not there"
        for table, row_id, parent, _ in connection.execute(text("PRAGMA foreign_key_check"))
    ]
