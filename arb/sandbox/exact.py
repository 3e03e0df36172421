"""Exact decimal arithmetic and plain decimal text: no float, no silent rounding, no exponent.

Every operation traps `Inexact`: a product that would not fit 60 digits raises instead of losing a cent.
"""

import re
from decimal import ROUND_FLOOR, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
ZERO = Decimal(0)
ONE = Decimal(1)

_EXACT = Context(prec=60, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
_SHOWN = Context(prec=16, traps=[InvalidOperation, DivisionByZero, Overflow])
_WIDE = Context(prec=60, traps=[InvalidOperation, DivisionByZero, Overflow])


def add(left: Decimal, right: Decimal) -> Decimal:
    return _EXACT.add(left, right)


def sub(left: Decimal, right: Decimal) -> Decimal:
    return _EXACT.subtract(left, right)


def mul(left: Decimal, right: Decimal) -> Decimal:
    return _EXACT.multiply(left, right)


def ratio(left: Decimal, right: Decimal) -> Decimal:
    """Return `left / right` to 60 digits: for averages that are shown, never for money that is booked."""
    return _WIDE.divide(left, right)


def units_floor(value: Decimal, unit: Decimal) -> int:
    """Return how many whole `unit`s fit into `value`, rounded towards minus infinity."""
    return int(_WIDE.divide(value, unit).to_integral_value(rounding=ROUND_FLOOR))


def units_exact(value: Decimal, unit: Decimal) -> int | None:
    """Return `value` counted in `unit`s, or None when it is no whole multiple."""
    if _WIDE.remainder(value, unit) != 0:
        return None
    return int(_WIDE.divide(value, unit))


def cut_off(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(ONE.scaleb(-decimals), ROUND_FLOOR, _WIDE)


def parse(text: object) -> Decimal | None:
    """Read a plain number out of a wire value (text, int or float as its shortest text); None when it is none.

    A text with blanks, underscores or digits of other scripts is no number. Neither is one with more than 24 digits or a
    magnitude beyond 24 places: products must stay exact.
    """
    if isinstance(text, bool) or text is None:
        return None
    written = str(text)
    if not _NUMBER.fullmatch(written):
        return None
    try:
        value = Decimal(written)
    except InvalidOperation:
        return None
    if not value.is_finite() or len(value.as_tuple().digits) > 24 or abs(value.adjusted()) > 24:
        return None
    return value


def whole(text: str) -> int | None:
    """Read a whole number >= 0 of at most 20 plain digits; None for any other text, as with a sign or another script."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None


def plain(value: Decimal) -> str:
    """Write a decimal without exponent and without trailing zeros: `0.10` becomes `0.1`, `1E+3` becomes `1000`."""
    if value == 0:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def quotient_text(left: Decimal, right: Decimal) -> str:
    """Write `left / right` as plain text of at most 16 significant digits: an average price that is only shown."""
    value = ratio(left, right)
    if len(value.as_tuple().digits) <= 16:
        return plain(value)
    return plain(_SHOWN.divide(left, right))
