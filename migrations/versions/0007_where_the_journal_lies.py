"""The ledger knows where its journal lies, so that commands find the engine from any directory.

Revision 0007, after 0006. The place is written when the next run takes up the ledger; until then it is null.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "projection",
        sa.Column(
            "journal_path",
            sa.String(),
            nullable=True,
            comment="where the journal lies, the control socket and the halt file beside it; null before schema 0007",
        ),
    )


def downgrade() -> None:
    with op.batch_alter_table("projection") as table:
        table.drop_column("journal_path")
