"""Mark pairs whose coins are not proved to be the same at both venues, and leave them out of what a day earned.

Revision 0010, after 0009. No pair of before is marked: nobody asked then.
"""

import sqlalchemy as sa
from alembic import context, op

from arb.store.views import VIEWS

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SAYS = "unproved: its coins are not proved to be the same at both venues, and sums leave it out; null for all others"
VIEW = "v_daily_pnl"


def upgrade() -> None:
    op.add_column("pair_trades", sa.Column("identity", sa.String(), nullable=True, comment=SAYS))
    op.execute(f"DROP VIEW {VIEW}")
    op.execute(VIEWS[VIEW])


def downgrade() -> None:
    script = context.script.get_revision("0003")
    assert script is not None
    op.execute(f"DROP VIEW {VIEW}")
    op.execute(script.module.VIEWS[VIEW])
    op.execute("ALTER TABLE pair_trades DROP COLUMN identity")
