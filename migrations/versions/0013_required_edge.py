"""Keep what edge a pair had to have where bands of the inventory moved it; unknown for the opportunities of before.

Revision 0013, after 0012.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

EXACT = sa.Text().with_variant(sa.Numeric(), "postgresql")
SAYS = "edge after fees that a pair had to have at best_ns, bps; null without bands of the inventory, and before 0013"


def upgrade() -> None:
    op.add_column("opportunities", sa.Column("required_edge_bps", EXACT, nullable=True, comment=SAYS))


def downgrade() -> None:
    op.execute("ALTER TABLE opportunities DROP COLUMN required_edge_bps")
