"""The ledger's views: the questions people ask, as plain SQL that SQLite and PostgreSQL read alike.

Every money column is there twice: `x_e8`, the exact integer in 1e-8 of the quote, and `x = x_e8 / 1e8` for reading.
Every instant is there twice, too: `x_ns`, and `x_at`, the same in UTC as text, to the microsecond (`2026-11-23
14:30:00.250000`). Days are UTC, worked out in integers because the two databases share no date function; where a view
writes `UTC(x)`, or takes JSON apart, `view_sql` inserts the function of each database. When a view changes, its old
text moves into the migration that created it, and a new migration makes the new one.
"""

import re

from arb.store.ledger.tables import WATERFALL


def _both(column: str, source: str = "") -> str:
    name = column.removesuffix("_e8")
    return f"{source}{column} AS {column}, {source}{column} / 1e8 AS {name}"


def _instant(column: str, source: str = "") -> str:
    return f"{source}{column}, UTC({source}{column}) AS {column.removesuffix('ns')}at"


def _whole(name: str, sum_e8: str) -> str:
    """Return SQL for an exact sum, which PostgreSQL would give as NUMERIC, and its readable twin."""
    whole = f"CAST({sum_e8} AS BIGINT)"
    return f"{whole} AS {name}_e8, {whole} / 1e8 AS {name}"


# Days since 1970 to a calendar date, after Howard Hinnant's "civil_from_days", for days from the year 1970 on.
_CIVIL = """
    SELECT days, substr(CAST(10000 + year AS VARCHAR(5)), 2) || '-' || substr(CAST(100 + month AS VARCHAR(3)), 2)
        || '-' || substr(CAST(100 + day AS VARCHAR(3)), 2) AS day_utc
    FROM (
        SELECT days, era * 400 + yoe + CASE WHEN mp >= 10 THEN 1 ELSE 0 END AS year,
            CASE WHEN mp < 10 THEN mp + 3 ELSE mp - 9 END AS month, doy - (153 * mp + 2) / 5 + 1 AS day
        FROM (
            SELECT days, era, yoe, doy, (5 * doy + 2) / 153 AS mp
            FROM (
                SELECT days, era, yoe, doe - (365 * yoe + yoe / 4 - yoe / 100) AS doy
                FROM (
                    SELECT days, era, doe, (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365 AS yoe
                    FROM (
                        SELECT days, (days + 719468) / 146097 AS era, (days + 719468) % 146097 AS doe
                        FROM (SELECT DISTINCT days FROM earned) d1
                    ) d2
                ) d3
            ) d4
        ) d5
    ) d6"""

V_PAIR_TRADES = f"""
CREATE VIEW v_pair_trades AS
SELECT p.id, p.run_id, p.opportunity_id, p.kind, p.symbol, p.quote, p.buy_venue, p.sell_venue, p.state,
    {_instant("decided_ns", "p.")}, {_instant("closed_ns", "p.")},
    (p.closed_ns - p.decided_ns) / 1e6 AS duration_ms,
    p.buy_size, p.sell_size, p.residual_size, p.residual_mark, {_instant("mark_ns", "p.")}, p.exposure_quote_s,
    {", ".join(_both(column, "p.") for column in WATERFALL)},
    {_both("fees_e8", "p.")}, p.fills
FROM pair_trades p
"""

V_OPPORTUNITIES = f"""
CREATE VIEW v_opportunities AS
SELECT id, run_id, symbol, quote, buy_venue, sell_venue,
    {_instant("opened_ns")}, {_instant("best_ns")}, {_instant("closed_ns")},
    (closed_ns - opened_ns) / 1e6 AS duration_ms, best_buy_size, best_sell_size, {_both("best_net_e8")},
    best_edge_bps, best_gross_edge_bps, ticks, outcome, reason
FROM opportunities
"""

V_DAILY_PNL = f"""
CREATE VIEW v_daily_pnl AS
WITH earned AS (
    SELECT c.closed_ns / 86400000000000 AS days, p.quote, SUM(c.realised_net_e8) AS trading_net_e8,
        SUM(c.fees_e8) AS fees_e8, SUM(c.hedge_cost_e8) AS hedge_cost_e8,
        SUM(CASE WHEN c.n = 1 THEN 1 ELSE 0 END) AS pairs
    FROM pair_closings c JOIN pair_trades p ON p.id = c.pair_trade_id
    WHERE p.identity IS NULL
    GROUP BY c.closed_ns / 86400000000000, p.quote
)
SELECT d.day_utc, e.quote, {_whole("trading_net", "e.trading_net_e8")}, {_whole("fees", "e.fees_e8")},
    {_whole("hedge_cost", "e.hedge_cost_e8")}, e.pairs
FROM earned e
JOIN ({_CIVIL}
) d ON d.days = e.days
"""

