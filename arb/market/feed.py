"""The contract between a feed's frames and the engine: raw frame in, changed rows and requested resyncs out.

A `BookFeed` is the protocol side of one public connection of one venue. It opens no socket and reads no clock: it takes bytes
and instants, and returns its requests. Implementations are in `arb/venues/books/plain/`.

A venue may need several connections, each with its own books (`split_books`). Their names: the venue's, `gate`, for the first,
and a number for the others, `gate#2`, `gate#3`. Where a venue is named as well, in events and on tapes, the first needs no
name.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Protocol

import msgspec

from arb.errors import VenueProtocolError, require
from arb.market.scale import Scale

_NUMBER_MARK = "#"


def connection_name(venue: str, number: int = 1) -> str:
    """Return the name of a venue's public connection number `number`, counted from 1."""
    require(number >= 1 and _NUMBER_MARK not in venue, f"connection {number} of {venue!r}")
    return venue if number == 1 else f"{venue}{_NUMBER_MARK}{number}"


def venue_of(connection: str) -> str:
    return connection.partition(_NUMBER_MARK)[0]


def further_name(connection: str) -> str:
    """Return a connection's name next to its venue's: "" for the first one."""
    return connection if _NUMBER_MARK in connection else ""


class BookSeat(msgspec.Struct, frozen=True):
    """The place of one book of a feed: its arena row and its symbol's scale."""

    row: int
    scale: Scale


class ResyncBy(StrEnum):
    """How this venue delivers a clean snapshot of one book."""

    RESUBSCRIBE = "resubscribe"
    """Send `unsubscribe_messages`; when the venue confirms (`NoticeKind.UNSUBSCRIBED`), `subscribe_messages`."""
    FETCH = "fetch"
    """Fetch `snapshot_path` over HTTP and pass the body to `on_http`; the subscription continues."""


class Resync(msgspec.Struct, frozen=True):
    """A book is unusable until a clean snapshot. Requested when it is lost, and again every few seconds while its changes
    arrive without a snapshot; a repeated request need not change anything.

    `unreadable`: a frame of this book could not be read; the venue's other books are not affected. `lost`: False where nothing
    failed on the stream, and the book only waits for a snapshot to be fetched.
    """

    native_symbol: str
    row: int
    cause: str
    by: ResyncBy
    unreadable: bool = False
    lost: bool = True


class NoticeKind(StrEnum):
    """The content of a control frame."""

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    PONG = "pong"
    REFUSED = "refused"
    """The venue refused a request of ours, or reports an error; `code` and `text` are the venue's own."""
    UPGRADE = "upgrade"
    """The venue is about to close this connection: open another first."""
    UNREADABLE = "unreadable"
    """The frame could not be read: it may have been of the named book, or of any where none is named."""
    UNCHECKED = "unwitnessed"
    """The channel that confirms books does not; they are read without it. `text` names the books and the cause."""


class Notice(msgspec.Struct, frozen=True):
    """A control frame, understood. `native_symbols` are the books it names, as far as the venue names any."""

    kind: NoticeKind
    native_symbols: tuple[str, ...] = ()
    code: str = ""
    text: str = ""


class FrameResult(msgspec.Struct, frozen=True, gc=False):
    """The result of one frame.

    `rows`: arena rows whose content or state changed (usually one). `levels`: level changes applied. `error`: the frame was
    not readable; the books it may have been about are unusable and in `resyncs`. `finer`: the book that shows levels finer
    than its scale for the first time. `differs`: books that a second reader reads otherwise.
    """

    rows: tuple[int, ...] = ()
    levels: int = 0
    resyncs: tuple[Resync, ...] = ()
    notice: Notice | None = None
    error: VenueProtocolError | None = None
    finer: str = ""
    differs: tuple[str, ...] = ()


NOTHING = FrameResult()
"""The result of a frame that changed nothing: another channel, or a change already contained."""


class FeedCounts(msgspec.Struct):
    """Counts of a feed since it was made; they only rise."""

    frames: int = 0
    book_frames: int = 0
    snapshots: int = 0
    levels: int = 0
    fine: int = 0
    """Levels, applied or not, with a price or a size finer than the book's scale."""
    ignored: int = 0
    """Book frames not applied: already contained, or the book waits for a snapshot."""
    other: int = 0
    """Frames of other channels, and of books not asked for."""
    control: int = 0
    malformed: int = 0
    gaps: int = 0
    crossed: int = 0
    checks_held: int = 0
    """Checksums and best-bid/offer frames that agreed with the book."""
    checks_failed: int = 0


