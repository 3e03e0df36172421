"""The journal projected into the ledger: rows and position in one transaction, so that nothing is lost or done twice.

Journalled rows are written up to a position that is stored with them; after any failure, the next projection continues
from there. Untraded opportunities have no place in the journal. This module is synchronous and knows no thread;
`ledger.py` runs it in one, or inline.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, inspect, select, text, update
from sqlalchemy.exc import DBAPIError

from arb.core.messages.commands import AnyRecord
from arb.core.messages.incidents import ALERT_RULES
from arb.core.messages.records import OpportunityRecord
from arb.errors import ConfigError, StoreError
from arb.store.journal.guards import files_of
from arb.store.journal.reader import START, JournalReader, Position, Row
from arb.store.ledger import alerts
from arb.store.ledger.database import (
    mask_url,
    open_engine,
    opened,
    parse_url,
    recorded_journal,
    sqlite_file,
    store_error,
)
from arb.store.ledger.migrate import require_current, upgrade
from arb.store.ledger.refused import write
from arb.store.ledger.retention import delete_untraded
from arb.store.ledger.tables import Projection
from arb.store.ledger.writer import TABLES, RowRefused, Writer

BATCH_ROWS = 5000

OnSetAside = Callable[[RowRefused], None]


class Projector:
    """Write one journal's rows into one ledger. Use from one thread, the one that opened `reader`."""

    def __init__(
        self,
        db_url: str,
        reader: JournalReader,
        sync: Callable[[], None],
        on_set_aside: OnSetAside | None = None,
    ) -> None:
        """Nothing is opened yet. `sync` makes the journal durable.

        A row is only projected once its journal entry is durable: else a power cut could put the ledger ahead. A record
        that the database refuses stays in the journal only, which holds it whole; an incident takes its place
        (`refused.py`), and `on_set_aside` is called with which and why.
        """
        self.db_url = db_url
        self.position = START
        self.reader = reader
        self.abandoned = False  # set from any thread: nothing is written any more, for another may write by now
        self._sync = sync
        self._on_set_aside = on_set_aside
        self._stored = START  # the ledger's own record of its position, as last read or written
        self._file = sqlite_file(parse_url(db_url))
        self._files: tuple[tuple[int, int], ...] = ()
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._writer: Writer | None = None

    @property
    def is_open(self) -> bool:
        """Return whether the ledger is ready; a failure closes it."""
        return self._connection is not None

    def open(self, *, catch_up: bool = True) -> None:
        """Make or upgrade the ledger, find the position, and write the journal's rows beyond it.

        Raises `StoreError` when the ledger cannot be reached or written, or is ahead of the journal, and `ConfigError`
        when it belongs to another journal or was made by a newer arb.
        """
        self.close()
        upgrade(self.db_url)
        engine = open_engine(self.db_url)
        try:
            require_current(self.db_url, engine)
            self._writer = Writer(engine.dialect.name)
            self._engine, self._connection = engine, engine.connect()
            self.position = self._stored = self._claim(self._connection)
            self._files = self._files_now()
            if catch_up:
                self.catch_up()
        except DBAPIError as error:
            self.close()
            raise store_error(self.db_url, error) from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            try:
                self._connection.close()
            except DBAPIError:
                self._connection.invalidate()  # a connection that is already broken need not be closed in good order
        if self._engine is not None:
            self._engine.dispose()
        self._connection = self._engine = None

    def catch_up(self) -> int:
        """Write everything the journal has beyond the position; return how many records."""
        total = 0
        rows = self.reader.records_from(self.position)
        while batch := list(islice(rows, BATCH_ROWS)):
            total += len(batch)
            self.write(batch)
        return total

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows that follow the position, in order; rows at or before it are passed over.

        Raises `StoreError` when the database fails. Nothing of the batch is then written, and the same rows may be tried again.
        """
        fresh = [row for row in rows if (row.seq, row.sub) > self.position]
        if not fresh:
            return
        last = Position(fresh[-1].seq, fresh[-1].sub)
        self._require_same_file()
        self._sync()
        records = [row.record for row in fresh]
        try:
            with self._ready().begin():
                assert self._writer is not None
                refused = write(self._ready(), self._writer, records)
                alerts.project(self._ready(), records)
                self._move(last)
        except DBAPIError as error:
            self.close()
            raise store_error(self.db_url, error) from None
        except StoreError:
            self.close()  # somebody else writes: read again how far the ledger is, and whose rows it holds
            raise
        self.position = self._stored = last
        for one in refused:
            if self._on_set_aside is not None:
                self._on_set_aside(one)

    def write_untraded(self, records: Sequence[OpportunityRecord]) -> int:
        """Write untraded opportunities; return how many were refused (the others are written)."""
        self._require_same_file()
        assert self._writer is not None
        try:
            with self._ready().begin():
                return len(self._writer.add_untraded(self._ready(), records))
        except DBAPIError as error:
            self.close()
            raise store_error(self.db_url, error) from None

    def delete_untraded(self, before_ns: int) -> Iterator[int]:
        """Delete untraded opportunities that opened before `before_ns`; yield how many, piece by piece.

        Raises `StoreError` when the database refuses; the pieces until then stay deleted.
        """
        self._require_same_file()
        try:
            yield from delete_untraded(self._ready(), before_ns)
        except DBAPIError as error:
            self.close()
            raise store_error(self.db_url, error) from None

    def _claim(self, connection: Connection) -> Position:
        """Return how far this journal is projected, binding a new ledger to this journal."""
        journal_id = self.reader.journal_id
        stored = select(Projection.journal_id, Projection.seq, Projection.sub)
        with connection.begin():
            found = connection.execute(stored).all()
            if not found and connection.dialect.name == "postgresql":
                # Another first start may be about to claim it: SQLite lets in one writer, PostgreSQL does not.
                connection.execute(text(f"LOCK TABLE {Projection.__tablename__} IN SHARE ROW EXCLUSIVE MODE"))
                found = connection.execute(stored).all()
            if not found:
                new = insert(Projection).values(journal_id=journal_id, seq=START.seq, sub=START.sub)
                connection.execute(new.values(alert_rules=ALERT_RULES))
                self._say_where(connection)
                return START
        if [row[0] for row in found] != [journal_id]:
            _refuse_in_use(self.db_url)
            raise ConfigError(
                f"ledger {mask_url(self.db_url)}: belongs to another journal than {self.reader.path};"
                " put that journal back, or choose another --db"
            )
        position = Position(found[0][1], found[0][2])
        if not self.reader.holds(position):
            raise StoreError(
                f"ledger {mask_url(self.db_url)}: is ahead of its journal {self.reader.path}, which is an older copy:"
                " put the newer one back (a rebuild from this one would lose rows)"
            )
        if not self._holds(connection, position):
            raise StoreError(
                f"ledger {mask_url(self.db_url)}: lacks rows that its journal {self.reader.path} records as written"
                " (a copy of the journal is in use elsewhere, or rows were deleted); `arb db rebuild` writes it again,"
                " unless that would lose rows"
            )
        with connection.begin():
            self._say_where(connection)
            alerts.refresh(connection)
        return position

    def _say_where(self, connection: Connection) -> None:
        connection.execute(update(Projection).values(journal_path=place_of(self.reader)))

    def _holds(self, connection: Connection, position: Position) -> bool:
        """Return whether the newest row at or before the position is there: else it was written from another journal.

        One that was set aside is not there; the one before it is then looked for.
        """
        for record in self.reader.records_back_from(position):
            table = TABLES.get(type(record))
            if table is None:
                continue
            with connection.begin() as transaction:
                if connection.execute(select(table.id).where(table.id == record.id)).first() is not None:  # type: ignore[attr-defined, union-attr]
                    return True
                refused = self._written((record,))
                transaction.rollback()
            if not refused:
                return False
        return True

    def _move(self, last: Position) -> None:
        """Write the position, checking that no other process has: two writers would each pass over rows of the other."""
        if self.abandoned:
            raise StoreError(f"ledger {mask_url(self.db_url)}: given up before it could be written")
        stored = self._stored
        moved = update(Projection).where(Projection.seq == stored.seq, Projection.sub == stored.sub)
        if self._ready().execute(moved.values(seq=last.seq, sub=last.sub)).rowcount != 1:
            raise StoreError(f"ledger {mask_url(self.db_url)}: another process writes into it; stop one of the two")

    def _ready(self) -> Connection:
        if self._connection is None:
            raise StoreError(f"ledger {mask_url(self.db_url)}: not open")
        return self._connection

    def _written(self, records: Sequence[AnyRecord]) -> list[RowRefused]:
        assert self._writer is not None
        return self._writer.write_but_for(self._ready(), records)

    def _files_now(self) -> tuple[tuple[int, int], ...]:
        return () if self._file is None else files_of(self._file)

    def _require_same_file(self) -> None:
        """Raise `StoreError` when the SQLite file was removed or replaced: rows written to it would vanish with it."""
        try:
            same = self._files_now() == self._files
        except OSError:
            same = False
        if not same:
            self.close()
            raise StoreError(f"ledger {mask_url(self.db_url)}: its file was removed or replaced while running")


def place_of(reader: JournalReader) -> str | None:
    """Return a journal's path in the form its ledger records; None for one in memory."""
    return str(reader.path.resolve()) if isinstance(reader.path, Path) else None


