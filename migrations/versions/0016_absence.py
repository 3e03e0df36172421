"""Keep how the absence of an order was found; unknown for the orders of before.

Revision 0016, after 0015.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

BEFORE = "where it stands; absent: proved never to have existed"
AFTER = "where it stands; absent: no venue shows it, see absence"
SAYS = "how its absence was found: proved or presumed; null if it is not absent, and before 0016"


def upgrade() -> None:
    op.add_column("orders", sa.Column("absence", sa.String(), nullable=True, comment=SAYS))
    _comment_status(BEFORE, AFTER)


def downgrade() -> None:
    op.execute("ALTER TABLE orders DROP COLUMN absence")
    _comment_status(AFTER, BEFORE)


def _comment_status(before: str, after: str) -> None:
    """SQLite keeps no comments."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(
            "orders",
            "status",
            existing_type=sa.String(),
            existing_nullable=False,
            existing_comment=before,
            comment=after,
        )
