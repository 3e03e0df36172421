"""The ledger as columns of numbers, for figures, percentiles and data frames.

Numbers with a point are floats, good for charts and ranks; money ending in `_e8` as exact integers in 1e-8 of the
quote. Spans of time are taken in the database, in integer nanoseconds, before anything becomes a float. Rows are read
in batches, so that a long history costs the room of its numbers and not of its rows.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, text

from arb.store.ledger.migrate import Reader
from arb.store.ledger.queries import RUN_TIMES, RowDict
from arb.store.ledger.selection import ALL, FILLS_BY, INCIDENTS_BY, OPPORTUNITIES_BY, SelectedBy, Selection
from arb.store.ledger.sums import OFFERED, read_offers

Column = npt.NDArray[Any]
Columns = dict[str, Column]
"""Columns by name, all of one length. A `pandas.DataFrame` reads alike: `columns["net_e8"]`."""

_Query = tuple[str, SelectedBy]
BATCH_ROWS = 20_000
_NUMBER, _EXACT, _TEXT = np.float64, np.int64, object
NAMES = (
    *("kind", "symbol", "quote", "buy_venue", "sell_venue", "venue", "state", "status", "outcome", "side"),
    *("reason", "role", "asset", "source", "cause", "severity", "text", "fee_currency"),
)
"""The columns of texts. Of the others those with these endings are exact integers, and all that remain are numbers."""
_EXACT_ENDS = ("_e8", "_ns", "id", "repairs", "opportunities")

TRADES = (
    """
SELECT p.id, p.run_id, p.kind, p.symbol, p.quote, p.buy_venue, p.sell_venue, p.state, p.decided_ns, p.closed_ns,
    (p.closed_ns - p.decided_ns) / 1e6 AS duration_ms,
    p.expected_net_e8, p.buy_slippage_e8, p.sell_slippage_e8, p.size_shortfall_e8, p.fee_difference_e8,
    p.hedge_cost_e8, p.residual_change_e8, p.realised_net_e8,
    CAST(p.exposure_quote_s AS DOUBLE PRECISION) AS exposure_quote_s,
    (SELECT COUNT(*) FROM orders r WHERE r.pair_trade_id = p.id AND r.role IN ('hedge', 'unwind')) AS repairs,
    p.expected_net_e8 / 1e4 / NULLIF(CAST(p.buy_size AS DOUBLE PRECISION), 0) / CASE
        WHEN CAST(b.filled AS DOUBLE PRECISION) > 0
        THEN CAST(b.avg_price AS DOUBLE PRECISION) + p.buy_slippage_e8 / 1e8 / CAST(b.filled AS DOUBLE PRECISION)
        ELSE CAST(b.price AS DOUBLE PRECISION) END AS edge_bps,
    CAST(b.filled AS DOUBLE PRECISION) * CAST(b.avg_price AS DOUBLE PRECISION) AS bought_quote,
    CAST(s.filled AS DOUBLE PRECISION) * CAST(s.avg_price AS DOUBLE PRECISION) AS sold_quote,
    CAST(b.filled AS DOUBLE PRECISION) / CAST(b.size AS DOUBLE PRECISION) AS buy_fill_ratio,
    CAST(s.filled AS DOUBLE PRECISION) / CAST(s.size AS DOUBLE PRECISION) AS sell_fill_ratio,
    ABS(s.sent_ns - b.sent_ns) / 1e6 AS send_skew_ms, ABS(s.first_fill_ns - b.first_fill_ns) / 1e6 AS fill_skew_ms
FROM pair_trades p
LEFT JOIN orders b ON b.pair_trade_id = p.id AND b.role = 'entry' AND b.side = 'buy' AND b.attempt = 0
LEFT JOIN orders s ON s.pair_trade_id = p.id AND s.role = 'entry' AND s.side = 'sell' AND s.attempt = 0
WHERE p.realised_net_e8 IS NOT NULL AND p.identity IS NULL AND {where}
ORDER BY p.closed_ns, p.id
""",
    SelectedBy("p.decided_ns", "p.run_id", "p.symbol", ("p.buy_venue", "p.sell_venue"), "p.kind"),
)
LEGS = (
    """
