"""The market plane's memory of books, in preallocated 64-bit words that plain and compiled code share.

Compiled code (`arb/venues/books/compiled`) applies a frame without any Python object. Its results are here and in the
arena: the pace of frames (`arb/core/books/book_pace.py`), and the best quotes net of fees, which show
whether a symbol may have an edge. A block of one row:

    words 0 to 31 the levels and how frames are read, while compiled code keeps the book (`arb/venues/books/compiled/layout.py`)
    32 address of the symbol's block | 33 the row's place in it | 34 proceeds of a sale | 35 cost of a purchase (floats)
    36 to 41 the pace of the book's frames | 42 when its bid was last recorded
    43 where its row of the arena begins (an address) | 44 the recorded bid
    45 to 50 the name that the book's frames call it | 56 to 215 the levels near the best ones, as compiled code keeps them

and of one symbol:

    word 0 frames of all its books | 1 attention | 2 number of its rows | from 4 on two floats a row: best bid, best ask, net

The floats never decide: a symbol counts as crossed within one part in 10**9, and is then judged exactly.
"""

import math
from typing import TYPE_CHECKING, cast

from arb.errors import require

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Words = npt.NDArray[np.int64]

ROW_WORDS, NAME_AT, BOOK_AT = 216, 45, 56
SYMBOL_ADDRESS, PLACE, KEPT, COST = 32, 33, 34, 35
PACE, NOTED_NS, ARENA_ADDRESS, NOTED_BID = 36, 42, 43, 44
FRAMES, ATTENTION, ROWS, NETS = 0, 1, 2, 4
LAST_BYTE_NS, LAG_NS, LAG_KNOWN, NEXT_LAG_NS, CONNECTION_PACE = 0, 1, 2, 3, 4
LAGS_NOTED, AHEAD_NS, OFFSET_NS, QUIET_FRAMES, UPDATED = 27, 28, 29, 30, 31
"""Words of a connection; 4 to 9 its pace, 27 the number of lag samples, 28 by how much a frame that Python must follow up
seems to have been sent after it was received, 29 the venue's time minus ours, 30 and 31 the frames that compiled code took and
the changes of rows among them, which only rise. The others are compiled code's own (`arb/venues/books/compiled/layout.py`)."""
CONNECTION_WORDS, LAGS_KEPT = 32, 301
"""After a connection's words follow the last samples of its lag, one a second, each at the index of its number."""
SYMBOL_WORDS = 64
ROWS_A_SYMBOL = (SYMBOL_WORDS - NETS) // 2
_BYTES, _LINE_WORDS, _LARGE_PAGE_WORDS = 8, 8, 2**18


