"""A small history in a journal, and what a ledger should hold of it."""

from typing import Any

from sqlalchemy import Connection, text

from arb.store.journal.journal import Journal
from arb.store.journal.reader import Row
from arb.store.ledger.database import open_engine
from tests.unit.store.rows import a_balance, a_control, a_finished_pair, a_run, an_event, an_incident, keep

TABLES = (
    "runs",
    "opportunities",
    "pair_trades",
    "orders",
    "fills",
    "balances",
    "incidents",
    "alternatives",
    "decision_books",
    "trade_legs",
)


def fill_journal(journal: Journal, pairs: int = 3) -> list[Row]:
    rows = list(journal.append(an_event(journal.last_seq + 1), keep(1, a_run(1), a_balance(1), a_control())))
    for pair in range(1, pairs + 1):
        for record in a_finished_pair(pair):
            seq = journal.last_seq + 1
            rows += journal.append(an_event(seq), keep(seq, record))
    seq = journal.last_seq + 1
    return rows + list(journal.append(an_event(seq), keep(seq, an_incident(1, pair_trade_id=1))))


def contents(db_url: str) -> dict[str, list[tuple[Any, ...]]]:
    engine = open_engine(db_url)
    with engine.connect() as connection:
        found = rows_of(connection)
    engine.dispose()
    return found


def rows_of(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    found = {table: connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2")) for table in TABLES}
    return {table: [tuple(row) for row in rows] for table, rows in found.items()}


def counts(db_url: str) -> dict[str, int]:
    return {table: len(rows) for table, rows in contents(db_url).items()}


WHOLE = {
    "runs": 1,
    "opportunities": 3,
    "pair_trades": 3,
    "orders": 6,
    "fills": 6,
    "balances": 1,
    "incidents": 1,
    "alternatives": 3,
    "decision_books": 6,
    "trade_legs": 6,
}
