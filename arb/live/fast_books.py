"""Which code keeps a run's books: the plain readers, compiled code, or both, compared after every frame."""

import asyncio
import contextlib
import itertools
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum

import msgspec
import numpy as np
import numpy.typing as npt

from arb.core.books.books import Books
from arb.core.messages.settings import FastBooks, Timing
from arb.errors import ConfigError
from arb.market.arena import BID_COUNT, HEADER_WORDS, UNWRITTEN, UPDATES, BookArena
from arb.market.feed import BookFeed, BookSeat, FeedCounts, FrameResult, ResyncBy
from arb.market.scale import Scale
from arb.venues.books.compiled.book_ownership import CompiledBooks, CompiledConnection
from arb.venues.books.compiled.loading import CompiledUnavailable, can_be_compiled, compile_apart, is_whole, load_all
from arb.venues.books.compiled.plans import CompiledPlans
from arb.venues.books.plain.base import WireFeed

log = logging.getLogger(__name__)
SAID_EVERY_S = 4


MakeFeed = Callable[[Mapping[str, BookSeat], BookArena], BookFeed]


class BooksBy(StrEnum):
    PLAIN = "plain"
    COMPILED = "compiled"
    COMPARED = "compared"


def chosen(wanted: FastBooks) -> BooksBy:
    """Load the code for `[engine] fast_books`, and log when that takes long; raise `ConfigError` where it is unavailable."""
    if wanted is False:
        return BooksBy.PLAIN
    try:
        with contextlib.nullcontext() if is_whole() else _saying_that_it_compiles():
            load_all()
    except CompiledUnavailable as error:
        if wanted != "auto":
            shown = "true" if wanted is True else f'"{wanted}"'
            raise ConfigError(
                f'[engine] fast_books = {shown}: {error}: install numba, or set "auto" or false'
            ) from error
        log.info("books are kept by plain code: %s", error)
        return BooksBy.PLAIN
    return BooksBy.COMPARED if wanted == "compare" else BooksBy.COMPILED


def at_first(wanted: FastBooks) -> tuple[BooksBy, bool]:
    """Return which code keeps the books of a run at its start, and whether `hand_over` follows; raise as `chosen` does.

    No start waits for a compiler: pairs may be open, on one leg.
    """
    if wanted in ("auto", True) and can_be_compiled() and not is_whole():
        return BooksBy.PLAIN, True
    return chosen(wanted), False


async def hand_over(books: Books) -> bool:
    """Compile the book code in another process, and let it take over each book at its next frame.

    Return whether it does; where it cannot, plain code continues.
    """
    log.info(
        "plain code keeps the books while compiled code is made, once for this version: 20 s, or a minute on a busy machine"
    )
    try:
        if not await compile_apart():
            log.warning("compiled code cannot be made here: plain code keeps the books")
            return False
        await asyncio.to_thread(load_all)
    except Exception as error:  # the compiler is no part of trading: the run continues with plain books
        log.warning("compiled code cannot be made here: %s: plain code keeps the books", error)
        return False
    compile_books(books)
    log.info("compiled code keeps the books")
    return True


@contextlib.contextmanager
def _saying_that_it_compiles() -> Iterator[None]:
    """Log it at once, and every few seconds until it is done: on a busy machine it takes half a minute."""
    log.info("compiling the code that keeps books, once for this version: 20 s, or a minute on a busy machine")
    done = threading.Event()

    def say() -> None:
        for seconds in itertools.count(SAID_EVERY_S, SAID_EVERY_S):
            if done.wait(SAID_EVERY_S):
                return
            log.info("still compiling, for %d s", seconds)

    speaker = threading.Thread(target=say, name="arb-compiling", daemon=True)
    speaker.start()
    try:
        yield
    finally:
        done.set()
        speaker.join()


def compile_books(books: Books) -> None:
    """Let compiled code keep the books of every connection whose frames it knows, and find the best plans."""
    compiled = CompiledBooks(books.arena)
    books.find_plan = CompiledPlans(books.arena)
    for connection in books.connections.values():
        if isinstance(connection.feed, WireFeed) and connection.feed.shape:
            side = CompiledConnection(compiled, connection.words, connection.feed.shape)
            connection.feed.compiled_by(side)
            connection.take = side.take


def compiled_feeds(books: Books) -> dict[str, npt.NDArray[np.int64]]:
    feeds = {name: found.feed for name, found in books.connections.items() if isinstance(found.feed, WireFeed)}
    return {name: feed.compiled.block for name, feed in feeds.items() if feed.compiled is not None}


