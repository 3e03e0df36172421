"""Mark pairs whose coins are not proved to be the same at both venues, and leave them out of what a day earned.

Revision 0010, after 0009. No pair of before is marked: nobody asked then.
"""

import sqlalchemy as sa
from alembic import context, op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SAYS = "unproved: its coins are not proved to be the same at both venues, and sums leave it out; null for all others"
VIEW = "v_daily_pnl"
V_DAILY_PNL = """
CREATE VIEW v_daily_pnl AS
WITH earned AS (
    SELECT closed_ns / 86400000000000 AS days, quote, SUM(realised_net_e8) AS trading_net_e8,
        SUM(hedge_cost_e8) AS hedge_cost_e8, COUNT(*) AS pairs
    FROM pair_trades WHERE realised_net_e8 IS NOT NULL AND identity IS NULL
    GROUP BY closed_ns / 86400000000000, quote
), charged AS (
    SELECT p.closed_ns / 86400000000000 AS days, p.quote, SUM(f.fee_quote_value_e8) AS fees_e8
    FROM fills f JOIN orders o ON o.id = f.order_id JOIN pair_trades p ON p.id = o.pair_trade_id
    WHERE p.realised_net_e8 IS NOT NULL AND p.identity IS NULL
    GROUP BY p.closed_ns / 86400000000000, p.quote
)
SELECT d.day_utc, e.quote, CAST(e.trading_net_e8 AS BIGINT) AS trading_net_e8,
    CAST(e.trading_net_e8 AS BIGINT) / 1e8 AS trading_net, CAST(COALESCE(c.fees_e8, 0) AS BIGINT) AS fees_e8,
    CAST(COALESCE(c.fees_e8, 0) AS BIGINT) / 1e8 AS fees,
    CAST(e.hedge_cost_e8 AS BIGINT) AS hedge_cost_e8, CAST(e.hedge_cost_e8 AS BIGINT) / 1e8 AS hedge_cost, e.pairs
FROM earned e
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
                        FROM (SELECT DISTINCT days FROM earned) d1
                    ) d2
                ) d3
            ) d4
        ) d5
    ) d6
) d ON d.days = e.days
LEFT JOIN charged c ON c.days = e.days AND c.quote = e.quote
"""


def upgrade() -> None:
    op.add_column("pair_trades", sa.Column("identity", sa.String(), nullable=True, comment=SAYS))
    op.execute(f"DROP VIEW {VIEW}")
    op.execute(V_DAILY_PNL)


def downgrade() -> None:
    script = context.script.get_revision("0003")
    assert script is not None
    op.execute(f"DROP VIEW {VIEW}")
    op.execute(script.module.VIEWS[VIEW])
    op.execute("ALTER TABLE pair_trades DROP COLUMN identity")