SELECT o.pair_trade_id, o.venue, o.symbol, p.quote, o.side, o.status, COALESCE(o.outcome, 'none') AS outcome,
    p.decided_ns, CAST(o.filled AS DOUBLE PRECISION) / CAST(o.size AS DOUBLE PRECISION) AS fill_ratio,
    CAST(o.filled AS DOUBLE PRECISION) * CAST(o.avg_price AS DOUBLE PRECISION) AS notional_quote,
    (o.sent_ns - p.decided_ns) / 1e6 AS send_ms, (o.acked_ns - o.sent_ns) / 1e6 AS ack_ms,
    (o.first_fill_ns - o.sent_ns) / 1e6 AS fill_ms,
    (CASE WHEN o.side = 'buy' THEN p.buy_slippage_e8 ELSE p.sell_slippage_e8 END) / 1e4
        / NULLIF(CAST(o.filled AS DOUBLE PRECISION) * CAST(o.avg_price AS DOUBLE PRECISION), 0) AS slippage_bps
FROM orders o JOIN pair_trades p ON p.id = o.pair_trade_id
WHERE o.role = 'entry' AND {where}
ORDER BY p.decided_ns, o.id
""",
    SelectedBy("p.decided_ns", "p.run_id", "o.symbol", ("o.venue",), "p.kind"),
)
EPISODES = (
    """
SELECT id, symbol, quote, buy_venue, sell_venue, opened_ns, (closed_ns - opened_ns) / 1e6 AS duration_ms, best_net_e8,
    CAST(best_edge_bps AS DOUBLE PRECISION) AS best_edge_bps, outcome, COALESCE(reason, 'traded') AS reason
FROM opportunities WHERE {where}
ORDER BY opened_ns, id
""",
    OPPORTUNITIES_BY,
)
EXECUTIONS = (
    """
SELECT f.id, o.role, f.venue, f.symbol, f.side, f.event_ns,
    CAST(f.price AS DOUBLE PRECISION) AS price, CAST(f.size AS DOUBLE PRECISION) AS size,
    CAST(f.fee AS DOUBLE PRECISION) AS fee, f.fee_currency, f.fee_quote_value_e8
FROM fills f JOIN orders o ON o.id = f.order_id WHERE {where}
ORDER BY f.event_ns, f.id
""",
    FILLS_BY,
)
HOLDINGS = (
    """
SELECT id, run_id, ns, venue, asset, CAST(free AS DOUBLE PRECISION) AS free,
    CAST(locked AS DOUBLE PRECISION) AS locked, source, cause
FROM balances WHERE {where}
ORDER BY ns, id
""",
    SelectedBy("ns", "run_id", venues=("venue",), asset="asset"),
)
INCIDENTS = (
    """
SELECT id, run_id, ns, severity, kind, COALESCE(venue, '') AS venue, COALESCE(pair_trade_id, 0) AS pair_trade_id,
    cost_e8 / 1e8 AS cost, text
FROM incidents WHERE {where}
ORDER BY ns, id
""",
    INCIDENTS_BY,
)
RUNS = (
    f"""
SELECT run_id, CASE WHEN started_ns < :since_ns THEN :since_ns ELSE started_ns END AS started_ns,
    CASE WHEN until_ns > :until_ns THEN :until_ns ELSE until_ns END AS until_ns
