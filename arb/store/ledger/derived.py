"""Rows and sums that the database derives from the rows of records: when these are written, and when a migration adds them.

Both use the same statement, so an upgraded ledger equals a rebuilt one.
"""

from arb.clock import NS_PER_DAY
from arb.store.ledger.domains import number
from arb.store.ledger.tables import WHOLE_EDGE_BPS

FEES_OF_CLOSINGS = """
UPDATE pair_closings AS c SET fees_e8 = (
    SELECT COALESCE(SUM(f.fee_quote_value_e8), 0) FROM orders o JOIN fills f ON f.order_id = o.id
    WHERE o.pair_trade_id = c.pair_trade_id AND (c.n = 1 OR f.received_ns > (
        SELECT e.closed_ns FROM pair_closings e WHERE e.pair_trade_id = c.pair_trade_id AND e.n = c.n - 1
    )) AND (f.received_ns <= c.closed_ns OR EXISTS (
        SELECT 1 FROM pair_trades p WHERE p.id = c.pair_trade_id AND p.realised_net_e8 IS NOT NULL
    ) AND NOT EXISTS (
        SELECT 1 FROM pair_closings l WHERE l.pair_trade_id = c.pair_trade_id AND l.n > c.n
    ))
)"""
"""A fee belongs to the first closing after its fill, so that a late fill moves no day that is over; to the last closing where
the fill reopened no pair."""
FEES_OF_PAIRS = """
UPDATE pair_trades AS p SET (fees_e8, fills) = (
    SELECT COALESCE(SUM(f.fee_quote_value_e8), 0), COUNT(*) FROM orders o JOIN fills f ON f.order_id = o.id
    WHERE o.pair_trade_id = p.id
)"""
_SIDE_OF_LEG = "CASE s.side WHEN 'buy' THEN p.buy_{0} ELSE p.sell_{0} END"
LEGS_OF_PAIRS = f"""
INSERT INTO trade_legs (pair_trade_id, n, role, venue, symbol, side, size, limit_price, tif, reduce_only)
SELECT p.id, CASE WHEN s.side = 'sell' AND {number("p.buy_size")} > 0 THEN 2 ELSE 1 END,
    CASE p.kind WHEN 'arb' THEN 'entry' WHEN 'flatten' THEN 'unwind' ELSE p.kind END,
    {_SIDE_OF_LEG.format("venue")}, p.symbol, s.side, {_SIDE_OF_LEG.format("size")}, o.price, o.tif, 0
FROM pair_trades p CROSS JOIN (SELECT 'buy' AS side UNION ALL SELECT 'sell') s
LEFT JOIN orders o ON o.id = (
    SELECT MIN(e.id) FROM orders e WHERE e.pair_trade_id = p.id AND e.side = s.side AND e.role IN ('entry', 'test')
)
WHERE {number(_SIDE_OF_LEG.format("size"))} > 0 AND {{which}}
ON CONFLICT (pair_trade_id, n) DO UPDATE SET limit_price = excluded.limit_price, tif = excluded.tif"""
"""The legs that pairs planned: the sides with a size, each with the limit of its first order, where that is known."""
_DAY = f"opened_ns / {NS_PER_DAY}"
_SUMS = ("opportunities", "ticks", "lived_ns", "best_net_e8")
_DAY_KEY = "day, run_id, symbol, buy_venue, sell_venue, outcome, reason, edge_bps"


def sums_of_days(dialect: str, which: str = "true", sign: str = "+") -> str:
    """Return the statement that adds opportunities to the sums of their days, or takes them away: where `which` holds."""
    day_utc = {
        "sqlite": f"date({_DAY} * 86400, 'unixepoch')",
        "postgresql": f"to_char(to_timestamp({_DAY} * 86400) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    }[dialect]
    added = ", ".join(f"{name} = opportunities_daily.{name} {sign} excluded.{name}" for name in _SUMS)
    return (
        f"INSERT INTO opportunities_daily ({_DAY_KEY}, quote, day_utc, {', '.join(_SUMS)})"
        f" SELECT {_DAY}, run_id, symbol, buy_venue, sell_venue, outcome, COALESCE(reason, outcome), {WHOLE_EDGE_BPS},"
        f" MIN(quote), {day_utc}, COUNT(*), SUM(ticks), SUM(closed_ns - opened_ns), SUM(best_net_e8)"
        f" FROM opportunities WHERE {which} GROUP BY {_DAY}, run_id, symbol, buy_venue, sell_venue, outcome,"
        f" COALESCE(reason, outcome), {WHOLE_EDGE_BPS} ON CONFLICT ({_DAY_KEY}) DO UPDATE SET {added}"
    )
