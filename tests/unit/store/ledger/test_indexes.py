"""The documented ways to narrow a question down each have an index, and both databases take it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.history import a_history, fill_ledger

NARROWED = {
    "SELECT * FROM opportunities WHERE symbol = 'BTC/USDT' AND opened_ns >= 1760140800000000000": "ix_opportunities_symbol",
    "SELECT * FROM opportunities WHERE run_id = 1760054400 AND opened_ns >= 5": "ix_opportunities_run_id_opened_ns",
    "SELECT * FROM opportunities ORDER BY opened_ns DESC LIMIT 20": "ix_opportunities_opened_ns",
    "SELECT * FROM v_pair_trades ORDER BY decided_ns DESC LIMIT 20": "ix_pair_trades_decided_ns",
    "SELECT * FROM pair_trades WHERE decided_ns >= 1760140800000000000": "ix_pair_trades_decided_ns",
    "SELECT * FROM pair_trades WHERE symbol = 'SOL/USDT' AND decided_ns >= 5": "ix_pair_trades_symbol_decided_ns",
    "SELECT * FROM pair_trades ORDER BY decided_ns DESC LIMIT 50": "ix_pair_trades_decided_ns",
    "SELECT * FROM pair_trades WHERE state = 'halted'": "ix_pair_trades_state",
    "SELECT * FROM pair_trades WHERE run_id = 1760054400": "ix_pair_trades_run_id",
    "SELECT * FROM pair_trades WHERE opportunity_id = 7": "ix_pair_trades_opportunity_id",
    "SELECT * FROM orders WHERE pair_trade_id = 7": "ix_orders_pair_trade_id",
    "SELECT * FROM orders WHERE venue = 'okx' AND journalled_ns >= 1760140800000000000": "ix_orders_journalled_ns",
    "SELECT * FROM orders WHERE account_id = 'okx:made-up' AND venue_order_id = 'v7'": "ix_orders_account_id_venue_order_id",
    "SELECT * FROM orders WHERE account_id = 'okx:made-up' AND client_order_id = 'arb7'": "uq_orders_account_id",
    "SELECT * FROM orders WHERE status = 'unknown'": "ix_orders_status",
    "SELECT * FROM fills WHERE order_id = 7": "ix_fills_order_id",
    "SELECT * FROM fills WHERE venue = 'okx' AND event_ns >= 1760140800000000000": "ix_fills_event_ns",
    "SELECT * FROM balances WHERE venue = 'okx' AND asset = 'BTC' ORDER BY ns DESC LIMIT 1": "ix_balances_venue_asset_ns",
    "SELECT * FROM incidents WHERE ns >= 1760140800000000000": "ix_incidents_ns",
    "SELECT * FROM incidents WHERE pair_trade_id = 7": "ix_incidents_pair_trade_id",
}
HISTORY = {"pairs": 200, "days": 5}


@pytest.fixture(scope="module")
def sqlite_plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    file = Path(tmp_path_factory.mktemp("indexes")) / "ledger.sqlite"
    fill_ledger(f"sqlite:///{file}", a_history(**HISTORY))
    with closing(sqlite3.connect(file)) as connection:
        return {sql: str(connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()) for sql in NARROWED}


@pytest.mark.parametrize("sql", NARROWED)
def test_sqlite_takes_the_index(sqlite_plans: dict[str, str], sql: str) -> None:
    # SQLite names the index of a UNIQUE constraint itself.
    index = NARROWED[sql].replace("uq_orders_account_id", "sqlite_autoindex_orders")
    assert index in sqlite_plans[sql]


def test_postgresql_can_take_each_index(postgres_url: str) -> None:
    """On few rows the server rather reads them all; forbidden to, it must find the index and use it as a condition."""
    fill_ledger(postgres_url, a_history(**HISTORY))
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as server:
        server.execute("SET enable_seqscan = off")
        for sql, index in NARROWED.items():
            plan: list[tuple[Any, ...]] = server.execute(f"EXPLAIN {sql}".encode()).fetchall()
            text = "\n".join(row[0] for row in plan)
            assert index in text, f"{sql}\n{text}"
            assert "Index Cond" in text or "ORDER BY" in sql, f"{sql}\n{text}"
