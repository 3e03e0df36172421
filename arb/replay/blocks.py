"""Lines of tapes in blocks: compiled code takes the frames one after the other and passes the rest to Python.

A `Source` is one tape: a piece of its text at a time is read to entries (`arb/venues/books/compiled/tape_lines.py`). Each is a
frame of a connection that compiled code knows, or a line for Python. `FrameBlocks` joins sources by their instants, as
`heapq.merge` would their lines, and takes frames until a line needs Python. Which lines count, and where a tape ends or is at
fault, is as in `arb/replay/tapes.py`, where sources are made.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from arb.errors import StoreError
from arb.market.arena import INT64_MAX
from arb.market.feed import further_name, venue_of
from arb.store.tapes.line import TapeLine, TornTape, line_of
from arb.store.tapes.tape import tape_pieces
from arb.venues.books.compiled.layout import (
    AT_END,
    AT_LIMIT,
    AT_LINE,
    AT_REFILL,
    CLOCK_NS,
    CLOCKED,
    COPY_AT,
    COPY_END,
    LAST_SEQ,
    LIMIT_NS,
    LINE_AT,
    LINE_FEED,
    LINE_NS,
    LINE_NUMBER,
    LINE_SIZE,
    LINE_WORDS,
    LINES,
    LINES_BEFORE,
    LINES_MAX,
    LINES_READ,
    LINES_TO_PYTHON,
    NAME_WORDS,
    NAMES,
    NAMES_COUNT,
    ONE_BY_ONE,
    PASSED_OVER,
    READING_WORDS,
    SOURCE_CURSOR,
    SOURCE_FEEDS,
    SOURCE_WORDS,
    SOURCES,
    SOURCES_AT,
    STOPPED_AT,
    STOPPED_FEED,
    STOPPED_ROW,
    TAKEN,
    TEXT_AT,
    TEXT_BEGIN,
    TEXT_END,
    TO_PYTHON,
    UNOPENED,
    WORD,
)
from arb.venues.books.compiled.loading import BYTES_AT, load_blocks

log = logging.getLogger(__name__)

Block = npt.NDArray[np.int64]
Made = TypeVar("Made")
BLOCK_LINES = 256
"""Lines of a block at most: with frames of 1 kB they and their text fit a processor's second cache."""
_SPARE_BYTES = 64


def missing(path: Path, seq: int, found: int) -> StoreError:
    """Return the error of a tape that lacks a line: the lines after a hole never happened so."""
    return StoreError(f"{path}: line with seq {seq} is missing (the next one is {found})")


