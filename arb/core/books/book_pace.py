"""Whether books stand still: their frames against their own past, while other venues' books of the same symbols move.

A connection may be alive, with pongs arriving, while its books stand still. So two bounds are put on the probability
that a silence is chance; both must be below e^-20, which is 2e-9 for each silence:

- by time: a book had `own` frames in the `learned` ns up to its last one. The chance that it has none in `silent` ns more is
  (learned / (learned + silent)) ^ own <= exp(-2 * own * silent / (2 * learned + silent)), as ln(1 + x) >= 2x / (2 + x);
- by others: up to its last frame there were `others` frames of the same symbol at other venues. The chance that `since` more of
  them arrive before one of the book is the product of (others + i) / (own + others + i), i from 0 to `since` - 1. As factorials
  that is the product of (others + j) / (others + since + j), j from 0 to `own` - 1, whose factors are on average (logarithms
  are convex in j) at most the one at the mean j; so by the same inequality it is at most
  exp(-2 * own * since / (2 * others + own - 1 + since)).

The exponents are the *missing* frames, by a cautious estimate; by others never more than the book had, as few frames
show little of its habits. So a single book is not judged with fewer than 20 known frames, or with fewer than 20 frames
at other venues. A slow venue has few frames to others' many, and in a market that is quiet everywhere
none has any. The bounds hold where frames arrive independently (Poisson); venues that send at a fixed interval are steadier
than that.

The same holds for a whole connection, whose books are judged together, which shows a standstill sooner. The measures are
the time since the last frame of any book, and the sum of its books' missing frames by others. Without a standstill that sum is
at most one of n exponential variables of mean 1 for n books, which exceeds n + sqrt(40 n) + 20 with a chance of at most e^-20
(Laurent and Massart, 2000).

Everything is counted in frames, of which the past ten minutes count at most. Nothing here reads a clock.
"""

from collections.abc import Collection
from math import isqrt

from arb.clock import NS_PER_MS, NS_PER_S
from arb.market.words import FRAMES, word, words_of

MISSING = 20
"""This many frames must be missing for a silence to be a standstill."""
MEMORY_NS = 600 * NS_PER_S
"""At this age half of the learned counts is forgotten, so that a book's habits may change."""
JUDGED_AFTER_NS = 50 * NS_PER_MS
"""A shorter silence is no standstill."""
RESUMED_NS = 2 * NS_PER_S
"""How long after a standstill of their connection books wait for a frame of their own."""


PACE_WORDS = 6
"""Words of a book's pace, the first four those of any: frames, since, last, forget, base, mark."""


class SymbolFrames:
    """How many frames the books of one symbol have had, at all venues; `words`: where that is counted."""

    __slots__ = ("words",)

    def __init__(self, words: memoryview | None = None) -> None:
        self.words = words_of(1) if words is None else words

    frames = word(FRAMES)


class Pace:
    """Frames by time. Instants are ns UTC, our clock; 0: none yet. All of it is in `words`, which compiled code writes too."""

    __slots__ = ("words",)

    def __init__(self, words: memoryview | None = None) -> None:
        self.words = words_of(PACE_WORDS) if words is None else words

    frames, since_ns, last_ns, forget_ns = word(0), word(1), word(2), word(3)

    def begin_or_forget(self, received_ns: int) -> bool:
        begins = not self.since_ns
        self.frames = 0 if begins else self.frames // 2
        self.since_ns = received_ns if begins else self.since_ns + (received_ns - self.since_ns) // 2
        self.forget_ns = self.since_ns + MEMORY_NS
        return begins

    def skip(self, now_ns: int) -> None:
        """Learn nothing from the time up to now: the connection was lost."""
        if self.last_ns:
            self.since_ns += now_ns - self.last_ns
            self.forget_ns = self.since_ns + MEMORY_NS
            self.last_ns = now_ns

    def missing(self, now_ns: int) -> int:
        words = self.words  # frames, since, last: read directly, for orders may wait
        last_ns = words[2]
        silent_ns, learned_ns = now_ns - last_ns, last_ns - words[1]
        return 2 * words[0] * silent_ns // (2 * learned_ns + silent_ns) if last_ns and silent_ns > 0 else 0


class BookPace(Pace):
    __slots__ = ("_symbol",)

    def __init__(self, symbol: SymbolFrames, words: memoryview | None = None) -> None:
        super().__init__(words)
        self._symbol = symbol

    # The symbol's frames when this book began to be counted, and at its last frame.
    _base, _mark = word(4), word(5)

    def beat(self, received_ns: int) -> None:
        """Count a frame of this book. The path of every frame: it must be fast."""
        symbol = self._symbol
        symbol.frames = self._mark = symbol.frames + 1
        self.frames += 1
        self.last_ns = received_ns
        if received_ns >= self.forget_ns:
            begins = self.begin_or_forget(received_ns)
            self._base = self._mark if begins else self._mark - (self._mark - self._base) // 2

    def skip(self, now_ns: int) -> None:
        super().skip(now_ns)
        self._base += self._symbol.frames - self._mark
        self._mark = self._symbol.frames

    def missing_by_others(self) -> int:
        own, since = self.frames, self._symbol.frames - self._mark
        others = self._mark - self._base - own
        return min(own, 2 * own * since // (2 * others + own - 1 + since)) if others >= MISSING else 0

    def still(self, now_ns: int) -> bool:
        return self.missing(now_ns) >= MISSING and self.missing_by_others() >= MISSING


class ConnectionPace:
    """The frames of all books of one connection, which may stand still together; `books` by arena row."""

    __slots__ = ("_pace", "_resumed_ns", "_stood_ns", "books")

    def __init__(self, words: memoryview | None = None) -> None:
        self.books: dict[int, BookPace] = {}
        self._pace = Pace(words)
        # When the last frame before the latest standstill and the first one after it were received.
        self._stood_ns = self._resumed_ns = 0

    def beat(self, rows: Collection[int], received_ns: int) -> None:
        pace = self._pace
        if received_ns - pace.last_ns > JUDGED_AFTER_NS and self.still(received_ns):
            self._stood_ns, self._resumed_ns = pace.last_ns, received_ns
        pace.frames += 1
        pace.last_ns = received_ns
        if received_ns >= pace.forget_ns:
            pace.begin_or_forget(received_ns)
        for row in rows:
            self.books[row].beat(received_ns)

    def skip(self, now_ns: int) -> None:
        self._pace.skip(now_ns)
        for book in self.books.values():
            book.skip(now_ns)

    def still(self, now_ns: int) -> bool:
        if self._pace.missing(now_ns) < MISSING:
            return False
        missing, count = 0, len(self.books)
        enough = count + isqrt(40 * count) + MISSING
        for book in self.books.values():
            missing += book.missing_by_others()
            if missing >= enough:
                return True
        return False

    def book_still(self, row: int, now_ns: int) -> bool:
        """Return whether a book stands still, by itself or with the others, or has had no frame since they all did."""
        book = self.books[row]
        if now_ns < self._resumed_ns + RESUMED_NS and book.last_ns <= self._stood_ns:
            return True
        return book.still(now_ns) or self.still(now_ns)
