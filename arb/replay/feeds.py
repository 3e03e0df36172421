"""The books of captures as the engine knows books: one feed per venue, over one dialect per captured connection."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from arb.core.books.books import Books
from arb.core.books.connection import TakeFrame, hand_over
from arb.core.messages.settings import Timing
from arb.errors import require
from arb.market.arena import BookArena
from arb.market.feed import NOTHING, BookSeat, FeedCounts, FrameResult, ResyncBy, venue_of
from arb.market.scale import Scale
from arb.replay.captured import Capture, Connection
from arb.replay.lines import origin_of, take_line
from arb.replay.tapes import Captured
from arb.venues.books.compiled.book_ownership import CompiledBooks, CompiledConnection
from arb.venues.books.plain.base import WireFeed
from arb.venues.registry import tape_feed

NO_ROW = -1
"""The seat of a book that is read, so that its venue's counts are right, but not traded."""


class CapturedFeed:
    """The `BookFeed` of one venue. `expect` names the line of the next frame; nothing can be sent or requested."""

    def __init__(self, venue: str, connections: Mapping[Connection, WireFeed]) -> None:
        self.venue = venue
        self.counts = FeedCounts()
        self.resync_by = ResyncBy.RESUBSCRIBE
        self._connections = connections
        self.rows: tuple[int, ...] = ()
        """The changes of the last frame, for the rows that are watched."""
        self._next: Captured | None = None
        self._sides: dict[Connection, CompiledConnection] = {}

    def compile(self, books: CompiledBooks, words: memoryview) -> TakeFrame:
        """Let compiled code keep the books where it can; return the function that takes the text of the expected line first.

        The captured connections share the venue's `words`, and each looks up its books by its own names.
        """
        for connection, feed in self._connections.items():
            if feed.shape:
                self._sides[connection] = side = CompiledConnection(books, words, feed.shape)
                feed.compiled_by(side)
        if not self._sides:
            return hand_over
        take = next(iter(self._sides.values())).take

        def taker(raw: bytes | str, received_ns: int) -> int:
            changed = take(raw, received_ns)
            self.rows = (changed - 1,) if changed > 0 else ()
            return changed

        return taker

    def blocks(self, file: int) -> dict[str, npt.NDArray[np.int64]]:
        return {name: side.block for (number, name), side in self._sides.items() if number == file}

    def expect(self, captured: Captured) -> None:
        self._next = captured
        if len(self._sides) > 1:
            side = self._sides.get((captured.file, origin_of(captured.line)))
            if side is not None:
                side.names.show()

    def seats(self) -> dict[str, BookSeat]:
        return {native: seat for feed in self._connections.values() for native, seat in feed.seats().items()}

    def add_book(self, native_symbol: str, seat: BookSeat) -> None:
        """Trade a book of the capture from its next snapshot on.

        Raises `InvariantError` for one that is traded already, and for one that the capture does not show.
        """
        holders = [
            feed for feed in self._connections.values() if native_symbol in {s.native_symbol for s in feed.books()}
        ]
        require(bool(holders), f"{self.venue}: the capture shows nothing of {native_symbol}")
        require(native_symbol not in self.seats(), f"{self.venue}: {native_symbol} has a seat already")
        holders[0].add_book(native_symbol, seat)

    def retire_book(self, native_symbol: str) -> None:
        """Stop trading a book; its later lines are read for the counts only.

        Raises `InvariantError` for one that is not traded.
        """
        self._holder(native_symbol).retire_book(native_symbol)

    def rescale_book(self, native_symbol: str, scale: Scale, at_ns: int) -> None:
        """Put a book on a finer scale. Raises `InvariantError` for one that is not traded."""
        self._holder(native_symbol).rescale_book(native_symbol, scale, at_ns)

    def _holder(self, native_symbol: str) -> WireFeed:
        holders = [feed for feed in self._connections.values() if native_symbol in feed.seats()]
        require(bool(holders), f"{self.venue}: {native_symbol} has no seat")
        return holders[0]

    def on_frame(self, received_ns: int, raw: bytes | str) -> FrameResult:
        """Apply the expected line; its instant is `received_ns` now."""
        assert self._next is not None
        file, line, _ = self._next
        result = take_line(self._connections[file, origin_of(line)], line, received_ns)
        self.rows = tuple(row for row in result.rows if row != NO_ROW)
        return FrameResult(rows=self.rows, levels=result.levels, error=result.error)

    def on_disconnect(self, at_ns: int) -> FrameResult:
        rows = tuple(row for feed in self._connections.values() for row in feed.on_disconnect(at_ns).rows)
        return FrameResult(rows=tuple(row for row in rows if row != NO_ROW))

    def on_http(self, received_ns: int, url: str, raw: bytes | str) -> FrameResult:
        return self.on_frame(received_ns, raw)

    def choose_channel(self, channel: str) -> None: ...

    def invalidate(self, native_symbol: str, at_ns: int, cause: str) -> FrameResult:
        """Change nothing: a book of the past is fixed."""
        return NOTHING

    def subscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        return ()

    def unsubscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        return ()

    def bbo_messages(self, native_symbols: Sequence[str], now_s: int, *, end: bool = False) -> tuple[str, ...]:
        return ()

    def ping_message(self, now_s: int) -> str | None:
        return None

    def snapshot_path(self, native_symbol: str) -> str | None:
        return None

    def snapshot_share(self, native_symbol: str) -> int:
        """Return an unused 1: nothing is fetched."""
        return 1


def captured_books(
    capture: Capture, timing: Timing, *, compiled: bool = False
) -> tuple[Books, dict[str, CapturedFeed]]:
    """Return the engine's books for a capture, kept by compiled code where it can, and the feeds to name each line to."""
    traded = [book for book in capture.books if book.instrument is not None]
    rows = {(book.instrument.venue, book.instrument.symbol): row for row, book in enumerate(traded) if book.instrument}
    arena = BookArena(len(rows))
    feeds: dict[str, dict[Connection, WireFeed]] = {venue: {} for venue in capture.venues}
    for connection in capture.connections:
        seats = {
            book.native_symbol: BookSeat(
                NO_ROW if book.instrument is None else rows[book.instrument.venue, book.instrument.symbol], book.scale
            )
            for book in capture.books
            if book.connection == connection
        }
        venue = venue_of(connection[1])
        feeds[venue][connection] = tape_feed(venue, seats, arena)
    joined = {venue: CapturedFeed(venue, connections) for venue, connections in feeds.items()}
    books = Books(arena, rows, capture.scales, dict(joined), timing)
    if compiled:
        kept = CompiledBooks(arena)
        for carrier in books.connections.values():
            carrier.take = joined[carrier.venue].compile(kept, carrier.words)
    return books, joined
