"""How books move between compiled code and the plain reader, one venue's connection at a time.

The plain reader (`arb/venues/books/plain`) takes snapshots, and every frame that compiled code passes to it. A book
that it has just made live is *lent* to compiled code; before any plain operation it is *taken back*, with all its
present levels. So at any instant one of the two keeps a book, and both write the same row of the arena.

CPython keeps the characters of a `bytes` object at a fixed place behind its head, and compiled code reads them there
(`loading.py` makes sure of that).
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from arb.core.books.connection import HANDED_OVER
from arb.market.arena import INT64_MAX, BookArena
from arb.market.book import BookSide, Number, Quoted
from arb.market.feed import FeedCounts
from arb.market.words import (
    AHEAD_NS,
    ARENA_ADDRESS,
    BOOK_AT,
    QUIET_FRAMES,
    ROW_WORDS,
    SYMBOL_ADDRESS,
    SYMBOL_WORDS,
    zeros,
)
from arb.venues.books.compiled.layout import (
    AGREED,
    ARENA_AT,
    ARENA_STRIDE,
    ASKS,
    BASE,
    BEST_STEP,
    BEYOND,
    BIDS,
    BITS,
    BLOCK,
    BLOCK_END,
    BOOK_FRAMES,
    CONTAINED,
    DEPTH,
    DEPTH_MAX,
    EXP_MAX,
    FAR,
    FAR_BYTES,
    FIRST,
    HELD,
    HORIZON,
    KIND,
    LADDER,
    LEVELS,
    LEVELS_MAX,
    NEAR,
    NEAR_STEPS,
    NO_HORIZON,
    OKX,
    OTHERS,
    PAIR,
    PER_TICK,
    QUOTE_WORDS,
    QUOTES,
    QUOTES_BEYOND,
    QUOTES_FIRST,
    QUOTES_MAX,
    ROWS_AT,
    SCRATCH,
    SHAPE,
    SHOWN,
    SHOWN_ONLY_BEST,
    STEPS,
    SYMBOLS_AT,
    TICK,
    TOP_STEP,
    WORD,
)
from arb.venues.books.compiled.loading import BYTES_AT, Take, load
from arb.venues.books.compiled.names import PLAIN_NAME, NameTable, address_of
from arb.venues.books.plain.slot import BookSlot, CompiledSide

Block = npt.NDArray[np.int64]
PLACES = (TOP_STEP - np.arange(STEPS)) % STEPS
"""The place of the size of each step, the near ones first."""
LEAST_PAIRS = 128
PRICE_MAX = 10**18
"""So that differences of keys fit 64 bits."""
REST_MAX = 256
"""The most plain frames that a book rests after it was taken back: a book with only plain frames is seldom lent."""
PAID_AFTER = 16
"""Frames taken by compiled code that pay for lending and taking back: after them a book rests for only one frame."""


class Ladder(NamedTuple):
    """The steps of one side of a book: a bit for each, and the sizes of those near and of the others."""

    bits: Block
    near: Block
    far: Block

    def put(self, steps: Block, sizes: Block) -> None:
        self.bits[:] = 0
        np.bitwise_or.at(self.bits, steps >> 6, np.int64(1) << (steps & 63))
        every = np.zeros(STEPS, dtype=np.int64)
        every[PLACES[steps]] = sizes
        self.near[:], far = every[:NEAR_STEPS], every[NEAR_STEPS:]
        if far.any() or self.far.any():  # unwritten parts take no memory
            self.far[:] = far

    def sizes(self) -> Block:
        """Return the size of each step, 0 where there is no level."""
        return np.concatenate([self.near, self.far])[PLACES]


class CompiledBooks:
    """The compiled books of one arena, whose rows its connections' books write."""

    def __init__(self, arena: BookArena) -> None:
        """Load; raises `CompiledUnavailable` where compiled code is not available."""
        self.take, self._show = load()
        self.arena = arena
        self.scratch: Block = np.zeros((2 * LEVELS_MAX, 2), dtype=np.int64)
        self._far = zeros(arena.rows, 2 * FAR_BYTES // WORD)
        self.rows = np.frombuffer(arena.market.rows, dtype=np.int64).reshape(-1, ROW_WORDS)
        arena.compiled_by(self.write_levels)

    def ladders_of(self, row: int) -> tuple[Ladder, Ladder]:
        bids, asks = (
            Ladder(near[:BITS], near[BITS:], far)
            for near, far in zip(self.rows[row, BOOK_AT:].reshape(2, -1), self._far[row].reshape(2, -1), strict=True)
        )
        return bids, asks

    def write_levels(self, row: int) -> None:
        self._show(self.arena.market.row_address + row * ROW_WORDS * WORD)


class CompiledConnection(CompiledSide):
    """The compiled books of one connection, whose words these are, and whose frames are of this shape."""

    def __init__(self, books: CompiledBooks, words: memoryview, shape: int) -> None:
        self._books = books
        self._words = words
        self.take = _taker(books.take, address_of(words))
        """Takes one frame, see `arb.core.books.connection.TakeFrame`."""
        self._rows = books.arena.market.rows
        self._ratios = self._rows.cast("B").cast("d")
        self._runs: dict[int, tuple[Block, Block]] = {}
        self._quotes: dict[int, Block] = {}
        self.names = NameTable(words, books.rows)
        self._counted = [words[place] for place in _COUNTED]
        words[ROWS_AT] = books.arena.market.row_address
        words[SCRATCH] = books.scratch.ctypes.data
        words[SHAPE] = shape
        words[AHEAD_NS] = INT64_MAX
        words[ARENA_AT] = books.arena.block.ctypes.data
        words[ARENA_STRIDE], words[SYMBOLS_AT] = books.arena.stride * WORD, books.arena.market.symbol_address
        self.block = self.names.block

    def lend(self, slot: BookSlot, kind: int, name: str) -> None:
        book, scale = slot.book, slot.seat.scale
        prices = [*book.bids.prices[-1:], *book.asks.prices[-1:]]
        if (
            book.fine
            or max(prices, default=0) > PRICE_MAX
            or not _can_be_kept(kind, slot.ahead)
            or slot.texts is not None
            or max(scale.price_exp, scale.size_exp) > EXP_MAX
            or not PLAIN_NAME.fullmatch(name)
        ):
            return
        if slot.rest:
            slot.rest -= 1
            return
        arena, words, head = self._books.arena, self._rows, slot.row * ROW_WORDS
        bids, asks = (np.array(side.prices, dtype=np.int64) for side in (book.bids, book.asks))
        tick = int(np.gcd.reduce(np.diff(np.concatenate([bids, asks])))) or 1
        tick = tick if tick * STEPS <= PRICE_MAX else 1
        kept, ladders = self._runs.get(slot.row, (None, None)), self._books.ladders_of(slot.row)
        self._runs[slot.row] = (
            self._filled(
                kept[0], ladders[0], head + BIDS, bids, [book.bids.sizes[price] for price in book.bids.prices], tick
            ),
            self._filled(
                kept[1], ladders[1], head + ASKS, -asks, [book.asks.sizes[price] for price in book.asks.prices], tick
            ),
        )
        book.bids, book.asks = BookSide(), BookSide()
        words[head + DEPTH_MAX], words[head + DEPTH] = book.depth_max, arena.depth
        words[head + ARENA_ADDRESS] = arena.block.ctypes.data + slot.row * arena.stride * WORD
        words[head + TICK], self._ratios[head + PER_TICK] = tick, 1 / tick
        for side, ladder in enumerate(ladders):
            words[head + FAR + side] = ladder.far.ctypes.data - NEAR_STEPS * WORD
        words[head + SHOWN_ONLY_BEST] = words[head + AGREED] = 0
        words[head + SHOWN + 1] = words[head + SHOWN + 3] = -1
        words[head + BIDS + HORIZON] = NO_HORIZON if book.bid_horizon is None else int(book.bid_horizon)
        words[head + ASKS + HORIZON] = NO_HORIZON if book.ask_horizon is None else -int(book.ask_horizon)
        self._keep_quotes(slot.row, head, slot.ahead)
        words[head + KIND] = kind
        block = words[head + SYMBOL_ADDRESS] - arena.market.symbol_address
        self.names.enter(name, slot.row, scale, block // (SYMBOL_WORDS * WORD))
        slot.lent = True
        slot.lent_at = arena.updates.item(slot.row)

    def take_back(self, slot: BookSlot) -> None:
        arena, head = self._books.arena, slot.row * ROW_WORDS
        self._books.write_levels(slot.row)
        self._rows[head + KIND] = 0
        book, (bids, asks), ladders = slot.book, self._runs[slot.row], self._books.ladders_of(slot.row)
        tick = self._rows[head + TICK]
        book.bids = self._side(bids, ladders[0], head + BIDS, 1, tick)
        book.asks = self._side(asks, ladders[1], head + ASKS, -1, tick)
        slot.sequence = arena.sequence.item(slot.row)
        slot.lent = False
        slot.agreed += self._rows[head + AGREED]
        if slot.ahead is not None:
            slot.ahead.extend(self._kept_quotes(slot.row, head))
        lasted = arena.updates.item(slot.row) - slot.lent_at
        slot.rests = 1 if lasted >= PAID_AFTER else min(max(1, 2 * slot.rests), REST_MAX)
        slot.rest = slot.rests
        slot.joined = slot.joined or lasted > 0

    def forget(self, name: str, row: int) -> None:
        self._runs.pop(row, None)
        self._quotes.pop(row, None)
        self.names.forget(name)

    def fold(self, counts: FeedCounts) -> None:
        now = [self._words[place] for place in _COUNTED]
        frames, book_frames, levels, contained, others, held = (
            new - old for new, old in zip(now, self._counted, strict=True)
        )
        self._counted = now
        counts.frames += frames
        counts.book_frames += book_frames
        counts.levels += levels
        counts.ignored += contained
        counts.other += others
        counts.checks_held += held

    def _keep_quotes(self, row: int, head: int, ahead: deque[Quoted] | None) -> None:
        """Keep the quotes that a book has not reached yet; None: its best quotes are not sent separately."""
        words = self._rows
        words[head + QUOTES] = words[head + QUOTES_FIRST] = words[head + QUOTES_BEYOND] = 0
        if ahead is None:
            return
        kept = self._quotes.get(row)
        if kept is None:
            kept = self._quotes[row] = np.zeros((QUOTES_MAX, QUOTE_WORDS), dtype=np.int64)
        for place, (sequence, quote) in enumerate(ahead):
            kept[place] = sequence, *quote
        begin = kept.ctypes.data
        words[head + QUOTES] = words[head + QUOTES_FIRST] = begin
        words[head + QUOTES_BEYOND] = begin + len(ahead) * QUOTE_WORDS * WORD
        ahead.clear()

    def _kept_quotes(self, row: int, head: int) -> Iterator[Quoted]:
        """Yield the quotes that a book which is taken back has not reached."""
        first, beyond = ((self._rows[head + word] - self._rows[head + QUOTES]) // WORD for word in _QUOTES_KEPT)
        kept = self._quotes[row].reshape(-1)[first:beyond].reshape(-1, QUOTE_WORDS)
        for sequence, bid, bid_size, ask, ask_size in kept.tolist():
            yield sequence, (bid, bid_size, ask, ask_size)

    def _filled(
        self, kept: Block | None, ladder: Ladder, place: int, keys: Block, sizes: list[Number], tick: int
    ) -> Block:
        """Write a side's levels to the ladder or the run, and record where; return the run, the old one if it suffices."""
        best = int(keys.max()) if len(keys) else 0
        base = best - BEST_STEP * tick
        steps, off = np.divmod(keys - base, tick)
        near = (off == 0) & (steps >= 0) & (steps < STEPS)
        order = np.argsort(keys[~near])
        far, run = len(order), kept
        if run is None or not far + LEAST_PAIRS // 2 <= len(run) // 2 <= 4 * far + LEAST_PAIRS:
            run = np.zeros(2 * max(LEAST_PAIRS, far + far // 4 + LEAST_PAIRS // 2), dtype=np.int64)
        taken, numbers = steps[near], np.array(sizes, dtype=np.int64)
        ladder.put(taken, numbers[near])
        first = (len(run) // 2 - far) // 2
        run[2 * first : 2 * (first + far) : 2] = keys[~near][order]
        run[2 * first + 1 : 2 * (first + far) + 1 : 2] = numbers[~near][order]
        words, begin = self._rows, run.ctypes.data
        words[place + BLOCK], words[place + BLOCK_END] = begin, begin + len(run) // 2 * PAIR
        words[place + FIRST], words[place + BEYOND] = begin + first * PAIR, begin + (first + far) * PAIR
        words[place + LADDER], words[place + BASE], words[place + NEAR] = ladder.bits.ctypes.data, base, len(taken)
        return run

    def _side(self, run: Block, ladder: Ladder, place: int, sign: int, tick: int) -> BookSide:
        begin, first, beyond = (self._rows[place + word] for word in (BLOCK, FIRST, BEYOND))
        pairs = run[(first - begin) // WORD : (beyond - begin) // WORD]
        sizes = ladder.sizes()
        steps = np.flatnonzero(sizes)
        keys = np.concatenate([pairs[::2], steps * tick + self._rows[place + BASE]])
        prices = keys * sign
        side = BookSide()
        side.sizes = dict(zip(prices.tolist(), np.concatenate([pairs[1::2], sizes[steps]]).tolist(), strict=True))
        side.prices = sorted(side.sizes)
        side.touched = False
        return side


_COUNTED = (QUIET_FRAMES, BOOK_FRAMES, LEVELS, CONTAINED, OTHERS, HELD)
_QUOTES_KEPT = (QUOTES_FIRST, QUOTES_BEYOND)


def _can_be_kept(kind: int, ahead: deque[Quoted] | None) -> bool:
    """Return whether so many quotes fit next to a book, with some for later ones, and none is finer than its scale."""
    if ahead is None:
        return True
    most = QUOTES_MAX if kind == OKX else QUOTES_MAX // 2  # there all that are kept make room
    return len(ahead) <= most and all(type(number) is int for _, quote in ahead for number in quote)


def _taker(take: Take, connection: int) -> Callable[[bytes | str, int], int]:
    def taker(
        raw: bytes | str,
        received_ns: int,
        take: Take = take,
        connection: int = connection,
        bytes_at: int = BYTES_AT,
    ) -> int:
        return take(id(raw) + bytes_at, len(raw), received_ns, connection) if type(raw) is bytes else HANDED_OVER

    return taker
