"""Keep what else could have been done, when its frames came, and know every reason and severity by name.

Revision 0004, after 0003. SQLite cannot add a constraint to a table: the table is made anew with its rows. Nothing refers to
these tables but views, which are taken away meanwhile and put back as they were.
"""

from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

EXACT = sa.Text().with_variant(sa.Numeric(), "postgresql")
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
REASONS = (
    *("halted", "venue_halted", "ledger_blocked", "journal_blocked", "clock_offset", "unknown_outstanding"),
    *("gapped_book", "stale_book", "feed_lag", "feed_backlog", "crossed_book", "book_skew", "own_impact"),
    *("identity_unverified", "wallet_closed", "fee_unknown", "no_depth", "below_min_size", "below_min_notional"),
    *("price_band", "residual_too_large", "unhedgeable_partial", "insufficient_balance", "max_notional"),
    *("net_below_minimum", "edge_below_threshold", "risk_limit", "pair_in_flight", "rate_budget"),
)
REPAIR_REASONS = ("costlier", "policy", "beyond_cap", "no_legal_order", "stays_unhedged")


def _among(column: str, values: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def _one_of(column: str, values: Iterable[str]) -> str:
    """The same, for tables that are written fast: SQLite builds a list of three or more anew for every row."""
    return " OR ".join(f"{column} = {value!r}" for value in values)


OUTCOMES = ("traded", "refused", "vanished")
BEFORE: dict[str, dict[str, str]] = {
    "opportunities": {"reason_not_empty": "reason <> ''", "outcome_known": _among("outcome", OUTCOMES)},
    "untraded_daily": {},
    "incidents": {"severity_not_empty": "severity <> ''"},
}
"""Constraints that go, by table and name."""
AFTER = {
    "opportunities": {
        "outcome_known": _one_of("outcome", reversed(OUTCOMES)),
        "reason_known": _one_of("reason", reversed(REASONS)),
    },
    "untraded_daily": {"reason_known": _among("reason", REASONS)},
    "incidents": {"severity_known": _among("severity", ("info", "warning", "critical"))},
}
"""Constraints that come instead."""


def upgrade() -> None:
    for name in ("buy_frame_ns", "sell_frame_ns"):
        venue = name.split("_")[0]
        says = f"newest frame of the {venue} venue's book when it was decided, received, ns UTC"
        op.add_column("pair_trades", sa.Column(name, sa.BigInteger(), nullable=True, comment=says))
    _make_alternatives()
    views = _put_views_away()
    for table, come in AFTER.items():
        _exchange(table, BEFORE[table], come)
    _put_views_back(views)


def downgrade() -> None:
    views = _put_views_away()
    for table, come in BEFORE.items():
        _exchange(table, AFTER[table], come)
    op.drop_table("alternatives")
    for name in ("buy_frame_ns", "sell_frame_ns"):
        op.execute(f"ALTER TABLE pair_trades DROP COLUMN {name}")
    _put_views_back(views)


def _make_alternatives() -> None:
    number = "CAST({} AS DOUBLE PRECISION) > 0"
    rules = {
        "stage_known": _one_of("stage", ("entry", "repair")),
        "way_known": _one_of("way", ("route", "size", "complete", "third_venue", "unwind", "hold")),
        "reason_known": _one_of("reason", (*reversed(REASONS), *REPAIR_REASONS)),
        "way_of_stage": "(stage = 'entry') = (way IN ('route', 'size'))",
        "entry_has_two_venues": "stage <> 'entry' OR (buy_venue IS NOT NULL AND sell_venue IS NOT NULL)",
        "two_venues": "buy_venue <> sell_venue",
        "hold_is_nowhere": "(way = 'hold') = (buy_venue IS NULL AND sell_venue IS NULL)",
        **{f"{name}_above_zero": number.format(name) for name in ("buy_size", "sell_size", "price")},
    }
    op.create_table(
        "alternatives",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False, comment="row id, given by the engine"),
        sa.Column("pair_trade_id", ROW_ID, nullable=False, comment="the pair it was decided for"),
        sa.Column(
            "ns",
            sa.BigInteger(),
            nullable=False,
            comment="the decision, ns UTC; journalled_ns of the orders sent instead",
        ),
        sa.Column("stage", sa.String(), nullable=False, comment="entry (opening the pair) or repair (mending a leg)"),
        sa.Column("way", sa.String(), nullable=False, comment="route or size; complete, third_venue, unwind or hold"),
        sa.Column("buy_venue", sa.String(), nullable=True, comment="where it would have bought"),
        sa.Column("sell_venue", sa.String(), nullable=True, comment="where it would have sold"),
        sa.Column("buy_size", EXACT, nullable=True, comment="size to buy, in base"),
        sa.Column("sell_size", EXACT, nullable=True, comment="size to sell, in base"),
        sa.Column("price", EXACT, nullable=True, comment="limit of a repair, quote per base"),
        sa.Column(
            "net_e8",
            sa.BigInteger(),
            nullable=True,
            comment="profit expected; of a repair, against the price its leg filled at; 1e-8 of the quote",
        ),
        sa.Column(
            "edge_bps",
            EXACT,
            nullable=True,
            comment="that per amount paid, bps; of a route without profit, at the best quotes",
        ),
        sa.Column(
            "reason", sa.String(), nullable=True, comment="code of why it was passed over; null for the one taken"
        ),
        *(sa.CheckConstraint(rule, name=op.f(f"ck_alternatives_{name}")) for name, rule in rules.items()),
        sa.ForeignKeyConstraint(["pair_trade_id"], ["pair_trades.id"], name=op.f("fk_alternatives_pair_trade_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alternatives")),
        comment="what else could have been done: ways open at a decision about a pair",
    )
    op.create_index(op.f("ix_alternatives_pair_trade_id"), "alternatives", ["pair_trade_id"], unique=False)


