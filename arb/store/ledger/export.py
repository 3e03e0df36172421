"""The ledger as Parquet: every table and the view of pairs, partitioned by UTC day, exact to the last digit.

Instants stay integer nanoseconds (`_ns`), each with a twin `_at`: a timestamp of microseconds, rounded down, in UTC and
without a zone, so that every reader shows the same. Money stays integers of 1e-8 (`_e8`), as int64. Prices, sizes and
fees are decimals of fixed scale, `decimal128(38, 18)`, but for `fee_quote_value`: the product of a fee and a price may
have more decimals, and has no more digits before the point than its twin in 1e-8, so it is `decimal128(38, 27)`. Some
programs read more than 38 digits as a float, and no decimal here has more. A value that has more digits than its column
can hold is refused, with its row named; nothing is ever rounded. In the view, `x` is `x_e8` with eight decimals and
`duration_ms` has six, exactly.

Rows are read in one snapshot and in batches, so neither a running engine nor a long history matters. Needs pyarrow (the
extra `parquet`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import BigInteger, Column, Connection, Integer, text

from arb.clock import NS_PER_DAY, NS_PER_US, Clock
from arb.errors import StoreError, require
from arb.market.arena import INT64_MAX
from arb.store.ledger.database import mask_url
from arb.store.ledger.domains import ExactNumber, at_of
from arb.store.ledger.export_place import NO_DAY, ExportPlace, export_error
from arb.store.ledger.migrate import Reader, head
from arb.store.ledger.selection import ALERTS_BY, ALL, INCIDENTS_BY, OPPORTUNITIES_BY, PAIRS_BY, SelectedBy, Selection
from arb.store.ledger.tables import Base
from arb.store.ledger.views import VIEWS, view_sql
from arb.store.tapes.parquet import library

BATCH_ROWS = 8_192
GROUP_BATCHES = 8
"""How many batches make a row group: rows are quickest in small batches, and files read quickest in large groups."""
FINE = frozenset({"fee_quote_value"})
"""Columns that may need more than 18 decimals, and not more than 11 digits before the point."""
POINTS = {"e8": 8, "e6": 6}
"""Integers that become decimals by a point among their digits, and how many digits follow it."""
_TWIN = "_e8 in whole quote"
_OWN = ("buy_venue", "sell_venue")
SELECTED_BY = {
    "runs": SelectedBy("started_ns", "id", until=f"COALESCE(ended_ns, {INT64_MAX})"),
    "opportunities": OPPORTUNITIES_BY,
    "pair_trades": PAIRS_BY,
    "orders": SelectedBy("journalled_ns", "", "symbol", ("venue",), pair="pair_trade_id"),
    "fills": SelectedBy(
        "event_ns", "", "symbol", ("venue",), pair="(SELECT o.pair_trade_id FROM orders o WHERE o.id = order_id)"
    ),
    "balances": SelectedBy("ns", "run_id", venues=("venue",), asset="asset"),
    "incidents": INCIDENTS_BY,
    "alerts": ALERTS_BY,
    "alternatives": SelectedBy("ns", pair="pair_trade_id"),
    "decision_books": SelectedBy("ns", pair="pair_trade_id"),
    "trade_legs": SelectedBy(
        "(SELECT p.decided_ns FROM pair_trades p WHERE p.id = pair_trade_id)",
        "",
        "symbol",
        ("venue",),
        pair="pair_trade_id",
    ),
    "pair_closings": SelectedBy("closed_ns", pair="pair_trade_id"),
    "opportunities_daily": SelectedBy(
        f"day * {NS_PER_DAY}", "run_id", "symbol", _OWN, "'arb'", until=f"(day + 1) * {NS_PER_DAY} - 1"
    ),
    "v_pair_trades": PAIRS_BY,
}
"""The tables with a selection; all others are always whole."""
DAY_OF = {name: by.at for name, by in SELECTED_BY.items() if name != "opportunities_daily"}
"""The instant whose UTC day a row is filed under. `opportunities_daily` has its own day, `projection` none."""

# (table being written, rows written so far, rows in all)
OnProgress = Callable[[str, int, int], None]


class Field(msgspec.Struct, frozen=True):
    """One column of a file: how to select it, how to make an Arrow array of it, and its meaning."""

    name: str
    sql: str
    kind: str
    comment: str


class Day(msgspec.Struct, frozen=True):
    """The rows of one day: how many, and the range of their ids, or instants, by which they are found quickly."""

    day: int | None
    rows: int
    first: int
    last: int

    @property
    def bounds(self) -> dict[str, int | None]:
        return {"day": self.day, "first": self.first, "last": self.last}


class Source(msgspec.Struct, frozen=True):
    name: str
    fields: tuple[Field, ...]
    day_sql: str
    ranged: str
    order: str
    days: tuple[Day, ...]
    where: str
    values: dict[str, Any]

    def of(self, day: Day) -> str:
        """Return the condition for the rows of a day."""
        if day.day is None:
            return f"{self.day_sql} IS NULL"
        return f"{self.day_sql} = :day AND {self.ranged} BETWEEN :first AND :last"


def export_parquet(
    db_url: str, folder: Path, clock: Clock, on_progress: OnProgress | None = None, selection: Selection = ALL
) -> dict[str, Any]:
    """Write a ledger, or the selected rows of it, into `folder` and return the counts, table by table.

    Files of an earlier export are replaced, day by day. Raises `ConfigError` when pyarrow or the ledger is not there,
    or the directory cannot be used, and `StoreError` when the database or the disk refuses, or a number has more digits
    than its column holds; the directory is then as it was.
    """
    arrow = Arrow()
    reader = Reader(db_url)
    try:
        started_ns = clock.monotonic_ns()
        with ExportPlace(folder) as place:
            with reader.transaction() as connection:
                names = [*Base.metadata.tables, "v_pair_trades"]
                tables = write_tables(connection, names, arrow, place, on_progress or (lambda *_: None), selection)
            manifest = {
                "format": 1,
                "db": mask_url(db_url),
                "revision": head(),
                "exported_ns": clock.wall_ns(),
                "selected": selection.shown(),
                "tables": tables,
            }
            size = place.commit(manifest, _for_duckdb())
    except OSError as error:
        raise export_error(folder, error) from None
    return {
        "db": mask_url(db_url),
        "dir": str(folder),
        "tables": tables,
        "rows": sum(table["rows"] for table in tables),
        "files": sum(table["days"] for table in tables),
        "bytes": size,
        "seconds": round((clock.monotonic_ns() - started_ns) / 1e9, 3),
    }


def write_tables(
    connection: Connection,
    names: Iterable[str],
    arrow: "Arrow",
    place: ExportPlace,
    on_progress: OnProgress,
    selection: Selection = ALL,
) -> list[dict[str, Any]]:
    """Stage the files of these tables and views, and return how many rows and days each has; raise as `export_parquet`."""
    written: list[dict[str, Any]] = []
    sources = [_source(connection, name, selection) for name in names]
    total = sum(day.rows for source in sources for day in source.days)
    done = 0
    for source in sources:
        on_progress(source.name, done, total)
        for rows in _write_source(connection, source, arrow, place):
            done += rows
            on_progress(source.name, done, total)
        count = sum(day.rows for day in source.days)
        written.append({"table": source.name, "rows": count, "days": len(source.days)})
    return written


def _for_duckdb() -> str:
    """Return the statements by which DuckDB, started in the directory, knows tables and views by their names."""
    written = [*Base.metadata.tables, "v_pair_trades"]
    files = (
        'CREATE VIEW {0} AS SELECT * EXCLUDE ("table") FROM '
        "read_parquet('table={0}/*/*.parquet', hive_partitioning = true, hive_types_autocast = false);"
    )
    others = [view_sql(name, "duckdb").strip() + ";" for name in VIEWS if name not in written]
    lines = ["-- duckdb -init duckdb.sql, in this directory", "SET integer_division = true;  -- as in every other SQL"]
    return "\n".join([*lines, *map(files.format, written), *others, ""])


def _source(connection: Connection, name: str, selection: Selection) -> Source:
    """Return a table or view with its columns, and its days as they are in this snapshot."""
    where = SELECTED_BY[name].where(selection) if selection and name in SELECTED_BY else "1 = 1"
    table = Base.metadata.tables.get(name)
    columns = list(_view_columns(connection, name) if table is None else table.columns)
    # Its folder has the day's text already.
    fields = tuple(_fields(column for column in columns if (name, column.name) != ("opportunities_daily", "day_utc")))
    if name in DAY_OF and (table is None or "id" in table.columns):
        day_sql, ranged, order = f"{DAY_OF[name]} / {NS_PER_DAY}", "id", "id"
    else:
        assert table is not None
        keys = [column.name for column in table.primary_key]
        if name in DAY_OF:
            ranged = DAY_OF[name]
            day_sql, keys = f"{ranged} / {NS_PER_DAY}", [ranged, *keys]
        else:
            day_sql = ranged = "day" if any(field.name == "day" for field in fields) else "CAST(NULL AS INTEGER)"
        order = ", ".join(keys)
    bounds = f"COALESCE(MIN({ranged}), 0), COALESCE(MAX({ranged}), 0)"
    sql = f"SELECT {day_sql} AS of_day, COUNT(*), {bounds} FROM {name} WHERE {where} GROUP BY of_day ORDER BY of_day"
    days = [Day(*row) for row in connection.execute(text(sql), selection.values)]
    # An empty table gets an empty file, so that a reader always finds every table and its columns.
    return Source(name, fields, day_sql, ranged, order, tuple(days or [Day(None, 0, 0, 0)]), where, selection.values)


def _view_columns(connection: Connection, name: str) -> Iterator[Column[Any]]:
    """Yield the columns of the view of pairs: those of the table, sums, and those computed of others by name."""
    own = {column.name: column for column in Base.metadata.tables["pair_trades"].columns}
    names = list(connection.execute(text(f"SELECT * FROM {name} LIMIT 0")).keys())
    instants = {at_of(column) for column in names}
    for column in names:
        if column in ("fees_e8", "fills"):
            yield Column(column, BigInteger(), comment=f"{column} of all its orders")
        elif column in own:
            yield own[column]
        elif column == "duration_ms":
            yield Column(column, comment="in ms")
        elif f"{column}_e8" in names:
            yield Column(column, comment=f"{column}{_TWIN}")
        else:
            require(column in instants, f"{name}.{column}: no rule for its export")


def _fields(columns: Iterable[Column[Any]]) -> Iterator[Field]:
    for column in columns:
        yield _field(column)
        if (twin := at_of(column.name)) is not None:
            says = str(column.comment or "").replace("ns UTC", "UTC, to the microsecond")
            yield Field(twin, column.name, "instant", says)


def _field(column: Column[Any]) -> Field:
    name = column.name
    comment = column.comment or ""
    if isinstance(column.type, ExactNumber):
        return Field(name, f"CAST({name} AS TEXT)", "fine" if name in FINE else "exact", comment)
    if isinstance(column.type, Integer):
        return Field(name, name, "int64" if isinstance(column.type, BigInteger) or name == "id" else "int32", comment)
    if name == "duration_ms":
        return Field(name, "closed_ns - decided_ns", "e6", comment)
    if comment == f"{name}{_TWIN}":
        return Field(name, f"{name}_e8", "e8", comment)
    return Field(name, name, "string", comment)


def _write_source(connection: Connection, source: Source, arrow: "Arrow", place: ExportPlace) -> Iterator[int]:
    """Write one table, a file for every day, and yield how many rows each batch had."""
    schema = arrow.schema(source.fields)
    if not source.days[0].rows:
        arrow.parquet.write_table(schema.empty_table(), place.stage(source.name, NO_DAY))
        return
    select = f"SELECT {', '.join(field.sql for field in source.fields)} FROM {source.name} WHERE {source.where}"
    for day in source.days:
        path = place.stage(source.name, _day_utc(day.day))
        sql = f"{select} AND {source.of(day)} ORDER BY {source.order}"
        with arrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
            group: list[Any] = []
            for rows in _batches(connection, sql, source.values | day.bounds):
                group.append(arrow.table(source, schema, rows))
                if len(group) == GROUP_BATCHES:
                    writer.write_table(arrow.pa.concat_tables(group))
                    group.clear()
                yield len(rows)
            if group:
                writer.write_table(arrow.pa.concat_tables(group))


def _batches(connection: Connection, sql: str, bounds: dict[str, Any]) -> Iterator[Sequence[Any]]:
    result = connection.execution_options(yield_per=BATCH_ROWS).execute(text(sql), bounds)
    yield from result.partitions(BATCH_ROWS)


def _day_utc(day: int | None) -> str:
    return NO_DAY if day is None else datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()


class Arrow:
    """Arrays of exact values. Imported when asked for: the engine itself runs without pyarrow."""

    def __init__(self) -> None:
        self.pa: Any = library("pyarrow")
        self.compute: Any = library("pyarrow.compute")
        self.parquet: Any = library("pyarrow.parquet")
        self._types = {
            "exact": self.pa.decimal128(38, 18),
            "fine": self.pa.decimal128(38, 27),
            "int32": self.pa.int32(),
            "int64": self.pa.int64(),
            "instant": self.pa.timestamp("us"),
            "string": self.pa.string(),
        } | {kind: self.pa.decimal128(20, digits) for kind, digits in POINTS.items()}

    def schema(self, fields: Sequence[Field]) -> Any:
        return self.pa.schema(
            [self.pa.field(f.name, self._types[f.kind], metadata={"comment": f.comment}) for f in fields]
        )

    def table(self, source: Source, schema: Any, rows: Sequence[Any]) -> Any:
        columns = list(zip(*rows, strict=True))
        arrays = [
            self._array(source, field, values, columns[0]) for field, values in zip(source.fields, columns, strict=True)
        ]
        return self.pa.Table.from_arrays(arrays, schema=schema)

    def _array(self, source: Source, field: Field, values: Sequence[Any], keys: Sequence[Any]) -> Any:
        """Return a column; raise `StoreError` naming the row when a value cannot be held exactly."""
        kind = self._types[field.kind]
        try:
            if field.kind in ("exact", "fine"):
                return self.compute.cast(self.pa.array(values, self.pa.string()), kind)
            if field.kind == "instant":
                return self.pa.array([None if value is None else value // NS_PER_US for value in values], kind)
            return self._with_point(values, kind) if field.kind in POINTS else self.pa.array(values, kind)
        except (self.pa.ArrowInvalid, self.pa.ArrowTypeError, OverflowError) as error:
            raise self._refusal(source, field, values, keys, error) from None

    def _with_point(self, values: Sequence[int | None], kind: Any) -> Any:
        """Return integers as decimals: the same digits, a point among them, 128 bits each."""
        words = np.zeros((len(values), 2), np.int64)
        words[:, 0] = [value or 0 for value in values]
        words[:, 1] = words[:, 0] >> 63
        known = self.pa.array([value is not None for value in values], self.pa.bool_())
        missing = sum(value is None for value in values)
        buffers = [known.buffers()[1], self.pa.py_buffer(words)]
        return self.pa.Array.from_buffers(kind, len(values), buffers, null_count=missing)

    def _refusal(
        self, source: Source, field: Field, values: Sequence[Any], keys: Sequence[Any], error: Exception
    ) -> StoreError:
        place = next((i for i, value in enumerate(values) if not self._holds(field, value)), 0)
        row = f"{source.name} {source.fields[0].name} {keys[place]}"
        return StoreError(
            f"{row}: {field.name} {values[place]} cannot be held exactly as {self._types[field.kind]}: {error}"
        )

    def _holds(self, field: Field, value: Any) -> bool:
        try:
            if value is not None and field.kind in ("exact", "fine"):
                self.pa.scalar(Decimal(value), self._types[field.kind])
            else:
                self.pa.scalar(value, self._types[field.kind])
        except (self.pa.ArrowException, ArithmeticError, TypeError, OverflowError):
            return False
        return True
