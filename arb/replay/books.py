"""`arb books`: the books of a tape after its first N lines, rebuilt by the plain path."""

from itertools import islice
from pathlib import Path

import msgspec

from arb.errors import ConfigError
from arb.market.arena import NO_SEQUENCE, BookState
from arb.replay.lines import origin_of, take_line
from arb.replay.tapes import to_its_end
from arb.store.tapes.line import TapeLine
from arb.venues.books.plain.base import WireFeed
from arb.venues.books.plain.checkpoints import level_texts
from arb.venues.books.plain.slot import BookSlot
from arb.venues.registry import tape_feed

_STATES = {
    BookState.WAITING: "waiting",
    BookState.LIVE: "live",
    BookState.GAP: "gap",
    BookState.CROSSED: "gap",
}


class BookReport(msgspec.Struct, frozen=True):
    """One book as shown: levels as (price, size) decimal texts in the venue's own unit, best first.

    `state`: `live`, `waiting` for a snapshot, or `gap`: unusable until a clean one; only a live book shows levels.
    `sequence`: the venue's id of the last applied change, or `None` where there is none.
    """

    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    state: str
    sequence: int | None


class BooksReport(msgspec.Struct, frozen=True):
    """The output of `arb books`: lines read, and the books by `VENUE/NATIVE_SYMBOL`."""

    frames: int
    books: dict[str, BookReport]


class TapeBooks:
    """All books of a tape, brought forward line by line; `feeds` has one feed for every connection, by its name."""

    def __init__(self) -> None:
        self.feeds: dict[str, WireFeed] = {}
        self.lines = 0

    def take(self, line: TapeLine) -> None:
        """Apply one line; raises `ConfigError` for a dialect that cannot be rebuilt."""
        self.lines += 1
        origin = origin_of(line)
        if not origin:
            return
        if origin not in self.feeds:  # even for an event, which then finds no book
            self.feeds[origin] = tape_feed(line.venue)
        take_line(self.feeds[origin], line)

    def report(self, depth: int) -> BooksReport:
        """Return the present books, at most `depth` levels a side.

        A book carried by several connections one after the other is shown where it is live.
        """
        slots: dict[str, BookSlot] = {}
        for feed in self.feeds.values():
            for slot in feed.books():
                name = f"{feed.venue}/{slot.native_symbol}"
                if name not in slots or slot.state is BookState.LIVE:
                    slots[name] = slot
        return BooksReport(self.lines, {name: _book_report(slot, depth) for name, slot in slots.items()})


def books_at(path: Path, at: int | None, depth: int) -> BooksReport:
    """Rebuild the books of the tape at `path` after its first `at` lines (all of them for `None`).

    Raises `ConfigError` for a missing file, a negative `at` or `depth`, or a dialect that cannot be rebuilt, and
    `StoreError` for a malformed line among those asked for.
    """
    if at is not None and at < 0:
        raise ConfigError(f"--at {at}: a tape has no such line; give 0 or more")
    if depth < 0:
        raise ConfigError(f"--depth {depth}: give 0 or more levels")
    books = TapeBooks()
    for line in islice(to_its_end(path), at):
        try:
            books.take(line)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
    return books.report(depth)


def _book_report(slot: BookSlot, depth: int) -> BookReport:
    bids, asks = slot.book.levels(depth)
    return BookReport(
        bids=level_texts(bids),
        asks=level_texts(asks),
        state=_STATES[slot.state],
        sequence=None if slot.sequence == NO_SEQUENCE else slot.sequence,
    )
