"""One public connection of a run: the books it carries, the pace of their frames, and their lag."""

from collections.abc import Callable

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.books.book_pace import PACE_WORDS, ConnectionPace
from arb.market.arena import BookArena
from arb.market.feed import BookFeed, venue_of
from arb.market.words import (
    CONNECTION_PACE,
    CONNECTION_WORDS,
    LAG_KNOWN,
    LAG_NS,
    LAGS_KEPT,
    LAGS_NOTED,
    LAST_BYTE_NS,
    NEXT_LAG_NS,
    OFFSET_NS,
    word,
    words_of,
)

TakeFrame = Callable[[bytes | str, int], int]
"""Takes a frame and its time of receipt. Returns 0 when done, the changed row + 1 where Python must follow it up,
`HANDED_OVER` where the feed must take the frame."""
HANDED_OVER = -1
BACKLOG_LAG_NS = 50 * NS_PER_MS
"""By how much a backlogged connection's lag may exceed its median for entries to trust its books."""


def hand_over(raw: bytes | str, received_ns: int) -> int:
    """Take no frame; see `TakeFrame`."""
    return HANDED_OVER


class Connection:
    """One public connection, its books, and its state.

    `rows`: the native symbols of its books, by arena row. `up_ns`: since when it is up, our clock, ns UTC; 0 while it is not.
    `last_byte_ns`: when its last frame was received; 0 without one since it is up. `pace`: the pace of its books' frames.
    `lag_ns`: the travel time of the last frame that shows it; None without one. `lags`: one of these a second. `gaps`,
    `drops`: how often one of its books lost its sequence, and how often the connection was lost, in this run.

    Values that change with every frame are in `words`, which compiled code writes too. `take`: the compiled code that frames
    are offered first, if any. `offset_ns`: the venue's time minus ours, 0 while that is not known.
    """

    __slots__ = ("drops", "feed", "gaps", "name", "pace", "rows", "take", "up_ns", "venue", "words")

    last_byte_ns, _lag_ns, _lag_known, next_lag_ns = (
        word(LAST_BYTE_NS),
        word(LAG_NS),
        word(LAG_KNOWN),
        word(NEXT_LAG_NS),
    )
    offset_ns, _lags_noted = word(OFFSET_NS), word(LAGS_NOTED)

    def __init__(self, name: str, feed: BookFeed) -> None:
        self.name = name
        self.venue = venue_of(name)
        self.feed = feed
        self.rows = {seat.row: native_symbol for native_symbol, seat in feed.seats().items()}
        self.up_ns = 0
        self.words = words_of(CONNECTION_WORDS + LAGS_KEPT)
        self.pace = ConnectionPace(self.words[CONNECTION_PACE : CONNECTION_PACE + PACE_WORDS])
        self.gaps = 0
        self.drops = 0
        self.take: TakeFrame = hand_over

    @property
    def lag_ns(self) -> int | None:
        """Return how long the last frame that shows it was on its way; None where none does."""
        words = self.words
        return words[LAG_NS] if words[LAG_KNOWN] else None

    @lag_ns.setter
    def lag_ns(self, lag_ns: int | None) -> None:
        self._lag_known, self._lag_ns = lag_ns is not None, lag_ns or 0

    @property
    def lags(self) -> list[int]:
        """Return the last samples of the lag, in no order: the median is taken of them."""
        return self.words[CONNECTION_WORDS : CONNECTION_WORDS + min(self._lags_noted, LAGS_KEPT)].tolist()

    def lags_after(self, number: int) -> tuple[list[int], int]:
        """Return the kept samples of the lag after the first `number`, oldest first, and how many there were in all."""
        noted = self._lags_noted
        first = max(number, noted - LAGS_KEPT)
        return [self.words[CONNECTION_WORDS + at % LAGS_KEPT] for at in range(first, noted)], noted

    def keep_lag(self, lag_ns: int, received_ns: int) -> None:
        self.words[CONNECTION_WORDS + self._lags_noted % LAGS_KEPT] = lag_ns
        self._lags_noted += 1
        self.next_lag_ns = received_ns + NS_PER_S

    def dead_books(self, arena: BookArena, now_ns: int) -> list[int]:
        if self.pace.still(now_ns):
            return []
        return [row for row, book in self.pace.books.items() if book.still(now_ns) and arena.usable(row)]

    def late(self) -> bool:
        """Return whether the last frame was on its way for longer than half of all usually are, and 50 ms more."""
        if self.lag_ns is None or not (lags := sorted(self.lags)):
            return True
        return self.lag_ns > lags[len(lags) // 2] + BACKLOG_LAG_NS
