"""`arb books`: the books of a tape after its first N lines, rebuilt by the plain path."""

from decimal import Decimal
from itertools import islice
from pathlib import Path

import msgspec

from arb.core.events import FeedDown
from arb.core.records import tag_of
from arb.errors import ConfigError
from arb.market.arena import NO_SEQUENCE, BookState
from arb.market.book import ExactLevels, Number
from arb.market.numbers import exact, plain
from arb.store.tape import TapeLine, read_tape
from arb.venues.registry import tape_feed
from arb.venues.wire.base import TAPE_SCALE, BookSlot, WireFeed

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
    """What `arb books` prints: lines read, and the books by `VENUE/NATIVE_SYMBOL`."""

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
        feed = self.feeds.get(line.origin)
        if line.kind == "event":
            _take_event(self.feeds, line)
            return
        if feed is None:
            feed = self.feeds[line.origin] = tape_feed(line.venue)
        if line.kind == "http":
            feed.on_http(line.received_ns, line.url, line.raw)
        else:
            feed.on_frame(line.received_ns, line.raw)

    def report(self, depth: int) -> BooksReport:
        """Return the books as they stand, at most `depth` levels a side.

        A book that came by several connections one after the other is shown as it is where it is live.
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
    for line in islice(read_tape(path), at):
        try:
            books.take(line)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
    return books.report(depth)


class _Event(msgspec.Struct):
    type: str = ""
    venue: str = ""
    connection: str = ""


_event = msgspec.json.Decoder(_Event).decode
_FEED_DOWN = tag_of(FeedDown)


def _take_event(feeds: dict[str, WireFeed], line: TapeLine) -> None:
    """Let a lost connection empty its books; no other event concerns them."""
    try:
        event = _event(line.raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return
    origin = event.connection or event.venue
    if event.type == _FEED_DOWN and origin in feeds:
        feeds[origin].on_disconnect(line.received_ns)


def _book_report(slot: BookSlot, depth: int) -> BookReport:
    bids, asks = slot.book.levels(depth)
    return BookReport(
        bids=_texts(bids),
        asks=_texts(asks),
        state=_STATES[slot.state],
        sequence=None if slot.sequence == NO_SEQUENCE else slot.sequence,
    )


def _texts(levels: ExactLevels) -> list[tuple[str, str]]:
    return [(_text(price, TAPE_SCALE.price_exp), _text(size, TAPE_SCALE.size_exp)) for price, size in levels]


def _text(number: Number, exp: int) -> str:
    decimal: Decimal = exact(int(number), exp)  # a tape's scale refuses what is finer
    return plain(decimal)
