"""`arb db ...`: the schema, and rebuilt ledgers: from their journal, or empty for a replay.

Each `db_` function returns the document of `--json`. A replay's rows are a function of its tapes, so the second replay
into the same place takes the place of the first. Rows of a real run are never touched: a replay's journal carries a
special name, and only a ledger that belongs to such a journal, or to none, is emptied.
"""

import logging
import os
import random
import sqlite3
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine, delete, insert, inspect, select, text
from sqlalchemy.exc import DatabaseError, OperationalError

from arb.clock import Clock, SystemClock
from arb.core.messages.incidents import ALERT_RULES
from arb.core.messages.records import OpportunityOutcome
from arb.errors import ConfigError, StoreError
from arb.store.journal.copies import copy_sqlite
from arb.store.journal.guards import InstanceLock, NoReserve, empty_log
from arb.store.journal.journal import Journal
from arb.store.journal.reader import START, JournalReader, Position
from arb.store.journal.upkeep import drop_story
from arb.store.ledger import alerts, migrate
from arb.store.ledger.copies import mismatch, projected_in
from arb.store.ledger.database import mask_url, open_engine, opened, parse_url, sqlite_file, store_error
from arb.store.ledger.migrate import upgrade
from arb.store.ledger.projector import BATCH_ROWS, place_of
from arb.store.ledger.refused import write
from arb.store.ledger.retention import delete_untraded
from arb.store.ledger.tables import (
    Alert,
    Alternative,
    Balance,
    Base,
    DecisionBook,
    Fill,
    Incident,
    Opportunity,
    OpportunityDay,
    Order,
    PairClosing,
    PairTrade,
    Projection,
    Run,
    TradeLeg,
)
from arb.store.ledger.writer import TABLES, RowRefused, Writer, require_known_codes

log = logging.getLogger(__name__)
CHECKED_BYTES = 200 * 1024 * 1024


def db_upgrade(db_url: str) -> dict[str, Any]:
    before, after = migrate.upgrade(db_url)
    return {"db": mask_url(db_url), "before": before, "revision": after}


def db_current(db_url: str) -> dict[str, Any]:
    found, newest = migrate.current(db_url), migrate.head()
    return {"db": mask_url(db_url), "revision": found, "head": newest, "up_to_date": found == newest}


def db_check(db_url: str, *, whole: bool = False) -> dict[str, Any]:
    """Return the faults of schema and integrity; `ok` is true when there are none.

    `pages`: `checked`, or `not checked` for a SQLite file of more than `CHECKED_BYTES` unless `whole`: it takes about
    half a minute a GB.
    """
    file = sqlite_file(parse_url(db_url))
    whole = whole or file is None or not file.exists() or file.stat().st_size <= CHECKED_BYTES
    faults = migrate.check(db_url, whole=whole)
    pages = "checked" if whole else f"not checked ({CHECKED_BYTES >> 20} MB at most without --whole)"
    return {"db": mask_url(db_url), "ok": not faults, "faults": faults, "pages": pages}


def db_rebuild(db_url: str, journal_path: Path, *, force: bool = False) -> dict[str, Any]:
    """Rebuild the ledger from its journal, row for row and in one transaction; return how many records were projected,
    and which were set aside because the database refuses them: an incident takes the place of each (`refused.py`).

    Steps of intents that the journal lacks are appended to it before: orders that may have been sent belong in a
    ledger. Opportunities that were not traded are not in the journal; those the ledger can still read stay. A SQLite
    file that cannot be read is kept as `NAME.broken-N`, and a new one is made. Refused where rows would be lost: when
    the ledger belongs to another journal, is ahead of this one, or holds rows that it lacks. With `force` a copy of the
    ledger is made first, `NAME.before-rebuild-N` (on PostgreSQL a schema of that kind), and the ledger is rebuilt
    nonetheless.

    Raises `ConfigError` while the engine runs, when there is no journal and when rows would be lost, and `StoreError`
    when the journal or the database cannot be read, or the journal holds a code this arb does not know; nothing is then
    deleted.
    """
    if not journal_path.exists():
        raise ConfigError(f"journal {journal_path}: no such file; there is nothing to rebuild from")
    Journal.settle_intents(journal_path, SystemClock())
    lock = InstanceLock(journal_path)
    try:
        with closing(JournalReader.open(journal_path)) as reader:
            held = _read_through(reader)
            kept_aside = _prepare(db_url)
            records, refused, copy = _write_anew(db_url, reader, held, force=force)
    finally:
        lock.release()
    return {
        "db": mask_url(db_url),
        "journal": str(journal_path),
        "records": records,
        "kept_aside": kept_aside,
        "set_aside": [str(one) for one in refused],
        "copy": copy,
    }


def db_compact(
    db_url: str, journal_path: Path, before_ns: int | None, story_before_ns: int | None = None
) -> dict[str, Any]:
    """Delete untraded opportunities that opened before `before_ns`, compress the journal and drop its story of before
    `story_before_ns` (None: neither is dropped), and give unused space back.

    Raises `ConfigError` while the engine runs and `StoreError` when a database cannot be reached or written.
    """
    lock = InstanceLock(journal_path)
    try:
        with opened(db_url) as engine:
            migrate.require_current(db_url, engine)
            with engine.connect() as connection:
                deleted = 0 if before_ns is None else sum(delete_untraded(connection, before_ns))
            before, after = _vacuum(engine, sqlite_file(parse_url(db_url)))
            dropped = drop_story(journal_path, story_before_ns)
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
        if not empty_log(cast(sqlite3.Connection, raw.driver_connection)):
            log.warning("ledger %s: another program reads it: no space is given back until that ends", file)
    except sqlite3.Error as error:
        raise StoreError(f"ledger {file}: {error}") from None
    finally:
        raw.close()
    return before, file.stat().st_size


