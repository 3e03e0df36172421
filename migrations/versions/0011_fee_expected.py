"""Keep what fee was planned for each fill, beside the one that was charged; unknown for the fills of before.

Revision 0011, after 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SAYS = "the fee that was planned for it, 1e-8 of the quote; null for foreign orders and for fills of before 0011"


def upgrade() -> None:
    op.add_column("fills", sa.Column("fee_expected_e8", sa.BigInteger(), nullable=True, comment=SAYS))


def downgrade() -> None:
    op.execute("ALTER TABLE fills DROP COLUMN fee_expected_e8")
