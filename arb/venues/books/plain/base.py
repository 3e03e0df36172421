"""Shared by all dialects of public feeds: the error of one frame, and the way a book is lost.

A dialect's only freedom is to understand frames. This module decides whether a book is live, how it ends when a frame
is missing, unreadable or contradicted, and its visible state:

- a whole frame is read before anything of it is applied;
- any frame that cannot be trusted makes the book unusable at once, with its levels gone, and asks for a resync;
- while a book is unusable only a clean snapshot brings it back, and no change is applied;
- a frame that names no readable book makes all books of the connection unusable: it may have been a change of any of
  them, and a quiet book would not show its loss.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, NoReturn, TypeVar

import msgspec

from arb.errors import InvariantError, VenueProtocolError, require
from arb.market.arena import INT64_MAX, NO_SEQUENCE, BookArena, BookState
from arb.market.book import ExactLevels, Numbers, to_levels
from arb.market.feed import NOTHING, BookSeat, FeedCounts, FrameResult, Notice, NoticeKind, Resync, ResyncBy
from arb.market.scale import Scale
from arb.masking import clean
from arb.venues.books.plain.slot import BookSlot, CompiledSide

NS_PER_MS = 1_000_000
RESYNC_REPEAT_NS = 5_000 * NS_PER_MS
NO_SNAPSHOT = "changes arrive and no snapshot does"
MILLIS_MAX = 9_000_000_000_000  # the year 2255: in nanoseconds it still fits 64 bits

Sequence64 = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]
Millis = Annotated[int, msgspec.Meta(ge=0, le=MILLIS_MAX)]
Pair = tuple[str, str]
Item = TypeVar("Item")

TAPE_SCALE = Scale(40, 40)
"""The scale of books rebuilt from a tape, where no listing gives ticks: plain Python integers, so it costs no range."""


class FrameError(VenueProtocolError):
    """A frame we cannot read; names the field and, where known, the book."""

    def __init__(self, venue: str, native_symbol: str | None, field: str, what: str) -> None:
        about = f" of {native_symbol}" if native_symbol else ""
        super().__init__(venue, f"unreadable frame{about}: {field}: {what}")
        self.native_symbol = native_symbol
        self.field = field


_REQUESTS_MAX = 10_000
_REQUEST_NUMBER_MAX = 2**31 - 1


class WireFeed(ABC):
    """The part of a feed that is the same for every venue; see `arb.market.feed.BookFeed` for the contract.

    `seats`: the books asked for, by native symbol. With `tape` every symbol met gets a book (without a row), and
    retired dialects are read too; live feeds refuse those.
    """

    resync_by = ResyncBy.RESUBSCRIBE
    shape = 0
    """The form of the frames for compiled code (`arb/venues/books/compiled/layout.py`); 0: unknown to it."""

    def __init__(
        self, venue: str, seats: Mapping[str, BookSeat], arena: BookArena | None, *, tape: bool = False
    ) -> None:
        if arena is None and not tape:
            raise InvariantError("a live feed needs an arena")
        self.venue = venue
        self._counts = FeedCounts()
        self._compiled: CompiledSide | None = None
        # Called with (native symbol, levels) for everything that is read as a level of a book, applied or not.
        self.on_levels: Callable[[str, ExactLevels], None] | None = None
        self._arena = arena
        self._tape = tape
        self._numbers: dict[int, Numbers] = {}
        self._slots: dict[str, BookSlot] = {}
        for native_symbol, seat in seats.items():
            self._add(native_symbol, seat)

    @property
    def counts(self) -> FeedCounts:
        """Return the counts of this feed, including frames taken by compiled code."""
        if self._compiled is not None:
            self._compiled.fold(self._counts)
        return self._counts

    def compiled_by(self, compiled: CompiledSide) -> None:
        require(bool(self.shape), f"{self.venue}: no compiled code knows these frames")
        self._compiled = compiled

    @property
    def compiled(self) -> CompiledSide | None:
        return self._compiled

    def seats(self) -> dict[str, BookSeat]:
        """Return where the books of this connection live, by native symbol; one without a row lives nowhere."""
        return {slot.native_symbol: slot.seat for slot in self._slots.values() if slot.row >= 0}

    def choose_channel(self, channel: str) -> None:
        """See `arb.market.feed.BookFeed`; most venues have only one channel."""
        require(not channel, f"{self.venue} has no channel {channel!r}")

    def add_book(self, native_symbol: str, seat: BookSeat) -> None:
        """Take up one more book, which waits for its first snapshot; raises `InvariantError` for one that has a seat.

        The levels of a tape's book without a row are not taken over: they may have another scale.
        """
        known = self._slots.get(native_symbol)
        require(known is None or known.row < 0, f"{self.venue}: {native_symbol} has a seat already")
        self._add(native_symbol, seat)

    def retire_book(self, native_symbol: str) -> None:
        """Forget a book and write to its row no more; raises `InvariantError` for one that has no seat."""
        slot = self._known(native_symbol)
        require(slot is not None, f"{self.venue}: {native_symbol} has no seat")
        assert slot is not None
        del self._slots[native_symbol]
        if self._compiled is not None:
            self._compiled.forget(self._compiled_as(slot)[1], slot.row)

    def rescale_book(self, native_symbol: str, scale: Scale, at_ns: int) -> None:
        """Put a book on a scale at least as fine as its own; raises `InvariantError` for one that has no seat.

        A live one stays live and shows the same levels; one that waits continues to wait, for a snapshot on the new
        scale.
        """
        slot = self._known(native_symbol)
        require(slot is not None, f"{self.venue}: {native_symbol} has no seat")
        assert slot is not None
        before = slot.seat.scale
        require(
            scale.price_exp >= before.price_exp and scale.size_exp >= before.size_exp,
            f"{scale} is coarser than {before}",
        )
        price_up, size_up = 10 ** (scale.price_exp - before.price_exp), 10 ** (scale.size_exp - before.size_exp)
        slot.seat = BookSeat(slot.row, scale)
        slot.prices, slot.sizes = self._numbers_of(scale.price_exp), self._numbers_of(scale.size_exp)
        slot.floor = max(slot.floor, *(change.last for change in slot.pending), NO_SEQUENCE)
        slot.pending.clear()
        if slot.state is not BookState.LIVE:
            return
        if not slot.book.rescale(price_up, size_up):
            self._lose(slot, at_ns, "64 bits cannot hold it on the finer scale")
            return
        if slot.texts is not None:
            bids, asks = ({price * price_up: text for price, text in texts.items()} for texts in slot.texts)
            slot.texts = bids, asks
        if self._arena is not None and slot.row >= 0:
            stamps = (words.item(slot.row) for words in (self._arena.event_ns, self._arena.received_ns))
            slot.book.publish(self._arena, slot.row, slot.sequence, *stamps)

    def on_frame(self, received_ns: int, raw: bytes | str) -> FrameResult:
        """Apply one websocket frame; never raises for any content."""
        self._counts.frames += 1
        try:
            return self._frame(received_ns, raw)
        except FrameError as error:
            return self._unreadable(error, received_ns)

    def on_snapshot(self, native_symbol: str, received_ns: int, raw: bytes | str) -> FrameResult:
        """Apply the body of an HTTP snapshot; never raises for any content."""
        slot = self._slot(native_symbol)
        if slot is None:
            return NOTHING
        try:
            return self._snapshot_body(slot, received_ns, raw)
        except FrameError as error:
            return self._unreadable(error, received_ns)

    def on_http(self, received_ns: int, url: str, raw: bytes | str) -> FrameResult:
        """Apply an HTTP body, if its address is that of a book; any other changes nothing."""
        return self._other()

    def on_disconnect(self, at_ns: int) -> FrameResult:
        """Make every book wait for a snapshot: nothing survives a connection."""
        for slot in self.books():
            self._empty(slot, BookState.WAITING, at_ns)
        return FrameResult(rows=tuple(slot.row for slot in self._slots.values()))

    def invalidate(self, native_symbol: str, at_ns: int, cause: str) -> FrameResult:
        """Make one book unusable for a reason the frames do not show, and ask for its resync."""
        slot = self._known(native_symbol)
        return NOTHING if slot is None else self._lose(slot, at_ns, cause)

    def snapshot_path(self, native_symbol: str) -> str | None:
        """Return path and query of the HTTP snapshot that a book waits for, or `None` when it waits for none."""
        return None

    def snapshot_share(self, native_symbol: str) -> int:
        return 1

    def ping_message(self, now_s: int) -> str | None:
        """Return the application's heartbeat frame, or `None` where protocol pings suffice."""
        return None

    def books(self) -> Iterator[BookSlot]:
        """Yield every book, in the order of their creation; for reports and tests, not for trading."""
        for slot in self._slots.values():
            self._take_back(slot)
            yield slot

    @abstractmethod
    def subscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        """Return the text frames that subscribe to the books; `now_s` is the venue's time in Unix seconds."""

    @abstractmethod
    def unsubscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        """Return the text frames that end the subscriptions."""

    def bbo_messages(self, native_symbols: Sequence[str], now_s: int, *, end: bool = False) -> tuple[str, ...]:
        """See `arb.market.feed.BookFeed`; most venues have none, or have them with the books."""
        return ()

    @abstractmethod
    def _frame(self, received_ns: int, raw: bytes | str) -> FrameResult: ...

    def _snapshot_body(self, slot: BookSlot, received_ns: int, raw: bytes | str) -> FrameResult:
        return NOTHING

    def _slot(self, native_symbol: str) -> BookSlot | None:
        slot = self._known(native_symbol)
        if slot is None and self._tape and native_symbol:
            slot = self._add(native_symbol, BookSeat(-1, TAPE_SCALE))
        return slot

    def _known(self, native_symbol: str) -> BookSlot | None:
        slot = self._slots.get(native_symbol)
        if slot is not None:
            self._take_back(slot)
        return slot

    def _take_back(self, slot: BookSlot) -> None:
        if slot.lent and self._compiled is not None:
            self._compiled.take_back(slot)

    def compiled_as(self, native_symbol: str) -> tuple[int, str]:
        """Return the kind of a book's frames for compiled code, and the book's name in them; 0 where it reads none."""
        slot = self._slots.get(native_symbol)
        return (0, "") if slot is None else self._compiled_as(slot)

    def _compiled_as(self, slot: BookSlot) -> tuple[int, str]:
        """Return the kind of a book's frames for compiled code, and the book's name in them; 0 where it reads none."""
        return 0, ""

    def _add(self, native_symbol: str, seat: BookSeat) -> BookSlot:
        prices, sizes = self._numbers_of(seat.scale.price_exp), self._numbers_of(seat.scale.size_exp)
        slot = self._slots[native_symbol] = BookSlot(native_symbol, seat, prices, sizes)
        return slot

    def _numbers_of(self, exp: int) -> Numbers:
        numbers = self._numbers.get(exp)
        if numbers is None:
            greatest = None if self._arena is None else INT64_MAX
            numbers = self._numbers[exp] = Numbers(exp, greatest)
        return numbers

    def _tape_numbers(self) -> tuple[Numbers, Numbers]:
        return self._numbers_of(TAPE_SCALE.price_exp), self._numbers_of(TAPE_SCALE.size_exp)

    def _levels(self, slot: BookSlot, raw: list[Pair] | list[list[str]], field: str) -> ExactLevels:
        try:
            levels = to_levels(raw, slot.prices, slot.sizes)
        except (ValueError, IndexError) as error:
            self._refuse(slot.native_symbol, field, str(error))
        if slot.prices.fine or slot.sizes.fine:
            fine = sum(type(price) is not int or type(size) is not int for price, size in levels)
            slot.book.fine = slot.book.fine or fine > 0
            self._counts.fine += fine
        if self.on_levels is not None:
            self.on_levels(slot.native_symbol, levels)
        return levels

    def _refuse(self, native_symbol: str | None, field: str, what: str) -> NoReturn:
        raise FrameError(self.venue, native_symbol, field, what)

    def _other(self) -> FrameResult:
        self._counts.other += 1
        return NOTHING

    def _contained(self) -> FrameResult:
        self._counts.ignored += 1
        return NOTHING

    def _ignored(self, slot: BookSlot, received_ns: int) -> FrameResult:
        """Pass over a change of a book that waits for its snapshot; ask again when that takes too long."""
        self._counts.ignored += 1
        if slot.asked_ns is None:
            slot.asked_ns = received_ns
            return NOTHING
        if received_ns - slot.asked_ns < RESYNC_REPEAT_NS:
            return NOTHING
        slot.asked_ns = received_ns
        return FrameResult(resyncs=(Resync(slot.native_symbol, slot.row, NO_SNAPSHOT, self._resync_of(slot)),))

    def _notice(
        self, kind: NoticeKind, native_symbols: tuple[str, ...] = (), code: object = "", text: str = ""
    ) -> FrameResult:
        self._counts.control += 1
        return FrameResult(notice=Notice(kind, native_symbols, "" if code is None else clean(str(code)), clean(text)))

    def _control(self) -> FrameResult:
        self._counts.control += 1
        return NOTHING

    def _lives(self, slot: BookSlot, sequence: int, event_ns: int, received_ns: int, levels: int) -> FrameResult:
        """Show the present book, unless its levels are impossible."""
        book = slot.book
        if book.crossed():
            self._counts.crossed += 1
            return self._lose(slot, received_ns, "crossed", BookState.CROSSED)
        if book.exhausted():
            return self._used_up(slot, received_ns)
        slot.state = BookState.LIVE
        slot.asked_ns = None
        slot.sequence = sequence
        self._counts.levels += levels
        if self._arena is not None and slot.row >= 0:
            book.publish(self._arena, slot.row, sequence, event_ns, received_ns)
        if slot.book.fine and not slot.fine_shown:
            slot.fine_shown = True
            return FrameResult(rows=(slot.row,), levels=levels, finer=slot.native_symbol)
        self._settled(slot)
        return FrameResult(rows=(slot.row,), levels=levels)

    def _settled(self, slot: BookSlot) -> None:
        """Lend a live book to compiled code, where that knows its frames."""
        if self._compiled is not None and self.on_levels is None and slot.row >= 0:
            kind, name = self._compiled_as(slot)
            if kind:
                self._compiled.lend(slot, kind, name)

    def _used_up(self, slot: BookSlot, at_ns: int) -> FrameResult:
        """Lose a book whose price is beyond the levels of its snapshot."""
        return self._lose(slot, at_ns, "the levels known from the snapshot are used up")

    def _gap(self, slot: BookSlot, at_ns: int, cause: str) -> FrameResult:
        self._counts.gaps += 1
        return self._lose(slot, at_ns, cause)

    def _lose(
        self, slot: BookSlot, at_ns: int, cause: str, state: BookState = BookState.GAP, error: FrameError | None = None
    ) -> FrameResult:
        self._empty(slot, state, at_ns)
        slot.asked_ns = at_ns
        resync = Resync(slot.native_symbol, slot.row, cause, self._resync_of(slot), unreadable=error is not None)
        return FrameResult(rows=(slot.row,), resyncs=(resync,), error=error)

    def _resync_of(self, slot: BookSlot) -> ResyncBy:
        """Return how a clean snapshot of a book is got, by the channel that it is read from."""
        return self.resync_by

    def _empty(self, slot: BookSlot, state: BookState, at_ns: int) -> None:
        slot.state = state
        slot.sequence = slot.floor = NO_SEQUENCE
        slot.book.clear()
        slot.texts = None
        slot.pending.clear()
        slot.joined = False
        slot.asked_ns = None
        slot.rest = slot.rests = 0
        if self._arena is not None and slot.row >= 0:
            self._arena.invalidate(slot.row, state, at_ns)

    def _unreadable(self, error: FrameError, at_ns: int) -> FrameResult:
        self._counts.malformed += 1
        # The error's traceback holds the frames of these calls, and they hold the result, which holds the error. The
        # collector does not follow this circle (`FrameResult` is kept from it), so each unreadable frame would stay for good.
        error.__traceback__ = error.__context__ = None
        if error.native_symbol is not None:
            slot = self._slot(error.native_symbol)
            if slot is None:
                return NOTHING
            named = Notice(NoticeKind.UNREADABLE, (error.native_symbol,))
            return msgspec.structs.replace(self._lose(slot, at_ns, str(error), error=error), notice=named)
        lost = [self._lose(slot, at_ns, str(error)) for slot in self.books()]
        rows = tuple(row for one in lost for row in one.rows)
        resyncs = tuple(one.resyncs[0] for one in lost)
        return FrameResult(rows=rows, resyncs=resyncs, error=error, notice=Notice(NoticeKind.UNREADABLE))


