"""Say that there are orders and pairs of a drill. SQLite keeps no comments, so there nothing changes.

Revision 0012, after 0011. Nothing of before is of the new kinds.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

COMMENTS = (
    (
        "pair_trades",
        "kind",
        "arb, dust (selling the dust of closed pairs) or flatten (asked by the user)",
        "arb, dust (selling the dust of closed pairs), flatten (asked by the user) or test (an order of a drill)",
    ),
    (
        "orders",
        "role",
        "entry, hedge, unwind, dust or foreign",
        "entry, hedge, unwind, dust, test or foreign",
    ),
)
"""Table, column, the comment before and the one from here on."""


def upgrade() -> None:
    for table, column, before, after in COMMENTS:
        _comment(table, column, before, after)


def downgrade() -> None:
    for table, column, before, after in COMMENTS:
        _comment(table, column, after, before)


def _comment(table: str, column: str, before: str, after: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(
            table, column, existing_type=sa.String(), existing_nullable=False, existing_comment=before, comment=after
        )
