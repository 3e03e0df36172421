"""`arb export --parquet`: what is read back is the ledger, to the last digit, from either database."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from arb.clock import ManualClock
from arb.core.messages.commands import AnyRecord
from arb.errors import ArbError, ConfigError
from arb.store.ledger.database import open_engine
from arb.store.ledger.domains import ExactNumber
from arb.store.ledger.export import Arrow, export_parquet, write_tables
from arb.store.ledger.export_place import FILE_NAME, MANIFEST, NO_DAY, ExportPlace
from arb.store.ledger.migrate import upgrade
from arb.store.ledger.tables import Base
from arb.store.ledger.writer import Writer
from tests.support.history import DAY_NS, a_history, fill_ledger
from tests.unit.store.conftest import query
from tests.unit.store.rows import T0, a_balance, a_fill, a_finished_pair, a_run, an_opportunity

pa = pytest.importorskip("pyarrow")
ds = pytest.importorskip("pyarrow.dataset")
pq = pytest.importorskip("pyarrow.parquet")
D = Decimal
DAY_0_NS = T0 // DAY_NS * DAY_NS


def write(db_url: str, *records: AnyRecord) -> None:
    upgrade(db_url)
    engine = open_engine(db_url)
    with engine.begin() as connection:
        Writer(engine.dialect.name).write(connection, records)
    engine.dispose()


def export(db_url: str, folder: Path) -> dict[str, Any]:
    return export_parquet(db_url, folder, ManualClock(T0))


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.parquet")}


def read(folder: Path, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table as any reader of Hive partitions sees them, by their first column."""
    dataset = ds.dataset(folder / f"table={table}", partitioning="hive")
    rows: list[dict[str, Any]] = dataset.to_table().to_pylist()
    return in_order(rows, table)


def in_order(rows: list[dict[str, Any]], table: str) -> list[dict[str, Any]]:
    """Return rows by their key; a view's key is its first column."""
    chosen = Base.metadata.tables.get(table)
    keys = ["id"] if chosen is None else [column.name for column in chosen.primary_key]
    return sorted(rows, key=lambda row: [row[key] for key in keys])


def ledger_rows(db_url: str, table: str) -> list[dict[str, Any]]:
    engine = open_engine(db_url)
    with engine.connect() as connection:
        chosen = Base.metadata.tables.get(table)
        found = connection.execute(text(f"SELECT * FROM {table}") if chosen is None else chosen.select()).mappings()
        rows = [dict(row) for row in found]
    engine.dispose()
    return in_order(rows, table)


def refusal(db_url: str, folder: Path) -> str:
    with pytest.raises(ArbError) as caught:
        export(db_url, folder)
    return str(caught.value)


# What is refused.


def test_without_pyarrow_the_extra_is_named(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(sqlite_url, a_run())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'arb[parquet]'" in refusal(sqlite_url, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "strange", ["notes.txt", "table=fills/readme", f"table=fills/day_utc=2026-01-01/{FILE_NAME}.bak"]
)
def test_a_directory_with_anything_else_in_it_is_left_alone(sqlite_url: str, tmp_path: Path, strange: str) -> None:
    write(sqlite_url, a_run())
    export(sqlite_url, tmp_path / "out")
    (tmp_path / "out" / strange).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "out" / strange).write_text("mine")
    before = files(tmp_path / "out")
    assert f"holds {strange}, which no export put there" in refusal(sqlite_url, tmp_path / "out")
    assert files(tmp_path / "out") == before


def test_a_place_that_is_no_directory_is_refused_in_one_line(sqlite_url: str, tmp_path: Path) -> None:
    write(sqlite_url, a_run())
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match="not a directory that can be used: "):
            export(sqlite_url, folder)


def test_a_second_export_does_not_begin_while_one_is_under_way(sqlite_url: str, tmp_path: Path) -> None:
    write(sqlite_url, a_run())
    with ExportPlace(tmp_path / "out"):
        assert "another export is writing there" in refusal(sqlite_url, tmp_path / "out")
    export(sqlite_url, tmp_path / "out")