class Requests:
    """Which books a numbered request was about: answers echo the number, and not always the books.

    Numbers start at 1 and fit 32 bits, as Gate asks (WebSocket v4). Requests never answered are forgotten
    after `_REQUESTS_MAX` later ones.
    """

    def __init__(self) -> None:
        self._last = 0
        self._open: dict[int, tuple[str, ...]] = {}

    def number(self, native_symbols: Sequence[str]) -> int:
        self._last = self._last % _REQUEST_NUMBER_MAX + 1
        self._open[self._last] = tuple(native_symbols)
        if len(self._open) > _REQUESTS_MAX:
            del self._open[next(iter(self._open))]
        return self._last

    def answered(self, number: int | str | None) -> tuple[str, ...]:
        """Return the books of an answered request, once; nothing for a number that is not ours."""
        if isinstance(number, str):
            number = int(number) if number.isascii() and number.isdigit() and len(number) <= 10 else None
        return () if number is None else self._open.pop(number, ())


def decode_problem(error: Exception, root: str = "") -> tuple[str, str]:
    """Return (field, problem) of a decoder's complaint about the value under `root`.

    The complaint ends in ``- at `$.path` `` when it knows the place, which is meant to be read and not taken apart.
    """
    what, _, path = str(error).partition(" - at `$")
    return (root + path.rstrip("`")).lstrip(".") or "frame", what


def batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


DECODE_ERRORS = (msgspec.DecodeError, UnicodeError, RecursionError)
"""The errors of msgspec for text that is not the JSON asked for."""
