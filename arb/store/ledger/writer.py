"""Records to rows: plain tuples through the driver, replaced by id, all in the caller's transaction.

Text that a database cannot hold is made harmless here, of any origin; a record that the database refuses is named.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Any, get_args, get_type_hints

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from arb.core.messages.commands import AnyRecord
from arb.core.messages.records import (
    AlternativeRecord,
    BalanceRecord,
    DecisionBookRecord,
    FillRecord,
    IncidentRecord,
    LedgerRecord,
    OpportunityRecord,
    OrderRecord,
    PairRecord,
    Record,
    RunRecord,
    Waterfall,
    attributes_of,
    row_key,
    tag_of,
)
from arb.errors import StoreError, require
from arb.market.numbers import to_e8
from arb.market.order import Role
from arb.store.ledger.derived import FEES_OF_CLOSINGS, FEES_OF_PAIRS, LEGS_OF_PAIRS, sums_of_days
from arb.store.ledger.domains import ExactNumber, exact_text, levels_text, rules_of
from arb.store.ledger.tables import (
    WATERFALL,
    Alternative,
    Balance,
    Base,
    DecisionBook,
    Fill,
    Incident,
    Opportunity,
    Order,
    PairClosing,
    PairTrade,
    Run,
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
    DecisionBookRecord: DecisionBook,
}
_PLACES = {kind: place for place, kind in enumerate(TABLES)}
COPY_ROWS = 500
PIECE_ROWS = 1_000
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_TERMS = [attributes_of(Waterfall)[name] for name in WATERFALL]
_SQLITE_PAIRS = """ IN (
    SELECT value FROM json_each(?) UNION
    SELECT o.pair_trade_id FROM orders o WHERE o.id IN (SELECT value FROM json_each(?))
)"""
_POSTGRES_PAIRS = """ IN (
    SELECT unnest(%s::bigint[]) UNION SELECT o.pair_trade_id FROM orders o WHERE o.id = ANY(%s::bigint[])
)"""
_POSTGRES_TYPES = {"BIGINT": "bigint", "INTEGER": "bigint", "NUMERIC": "numeric", "VARCHAR": "text"}


class RowRefused(StoreError):
    """A record that the ledger cannot hold: it breaks a constraint, has an unknown code, or a number beyond 64 bits."""

    def __init__(self, record: Any, cause: str) -> None:
        super().__init__(f"{tag_of(record)} {record.id} is refused: {cause}")
        self.record = record
        self.cause = cause


class Writer:
    def __init__(self, dialect: str) -> None:
        tables: list[type[Base]] = [*TABLES.values(), PairClosing]
        self._sql = {table: _upsert(table.__table__, dialect) for table in tables}  # type: ignore[arg-type]
        self._rows = {kind: row_maker(kind, table) for kind, table in TABLES.items()}
        self._postgres = dialect == "postgresql"
        self._insert = self._sql[Opportunity].partition(" ON CONFLICT ")[0]
        of_ids = "id = ANY(%s::bigint[])" if self._postgres else "id IN (SELECT value FROM json_each(?))"
        self._add_to_days = sums_of_days(dialect, of_ids)
        self._legs = LEGS_OF_PAIRS.format(which=f"p.{of_ids}")
        self._take_from_days = sums_of_days(dialect, of_ids, "-")

    def write(self, connection: Connection, records: Iterable[AnyRecord]) -> int:
        """Write the last state of each record, tables in the order of their references; return how many rows.

        Records that stay in the journal (plans, controls) are passed over. Raises `DBAPIError` when the database
        refuses, and `RowRefused` for a code that is in no vocabulary.
        """
        latest: dict[type, dict[int, LedgerRecord]] = {kind: {} for kind in TABLES}
        closings = dict[tuple[int, int], PairRecord]()
        for record in records:
            rows = latest.get(type(record))
            if isinstance(record, PairRecord) and record.waterfall is not None:
                closings[record.id, record.closed_before] = record
            if rows is not None:
                rows[record.id] = record  # type: ignore[union-attr, assignment]
        for kind, by_id in latest.items():
            if (
                by_id and kind is OpportunityRecord
            ):  # a traded one has its row written twice: at the trade, and at its end
                connection.exec_driver_sql(self._take_from_days, (self._array(list(by_id)),))
            if by_id:
                self._execute(connection, TABLES[kind], list(self._made(kind, list(by_id.values()))))
            if by_id and kind is OpportunityRecord:
                connection.exec_driver_sql(self._add_to_days, (self._array(list(by_id)),))
            if kind is PairRecord and closings:
                self._execute(connection, PairClosing, [_closing(pair) for pair in closings.values()])
        self._add_legs(connection, latest[PairRecord], latest[OrderRecord].values())
        filled = {fill.order_id for fill in latest[FillRecord].values()}  # type: ignore[union-attr]
        pairs = latest[PairRecord]
        if pairs or filled:
            self._add_fees(connection, list(pairs), list(filled))
        return sum(map(len, latest.values()))

    def _add_legs(self, connection: Connection, pairs: Iterable[Any], orders: Iterable[Any]) -> None:
        """Derive the legs of pairs, and of those that entry orders belong to."""
        which = {*pairs, *(order.pair_trade_id for order in orders if order.role in (Role.ENTRY, Role.TEST))}
        if which:
            connection.exec_driver_sql(self._legs, (self._array(list(which)),))

    def _add_fees(self, connection: Connection, pairs: list[int], orders: list[int]) -> None:
        """Add up the fees of pairs, of those that orders belong to, and of their closings."""
        which = _POSTGRES_PAIRS if self._postgres else _SQLITE_PAIRS
        for update in (f"{FEES_OF_PAIRS} WHERE p.id", f"{FEES_OF_CLOSINGS} WHERE c.pair_trade_id"):
            connection.exec_driver_sql(update + which, (self._array(pairs), self._array(orders)))

    def _array(self, ids: list[int]) -> list[int] | str:
        return ids if self._postgres else json.dumps(ids)

    def write_but_for(self, connection: Connection, records: Sequence[AnyRecord]) -> list[RowRefused]:
        """Write as `write` does, but for the records that the database refuses; return which, and why.

        One that refers to a refused one is refused too. Raises `DBAPIError` when the database fails in any other way.
        """
        latest = {row_key(record): record for record in records if isinstance(record, LedgerRecord)}
        return list(self._tried(connection, sorted(latest.values(), key=lambda record: _PLACES[type(record)])))

    def _tried(self, connection: Connection, records: Sequence[LedgerRecord]) -> Iterator[RowRefused]:
        try:
            with connection.begin_nested():
                self.write(connection, records)
        except (DBAPIError, StoreError, ArithmeticError, ValueError) as error:
            if not _is_refusal(error):
                raise
            if len(records) > 1:  # halves, in their order: rows that others refer to precede them
                middle = len(records) // 2
                yield from self._tried(connection, records[:middle])
                yield from self._tried(connection, records[middle:])
            elif isinstance(error, RowRefused):
                yield error
            else:
                cause = str(error.orig if isinstance(error, DBAPIError) else error)
                yield RowRefused(records[0], cause.strip().splitlines()[0])

    def add_untraded(self, connection: Connection, records: Sequence[OpportunityRecord]) -> list[RowRefused]:
        """Write opportunities under ids that are new as a rule; those that are not are replaced, as `write` does.

        Returns and raises as `write_but_for` does.
        """
        rows = self._made(OpportunityRecord, records)
        try:
            with connection.begin_nested():
                if self._postgres:
                    self._copy(connection, Opportunity.__tablename__, rows)
                else:
                    connection.exec_driver_sql(self._insert, list(rows))
                connection.exec_driver_sql(self._add_to_days, (self._array([record.id for record in records]),))
            return []
        except (DBAPIError, StoreError, ArithmeticError, ValueError) as error:
            if not _is_refusal(error):
                raise
        # An id is there already (the answer to an earlier commit was lost), or a row is refused.
        return self.write_but_for(connection, records)

    def _made(self, kind: type, records: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """Yield rows, made in small pieces: while a server takes in those before them, and within the processor's cache."""
        for start in range(0, len(records), PIECE_ROWS):
            piece = records[start : start + PIECE_ROWS]
            _CODES[kind](piece)
            yield from self._rows[kind](piece)

    def _execute(self, connection: Connection, table: type[Base], rows: list[tuple[Any, ...]]) -> None:
        if not self._postgres:
            connection.exec_driver_sql(self._sql[table], rows)
        elif len(rows) < COPY_ROWS:
            # One statement with an array per column: the server plans and answers once for the whole batch.
            columns = tuple(list(column) for column in zip(*rows, strict=True))
            connection.exec_driver_sql(self._sql[table], columns)
        else:
            self._copy_and_merge(connection, table, rows)

    def _copy_and_merge(self, connection: Connection, table: type[Base], rows: list[tuple[Any, ...]]) -> None:
        """Load into a temporary table without constraints, then merge: twice as fast as arrays for large batches."""
        name = table.__tablename__
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE loaded (LIKE {name}) ON COMMIT DROP")
        self._copy(connection, "loaded", rows)
        conflict = self._sql[table].partition(" ON CONFLICT ")[2]
        connection.exec_driver_sql(f"INSERT INTO {name} SELECT * FROM loaded ON CONFLICT {conflict}")
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