def test_a_full_disk_leaves_what_was_there(sqlite_url: str, tmp_path: Path) -> None:
    write(sqlite_url, a_run())
    export(sqlite_url, tmp_path / "out")
    before = files(tmp_path / "out")
    fill_ledger(sqlite_url, a_history(pairs=60, days=1))
    script = f"""
import resource, signal
from pathlib import Path
from arb.clock import SystemClock
from arb.errors import StoreError
from arb.store.ledger.export import Arrow, export_parquet, write_tables
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def on_progress(name, rows, of):
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
try:
    export_parquet({sqlite_url!r}, Path({str(tmp_path / "out")!r}), SystemClock(), on_progress)
except StoreError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "cannot be written" in told and len(told.splitlines()) == 1
    assert files(tmp_path / "out") == before
    assert [entry.name for entry in (tmp_path / "out").iterdir() if entry.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("0.000000000000000001", True),
        ("99999999999999999999.5", True),
        ("0.0000000000000000001", False),
        ("1E+20", False),
    ],
)
def test_a_number_with_more_digits_than_its_column_is_refused_and_its_row_named(
    db_url: str, tmp_path: Path, value: str, fits: bool
) -> None:
    write(db_url, a_run(), a_balance(1), a_balance(7, free=D(value)))
    if fits:
        export(db_url, tmp_path / "out")
        assert read(tmp_path / "out", "balances")[1]["free"] == D(value)
    else:
        told = refusal(db_url, tmp_path / "out")
        assert told.startswith(f"balances id 7: free {D(value):f} cannot be held exactly as decimal128(38, 18)")
        assert files(tmp_path / "out") == {}


# What is written.


def test_what_is_read_back_is_the_ledger_exactly(db_url: str, tmp_path: Path) -> None:
    fill_ledger(db_url, a_history(pairs=90, days=3))
    answer = export(db_url, tmp_path / "out")
    for table in [*Base.metadata.tables, "v_pair_trades"]:
        rows, wanted = read(tmp_path / "out", table), ledger_rows(db_url, table)
        assert len(rows) == len(wanted), table
        for row, want in zip(rows, wanted, strict=True):
            for name, value in want.items():
                if name == "duration_ms":
                    took_ns = None if value is None else D(want["closed_ns"] - want["decided_ns"])
                    assert row[name] == (None if took_ns is None else took_ns.scaleb(-6))
                elif f"{name}_e8" in want and table.startswith("v_"):
                    whole = want[f"{name}_e8"]
                    assert row[name] == (None if whole is None else D(whole).scaleb(-8)), (table, name)
                elif name.endswith("_at"):
                    assert (None if row[name] is None else row[name].isoformat(" ", "microseconds")) == value
                else:
                    assert row[name] == (D(value) if isinstance(row[name], Decimal) else value), (table, name)
    written = {table["table"]: table["rows"] for table in answer["tables"]}
    assert written == {table: len(ledger_rows(db_url, table)) for table in written}
    assert answer["rows"] == sum(written.values()) and answer["files"] == len(files(tmp_path / "out"))
    assert answer["bytes"] == sum(map(len, files(tmp_path / "out").values()))


def test_every_instant_has_a_twin_that_every_reader_takes(sqlite_url: str, tmp_path: Path) -> None:
    """Of microseconds, which the oldest readers know, and without a zone, in which each would show another clock's time."""
    instant_ns = T0 + 123_999
    write(sqlite_url, a_run(started_ns=instant_ns))
    export(sqlite_url, tmp_path / "out")
    for file in (tmp_path / "out").rglob(FILE_NAME):
        schema = pq.read_schema(file)
        instants = [name for name in schema.names if name == "ns" or (name.endswith("_ns") and name != "lived_ns")]
        for name in instants:
            twin = schema.names[schema.names.index(name) + 1]
            assert twin == name.removesuffix("ns") + "at"
            assert schema.field(twin).type == pa.timestamp("us")
        assert len([name for name in schema.names if name == "at" or name.endswith("_at")]) == len(instants)
    (run,) = read(tmp_path / "out", "runs")
    assert (run["started_ns"], str(run["started_at"]), run["ended_at"]) == (
        instant_ns,
        "2023-11-14 22:13:20.000123",
        None,
    )


