"""CHECK constraints, as the tables' columns say them."""

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import CheckConstraint


def check(name: str, condition: str) -> CheckConstraint:
    """Return a constraint; a row of which the condition is false is refused, one of which it is null is not."""
    return CheckConstraint(condition, name=name)


def among(column: str, values: Iterable[str] | type[StrEnum]) -> CheckConstraint:
    """Return a constraint for a column whose values can never grow in number; see `vocabulary.py` for all others."""
    listed = ", ".join(f"'{value}'" for value in values)
    return check(f"{column}_known", f"{column} IN ({listed})")


def number(column: str) -> str:
    """Return SQL for an exact number as double precision, good enough to compare."""
    return f"CAST({column} AS DOUBLE PRECISION)"


def above_zero(*columns: str) -> tuple[CheckConstraint, ...]:
    """Return a constraint for each of these exact numbers: > 0."""
    return tuple(check(f"{column}_above_zero", f"{number(column)} > 0") for column in columns)


def not_negative(*columns: str) -> tuple[CheckConstraint, ...]:
    """Return a constraint for each of these exact numbers: >= 0."""
    return tuple(check(f"{column}_not_negative", f"{number(column)} >= 0") for column in columns)
