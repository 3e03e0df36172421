"""Say which engine trades an account: on PostgreSQL engines on several hosts may share one database.

Revision 0009, after 0008. SQLite gets the table, too, and nothing writes to it there: one schema on both.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_leases",
        sa.Column("account_id", sa.String(), nullable=False, comment="venue and its own id, or the key's fingerprint"),
        sa.Column("holder", sa.String(), nullable=False, comment="random name of the run that holds it"),
        sa.Column(
            "place", sa.String(), nullable=True, comment="the file its journal's lock is, as its host's kernel names it"
        ),
        sa.Column("host", sa.String(), nullable=False, comment="name of its host"),
        sa.Column("pid", sa.BigInteger(), nullable=False, comment="number of its process there"),
        sa.Column(
            "acquired_ns", sa.BigInteger(), nullable=False, comment="since when, by the database's clock, ns UTC"
        ),
        sa.Column(
            "renewed_ns", sa.BigInteger(), nullable=False, comment="last confirmed, by the database's clock, ns UTC"
        ),
        sa.PrimaryKeyConstraint("account_id", name="pk_account_leases"),
        comment="which engine trades an account; on PostgreSQL, which engines of other hosts may share",
    )


def downgrade() -> None:
    op.drop_table("account_leases")
