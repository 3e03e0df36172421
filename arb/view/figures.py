"""Amounts and lengths of time for the eye: short, and never a float; stores and JSON hold them whole."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any


def short_amount(amount: Any, *, signed: bool = False) -> str:
    """Return an amount with two decimals, or of a small one its first two digits."""
    value = Decimal(amount)
    digits = 2 if abs(value) >= 1 or not value else max(2, 1 - value.adjusted())
    shown = value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)  # libraries change how contexts round
    return f"{shown:{'+' if signed else ''}f}"


def span_of(seconds: float) -> str:
    """Return a length of time (s, >= 0) in its two largest units."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    days, rest_hours = divmod(hours, 24)
    if days:
        return f"{days} d {rest_hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest:.0f} s" if minutes else f"{rest:.1f} s"