def _exchange(table: str, go: Iterable[str], come: Mapping[str, str]) -> None:
    """Take constraints off a table and put others on, with all rows in place."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        for name in go:
            op.execute(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{name}")
        for name, condition in come.items():
            op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({condition})")
        return
    made = sa.text("SELECT sql FROM sqlite_master WHERE tbl_name = :table AND type = :type AND sql IS NOT NULL")
    (text,) = connection.execute(made, {"table": table, "type": "table"}).scalars()
    indexes = connection.execute(made, {"table": table, "type": "index"}).scalars().all()
    gone = tuple(f"CONSTRAINT ck_{table}_{name} CHECK" for name in go)
    head, *lines = [line for line in text.splitlines() if not line.strip().startswith(gone)]
    # Before the first constraint of the table, where a comma follows in any case.
    first = next(place for place, line in enumerate(lines) if line.strip().startswith("CONSTRAINT "))
    lines[first:first] = [f"\tCONSTRAINT ck_{table}_{name} CHECK ({condition}), " for name, condition in come.items()]
    op.execute("\n".join([f"CREATE TABLE {table}_anew {head[head.index('(') :]}", *lines]))
    op.execute(f"INSERT INTO {table}_anew SELECT * FROM {table}")
    op.execute(f"DROP TABLE {table}")
    op.execute(f"ALTER TABLE {table}_anew RENAME TO {table}")
    for index in indexes:
        op.execute(index)


def _put_views_away() -> list[str]:
    """Drop the views of SQLite, which would not let a table under them be renamed; return their texts."""
    if op.get_bind().dialect.name == "postgresql":
        return []
    found = op.get_bind().execute(sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'view'")).all()
    for name, _ in found:
        op.execute(f'DROP VIEW "{name}"')
    return [sql for _, sql in found]


def _put_views_back(views: Iterable[str]) -> None:
    for sql in views:
        op.execute(sql)
