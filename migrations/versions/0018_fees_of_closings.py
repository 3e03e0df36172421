"""Keep the fees of each closing, and find rows of a time by an index of their own.

Revision 0018, after 0017. No view adds up all fills for one row, or one day, any more.
"""

import sqlalchemy as sa
from alembic import context, op

from arb.store.ledger.derived import FEES_OF_CLOSINGS
from arb.store.ledger.views import spelled, view_sql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

SAYS = "fees of its fills since the closing before, 1e-8 of the quote"
VIEWS = ("v_pair_trades", "v_daily_pnl")
INDEXES = {"orders": ("venue", "journalled_ns"), "fills": ("venue", "event_ns")}


def upgrade() -> None:
    op.add_column(
        "pair_closings", sa.Column("fees_e8", sa.BigInteger(), server_default="0", nullable=False, comment=SAYS)
    )
    op.execute(FEES_OF_CLOSINGS)
    op.create_index("ix_opportunities_opened_ns", "opportunities", ["opened_ns"])
    for table, (other, at) in INDEXES.items():
        op.drop_index(f"ix_{table}_{other}_{at}", table)
        op.create_index(f"ix_{table}_{at}", table, [at])
    _make_views(view_sql("v_daily_pnl", op.get_bind().dialect.name))


def downgrade() -> None:
    script = context.script.get_revision("0017")
    assert script is not None
    _make_views(script.module.V_DAILY_PNL)
    op.drop_index("ix_opportunities_opened_ns", "opportunities")
    for table, (other, at) in INDEXES.items():
        op.drop_index(f"ix_{table}_{at}", table)
        op.create_index(f"ix_{table}_{other}_{at}", table, [other, at])
    op.execute("ALTER TABLE pair_closings DROP COLUMN fees_e8")


def _make_views(daily_pnl: str) -> None:
    for view in VIEWS:
        op.execute(f"DROP VIEW {view}")
    make_pair_trades()
    op.execute(daily_pnl)


def make_pair_trades() -> None:
    """Make the view `v_pair_trades` as it was until 0018."""
    script = context.script.get_revision("0014")
    assert script is not None
    op.execute(spelled(script.module.VIEWS["v_pair_trades"], op.get_bind().dialect.name))
