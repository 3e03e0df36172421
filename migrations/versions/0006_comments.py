"""Say three columns' meanings in the words of the field. SQLite keeps no comments, so there nothing changes.

Revision 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COMMENTS: tuple[tuple[str, str, TypeEngine[object], str, str], ...] = (
    (
        "pair_trades",
        "kind",
        sa.String(),
        "arb, dust (selling pooled remainders) or flatten (asked by the user)",
        "arb, dust (selling the dust of closed pairs) or flatten (asked by the user)",
    ),
    (
        "pair_trades",
        "residual_size",
        sa.Numeric(),
        "base left over (R), negative when short",
        "residual (R): base bought less base sold, negative when short",
    ),
    (
        "alternatives",
        "stage",
        sa.String(),
        "entry (opening the pair) or repair (mending a leg)",
        "entry (opening the pair) or repair (hedging or unwinding a leg)",
    ),
)
"""Table, column and its type, the comment before and the one from here on."""


def upgrade() -> None:
    for table, column, kind, before, after in COMMENTS:
        _comment(table, column, kind, before, after)


def downgrade() -> None:
    for table, column, kind, before, after in COMMENTS:
        _comment(table, column, kind, after, before)


def _comment(table: str, column: str, kind: TypeEngine[object], before: str, after: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(
            table, column, existing_type=kind, existing_nullable=False, existing_comment=before, comment=after
        )
