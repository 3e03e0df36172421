"""Books kept by compiled code, one venue's connection at a time: which they are, and how they come and go between it and the plain reader.

The plain reader (`arb/venues/wire`) takes snapshots, and every frame that compiled code hands over. A book that it has just
made live is *lent* to compiled code; when anything plain is about to happen to it, it is *taken back* first, with every level
as it then stands. So at any instant one of the two keeps a book, and both write the same row of the arena.

CPython keeps the bytes of a `bytes` object at a fixed place behind its head; compiled code reads them there, which is tried when it is loaded.
"""

import numpy as np
import numpy.typing as npt

from arb.market.arena import BookArena
from arb.market.book import BookSide, Number
from arb.market.feed import FeedCounts
from arb.market.words import ARENA_ADDRESS, QUIET_FRAMES, ROW_WORDS
from arb.venues.compiled.layout import (
    ASKS,
    BEYOND,
    BIDS,
    BLOCK,
    BLOCK_END,
    BOOK_FRAMES,
    CONTAINED,
    DEPTH,
    DEPTH_MAX,
    ENTRY_HASH,
    ENTRY_NAME,
    ENTRY_ROW,
    ENTRY_SIZE,
    ENTRY_WORDS,
    EXP_MAX,
    FIRST,
    KIND,
    LEVELS,
    LEVELS_MAX,
    NAME_MAX,
    PAIR,
    PRICE_EXP,
    ROWS_AT,
    SCRATCH,
    SHAPE,
    SIZE_EXP,
    TABLE,
    TABLE_MASK,
    WORD,
    hashed,
)
from arb.venues.compiled.loading import load
from arb.venues.wire.base import BookSlot, CompiledSide

Block = npt.NDArray[np.int64]
BYTES_AT = bytes.__basicsize__ - 1
LEAST_PAIRS = 128
REST_MAX = 256
"""How many plain frames a book rests at most after it was taken back, so that one whose every frame is handed over is lent seldom."""


class CompiledBooks:
    """The compiled books of one arena, whose rows its connections' books write."""

    def __init__(self, arena: BookArena) -> None:
        """Load; raises `CompiledUnavailable` where compiled code cannot be had."""
        self.take, self._show = load()
        self.arena = arena
        self.scratch: Block = np.zeros((2 * LEVELS_MAX, 2), dtype=np.int64)
        arena.compiled_by(self.write_levels)

    def write_levels(self, row: int) -> None:
        """Write what the arena shows of a row that is lent."""
        self._show(self.arena.market.row_address + row * ROW_WORDS * WORD)


