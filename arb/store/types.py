"""Numbers that stay exact in both databases.

SQLite has no decimal type: NUMERIC there silently becomes a binary float. So an exact number is TEXT on SQLite, in
plain notation (no exponent, no trailing zeros, so that equal numbers are equal texts), and NUMERIC on PostgreSQL; in
Python it is always `Decimal`.
"""

from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Integer, Numeric, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from arb.errors import StoreError

# A row id. SQLite only lets INTEGER stand for its own row number; all its integers have 64 bits.
RowId = BigInteger().with_variant(Integer, "sqlite")


def plain(value: Decimal) -> str:
    """Return the decimal in plain notation, exactly; raise `StoreError` for infinities and not-a-number."""
    text = str(value)
    if "1" <= text[-1] <= "9" and "E" not in text and "N" not in text:
        return text  # most numbers are as they should be
    if not value.is_finite():
        raise StoreError(f"{value} is not a number the ledger can hold")
    if "E" in text:
        text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


class ExactNumber(TypeDecorator[Decimal]):
    """A `Decimal` of any precision: TEXT on SQLite, NUMERIC on PostgreSQL."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column type of this database."""
        return dialect.type_descriptor(Numeric() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Return what is handed to the driver."""
        if value is None:
            return None
        return Decimal(plain(value)) if dialect.name == "postgresql" else plain(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Return what was read as a `Decimal`."""
        return None if value is None else Decimal(value)
