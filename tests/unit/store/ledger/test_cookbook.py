"""Every question of `docs/SQL.md`, asked of both databases: the answers are worked out here once more, from the rows.

`ARB_MILLION=1` asks them of a ledger of a million rows too, prints how long each takes and holds it to a second.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.clock import SystemClock
from arb.core.messages.commands import AnyRecord
from arb.core.messages.events import FlattenAsked
from arb.core.messages.records import LedgerRecord, PairKind, Record
from arb.store.ledger.export import export_parquet
from arb.store.ledger.queries import RUN_TIMES
from arb.store.ledger.views import VIEWS
from tests.builders import SYMBOL
from tests.support.cookbook import Answer, Question, ask, questions
from tests.support.history import FIRST_DAY_NS, a_history, fill_ledger
from tests.unit.core.trades.test_flatten import carrying, tick
from tests.unit.core.trades.test_trade import accept, fill, last_pair
from tests.unit.store import answers
from tests.unit.store.answer_rows import Tables
from tests.unit.store.ledger.test_retention import rolled_up

QUESTIONS = questions()
DAY_NS = 86_400_000_000_000
CUT_NS = FIRST_DAY_NS + DAY_NS
"""What was not traded on the first day has been rolled up."""


@pytest.fixture(scope="module")
def history() -> list[AnyRecord]:
    return list(a_history(pairs=400, days=4))


@pytest.fixture(scope="module")
def tables(history: list[AnyRecord]) -> Tables:
    return Tables(history, CUT_NS)


@pytest.fixture(scope="module")
def sqlite_ledger(history: list[AnyRecord], tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('cookbook')}/ledger.sqlite"
    fill_ledger(url, history)
    rolled_up(url, CUT_NS)
    return url


@pytest.fixture(scope="module")
def postgres_ledger(history: list[AnyRecord], postgres_server: Any, through: Callable[[str], str]) -> Iterator[str]:
    url = through(new_database(postgres_server, "cookbook"))
    fill_ledger(url, history)
    rolled_up(url, CUT_NS)
    yield url
    drop_database(postgres_server, "cookbook")


@pytest.fixture(scope="module")
def duckdb_ledger(sqlite_ledger: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the same ledger as files, which know nothing of where they came from."""
    for module in ("duckdb", "pyarrow"):
        pytest.importorskip(module, reason="the extra `dev` is not installed")
    folder = tmp_path_factory.mktemp("cookbook") / "with 'quote"
    export_parquet(sqlite_ledger, folder, SystemClock())
    return f"duckdb:{folder}"


def new_database(server: Any, name: str) -> str:
    server.psql(f"CREATE DATABASE {name}")
    return str(server.get_uri(name)).replace("postgresql://", "postgresql+psycopg://", 1)


def drop_database(server: Any, name: str) -> None:
    server.psql(f"DROP DATABASE {name} WITH (FORCE)")


