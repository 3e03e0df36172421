"""Records to rows: plain tuples through the driver, replaced by id, all in the caller's transaction."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Any, get_args, get_type_hints

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError, IntegrityError

from arb.core.records import (
    AlternativeRecord,
    AnyRecord,
    BalanceRecord,
    FillRecord,
    IncidentRecord,
    OpportunityRecord,
    OrderRecord,
    PairRecord,
    Record,
    RunRecord,
    Waterfall,
    attributes_of,
    tag_of,
)
from arb.errors import StoreError, require
from arb.market.numbers import to_e8
from arb.store.domains import ExactNumber, exact_text, rules_of
from arb.store.tables import (
    WATERFALL,
    Alternative,
    Balance,
    Base,
    Fill,
    Incident,
    Opportunity,
    Order,
    PairTrade,
    Run,
)

LedgerRecord = (
    RunRecord
    | OpportunityRecord
    | PairRecord
    | OrderRecord
    | FillRecord
    | BalanceRecord
    | IncidentRecord
    | AlternativeRecord
)
# In the order in which rows may refer to each other.
TABLES: dict[type[Record], type[Base]] = {
    RunRecord: Run,
    OpportunityRecord: Opportunity,
    PairRecord: PairTrade,
    OrderRecord: Order,
    FillRecord: Fill,
    BalanceRecord: Balance,
    IncidentRecord: Incident,
    AlternativeRecord: Alternative,
}
COPY_ROWS = 500
PIECE_ROWS = 1_000
_POSTGRES_TYPES = {"BIGINT": "bigint", "INTEGER": "bigint", "NUMERIC": "numeric", "VARCHAR": "text"}


class RowRefused(StoreError):
    """A record breaks a constraint of the ledger, or holds a code nobody knows: our own bug, and the record is named."""


class Writer:
    """Write records into one kind of database (`sqlite` or `postgresql`)."""

    def __init__(self, dialect: str) -> None:
        self._sql = {kind: _upsert(table.__table__, dialect) for kind, table in TABLES.items()}  # type: ignore[arg-type]
        self._rows = {kind: row_maker(kind, table) for kind, table in TABLES.items()}
        self._postgres = dialect == "postgresql"
        self._insert = self._sql[OpportunityRecord].partition(" ON CONFLICT ")[0]

    def write(self, connection: Connection, records: Iterable[AnyRecord]) -> int:
        """Write the last state of each record, tables in the order of their references; return how many rows.

        Records that stay in the journal (plans, controls) are passed over. Raises `DBAPIError` when the database
        refuses, and `RowRefused` for a code that is in no vocabulary.
        """
        latest: dict[type, dict[int, LedgerRecord]] = {kind: {} for kind in TABLES}
        for record in records:
            rows = latest.get(type(record))
            if rows is not None:
                rows[record.id] = record  # type: ignore[union-attr, assignment]
        for kind, by_id in latest.items():
            if by_id:
                self._execute(connection, kind, list(self._made(kind, list(by_id.values()))))
        return sum(map(len, latest.values()))

    def add_untraded(self, connection: Connection, records: Sequence[OpportunityRecord]) -> None:
        """Write opportunities under ids that are new as a rule; those that are not are replaced, as `write` does.

        Raises as `write` does.
        """
        rows = self._made(OpportunityRecord, records)
        try:
            with connection.begin_nested():
                if self._postgres:
                    self._copy(connection, Opportunity.__tablename__, rows)
                else:
                    connection.exec_driver_sql(self._insert, list(rows))
            return
        except IntegrityError:
            pass  # an id is there already (the answer to an earlier commit was lost), or a row is refused
        self.write(connection, records)

    def _made(self, kind: type, records: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """Yield rows, made in small pieces: while a server takes in those before them, and within the processor's cache."""
        for start in range(0, len(records), PIECE_ROWS):
            piece = records[start : start + PIECE_ROWS]
            _CODES[kind](piece)
            yield from self._rows[kind](piece)

    def _execute(self, connection: Connection, kind: type, rows: list[tuple[Any, ...]]) -> None:
        if not self._postgres:
            connection.exec_driver_sql(self._sql[kind], rows)
        elif len(rows) < COPY_ROWS:
            # One statement with an array per column: the server plans and answers once for the whole batch.
            columns = tuple(list(column) for column in zip(*rows, strict=True))
            connection.exec_driver_sql(self._sql[kind], columns)
        else:
            self._copy_and_merge(connection, TABLES[kind].__tablename__, rows)

    def _copy_and_merge(self, connection: Connection, table: str, rows: list[tuple[Any, ...]]) -> None:
        """Load into a temporary table without constraints, then merge: twice as fast as arrays for large batches."""
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE loaded (LIKE {table}) ON COMMIT DROP")
        self._copy(connection, "loaded", rows)
        kind = next(kind for kind, found in TABLES.items() if found.__tablename__ == table)
        conflict = self._sql[kind].partition(" ON CONFLICT ")[2]
        connection.exec_driver_sql(f"INSERT INTO {table} SELECT * FROM loaded ON CONFLICT {conflict}")
        connection.exec_driver_sql("DROP TABLE loaded")

    @staticmethod
    def _copy(connection: Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        dbapi: Any = connection.dialect.loaded_dbapi
        cursor: Any = connection.connection.cursor()
        try:
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        except dbapi.Error as error:
            # Outside SQLAlchemy's own execution, so its error classes are put on here.
            raise DBAPIError.instance(f"COPY {table}", None, error, dbapi.Error, dialect=connection.dialect) from error
        finally:
            cursor.close()

    def refused(self, connection: Connection, records: Sequence[AnyRecord]) -> RowRefused | None:
        """Return which record the database refuses, by writing one after the other; the caller rolls back."""
        for kind in TABLES:
            for record in records:
                if type(record) is kind:
                    try:
                        self.write(connection, (record,))
                    except RowRefused as refused:
                        return refused
                    except DBAPIError as error:
                        cause = str(error.orig).strip().splitlines()[0]
                        return _refusal(record, cause)
        return None


def require_known_codes(record: AnyRecord) -> None:
    """Raise `RowRefused` for a record that the ledger would not take because of a code in it."""
    if type(record) in TABLES:
        _CODES[type(record)]((record,))


def _refusal(record: Any, cause: str) -> RowRefused:
    return RowRefused(f"{tag_of(record)} {record.id} is refused: {cause}")


def _code_check(kind: type[Record], table: type[Base]) -> Callable[[Sequence[Any]], None]:
    """Return a function that raises `RowRefused` when one of some records holds a code that is in no vocabulary."""
    called = attributes_of(kind)
    rules = [
        (attrgetter(*(called[name] for name in rule.columns)), rule)
        for rule in rules_of(table.__table__)  # type: ignore[arg-type]
    ]

    def check(records: Sequence[Any]) -> None:
        for get, (columns, known) in rules:
            if not known.issuperset(map(get, records)):
                record = next(record for record in records if get(record) not in known)
                raise _refusal(record, f"{' and '.join(columns)} cannot be {get(record)!r}")

    return check


_CODES = {kind: _code_check(kind, table) for kind, table in TABLES.items()}


def _upsert(table: Table, dialect: str) -> str:
    names = [column.name for column in table.columns]
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name != "id")
    conflict = f"ON CONFLICT (id) DO UPDATE SET {changes}"
    if dialect == "postgresql":
        arrays = ", ".join(f"%s::{_postgres_type(table, name)}[]" for name in names)
        return f"INSERT INTO {table.name} ({', '.join(names)}) SELECT * FROM unnest({arrays}) {conflict}"
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks}) {conflict}"


