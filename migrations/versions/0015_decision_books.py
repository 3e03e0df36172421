"""Keep the two sides of books that a pair was decided on, and show them level by level.

Revision 0015, after 0014. The pairs of before have none: nobody kept them.
"""

import sqlalchemy as sa
from alembic import op

from arb.store.ledger.views import view_sql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
VIEW = "v_decision_levels"


def upgrade() -> None:
    op.create_table(
        "decision_books",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False, comment="row id, given by the engine"),
        sa.Column("pair_trade_id", ROW_ID, nullable=False, comment="the pair it was decided for"),
        sa.Column("ns", sa.BigInteger(), nullable=False, comment="the decision, ns UTC; decided_ns of the pair"),
        sa.Column("venue", sa.String(), nullable=False, comment="whose book"),
        sa.Column("side", sa.String(), nullable=False, comment="asks (the pair was to buy there) or bids (to sell)"),
        sa.Column(
            "levels",
            sa.String(),
            nullable=False,
            comment='best first, as JSON: [["price","size"],...], exact decimals in quote per base and in base; those within'
            " the limit of the order, at least 10 where there were so many, at most 50",
        ),
        sa.CheckConstraint("side IN ('asks', 'bids')", name="side_known"),
        sa.CheckConstraint("substr(levels, 1, 3) = '[[\"'", name="levels_not_empty"),
        sa.ForeignKeyConstraint(["pair_trade_id"], ["pair_trades.id"], name="fk_decision_books_pair_trade_id"),
        sa.PrimaryKeyConstraint("id", name="pk_decision_books"),
        sa.UniqueConstraint("pair_trade_id", "side", name="uq_decision_books_pair_trade_id_side"),
        comment="the two sides of books that a pair was decided on: asks where it was to buy, bids where it was to sell",
    )
    op.execute(view_sql(VIEW, op.get_bind().dialect.name))


def downgrade() -> None:
    op.execute(f"DROP VIEW {VIEW}")
    op.drop_table("decision_books")
