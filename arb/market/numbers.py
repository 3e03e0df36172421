"""Decimals in and out: exact scaling, plain text, and the few roundings the project allows, each with a named direction.

The default `Decimal` context keeps 28 digits and rounds silently, so nothing here uses it. `EXACT` raises instead of
rounding; the quotients that have no end (an average price) are cut by `ratio`, half-even, to `RATIO_DIGITS` digits.
"""

from decimal import (
    ROUND_CEILING,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)
from fractions import Fraction

ZERO = Decimal(0)
RATIO_DIGITS = 28
BPS_DECIMALS = 6
E8 = 10**8
DECIMALS = Context(prec=80)
"""For sums and products of prices, sizes and fees that must be exact: the default 28 digits round silently."""

_TRAPS = [InvalidOperation, DivisionByZero, Overflow]
# Sums and products of money: more digits than any product here can need, and an error rather than a rounding.
EXACT = Context(prec=1000, Emax=999_999, Emin=-999_999, traps=[*_TRAPS, Inexact])
_RATIO = Context(prec=RATIO_DIGITS, rounding=ROUND_HALF_EVEN, traps=_TRAPS)
_CEILING = Context(prec=1000, rounding=ROUND_CEILING, traps=_TRAPS)


def exact(whole: int, exp: int) -> Decimal:
    """Return `whole / 10**exp`, exactly."""
    return EXACT.scaleb(Decimal(whole), -exp)


def floor_scaled(value: Decimal, exp: int) -> int:
    """Return the greatest integer not above `value * 10**exp`."""
    scaled = EXACT.scaleb(value, exp)
    whole = int(scaled)  # towards zero
    return whole - 1 if whole > scaled else whole


def ceil_scaled(value: Decimal, exp: int) -> int:
    """Return the smallest integer not below `value * 10**exp`."""
    return int(EXACT.scaleb(value, exp).to_integral_value(context=_CEILING))


def ratio(numerator: int, denominator: int, exp: int = 0) -> Decimal:
    """Return `numerator / denominator / 10**exp`, rounded half-even to `RATIO_DIGITS` significant digits."""
    return _RATIO.scaleb(_RATIO.divide(Decimal(numerator), Decimal(denominator)), -exp)


def round_ratio(numerator: int, denominator: int, places: int) -> Decimal:
    """Return `numerator / denominator` (denominator > 0) rounded half-even to `places` decimals."""
    return exact(round_half_even(numerator * 10**places, denominator), places)


def bps(numerator: int, denominator: int) -> Decimal:
    """Return `10000 * numerator / denominator` rounded half-even to 6 decimals, as every `_bps` shown is."""
    return round_ratio(10_000 * numerator, denominator, BPS_DECIMALS)


def round_half_even(numerator: int, denominator: int) -> int:
    """Return the integer nearest to `numerator / denominator` (denominator > 0), ties to the even one."""
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and whole % 2):
        return whole + 1
    return whole


def to_e8(value: Fraction | Decimal) -> int:
    """Return `value` in 1e-8 of its unit, rounded half-even: how the ledger keeps profit and loss."""
    shared = Fraction(value) * E8
    return round_half_even(shared.numerator, shared.denominator)


def plain(value: Decimal) -> str:
    """Return a finite decimal as people write it: no exponent, no trailing zeros, no plus, and `0` for minus zero."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
