"""Keep what each closing of a pair booked, and sum the days' profit from these.

Revision 0017, after 0016. A pair of before gets one closing, its last: the results of those between are not known.
"""

import sqlalchemy as sa
from alembic import context, op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
VIEW = "v_daily_pnl"
V_DAILY_PNL = """
CREATE VIEW v_daily_pnl AS
WITH earned AS (
    SELECT c.closed_ns / 86400000000000 AS days, p.quote, SUM(c.realised_net_e8) AS trading_net_e8,
        SUM(c.hedge_cost_e8) AS hedge_cost_e8, SUM(CASE WHEN c.n = 1 THEN 1 ELSE 0 END) AS pairs
    FROM pair_closings c JOIN pair_trades p ON p.id = c.pair_trade_id
    WHERE p.identity IS NULL
    GROUP BY c.closed_ns / 86400000000000, p.quote
), charged AS (
    SELECT c.closed_ns / 86400000000000 AS days, p.quote, SUM(f.fee_quote_value_e8) AS fees_e8
    FROM fills f JOIN orders o ON o.id = f.order_id JOIN pair_trades p ON p.id = o.pair_trade_id
    JOIN pair_closings c ON c.pair_trade_id = p.id
    LEFT JOIN pair_closings earlier ON earlier.pair_trade_id = c.pair_trade_id AND earlier.n = c.n - 1
    LEFT JOIN pair_closings later ON later.pair_trade_id = c.pair_trade_id AND later.n = c.n + 1
    WHERE p.identity IS NULL AND (c.n = 1 OR f.received_ns > earlier.closed_ns)
        AND (f.received_ns <= c.closed_ns OR later.n IS NULL AND p.realised_net_e8 IS NOT NULL)
    GROUP BY c.closed_ns / 86400000000000, p.quote
)
SELECT d.day_utc, e.quote, CAST(e.trading_net_e8 AS BIGINT) AS trading_net_e8,
    CAST(e.trading_net_e8 AS BIGINT) / 1e8 AS trading_net,
    CAST(COALESCE(c.fees_e8, 0) AS BIGINT) AS fees_e8,
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
TERMS = (
    "expected_net_e8",
    "buy_slippage_e8",
    "sell_slippage_e8",
    "size_shortfall_e8",
    "fee_difference_e8",
    "hedge_cost_e8",
    "residual_change_e8",
    "realised_net_e8",
)
SAYS = "change of that term of pair_trades, 1e-8 of the quote"


def upgrade() -> None:
    op.create_table(
        "pair_closings",
        sa.Column("pair_trade_id", ROW_ID, autoincrement=False, nullable=False, comment="the pair"),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False, comment="which of its closings, from 1 on"),
        sa.Column("closed_ns", sa.BigInteger(), nullable=False, comment="the closing, ns UTC"),
        *(sa.Column(term, sa.BigInteger(), nullable=False, comment=SAYS) for term in TERMS),
        sa.CheckConstraint("n > 0", name="numbered_from_one"),
        sa.CheckConstraint(f"{' + '.join(TERMS[:-1])} = {TERMS[-1]}", name="waterfall_adds_up"),
        sa.ForeignKeyConstraint(["pair_trade_id"], ["pair_trades.id"], name="fk_pair_closings_pair_trade_id"),
        sa.PrimaryKeyConstraint("pair_trade_id", "n", name="pk_pair_closings"),
        comment="what each closing of a pair booked, as the difference to the one before; the days' profit sums these",
    )
    op.create_index("ix_pair_closings_closed_ns", "pair_closings", ["closed_ns"])
    op.execute(
        f"INSERT INTO pair_closings SELECT id, 1, closed_ns, {', '.join(TERMS)} FROM pair_trades"
        " WHERE realised_net_e8 IS NOT NULL"
    )
    op.execute(f"DROP VIEW {VIEW}")
    op.execute(V_DAILY_PNL)


def downgrade() -> None:
    script = context.script.get_revision("0010")
    assert script is not None
    op.execute(f"DROP VIEW {VIEW}")
    op.execute(script.module.V_DAILY_PNL)
    op.drop_table("pair_closings")