def _postgres_type(table: Table, name: str) -> str:
    kind = table.columns[name].type
    return "numeric" if isinstance(kind, ExactNumber) else _POSTGRES_TYPES[str(kind)]


def row_maker(kind: type[Record], table: type[Base]) -> Callable[[Sequence[Any]], Iterator[tuple[Any, ...]]]:
    """Return a function from records (at least one) to the tuples of their columns' values, as the driver takes them.

    A column is called as its field is on disk, whatever the class calls it. Exact numbers go as text to both databases
    (PostgreSQL reads it as numeric, exactly), enumerated values as plain `str`. A pair's waterfall is spread over its columns;
    a fill's fee comes as an exact integer too.
    """
    columns = [column.name for column in table.__table__.columns]
    called, typed = attributes_of(kind), get_type_hints(kind)
    hints = {name: typed[attribute] for name, attribute in called.items()}
    own = [name for name in columns if name in hints]
    more: dict[type, tuple[str, ...]] = {PairRecord: WATERFALL, FillRecord: ("fee_quote_value_e8",)}
    # The further columns stand together, though not always at the end: later migrations added columns behind them.
    place = next((at for at, name in enumerate(columns) if name not in hints), len(columns))
    expected = [*own[:place], *more.get(kind, ()), *own[place:]]
    require(columns == expected, f"{kind.__name__} and {table.__tablename__} differ: {columns} against {expected}")
    exact = tuple(index for index, name in enumerate(own) if _mentions(hints[name], Decimal))
    named = tuple(index for index, name in enumerate(own) if _mentions(hints[name], StrEnum))
    get = attrgetter(*(called[name] for name in own))
    causes = [attributes_of(Waterfall)[name] for name in WATERFALL]

    def rows_of(records: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        # Column by column: quicker than row by row.
        values: list[Iterable[Any]] = list(zip(*map(get, records), strict=True))
        for index in exact:
            values[index] = [None if value is None else exact_text(value) for value in values[index]]
        for index in named:
            values[index] = [None if value is None else value.value for value in values[index]]
        if kind is PairRecord:
            terms = [pair.waterfall for pair in records]
            values[place:place] = [[None if t is None else getattr(t, name) for t in terms] for name in causes]
        elif kind is FillRecord:
            values.insert(place, [to_e8(fill.fee_quote_value) for fill in records])
        return zip(*values, strict=True)

    return rows_of


def _mentions(hint: Any, wanted: type) -> bool:
    return any(isinstance(part, type) and issubclass(part, wanted) for part in (hint, *get_args(hint)))