V_VENUE_QUALITY = f"""
CREATE VIEW v_venue_quality AS
SELECT o.venue, o.symbol, o.orders, o.accepted, o.rejected, o.unknown, o.filled, o.fill_ratio, o.ack_ms,
    o.first_fill_ms, {_whole("fees", "COALESCE(c.fees_e8, 0)")}
FROM (
    SELECT venue, symbol, COUNT(*) AS orders,
        SUM(CASE WHEN outcome = 'accepted' THEN 1 ELSE 0 END) AS accepted,
        SUM(CASE WHEN outcome = 'rejected' THEN 1 ELSE 0 END) AS rejected,
        SUM(CASE WHEN outcome = 'unknown' THEN 1 ELSE 0 END) AS unknown,
        SUM(CASE WHEN status = 'filled' THEN 1 ELSE 0 END) AS filled,
        AVG(CAST(filled AS DOUBLE PRECISION) / CAST(size AS DOUBLE PRECISION)) AS fill_ratio,
        AVG(CAST(acked_ns - sent_ns AS DOUBLE PRECISION)) / 1000000 AS ack_ms,
        AVG(CAST(first_fill_ns - sent_ns AS DOUBLE PRECISION)) / 1000000 AS first_fill_ms
    FROM orders WHERE role <> 'foreign'
    GROUP BY symbol, venue
) o
LEFT JOIN (
    SELECT venue, symbol, SUM(fee_quote_value_e8) AS fees_e8 FROM fills
    WHERE order_id NOT IN (SELECT id FROM orders WHERE role = 'foreign')
    GROUP BY symbol, venue
) c ON c.venue = o.venue AND c.symbol = o.symbol
"""

# A symbol has one quote.
V_REASONS = f"""
CREATE VIEW v_reasons AS
SELECT run_id, symbol, MIN(quote) AS quote, outcome, reason, CAST(SUM(opportunities) AS BIGINT) AS opportunities,
    {_whole("best_net", "SUM(best_net_e8)")}, MAX(edge_bps) AS best_edge_bps
FROM opportunities_daily
WHERE outcome <> 'traded'
GROUP BY reason, symbol, run_id, outcome
"""

V_DECISION_LEVELS = f"""
CREATE VIEW v_decision_levels AS
SELECT b.pair_trade_id, {_instant("ns", "b.")}, b.venue, b.side, LEVEL_NUMBER AS level, LEVEL_PRICE AS price,
    LEVEL_SIZE AS size
FROM DECISION_LEVELS
"""

VIEWS = {
    "v_pair_trades": V_PAIR_TRADES,
    "v_opportunities": V_OPPORTUNITIES,
    "v_daily_pnl": V_DAILY_PNL,
    "v_venue_quality": V_VENUE_QUALITY,
    "v_reasons": V_REASONS,
    "v_decision_levels": V_DECISION_LEVELS,
}

_MICROSECONDS = "|| '.' || substr(CAST(1000000 + {source}{name}ns / 1000 % 1000000 AS VARCHAR(7)), 2)"
_INSTANTS = {
    "sqlite": f"strftime('%Y-%m-%d %H:%M:%S', {{source}}{{name}}ns / 1000000000, 'unixepoch') {_MICROSECONDS}",
    "postgresql": "to_char(to_timestamp({source}{name}ns / 1000000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') "
    f"{_MICROSECONDS}",
    "duckdb": "{source}{name}at",  # an exported file has it
}

_LEVELS = {
    "sqlite": {
        "DECISION_LEVELS": "decision_books b, json_each(b.levels) l",
        "LEVEL_NUMBER": "l.key + 1",
        "LEVEL_PRICE": "json_extract(l.value, '$[0]')",
        "LEVEL_SIZE": "json_extract(l.value, '$[1]')",
    },
    "postgresql": {
        "DECISION_LEVELS": "decision_books b, jsonb_array_elements(CAST(b.levels AS jsonb)) WITH ORDINALITY l(of, number)",
        "LEVEL_NUMBER": "l.number",
        "LEVEL_PRICE": "CAST(l.of ->> 0 AS NUMERIC)",
        "LEVEL_SIZE": "CAST(l.of ->> 1 AS NUMERIC)",
    },
    "duckdb": {
        "DECISION_LEVELS": "(SELECT *, CAST(CAST(levels AS JSON) AS DECIMAL(38, 18)[][]) AS found FROM decision_books) books,"
        " LATERAL (SELECT books.*, unnest(books.found) AS l, generate_subscripts(books.found, 1) AS number) b",
        "LEVEL_NUMBER": "b.number",
        "LEVEL_PRICE": "b.l[1]",
        "LEVEL_SIZE": "b.l[2]",
    },
}
"""How each database takes the levels of a book, which are JSON, apart."""
_OF_INTEGERS = re.compile(r" / (?!1e|CAST|1000000 )")
"""Divisions that have no fraction: DuckDB's `/` always has one."""


def view_sql(name: str, dialect: str) -> str:
    """Return the statement that makes a view on `sqlite` or `postgresql`, or of an export's files on `duckdb`."""
    return spelled(VIEWS[name], dialect)


def spelled(sql: str, dialect: str) -> str:
    sql = re.sub(
        r"UTC\((?P<source>\w+\.)?(?P<name>\w*)ns\)",
        lambda found: _INSTANTS[dialect].format(source=found["source"] or "", name=found["name"]),
        sql,
    )
    sql = re.sub("|".join(_LEVELS[dialect]), lambda found: _LEVELS[dialect][found[0]], sql)
    return _OF_INTEGERS.sub(" // ", sql) if dialect == "duckdb" else sql
