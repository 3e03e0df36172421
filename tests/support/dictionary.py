"""The page SCHEMA.md of the site, made from the models' own comments. `make docs` runs this."""

import sys
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import CheckConstraint, Column, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql, sqlite

from arb.store.ledger.domains import CODES, ExactNumber
from arb.store.ledger.tables import Base
from arb.store.ledger.views import VIEWS

_HEAD = """# The ledger's tables and views

Made by `make docs` from the models. The same on SQLite and PostgreSQL. [SQL](SQL.md) has questions to paste.

- `x_ns`: an instant in integer nanoseconds UTC. In views `x_at` is the same as text to the microsecond, rounded down
  (`2026-11-23 14:30:00.250000`); it sorts and compares as instants do.
- `x_e8`: money as an exact integer in 1e-8 of the quote, so that plain `SUM` is exact. In views `x` is the same in quote.
  `x_bps`: 1/10000. `x_ms`: milliseconds.
- *exact* is a decimal of any length: `NUMERIC` on PostgreSQL, `TEXT` in plain notation on SQLite. Cast it before arithmetic
  (`CAST(x AS DOUBLE PRECISION)`).
- The engine assigns ids, unique over runs: `run_id * 1000000000 + number`. A run's id is the Unix time of its start, in s.
- `account_id`: the venue and its own id of the account (`gate-uid-1667201533`), for every key of it. It is the key's
  fingerprint where the venue reports none, and in rows of earlier versions (`gate-0f1e2d3c4b5a`). A sandbox's accounts end
  with the sandbox's id. An incident `account_renamed` names both once. Rows keep the name under which they were written.
- `alerts` are made from `incidents` and acknowledgements, both in the journal. [FAILURES](FAILURES.md#alerts) lists the kinds
  that need a person.
- All rows are a projection of the journal and never deleted, except untraded opportunities and `account_leases`. Untraded
  opportunities are deleted after `[store] keep_untraded_days`; `opportunities_daily` keeps their sums. A lease exists while
  its account is traded, and never on SQLite.
- *Codes* grow with the engine: arb refuses to write an unlisted one; no constraint does.
"""

_FROM: dict[str, tuple[str, ...]] = {
    "v_pair_trades": ("pair_trades",),
    "v_opportunities": ("opportunities",),
    "v_daily_pnl": ("pair_closings", "pair_trades"),
    "v_venue_quality": ("orders",),
    "v_reasons": ("opportunities_daily",),
    "v_decision_levels": ("decision_books",),
}
_SAYS: dict[str, tuple[str, dict[str, str]]] = {
    "v_pair_trades": (
        "pair trades with their causes, fees and fills",
        {
            "duration_ms": "decision to end, ms",
            "fees_e8": "fees of all its fills, at their value then, 1e-8 of the quote; positive when paid",
            "fees": "the same, in quote",
            "fills": "number of executions",
        },
    ),
    "v_opportunities": ("opportunities, with their durations", {"duration_ms": "opened_ns to closed_ns, ms"}),
    "v_daily_pnl": (
        "profit of the pairs closed in a UTC day, without pairs of unproved coins and without the revaluation of inventory",
        {
            "day_utc": "the day as YYYY-MM-DD, UTC",
            "trading_net_e8": "sum of realised net, fees deducted, 1e-8 of the quote",
            "trading_net": "the same, in quote",
            "fees_e8": "fees of their fills, at their value then, 1e-8 of the quote; positive when paid",
            "fees": "the same, in quote",
            "hedge_cost_e8": "result of hedges and unwinds (below zero: cost), 1e-8 of the quote",
            "hedge_cost": "the same, in quote",
            "pairs": "number of pairs",
        },
    ),
    "v_venue_quality": (
        "outcomes of our orders, by venue and symbol",
        {
            "orders": "number of our orders",
            "accepted": "of these, accepted",
            "rejected": "of these, rejected",
            "unknown": "of these, not answered",
            "filled": "of these, filled completely",
            "fill_ratio": "mean of filled per size, 0 to 1",
            "ack_ms": "mean time from sent to answered, ms",
            "first_fill_ms": "mean time from sent to the first fill, ms",
            "fees_e8": "fees of their fills, at their value then, 1e-8 of the quote; positive when paid",
            "fees": "the same, in quote",
        },
    ),
    "v_reasons": (
        "why opportunities were not traded, by run and symbol, those deleted for their age included",
        {
            "opportunities": "number of opportunities",
            "best_net_e8": "sum of their profits at best_ns, 1e-8 of the quote",
            "best_net": "the same, in quote",
            "best_edge_bps": "the greatest edge among them, whole bps",
        },
    ),
    "v_decision_levels": (
        "the book sides on which a pair was decided, level by level",
        {
            "level": "1 for the best",
            "price": "quote per base; exact, on SQLite as text",
            "size": "base on that level; exact, on SQLite as text",
        },
    ),
}


