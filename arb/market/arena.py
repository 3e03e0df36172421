"""The arena: every live book's best levels in one preallocated block of 64-bit integers, one row per (venue, symbol).

The detection of edges reads only here. The plain book and a compiled kernel write here, with the same content. No Python
object represents a level.

One row is `HEADER_WORDS` words of header and then four runs of `depth` words each:

    word 0 state | 1 sequence | 2 event_ns | 3 received_ns | 4 state_ns | 5 updates | 6 bid_count | 7 ask_count
    word 8 unwritten: all but the best level of each side is to be written before it is read | words 9 to 15 free
    bid prices | bid sizes | ask prices | ask sizes

so that a row is contiguous in memory and one base address and one stride describe them all. Levels are best first;
words beyond the count are 0. Prices and sizes are on the symbol's `Scale`. This module knows nothing of frames.

Books are added and dropped during a run, and the block never moves. Rows for later books are reserved when it is made, and
beyond them a book is refused. After a move, a view or the block's address would still look live but never change.
Reserved memory that is not yet written costs next to nothing.
"""

import heapq
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING

from arb.errors import require
from arb.market.words import MarketWords, zeros

if TYPE_CHECKING:
    from arb.market.words import Words

HEADER_WORDS = 16
UPDATES, BID_COUNT, ASK_COUNT, UNWRITTEN = 5, 6, 7, 8
"""Words of a row's header."""
DEFAULT_DEPTH = 50
NO_SEQUENCE = -1
INT64_MAX = 2**63 - 1

Levels = list[tuple[int, int]]
"""(price, size) pairs on the symbol's scale, best first."""


class BookState(IntEnum):
    """What a book may be used for. Only `LIVE` books are ever traded on; every other state shows no levels."""

    WAITING = 0
    """No snapshot yet, or the connection is down."""
    LIVE = 1
    """Every change since a clean snapshot was applied."""
    GAP = 2
    """A change is missing, unreadable or contradicted: unusable until a clean snapshot."""
    CROSSED = 3
    """The best bid was above the best ask: unusable until a clean snapshot."""


_LIVE = int(BookState.LIVE)


