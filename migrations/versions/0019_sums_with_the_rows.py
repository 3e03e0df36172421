"""Keep the fees of a pair with it, and the sums of all opportunities by day.

Revision 0019, after 0018. `untraded_daily` had the sums of those that were deleted; they go over with run 0, for their run was
not written down.
"""

import sqlalchemy as sa
from alembic import context, op

from arb.store.ledger.derived import FEES_OF_PAIRS, sums_of_days
from arb.store.ledger.views import view_sql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
COLUMNS = {
    "fees_e8": "fees of its fills, sum of fee_quote_value_e8, 1e-8 of the quote",
    "fills": "how many fills its orders have",
}
VIEWS = ("v_pair_trades", "v_reasons")
KEY = ("day", "run_id", "symbol", "buy_venue", "sell_venue", "outcome", "reason", "edge_bps")
KEY_BEFORE = tuple(column for column in KEY if column != "run_id")
SUMS = ("opportunities", "ticks", "lived_ns", "best_net_e8")


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    _drop_views()
    for name, says in COLUMNS.items():
        op.add_column("pair_trades", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False, comment=says))
    op.execute(FEES_OF_PAIRS)
    _make(
        "opportunities_daily",
        "sums of opportunities by day, run, route, reason and whole bps of edge",
        KEY,
        {"opportunities_not_negative": "opportunities >= 0"},
        {
            "opportunities": "how many there were; 0 where those there were got a better edge later",
            "outcome": "traded, refused or vanished",
            "reason": "code of why they were not traded; traded for the others",
        },
    )
    columns = ", ".join((*KEY_BEFORE, "quote", "day_utc", *SUMS))
    op.execute(f"INSERT INTO opportunities_daily (run_id, {columns}) SELECT 0, {columns} FROM untraded_daily")
    op.execute(sums_of_days(dialect))
    op.drop_table("untraded_daily")
    for view in VIEWS:
        op.execute(view_sql(view, dialect))


def downgrade() -> None:
    earlier = {revision: context.script.get_revision(revision) for revision in ("0003", "0018")}
    assert earlier["0003"] is not None and earlier["0018"] is not None
    _drop_views()
    _make(
        "untraded_daily",
        "sums of untraded opportunities that were deleted for their age",
        KEY_BEFORE,
        {"not_traded": "outcome <> 'traded'", "opportunities_above_zero": "opportunities > 0"},
        {
            "opportunities": "how many there were",
            "outcome": "refused or vanished",
            "reason": "code of why they were not traded",
        },
    )
    key = ", ".join(KEY_BEFORE)
    # Where rows of a day are there, the earlier version adds them up itself when it deletes them.
    op.execute(
        f"INSERT INTO untraded_daily ({key}, quote, day_utc, {', '.join(SUMS)})"
        f" SELECT {key}, MIN(quote), MIN(day_utc), {', '.join(f'SUM({name})' for name in SUMS)} FROM opportunities_daily d"
        " WHERE outcome <> 'traded' AND NOT EXISTS (SELECT 1 FROM opportunities o WHERE o.outcome <> 'traded'"
        f" AND o.run_id = d.run_id AND o.opened_ns / 86400000000000 = d.day) GROUP BY {key}"
    )
    op.drop_table("opportunities_daily")
    for name in COLUMNS:
        op.execute(f"ALTER TABLE pair_trades DROP COLUMN {name}")
    earlier["0018"].module.make_pair_trades()
    op.execute(earlier["0003"].module.VIEWS["v_reasons"])


def _drop_views() -> None:
    for view in VIEWS:
        op.execute(f"DROP VIEW {view}")


def _make(table: str, comment: str, key: tuple[str, ...], checks: dict[str, str], says: dict[str, str]) -> None:
    """Make either table of sums; `says` has the comments in which they differ."""
    columns = {
        "day": (sa.Integer(), "days since 1970-01-01 UTC, of opened_ns"),
        "run_id": (ROW_ID, "the run that saw them; 0 for those deleted before 0019"),
        "symbol": (sa.String(), "for instance BTC/USDT"),
        "buy_venue": (sa.String(), "where it was cheap"),
        "sell_venue": (sa.String(), "where it was dear"),
        "outcome": (sa.String(), says["outcome"]),
        "reason": (sa.String(), says["reason"]),
        "edge_bps": (sa.Integer(), "whole part of best_edge_bps, bps"),
        "quote": (sa.String(), "asset the prices are in"),
        "day_utc": (sa.String(), "the day as YYYY-MM-DD, UTC"),
        "opportunities": (sa.BigInteger(), says["opportunities"]),
        "ticks": (sa.BigInteger(), "book changes during all of them"),
        "lived_ns": (sa.BigInteger(), "from opened_ns to closed_ns, all of them together, ns"),
        "best_net_e8": (sa.BigInteger(), "sum of the profits at best_ns, 1e-8 of the quote"),
    }
    op.create_table(
        table,
        *(
            sa.Column(name, kind, autoincrement=False, nullable=False, comment=says)
            for name, (kind, says) in columns.items()
            if name in key or name not in KEY
        ),
        *(sa.CheckConstraint(sql, name=op.f(f"ck_{table}_{name}")) for name, sql in checks.items()),
        sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{table}")),
        comment=comment,
    )
