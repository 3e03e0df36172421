"""Decimal text to integers, exactly: the only way a price or a size gets from a frame into a book."""

import re

from arb.market.arena import Levels

INT64_MAX = 2**63 - 1
_LONGEST = 64
_REMEMBERED_MAX = 16_384
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]*)?", re.ASCII)
_SCIENTIFIC = re.compile(r"([0-9]+(?:\.[0-9]*)?)[eE]([+-]?[0-9]{1,2})", re.ASCII)


def scaled(text: str, exp: int) -> int:
    """Return `text * 10**exp`, a whole number >= 0.

    Accepts what JSON and the venues write: digits, at most one point, perhaps an exponent of two digits. Raises
    `ValueError` for anything else and when the product is not whole: nothing is ever cut or rounded.
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
    number, rest = divmod(number, 10**-shift)
    if rest:
        raise ValueError(f"{text!r} has more than {exp} decimals")
    return int(number)


class Numbers(dict[str, int]):
    """Texts already scaled to one exponent, with a bounded memory: books repeat themselves.

    `numbers[text]` raises `ValueError` where `scaled` does, and above `greatest`.
    """

    def __init__(self, exp: int, greatest: int | None = INT64_MAX) -> None:
        super().__init__()
        self._exp = exp
        self._greatest = greatest
        self._powers: list[int] = [10**shift for shift in range(exp + 1)]

    def __missing__(self, text: str) -> int:
        whole, _, fraction = text.partition(".")
        digits = whole + fraction
        shift = self._exp - len(fraction)
        if shift >= 0 and whole and len(digits) < _LONGEST and digits.isascii() and digits.isdigit():
            number = int(digits) * self._powers[shift]  # what `scaled` does, for the usual spelling
        else:
            number = scaled(text, self._exp)
        if self._greatest is not None and number > self._greatest:
            raise ValueError(f"{text!r} with {self._exp} decimals does not fit 64 bits")
        if len(self) >= _REMEMBERED_MAX:
            self.clear()
        self[text] = number
        return number


def to_levels(raw: list[tuple[str, str]] | list[list[str]], prices: Numbers, sizes: Numbers) -> Levels:
    """Return wire levels (price first, size second, the rest ignored) as integers; raises `ValueError` or `IndexError`.

    A price must be above 0; a size may be 0.
    """
    levels = [(prices[level[0]], sizes[level[1]]) for level in raw]
    for price, _ in levels:
        if not price:
            raise ValueError("a price of 0")
    return levels
