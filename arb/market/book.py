"""The plain book: levels of one symbol at one venue, obvious and exact.

It is the oracle of the fast path, and the fallback for every frame that the fast path does not take. It knows levels only: the
dialects in `venues/books/plain` handle sequences and snapshots. Prices and sizes are exact, without bound: integers on the
symbol's `Scale`, and fractions of its unit where a venue's level is finer. So two fine prices are two levels however near they
are. Only the arena's view is rounded, against us: an ask up, a bid down, a size down. Levels that are then of one price are
shown as one. `to_levels` is the only way from a frame's text into a book.
"""

import re
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from fractions import Fraction
from math import ceil, floor
from typing import cast

from arb.market.arena import INT64_MAX, BookArena

Number = int | Fraction
"""A price or a size in units of the scale; a fraction only where it is not whole."""
ExactLevels = list[tuple[Number, Number]]
"""(price, size) pairs as the venue has them."""

Quote = tuple[Number, Number, Number, Number]
"""Bid price, bid size, ask price, ask size, in units of the symbol's scale; 0 and 0 for an empty side."""
Quoted = tuple[int, Quote]
"""A quote and the id of its book."""

_LONGEST = 64
_REMEMBERED_MAX = 16_384
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]*)?", re.ASCII)
_SCIENTIFIC = re.compile(r"([0-9]+(?:\.[0-9]*)?)[eE]([+-]?[0-9]{1,2})", re.ASCII)


class BookSide:
    __slots__ = ("prices", "sizes", "touched")

    def __init__(self) -> None:
        self.sizes: dict[Number, Number] = {}
        self.prices: list[Number] = []
        self.touched = True

    def __len__(self) -> int:
        return len(self.prices)

    def replace(self, levels: Iterable[tuple[Number, Number]]) -> None:
        """Forget everything and take `levels`; a size of 0 is no level, of equal prices the last one counts."""
        sizes = dict(levels)
        self.sizes = {price: size for price, size in sizes.items() if size} if 0 in sizes.values() else sizes
        self.prices = sorted(self.sizes)
        self.touched = True

    def apply(self, levels: Iterable[tuple[Number, Number]]) -> None:
        """Apply absolute sizes in order: 0 removes, and removing a level that is not there is normal."""
        sizes, prices = self.sizes, self.prices
        for price, size in levels:
            self.touched = True
            if size:
                if price not in sizes:
                    insort(prices, price)
                sizes[price] = size
            elif sizes.pop(price, None) is not None:
                del prices[bisect_left(prices, price)]

    def rescale(self, price_up: int, size_up: int) -> None:
        """Put every level on a finer scale; exact."""
        self.prices = [_number(price * price_up) for price in self.prices]
        self.sizes = {_number(price * price_up): _number(size * size_up) for price, size in self.sizes.items()}
        self.touched = True


