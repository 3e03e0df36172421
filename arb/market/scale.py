"""Fixed-point numbers: one scale per symbol, common to all its venues, so that books compare exactly as integers."""

from decimal import Decimal

import msgspec


class Scale(msgspec.Struct, frozen=True):
    """Turn decimals into integers and back, exactly.

    A price of `p` quote per base is the integer `p * 10**price_exp`; a size of `s` base is `s * 10**size_exp`.
    Their product, a notional in quote, is on `10**(price_exp + size_exp)`.
    """

    price_exp: int
    size_exp: int

    @property
    def notional_exp(self) -> int:
        """Return the exponent of price times size."""
        return self.price_exp + self.size_exp

    def price_to_int(self, price: Decimal | str) -> int:
        """Return `price` on this scale; raise `ValueError` when it has more decimals than the scale."""
        return to_int(price, self.price_exp)

    def size_to_int(self, size: Decimal | str) -> int:
        """Return `size` on this scale; raise `ValueError` when it has more decimals than the scale."""
        return to_int(size, self.size_exp)

    def price_to_decimal(self, price: int) -> Decimal:
        return Decimal(price).scaleb(-self.price_exp)

    def size_to_decimal(self, size: int) -> Decimal:
        return Decimal(size).scaleb(-self.size_exp)

    def notional_to_decimal(self, notional: int) -> Decimal:
        return Decimal((0 if notional >= 0 else 1, tuple(int(c) for c in str(abs(notional))), -self.notional_exp))


def to_int(value: Decimal | str, exp: int) -> int:
    """Return `value * 10**exp` as an integer; raise `ValueError` when that is no whole number."""
    number = value if isinstance(value, Decimal) else Decimal(value)
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"not a finite number: {value}")
    whole: int = int("".join(map(str, digits)) or "0")
    shift = exponent + exp
    if shift >= 0:
        whole *= 10**shift
    else:
        whole, rest = divmod(whole, 10**-shift)
        if rest:
            raise ValueError(f"{value} has more than {exp} decimals")
    return int(-whole if sign else whole)


def decimals(step: Decimal) -> int:
    """Return how many decimals are needed to write multiples of `step` (a tick or a lot), at least 0."""
    exponent = step.normalize().as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError(f"not a finite step: {step}")
    return max(0, -exponent)


HEADROOM = 2
"""How many more decimals than the listed steps a scale has: orders of before a step changed are finer than the listing."""
# 64 bits still hold prices to 9.2 million in steps of 1e-12, and sizes to 92 billion in steps of 1e-8.
PRICE_EXP_MAX, SIZE_EXP_MAX = 12, 8


class ScaleTooFine(ValueError):
    """Steps need a scale on which 64 bits could not hold the prices and sizes of a market."""


def wide_enough(scale: Scale, tick: Decimal, lot: Decimal) -> Scale:
    """Return `scale` where the steps are whole on it, else one that is finer; raise `ScaleTooFine` where none may be."""
    price_exp, size_exp = decimals(tick), decimals(lot)
    if price_exp > max(scale.price_exp, PRICE_EXP_MAX) or size_exp > max(scale.size_exp, SIZE_EXP_MAX):
        raise ScaleTooFine(f"a tick of {tick} or a lot of {lot} is too fine")
    if price_exp <= scale.price_exp and size_exp <= scale.size_exp:
        return scale
    finer = common_scale([tick], [lot])
    return Scale(max(scale.price_exp, finer.price_exp), max(scale.size_exp, finer.size_exp))


def common_scale(ticks: list[Decimal], lots: list[Decimal]) -> Scale:
    """Return a scale on which every given tick and lot is a whole number, with head-room where 64 bits allow it."""
    price_exp, size_exp = max(map(decimals, ticks)), max(map(decimals, lots))
    return Scale(
        max(price_exp, min(price_exp + HEADROOM, PRICE_EXP_MAX)), max(size_exp, min(size_exp + HEADROOM, SIZE_EXP_MAX))
    )
