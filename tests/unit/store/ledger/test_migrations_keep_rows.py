"""Rows written under an earlier schema, after the way up, down and up again."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from arb.errors import StoreError
from arb.store.ledger.database import open_engine
from arb.store.ledger.migrate import check, current, downgrade, head, upgrade
from tests.unit.store.conftest import query

pytestmark = pytest.mark.no_tables
ROWS = """
INSERT INTO runs VALUES (1, 'sandbox', NULL, NULL, '0.1.0', 1, NULL, NULL, NULL);
INSERT INTO orders (id, pair_trade_id, account_id, venue, symbol, role, attempt, side, tif, price, size, filled, avg_price,
    client_order_id, venue_order_id, status, outcome, reject_code, journalled_ns, sent_ns, acked_ns, first_fill_ns, done_ns)
    VALUES (1, NULL, 'okx:a', 'okx', 'BTC/USDT', 'foreign', 0, 'buy', 'ioc', '1', '2', '2', '1', NULL, 'v1',
    'filled', NULL, NULL, 1, NULL, NULL, NULL, NULL);
INSERT INTO fills VALUES (1, 1, 'okx:a', 'okx', 'BTC/USDT', 't1', 'buy', '1', '1', '0', 'BTC', '0.000000005', 'taker',
    'stream', 1, 1);
INSERT INTO fills VALUES (2, 1, 'okx:a', 'okx', 'BTC/USDT', 't2', 'buy', '1', '1', '0', 'BTC', '-0.123456789', 'taker',
    'query', 1, 1);
INSERT INTO fills VALUES (3, 1, 'okx:a', 'okx', 'BTC/USDT', 't3', 'buy', '1', '1', '0', 'BTC', '90071992547.40993', 'taker',
    'query', 1, 1)
"""


ROWS_OF_0003 = """
INSERT INTO runs VALUES (1, 'sandbox', NULL, NULL, '0.1.0', 1, NULL, NULL, NULL);
INSERT INTO opportunities VALUES (1, 1, 'BTC/USDT', 'USDT', 'gate', 'okx', 1, 2, 3, '0.1001', '0.1', 5, '4.25', '24.5', 1,
    'refused', 'max_notional');
INSERT INTO opportunities VALUES (2, 1, 'BTC/USDT', 'USDT', 'gate', 'okx', 1, 2, 3, '0.1001', '0.1', 5, '4.25', '24.5', 1,
    'traded', NULL);
