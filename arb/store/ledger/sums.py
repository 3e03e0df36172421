"""The exact sums of a ledger: money in integers of 1e-8 of the quote, fees and sizes as `Decimal`.

The one reader of earnings, for the terminal, the screen, the page and the report. The database adds up integers,
grouped finely once; callers add up groups for coarser sums. Fees and sizes are added here on SQLite, where a sum over
texts would be a binary float.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, Result, text

from arb.clock import NS_PER_DAY, NS_PER_S
from arb.market.numbers import EXACT
from arb.market.symbol import Symbol
from arb.store.ledger.migrate import Reader
from arb.store.ledger.queries import RUN_TIMES, RowDict
from arb.store.ledger.selection import ALL, FILLS_BY, INCIDENTS_BY, OPPORTUNITIES_BY, PAIRS_BY, SelectedBy, Selection
from arb.store.ledger.tables import WATERFALL, WHOLE_EDGE_BPS

INCIDENTS_SHOWN = 20
NEWEST_RUNS = 20
"""Open pairs are of these runs: a start finishes those of the run before."""
BATCH_ROWS = 10_000
MINUTE_NS = 60 * NS_PER_S
MINUTES = 60
E8 = Decimal("1e-8")
_MONEY = (*WATERFALL, "fees_e8")
_LEG_COST = "COALESCE(SUM(CASE WHEN v.realised_net_e8 IS NOT NULL THEN v.leg_cost_e8 END), 0) AS leg_cost_e8"
"""The expected shortfall cost of legs, of the finished pairs."""

_REPAIRED = "EXISTS (SELECT 1 FROM orders r WHERE r.pair_trade_id = {} AND r.role IN ('hedge', 'unwind'))"
_PAIRS, _UNPROVED = (
    f"""
SELECT v.quote, v.symbol, v.buy_venue, v.sell_venue, v.kind, v.state, COUNT(*) AS pairs,
    SUM(CASE WHEN {_REPAIRED.format("v.id")} THEN 1 ELSE 0 END) AS repaired,
    COUNT(v.realised_net_e8) AS finished, {_LEG_COST}, {", ".join(f"COALESCE(SUM(v.{term}), 0) AS {term}" for term in _MONEY)}
FROM pair_trades v WHERE {{where}} AND v.identity IS {identity}
GROUP BY v.quote, v.symbol, v.buy_venue, v.sell_venue, v.kind, v.state
ORDER BY v.quote, v.symbol, v.buy_venue, v.sell_venue
"""
    for identity in ("NULL", "NOT NULL")
)
"""All pairs but those whose coins are not proved to be the same at both venues, and these."""
_BOOKED = "FROM pair_closings c JOIN pair_trades v ON v.id = c.pair_trade_id WHERE {where} AND v.identity IS NULL"
_DAYS, _ROUTES = (
    f"""
