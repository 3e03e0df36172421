"""`arb sql`: questions on a ledger of either kind, which no question can change."""

import contextlib
import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from sqlalchemy import text

from arb.cli import main
from arb.cli.sql import statements
from arb.errors import ConfigError, StoreError
from arb.store.ledger.database import open_engine
from arb.store.ledger.migrate import upgrade
from arb.store.ledger.read_only import Interrupted, ReadOnlyLedger, connections
from arb.store.ledger.writer import Writer
from tests.support.cookbook import questions
from tests.unit.store.conftest import query
from tests.unit.store.rows import a_finished_pair, a_run

Captured = pytest.CaptureFixture[str]
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"
SHOWN_S = 120.0
"""After so long without a word, a terminal is not waited for any longer."""


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    is_file = request.param == "sqlite"
    url = "sqlite:///ledger.sqlite" if is_file else str(request.getfixturevalue("postgres_url"))
    upgrade(url)
    engine = open_engine(url)
    with engine.begin() as connection:
        Writer(engine.dialect.name).write(connection, [a_run(1), *a_finished_pair(1)])
    engine.dispose()
    return url


def everything(url: str) -> list[Any]:
    return [query(url, f"SELECT * FROM {table} ORDER BY 1") for table in ("runs", "fills", "orders", "projection")]


# What is answered.


def test_one_question_is_answered_as_a_table(ledger: str, capsys: Captured) -> None:
    assert main(["sql", "SELECT id, halted, mode FROM runs;", "--db", ledger]) == 0
    assert capsys.readouterr() == ("id  halted  mode\n 1  -       sandbox\n(1 row)\n", "")


def test_as_json_it_is_one_document_with_exact_numbers(ledger: str, capsys: Captured) -> None:
    assert main(["sql", "SELECT id, size, NULL AS none FROM fills ORDER BY id", "--db", ledger, "--json"]) == 0
    document = msgspec.json.decode(capsys.readouterr().out)
    assert document == {"columns": ["id", "size", "none"], "rows": [["1", "0.1", None], ["2", "0.1", None]]}


def test_every_question_of_the_cookbook_can_be_piped_in(
    ledger: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"-- a comment\n{q.sql};\n" for q in questions())))
    assert main(["sql", "--db", ledger]) == 0
    assert len(re.findall(r"^\(\d+ rows?\)$", capsys.readouterr().out, re.MULTILINE)) == len(questions())


def test_a_semicolon_within_a_text_ends_no_question() -> None:
    lines = ["SELECT ';\n", "' -- x;\n", ";\n", "SELECT 2;\n", "SELECT\n", "3"]
    assert list(statements(iter(lines))) == ["SELECT ';\n' -- x;\n;\n", "SELECT 2;\n", "SELECT\n3"]


def test_the_schema_is_explained_without_a_prompt_too(
    ledger: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["sql", "--db", ledger, ".columns pair_trades"]) == 0
    assert "realised_net" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.StringIO(".tables\nSELECT 40 +\n2;\n"))
    assert main(["sql", "--db", ledger]) == 0
    shown = capsys.readouterr().out
    assert "pair_trades\n" in shown and "\n42\n" in shown.replace(" ", "")


def test_a_table_ends_and_says_so_where_a_document_has_all(ledger: str) -> None:
    with_limit = ReadOnlyLedger(ledger)
    assert with_limit.ask("SELECT id FROM fills", 1)[1:] == (with_limit.ask("SELECT id FROM fills", 1).rows, True)
    assert not with_limit.ask("SELECT id FROM fills", 2).more
    with_limit.close()


# What is refused.


