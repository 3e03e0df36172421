"""`arb db ...`: the schema, and ledgers written anew: from their journal, or empty for a replay.

Each `db_` function returns what `--json` prints. A replay's rows are a function of its tapes, so the second replay into
the same place takes the place of the first. Rows of a real run are never touched: a replay's journal carries a name of
its own, and only a ledger that belongs to such a journal, or to none, is emptied.
"""

import random
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, delete, select, text
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

from arb.clock import Clock
from arb.core.records import OpportunityOutcome, RunRecord
from arb.errors import ConfigError, StoreError
from arb.store import migrate
from arb.store.database import mask_url, open_engine, parse_url, sqlite_file, store_error
from arb.store.guards import InstanceLock, NoReserve
from arb.store.journal import Journal
from arb.store.journal_reader import JournalReader
from arb.store.migrate import upgrade
from arb.store.projector import Projector
from arb.store.retention import drop_story, roll_up
from arb.store.tables import Alternative, Balance, Base, Fill, Incident, Opportunity, Order, PairTrade, Projection, Run
from arb.store.writer import require_known_codes


def db_upgrade(db_url: str) -> dict[str, Any]:
    """Bring the schema to the newest revision; raise as `migrate.upgrade` does."""
    before, after = migrate.upgrade(db_url)
    return {"db": mask_url(db_url), "before": before, "revision": after}


def db_current(db_url: str) -> dict[str, Any]:
    """Return the schema's revision and the newest one known."""
    found, newest = migrate.current(db_url), migrate.head()
    return {"db": mask_url(db_url), "revision": found, "head": newest, "up_to_date": found == newest}


def db_check(db_url: str) -> dict[str, Any]:
    """Return what is wrong with schema and integrity; `ok` is true when nothing is."""
    faults = migrate.check(db_url)
    return {"db": mask_url(db_url), "ok": not faults, "faults": faults}


def db_rebuild(db_url: str, journal_path: Path) -> dict[str, Any]:
    """Write the ledger anew from its journal, row for row, and return how many records were projected.

    Opportunities that were not traded are not in the journal; those the ledger can still read stay. A SQLite file
    that cannot be read is kept beside, as `NAME.broken-N`, and a new one is made. Raises `ConfigError` while the
    engine runs, or when there is no journal, and `StoreError` when the journal or the database cannot be read, or the
    journal holds a code this arb does not know; nothing is then deleted.
    """
    if not journal_path.exists():
        raise ConfigError(f"journal {journal_path}: no such file; there is nothing to rebuild from")
    lock = InstanceLock(journal_path)
    try:
        reader = JournalReader.open(journal_path)
        try:
            runs = _read_through(reader)
            kept_aside = _prepare(db_url)
            _empty(db_url, runs)
            records = _project(db_url, reader)
        finally:
            reader.close()
    finally:
        lock.release()
    return {"db": mask_url(db_url), "journal": str(journal_path), "records": records, "kept_aside": kept_aside}


def db_compact(
    db_url: str, journal_path: Path, before_ns: int | None, story_before_ns: int | None = None
) -> dict[str, Any]:
    """Roll up untraded opportunities that opened before `before_ns`, drop the journal's story before `story_before_ns`
    (None: neither), and give unused space back.

    Raises `ConfigError` while the engine runs and `StoreError` when a database cannot be reached or written.
    """
    lock = InstanceLock(journal_path)
    try:
        engine = open_engine(db_url)
        try:
            migrate.require_current(db_url, engine)
            with engine.connect() as connection:
                deleted = 0 if before_ns is None else sum(roll_up(connection, before_ns))
            before, after = _vacuum(engine, sqlite_file(parse_url(db_url)))
            dropped = 0 if story_before_ns is None else drop_story(journal_path, story_before_ns)
        except DBAPIError as error:
            raise store_error(db_url, error) from None
        finally:
            engine.dispose()
    finally:
        lock.release()
    sizes = {"bytes_before": before, "bytes_after": after}
    return {"db": mask_url(db_url), "rolled_up": deleted} | sizes | {"journal_entries_dropped": dropped}


def _vacuum(engine: Engine, file: Path | None) -> tuple[int | None, int | None]:
    """Make a SQLite file as small as it can be; return its bytes before and after. PostgreSQL does so by itself."""
    if file is None:
        return None, None
    before = file.stat().st_size
    raw = engine.raw_connection()
    try:
        raw.cursor().execute("VACUUM")
        raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise StoreError(f"ledger {file}: {error}") from None
    finally:
        raw.close()
    return before, file.stat().st_size