SELECT {columns}, SUM(CASE WHEN c.n = 1 THEN 1 ELSE 0 END) AS pairs,
    SUM(CASE WHEN c.n = 1 AND {_REPAIRED.format("v.id")} THEN 1 ELSE 0 END) AS repaired,
    {", ".join(f"SUM(c.{term}) AS {term}" for term in _MONEY)}
{_BOOKED}
GROUP BY {places} ORDER BY {places}
"""
    for columns, places in (
        (f"c.closed_ns / {NS_PER_DAY} AS day, v.quote", "1, 2"),
        ("v.quote, v.buy_venue, v.sell_venue", "1, 2, 3"),
    )
)
"""The results booked by the closings of each day (since 1970), and of each route; a reopened pair's are on both days."""
_MINUTES = f"""
SELECT v.quote, c.closed_ns / {MINUTE_NS} AS minute, SUM(c.realised_net_e8) AS net_e8
{_BOOKED}
GROUP BY v.quote, c.closed_ns / {MINUTE_NS}
"""
_CLOSED = "c.closed_ns >= :since_ns AND c.closed_ns < :until_ns"
OFFERED = ("quote", "outcome", "reason", "best_edge_bps", "opportunities", "best_net_e8")
_OFFERED = """
SELECT quote, outcome, {reason} AS reason, {edge} AS edge, {count} AS opportunities, SUM(best_net_e8) AS best_net_e8
FROM {table} WHERE {where}
GROUP BY quote, outcome, {reason}, {edge} HAVING {count} > 0
"""
_OF_DAYS = {"reason": "reason", "edge": "edge_bps", "count": "SUM(opportunities)", "table": "opportunities_daily"}
_OF_ROWS = {
    "reason": "COALESCE(reason, outcome)",
    "edge": WHOLE_EDGE_BPS,
    "count": "COUNT(*)",
    "table": "opportunities",
}
_ORDERS = """
SELECT o.venue, COUNT(*) AS orders, SUM(CASE WHEN o.outcome = 'accepted' THEN 1 ELSE 0 END) AS accepted,
    SUM(CASE WHEN o.outcome = 'rejected' THEN 1 ELSE 0 END) AS rejected,
    SUM(CASE WHEN o.outcome = 'unknown' OR o.status = 'unknown' THEN 1 ELSE 0 END) AS unknown,
    SUM(CASE WHEN o.role IN ('hedge', 'unwind') THEN 1 ELSE 0 END) AS repairs
FROM orders o WHERE o.role <> 'foreign' AND {where}
GROUP BY o.venue ORDER BY o.venue
"""
_STATUSES = """
SELECT o.status, COUNT(*) AS orders FROM orders o WHERE o.role <> 'foreign' AND {where} GROUP BY o.status
"""
_INCIDENTS = """
SELECT severity, kind, COUNT(*) AS incidents, SUM(CASE WHEN acknowledged_ns IS NULL THEN 1 ELSE 0 END) AS open,
    COALESCE(SUM(cost_e8), 0) AS cost_e8
FROM incidents WHERE {where} GROUP BY severity, kind ORDER BY severity, kind
"""
_LATEST = """
SELECT ns, severity, kind, venue, pair_trade_id, cost_e8, text
FROM incidents WHERE {where} ORDER BY ns DESC, id DESC LIMIT :shown
"""
_RAN = f"SELECT started_ns, until_ns FROM ({RUN_TIMES}) times WHERE until_ns >= :since_ns"
_NEWEST = "SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS number FROM runs ORDER BY id DESC LIMIT :shown"
_RUNS = f"""
SELECT r.id, r.mode, r.sandbox_id, r.seed, r.version, r.started_ns, r.ended_ns, t.until_ns, r.exit_code, r.halted
FROM runs r JOIN ({RUN_TIMES}) t ON t.run_id = r.id
WHERE {{where}} ORDER BY r.started_ns, r.id
"""
_FILLS = {
    "sqlite": """
SELECT f.venue, f.symbol, f.side, f.fee_currency, o.role, f.price, f.size, f.fee, 1, f.fee_expected_e8, f.fee_quote_value_e8,
    CASE WHEN f.fee_expected_e8 IS NULL THEN 0 ELSE 1 END
FROM fills f JOIN orders o ON o.id = f.order_id WHERE {where}
""",
    "postgresql": """
SELECT f.venue, f.symbol, f.side, f.fee_currency, o.role, f.price, SUM(f.size), SUM(f.fee), COUNT(*), SUM(f.fee_expected_e8),
    SUM(f.fee_quote_value_e8) FILTER (WHERE f.fee_expected_e8 IS NOT NULL), COUNT(f.fee_expected_e8)
FROM fills f JOIN orders o ON o.id = f.order_id WHERE {where}
GROUP BY f.venue, f.symbol, f.side, f.fee_currency, o.role, f.price
""",
}
"""SQLite would add up its exact numbers, which are texts there, as binary floats."""
_EXPOSURE = "SELECT quote, exposure_quote_s FROM pair_trades WHERE {where}"
_SPAN = """
SELECT MIN(t) AS first_ns, MAX(t) AS last_ns FROM (
    SELECT MIN(opened_ns) AS t FROM opportunities WHERE {seen}
    UNION ALL SELECT MAX(closed_ns) FROM (
        SELECT closed_ns FROM opportunities WHERE {seen} ORDER BY opened_ns DESC LIMIT 1000
    ) newest
    UNION ALL SELECT MIN(decided_ns) FROM pair_trades WHERE {where}
    UNION ALL SELECT MAX(closed_ns) FROM pair_trades WHERE {where}
) spans
"""
_ORDERS_BY = SelectedBy("o.journalled_ns", "", "o.symbol", ("o.venue",), pair="o.pair_trade_id")
_SUMMED_BY = SelectedBy("v.decided_ns", "v.run_id", "v.symbol", ("v.buy_venue", "v.sell_venue"), "v.kind")


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of a report, read in one transaction, so that all of it is of the same instant.

    `pairs` is grouped by quote, symbol, venues, kind and state; `repaired` of them needed a hedge or an unwind; money
    columns end in `_e8`. `days` has the results booked on each day. `unproved` is the same for the pairs whose coins
    are not proved to be the same at both venues, which `pairs` excludes. `offers` is as `read_offers` returns it.
    `fees` by asset and `moved` by (venue, asset) are exact sums over fills: positive fees were paid; `moved` is how
    trading changed a balance. `fees_planned` has the planned and charged fees, by quote, venue and the asset charged,
    of those of our fills whose plan is known.
    """

    runs: list[RowDict]
    span_ns: tuple[int, int] | None
    pairs: list[RowDict]
    days: list[RowDict]
    unproved: list[RowDict]
    offers: list[RowDict]
    orders: list[RowDict]
    order_statuses: list[RowDict]
    incidents: list[RowDict]
    latest_incidents: list[RowDict]
    fees: dict[str, Decimal]
    fees_planned: list[RowDict]
    moved: dict[tuple[str, str], Decimal]
    exposure_quote_s: dict[str, Decimal]
    fills: int

    @property
    def opportunities(self) -> list[RowDict]:
        """Return how many opportunities there were, and their nets, by quote, outcome and reason (None when traded)."""
        sums: defaultdict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
        for row in self.offers:
            outcome = row["outcome"]
            added = sums[row["quote"], outcome, None if outcome == "traded" else row["reason"]]
            added[0], added[1] = added[0] + row["opportunities"], added[1] + row["best_net_e8"]
        names = ("quote", "outcome", "reason", "opportunities", "best_net_e8")
        return [dict(zip(names, (*key, *row), strict=True)) for key, row in sums.items()]


def counted(rows: Iterable[RowDict], name: str, count: str) -> dict[str, int]:
    """Return the sums of a column by the values of another, in their order."""
    sums: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        sums[row[name]] += row[count]
    return dict(sorted(sums.items()))


def added(rows: Iterable[RowDict], *names: str) -> list[RowDict]:
    """Return the rows added up by the columns `names`, in their order: numbers of pairs, and money."""
    groups: dict[tuple[Any, ...], defaultdict[str, int]] = {}
    for row in rows:
        group = groups.setdefault(tuple(row[name] for name in names), defaultdict(int))
        for name, value in row.items():
            if name.endswith("_e8") or name in ("pairs", "repaired", "finished"):
                group[name] += value
    return [dict(zip(names, key, strict=True)) | group for key, group in sorted(groups.items())]


def of_venues(rows: Iterable[RowDict]) -> Iterator[RowDict]:
    """Yield each row of a route with its `venue`, once for each of its venues: a pair counts at both."""
    for row in rows:
        for venue in dict.fromkeys((row["buy_venue"], row["sell_venue"])):
            yield row | {"venue": venue}


def read_sums(db_url: str, selection: Selection = ALL) -> Sums:
    """Add up the selected rows of a ledger; raise `ConfigError` when there is no usable one."""
    with Reader(db_url).transaction() as connection:
        return _read(connection, selection)


class TodayReader(Reader):
    """The results booked on the present UTC day, split into causes, and the last hour minute by minute.

    For screens that ask again and again: two sums in the database, found by the index on closings.
    """

    def read(self, now_ns: int) -> dict[str, Any]:
        """Return `quotes`: by quote, the number of pairs and the terms of the waterfall, in quote, exact; the most used
        first.

        `routes`, `venues`: the number of pairs and their net by quote and venues, the greatest net first; a pair
        counts at both its venues. `minutes`: by quote, the net of each of the last 60 minutes, the present one last;
        None where nothing ran. `ran_s`: for how many of their seconds a run was up. `runs`: the numbers of the newest
        runs, by their ids.
        """
        day_ns, first = now_ns // NS_PER_DAY * NS_PER_DAY, now_ns // MINUTE_NS - MINUTES + 1
        with self.transaction() as connection:
            routes = _booked(connection, _ROUTES, day_ns, day_ns + NS_PER_DAY)
            minutes = _booked(connection, _MINUTES, first * MINUTE_NS, (first + MINUTES) * MINUTE_NS)
            runs = [
                (max(first * MINUTE_NS, started_ns), until_ns)
                for started_ns, until_ns in connection.execute(text(_RAN), {"since_ns": first * MINUTE_NS})
            ]
            newest = connection.execute(text(_NEWEST), {"shown": NEWEST_RUNS})
            numbers = {row.id: row.number for row in newest}
        quotes = {
            row["quote"]: {"pairs": row["pairs"]} | {term.removesuffix("_e8"): row[term] * E8 for term in WATERFALL}
            for row in sorted(added(routes, "quote"), key=lambda row: (-row["pairs"], row["quote"]))
        }
        ran = {minute - first for start, end in runs for minute in range(start // MINUTE_NS, end // MINUTE_NS + 1)}
        nets: dict[str, list[Decimal | None]] = {}
        for row in minutes:
            found = nets.setdefault(row["quote"], [Decimal(0) if at in ran else None for at in range(MINUTES)])
            found[row["minute"] - first] = row["net_e8"] * E8
        ran_ns = sum(end - start for start, end in runs)
        return {
            "quotes": quotes,
            "routes": _nets(routes, "quote", "buy_venue", "sell_venue"),
            "venues": _nets(of_venues(routes), "quote", "venue"),
            "minutes": nets,
            "ran_s": ran_ns / NS_PER_S,
            "runs": numbers,
        }


def _nets(rows: Iterable[RowDict], *names: str) -> list[RowDict]:
    found = sorted(added(rows, *names), key=lambda row: -row["realised_net_e8"])
    return [{name: row[name] for name in (*names, "pairs")} | {"net": row["realised_net_e8"] * E8} for row in found]


def _booked(connection: Connection, sql: str, since_ns: int, until_ns: int) -> list[RowDict]:
    rows = connection.execute(text(sql.format(where=_CLOSED)), {"since_ns": since_ns, "until_ns": until_ns})
    return [_whole(row) for row in rows.mappings()]


def _read(connection: Connection, selection: Selection) -> Sums:
    def result(sql: str, by: SelectedBy, **more: int) -> Result[Any]:
        where = {"where": by.where(selection), "seen": OPPORTUNITIES_BY.where(selection)}
        batches = {"yield_per": BATCH_ROWS}
        return connection.execute(text(sql.format(**where)), selection.values | more, execution_options=batches)

    def rows(sql: str, by: SelectedBy, **more: int) -> list[RowDict]:
        return [_whole(row) for row in result(sql, by, **more).mappings()]

    span = rows(_SPAN, PAIRS_BY)[0]
    added = _add_fills(result(_FILLS[connection.dialect.name], FILLS_BY).partitions(BATCH_ROWS))
    exposure: defaultdict[str, Decimal] = defaultdict(Decimal)
    for batch in result(_EXPOSURE, PAIRS_BY).partitions(BATCH_ROWS):
        for quote, value in batch:  # type: ignore[misc]  # rows are tuples
            exposure[quote] = EXACT.add(exposure[quote], Decimal(value))
    return Sums(
        runs=rows(_RUNS, SelectedBy("r.started_ns", "r.id", until="t.until_ns")),
        span_ns=None if span["first_ns"] is None else (span["first_ns"], span["last_ns"]),
        pairs=rows(_PAIRS, _SUMMED_BY),
        days=rows(_DAYS, _SUMMED_BY),
        unproved=rows(_UNPROVED, _SUMMED_BY),
        offers=read_offers(connection, selection),
        orders=rows(_ORDERS, _ORDERS_BY),
        order_statuses=rows(_STATUSES, _ORDERS_BY),
        incidents=rows(_INCIDENTS, INCIDENTS_BY),
        latest_incidents=rows(_LATEST, INCIDENTS_BY, shown=INCIDENTS_SHOWN),
        exposure_quote_s=dict(sorted(exposure.items())),
        **added,
    )


def read_offers(connection: Connection, selection: Selection) -> list[RowDict]:
    """Return how many opportunities there were, by quote, outcome, reason (or `traded`) and whole bps of edge.

    `best_edge_bps` is that whole part, `best_net_e8` a sum. Whole days are read from `opportunities_daily`, which still
    has those that were deleted for their age; only parts of days are counted row by row, without those that were
    deleted.
    """
    first, last = -(-selection.since_ns // NS_PER_DAY), selection.until_ns // NS_PER_DAY
    rows, days = OPPORTUNITIES_BY, OPPORTUNITIES_BY._replace(at="day")
    parts = [(_OF_ROWS, rows, selection)]
    if first < last:
        parts = [
            (_OF_ROWS, rows, replace(selection, until_ns=first * NS_PER_DAY)),
            (_OF_DAYS, days, replace(selection, since_ns=first, until_ns=last)),
            (_OF_ROWS, rows, replace(selection, since_ns=last * NS_PER_DAY)),
        ]
    sums: defaultdict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    for names, by, part in parts:
        found = connection.execute(text(_OFFERED.format(where=by.where(part), **names)), part.values)
        for *key, number, net_e8 in found:
            row = sums[tuple(key)]
            row[0], row[1] = row[0] + int(number), row[1] + int(net_e8)
    return [dict(zip(OFFERED, (*key, *row), strict=True)) for key, row in sorted(sums.items())]


def _whole(row: Any) -> RowDict:
    """Return a row with PostgreSQL's sums, which are NUMERIC, as the integers they are."""
    return {name: int(value) if isinstance(value, Decimal) else value for name, value in row.items()}


