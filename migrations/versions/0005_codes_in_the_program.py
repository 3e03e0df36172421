"""Leave the codes that grow with the engine to the program, which looks at them when it makes a row.

Revision 0005, after 0004. Until here a CHECK listed the reasons, kinds, states, roles, statuses, sources, ... of a column, and
every new one needed a migration; now `arb/store/ledger/domains.py` does. What stays are the sides, the outcomes of a request,
and all arithmetic. That a finished pair is closed is now said of the finished states by name, so that a new open one passes.

SQLite cannot take a constraint off a table: the table is made anew with its rows and indexes. Others refer to it meanwhile, so
foreign keys are off (arb/store/ledger/migrate.py looks at all of them at the end); views are put away and back.
"""

from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from alembic import context, op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

REASONS = (
    *("halted", "venue_halted", "ledger_blocked", "journal_blocked", "clock_offset", "unknown_outstanding"),
    *("gapped_book", "stale_book", "feed_lag", "feed_backlog", "crossed_book", "book_skew", "own_impact"),
    *("identity_unverified", "wallet_closed", "fee_unknown", "no_depth", "below_min_size", "below_min_notional"),
    *("price_band", "residual_too_large", "unhedgeable_partial", "insufficient_balance", "max_notional"),
    *("net_below_minimum", "edge_below_threshold", "risk_limit", "pair_in_flight", "rate_budget"),
)
REPAIR_REASONS = ("costlier", "policy", "beyond_cap", "no_legal_order", "stays_unhedged")
STATES = ("opening", "repairing", "completed", "unwound", "carried", "halted", "abandoned")
STATUSES = (*("intent", "sent", "open", "filled", "partial_cancelled", "cancelled", "rejected", "unknown", "absent"),)


def _among(column: str, values: Iterable[str]) -> dict[str, str]:
    return {f"{column}_known": f"{column} IN ({', '.join(map(repr, values))})"}


def _one_of(column: str, values: Iterable[str]) -> dict[str, str]:
    return {f"{column}_known": " OR ".join(f"{column} = {value!r}" for value in values)}


BEFORE: dict[str, dict[str, str]] = {
    "runs": _among("mode", ("sandbox", "paper", "live", "replay", "sim")),
    "opportunities": _one_of("outcome", ("vanished", "refused", "traded")) | _one_of("reason", reversed(REASONS)),
    "pair_trades": _among("kind", ("arb", "dust", "flatten"))
    | _among("state", STATES)
    | {"closed_when_finished": "state IN ('opening', 'repairing', 'halted') OR closed_ns IS NOT NULL"},
    "orders": _among("role", ("entry", "hedge", "unwind", "dust", "foreign"))
    | _among("tif", ("gtc", "ioc", "fok", "post_only"))
    | _among("status", STATUSES),
    "fills": _among("liquidity", ("taker", "maker", "unknown")) | _among("source", ("stream", "query")),
    "balances": _among("source", ("venue", "computed")),
    "incidents": _among("severity", ("info", "warning", "critical")),
    "alternatives": _one_of("stage", ("entry", "repair"))
    | _one_of("way", ("route", "size", "complete", "third_venue", "unwind", "hold"))
    | _one_of("reason", (*reversed(REASONS), *REPAIR_REASONS))
    | {"way_of_stage": "(stage = 'entry') = (way IN ('route', 'size'))"},
    "untraded_daily": _among("outcome", ("refused", "vanished")) | _among("reason", REASONS),
}
"""Constraints that go, by table and name."""
AFTER: dict[str, dict[str, str]] = {
    "pair_trades": {
        "closed_when_finished": "state NOT IN ('completed', 'unwound', 'carried', 'abandoned') OR closed_ns IS NOT NULL"
    },
    "untraded_daily": {"not_traded": "outcome <> 'traded'"},
}
"""Constraints that come instead."""


BY_KEY, BY_ID = "venue and key fingerprint", "venue and its own id of the account, else the key's fingerprint"
"""What `account_id` was, and what it is in rows from here on; SQLite keeps no comments."""


def upgrade() -> None:
    _exchange(BEFORE, AFTER)
    _call_accounts(BY_KEY, BY_ID)


def downgrade() -> None:
    _exchange(AFTER, BEFORE)
    _call_accounts(BY_ID, BY_KEY)


def _call_accounts(before: str, after: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in ("balances", "orders", "fills"):
            op.alter_column(
                table,
                "account_id",
                existing_type=sa.String(),
                existing_nullable=False,
                existing_comment=before,
                comment=after,
            )


def _exchange(go: Mapping[str, Mapping[str, str]], come: Mapping[str, Mapping[str, str]]) -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    script = context.script.get_revision("0004")
    assert script is not None
    views = script.module._put_views_away()
    for table in BEFORE:
        (_alter if postgres else _make_anew)(table, go.get(table, {}), come.get(table, {}))
    script.module._put_views_back(views)


def _alter(table: str, go: Iterable[str], come: Mapping[str, str]) -> None:
    changes = [f"DROP CONSTRAINT ck_{table}_{name}" for name in go]
    changes += [f"ADD CONSTRAINT ck_{table}_{name} CHECK ({condition})" for name, condition in come.items()]
    op.execute(f"ALTER TABLE {table} {', '.join(changes)}")  # one statement: the rows are looked through once


def _make_anew(table: str, go: Iterable[str], come: Mapping[str, str]) -> None:
    connection = op.get_bind()
    made = sa.text("SELECT sql FROM sqlite_master WHERE tbl_name = :table AND type = :type AND sql IS NOT NULL")
    (text,) = connection.execute(made, {"table": table, "type": "table"}).scalars()
    indexes = connection.execute(made, {"table": table, "type": "index"}).scalars().all()
    gone = tuple(f"CONSTRAINT ck_{table}_{name} CHECK" for name in go)
    head, *lines = [line.strip() for line in text.splitlines()]
    end = lines.pop()
    # One constraint to a line, as they were made; whichever comes last has no comma behind it.
    lines = [line.removesuffix(",") for line in lines if not line.startswith(gone)]
    # Before the others: the way down through 0004 takes away whole lines, with their commas, and never the last one.
    first = next(place for place, line in enumerate(lines) if line.startswith("CONSTRAINT "))
    lines[first:first] = [f"CONSTRAINT ck_{table}_{name} CHECK ({condition})" for name, condition in come.items()]
    body = ", \n\t".join(lines)
    op.execute(f"CREATE TABLE {table}_anew {head[head.index('(') :]}\n\t{body}\n{end}")
    op.execute(f"INSERT INTO {table}_anew SELECT * FROM {table}")
    op.execute(f"DROP TABLE {table}")
    op.execute(f"ALTER TABLE {table}_anew RENAME TO {table}")
    for index in indexes:
        op.execute(index)
