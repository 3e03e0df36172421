"""Keep what the legs of a pair were expected to cost when it was decided; unknown for the pairs of before.

Revision 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SAYS = "what legs falling short were expected to cost at decision, no term of the sum, 1e-8 of the quote"


def upgrade() -> None:
    op.add_column("pair_trades", sa.Column("leg_cost_e8", sa.BigInteger(), nullable=True, comment=SAYS))


def downgrade() -> None:
    op.execute("ALTER TABLE pair_trades DROP COLUMN leg_cost_e8")