class CompiledConnection(CompiledSide):
    """The compiled books of one connection, whose words these are, and whose frames are of this shape."""

    def __init__(self, books: CompiledBooks, words: memoryview, shape: int) -> None:
        self._books = books
        self._words = words
        self._take = books.take
        self._address = _address_of(words)
        self._rows = books.arena.market.rows
        self._blocks: dict[int, tuple[Block, Block]] = {}
        self._names: dict[str, int] = {}
        self._table: Block = np.zeros((0, ENTRY_WORDS), dtype=np.int64)
        self._counted = [words[place] for place in _COUNTED]
        words[ROWS_AT] = books.arena.market.row_address
        words[SCRATCH] = books.scratch.ctypes.data
        words[SHAPE] = shape

    def take(self, raw: bytes, received_ns: int, offset_ns: int) -> int:
        """Take one frame: 0 where that was all, the row + 1 where plain code has more to do, -1 where it is the plain reader's."""
        return self._take(id(raw) + BYTES_AT, len(raw), received_ns, self._address, offset_ns)

    def lend(self, slot: BookSlot, kind: int, name: str) -> None:
        """Keep a live book from now on, if compiled code can; `name`: what its frames call it."""
        book, scale = slot.book, slot.seat.scale
        if (
            book.fine
            or book.bid_horizon is not None
            or book.ask_horizon is not None
            or slot.texts is not None
            or max(scale.price_exp, scale.size_exp) > EXP_MAX
            or not (name.isascii() and 0 < len(name) <= NAME_MAX)
        ):
            return
        if slot.rest:
            slot.rest -= 1
            return
        arena, words, head = self._books.arena, self._rows, slot.row * ROW_WORDS
        blocks = self._blocks[slot.row] = tuple(
            _room(block, len(side))
            for block, side in zip(self._blocks.get(slot.row, (None, None)), (book.bids, book.asks), strict=True)
        )
        for block, side, place, sign in ((blocks[0], book.bids, BIDS, 1), (blocks[1], book.asks, ASKS, -1)):
            begin, first, count = block.ctypes.data, (len(block) - len(side)) // 2, len(side)
            prices = side.prices if sign > 0 else side.prices[::-1]
            block[first : first + count, 0] = prices
            block[first : first + count, 0] *= sign
            block[first : first + count, 1] = [side.sizes[price] for price in prices]
            words[head + place + BLOCK], words[head + place + BLOCK_END] = begin, begin + len(block) * PAIR
            words[head + place + FIRST] = begin + first * PAIR
            words[head + place + BEYOND] = begin + (first + count) * PAIR
        book.bids, book.asks = BookSide(), BookSide()
        words[head + DEPTH_MAX], words[head + DEPTH] = book.depth_max, arena.depth
        words[head + PRICE_EXP], words[head + SIZE_EXP] = scale.price_exp, scale.size_exp
        words[head + ARENA_ADDRESS] = arena.block.ctypes.data + slot.row * arena.stride * WORD
        words[head + KIND] = kind
        if self._names.get(name) != slot.row:
            self._enter(name, slot.row)
        slot.lent = True
        slot.lent_at = arena.updates.item(slot.row)

    def take_back(self, slot: BookSlot) -> None:
        """Give a book back to the plain reader as it stands now."""
        arena, head = self._books.arena, slot.row * ROW_WORDS
        self._books.write_levels(slot.row)
        self._rows[head + KIND] = 0
        book, (bids, asks) = slot.book, self._blocks[slot.row]
        book.bids, book.asks = self._side(bids, head + BIDS, 1), self._side(asks, head + ASKS, -1)
        slot.sequence = arena.sequence.item(slot.row)
        slot.joined = True
        slot.lent = False
        lasted = arena.updates.item(slot.row) - slot.lent_at
        slot.rests = 1 if lasted > REST_MAX else min(2 * slot.rests, REST_MAX)
        slot.rest = slot.rests

    def forget(self, name: str, row: int) -> None:
        """Let go of a book that is retired and was taken back."""
        self._blocks.pop(row, None)
        if self._names.pop(name, None) is not None:
            self._write_table()

    def fold(self, counts: FeedCounts) -> None:
        """Add what was counted since the last time."""
        now = [self._words[place] for place in _COUNTED]
        frames, book_frames, levels, contained = (new - old for new, old in zip(now, self._counted, strict=True))
        self._counted = now
        counts.frames += frames
        counts.book_frames += book_frames
        counts.levels += levels
        counts.ignored += contained

    def _side(self, block: Block, place: int, sign: int) -> BookSide:
        begin, first, beyond = (self._rows[place + word] for word in (BLOCK, FIRST, BEYOND))
        pairs = block[(first - begin) // PAIR : (beyond - begin) // PAIR]
        prices: list[Number] = (pairs[:, 0] * sign).tolist()
        side = BookSide()
        side.sizes = dict(zip(prices, pairs[:, 1].tolist(), strict=True))
        side.prices = prices if sign > 0 else prices[::-1]
        side.touched = False
        return side

    def _enter(self, name: str, row: int) -> None:
        self._names[name] = row
        if 2 * len(self._names) > len(self._table):
            self._write_table()
        else:
            self._put(self._table, name, row)

    def _write_table(self) -> None:
        size = 16
        while size < 4 * len(self._names):
            size *= 2
        table: Block = np.zeros((size, ENTRY_WORDS), dtype=np.int64)
        for name, row in self._names.items():
            self._put(table, name, row)
        self._table = table
        self._words[TABLE], self._words[TABLE_MASK] = table.ctypes.data, size - 1

    def _put(self, table: Block, name: str, row: int) -> None:
        text = name.encode()
        mixed, mask = hashed(text), len(table) - 1
        padded = text.ljust(NAME_MAX, b"\0")
        entry = [mixed, row + 1, len(text), *np.frombuffer(padded, dtype=np.int64).tolist()]
        at = mixed & mask
        while table[at, ENTRY_SIZE] and table[at].tolist()[ENTRY_NAME:] != entry[ENTRY_NAME:]:
            at = (at + 1) & mask
        table[at] = entry


_COUNTED = (QUIET_FRAMES, BOOK_FRAMES, LEVELS, CONTAINED)


def _room(block: Block | None, count: int) -> Block:
    """Return a block for `count` levels and as many as may come before it is filled anew; the old one where it suffices."""
    wanted = max(LEAST_PAIRS, count + count // 4 + LEAST_PAIRS // 2)
    return block if block is not None and wanted <= len(block) <= 4 * wanted else np.zeros((wanted, 2), dtype=np.int64)


def _address_of(words: memoryview) -> int:
    found: int = np.frombuffer(words, dtype=np.int64).ctypes.data
    return found