def _read_through(reader: JournalReader) -> set[int]:
    """Return the runs in the journal, having seen that every record can be read, and written, before anything is deleted."""
    runs: set[int] = set()
    for row in reader.records_from():
        require_known_codes(row.record)
        if isinstance(row.record, RunRecord):
            runs.add(row.record.id)
    return runs


def _prepare(db_url: str) -> str | None:
    """Bring the schema up; when a SQLite file is damaged move it aside, make a new one and return where the old one
    is."""
    file = sqlite_file(parse_url(db_url))
    if file is not None and file.exists() and _is_damaged(db_url):
        return _start_anew(db_url, file)
    migrate.upgrade(db_url)
    faults = migrate.schema_faults(db_url)
    if not faults:
        return None
    if file is None:
        raise StoreError(f"ledger {mask_url(db_url)}: {faults[0]}; rebuild into an empty database")
    return _start_anew(db_url, file)


def _is_damaged(db_url: str) -> bool:
    engine = open_engine(db_url)
    try:
        with engine.connect() as connection:
            return connection.execute(text("PRAGMA integrity_check")).scalars().all() != ["ok"]
    except OperationalError as error:  # locked, read-only: the file itself may be sound
        raise store_error(db_url, error) from None
    except DatabaseError:
        return True
    finally:
        engine.dispose()


def _start_anew(db_url: str, file: Path) -> str:
    aside = next(name for n in range(1, 10_000) if not (name := file.with_name(f"{file.name}.broken-{n}")).exists())
    file.rename(aside)
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    migrate.upgrade(db_url)
    return str(aside)


def _empty(db_url: str, runs: set[int]) -> None:
    """Delete all that the journal will bring back, and whatever belongs to runs it does not know."""
    engine = open_engine(db_url)
    try:
        with engine.begin() as connection:
            connection.execute(delete(Projection))
            for table in (Alternative, Fill, Incident, Order, PairTrade, Balance):
                connection.execute(delete(table))
            connection.execute(delete(Opportunity).where(Opportunity.outcome == OpportunityOutcome.TRADED.value))
            for run in set(connection.execute(select(Run.id)).scalars()) - runs:
                connection.execute(delete(Opportunity).where(Opportunity.run_id == run))
                connection.execute(delete(Run).where(Run.id == run))
    except DBAPIError as error:
        raise store_error(db_url, error) from None
    finally:
        engine.dispose()


def _project(db_url: str, reader: JournalReader) -> int:
    projector = Projector(db_url, reader, lambda: None)  # nobody writes: what is there is as durable as it gets
    try:
        projector.open(catch_up=False)
        return projector.catch_up()
    finally:
        projector.close()


_REPLAY_SEED = 0x7265706C6179
REPLAY_JOURNAL_ID = f"{random.Random(_REPLAY_SEED).getrandbits(64):016x}"
"""The name of every replay's journal; no run's journal has it."""


def fresh_journal(db_url: str, journal_path: Path, clock: Clock) -> Journal:
    """Empty the ledger and the journal of an earlier replay, and return a new journal.

    Raises `ConfigError` when ledger or journal belong to a real run, or another process uses them, and `StoreError` when
    the ledger cannot be reached.
    """
    journal_path.parent.mkdir(parents=True, exist_ok=True)
    lock = InstanceLock(journal_path)
    try:
        if journal_path.exists():
            _require_replay(_journal_id(journal_path), f"journal {journal_path}")
        _empty_replay(db_url)
        for suffix in ("", "-wal", "-shm"):
            journal_path.with_name(journal_path.name + suffix).unlink(missing_ok=True)
    finally:
        lock.release()
    return Journal.open(journal_path, clock, rng=random.Random(_REPLAY_SEED), reserve=NoReserve())


def _journal_id(path: Path) -> str:
    reader = JournalReader.open(path)
    try:
        return reader.journal_id
    finally:
        reader.close()


def _empty_replay(db_url: str) -> None:
    upgrade(db_url)
    engine = open_engine(db_url)
    try:
        with engine.begin() as connection:
            for owner in connection.execute(select(Projection.journal_id)).scalars():
                _require_replay(owner, f"ledger {mask_url(db_url)}")
            for table in reversed(Base.metadata.sorted_tables):
                connection.execute(delete(table))
    except DBAPIError as error:
        raise store_error(db_url, error) from None
    finally:
        engine.dispose()


def _require_replay(journal_id: str, what: str) -> None:
    if journal_id != REPLAY_JOURNAL_ID:
        raise ConfigError(f"{what}: holds the rows of a real run, which a replay never replaces; choose another --db")
