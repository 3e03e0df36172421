"""Give fills their fee as an exact integer, and keep sums of what is deleted for its age.

Revision 0003, after 0002. A fee is not rounded in SQL any more: the two databases round halves differently. When a view
changes, the text it has today moves from `arb/store/ledger/views.py` into this file.
"""

from decimal import Decimal

import sqlalchemy as sa
from alembic import context, op

from arb.market.numbers import to_e8
from arb.store.ledger.views import VIEWS as LATER

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BATCH_ROWS = 10_000
VIEWS = {"v_venue_quality": LATER["v_venue_quality"]} | {
    "v_reasons": """
CREATE VIEW v_reasons AS
SELECT run_id, symbol, MIN(quote) AS quote, outcome, reason, COUNT(*) AS opportunities,
    CAST(SUM(best_net_e8) AS BIGINT) AS best_net_e8, CAST(SUM(best_net_e8) AS BIGINT) / 1e8 AS best_net,
        MAX(CAST(best_edge_bps AS DOUBLE PRECISION)) AS best_edge_bps
FROM opportunities
WHERE reason IS NOT NULL
GROUP BY reason, symbol, run_id, outcome
""",
    "v_pair_trades": """
CREATE VIEW v_pair_trades AS
SELECT p.id, p.run_id, p.opportunity_id, p.kind, p.symbol, p.quote, p.buy_venue, p.sell_venue, p.state,
    p.decided_ns, p.closed_ns, (p.closed_ns - p.decided_ns) / 1e6 AS duration_ms,
    p.buy_size, p.sell_size, p.residual_size, p.residual_mark, p.mark_ns, p.exposure_quote_s,
    p.expected_net_e8 AS expected_net_e8, p.expected_net_e8 / 1e8 AS expected_net,
        p.buy_slippage_e8 AS buy_slippage_e8, p.buy_slippage_e8 / 1e8 AS buy_slippage,
        p.sell_slippage_e8 AS sell_slippage_e8, p.sell_slippage_e8 / 1e8 AS sell_slippage,
        p.size_shortfall_e8 AS size_shortfall_e8, p.size_shortfall_e8 / 1e8 AS size_shortfall,
        p.fee_difference_e8 AS fee_difference_e8, p.fee_difference_e8 / 1e8 AS fee_difference,
        p.hedge_cost_e8 AS hedge_cost_e8, p.hedge_cost_e8 / 1e8 AS hedge_cost,
        p.residual_change_e8 AS residual_change_e8, p.residual_change_e8 / 1e8 AS residual_change,
        p.realised_net_e8 AS realised_net_e8, p.realised_net_e8 / 1e8 AS realised_net,
    COALESCE(c.fees_e8, 0) AS fees_e8, COALESCE(c.fees_e8, 0) / 1e8 AS fees, COALESCE(c.fills, 0) AS fills
FROM pair_trades p LEFT JOIN (
    SELECT o.pair_trade_id, SUM(f.fee_quote_value_e8) AS fees_e8, COUNT(*) AS fills
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
WITH earned AS (
    SELECT closed_ns / 86400000000000 AS days, quote, SUM(realised_net_e8) AS trading_net_e8,
        SUM(hedge_cost_e8) AS hedge_cost_e8, COUNT(*) AS pairs
    FROM pair_trades WHERE realised_net_e8 IS NOT NULL
    GROUP BY closed_ns / 86400000000000, quote
), charged AS (
    SELECT p.closed_ns / 86400000000000 AS days, p.quote, SUM(f.fee_quote_value_e8) AS fees_e8
    FROM fills f JOIN orders o ON o.id = f.order_id JOIN pair_trades p ON p.id = o.pair_trade_id
    WHERE p.realised_net_e8 IS NOT NULL
    GROUP BY p.closed_ns / 86400000000000, p.quote
)
SELECT d.day_utc, e.quote, CAST(e.trading_net_e8 AS BIGINT) AS trading_net_e8,
    CAST(e.trading_net_e8 AS BIGINT) / 1e8 AS trading_net, CAST(COALESCE(c.fees_e8, 0) AS BIGINT) AS fees_e8,
    CAST(COALESCE(c.fees_e8, 0) AS BIGINT) / 1e8 AS fees,
    CAST(e.hedge_cost_e8 AS BIGINT) AS hedge_cost_e8,
    CAST(e.hedge_cost_e8 AS BIGINT) / 1e8 AS hedge_cost, e.pairs
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
""",
}
"""The views of this revision; 0010 replaces what a day earned, 0014 those with instants."""
UNITS = {
    "pair_trades.realised_net_e8": (
        "profit, the sum of the seven terms before it",
        "profit, the sum of the seven terms before it, 1e-8 of the quote",
    ),
    "balances.free": ("available", "available, in the asset"),
    "balances.locked": ("held by open orders", "held by open orders, in the asset"),
}
"""Comments before and after, by column: three had no unit."""