class Source(Generic[Made]):
    """The lines of one tape, a block at a time.

    `make`: turns a line for Python into its result, None: it is skipped; may raise `StoreError`. `last_seq`: the number before
    that of the first line, where lines are numbered without a gap; -1: they are not.
    """

    def __init__(
        self, path: Path, make: Callable[[TapeLine], Made | None], last_seq: int = -1, begun_ns: int = -INT64_MAX
    ) -> None:
        """`begun_ns`: the instant of the first line, before which there is no need to open the tape."""
        self.begun_ns = max(-INT64_MAX, min(begun_ns, INT64_MAX))
        self._read = load_blocks()[0]
        self._path = path
        self._pieces: Iterator[bytes] = tape_pieces(path, lambda: self._number)
        self._make = make
        self._piece, self._at, self._number, self._over = b"", 0, 0, False
        self._cut = True  # the rest of the piece is no whole line
        self._fault: StoreError | None = None
        self._copy: Block = np.zeros(0, dtype=np.int64)
        self._made: dict[int, Made] = {}
        self._names: list[bytes] = []
        self._blocks: tuple[Block, ...] = ()
        self._name_places: Block = np.zeros((0, NAME_WORDS), dtype=np.int64)
        order: Block = np.zeros(READING_WORDS, dtype=np.int64)
        self._order, self._order_at = order.data, order.ctypes.data
        self._order[LAST_SEQ] = last_seq
        self.connections: tuple[str, ...] = ()
        """The connections whose frames compiled code takes; the first one's feed has number 1."""
        self.feeds: Block = np.zeros(1, dtype=np.int64)
        """Where compiled code finds the data of each feed, by its number."""
        self.lines: Block = np.zeros((1, LINE_WORDS), dtype=np.int64)
        self._lines_at = self._copy_at = 0
        """The entries of the block; at first one for the tape, which is to be opened."""
        self.lines[0, LINE_NS], self.lines[0, LINE_FEED] = self.begun_ns, UNOPENED
        self.state: Block = np.zeros(SOURCE_WORDS, dtype=np.int64)
        """Where compiled code is in the block (`layout.SOURCE_...`)."""
        self._show(1)

    def name_feeds(self, feeds: Mapping[str, Block]) -> None:
        """Let compiled code take the frames of these connections, in blocks that are read from now on."""
        self._blocks = tuple(feeds.values())  # whose addresses follow
        self.connections = tuple(feeds)
        self._names = [part.encode() for name in self.connections for part in (venue_of(name), further_name(name))]
        places = [(id(name) + BYTES_AT, len(name)) for name in self._names]
        self._name_places = np.array(places, dtype=np.int64).reshape(-1, NAME_WORDS)
        self._order[NAMES], self._order[NAMES_COUNT] = self._name_places.ctypes.data, len(places)
        self.feeds = np.array([0, *(block.ctypes.data for block in feeds.values())], dtype=np.int64)
        self.state[SOURCE_FEEDS] = self.feeds.ctypes.data

    def _show(self, count: int) -> None:
        """Begin with a block of `count` entries; 0: the tape has ended, and needs no memory."""
        if not count:
            self.lines = self._copy = np.zeros((0, LINE_WORDS), dtype=np.int64)
        self.state[:SOURCE_FEEDS] = self.lines.ctypes.data, 0, count

    @property
    def last_seq(self) -> int:
        return self._order[LAST_SEQ]

    def made(self, place: int) -> Made | None:
        return self._made[place] if place in self._made else self._make(self._decoded(place))

    def fill(self) -> int:
        """Read the next block over the last; return its number of entries, 0 at the end of the tape.

        Raises `StoreError` at a line that cannot be read, when everything before it has been in blocks.
        """
        if self._fault is not None:
            raise self._fault
        if len(self.lines) < BLOCK_LINES:
            self.lines = np.zeros((BLOCK_LINES, LINE_WORDS), dtype=np.int64)
            self._lines_at = self.lines.ctypes.data
        self._made.clear()
        self._order[COPY_AT] = self._copy_at
        count = 0
        try:
            while count < BLOCK_LINES:
                if self._cut and (count or not self._more()):
                    break
                for place in self._scanned(count):
                    count = place
                    self._keep(place, self._decoded(place))
                count = self._count
                text = self._odd()
                if text is not None and not text.isspace():
                    count += self._add(count, line_of(self._path, self._number, text))
        except TornTape as torn:
            log.warning("%s: the lines before it count", torn)
            self._pieces, self._piece, self._at, self._over = iter(()), b"", 0, True
        except StoreError as error:
            if not count:
                raise
            self._fault = error
        self._show(count)
        return count

    def _scanned(self, count: int) -> list[int]:
        """Read lines to the entries from `count` on, up to the first odd one; return which of them are for Python."""
        order, begin = self._order, id(self._piece) + BYTES_AT
        order[TEXT_BEGIN], order[TEXT_AT], order[TEXT_END] = begin, begin + self._at, begin + len(self._piece)
        order[LINES], order[LINES_MAX] = self._lines_at + count * LINE_WORDS * WORD, BLOCK_LINES - count
        order[LINES_BEFORE] = self._number
        self._read(self._order_at)
        self._at = order[TEXT_AT] - begin
        read = order[LINES_READ]
        self._count = count + read
        self._number += read
        if not order[LINES_TO_PYTHON]:
            return []
        found = self.lines[count : self._count, LINE_FEED] == TO_PYTHON
        return [count + int(place) for place in np.flatnonzero(found)]

    def _odd(self) -> bytes | None:
        """Take the line that compiled code would not read, None where there is no whole one."""
        if self._count == BLOCK_LINES:
            return None
        end = self._piece.find(b"\n", self._at) + 1
        if not end and not (self._over and self._at < len(self._piece)):
            self._cut = True
            return None
        at, self._at = self._at, end or len(self._piece)
        self._number += 1
        return self._piece[at : self._at]

    def _more(self) -> bool:
        self._cut = False
        piece = next(self._pieces, None)
        if piece is None:
            over, self._over = self._over, True
            return not over and self._at < len(self._piece)
        self._piece, self._at = self._piece[self._at :] + piece, 0
        if self._copy.nbytes < len(self._piece) + _SPARE_BYTES:
            self._copy = np.zeros((len(self._piece) * 5 // 4 + _SPARE_BYTES) // WORD, dtype=np.int64)
            self._copy_at = self._copy.ctypes.data
        self._order[COPY_AT] = self._copy_at
        self._order[COPY_END] = self._copy_at + self._copy.nbytes - _SPARE_BYTES // 2
        return True

    def _decoded(self, place: int) -> TapeLine:
        at, size = self.lines[place, LINE_AT], self.lines[place, LINE_SIZE]
        return line_of(self._path, int(self.lines[place, LINE_NUMBER]), self._piece[at : at + size])

    def _add(self, place: int, line: TapeLine) -> int:
        """Make the entries of an odd line; return how many."""
        last_seq = self.last_seq
        if last_seq >= 0 and line.seq is not None:
            if line.seq != last_seq + 1:
                raise missing(self._path, last_seq + 1, line.seq)
            self._order[LAST_SEQ] = line.seq
        self.lines[place] = 0
        self.lines[place, LINE_NS] = max(-INT64_MAX, min(line.received_ns, INT64_MAX))
        self._keep(place, line)
        return int(place in self._made)

    def _keep(self, place: int, line: TapeLine) -> None:
        made = self._make(line)
        if made is None:
            self.lines[place, LINE_FEED] = PASSED_OVER
        else:
            self._made[place] = made


class FrameBlocks(Generic[Made]):
    """Several sources in the order of their instants; of equal ones the first source's lines precede.

    `clocked`: a frame is received at its instant or at the clock's time, whichever is later; else at its instant. `measuring`:
    frames change no books, and only their levels are measured.
    """

    def __init__(self, sources: Sequence[Source[Made]], *, clocked: bool, measuring: bool = False) -> None:
        _, take, measure = load_blocks()
        self._take = measure if measuring else take
        begun = sorted((source.begun_ns, place) for place, source in enumerate(sources))
        self._waiting = deque((place, sources[place]) for _, place in begun)
        self._reading: list[tuple[int, Source[Made]]] = []
        self._order: Block = np.zeros(SOURCES_AT + len(sources), dtype=np.int64)
        self._address = self._order.ctypes.data
        self._words = self._order.data
        self._words[CLOCKED] = clocked
        self.on_read: Callable[[int], None] | None = None
        """Called now and then with the number of lines read."""
        self._read = 0
        self._arrange()

    def _arrange(self) -> None:
        """Show compiled code the tapes being read, in their order, and the next one to be opened."""
        shown = sorted([*self._reading, *islice(self._waiting, 1)], key=itemgetter(0))
        self._sources = [source for _, source in shown]
        self._words[SOURCES] = len(shown)
        self._order[SOURCES_AT : SOURCES_AT + len(shown)] = [source.state.ctypes.data for source in self._sources]

    def _refill(self, source: Source[Made]) -> None:
        if self._waiting and source is self._waiting[0][1]:
            self._reading.append(self._waiting.popleft())
            self._arrange()
        read = source.fill()
        self._read += read
        if self.on_read is not None:
            self.on_read(self._read)
        if not read:
            self._reading = [one for one in self._reading if one[1] is not source]
            self._arrange()

    @property
    def clock_ns(self) -> int:
        """Return the latest instant of a frame taken, or of the clock given."""
        return self._words[CLOCK_NS]

    @property
    def taken(self) -> int:
        return self._words[TAKEN]

    @property
    def looked_at(self) -> tuple[str, int]:
        """Return the connection of a frame to be handled here, and its row + 1."""
        source = self._sources[self._words[STOPPED_AT]]
        return source.connections[self._words[STOPPED_FEED] - 1], self._words[STOPPED_ROW]

    @property
    def next_ns(self) -> int:
        """Return the instant of the line for Python at which taking frames ended."""
        source = self._sources[self._words[STOPPED_AT]]
        return int(source.lines[source.state[SOURCE_CURSOR], LINE_NS])

    def take(self, limit_ns: int, clock_ns: int, *, one_by_one: bool = False) -> int:
        """Take frames received before `limit_ns` up to a line for Python; return its kind (`layout.AT_...`).

        `one_by_one`: each of them is for Python. Raises `StoreError` where a tape is at fault, after all lines before that.
        """
        words = self._words
        words[LIMIT_NS], words[CLOCK_NS], words[ONE_BY_ONE] = limit_ns, clock_ns, one_by_one
        while (reason := self._take(self._address)) == AT_REFILL:
            self._refill(self._sources[words[STOPPED_AT]])
        return reason

    def next(self) -> Made:
        source = self._sources[self._words[STOPPED_AT]]
        cursor = int(source.state[SOURCE_CURSOR])
        source.state[SOURCE_CURSOR] = cursor + 1
        made = source.made(cursor)
        assert made is not None  # it would have been passed over
        return made


class OneByOne(Generic[Made]):
    """Lines of which Python takes each, in their own order; `instant` gives the instant of each. See `FrameBlocks`."""

    taken = 0
    clock_ns = 0
    looked_at = "", 0

    def __init__(self, lines: Iterable[Made], instant: Callable[[Made], int]) -> None:
        self._lines = iter(lines)
        self._instant = instant
        self._next: Made | None = None
        self.next_ns = 0

    def take(self, limit_ns: int, clock_ns: int, *, one_by_one: bool = False) -> int:
        """Return whether there is a line received before `limit_ns` (`layout.AT_...`)."""
        if self._next is None:
            self._next = next(self._lines, None)
            if self._next is None:
                return AT_END
            self.next_ns = self._instant(self._next)
        return AT_LIMIT if max(self.next_ns, clock_ns) >= limit_ns else AT_LINE

    def next(self) -> Made:
        made, self._next = self._next, None
        assert made is not None
        return made
