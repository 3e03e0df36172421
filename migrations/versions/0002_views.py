"""Make the views, as they were before fees had a column of exact integers.

Revision 0002, after 0001; 0003 replaces them.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

VIEWS = {
    "v_pair_trades": """
CREATE VIEW v_pair_trades AS
SELECT p.id, p.run_id, p.opportunity_id, p.kind, p.symbol, p.quote, p.buy_venue, p.sell_venue, p.state,
    p.decided_ns, p.closed_ns, (p.closed_ns - p.decided_ns) / 1e6 AS duration_ms,
    p.buy_size, p.sell_size, p.residual_size, p.residual_mark, p.mark_ns, p.exposure_quote_s,
    p.expected_net_e8 AS expected_net_e8, p.expected_net_e8 / 1e8 AS expected_net, p.buy_slippage_e8 AS
        buy_slippage_e8, p.buy_slippage_e8 / 1e8 AS buy_slippage, p.sell_slippage_e8 AS sell_slippage_e8,
        p.sell_slippage_e8 / 1e8 AS sell_slippage, p.size_shortfall_e8 AS size_shortfall_e8, p.size_shortfall_e8
        / 1e8 AS size_shortfall, p.fee_difference_e8 AS fee_difference_e8, p.fee_difference_e8 / 1e8 AS
        fee_difference, p.hedge_cost_e8 AS hedge_cost_e8, p.hedge_cost_e8 / 1e8 AS hedge_cost,
        p.residual_change_e8 AS residual_change_e8, p.residual_change_e8 / 1e8 AS residual_change,
        p.realised_net_e8 AS realised_net_e8, p.realised_net_e8 / 1e8 AS realised_net,
    COALESCE(c.fees_e8, 0) AS fees_e8, COALESCE(c.fees_e8, 0) / 1e8 AS fees, COALESCE(c.fills, 0) AS fills
FROM pair_trades p LEFT JOIN (
    SELECT o.pair_trade_id, SUM(CAST(ROUND(CAST(f.fee_quote_value AS DOUBLE PRECISION) * 100000000) AS BIGINT))
        AS fees_e8, COUNT(*) AS fills
    FROM fills f JOIN orders o ON o.id = f.order_id
    WHERE o.pair_trade_id IS NOT NULL GROUP BY o.pair_trade_id
) c ON c.pair_trade_id = p.id
""",
    "v_opportunities": """
CREATE VIEW v_opportunities AS
SELECT id, run_id, symbol, quote, buy_venue, sell_venue, opened_ns, best_ns, closed_ns,
    (closed_ns - opened_ns) / 1e6 AS duration_ms, best_buy_size, best_sell_size, best_net_e8 AS best_net_e8,
        best_net_e8 / 1e8 AS best_net,
    best_edge_bps, best_gross_edge_bps, ticks, outcome, reason
FROM opportunities
""",
    "v_daily_pnl": """
CREATE VIEW v_daily_pnl AS
SELECT d.day_utc, p.quote, CAST(COALESCE(SUM(p.realised_net_e8), 0) AS BIGINT) AS trading_net_e8,
    CAST(COALESCE(SUM(p.realised_net_e8), 0) AS BIGINT) / 1e8 AS trading_net,
    CAST(COALESCE(SUM(COALESCE(c.fees_e8, 0)), 0) AS BIGINT) AS fees_e8, CAST(COALESCE(SUM(COALESCE(c.fees_e8,
    0)), 0) AS BIGINT) / 1e8 AS fees,
    CAST(COALESCE(SUM(p.hedge_cost_e8), 0) AS BIGINT) AS hedge_cost_e8, CAST(COALESCE(SUM(p.hedge_cost_e8), 0)
        AS BIGINT) / 1e8 AS hedge_cost, COUNT(*) AS pairs
FROM pair_trades p
JOIN (
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
                        FROM (SELECT DISTINCT closed_ns / 86400000000000 AS days FROM pair_trades
                              WHERE closed_ns IS NOT NULL) d1
                    ) d2
                ) d3
            ) d4
        ) d5
    ) d6
) d ON d.days = p.closed_ns / 86400000000000
LEFT JOIN (
    SELECT o.pair_trade_id, SUM(CAST(ROUND(CAST(f.fee_quote_value AS DOUBLE PRECISION) * 100000000) AS BIGINT))
        AS fees_e8, COUNT(*) AS fills
    FROM fills f JOIN orders o ON o.id = f.order_id
    WHERE o.pair_trade_id IS NOT NULL GROUP BY o.pair_trade_id
) c ON c.pair_trade_id = p.id
WHERE p.realised_net_e8 IS NOT NULL
GROUP BY d.day_utc, p.quote
""",
    "v_venue_quality": """
CREATE VIEW v_venue_quality AS
SELECT o.venue, o.symbol, COUNT(*) AS orders,
    SUM(CASE WHEN o.outcome = 'accepted' THEN 1 ELSE 0 END) AS accepted,
    SUM(CASE WHEN o.outcome = 'rejected' THEN 1 ELSE 0 END) AS rejected,
    SUM(CASE WHEN o.outcome = 'unknown' THEN 1 ELSE 0 END) AS unknown,
    SUM(CASE WHEN o.status = 'filled' THEN 1 ELSE 0 END) AS filled,
    AVG(CAST(o.filled AS DOUBLE PRECISION) / CAST(o.size AS DOUBLE PRECISION)) AS fill_ratio,
    AVG(CAST(o.acked_ns - o.sent_ns AS DOUBLE PRECISION)) / 1000000 AS ack_ms,
    AVG(CAST(o.first_fill_ns - o.sent_ns AS DOUBLE PRECISION)) / 1000000 AS first_fill_ms,
    CAST(COALESCE(SUM(COALESCE(c.fees_e8, 0)), 0) AS BIGINT) AS fees_e8, CAST(COALESCE(SUM(COALESCE(c.fees_e8,
        0)), 0) AS BIGINT) / 1e8 AS fees
FROM orders o LEFT JOIN (
    SELECT f.order_id, SUM(CAST(ROUND(CAST(f.fee_quote_value AS DOUBLE PRECISION) * 100000000) AS BIGINT)) AS
        fees_e8 FROM fills f GROUP BY f.order_id
) c ON c.order_id = o.id
WHERE o.role <> 'foreign'
GROUP BY o.venue, o.symbol
""",
    "v_reasons": """
CREATE VIEW v_reasons AS
SELECT run_id, symbol, quote, outcome, reason, COUNT(*) AS opportunities, CAST(COALESCE(SUM(best_net_e8), 0) AS
    BIGINT) AS best_net_e8, CAST(COALESCE(SUM(best_net_e8), 0) AS BIGINT) / 1e8 AS best_net,
    MAX(CAST(best_edge_bps AS DOUBLE PRECISION)) AS best_edge_bps
FROM opportunities
WHERE reason IS NOT NULL
GROUP BY run_id, symbol, quote, outcome, reason
""",
}


def upgrade() -> None:
    for sql in VIEWS.values():
        op.execute(sql)


def downgrade() -> None:
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