INSERT INTO pair_trades VALUES (1, 1, 2, 'arb', 'BTC/USDT', 'USDT', 'gate', 'okx', 'opening', 5, NULL, '0.1001', '0.1', '0',
    NULL, NULL, '0', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO incidents VALUES (1, 1, 9, 'halt', 'critical', NULL, 1, NULL, 'it is said', NULL);
INSERT INTO untraded_daily VALUES (20000, 'BTC/USDT', 'gate', 'okx', 'vanished', 'own_impact', 4, 'USDT', '2024-10-04', 7, 8,
    9, 10)
"""
SUMS_OF_DAYS = """
SELECT run_id, day, outcome, reason, edge_bps, day_utc, opportunities, ticks, lived_ns, best_net_e8 FROM opportunities_daily
ORDER BY 1, 2, 3
"""
TABLES_OF_0003 = ("runs", "opportunities", "pair_trades", "incidents", "untraded_daily")


def execute(db_url: str, sql: str) -> None:
    engine = open_engine(db_url)
    with engine.begin() as connection:
        for statement in sql.split(";"):
            connection.execute(text(statement))
    engine.dispose()


def rows_of(db_url: str, tables: tuple[str, ...]) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of the tables that are there today: `untraded_daily` is not."""
    there = [table for table in tables if table != "untraded_daily" or current(db_url) != head()]
    return {table: query(db_url, f"SELECT * FROM {table} ORDER BY 1, 2") for table in there}


def rows_of_0003(db_url: str) -> dict[str, list[tuple[object, ...]]]:
    return rows_of(db_url, TABLES_OF_0003)


@pytest.mark.thorough
def test_tables_made_anew_for_a_constraint_keep_their_rows_indexes_and_views(db_url: str) -> None:
    upgrade(db_url, "0003")
    execute(db_url, ROWS_OF_0003)
    before = rows_of_0003(db_url)
    for _ in range(2):
        assert upgrade(db_url) == ("0003", head())
        assert check(db_url) == []
        after = rows_of(db_url, TABLES_OF_0003)
        assert after.pop("pair_trades") == [(*row, None, None, None, None, 0, 0) for row in before["pair_trades"]]
        assert after.pop("opportunities") == [(*row, None) for row in before["opportunities"]]
        assert after == {table: rows for table, rows in before.items() if table in after}
        assert query(db_url, SUMS_OF_DAYS) == [
            (0, 20_000, "vanished", "own_impact", 4, "2024-10-04", 7, 8, 9, 10),
            (1, 0, "refused", "max_notional", 4, "1970-01-01", 1, 1, 2, 5),
            (1, 0, "traded", "traded", 4, "1970-01-01", 1, 1, 2, 5),
        ]
        assert query(db_url, "SELECT reason, opportunities FROM v_reasons ORDER BY 1") == [
            ("max_notional", 1),
            ("own_impact", 7),
        ]
        assert downgrade(db_url, "0003") == (head(), "0003")
        assert rows_of_0003(db_url) == before
        assert query(db_url, "SELECT reason, opportunities FROM v_reasons") == [("max_notional", 1)]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("nonsense", "constraint"),
    [
        ("UPDATE opportunities SET reason = 'bad luck' WHERE id = 1", "reason_known"),
        ("UPDATE untraded_daily SET reason = 'bad luck'", "reason_known"),
        ("UPDATE incidents SET severity = 'so so'", "severity_known"),
    ],
)
def test_a_row_with_a_code_nobody_knows_keeps_the_schema_as_it_was(db_url: str, nonsense: str, constraint: str) -> None:
    upgrade(db_url, "0003")
    execute(db_url, f"{ROWS_OF_0003};{nonsense}")
    before = rows_of_0003(db_url)
    with pytest.raises(StoreError, match=constraint):
        upgrade(db_url)
    assert current(db_url) == "0003" and rows_of_0003(db_url) == before


EIGHT_NULLS = ", ".join(["NULL"] * 8)
ROWS_OF_0004 = f"""{ROWS_OF_0003.replace(f"{EIGHT_NULLS})", f"{EIGHT_NULLS}, 3, 4)")};
INSERT INTO orders (id, pair_trade_id, account_id, venue, symbol, role, attempt, side, tif, price, size, filled, avg_price,
    client_order_id, venue_order_id, status, outcome, reject_code, journalled_ns, sent_ns, acked_ns, first_fill_ns, done_ns)
    VALUES (1, 1, 'okx:a', 'okx', 'BTC/USDT', 'entry', 0, 'buy', 'ioc', '1', '2', '2', '1', 'arb1', 'v1',
    'filled', 'accepted', NULL, 1, NULL, NULL, NULL, NULL);
INSERT INTO fills VALUES (1, 1, 'okx:a', 'okx', 'BTC/USDT', 't1', 'buy', '1', '1', '0', 'BTC', '0.000000005', 'taker',
    'stream', 1, 1, 7);
INSERT INTO balances VALUES (1, 1, 'okx:a', 'okx', 'USDT', 1, '12.5', '0', 'venue', 'start');
INSERT INTO alternatives VALUES (1, 1, 5, 'entry', 'route', 'okx', 'gate', '1', '1', NULL, -4, '-2.5', 'costlier')
"""
ROWS_NOW = (
    ROWS_OF_0004.replace(f"{EIGHT_NULLS}, 3, 4)", f"{EIGHT_NULLS}, 3, 4, 5, NULL, 7, 1)")
    .replace("untraded_daily VALUES (20000, ", "opportunities_daily VALUES (20000, 0, ")
    .replace("'stream', 1, 1, 7)", "'stream', 1, 1, 7, NULL)")
    .replace("'refused', 'max_notional')", "'refused', 'max_notional', '6.5')")
    .replace("'traded', NULL)", "'traded', NULL, NULL)")
    .replace("'venue', 'start')", "'venue', 'start', 'spot')")
)
LEGS_AS_TEXT = """
SELECT pair_trade_id, n, role, venue, symbol, side, CAST(size AS TEXT), CAST(limit_price AS TEXT), tif, reduce_only
FROM trade_legs ORDER BY n
"""
LEGS = [
    (1, 1, "entry", "gate", "BTC/USDT", "buy", "0.1001", "1", "ioc", 0),
    (1, 2, "entry", "okx", "BTC/USDT", "sell", "0.1", None, None, 0),
]
"""The legs of its half-open pair, whose sell order the ledger does not have."""
TABLES_OF_0004 = (*TABLES_OF_0003, "orders", "fills", "balances", "alternatives")


