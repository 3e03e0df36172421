"""The results booked by closings of pairs on the present UTC day, split into causes, and the last hour minute by
minute.

For screens that ask again and again: two sums in the database, found by the index on closings.
"""

from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from arb.clock import NS_PER_DAY, NS_PER_S
from arb.store.ledger.database import open_engine, store_error
from arb.store.ledger.migrate import require_current
from arb.store.ledger.queries import RUN_TIMES
from arb.store.ledger.tables import WATERFALL

MINUTE_NS = 60 * NS_PER_S
MINUTES = 60
E8 = Decimal("1e-8")

_DAY = f"""
SELECT p.quote, SUM(CASE WHEN c.n = 1 THEN 1 ELSE 0 END) AS pairs,
    {", ".join(f"CAST(SUM(c.{term}) AS BIGINT) AS {term}" for term in WATERFALL)}
FROM pair_closings c JOIN pair_trades p ON p.id = c.pair_trade_id
WHERE c.closed_ns >= :since_ns AND p.identity IS NULL
GROUP BY p.quote ORDER BY 2 DESC, p.quote
"""
_MINUTES = f"""
SELECT p.quote, c.closed_ns / {MINUTE_NS} AS minute, CAST(SUM(c.realised_net_e8) AS BIGINT) AS net_e8
FROM pair_closings c JOIN pair_trades p ON p.id = c.pair_trade_id
WHERE c.closed_ns >= :since_ns AND p.identity IS NULL
GROUP BY p.quote, c.closed_ns / {MINUTE_NS}
"""
_RUNS = f"SELECT started_ns, until_ns FROM ({RUN_TIMES}) times WHERE until_ns >= :since_ns"


class TodayReader:
    """Queries a ledger again and again, read-only; a connection for every query."""

    def __init__(self, db_url: str) -> None:
        """Raise `ConfigError` when there is no such ledger, or its schema is not the present one."""
        self._db_url = db_url
        self._engine = open_engine(db_url).execution_options(read_only=True)
        require_current(db_url, self._engine)

    def read(self, now_ns: int) -> dict[str, Any]:
        """Return `quotes`: by quote, the number of pairs and the terms of the waterfall, in quote, exact; the most used
        first.

        `minutes`: by quote, the net of each of the last 60 minutes, the present one last; None where nothing ran.
        `ran_s`: for how many of their seconds a run was up.
        """
        try:
            with self._engine.connect() as connection, connection.begin():
                return {"quotes": _quotes(connection, now_ns // NS_PER_DAY * NS_PER_DAY)} | _minutes(
                    connection, now_ns // MINUTE_NS - MINUTES + 1
                )
        except DBAPIError as error:
            raise store_error(self._db_url, error) from None


def _quotes(connection: Connection, day_ns: int) -> dict[str, dict[str, Any]]:
    rows = connection.execute(text(_DAY), {"since_ns": day_ns}).mappings()
    return {
        row["quote"]: {"pairs": row["pairs"]} | {term.removesuffix("_e8"): row[term] * E8 for term in WATERFALL}
        for row in rows
    }


def _minutes(connection: Connection, first: int) -> dict[str, Any]:
    """Return the nets of `MINUTES` minutes, of which the first is number `first` since 1970."""
    since_ns = first * MINUTE_NS
    runs = [
        (max(since_ns, started_ns), until_ns)
        for started_ns, until_ns in connection.execute(text(_RUNS), {"since_ns": since_ns})
    ]
    ran = {minute - first for start, end in runs for minute in range(start // MINUTE_NS, end // MINUTE_NS + 1)}
    nets: dict[str, list[Decimal | None]] = {}
    for quote, minute, net_e8 in connection.execute(text(_MINUTES), {"since_ns": since_ns}):
        found = nets.setdefault(quote, [Decimal(0) if place in ran else None for place in range(MINUTES)])
        if 0 <= minute - first < MINUTES:
            found[minute - first] = net_e8 * E8
    return {"minutes": nets, "ran_s": sum(end - start for start, end in runs) / NS_PER_S}
