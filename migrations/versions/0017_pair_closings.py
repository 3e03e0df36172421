"""Keep what each closing of a pair booked, and sum the days' profit from these.

Revision 0017, after 0016. A pair of before gets one closing, its last: the results of those between are not known.
"""

import sqlalchemy as sa
from alembic import context, op

from arb.store.views import view_sql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
VIEW = "v_daily_pnl"
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
    op.execute(view_sql(VIEW, op.get_bind().dialect.name))


def downgrade() -> None:
    script = context.script.get_revision("0010")
    assert script is not None
    op.execute(f"DROP VIEW {VIEW}")
    op.execute(script.module.V_DAILY_PNL)
    op.drop_table("pair_closings")