class PlainBook:
    """Both sides of one book.

    `depth_max`: levels kept per side after each change, or 0 for all. A venue that sends the best N reports nothing more of a
    level that has fallen out, so it must not stay and grow stale. `bid_horizon`, `ask_horizon`: the worst price in a truncated
    snapshot; levels beyond it are unknown, not empty, and are not shown. `fine`: fractions may be among the levels.
    """

    __slots__ = ("ask_horizon", "asks", "bid_horizon", "bids", "depth_max", "fine")

    def __init__(self, depth_max: int = 0) -> None:
        self.bids = BookSide()
        self.asks = BookSide()
        self.depth_max = depth_max
        self.fine = False
        self.bid_horizon: Number | None = None
        self.ask_horizon: Number | None = None

    def replace(self, bids: Iterable[tuple[Number, Number]], asks: Iterable[tuple[Number, Number]]) -> None:
        """Replace all levels by a snapshot."""
        self.bid_horizon = None
        self.ask_horizon = None
        self.bids.replace(bids)
        self.asks.replace(asks)
        self._trim()

    def apply(self, bids: Iterable[tuple[Number, Number]], asks: Iterable[tuple[Number, Number]]) -> None:
        """Apply a change: absolute sizes, 0 removes."""
        self.bids.apply(bids)
        self.asks.apply(asks)
        self._trim()

    def clear(self) -> None:
        self.replace((), ())

    def bound(self, limit: int) -> None:
        """Set that the last snapshot held at most `limit` levels a side: beyond a full side nothing is known."""
        self.bid_horizon = self.bids.prices[0] if len(self.bids) >= limit else None
        self.ask_horizon = self.asks.prices[-1] if len(self.asks) >= limit else None

    def crossed(self) -> bool:
        """Return whether the best bid is above the best ask; equal (locked) is legal."""
        return bool(self.bids.prices and self.asks.prices and self.bids.prices[-1] > self.asks.prices[0])

    def best_bids(self, depth: int) -> tuple[list[Number], list[Number]]:
        prices = self.bids.prices[: -depth - 1 : -1] if depth else []
        if self.bid_horizon is not None and prices and prices[-1] < self.bid_horizon:
            prices = [price for price in prices if price >= self.bid_horizon]
        sizes = self.bids.sizes
        return prices, [sizes[price] for price in prices]

    def best_asks(self, depth: int) -> tuple[list[Number], list[Number]]:
        prices = self.asks.prices[:depth]
        if self.ask_horizon is not None and prices and prices[-1] > self.ask_horizon:
            prices = [price for price in prices if price <= self.ask_horizon]
        sizes = self.asks.sizes
        return prices, [sizes[price] for price in prices]

    def exhausted(self) -> bool:
        """Return whether a side has run out of known levels although the venue has more of them."""
        return (
            self.bid_horizon is not None and not (self.bids.prices and self.bids.prices[-1] >= self.bid_horizon)
        ) or (self.ask_horizon is not None and not (self.asks.prices and self.asks.prices[0] <= self.ask_horizon))

    def levels(self, depth: int) -> tuple[ExactLevels, ExactLevels]:
        """Return the best `depth` bids and asks as (price, size) pairs, best first."""
        bids, asks = self.best_bids(depth), self.best_asks(depth)
        return list(zip(*bids, strict=True)), list(zip(*asks, strict=True))

    def rescale(self, price_up: int, size_up: int) -> bool:
        """Put the book on a scale finer by these factors; return whether the arena can hold it there."""
        for side in (self.bids, self.asks):
            side.rescale(price_up, size_up)
        self.bid_horizon, self.ask_horizon = (
            None if horizon is None else _number(horizon * price_up) for horizon in (self.bid_horizon, self.ask_horizon)
        )
        most = max(
            (*self.bids.prices, *self.asks.prices, *self.bids.sizes.values(), *self.asks.sizes.values()), default=0
        )
        return most <= INT64_MAX

    def publish(self, arena: BookArena, row: int, sequence: int, event_ns: int, received_ns: int) -> None:
        """Write the best levels of each side that changed since the last time, and stamp the row as live."""
        if self.bids.touched:
            arena.write_bids(row, *self._shown(self.best_bids(arena.depth), floor))
            self.bids.touched = False
        if self.asks.touched:
            arena.write_asks(row, *self._shown(self.best_asks(arena.depth), ceil))
            self.asks.touched = False
        arena.write(row, sequence, event_ns, received_ns)

    def _shown(
        self, side: tuple[list[Number], list[Number]], rounded: Callable[[Number], int]
    ) -> tuple[list[int], list[int]]:
        """Return prices and sizes as integers: finer ones are rounded against us, sizes below one unit are omitted."""
        if not self.fine:
            return cast("tuple[list[int], list[int]]", side)
        shown: dict[int, int] = {}
        for price, size in zip(*side, strict=True):
            if (whole := rounded(price)) and (least := floor(size)):
                shown[whole] = shown.get(whole, 0) + least
        return list(shown), [min(size, INT64_MAX) for size in shown.values()]

    def _trim(self) -> None:
        depth_max = self.depth_max
        if not depth_max:
            return
        bids, asks = self.bids, self.asks
        if (beyond := len(bids.prices) - depth_max) > 0:
            for price in bids.prices[:beyond]:
                del bids.sizes[price]
            del bids.prices[:beyond]
        while len(asks.prices) > depth_max:
            del asks.sizes[asks.prices.pop()]


def _number(exact: Number) -> Number:
    return exact.numerator if exact.denominator == 1 else exact


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
            number: Number = int(digits) * self._powers[shift]  # the result of `scaled`, for the usual spelling
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
