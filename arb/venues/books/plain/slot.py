"""One book of one connection, as its dialect keeps it or lends it to compiled code."""

from abc import ABC, abstractmethod
from collections import deque

import msgspec
import numpy as np
import numpy.typing as npt

from arb.market.arena import NO_SEQUENCE, BookState
from arb.market.book import ExactLevels, Number, Numbers, PlainBook, Quoted
from arb.market.feed import BookSeat, FeedCounts

_PENDING_MAX = 512
"""Changes kept of a book that waits for a snapshot: 50 s at ten a second, while a fetched snapshot is a second old. The oldest
are dropped first; a snapshot that they would have followed is then too old."""


class BookSlot:
    """One book of one connection: its content, its state, and the memory of its dialect."""

    __slots__ = (
        "agreed",
        "ahead",
        "asked_ns",
        "book",
        "fine_shown",
        "floor",
        "joined",
        "lent",
        "lent_at",
        "native_symbol",
        "pending",
        "prices",
        "rest",
        "rests",
        "row",
        "seat",
        "sequence",
        "sizes",
        "state",
        "stream",
        "texts",
    )

    def __init__(self, native_symbol: str, seat: BookSeat, prices: Numbers, sizes: Numbers) -> None:
        self.native_symbol = native_symbol
        self.seat = seat
        self.row = seat.row
        self.prices = prices
        self.sizes = sizes
        self.book = PlainBook()
        self.state = BookState.WAITING
        self.sequence = NO_SEQUENCE
        self.stream: str | None = None
        self.texts: tuple[dict[Number, str], dict[Number, str]] | None = None
        self.pending: deque[Delta] = deque(maxlen=_PENDING_MAX)
        self.joined = False
        self.floor = NO_SEQUENCE
        """The stream's sequence when the book was lost: an earlier snapshot is too old."""
        self.asked_ns: int | None = None
        self.fine_shown = False
        self.lent = False
        """Whether compiled code keeps this book (`book_ownership.py`); `book` and `sequence` are invalid then."""
        self.lent_at = 0
        """The row's `updates` at that time."""
        self.rest = 0
        """How many frames the plain reader keeps it before it may be lent again."""
        self.rests = 0
        """The value of `rest` the last time."""
        self.ahead: deque[Quoted] | None = None
        """The quotes that the book has not reached yet, where its best quotes are sent separately."""
        self.agreed = 0
        """How many quotes have agreed with the book (`arb/venues/books/plain/bbo_check.py`)."""


class Delta(msgspec.Struct, frozen=True, gc=False):
    """One change, read and not yet applied: ids `first` to `last`, and the id it follows where the venue states it."""

    first: int
    last: int
    previous: int
    event_ns: int
    bids: ExactLevels
    asks: ExactLevels


class CompiledSide(ABC):
    """A feed's interface to compiled code that may keep its live books; see
    `arb/venues/books/compiled/book_ownership.py`.

    `block`: the words compiled code needs to take frames of this feed in a row, `layout.FEED_WORDS` of them.
    """

    block: npt.NDArray[np.int64]

    @abstractmethod
    def lend(self, slot: BookSlot, kind: int, name: str) -> None:
        """Keep a live book from now on, if compiled code can; `name`: its name in frames."""

    @abstractmethod
    def take_back(self, slot: BookSlot) -> None:
        """Return a book to the plain reader with its present levels."""

    @abstractmethod
    def forget(self, name: str, row: int) -> None:
        """Release a book that is retired and was taken back."""

    @abstractmethod
    def fold(self, counts: FeedCounts) -> None:
        """Add the counts since the last call."""
