"""Copies of a ledger, each of one instant, made while an engine writes it: by SQLite, or by PostgreSQL's own tools.

A ledger is a projection of its journal, so the journal's copy is made after the ledger's: it then reaches at least as far.
"""

import os
import shutil
import subprocess
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.engine import URL

from arb.errors import StoreError
from arb.store.journal.copies import copy_sqlite
from arb.store.journal.guards import synced
from arb.store.journal.reader import JournalReader, Position
from arb.store.ledger.database import LOCK_TIMEOUT_MS, driver_error, opened, parse_url, sqlite_file
from arb.store.ledger.tables import AccountLease, Base, Projection
from arb.store.ledger.views import VIEWS

FILE = "ledger.sqlite"
DUMP = "ledger.dump"


def copy_ledger(db_url: str, folder: Path) -> str | None:
    """Copy a ledger into a folder; return the URL of the copy, of the original for a dump, None without `pg_dump`.

    A dump holds the ledger's tables and views, and not who trades now. Raises `ConfigError` when there is no such ledger,
    and `StoreError` when it cannot be copied.
    """
    file, copy = sqlite_file(parse_url(db_url)), folder / DUMP
    if file is not None:
        copy_sqlite(file, folder / FILE)
        return f"sqlite:///{folder / FILE}"
    wanted = [f"--table={name}" for name in ("alembic_version", *sorted(Base.metadata.tables), *VIEWS)]
    leases = f"--exclude-table-data={AccountLease.__tablename__}"
    form = ("--format=custom", "--no-owner", "--no-privileges", f"--lock-wait-timeout={LOCK_TIMEOUT_MS}")
    if not _run("pg_dump", db_url, *form, *wanted, leases, f"--file={copy}"):
        return None
    synced(copy)
    return db_url


def restore_dump(dump: Path, db_url: str) -> bool:
    """Write a dump into a database without a ledger, whole or not at all; return False where `pg_restore` is missing.

    Raises `StoreError` when the database refuses.
    """
    return _run("pg_restore", db_url, "--single-transaction", "--exit-on-error", "--no-owner", str(dump))


def _run(tool: str, db_url: str, *arguments: str) -> bool:
    """Run a tool of PostgreSQL on a database, its password in the environment; return False where it is not installed."""
    program = shutil.which(tool)
    if program is None:
        return False
    url = parse_url(db_url)
    password = url.password or url.query.get("password")
    shown = URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
    shown = shown.difference_update_query(["password"])
    environment = os.environ | {"PGCONNECT_TIMEOUT": "5"} | ({"PGPASSWORD": str(password)} if password else {})
    command = [program, "--no-password", f"--dbname={shown.render_as_string()}", *arguments]
    ended = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if ended.returncode:
        said = " ".join(ended.stderr.decode("utf-8", "replace").split())
        raise driver_error(db_url, StoreError(f"{tool}: {said}"))
    return True


def projected(db_url: str) -> list[tuple[str, Position]]:
    """Return how far which journal is projected into a ledger: nothing in one without rows. Raises `StoreError`."""
    with opened(db_url) as engine, engine.connect().execution_options(read_only=True) as connection:
        return projected_in(connection)


def projected_in(connection: Connection) -> list[tuple[str, Position]]:
    rows = connection.execute(select(Projection.journal_id, Projection.seq, Projection.sub))
    return [(owner, Position(seq, sub)) for owner, seq, sub in rows]


def mismatch(found: list[tuple[str, Position]], reader: JournalReader, journal: Path | str) -> str | None:
    """Return why a ledger and a journal are not of one state; None where the journal reaches as far as the ledger."""
    for owner, position in found:
        if owner != reader.journal_id:
            return f"belongs to another journal ({owner}) than {journal} ({reader.journal_id})"
        if position > reader.last_position():
            return f"is ahead of its journal {journal}, which is an older copy"
    return None