def test_exact_numbers_have_one_type_whatever_they_are(sqlite_url: str, tmp_path: Path) -> None:
    write(sqlite_url, a_run())
    export(sqlite_url, tmp_path / "out")
    for table in Base.metadata.tables.values():
        (file,) = (tmp_path / "out" / f"table={table.name}").rglob(FILE_NAME)
        schema = pq.read_schema(file)
        for column in table.columns:
            if isinstance(column.type, ExactNumber):
                of_fee = column.name == "fee_quote_value"
                assert schema.field(column.name).type == pa.decimal128(38, 27 if of_fee else 18)
            if column.name in schema.names:
                assert (schema.field(column.name).metadata or {}).get(b"comment") == (column.comment or "").encode()


def test_no_decimal_has_more_digits_than_every_reader_holds_exactly(sqlite_url: str, tmp_path: Path) -> None:
    write(sqlite_url, a_run())
    export(sqlite_url, tmp_path / "out")
    types = {field.type for file in (tmp_path / "out").rglob(FILE_NAME) for field in pq.read_schema(file)}
    decimals = [kind for kind in types if pa.types.is_decimal(kind)]
    assert decimals and all(pa.types.is_decimal128(kind) and kind.precision <= 38 for kind in decimals)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("92233720000.54775807", True),  # about what its twin in 1e-8 holds at most
        ("-0.000000000000000000000000001", True),
        ("92233720000.000000000000000000000000001", True),
        ("0.0000000000000000000000000001", False),
        ("1.0000000000000000000000000000000000000000000000000000000000001", False),
    ],
)
def test_the_value_of_a_fee_is_exact_to_27_decimals_or_refused_and_its_row_named(
    db_url: str, tmp_path: Path, value: str, fits: bool
) -> None:
    charged = a_fill(7, 1, trade_id="x", fee=D(0), fee_quote_value=D(value))
    write(db_url, a_run(), *a_finished_pair(1), charged)
    if fits:
        export(db_url, tmp_path / "out")
        assert read(tmp_path / "out", "fills")[-1]["fee_quote_value"] == D(value)
    else:
        told = refusal(db_url, tmp_path / "out")
        assert told.startswith(f"fills id 7: fee_quote_value {D(value):f} cannot be held exactly as decimal128(38, 27)")
        assert files(tmp_path / "out") == {}


def test_each_row_lies_under_its_utc_day(db_url: str, tmp_path: Path) -> None:
    last = DAY_0_NS + DAY_NS - 1
    write(db_url, a_run(), a_balance(1, ns=last), a_balance(2, ns=last + 1))
    export(db_url, tmp_path / "out")
    days = [row["day_utc"] for row in read(tmp_path / "out", "balances")]
    assert days == ["2023-11-14", "2023-11-15"]
    assert {row["day_utc"] for row in read(tmp_path / "out", "runs")} == {"2023-11-14"}
    assert (tmp_path / "out" / "table=incidents" / f"day_utc={NO_DAY}" / FILE_NAME).exists()  # empty, yet there


def test_a_fill_told_after_midnight_lies_under_the_day_it_happened(db_url: str, tmp_path: Path) -> None:
    """Its id is greater than those of the new day."""
    pair = a_finished_pair(1)
    late = [a_fill(10, 1, trade_id="x", event_ns=DAY_0_NS + 5), a_fill(11, 1, trade_id="y", event_ns=T0 + DAY_NS)]
    write(db_url, a_run(), *pair, *late, a_fill(12, 1, trade_id="z", event_ns=DAY_0_NS + 6))
    export(db_url, tmp_path / "out")
    rows = {row["id"]: row["day_utc"] for row in read(tmp_path / "out", "fills")}
    assert rows == {1: "2023-11-14", 2: "2023-11-14", 10: "2023-11-14", 11: "2023-11-15", 12: "2023-11-14"}


numbers = st.decimals(min_value=0, max_value=D("99999999999999999999"), places=18, allow_nan=False)
fees = st.decimals(min_value=D("-4e9"), max_value=D("4e9"), places=27, allow_nan=False, allow_infinity=False)