def require_journal(db_url: str, path: Path) -> None:
    """Refuse to open a ledger with rows without its journal; nothing is made.

    A new journal in the place of a missing one would look like the ledger's own, and know nothing of open pairs. Raises
    `ConfigError` when the journal is missing, and `StoreError` when the ledger cannot be read.
    """
    if path.exists():
        return
    file = sqlite_file(parse_url(db_url))
    has_rows = _is_claimed_file(file) if file is not None else _is_claimed(db_url)
    if has_rows:
        _refuse_in_use(db_url)
        recorded = recorded_journal(db_url)
        elsewhere = recorded is not None and recorded != path.resolve()
        raise ConfigError(
            f"ledger {mask_url(db_url)}: its journal is not at {path}"
            f"{f' (the ledger names {recorded})' if elsewhere else ''}; put it back, or choose another --db"
            " (`arb report` and `arb pairs` read this one as it is)"
        )


def _refuse_in_use(db_url: str) -> None:
    """Raise `ConfigError` naming the engine, perhaps of another host, that trades with a ledger on PostgreSQL."""
    if sqlite_file(parse_url(db_url)) is not None:
        return
    from arb.store.ledger.lease import running_lease  # loads the driver

    lease = running_lease(db_url)
    if lease is not None:
        raise ConfigError(
            f"ledger {mask_url(db_url)}: already in use by {lease}; stop it first, or choose another --db"
        )


def _is_claimed_file(file: Path) -> bool:
    """Return whether a SQLite file holds a journal's rows; it may be another program's, and only read."""
    if not file.exists():
        return False
    try:
        # Not mode=ro: a reader of a WAL file that may not write does not remove the side files it had to make.
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)) as db:
            return db.execute(f"SELECT 1 FROM {Projection.__tablename__}").fetchone() is not None
    except sqlite3.Error:
        return False  # no ledger, or an unreadable one: opening it for writing reports why


def _is_claimed(db_url: str) -> bool:
    with opened(db_url) as engine, engine.connect() as connection:
        there = inspect(connection).has_table(Projection.__tablename__)
        return there and connection.execute(select(Projection.journal_id)).first() is not None