def comparable(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds")
    return float(value) if isinstance(value, Decimal | float) else value


def assert_same(answer: Answer, wanted: list[dict[str, Any]]) -> None:
    """Compare row by row: whole numbers and texts exactly, what has a point to 12 digits."""
    rows = [dict(zip(answer.columns, map(comparable, row), strict=True)) for row in answer.rows]
    assert answer.columns == list(wanted[0])
    assert len(rows) == len(wanted)
    for row, expected in zip(rows, wanted, strict=True):
        for name, value in expected.items():
            if value is None or isinstance(value, int | str):
                assert row[name] == value, (name, row, expected)
            else:
                assert float(row[name]) == pytest.approx(comparable(value), rel=1e-12, abs=1e-12), (name, row, expected)


def test_the_cookbook_has_every_question_numbered_in_order() -> None:
    assert [question.number for question in QUESTIONS] == list(range(1, len(QUESTIONS) + 1))
    assert len(QUESTIONS) >= 15
    assert set(answers.BY_NUMBER) == {question.number for question in QUESTIONS}


def test_the_time_traded_is_what_the_report_says() -> None:
    assert " ".join(RUN_TIMES.split()) in " ".join(QUESTIONS[25].sql.split())


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: f"{question.number}")
@pytest.mark.parametrize("kind", ["sqlite", "postgres", "duckdb"])
def test_the_answer_is_what_the_rows_say(
    kind: str, question: Question, tables: Tables, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(f"{kind}_ledger")
    work_out: Callable[[Tables], list[dict[str, Any]]] = answers.BY_NUMBER[question.number]
    wanted = work_out(tables)
    assert wanted, "a question whose answer is empty is not tested"
    assert_same(ask(url, question.sql), wanted)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_the_same_on_every_database_and_on_files(view: str, request: pytest.FixtureRequest) -> None:
    found = []
    for kind in ("sqlite", "postgres", "duckdb"):
        answer = ask(request.getfixturevalue(f"{kind}_ledger"), f"SELECT * FROM {view}")
        rows = [dict(zip(answer.columns, map(shown, row), strict=True)) for row in answer.rows]
        for row in rows:
            row.pop("day_utc") if kind == "duckdb" and view == "v_pair_trades" else None  # its folders' name
        found.append(sorted(rows, key=str))
    assert found[0]
    for others in found[1:]:
        assert [list(row) for row in others] == [list(row) for row in found[0]]
        for row, same in zip(others, found[0], strict=True):
            assert row == {
                name: pytest.approx(value) if isinstance(value, float) else value for name, value in same.items()
            }


def shown(value: Any) -> Any:
    """Return a value as every database has it: exact numbers, which SQLite keeps as text, as floats."""
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds")
    if isinstance(value, str) and re.fullmatch(r"-?[0-9.]+", value):
        return float(value)
    return float(value) if isinstance(value, Decimal) else value


def test_the_dust_is_what_the_engine_still_holds(tmp_path: Path) -> None:
    """An engine carries a leg, flattens some of it, and is left with what no venue takes."""
    bench, url = carrying(), f"sqlite:///{tmp_path}/flattened.sqlite"
    bench.tell(FlattenAsked(reason="enough"))
    (order,) = tick(bench)
    accept(bench, order, "0.9995")
    fill(bench, order, "0.9995", trade_id="t9")
    assert last_pair(bench).kind is PairKind.FLATTEN and last_pair(bench).closed_ns
    held = bench.engine.state.residuals
    left = held.dust(SYMBOL).size + held.carried(SYMBOL).size
    assert left == Decimal("0.0005")
    fill_ledger(url, [row for row in bench.rows(Record) if isinstance(row, LedgerRecord)])
    answer = ask(url, QUESTIONS[19].sql)
    found = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    assert [(row["symbol"], Decimal(str(row["base_left"])), row["sales"]) for row in found] == [(SYMBOL, left, 1)]


# On a million rows.

MILLION = pytest.mark.skipif(not os.environ.get("ARB_MILLION"), reason="ARB_MILLION=1 fills a million rows: minutes")
VIEW_QUESTIONS = [Question(0, name, f"SELECT * FROM {name} ORDER BY 1 DESC LIMIT 1000") for name in VIEWS]


@MILLION
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_each_question_takes_less_than_a_second_on_a_million_rows(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path}/million.sqlite"
    else:
        server = request.getfixturevalue("postgres_server")
        url = new_database(server, "million")
        request.addfinalizer(lambda: drop_database(server, "million"))
    rows = fill_ledger(url, a_history(pairs=95_000))
    assert rows >= 1_000_000
    taken = {}
    for question in [*QUESTIONS, *VIEW_QUESTIONS]:
        taken[question] = min(ask(url, question.sql).seconds for _ in range(3))
    sys.stderr.write(f"\n{rows} rows in {kind}\n")
    for question, seconds in taken.items():
        sys.stderr.write(f"{question.number:3} {seconds * 1000:6.0f} ms  {question.title}\n")
    assert [question.title for question, seconds in taken.items() if seconds >= 1] == []
