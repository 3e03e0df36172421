"""The market behind the server: one fair price per asset, and at every venue a book that grows around it, from a seed.

A book is two maps of whole numbers (price units to size units). `Channel` is what a venue publishes of it: the best `depth`
levels a side, on one chain of ids that all subscribers share. A level that leaves those best is announced as gone and one that
enters is announced whole, so that whoever applies every change holds exactly what `Channel` shows. Nothing here knows a wire.
"""

import math
import random
from dataclasses import dataclass, field

Side = dict[int, int]
"""Price to size, both in units of the book's decimals."""
Change = list[tuple[int, int]]
"""Levels that changed: price and new size, 0 for one that is gone."""

DRIFT = 0.0002
"""How far a fair price goes between two changes of one book, as a share of it: one standard deviation."""
OFFSET_PULL = 0.05
OFFSET_NOISE = 0.0002
"""A venue's own price wanders about the fair one, by some 6 bps: sometimes more than two fees, mostly less."""


class Fair:
    """The fair price of one asset."""

    def __init__(self, rng: random.Random, price: float) -> None:
        self._rng = rng
        self.price = price

    def move(self) -> float:
        """Go one small step and return the new price."""
        self.price *= math.exp(self._rng.gauss(0, DRIFT))
        return self.price


class GrownBook:
    """A book of about `levels` levels a side that never crosses."""

    def __init__(self, rng: random.Random, price_decimals: int, size_decimals: int, levels: int, fine: int = 0) -> None:
        self._rng = rng
        self.price_decimals, self.size_decimals = price_decimals, size_decimals
        self._levels = levels
        # Some resting sizes are finer than the listing's step, as seen at Gate: 10 ** fine units are one step.
        self._fine = fine
        self._offset = 0.0
        self.bids: Side = {}
        self.asks: Side = {}

    def step(self, fair: float, edits: int) -> None:
        """Take the fair price and change about `edits` levels near the touch."""
        rng = self._rng
        self._offset = self._offset * (1 - OFFSET_PULL) + rng.gauss(0, OFFSET_NOISE)
        middle = max(3, round(fair * (1 + self._offset) * 10**self.price_decimals))
        for side, sign in ((self.bids, -1), (self.asks, 1)):
            for price in [price for price in side if (price - middle) * sign <= 0]:
                del side[price]
        for _ in range(edits):
            sign = rng.choice((-1, 1))
            side = self.bids if sign < 0 else self.asks
            if side and rng.random() < 0.4:
                price = self._near_the_touch(side, sign)
                if rng.random() < 0.5 and len(side) > 2:
                    del side[price]
                else:
                    side[price] = self._size(middle)
            else:
                self._add(side, sign, middle)
        for side, sign in ((self.bids, -1), (self.asks, 1)):
            for _ in range(2 * self._levels):
                if len(side) >= self._levels * 0.8:
                    break
                self._add(side, sign, middle)
            while len(side) > self._levels * 1.2:
                del side[max(side) if sign > 0 else min(side)]

    def make_finer(self) -> None:
        """Let prices have one decimal more, as after a change of the tick."""
        self.price_decimals += 1
        self.bids = {price * 10: size for price, size in self.bids.items()}
        self.asks = {price * 10: size for price, size in self.asks.items()}

    def _near_the_touch(self, side: Side, sign: int) -> int:
        ranked = sorted(side, reverse=sign < 0)
        return ranked[min(int(self._rng.expovariate(0.1)), len(ranked) - 1)]

    def _add(self, side: Side, sign: int, middle: int) -> None:
        # Levels stand some ticks apart, or 0.5 bps where ticks are tiny; ten times as many ticks deep as levels at most.
        apart = max(2.0, middle * 5e-5)
        price = middle + sign * (1 + int(self._rng.expovariate(1 / (apart * max(4, self._levels / 4)))))
        if price > 0:
            side[price] = self._size(middle)

    def _size(self, middle: int) -> int:
        """Return a size worth some hundreds to thousands in quote, at least one unit."""
        rng = self._rng
        value = math.exp(rng.gauss(7, 1.2))
        steps = max(1, round(value / (middle / 10**self.price_decimals) * 10 ** (self.size_decimals - self._fine)))
        finer = rng.randrange(10**self._fine) if self._fine and rng.random() < 0.1 else 0
        return int(steps * 10**self._fine + finer)


@dataclass(slots=True)
class Update:
    """One published change: ids `first` to `last`, after `previous`; `changed_ms`: when the book changed, the venue's clock."""

    previous: int
    first: int
    last: int
    changed_ms: int
    bids: Change
    asks: Change


@dataclass(slots=True)
class Channel:
    """One book as its venue publishes it."""

    native: str
    book: GrownBook
    fair: Fair
    rng: random.Random
    depth: int
    last: int
    changed_ms: int
    bids: Side = field(default_factory=dict)
    asks: Side = field(default_factory=dict)
    halted: bool = False

    def advance(self, now_ms: int, ids: int) -> Update:
        """Let the book change and publish what that changed among the best levels, under `ids` new ids."""
        rng = self.rng
        self.book.step(self.fair.move(), min(60, int(rng.expovariate(1 / 6))))
        bids = _best(self.book.bids, self.depth, highest=True)
        asks = _best(self.book.asks, self.depth, highest=False)
        update = Update(
            previous=self.last,
            first=self.last + 1,
            last=self.last + ids,
            changed_ms=now_ms,
            bids=_difference(self.bids, bids),
            asks=_difference(self.asks, asks),
        )
        self.bids, self.asks, self.last, self.changed_ms = bids, asks, update.last, now_ms
        return update

    def make_finer(self) -> None:
        """Let the book have finer prices; what was published goes on under the same prices."""
        self.book.make_finer()
        self.bids = {price * 10: size for price, size in self.bids.items()}
        self.asks = {price * 10: size for price, size in self.asks.items()}


def _best(side: Side, depth: int, *, highest: bool) -> Side:
    """Return the best `depth` levels, best first; 0: all."""
    prices = sorted(side, reverse=highest)
    return {price: side[price] for price in (prices[:depth] if depth else prices)}


def _difference(old: Side, new: Side) -> Change:
    changes = [(price, size) for price, size in new.items() if old.get(price) != size]
    changes += [(price, 0) for price in old if price not in new]
    return changes


def trimmed(units: int, decimals: int) -> str:
    """Return a number of units as text without trailing zeros: (21010, 2) is `210.1`."""
    text = padded(units, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text


def padded(units: int, decimals: int) -> str:
    """Return a number of units with all its decimals: (21010, 2) is `210.10`."""
    if not decimals:
        return str(units)
    digits = str(units).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}"
