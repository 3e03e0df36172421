"""Decimal text to numbers on a scale, exactly: the only way a price or a size gets from a frame into a book."""

import re
from fractions import Fraction

from arb.market.arena import INT64_MAX
from arb.market.book import ExactLevels, Number

_LONGEST = 64
_REMEMBERED_MAX = 16_384
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]*)?", re.ASCII)
_SCIENTIFIC = re.compile(r"([0-9]+(?:\.[0-9]*)?)[eE]([+-]?[0-9]{1,2})", re.ASCII)


def scaled(text: str, exp: int) -> Number:
    """Return `text * 10**exp`, >= 0: an integer where it is whole, else a fraction. Nothing is ever cut or rounded.

    Accepts what JSON and the venues write: digits, at most one point, perhaps an exponent of two digits. Raises
    `ValueError` for anything else.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"a number of {len(text)} characters")
    if not _PLAIN.fullmatch(text):
        scientific = _SCIENTIFIC.fullmatch(text)
        if scientific is None:
            raise ValueError(f"not a plain number >= 0: {text!r}")
        text, exp = scientific[1], exp + int(scientific[2])
    whole, _, fraction = text.partition(".")
    shift = exp - len(fraction)
    number = int(whole + fraction)
    if shift >= 0:
        return int(number * 10**shift)
    product = Fraction(number, 10**-shift)
    return product.numerator if product.denominator == 1 else product


class Numbers(dict[str, Number]):
    """Texts already scaled to one exponent, with a bounded memory: books repeat themselves.

    `numbers[text]` raises `ValueError` where `scaled` does, and above `greatest`. `greatest` None: any number that is whole
    on the scale, which is then meant to be fine enough for everything. `fine`: one was not whole.
    """

    def __init__(self, exp: int, greatest: int | None = INT64_MAX) -> None:
        super().__init__()
        self._exp = exp
        self.fine = False
        self._greatest = greatest
        self._powers: list[int] = [10**shift for shift in range(exp + 1)]

    def __missing__(self, text: str) -> Number:
        whole, _, fraction = text.partition(".")
        digits = whole + fraction
        shift = self._exp - len(fraction)
        if shift >= 0 and whole and len(digits) < _LONGEST and digits.isascii() and digits.isdigit():
            number: Number = int(digits) * self._powers[shift]  # what `scaled` does, for the usual spelling
        else:
            number = scaled(text, self._exp)
            if type(number) is not int:
                if self._greatest is None:
                    raise ValueError(f"{text!r} has more than {self._exp} decimals")
                self.fine = True
        if self._greatest is not None and number > self._greatest:
            raise ValueError(f"{text!r} with {self._exp} decimals does not fit 64 bits")
        if len(self) >= _REMEMBERED_MAX:
            self.clear()
        self[text] = number
        return number


def to_levels(raw: list[tuple[str, str]] | list[list[str]], prices: Numbers, sizes: Numbers) -> ExactLevels:
    """Return wire levels (price first, size second, the rest ignored) as numbers; raises `ValueError` or `IndexError`.

    A price must be above 0; a size may be 0.
    """
    levels = [(prices[level[0]], sizes[level[1]]) for level in raw]
    for price, _ in levels:
        if not price:
            raise ValueError("a price of 0")
    return levels