def zeros(rows: int, count: int) -> "Words":
    """Return rows of `count` words each, all 0; the first one begins where a line of the processor's caches does.

    Where there are many, with a large page of memory, and they end with one: numpy asks for such pages from 4 MB on. A change
    of one of a thousand books then looks up pages that the processor still knows.
    """
    import numpy as np  # late: most commands only read history, and make no books

    wanted, begins = rows * count, _LINE_WORDS
    if wanted >= _LARGE_PAGE_WORDS:
        wanted, begins = -(-wanted // _LARGE_PAGE_WORDS) * _LARGE_PAGE_WORDS, _LARGE_PAGE_WORDS
    made = np.zeros(wanted + begins, dtype=np.int64)
    first = -made.ctypes.data // _BYTES % begins
    return made[first : first + rows * count].reshape(rows, count)


def words_of(count: int) -> memoryview:
    """Return `count` words, all 0, that never move."""
    return zeros(1, count).reshape(-1).data


def word(index: int) -> property:
    """Return an attribute stored in word `index` of its object's `words`."""

    def get(self) -> int:  # type: ignore[no-untyped-def]
        found: int = self.words[index]
        return found

    def put(self, value: int) -> None:  # type: ignore[no-untyped-def]
        self.words[index] = value

    return property(get, put)


class MarketWords:
    """The blocks of all rows of an arena, and of their symbols. A row without a symbol disturbs no other.

    `attention`: whether every change of a symbol's books is to be reported, and not only one that may leave an edge.
    """

    def __init__(self, rows: int) -> None:
        self._rows = zeros(rows, ROW_WORDS)
        self._symbols = zeros(rows, SYMBOL_WORDS)
        self.rows = self._rows.reshape(-1).data
        self.row_address = self._rows.ctypes.data
        self.frames_of, self.since_of, self.last_of = (self._rows[:, PACE + place] for place in range(3))
        """For each row: the frame count of its book's pace, its start, and the time of the last frame."""
        self._words = self._symbols.reshape(-1).data
        self._nets: memoryview[float] = cast("memoryview[float]", self._symbols.reshape(-1).view("float64").data)
        self._ratios: memoryview[float] = cast("memoryview[float]", self._rows.reshape(-1).view("float64").data)
        self.symbol_address = self._symbols.ctypes.data
        self._free = list(range(rows - 1, -1, -1))
        self._block_of: dict[str, int] = {}
        self._symbol_of: dict[int, tuple[str, int]] = {}

    def of_row(self, row: int, first: int, count: int) -> memoryview:
        return self.rows[row * ROW_WORDS + first : row * ROW_WORDS + first + count]

    def of_symbol(self, symbol: str) -> memoryview:
        """Return the block of a symbol, made where there is none; every change of its books is reported at first."""
        block = self._block_of.get(symbol)
        if block is None:
            block = self._block_of[symbol] = self._free.pop()
            self._symbols[block] = 0
            self._symbols[block, ATTENTION] = 1
        return self._words[block * SYMBOL_WORDS : (block + 1) * SYMBOL_WORDS]

    def take_row(self, row: int, symbol: str) -> None:
        """Make a row one of a symbol's books, which shows no quotes and has no terms; raises `InvariantError` for too many."""
        words = self.of_symbol(symbol)
        place = words[ROWS]
        require(place < ROWS_A_SYMBOL, f"{symbol} has more than {ROWS_A_SYMBOL} books")
        words[ROWS] = place + 1
        block = self._block_of[symbol]
        self._rows[row] = 0
        self.rows[row * ROW_WORDS + SYMBOL_ADDRESS] = self.symbol_address + block * SYMBOL_WORDS * _BYTES
        self.rows[row * ROW_WORDS + PLACE] = place
        self._symbol_of[row] = symbol, block
        self.set_terms(row, 0, math.inf)
        self.show(row, None, None)

    def leave_row(self, row: int) -> None:
        """Drop a row; the last one of its symbol moves into the gap."""
        symbol, block = self._symbol_of.pop(row)
        head, place = block * SYMBOL_WORDS, self.rows[row * ROW_WORDS + PLACE]
        last = self._words[head + ROWS] = self._words[head + ROWS] - 1
        for other, (known, _) in self._symbol_of.items():
            if known == symbol and self.rows[other * ROW_WORDS + PLACE] == last:
                self.rows[other * ROW_WORDS + PLACE] = place
                for net in (0, 1):
                    self._nets[head + NETS + 2 * place + net] = self._nets[head + NETS + 2 * last + net]
        self._rows[row] = 0
        if not last:
            del self._block_of[symbol]
            self._free.append(block)

    def attend(self, symbol: str, wanted: bool) -> None:
        """Report every change of a symbol's books from now on, or only one that may leave an edge."""
        if (block := self._block_of.get(symbol)) is not None:
            self._words[block * SYMBOL_WORDS + ATTENTION] = wanted

    def set_terms(self, row: int, kept: float, cost: float) -> None:
        """Set the proceeds of a unit sold and the cost of one bought at a row's venue; 0 and infinity: it is not traded."""
        self._ratios[row * ROW_WORDS + KEPT] = kept
        self._ratios[row * ROW_WORDS + COST] = cost

    def show(self, row: int, bid: int | None, ask: int | None) -> None:
        """Take the best quotes of a row, None for an empty side."""
        found = self._symbol_of.get(row)
        if found is not None:
            head = row * ROW_WORDS
            at = found[1] * SYMBOL_WORDS + NETS + 2 * self.rows[head + PLACE]
            self._nets[at] = 0 if bid is None else bid * self._ratios[head + KEPT]
            self._nets[at + 1] = math.inf if ask is None else ask * self._ratios[head + COST]