_Held = dict[type[Base], set[int]]


def _read_through(reader: JournalReader) -> _Held:
    """Return the ids in the journal, checking that every record can be read, and written, before anything is deleted."""
    held: _Held = {table: set() for table in TABLES.values()}
    for row in reader.records_from():
        require_known_codes(row.record)
        table = TABLES.get(type(row.record))
        if table is not None:
            held[table].add(row.record.id)  # type: ignore[union-attr]
    return held


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
    aside = _free_name(file, "broken")
    file.rename(aside)
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    migrate.upgrade(db_url)
    return str(aside)


def _write_anew(
    db_url: str, reader: JournalReader, held: _Held, *, force: bool
) -> tuple[int, list[RowRefused], str | None]:
    """Empty the ledger and write the journal's records, in one transaction.

    Returns how many, which of them the database refuses, and where the copy is if any.
    """
    with opened(db_url) as engine:
        with engine.begin() as connection:
            loss = _loss(connection, reader, held)
        if loss is not None and not force:
            raise ConfigError(
                f"ledger {mask_url(db_url)}: {loss}; put the right journal back, or rebuild with --force, which copies the"
                " ledger first: rows this journal lacks are then only in the copy"
            )
        copy = _copied(db_url, engine) if force else None
        with engine.begin() as connection:
            _empty(connection, held[Run])
            records, refused = _project(connection, reader)
            return records, refused, copy


def _copied(db_url: str, engine: Engine) -> str:
    """Copy the ledger: a SQLite file next to it, or tables in a new schema of the PostgreSQL database; return which."""
    file = sqlite_file(parse_url(db_url))
    if file is not None:
        copy = _free_name(file, "before-rebuild")
        copy_sqlite(file, copy)
        return str(copy)
    with engine.begin() as connection:
        taken = set(inspect(connection).get_schema_names())
        schema = next(name for n in range(1, 10_000) if (name := f"arb_before_rebuild_{n}") not in taken)
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
        for table in Base.metadata.sorted_tables:
            connection.exec_driver_sql(f"CREATE TABLE {schema}.{table.name} AS TABLE {table.name}")
    return f"schema {schema}"


def _free_name(file: Path, what: str) -> Path:
    return next(
        name for n in range(1, 10_000) if not os.path.lexists(name := file.with_name(f"{file.name}.{what}-{n}"))
    )


def _loss(connection: Connection, reader: JournalReader, held: _Held) -> str | None:
    """Return the loss by a rebuild, None when the journal has every row."""
    if (why := mismatch(projected_in(connection), reader, reader.path)) is not None:
        return why
    lost: list[str] = []
    for table, ids in held.items():
        found = select(table.id)  # type: ignore[attr-defined]
        if table is Opportunity:
            found = found.where(Opportunity.outcome == OpportunityOutcome.TRADED.value)
        elif table is Incident:
            found = found.where(Incident.id > 0)  # the others are for rows that the ledger refused
        if lacking := sum(row_id not in ids for row_id in connection.execute(found).scalars()):
            lost.append(f"{lacking} {table.__tablename__}")
    return f"holds rows that journal {reader.path} lacks ({', '.join(lost)})" if lost else None


def _empty(connection: Connection, runs: set[int]) -> None:
    """Delete all rows that the journal will restore, and all rows of runs it does not know."""
    connection.execute(delete(Projection))
    for table in (Alert, Alternative, DecisionBook, Fill, Incident, Order, PairClosing, TradeLeg, PairTrade, Balance):
        connection.execute(delete(table))
    opportunities: tuple[Any, ...] = (Opportunity, OpportunityDay)
    for table in opportunities:
        connection.execute(delete(table).where(table.outcome == OpportunityOutcome.TRADED.value))
    for run in set(connection.execute(select(Run.id)).scalars()) - runs:
        for table in opportunities:
            connection.execute(delete(table).where(table.run_id == run))
        connection.execute(delete(Run).where(Run.id == run))


def _project(connection: Connection, reader: JournalReader) -> tuple[int, list[RowRefused]]:
    """Write every record of the journal, and how far that is; return how many there are, and which the database refuses."""
    writer, last, total = Writer(connection.dialect.name), START, 0
    refused: list[RowRefused] = []
    rows = reader.records_from()
    while batch := list(islice(rows, BATCH_ROWS)):
        records = [row.record for row in batch]
        refused += write(connection, writer, records)
        alerts.project(connection, records)
        last, total = Position(batch[-1].seq, batch[-1].sub), total + len(batch)
    position = {"seq": last.seq, "sub": last.sub, "journal_path": place_of(reader), "alert_rules": ALERT_RULES}
    connection.execute(insert(Projection).values(journal_id=reader.journal_id, **position))
    return total, refused


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
    with closing(JournalReader.open(path)) as reader:
        return reader.journal_id


def _empty_replay(db_url: str) -> None:
    upgrade(db_url)
    with opened(db_url) as engine, engine.begin() as connection:
        for owner in connection.execute(select(Projection.journal_id)).scalars():
            _require_replay(owner, f"ledger {mask_url(db_url)}")
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(delete(table))


def _require_replay(journal_id: str, what: str) -> None:
    if journal_id != REPLAY_JOURNAL_ID:
        raise ConfigError(f"{what}: holds the rows of a real run, which a replay never replaces; choose another --db")