def _add_fills(fills: Iterable[Sequence[Any]]) -> dict[str, Any]:
    """Return the sums of fills: `fees`, `fees_planned`, `moved` and `fills` of `Sums`."""
    zero = Decimal(0)
    groups: dict[tuple[str, str, str, str, bool], list[Any]] = {}
    add, multiply = EXACT.add, EXACT.multiply
    for batch in fills:
        for (
            venue,
            symbol,
            side,
            asset,
            role,
            price,
            size_text,
            fee,
            count,
            expected_e8,
            charged_e8,
            planned_for,
        ) in batch:
            key = venue, symbol, side, asset, role == "foreign"
            group = groups.get(key) or groups.setdefault(key, [zero, zero, zero, 0, 0, 0, 0])
            size = Decimal(size_text)
            group[0] = add(group[0], size)
            group[1] = add(group[1], multiply(Decimal(price), size))
            group[2] = add(group[2], Decimal(fee))
            group[3] += count
            if planned_for:
                group[4], group[5], group[6] = (
                    group[4] + planned_for,
                    group[5] + int(expected_e8),
                    group[6] + int(charged_e8),
                )
    fees: defaultdict[str, Decimal] = defaultdict(Decimal)
    moved: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    planned: defaultdict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    own = 0
    for (venue, symbol, side, asset, foreign), (size, cost, fee, count, *plan) in groups.items():
        base, quote = Symbol.of(symbol).base_and_quote
        gained, paid = (size, cost) if side == "buy" else (EXACT.minus(size), EXACT.minus(cost))
        for moving, amount in ((base, gained), (quote, EXACT.minus(paid)), (asset, EXACT.minus(fee))):
            moved[venue, moving] = add(moved[venue, moving], amount)
        if not foreign:
            fees[asset] = add(fees[asset], fee)
            own += count
            if plan[0]:
                planned[quote, venue, asset] = list(map(sum, zip(planned[quote, venue, asset], plan, strict=True)))
    names = ("quote", "venue", "asset", "fills", "expected_e8", "charged_e8")
    return {
        "fees": dict(sorted(fees.items())),
        "fees_planned": [dict(zip(names, (*key, *row), strict=True)) for key, row in sorted(planned.items())],
        "moved": dict(sorted(moved.items())),
        "fills": own,
    }
