"""Keep the planned legs of every pair, and the wallet that holds a balance.

Revision 0021, after 0020. The legs of earlier pairs are derived from their rows and entry orders, as those of later ones are.
All earlier balances are of spot wallets.
"""

import sqlalchemy as sa
from alembic import op

from arb.store.ledger.derived import LEGS_OF_PAIRS

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
EXACT = sa.Text().with_variant(sa.Numeric(), "postgresql")
CHECKS = {
    "side_known": "side IN ('buy', 'sell')",
    "numbered_from_one": "n > 0",
    "limit_has_tif": "(limit_price IS NULL) = (tif IS NULL)",
    "reduce_only_is_a_flag": "reduce_only IN (0, 1)",
    "size_above_zero": "CAST(size AS DOUBLE PRECISION) > 0",
    "limit_price_above_zero": "CAST(limit_price AS DOUBLE PRECISION) > 0",
}
COLUMNS = {
    "role": (sa.String(), False, "entry, dust, unwind (a residual traded away) or test"),
    "venue": (sa.String(), False, "venue of the leg"),
    "symbol": (sa.String(), False, "for instance BTC/USDT"),
    "side": (sa.String(), False, "buy or sell"),
    "size": (EXACT, False, "planned size, in base"),
    "limit_price": (
        EXACT,
        True,
        "limit of its order, quote per base; null for a residual, of which each order has its own",
    ),
    "tif": (sa.String(), True, "time in force of its order; null without limit_price"),
    "reduce_only": (sa.Integer(), False, "1 if its order may not open a position, else 0"),
}


def upgrade() -> None:
    op.create_table(
        "trade_legs",
        sa.Column("pair_trade_id", ROW_ID, autoincrement=False, nullable=False, comment="the pair"),
        sa.Column(
            "n", sa.Integer(), autoincrement=False, nullable=False, comment="number of the leg within its pair, from 1"
        ),
        *(sa.Column(name, kind, nullable=nullable, comment=says) for name, (kind, nullable, says) in COLUMNS.items()),
        *(sa.CheckConstraint(sql, name=name) for name, sql in CHECKS.items()),
        sa.ForeignKeyConstraint(["pair_trade_id"], ["pair_trades.id"], name="fk_trade_legs_pair_trade_id"),
        sa.PrimaryKeyConstraint("pair_trade_id", "n", name="pk_trade_legs"),
        comment="planned legs of pair trades, one row each: instrument, side, size and limit",
    )
    op.execute(LEGS_OF_PAIRS.format(which="true"))
    op.add_column(
        "balances",
        sa.Column(
            "wallet", sa.String(), server_default="spot", nullable=False, comment="wallet of the account that holds it"
        ),
    )


def downgrade() -> None:
    op.execute("ALTER TABLE balances DROP COLUMN wallet")
    op.drop_table("trade_legs")