def upgrade() -> None:
    _drop_views(_earlier_views())
    # Not through batch mode: adding a column needs no new table, and so keeps every constraint of the old one.
    op.add_column(
        "fills",
        sa.Column(
            "fee_quote_value_e8",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="fee_quote_value in 1e-8 of the quote, rounded half-even",
        ),
    )
    _fill_in()
    op.create_table(
        "untraded_daily",
        sa.Column(
            "day", sa.Integer(), autoincrement=False, nullable=False, comment="days since 1970-01-01 UTC, of opened_ns"
        ),
        sa.Column("symbol", sa.String(), nullable=False, comment="for instance BTC/USDT"),
        sa.Column("buy_venue", sa.String(), nullable=False, comment="where it was cheap"),
        sa.Column("sell_venue", sa.String(), nullable=False, comment="where it was dear"),
        sa.Column("outcome", sa.String(), nullable=False, comment="refused or vanished"),
        sa.Column("reason", sa.String(), nullable=False, comment="code of why they were not traded"),
        sa.Column(
            "edge_bps", sa.Integer(), autoincrement=False, nullable=False, comment="whole part of best_edge_bps, bps"
        ),
        sa.Column("quote", sa.String(), nullable=False, comment="asset the prices are in"),
        sa.Column("day_utc", sa.String(), nullable=False, comment="the day as YYYY-MM-DD, UTC"),
        sa.Column("opportunities", sa.BigInteger(), nullable=False, comment="how many there were"),
        sa.Column("ticks", sa.BigInteger(), nullable=False, comment="book changes during all of them"),
        sa.Column(
            "lived_ns", sa.BigInteger(), nullable=False, comment="from opened_ns to closed_ns, all of them together, ns"
        ),
        sa.Column(
            "best_net_e8", sa.BigInteger(), nullable=False, comment="sum of the profits at best_ns, 1e-8 of the quote"
        ),
        sa.CheckConstraint("opportunities > 0", name=op.f("ck_untraded_daily_opportunities_above_zero")),
        sa.CheckConstraint("outcome IN ('refused', 'vanished')", name=op.f("ck_untraded_daily_outcome_known")),
        sa.PrimaryKeyConstraint(
            "day", "symbol", "buy_venue", "sell_venue", "outcome", "reason", "edge_bps", name=op.f("pk_untraded_daily")
        ),
        comment="sums of untraded opportunities that were deleted for their age",
    )
    _say({column: after for column, (_, after) in UNITS.items()})
    for sql in VIEWS.values():
        op.execute(sql)


def downgrade() -> None:
    _drop_views(VIEWS)
    _say({column: before for column, (before, _) in UNITS.items()})
    op.drop_table("untraded_daily")
    op.execute("ALTER TABLE fills DROP COLUMN fee_quote_value_e8")
    for sql in _earlier_views().values():
        op.execute(sql)


def _earlier_views() -> dict[str, str]:
    script = context.script.get_revision("0002")
    assert script is not None
    views: dict[str, str] = script.module.VIEWS
    return views


def _drop_views(views: dict[str, str]) -> None:
    for name in views:
        op.execute(f"DROP VIEW {name}")


def _say(comments: dict[str, str]) -> None:
    """Set comments of columns; SQLite keeps none."""
    if op.get_bind().dialect.name == "postgresql":
        for column, comment in comments.items():
            op.execute(f"COMMENT ON COLUMN {column} IS '{comment}'")


def _fill_in() -> None:
    """Give the fills that are there their integer, with the rounding the ledger uses."""
    connection, last = op.get_bind(), -1
    chunk = sa.text("SELECT id, fee_quote_value FROM fills WHERE id > :last ORDER BY id LIMIT :rows")
    change = sa.text("UPDATE fills SET fee_quote_value_e8 = :value WHERE id = :id")
    while rows := connection.execute(chunk, {"last": last, "rows": BATCH_ROWS}).all():
        connection.execute(change, [{"id": row.id, "value": to_e8(Decimal(row.fee_quote_value))} for row in rows])
        last = rows[-1].id
