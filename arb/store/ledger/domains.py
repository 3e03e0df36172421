"""The values allowed in the ledger's columns: exact numbers, CHECK constraints, and the codes that grow with the
engine.

SQLite has no decimal type: NUMERIC there silently becomes a binary float. So an exact number is TEXT on SQLite, in
plain notation (no exponent, no trailing zeros, so that equal numbers are equal texts), and NUMERIC on PostgreSQL; in
Python it is always `Decimal`.

Codes (reasons, kinds, modes, sources, roles, statuses) are checked here when a row is made, and not by CHECK
constraints: a database that lists them would have to be migrated for every new one. CHECK constraints remain for values
that can never grow and that sums of money depend on: `side` (the sign of a fill) and an order's `outcome` (there are
three), and all arithmetic. A code that is no longer made stays in its enumeration: older journals hold it, and `arb db
rebuild` writes it again.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import BigInteger, CheckConstraint, Integer, Numeric, Table, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from arb.core.messages.incidents import Severity
from arb.core.messages.reasons import Reason, RepairReason
from arb.core.messages.records import AlternativeStage, AlternativeWay, OpportunityOutcome, PairKind, PairState
from arb.errors import StoreError
from arb.market.fill import FillSource, Liquidity
from arb.market.numbers import plain
from arb.market.order import OrderAbsence, OrderStatus, Role, TimeInForce

# A row id. SQLite only uses INTEGER as its own row number; all its integers have 64 bits.
RowId = BigInteger().with_variant(Integer, "sqlite")


def exact_text(value: Decimal) -> str:
    """Return the decimal in plain notation, exactly; raise `StoreError` for infinities and not-a-number."""
    text = str(value)
    if "1" <= text[-1] <= "9" and "E" not in text and "N" not in text:
        return text  # most numbers are as they should be
    if not value.is_finite():
        raise StoreError(f"{value} is not a number the ledger can hold")
    return plain(value)


def levels_text(levels: Sequence[tuple[Decimal, Decimal]]) -> str:
    """Return the levels of a book as JSON, `[["price","size"],...]`: decimals as text, which every database reads exactly."""
    return "[" + ",".join(f'["{exact_text(price)}","{exact_text(size)}"]' for price, size in levels) + "]"


def levels_of(text: str) -> list[tuple[Decimal, Decimal]]:
    try:
        return msgspec.json.decode(text, type=list[tuple[Decimal, Decimal]])
    except msgspec.MsgspecError as error:
        raise StoreError(f"{text[:80]!r} is no list of levels, [price, size] each: {error}") from None


class ExactNumber(TypeDecorator[Decimal]):
    """A `Decimal` of any precision: TEXT on SQLite, NUMERIC on PostgreSQL."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Numeric() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        return Decimal(exact_text(value)) if dialect.name == "postgresql" else exact_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


def check(name: str, condition: str) -> CheckConstraint:
    """Return a constraint; a row is refused if the condition is false, and taken if it is null."""
    return CheckConstraint(condition, name=name)


def among(column: str, values: Iterable[str] | type[StrEnum]) -> CheckConstraint:
    """Return a constraint for a column whose values can never grow in number; `CODES` has all others."""
    listed = ", ".join(f"'{value}'" for value in values)
    return check(f"{column}_known", f"{column} IN ({listed})")


def number(column: str) -> str:
    """Return SQL for an exact number as double precision, good enough to compare."""
    return f"CAST({column} AS DOUBLE PRECISION)"


def above_zero(*columns: str) -> tuple[CheckConstraint, ...]:
    return tuple(check(f"{column}_above_zero", f"{number(column)} > 0") for column in columns)


def not_negative(*columns: str) -> tuple[CheckConstraint, ...]:
    return tuple(check(f"{column}_not_negative", f"{number(column)} >= 0") for column in columns)


LENGTHS = frozenset({"lived_ns"})
"""Columns in nanoseconds that are lengths of time and no instants."""


def at_of(column: str) -> str | None:
    """Return the name of an instant's readable twin (`decided_ns`: `decided_at`), None for other columns."""
    is_instant = column == "ns" or (column.endswith("_ns") and column not in LENGTHS)
    return f"{column.removesuffix('ns')}at" if is_instant else None


MODES = ("sandbox", "paper", "live", "replay", "sim", "demo")
NOTES = {
    "paper": "PAPER: every order was simulated, and none could reach a venue",
    "demo": "DEMO: orders went to demo accounts, whose books are unrelated to one another: order paths are proved, no profit",
}
"""A warning to every reader of a mode's runs; its mark precedes the colon."""
BALANCE_SOURCES = ("venue", "computed")

CODES: dict[str, dict[str, tuple[str, ...]]] = {
    "runs": {"mode": MODES},
    "opportunities": {"outcome": tuple(OpportunityOutcome), "reason": tuple(Reason)},
    "pair_trades": {"kind": tuple(PairKind), "state": tuple(PairState)},
    "orders": {
        "role": tuple(Role),
        "tif": tuple(TimeInForce),
        "status": tuple(OrderStatus),
        "absence": tuple(OrderAbsence),
    },
    "fills": {"liquidity": tuple(Liquidity), "source": tuple(FillSource)},
    "balances": {"source": BALANCE_SOURCES},
    "incidents": {"severity": tuple(Severity)},
    "alternatives": {
        "stage": tuple(AlternativeStage),
        "way": tuple(AlternativeWay),
        "reason": (*Reason, *RepairReason),
    },
    "decision_books": {},
    # Derived by the database itself, from rows that were checked when they were written.
    "trade_legs": {"role": tuple(Role), "tif": tuple(TimeInForce)},
    "opportunities_daily": {
        "outcome": tuple(OpportunityOutcome),
        "reason": (OpportunityOutcome.TRADED, *Reason),
    },
}
_ENTRY_WAYS = (AlternativeWay.ROUTE, AlternativeWay.SIZE)
_STAGE_AND_WAY = tuple(
    (AlternativeStage.ENTRY if way in _ENTRY_WAYS else AlternativeStage.REPAIR, way) for way in AlternativeWay
)


def note_on(modes: Iterable[str]) -> dict[str, str]:
    """Return the warnings to a reader of these modes' runs, under `note`; nothing where there is none."""
    given = set(modes)
    return next(({"note": note} for mode, note in NOTES.items() if mode in given), {})


class Rule(NamedTuple):
    """The values allowed in one column, or in several together: then `known` holds tuples."""

    columns: tuple[str, ...]
    known: frozenset[Any]


def rules_of(table: Table) -> tuple[Rule, ...]:
    """Return the rules for a table's codes; a column that may be null may be None."""
    rules = [
        Rule((column,), _known(codes, nullable=bool(table.columns[column].nullable)))
        for column, codes in CODES[table.name].items()
    ]
    if table.name == "alternatives":
        rules.append(Rule(("stage", "way"), frozenset(_STAGE_AND_WAY)))
    return tuple(rules)


def _known(codes: Iterable[str], *, nullable: bool) -> frozenset[str | None]:
    # A member of an enumeration of text equals its value and has its hash: a record may hold either.
    return frozenset(codes) | (frozenset((None,)) if nullable else frozenset())