class BookFeed(Protocol):
    """One public connection of one venue, without the connection."""

    venue: str

    @property
    def counts(self) -> FeedCounts: ...

    @property
    def resync_by(self) -> ResyncBy:
        """Return how a clean snapshot is got by the channel that its messages ask for."""

    def choose_channel(self, channel: str) -> None:
        """Ask for books by this channel of the venue from now on; "" is its usual one. Frames of any are understood.

        Raises `InvariantError` for a channel that the venue has not.
        """

    def seats(self) -> Mapping[str, BookSeat]: ...

    def add_book(self, native_symbol: str, seat: BookSeat) -> None:
        """Take up one more book, which waits for its first snapshot; raises `InvariantError` for one that has a seat."""

    def retire_book(self, native_symbol: str) -> None:
        """Drop a book and write to its row no more; later frames of it count as not requested.

        Raises `InvariantError` for one that has no seat. The owner of the row clears it.
        """

    def rescale_book(self, native_symbol: str, scale: Scale, at_ns: int) -> None:
        """Put a book on a scale at least as fine as its own; its content is unchanged.

        One that 64 bits cannot hold there is lost. Raises `InvariantError` for one that has no seat.
        """

    def on_frame(self, received_ns: int, raw: bytes | str) -> FrameResult:
        """Apply one websocket frame; never raises for what a venue sends."""

    def on_http(self, received_ns: int, url: str, raw: bytes | str) -> FrameResult:
        """Apply the body of an answer to `url` if that is a book's `snapshot_path`, with or without a host; never raises."""

    def on_disconnect(self, at_ns: int) -> FrameResult: ...

    def invalidate(self, native_symbol: str, at_ns: int, cause: str) -> FrameResult:
        """Make one book unusable for a reason the frames do not show, and ask for its resync."""

    def subscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        """Return the text frames that subscribe to the books; `now_s` is the venue's time in Unix seconds."""

    def unsubscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]: ...

    def bbo_messages(self, native_symbols: Sequence[str], now_s: int, *, end: bool = False) -> tuple[str, ...]:
        """Return the text frames that subscribe to or unsubscribe from the channel that confirms the books.

        A re-subscribed book keeps its BBO check; no book waits for one, and none is lost where it is refused.
        """

    def ping_message(self, now_s: int) -> str | None:
        """Return the application's heartbeat frame, or `None` where protocol pings suffice."""

    def snapshot_path(self, native_symbol: str) -> str | None:
        """Return path and query of the HTTP snapshot that a book waits for, below the site's REST address.

        None: it waits for none, because it is live, has no seat, or gets its snapshots over the websocket.
        """

    def snapshot_share(self, native_symbol: str) -> int:
        """Return as how many of those that the venue's pace allows the next snapshot of a book counts: a longer one as more."""


def split_books(
    venue: str, native_symbols: Sequence[str], books_per_connection: int | None
) -> dict[str, tuple[str, ...]]:
    """Share a venue's books out among as few connections as the limit allows; return their symbols by connection name.

    The same input gives the same answer, so that a rerun finds every book where the run had it. The symbols keep their order,
    in runs whose lengths differ by one at most, so that no single connection carries nearly all books. None: a connection may
    carry any number. The first connection exists even without a book. Raises `InvariantError` for a limit below 1, and for a
    symbol named twice, which two connections would both write.
    """
    require(
        books_per_connection is None or books_per_connection >= 1, f"{venue}: {books_per_connection} books a connection"
    )
    require(len(set(native_symbols)) == len(native_symbols), f"{venue}: a book is named twice among {native_symbols}")
    total = len(native_symbols)
    count = 1 if books_per_connection is None else max(1, -(-total // books_per_connection))
    ends = [total * number // count for number in range(count + 1)]
    return {
        connection_name(venue, number): tuple(native_symbols[start:end])
        for number, (start, end) in enumerate(pairwise(ends), 1)
    }