FROM ({RUN_TIMES}) times WHERE {{where}}
ORDER BY started_ns, run_id
""",
    SelectedBy("started_ns", "run_id", until="until_ns"),
)


class ColumnReader(Reader):
    def __init__(self, db_url: str, selection: Selection = ALL) -> None:
        """Raises as `Reader`."""
        super().__init__(db_url)
        self._db_url, self._selection = db_url, selection

    def trades(self) -> Columns:
        """Read finished pair trades in the order of their end, with `edge_bps` as it was at the decision.

        Those whose coins are not proved to be the same at both venues are omitted, as in sums. Sizes of money ending in
        `_quote` are in the quote; `repairs` counts hedges and unwinds; `send_skew_ms` and `fill_skew_ms` are the spans
        between the two entry orders, and between their first fills as they reached us; `buy_fill_ratio` and
        `sell_fill_ratio` are the filled parts of the entry orders, from 0 to 1.
        """
        return self._read(*TRADES)

    def legs(self, every: int = 1) -> Columns:
        """Read entry orders: the waits decision to sent, sent to answer, sent to first fill, and the slippage.

        `slippage_bps` is signed as its contribution: below zero, the fill was worse than the price decided on. `every`
        10: of about each tenth pair, always the same.
        """
        return self._read(*_sampled(LEGS, "p.id", every))

    def episodes(self, every: int = 1) -> Columns:
        """Read opportunities; `reason` is `traded` for those that were taken. `every` 10: about each tenth, always the same."""
        return self._read(*_sampled(EPISODES, "id", every))

    def offers(self) -> Columns:
        with self.transaction() as connection:
            return offers_of(read_offers(connection, self._selection))

    def executions(self) -> Columns:
        """Read fills, foreign ones too, for they move balances alike: their `role` is `foreign`."""
        return self._read(*EXECUTIONS)

    def holdings(self) -> Columns:
        """Read balances as they were noted, in their asset; `source`: reported by the venue, or computed."""
        return self._read(*HOLDINGS)

    def from_run_before(self) -> "ColumnReader":
        """Return a reader whose rows begin with the last run that began before the selection: its balances are the basis."""
        with self.transaction() as connection:
            since = "SELECT MAX(started_ns) FROM runs WHERE started_ns <= :since_ns"
            found = connection.execute(text(since), {"since_ns": self._selection.since_ns}).scalar()
        since_ns = self._selection.since_ns if found is None else int(found)
        return ColumnReader(self._db_url, msgspec.structs.replace(self._selection, since_ns=since_ns))

    def incidents(self) -> Columns:
        """Read incidents: `venue` is empty where there is none, `pair_trade_id` 0, `cost` not-a-number if unknown."""
        return self._read(*INCIDENTS)

    def runs(self) -> Columns:
        """Read the time traded: from when until when each run lasted, in order; a killed one until its last row."""
        return self._read(*RUNS)

    def _read(self, sql: str, by: SelectedBy) -> Columns:
        with self.transaction() as connection:
            return _gather(connection, sql.format(where=by.where(self._selection)), self._selection.values)


def _sampled(query: _Query, row_id: str, every: int) -> _Query:
    """Return a query for one row in `every`. Ids are consecutive: mixed remainders hide any rhythm in them."""
    sql, by = query
    return sql.replace("{where}", f"{{where}} AND {row_id} % 65537 * 40503 % 65536 % {every} = 0"), by


def offers_of(rows: Sequence[RowDict]) -> Columns:
    """Return the rows of `read_offers` as columns; the whole bps of `best_edge_bps` as floats."""
    return {name: np.array([row[name] for row in rows], dtype=_type_of(name)) for name in OFFERED}


def _type_of(name: str) -> Any:
    return _TEXT if name in NAMES else _EXACT if name == "ns" or name.endswith(_EXACT_ENDS) else _NUMBER


def _gather(connection: Connection, sql: str, values: dict[str, Any]) -> Columns:
    result = connection.execution_options(yield_per=BATCH_ROWS).execute(text(sql), values)
    names, texts = list(result.keys()), dict[str, str]()
    parts: dict[str, list[Column]] = {name: [] for name in names}
    for rows in result.partitions(BATCH_ROWS):  # without a size it returns single rows
        for name, column in zip(names, zip(*rows, strict=True), strict=True):
            parts[name].append(_column(column, _type_of(name), texts))
    return {name: np.concatenate(parts[name]) if parts[name] else np.empty(0, _type_of(name)) for name in names}


def _column(values: tuple[Any, ...], kind: Any, texts: dict[str, str]) -> Column:
    """Return one batch of a column; a missing number becomes not-a-number, a missing integer is a mistake.

    Of equal texts one is kept: a million rows name a handful of venues.
    """
    if kind is _NUMBER:
        return np.array(values, dtype=np.float64)  # None is read as not-a-number
    if kind is _TEXT:
        values = tuple(map(texts.setdefault, values, values))
    return np.array(values, dtype=kind)
