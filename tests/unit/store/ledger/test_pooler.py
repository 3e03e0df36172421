"""A ledger behind a pooler in transaction mode: a session is nobody's own, so nothing may be left in it."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from arb.errors import ConfigError, StoreError
from arb.store.ledger.bounded import bounded
from arb.store.ledger.database import open_engine, recorded_journal
from arb.store.ledger.migrate import upgrade
from arb.store.ledger.queries import LedgerReader
from arb.store.ledger.read_only import ReadOnlyLedger, connections
from arb.store.ledger.writer import Writer
from arb.view.report.summary import Sources, summarise
from tests.support.history import a_history
from tests.support.pooler import Pooler
from tests.unit.store.conftest import query

pytestmark = pytest.mark.external
LEFT = ("default_transaction_read_only", "statement_timeout", "lock_timeout")


@pytest.fixture
def pooled_url(postgres_url: str) -> Iterator[str]:
    with closing(Pooler(postgres_url)) as pooler:
        yield pooler.url


def left_behind(url: str) -> tuple[list[Any], int]:
    """Return what the next client of the session finds: settings, and how many prepared statements."""
    with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True, prepare_threshold=None) as anybody:
        rows: list[Any] = [anybody.execute(f"SHOW {name}").fetchone() for name in LEFT]
        found = anybody.execute("SELECT COUNT(*) FROM pg_prepared_statements").fetchone()
    return [row[0] for row in rows], found[0] if found else -1


def write(url: str, pairs: int) -> None:
    """Write a history in many transactions of one connection: the driver would prepare what it sends so often."""
    engine = open_engine(url)
    records = list(a_history(pairs=pairs, days=2))
    with engine.connect() as connection:
        for start in range(0, len(records), 40):
            with connection.begin():
                Writer("postgresql").write(connection, records[start : start + 40])
    engine.dispose()


@pytest.mark.thorough
def test_whoever_looks_leaves_nothing_behind_that_stops_the_engines_writing(pooled_url: str) -> None:
    upgrade(pooled_url)
    clean = left_behind(pooled_url)
    assert clean == (["off", "0", "0"], 0)
    with bounded():
        for _ in range(8):  # the driver prepares what it sends for the sixth time
            Sources(pooled_url)
        with pytest.raises(Exception, match="read-only transaction"):
            write(pooled_url, 1)
    assert left_behind(pooled_url) == clean
    write(pooled_url, 30)
    assert summarise(Sources(pooled_url))["fills"] > 0
    assert left_behind(pooled_url) == clean


def test_a_bounded_question_is_cut_off_behind_a_pooler_too(pooled_url: str) -> None:
    with bounded(limit_ms=100), pytest.raises(Exception, match="statement timeout"):
        query(pooled_url, "SELECT pg_sleep(5)")
    assert left_behind(pooled_url)[0] == ["off", "0", "0"]


def test_questions_in_sql_are_answered_again_and_again_and_are_one_statement_each(pooled_url: str) -> None:
    upgrade(pooled_url)
    write(pooled_url, 5)
    with closing(ReadOnlyLedger(pooled_url)) as ours, closing(ReadOnlyLedger(pooled_url)) as theirs:
        for _ in range(8):
            assert ours.ask("SELECT COUNT(*) FROM fills").rows == theirs.ask("SELECT COUNT(*) FROM fills").rows
        for trick in ("SELECT 1; DELETE FROM fills", "SELECT 1; COMMIT; DELETE FROM fills"):
            with pytest.raises(ConfigError, match="multiple commands"):
                ours.ask(trick)
        assert ours.ask("SELECT symbol || '%' FROM pair_trades LIMIT 1").rows
    assert left_behind(pooled_url) == (["off", "0", "0"], 0)


def test_the_line_for_python_that_is_printed_only_reads_and_leaves_nothing_behind(pooled_url: str) -> None:
    upgrade(pooled_url)
    given: dict[str, Any] = {"psycopg": psycopg}
    exec(connections(pooled_url)["python"], given)
    with closing(given["ledger"]) as ledger:
        for _ in range(8):
            assert ledger.execute("SELECT COUNT(*) FROM fills").fetchone() == (0,)
            ledger.commit()
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            ledger.execute("DELETE FROM fills")
    assert left_behind(pooled_url) == (["off", "0", "0"], 0)


def test_a_reader_and_a_writer_share_one_session(pooled_url: str) -> None:
    upgrade(pooled_url)
    reader = LedgerReader(pooled_url)
    for pairs in range(1, 9):
        write(pooled_url, pairs)
        assert reader.last_run_id() is not None


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_hold_every_text_is_refused(encoding: str, postgres_server: Any) -> None:
    name = f"enc_{encoding.lower()}"
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as server:
        server.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'".encode()
        )
    url = postgres_server.get_uri(name).replace("postgresql://", "postgresql+psycopg://", 1)
    with pytest.raises((ConfigError, StoreError), match=f"its encoding is {encoding}.*ENCODING 'UTF8'"):
        upgrade(url)
    assert recorded_journal(url) is None