@pytest.fixture(scope="module")
def open_ledger(memory: Path) -> Iterator[Connection]:
    """Return a connection to a ledger whose schema is made once; what an example writes into it is rolled back."""
    url = f"sqlite:///{memory}/ledger.sqlite"
    write(url, a_run(), *(a_finished_pair(1)[:7]))
    engine = open_engine(url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@settings(max_examples=40)
@given(values=st.lists(st.tuples(numbers, fees), min_size=1, max_size=20))
def test_any_number_that_fits_comes_back_as_it_was(
    memory: Path, open_ledger: Connection, values: list[tuple[Decimal, Decimal]]
) -> None:
    balances = [a_balance(number, free=free) for number, (free, _) in enumerate(values, 1)]
    charged = [
        a_fill(number, trade_id=f"t{number}", fee_quote_value=fee, fee=D(0))
        for number, (_, fee) in enumerate(values, 1)
    ]
    tables = ("balances", "fills")
    with open_ledger.begin() as transaction, ExportPlace(memory / "out") as place:
        Writer("sqlite").write(open_ledger, [*balances, *charged])
        write_tables(open_ledger, tables, Arrow(), place, lambda name, rows, of: None)
        place.commit({})
        transaction.rollback()
    assert [row["free"] for row in read(memory / "out", "balances")] == [free for free, _ in values]
    assert [row["fee_quote_value"] for row in read(memory / "out", "fills")] == [fee for _, fee in values]


# Again, and again after a crash.


def test_a_second_export_replaces_what_changed_and_takes_away_what_is_gone(db_url: str, tmp_path: Path) -> None:
    later = [an_opportunity(9, opened_ns=T0 + DAY_NS, best_ns=T0 + DAY_NS, closed_ns=T0 + DAY_NS)]
    write(db_url, a_run(), an_opportunity(1), *later)
    export(db_url, tmp_path / "out")
    engine = open_engine(db_url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM opportunities WHERE id = 1"))
    engine.dispose()
    write(db_url, an_opportunity(9, **dict.fromkeys(("opened_ns", "best_ns", "closed_ns"), T0 + DAY_NS), ticks=77))
    export(db_url, tmp_path / "out")
    assert [(row["id"], row["ticks"]) for row in read(tmp_path / "out", "opportunities")] == [(9, 77)]
    assert not (tmp_path / "out" / "table=opportunities" / "day_utc=2023-11-14").exists()
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert manifest["complete"] and manifest["exported_ns"] == T0


@pytest.mark.thorough
def test_killed_on_its_way_it_leaves_the_earlier_files_and_no_half_one(sqlite_url: str, tmp_path: Path) -> None:
    fill_ledger(sqlite_url, a_history(pairs=30, days=2))
    export(sqlite_url, tmp_path / "out")
    before = files(tmp_path / "out")
    write(sqlite_url, an_opportunity(10**15, run_id=query(sqlite_url, "SELECT MIN(id) FROM runs")[0][0]))
    script = f"""
import os, signal
from pathlib import Path
from arb.clock import SystemClock
from arb.store.ledger.export import Arrow, export_parquet, write_tables
def on_progress(name, rows, of):
    if rows > of // 2:
        os.kill(os.getpid(), signal.SIGKILL)
export_parquet({sqlite_url!r}, Path({str(tmp_path / "out")!r}), SystemClock(), on_progress)
"""
    died = subprocess.run([sys.executable, "-c", script], check=False)
    assert died.returncode == -signal.SIGKILL
    assert {name: data for name, data in files(tmp_path / "out").items() if not name.startswith(".")} == before
    left = [entry for entry in (tmp_path / "out").iterdir() if entry.name.startswith(".arb-export-")]
    assert len(left) == 1  # which readers pass over
    assert len(read(tmp_path / "out", "orders")) == len(ledger_rows(sqlite_url, "orders"))
    export(sqlite_url, tmp_path / "out")
    assert not left[0].exists()
    assert len(read(tmp_path / "out", "opportunities")) == len(ledger_rows(sqlite_url, "opportunities"))


def test_progress_counts_every_row_once(sqlite_url: str, tmp_path: Path) -> None:
    fill_ledger(sqlite_url, a_history(pairs=30, days=2))
    told: list[tuple[str, int, int]] = []
    answer = export_parquet(sqlite_url, tmp_path / "out", ManualClock(T0), lambda *news: told.append(news))
    rows = [done for _, done, _ in told]
    assert rows == sorted(rows) and rows[0] == 0
    assert rows[-1] == answer["rows"] and {total for _, _, total in told} == {answer["rows"]}
