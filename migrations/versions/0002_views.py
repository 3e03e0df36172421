"""Make the views.

Revision 0002, after 0001. When a view changes, the text it has today moves from `arb/store/views.py` into this file.
"""

from alembic import op

from arb.store.views import VIEWS

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for sql in VIEWS.values():
        op.execute(sql)


def downgrade() -> None:
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
