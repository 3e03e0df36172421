"""Keep the incidents that need a person until somebody has taken note, and show every instant of a view in UTC.

Revision 0014, after 0013. Alerts of before are made from the incidents when an engine opens the ledger next, by its
rules for them.
"""

import sqlalchemy as sa
from alembic import context, op

from arb.store.ledger.views import VIEWS as LATER
from arb.store.ledger.views import spelled

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
VIEWS = {
    "v_pair_trades": """
CREATE VIEW v_pair_trades AS
SELECT p.id, p.run_id, p.opportunity_id, p.kind, p.symbol, p.quote, p.buy_venue, p.sell_venue, p.state,
    p.decided_ns, UTC(p.decided_ns) AS decided_at, p.closed_ns, UTC(p.closed_ns) AS closed_at,
    (p.closed_ns - p.decided_ns) / 1e6 AS duration_ms,
    p.buy_size, p.sell_size, p.residual_size, p.residual_mark, p.mark_ns, UTC(p.mark_ns) AS mark_at, p.exposure_quote_s,
    p.expected_net_e8 AS expected_net_e8, p.expected_net_e8 / 1e8 AS expected_net, p.buy_slippage_e8 AS buy_slippage_e8,
        p.buy_slippage_e8 / 1e8 AS buy_slippage, p.sell_slippage_e8 AS sell_slippage_e8,
        p.sell_slippage_e8 / 1e8 AS sell_slippage, p.size_shortfall_e8 AS size_shortfall_e8,
        p.size_shortfall_e8 / 1e8 AS size_shortfall, p.fee_difference_e8 AS fee_difference_e8,
        p.fee_difference_e8 / 1e8 AS fee_difference, p.hedge_cost_e8 AS hedge_cost_e8,
        p.hedge_cost_e8 / 1e8 AS hedge_cost, p.residual_change_e8 AS residual_change_e8,
        p.residual_change_e8 / 1e8 AS residual_change, p.realised_net_e8 AS realised_net_e8,
        p.realised_net_e8 / 1e8 AS realised_net,
    CAST((SELECT COALESCE(SUM(f.fee_quote_value_e8),
        0) FROM orders o JOIN fills f ON f.order_id = o.id WHERE o.pair_trade_id = p.id) AS BIGINT) AS fees_e8,
    CAST((SELECT COALESCE(SUM(f.fee_quote_value_e8),
        0) FROM orders o JOIN fills f ON f.order_id = o.id WHERE o.pair_trade_id = p.id) AS BIGINT) / 1e8 AS fees,
    (SELECT COUNT(*) FROM orders o JOIN fills f ON f.order_id = o.id WHERE o.pair_trade_id = p.id) AS fills
FROM pair_trades p
""",
    "v_opportunities": LATER["v_opportunities"],
}
RULES = "version of the rules that alerts were made by; null: not yet, since an upgrade to schema 0014"


def upgrade() -> None:
    _make_alerts()
    op.add_column("projection", sa.Column("alert_rules", sa.Integer(), nullable=True, comment=RULES))
    for view, sql in VIEWS.items():
        op.execute(f"DROP VIEW {view}")
        op.execute(spelled(sql, op.get_bind().dialect.name))


def downgrade() -> None:
    script = context.script.get_revision("0003")
    assert script is not None
    for view in VIEWS:
        op.execute(f"DROP VIEW {view}")
        op.execute(script.module.VIEWS[view])
    op.execute("ALTER TABLE projection DROP COLUMN alert_rules")
    op.drop_table("alerts")


def _make_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False, comment="id of its first incident"),
        sa.Column("run_id", ROW_ID, nullable=False, comment="the run it began in"),
        sa.Column("kind", sa.String(), nullable=False, comment="code of what happened, as in incidents"),
        sa.Column("venue", sa.String(), nullable=True, comment="where, if at one venue"),
        sa.Column("symbol", sa.String(), nullable=True, comment="symbol of the pair it happened to, if any"),
        sa.Column("first_ns", sa.BigInteger(), nullable=False, comment="its first incident, ns UTC"),
        sa.Column("last_ns", sa.BigInteger(), nullable=False, comment="its last incident, ns UTC"),
        sa.Column("last_incident_id", sa.BigInteger(), nullable=False, comment="id of its last incident"),
        sa.Column("count", sa.BigInteger(), nullable=False, comment="how many incidents"),
        sa.Column(
            "text",
            sa.String(),
            nullable=False,
            comment="what happened, in words; the last incident's first, then what others said",
        ),
        sa.Column("what_to_do", sa.String(), nullable=False, comment="what a person is to do, in words"),
        sa.Column(
            "acknowledged_ns",
            sa.BigInteger(),
            nullable=True,
            comment="when somebody took note, ns UTC; null while it is open",
        ),
        sa.Column(
            "acknowledged_by",
            sa.String(),
            nullable=True,
            comment="who took note: a user's name, or the kind of the incident that ended it",
        ),
        sa.Column("reason", sa.String(), nullable=True, comment="why it needs nobody any more, in words"),
        sa.CheckConstraint("kind <> ''", name="kind_not_empty"),
        sa.CheckConstraint("count > 0", name="count_above_zero"),
        sa.CheckConstraint("(acknowledged_ns IS NULL) = (acknowledged_by IS NULL)", name="acknowledged_whole"),
        sa.CheckConstraint("(acknowledged_ns IS NULL) = (reason IS NULL)", name="acknowledged_with_reason"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_alerts_run_id"),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
        comment="incidents that need a person, and who has taken note of them",
    )
    op.create_index("ix_alerts_run_id", "alerts", ["run_id"])
    op.create_index("ix_alerts_acknowledged_ns", "alerts", ["acknowledged_ns"])