@pytest.mark.thorough
@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM fills",
        "delete from fills",
        "/* SELECT */ DELETE FROM fills",
        "-- SELECT\nDELETE FROM fills",
        "DROP VIEW v_reasons",
        "PRAGMA query_only = OFF",
        "ATTACH 'new.sqlite' AS new",
        "SET default_transaction_read_only = off",
        "SET TRANSACTION READ WRITE",
        "COMMIT",
        "VACUUM",
        "COPY fills TO 'stolen'",
        "",
    ],
)
def test_what_does_not_begin_as_a_question_is_one_line(ledger: str, capsys: Captured, sql: str) -> None:
    before = everything(ledger)
    assert main(["sql", "--db", ledger, "--", sql]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("arb: the ledger is only read here; only the engine writes it: ")
    assert len(err.splitlines()) == 1
    assert everything(ledger) == before and not Path("new.sqlite").exists()


@pytest.mark.thorough
@pytest.mark.parametrize(
    "sql",
    [
        "WITH gone AS (SELECT 1) DELETE FROM fills",
        "WITH x AS (DELETE FROM fills RETURNING id) SELECT * FROM x",
        "EXPLAIN ANALYZE DELETE FROM fills",
        "SELECT 1; DELETE FROM fills",
        "SELECT 1; COMMIT; DELETE FROM fills",
        "SELECT * INTO stolen FROM fills",
        "SELECT load_extension('x')",
    ],
)
def test_a_question_that_would_write_is_refused_by_the_database(ledger: str, capsys: Captured, sql: str) -> None:
    before = everything(ledger)
    assert main(["sql", sql, "--db", ledger]) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and err.startswith("arb: ")
    assert everything(ledger) == before


def test_a_session_cannot_be_talked_into_writing(postgres_url: str) -> None:
    upgrade(postgres_url)
    ledger = ReadOnlyLedger(postgres_url)
    for sql in (
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SELECT set_config('default_transaction_read_only', 'off', false)",
        "WITH x AS (INSERT INTO runs (id, mode, version, started_ns) VALUES (9, 'sandbox', 'x', 1) RETURNING 1) SELECT 1",
    ):
        with contextlib.suppress(ConfigError):
            ledger.ask(sql)
    ledger.close()
    assert query(postgres_url, "SELECT count(*) FROM runs") == [(0,)]


def test_a_mistake_is_one_line_and_the_next_question_is_answered(ledger: str) -> None:
    asked = ReadOnlyLedger(ledger)
    with pytest.raises(Exception, match=r"^SQL: .*nothing_here") as caught:
        asked.ask("SELECT * FROM nothing_here")
    assert len(str(caught.value).splitlines()) == 1
    assert asked.ask("SELECT 1").rows == [(1,)]
    asked.close()


def test_a_ledger_of_a_newer_version_is_one_line(ledger: str, capsys: Captured) -> None:
    engine = open_engine(ledger)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert main(["sql", "SELECT 1", "--db", ledger]) == 2
    err = capsys.readouterr().err
    assert err.endswith("schema 9999 was made by a newer arb; upgrade arb\n") and len(err.splitlines()) == 1


def test_no_ledger_is_one_line_and_makes_none(tmp_path: Path, capsys: Captured) -> None:
    assert main(["sql", "SELECT 1", "--db", f"sqlite:///{tmp_path}/none.sqlite"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


# Ctrl-C.


def test_ctrl_c_ends_a_long_question_and_the_next_one_is_answered(ledger: str) -> None:
    asked = ReadOnlyLedger(ledger)
    threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(Interrupted):
        asked.ask(ENDLESS)
    assert asked.ask("SELECT 1").rows == [(1,)]
    asked.close()


STUBBORN = """
DO $$ BEGIN PERFORM pg_sleep(600);
EXCEPTION WHEN query_canceled THEN PERFORM pg_sleep(600); END $$"""


@pytest.mark.parametrize("statement", ["SELECT pg_sleep(600)", STUBBORN], ids=["obeys", "goes on when cancelled"])
def test_ctrl_c_between_two_steps_of_the_driver_leaves_nothing_that_runs(postgres_url: str, statement: str) -> None:
    upgrade(postgres_url)
    asked = ReadOnlyLedger(postgres_url)
    asked._database.pgconn.send_query(statement.encode())  # sent, and not waited for yet
    with pytest.raises(Interrupted), asked._errors():
        raise KeyboardInterrupt
    assert asked.ask("SELECT 1").rows == [(1,)]
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    while asked.ask(others).rows != [(0,)]:  # a session takes a moment to end
        pass
    asked.close()


def test_a_second_ctrl_c_while_a_question_is_ended_costs_the_next_one_nothing(postgres_url: str) -> None:
    upgrade(postgres_url)
    asked = ReadOnlyLedger(postgres_url)
    asked._database.execute("BEGIN READ ONLY")
    with contextlib.suppress(psycopg.Error):
        asked._database.execute("SELECT * FROM nothing_here")  # the transaction has failed, and nobody has ended it
    assert asked.ask("SELECT 1").rows == [(1,)]
    asked.close()


def test_a_connection_that_is_lost_costs_one_question(postgres_url: str) -> None:
    upgrade(postgres_url)
    asked, other = ReadOnlyLedger(postgres_url), ReadOnlyLedger(postgres_url)
    other._database.execute("SELECT pg_terminate_backend(%s)", [asked._database.info.backend_pid])
    with pytest.raises(StoreError, match=r"^ledger postgresql\S+: .*connection"):
        asked.ask("SELECT 1")
    assert asked.ask("SELECT 1").rows == [(1,)]
    asked.close()
    other.close()


# The prompt, in a terminal.


@pytest.fixture
def terminal(ledger: str, tmp_path: Path, repo_root: Path) -> Iterator["Terminal"]:
    opened = Terminal(["sql", "--db", ledger], tmp_path, repo_root)
    yield opened
    opened.close()


class Terminal:
    """`arb` in a terminal of its own."""

    def __init__(self, arguments: list[str], folder: Path, repo_root: Path) -> None:
        self._ours, theirs = pty.openpty()
        environment = os.environ | {"PYTHONPATH": str(repo_root), "TERM": "dumb"}
        command = [sys.executable, "-c", "import sys; from arb.cli import main; sys.exit(main())", *arguments]
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment, start_new_session=True
        )
        os.close(theirs)
        self._shown = ""

    def until(self, text: str) -> str:
        """Return what is shown up to a text, which must come."""
        while text not in self._shown:
            assert select.select([self._ours], [], [], SHOWN_S)[0], f"{text!r} did not come after {self._shown!r}"
            more = os.read(self._ours, 4096).decode()
            assert more, self._shown
            self._shown += more
        before, _, self._shown = self._shown.partition(text)
        return before

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def interrupt_until(self, text: str) -> None:
        """Press Ctrl-C until a text is shown, again where one press was not enough within two seconds."""
        while text not in self._shown:
            self.process.send_signal(signal.SIGINT)
            while text not in self._shown and select.select([self._ours], [], [], 2)[0]:
                self._shown += os.read(self._ours, 4096).decode()
        _, _, self._shown = self._shown.partition(text)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)


def test_the_prompt_takes_questions_of_several_lines_mistakes_and_ctrl_c(terminal: Terminal) -> None:
    terminal.until("ledger> ")
    terminal.type("SELECT id\n")
    terminal.until("...> ")
    terminal.type("FROM runs;\n")
    assert "(1 row)" in terminal.until("ledger> ")
    terminal.type("SELECT * FROM nothing_here;\n")
    assert "SQL: " in terminal.until("ledger> ")
    terminal.type("DELETE FROM runs;\n")
    assert "only read here" in terminal.until("ledger> ")
    terminal.type(".columns fills\n")
    assert "fee_currency" in terminal.until("ledger> ")
    first, last = ENDLESS.split(" SELECT COUNT")
    terminal.type(f"{first}\n")
    terminal.until("...> ")
    terminal.type(f"SELECT COUNT{last};\n")
    terminal.until(
        f"{last};"
    )  # it was read: pressed sooner, Ctrl-C would end the line before, and this would begin after it
    terminal.interrupt_until("interrupted")
    terminal.until("ledger> ")
    terminal.type("SELECT 4711;\n")
    terminal.until("4711\r\n(1 row)")
    terminal.type(".quit\n")
    assert terminal.process.wait(30) == 0


# How others connect.


def test_how_others_connect_is_said_without_a_password(postgres_url: str, tmp_path: Path) -> None:
    secret = postgres_url.replace("postgres:@", "postgres:hunter22@")
    shown = connections(secret + "&password=hunter22")
    assert {"psql", "duckdb", "dbeaver"} <= set(shown)
    assert "hunter22" not in str(shown)
    upgrade(f"sqlite:///{tmp_path}/a.sqlite")
    command = connections(f"sqlite:///{tmp_path}/a.sqlite")["sqlite3"]
    answer = subprocess.run(f"{command} 'DELETE FROM runs'", shell=True, capture_output=True, text=True, check=False)
    assert "readonly" in answer.stderr


def test_what_psql_is_given_reads_and_does_not_write(postgres_url: str) -> None:
    upgrade(postgres_url)
    command = connections(postgres_url)["psql"]
    asked = subprocess.run(f'{command} -tAc "SELECT 1"', shell=True, capture_output=True, text=True, check=False)
    assert asked.stdout == "1\n", asked.stderr
    refused = subprocess.run(
        f'{command} -c "DELETE FROM runs"', shell=True, capture_output=True, text=True, check=False
    )
    assert "read-only transaction" in refused.stderr


def test_a_sum_of_amounts_has_no_digit_that_is_a_rounding_error(ledger: str, capsys: Captured) -> None:
    """0.1 + 0.2 is 0.30000000000000004 in the binary numbers of SQLite's views."""
    query = "SELECT 1e-1 + 2e-1 AS net"
    for form, shown in ((), "0.3"), (("--json",), '"rows":[[0.3]]}'), (("--csv",), "net\r\n0.3\r\n"):
        assert main(["sql", query, "--db", ledger, *form]) == 0
        assert shown in capsys.readouterr().out.replace('["0.3"]', "[0.3]")  # NUMERIC of PostgreSQL is exact
