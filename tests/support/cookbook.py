"""The questions of `docs/SQL.md`, and a client as plain as anybody's to ask them with."""

import contextlib
import re
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import psycopg

COOKBOOK = Path(__file__).resolve().parents[2] / "docs" / "SQL.md"


class Question(msgspec.Struct, frozen=True):
    """One heading of the cookbook and its one statement."""

    number: int
    title: str
    sql: str


class Answer(msgspec.Struct, frozen=True):
    """What a database answered, and how long it took: SQLite, in our own process, by its processor time, so that a machine
    with other things to do does not count."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    seconds: float


def questions() -> list[Question]:
    """Return all questions in order."""
    found = re.findall(r"^## (\d+)\. (.+?)\n(.*?)```sql\n(.+?)```", COOKBOOK.read_text(), re.MULTILINE | re.DOTALL)
    return [Question(int(number), title, sql.strip()) for number, title, _, sql in found]


def ask(db_url: str, sql: str) -> Answer:
    """Ask through the driver alone, without a line of ours in between; `duckdb:DIR` are the files of an export."""
    if db_url.startswith("duckdb:"):
        return _ask_files(Path(db_url.removeprefix("duckdb:")), sql)
    clock = time.process_time if db_url.startswith("sqlite") else time.perf_counter
    began = clock()
    if db_url.startswith("sqlite"):
        with closing(sqlite3.connect(db_url.removeprefix("sqlite:///"))) as connection:
            cursor = connection.execute(sql)
            rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
            columns = [str(column[0]) for column in cursor.description]
    else:
        with psycopg.connect(db_url.replace("+psycopg", "", 1), prepare_threshold=None) as server:
            result = server.execute(sql.encode())
            rows = result.fetchall()
            columns = [column.name for column in result.description or ()]
    return Answer(columns, [tuple(row) for row in rows], clock() - began)


def _ask_files(folder: Path, sql: str) -> Answer:
    """Ask DuckDB, in an export's directory as `duckdb -init duckdb.sql` is started."""
    import duckdb

    began = time.perf_counter()
    with contextlib.chdir(folder), duckdb.connect() as connection:
        connection.execute(Path("duckdb.sql").read_text(encoding="utf-8"))
        result = connection.execute(sql)
        columns, rows = [str(column[0]) for column in result.description], result.fetchall()
    return Answer(columns, rows, time.perf_counter() - began)