def require_known_codes(record: AnyRecord) -> None:
    """Raise `RowRefused` for a record that the ledger would not take because of a code in it."""
    if type(record) in TABLES:
        _CODES[type(record)]((record,))


def _is_refusal(error: Exception) -> bool:
    """Return whether an error is about a row's contents, and not about the database's own state."""
    if not isinstance(error, DBAPIError):
        return True
    # PostgreSQL's class 54: a text too long for an index, for one. Its driver calls that a failure of operation.
    # SQLite calls a sum beyond 64 bits, of the fees of a pair for one, a failure of operation, too.
    too_large = str(getattr(error.orig, "sqlstate", None)).startswith("54") or str(error.orig) == "integer overflow"
    return too_large or isinstance(error, DataError | IntegrityError)


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
                raise RowRefused(record, f"{' and '.join(columns)} cannot be {get(record)!r}")

    return check


_CODES = {kind: _code_check(kind, table) for kind, table in TABLES.items()}


def _upsert(table: Table, dialect: str) -> str:
    names = [column.name for column in table.columns]
    keys = [column.name for column in table.primary_key]
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
    conflict = f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"
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

    A column has its field's name on disk, not its name in the class. Exact numbers go as text to both databases
    (PostgreSQL reads it as numeric, exactly), enumerated values as plain `str`. A pair's waterfall is spread over its
    columns; a fill's fee is there as an exact integer too, the levels of a book as JSON.
    """
    columns = [column.name for column in table.__table__.columns]
    called, typed = attributes_of(kind), get_type_hints(kind)
    hints = {name: typed[attribute] for name, attribute in called.items()}
    own = [name for name in columns if name in hints]
    more: dict[type, tuple[str, ...]] = {PairRecord: WATERFALL, FillRecord: ("fee_quote_value_e8",)}
    # The further columns are together, though not always at the end: later migrations added columns behind them.
    place = next((at for at, name in enumerate(columns) if name not in hints), len(columns))
    added_up = ("fees_e8", "fills") if kind is PairRecord else ()  # by the database, once the row is there
    expected = [*own[:place], *more.get(kind, ()), *own[place:], *added_up]
    require(columns == expected, f"{kind.__name__} and {table.__tablename__} differ: {columns} against {expected}")
    exact = tuple(index for index, name in enumerate(own) if _mentions(hints[name], Decimal))
    # Not only `str`: enumerated values keep their own class, and hold no strange characters.
    texts = tuple(index for index, name in enumerate(own) if str in (hints[name], *get_args(hints[name])))
    named = tuple(index for index, name in enumerate(own) if _mentions(hints[name], StrEnum))
    get = attrgetter(*(called[name] for name in own))

    def rows_of(records: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        # Column by column: quicker than row by row.
        values: list[Iterable[Any]] = list(zip(*map(get, records), strict=True))
        for index in exact:
            values[index] = [None if value is None else exact_text(value) for value in values[index]]
        for index in texts:
            values[index] = storable(values[index])
        for index in named:
            values[index] = [None if value is None else value.value for value in values[index]]
        if kind is PairRecord:
            terms = [pair.waterfall for pair in records]
            values[place:place] = [[None if t is None else getattr(t, name) for t in terms] for name in _TERMS]
        elif kind is FillRecord:
            values.insert(place, [to_e8(fill.fee_quote_value) for fill in records])
        elif kind is DecisionBookRecord:
            values[own.index("levels")] = [levels_text(book.levels) for book in records]
        values += [[0] * len(records) for _ in added_up]
        return zip(*values, strict=True)

    return rows_of


def _closing(pair: PairRecord) -> tuple[int | None, ...]:
    """Return the row of the closing with which a pair reached this state: each term less the one booked before."""
    booked, now = pair.booked, pair.waterfall
    terms = (getattr(now, name) - (0 if booked is None else getattr(booked, name)) for name in _TERMS)
    return pair.id, pair.closed_before + 1, pair.closed_ns, *terms, 0


def storable(texts: Iterable[str | None]) -> Iterable[str | None]:
    """Return texts with characters a database cannot hold replaced: NUL in PostgreSQL, and lone surrogates in both."""
    joined = "".join(filter(None, texts))
    if "\0" not in joined and (joined.isascii() or not _UNSTORABLE.search(joined)):
        return texts
    return [text and _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text) for text in texts]


def _mentions(hint: Any, wanted: type) -> bool:
    return any(isinstance(part, type) and issubclass(part, wanted) for part in (hint, *get_args(hint)))