class ComparedFeed:
    """A trusted plain feed, and untraded books of the same frames by compiled code.

    A book that differs is reported once, and compared no more until it is added again. See `arb.market.feed.BookFeed`.
    """

    def __init__(self, plain: BookFeed, beside: Books, arena: BookArena) -> None:
        self.venue = plain.venue
        self._plain = plain
        self._beside = beside
        self._arena = arena
        compile_books(beside)
        self._name = next(iter(beside.connections))
        self._feed = beside.connections[self._name].feed
        self._natives = {seat.row: native for native, seat in plain.seats().items()}

    @property
    def counts(self) -> FeedCounts:
        return self._plain.counts

    @property
    def resync_by(self) -> ResyncBy:
        return self._plain.resync_by

    def choose_channel(self, channel: str) -> None:
        self._plain.choose_channel(channel)
        self._feed.choose_channel(channel)

    def seats(self) -> Mapping[str, BookSeat]:
        return self._plain.seats()

    def add_book(self, native_symbol: str, seat: BookSeat) -> None:
        self._plain.add_book(native_symbol, seat)
        self._natives[seat.row] = native_symbol
        self._beside.add(self.venue, native_symbol, seat.scale, native_symbol, self._name)

    def retire_book(self, native_symbol: str) -> None:
        self._plain.retire_book(native_symbol)
        self._natives = {row: native for row, native in self._natives.items() if native != native_symbol}
        self._end(native_symbol)

    def rescale_book(self, native_symbol: str, scale: Scale, at_ns: int) -> None:
        self._plain.rescale_book(native_symbol, scale, at_ns)
        if self._beside.has(self.venue, native_symbol):
            self._beside.rescale(native_symbol, scale, at_ns)

    def on_frame(self, received_ns: int, raw: bytes | str) -> FrameResult:
        result = self._plain.on_frame(received_ns, raw)
        return self._compared(result, self._beside.on_frame(self._name, received_ns, raw))

    def on_http(self, received_ns: int, url: str, raw: bytes | str) -> FrameResult:
        result = self._plain.on_http(received_ns, url, raw)
        return self._compared(result, self._beside.on_frame(self._name, received_ns, raw, url))

    def on_disconnect(self, at_ns: int) -> FrameResult:
        self._beside.on_disconnect(self._name, at_ns)
        return self._plain.on_disconnect(at_ns)

    def invalidate(self, native_symbol: str, at_ns: int, cause: str) -> FrameResult:
        self._feed.invalidate(native_symbol, at_ns, cause)
        return self._plain.invalidate(native_symbol, at_ns, cause)

    def subscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        return self._plain.subscribe_messages(native_symbols, now_s)

    def unsubscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        return self._plain.unsubscribe_messages(native_symbols, now_s)

    def bbo_messages(self, native_symbols: Sequence[str], now_s: int, *, end: bool = False) -> tuple[str, ...]:
        return self._plain.bbo_messages(native_symbols, now_s, end=end)

    def ping_message(self, now_s: int) -> str | None:
        return self._plain.ping_message(now_s)

    def snapshot_path(self, native_symbol: str) -> str | None:
        return self._plain.snapshot_path(native_symbol)

    def snapshot_share(self, native_symbol: str) -> int:
        return self._plain.snapshot_share(native_symbol)

    def _compared(self, plain: FrameResult, beside: FrameResult) -> FrameResult:
        wanted, found = ({resync.native_symbol for resync in result.resyncs} for result in (plain, beside))
        differing = [native for native in sorted(wanted ^ found) if self._beside.has(self.venue, native)]
        for row in plain.rows:
            native = self._natives[row]
            other = self._beside.rows.get((self.venue, native))
            if (
                other is not None
                and native not in differing
                and self._seen(self._arena, row) != self._seen(self._beside.arena, other)
            ):
                differing.append(native)
        for native in differing:
            self._end(native)
        return msgspec.structs.replace(plain, differs=tuple(differing)) if differing else plain

    def _end(self, native_symbol: str) -> None:
        if self._beside.has(self.venue, native_symbol):
            self._beside.retire(self.venue, native_symbol)

    @staticmethod
    def _seen(arena: BookArena, row: int) -> list[int]:
        """Return a row's content, without the count of its writes."""
        arena.complete(row)
        words: list[int] = arena.block[row].tolist()
        return words[:UPDATES] + words[BID_COUNT:UNWRITTEN] + words[HEADER_WORDS:]


def compared(connection: str, plain: BookFeed, make: MakeFeed, arena: BookArena, timing: Timing) -> BookFeed:
    """Return a feed that compares, or `plain` where no compiled code knows its frames; `make`: makes the venue's feed."""
    if not isinstance(plain, WireFeed) or not plain.shape:
        return plain
    seats = {native: BookSeat(row, seat.scale) for row, (native, seat) in enumerate(plain.seats().items())}
    other = BookArena(len(seats), arena.depth, spare=arena.rows - len(seats))
    rows = {(plain.venue, native): seat.row for native, seat in seats.items()}
    scales = {native: seat.scale for native, seat in seats.items()}
    return ComparedFeed(plain, Books(other, rows, scales, {connection: make(seats, other)}, timing), arena)