def rows_of_0004(db_url: str) -> dict[str, list[tuple[object, ...]]]:
    return rows_of(db_url, TABLES_OF_0004)


@pytest.mark.thorough
def test_tables_that_others_refer_to_are_made_anew_with_their_rows_indexes_views_and_references(db_url: str) -> None:
    upgrade(db_url, "0004")
    execute(db_url, ROWS_OF_0004)
    before = rows_of_0004(db_url)
    assert all(before.values())
    for _ in range(2):
        assert upgrade(db_url) == ("0004", head())
        assert check(db_url) == []
        after = rows_of_0004(db_url)
        assert after.pop("pair_trades") == [(*row, None, None, 7, 1) for row in before["pair_trades"]]
        for table in ("fills", "opportunities", "orders"):
            assert after.pop(table) == [(*row, None) for row in before[table]]
        assert after.pop("balances") == [(*row, "spot") for row in before["balances"]]
        assert after == {table: rows for table, rows in before.items() if table in after}
        assert query(db_url, "SELECT fees_e8, fills FROM v_pair_trades") == [(7, 1)]
        assert query(db_url, LEGS_AS_TEXT) == LEGS
        for parent in ("runs", "pair_trades", "orders"):
            with pytest.raises(IntegrityError):
                execute(db_url, f"DELETE FROM {parent}")
        assert downgrade(db_url, "0004") == (head(), "0004")
        assert rows_of_0004(db_url) == before
        with pytest.raises(IntegrityError, match="mode_known"):
            execute(db_url, "UPDATE runs SET mode = 'dream'")


def test_a_code_that_came_after_the_earlier_schema_keeps_the_schema_as_it_is(db_url: str) -> None:
    upgrade(db_url)
    execute(db_url, ROWS_NOW)
    execute(db_url, "UPDATE orders SET role = 'rescue'")
    before = rows_of_0004(db_url)
    with pytest.raises(StoreError, match="role_known"):
        downgrade(db_url, "0004")
    assert current(db_url) == head() and rows_of_0004(db_url) == before


def test_a_reference_to_nothing_from_before_does_not_keep_an_upgrade_out(sqlite_url: str) -> None:
    upgrade(sqlite_url, "0004")
    execute(sqlite_url, ROWS_OF_0004)
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as vandal, vandal:
        vandal.execute("DELETE FROM orders")
    assert upgrade(sqlite_url) == ("0004", head())
    assert check(sqlite_url) == ["fills row 1 refers to a row of orders that is not there"]


@pytest.mark.thorough
def test_fills_of_an_earlier_schema_get_their_fee_as_an_exact_integer(db_url: str) -> None:
    upgrade(db_url, "0002")
    execute(db_url, ROWS)
    before = query(db_url, "SELECT * FROM fills ORDER BY id")
    wanted = [(1, 0), (2, -12_345_679), (3, 9_007_199_254_740_993_000)]
    for _ in range(2):
        assert upgrade(db_url) == ("0002", head())
        assert check(db_url) == []
        assert query(db_url, "SELECT id, fee_quote_value_e8 FROM fills ORDER BY id") == wanted
        assert downgrade(db_url, "0002") == (head(), "0002")
        assert query(db_url, "SELECT * FROM fills ORDER BY id") == before
        assert query(db_url, "SELECT venue, orders FROM v_venue_quality") == []