class BookArena:
    """The rows of all books: `rows` of them are taken from the beginning, `spare` more are free (`add`, `retire`).

    The public arrays are views of `block`, indexed `[row]` or `[row, level]`:

    - `words`: the block again, flat and only to be read, row by row `stride` words: single words and runs are read as
      Python integers, faster than from the arrays.
    - `state`: a `BookState`; `state_ns`: when it was entered (our clock, ns UTC).
    - `sequence`: the venue's id of the last applied change, `NO_SEQUENCE` when there is none.
    - `event_ns`: when the venue sent the last frame of this book, on the **venue's** clock, ns UTC; 0 when that frame
      does not state it (some snapshots carry only the time of the book's last change). See `lag_ns`.
    - `received_ns`: when that frame was received, our clock, ns UTC.
    - `updates`: how often the row was written, rising by one; it continues when the row changes its book, so that a
      remembered number shows the change.
    - `bid_count`, `ask_count`: levels in use; `bid_price bid_size ask_price ask_size`: the levels.
    """

    def __init__(self, rows: int, depth: int = DEFAULT_DEPTH, *, spare: int = 0) -> None:
        require(rows >= 0 and spare >= 0 and depth >= 1, f"an arena of {rows} rows and {spare} more of depth {depth}")
        self.rows = rows + spare
        self.depth = depth
        # A heap: the lowest free row is taken first, so that the same changes give the same rows.
        self._free = list(range(rows, rows + spare))
        self.stride = HEADER_WORDS + 4 * depth
        self.block: Words = zeros(self.rows, self.stride)
        self.words = self.block.reshape(-1).data.toreadonly()
        header = self.block[:, :HEADER_WORDS]
        self.state: Words = header[:, 0]
        self.sequence: Words = header[:, 1]
        self.event_ns: Words = header[:, 2]
        self.received_ns: Words = header[:, 3]
        self.state_ns: Words = header[:, 4]
        self.updates: Words = header[:, UPDATES]
        self.bid_count: Words = header[:, BID_COUNT]
        self.ask_count: Words = header[:, ASK_COUNT]
        runs = [self.block[:, HEADER_WORDS + i * depth : HEADER_WORDS + (i + 1) * depth] for i in range(4)]
        self.bid_price: Words
        self.bid_size: Words
        self.ask_price: Words
        self.ask_size: Words
        self.bid_price, self.bid_size, self.ask_price, self.ask_size = runs
        self.sequence[:] = NO_SEQUENCE
        self.market = MarketWords(self.rows)
        self._write_levels: Callable[[int], None] | None = None

    @property
    def free(self) -> int:
        return len(self._free)

    def add(self) -> int:
        """Take a free row for a book that waits for its first snapshot; return it.

        Raises `InvariantError` when none is free (see the module's text), and when a free one has been written to.
        """
        require(bool(self._free), f"all {self.rows} rows of the arena are taken: reserve more spare ones at the start")
        row = heapq.heappop(self._free)
        clean = self.state.item(row) == BookState.WAITING and not self.block[row, 6:].any()
        require(clean, f"row {row} was written to after it was retired")
        return row

    def retire(self, row: int) -> None:
        """Free a row: its book is unusable at once, its words are 0, and another book may take it.

        Its writer must have stopped before. Raises `InvariantError` for a row that is free or does not exist.
        """
        require(0 <= row < self.rows and row not in self._free, f"row {row} is not taken")
        updates = self.updates.item(row)
        self.block[row] = 0
        self.sequence[row] = NO_SEQUENCE
        self.updates[row] = updates + 1
        heapq.heappush(self._free, row)

    def invalidate(self, row: int, state: BookState, at_ns: int) -> None:
        """Make a row unusable: its levels vanish with its state, so that they cannot be traded on by mistake."""
        require(state is not BookState.LIVE, "a book becomes live by being written, not by being invalidated")
        if self.state.item(row) != int(state):
            self.state[row] = state
            self.state_ns[row] = at_ns
        self.sequence[row] = NO_SEQUENCE
        self.updates[row] += 1
        self.bid_count[row] = 0
        self.ask_count[row] = 0
        self.block[row, UNWRITTEN:] = 0
        self.market.show(row, None, None)

    def write(self, row: int, sequence: int, event_ns: int, received_ns: int) -> None:
        """Stamp a row as live and current; its levels are written by `write_bids` and `write_asks`."""
        words = self.block[row]
        if words.item(0) != _LIVE:
            words[0] = _LIVE
            words[4] = received_ns
        words[1:4] = (sequence, event_ns, received_ns)
        words[5] = words.item(5) + 1
        if self._write_levels is not None:
            self.market.show(row, *self.best(row))

    def write_bids(self, row: int, prices: list[int], sizes: list[int]) -> None:
        """Write the best bids, highest price first, at most `depth` of them."""
        before = self.bid_count.item(row)
        _write_run(self.bid_price[row], prices, before)
        _write_run(self.bid_size[row], sizes, before)
        self.bid_count[row] = len(prices)

    def write_asks(self, row: int, prices: list[int], sizes: list[int]) -> None:
        """Write the best asks, lowest price first, at most `depth` of them."""
        before = self.ask_count.item(row)
        _write_run(self.ask_price[row], prices, before)
        _write_run(self.ask_size[row], sizes, before)
        self.ask_count[row] = len(prices)

    def compiled_by(self, write_levels: Callable[[int], None]) -> None:
        """Show quotes to compiled code from now on, which calls `write_levels` for levels that it has not written."""
        self._write_levels = write_levels

    def complete(self, row: int) -> None:
        """Write the levels of a row that compiled code has deferred; call it before reading any but the best."""
        if self.words[row * self.stride + UNWRITTEN] and self._write_levels is not None:
            self._write_levels(row)

    def usable(self, row: int) -> bool:
        """Return whether the row is live; lag, silence and skew are for the engine to judge."""
        return self.words[row * self.stride] == _LIVE

    def best(self, row: int) -> tuple[int | None, int | None]:
        words, head = self.words, row * self.stride
        bids = head + HEADER_WORDS
        bid = words[bids] if words[head + BID_COUNT] else None
        ask = words[bids + 2 * self.depth] if words[head + ASK_COUNT] else None
        return bid, ask

    def lag_ns(self, row: int, offset_ns: int) -> int | None:
        """Return how long the last frame was on its way, given venue time = our time + `offset_ns`.

        `None` when the frame stated no send time: then the lag of the connection's other frames has to do.
        """
        event_ns: int = self.event_ns.item(row)
        if event_ns == 0:
            return None
        received_ns: int = self.received_ns.item(row)
        return received_ns - (event_ns - offset_ns)

    def bids(self, row: int) -> Levels:
        self.complete(row)
        count = int(self.bid_count[row])
        return list(zip(self.bid_price[row, :count].tolist(), self.bid_size[row, :count].tolist(), strict=True))

    def asks(self, row: int) -> Levels:
        self.complete(row)
        count = int(self.ask_count[row])
        return list(zip(self.ask_price[row, :count].tolist(), self.ask_size[row, :count].tolist(), strict=True))


def _write_run(run: "Words", values: list[int], count_before: int) -> None:
    count = len(values)
    run[:count] = values
    if count < count_before:
        run[count:count_before] = 0
