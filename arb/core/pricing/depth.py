"""Walk one side of a book, in integers, best level first.

Knows cumulative sizes and amounts and their inverses; of the other side it knows only the best price, nothing of fees or lots.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate
from operator import mul
from typing import Protocol


class IntArray(Protocol):
    """What a numpy `int64` slice offers here: one call that turns it into plain integers."""

    def tolist(self) -> list[int]:
        """Return the elements as Python integers."""


class Depth:
    """One side of a book, best first, with running sums.

    Prices and sizes are integers > 0 on the symbol's scale; amounts (price times size) are Python integers and cannot
    overflow. Sums are taken once per side and serve every pair of venues that uses it.
    """

    __slots__ = ("amounts", "ends", "opposite", "prices", "sizes", "total")

    def __init__(
        self, prices: Sequence[int] | IntArray, sizes: Sequence[int] | IntArray, opposite: int | None = None
    ) -> None:
        """Take two parallel sequences (numpy `int64` slices are turned into integers in one call each).

        `opposite`: the best price of the book's other side, None when that is empty.
        """
        self.prices: Sequence[int] = prices if isinstance(prices, (list, tuple)) else _integers(prices)
        self.sizes: Sequence[int] = sizes if isinstance(sizes, (list, tuple)) else _integers(sizes)
        # ends[j]: size down to and including level j; amounts[j]: the quote amount of taking all of that.
        self.ends: list[int] = list(accumulate(self.sizes))
        self.amounts: list[int] = list(accumulate(map(mul, self.prices, self.sizes)))
        self.total: int = self.ends[-1] if self.ends else 0
        self.opposite = opposite

    @classmethod
    def of(cls, levels: Sequence[tuple[int, int]]) -> "Depth":
        """Build from (price, size) levels, best first."""
        return cls([price for price, _ in levels], [size for _, size in levels])

    @property
    def twice_middle(self) -> int:
        """Return twice the middle of the book's best prices, twice the best price here when the other side is empty."""
        best = self.prices[0]
        return best + (best if self.opposite is None else self.opposite)

    def level_of(self, size: int) -> int:
        """Return the index of the worst level touched when taking `size` (1 .. total)."""
        return bisect_left(self.ends, size)

    def amount(self, size: int) -> int:
        """Return the quote amount of taking `size` (0 .. total)."""
        if size <= 0:
            return 0
        level = bisect_left(self.ends, size)
        return self.amounts[level] - (self.ends[level] - size) * self.prices[level]

    def fine_amount(self, size: int, parts: int) -> int:
        """Return `parts` times the amount of taking `size / parts`; what lies beyond the depth is worth nothing."""
        whole, rest = divmod(size, parts)
        if whole >= self.total:
            return parts * self.amounts[-1] if self.amounts else 0
        amount = parts * self.amount(whole)
        if rest:
            amount += rest * self.prices[bisect_left(self.ends, whole + 1)]
        return amount

    def size_worth(self, amount: int) -> int:
        """Return the smallest size whose amount is at least `amount`, or `total + 1` when the whole side is not."""
        if amount <= 0:
            return 0
        level = bisect_left(self.amounts, amount)
        if level == len(self.amounts):
            return self.total + 1
        return self.ends[level] - (self.amounts[level] - amount) // self.prices[level]

    def price_after(self, size: int) -> int | None:
        """Return the price of the next unit once `size` is taken, or None when nothing is left."""
        if size >= self.total:
            return None
        return self.prices[bisect_left(self.ends, size + 1)]


def _integers(values: Sequence[int] | IntArray) -> list[int]:
    tolist: Callable[[], list[int]] | None = getattr(values, "tolist", None)
    return tolist() if tolist is not None else [int(value) for value in values]  # type: ignore[union-attr]


def first_residue(step: int, modulus: int, low: int, high: int) -> int | None:
    """Return the smallest k >= 0 with `low <= k * step mod modulus <= high`, or None; 0 <= low <= high < modulus.

    Euclid's algorithm on (modulus, step): when no multiple of `step` lies in the range itself, some multiple must wrap
    `y` times, and the wraps obey the same problem with (step, modulus mod step); so the depth is logarithmic.
    """
    outer: list[tuple[int, int, int]] = []
    k = 0
    while low:
        step %= modulus
        if step == 0:
            return None
        k = -(-low // step)
        if k * step <= high:
            break
        outer.append((step, modulus, low))
        step, modulus, low, high = modulus, step, -high % step, -low % step
    else:
        k = 0
    for step, modulus, low in reversed(outer):
        k = -(-(low + modulus * k) // step)
    return k