def schema_document() -> str:
    """Return the whole dictionary as Markdown."""
    parts = [_HEAD, "## Tables\n", *(_table(table) for table in Base.metadata.sorted_tables)]
    return "\n".join([*parts, "## Views\n", *(_view(name) for name in VIEWS)])


def view_columns(name: str) -> list[str]:
    """Return the columns of a view in order, as its text names them."""
    # The outermost SELECT: after the last WITH block if there is one, up to its FROM.
    body = VIEWS[name].split(" AS\n", 1)[1]
    select = body[body.rindex("\n)\nSELECT") :] if "\n)\nSELECT" in body else body
    columns = select[select.index("SELECT") + 6 : select.index("\nFROM")]
    return [part.split()[-1].rpartition(".")[2] for part in _split(columns)]


def view_says(name: str, column: str) -> str:
    """Return what a column of a view means; raise `KeyError` for one that nobody has described."""
    _, says = _SAYS[name]
    if column in says:
        return says[column]
    for table in _FROM[name]:
        columns = Base.metadata.tables[table].columns
        if column in columns:
            return str(columns[column].comment)
        instant = column.removesuffix("at") + "ns"
        if column.endswith("at") and instant in columns:
            return str(columns[instant].comment).replace("ns UTC", "UTC, as text to the microsecond")
        if f"{column}_e8" in columns:
            return f"{columns[f'{column}_e8'].comment}".replace(", 1e-8 of the quote", "") + ", in quote"
    raise KeyError(f"{name}.{column} is not described")


def _split(columns: str) -> Iterator[str]:
    """Yield the parts between commas that stand in no parentheses."""
    depth, part = 0, ""
    for character in columns:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            yield part
            part = ""
        else:
            part += character
    yield part


def _table(table: Table) -> str:
    lines = [
        f"### {table.name}\n",
        f"{_sentence(str(table.comment))}\n",
        "| column | type | null | means |",
        "|---|---|---|---|",
    ]
    lines += [_column(column) for column in table.columns]
    return "\n".join([*lines, "", *_rules(table), ""])


def _column(column: Column[object]) -> str:
    kind = "exact" if isinstance(column.type, ExactNumber) else _kind(column)
    marks = ["primary key"] if column.primary_key else []
    marks += [f"refers to `{key.target_fullname}`" for key in column.foreign_keys]
    means = "; ".join([str(column.comment), *marks])
    return f"| `{column.name}` | {kind} | {'yes' if column.nullable else ''} | {means} |"


def _kind(column: Column[object]) -> str:
    kinds = {str(column.type.compile(dialect=d())) for d in (sqlite.dialect, postgresql.dialect)}
    names = {"BIGINT": "integer", "INTEGER": "integer", "VARCHAR": "text"}
    (name,) = {names[kind] for kind in kinds}
    return name


def _rules(table: Table) -> Iterator[str]:
    for rule in sorted(table.constraints, key=lambda rule: str(rule.name)):
        if isinstance(rule, UniqueConstraint):
            yield f"- unique: {', '.join(f'`{column.name}`' for column in rule.columns)}"
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        yield f"- index: {', '.join(f'`{column.name}`' for column in index.columns)}"
    for rule in sorted(table.constraints, key=lambda rule: str(rule.name)):
        if isinstance(rule, CheckConstraint):
            yield f"- {str(rule.name).removeprefix(f'ck_{table.name}_').replace('_', ' ')}: `{rule.sqltext}`"
    for column, codes in CODES.get(table.name, {}).items():
        yield f"- codes of `{column}`: {', '.join(f'`{code}`' for code in codes)}"


def _view(name: str) -> str:
    text, _ = _SAYS[name]
    lines = [f"### {name}\n", f"{_sentence(text)}\n", "| column | means |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{column}` | {view_says(name, column)} |" for column in view_columns(name)), ""])


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(schema_document(), encoding="utf-8")
