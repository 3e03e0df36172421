"""Walk one side of a book, in integers, best level first.

A `Depth` knows cumulative sizes and amounts and their inverses; of the other side it knows only the best price, nothing of fees
or lots.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, islice
from operator import mul

from arb.market.arena import ASK_COUNT, BID_COUNT, HEADER_WORDS, UPDATES, BookArena

_AT_ONCE = 8
"""How many more levels than asked for are summed up: the next question is often about the next level."""


class Depth:
    """One side of a book, best first, with running sums.

    Prices and sizes are integers > 0 on the symbol's scale; amounts (price times size) are Python integers and cannot
    overflow. Sums are computed once per side and serve every pair of venues that uses it. Those of amounts reach only as deep
    as requested, since most trades end within a few levels.
    """

    __slots__ = ("_amounts", "_further", "ends", "opposite", "prices", "sizes", "total")

    def __init__(self, prices: Sequence[int], sizes: Sequence[int], opposite: int | None = None) -> None:
        """Take two parallel sequences; `opposite`: the best price of the book's other side, None when that is empty."""
        self.prices, self.sizes, self.opposite = prices, sizes, opposite
        # ends[j]: size down to and including level j; _amounts[j]: the quote amount of taking all of that.
        self.ends: list[int] = list(accumulate(sizes))
        self.total: int = self.ends[-1] if self.ends else 0
        self._amounts: list[int] = []
        self._further = accumulate(map(mul, prices, sizes))

    @classmethod
    def of(cls, levels: Sequence[tuple[int, int]]) -> "Depth":
        return cls([price for price, _ in levels], [size for _, size in levels])

    @property
    def twice_middle(self) -> int:
        """Return twice the middle of the book's best prices, twice the best price here when the other side is empty."""
        best = self.prices[0]
        return best + (best if self.opposite is None else self.opposite)

    def walk(self, size: int) -> tuple[int, int]:
        """Return the quote amount of taking `size` (1 .. total), and the price of the worst level touched."""
        level = bisect_left(self.ends, size)
        price = self.prices[level]
        return self._amount_to(level) - (self.ends[level] - size) * price, price

    def level_of(self, size: int) -> int:
        """Return the index of the worst level touched when taking `size` (1 .. total)."""
        return bisect_left(self.ends, size)

    def amount(self, size: int) -> int:
        if size <= 0:
            return 0
        return self.walk(size)[0]

    def fine_amount(self, size: int, parts: int) -> int:
        """Return `parts` times the amount of taking `size / parts`; size beyond the depth is worth nothing."""
        whole, rest = divmod(size, parts)
        if whole >= self.total:
            return parts * self.amount(self.total)
        amount = parts * self.amount(whole)
        if rest:
            amount += rest * self.prices[bisect_left(self.ends, whole + 1)]
        return amount

    def size_worth(self, amount: int) -> int:
        """Return the smallest size whose amount is at least `amount`, or `total + 1` when the whole side is worth less."""
        if amount <= 0:
            return 0
        while not self._amounts or self._amounts[-1] < amount:
            if len(self._amounts) == len(self.ends):
                return self.total + 1
            self._amount_to(len(self._amounts))
        level = bisect_left(self._amounts, amount)
        return self.ends[level] - (self._amounts[level] - amount) // self.prices[level]

    def price_after(self, size: int) -> int | None:
        """Return the price of the next unit once `size` is taken, or None when nothing remains."""
        if size >= self.total:
            return None
        return self.prices[bisect_left(self.ends, size + 1)]

    def _amount_to(self, level: int) -> int:
        amounts = self._amounts
        if level >= len(amounts):
            amounts.extend(islice(self._further, level + _AT_ONCE - len(amounts)))
        return amounts[level]


NO_DEPTH = Depth((), ())
"""A side without levels, of a missing book."""


class Depths:
    """The sides of the arena's books, each with the sums of its last reading.

    They hold until the row is written again: `BookArena.updates` rises with every write, invalidation and change of book.
    """

    def __init__(self, arena: BookArena) -> None:
        self._arena = arena
        # By row: the value of `updates` then, and the side.
        self._asks: dict[int, tuple[int, Depth]] = {}
        self._bids: dict[int, tuple[int, Depth]] = {}

    def asks(self, row: int) -> Depth:
        return self._side(self._asks, row, ASK_COUNT, BID_COUNT)

    def bids(self, row: int) -> Depth:
        return self._side(self._bids, row, BID_COUNT, ASK_COUNT)

    def _side(self, known: dict[int, tuple[int, Depth]], row: int, count: int, opposite: int) -> Depth:
        """Return a side; `count` and `opposite`: the words with the number of levels of it and of the other side."""
        words, head, depth = self._arena.words, row * self._arena.stride, self._arena.depth
        updates = words[head + UPDATES]
        kept = known.get(row)
        if kept is None or kept[0] != updates:
            self._arena.complete(row)
            bids = head + HEADER_WORDS
            prices, others = (bids, bids + 2 * depth) if count == BID_COUNT else (bids + 2 * depth, bids)
            sizes, levels = prices + depth, words[head + count]
            best = words[others] if words[head + opposite] else None
            side = Depth(words[prices : prices + levels].tolist(), words[sizes : sizes + levels].tolist(), best)
            kept = known[row] = updates, side
        return kept[1]


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
