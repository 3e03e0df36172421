"""Captures in a first pass: frames whose levels compiled code measures, and lines that Python has to read.

The plain reader reads the first frames of each book. After them, frames that compiled code knows letter by letter are only
measured, for a replay needs nothing else of them in advance. The measurements are those that the reader would have reported.
"""

from collections.abc import Iterator

import numpy as np

from arb.market.arena import INT64_MAX
from arb.market.book import ExactLevels
from arb.market.scale import Scale
from arb.market.words import CONNECTION_WORDS, ROW_WORDS, words_of
from arb.replay.blocks import FrameBlocks
from arb.replay.tapes import Captured, Merged
from arb.venues.books.compiled.layout import (
    AT_END,
    KIND,
    LEVELS_MAX,
    MEASURE_EXP,
    PRICE_UNIT,
    ROWS_AT,
    SCRATCH,
    SHAPE,
    SIZE_UNIT,
)
from arb.venues.books.compiled.names import PLAIN_NAME, Block, NameTable
from arb.venues.books.plain.base import TAPE_SCALE, WireFeed

BOOKS_MAX = 4096
"""Books of one connection that are measured by compiled code; of further ones every frame is read plainly."""
_FINER = 10 ** (TAPE_SCALE.price_exp - MEASURE_EXP)


class _Measured:
    """The books of one captured connection, each with a row of words that is not traded on."""

    def __init__(self, feed: WireFeed, scratch: Block) -> None:
        self._feed = feed
        self._words = words_of(CONNECTION_WORDS)
        self._rows: Block = np.zeros((BOOKS_MAX, ROW_WORDS), dtype=np.int64)
        self.names = NameTable(self._words, self._rows)
        self._known: dict[str, tuple[int, str]] = {}
        self._words[ROWS_AT], self._words[SCRATCH] = self._rows.ctypes.data, scratch.ctypes.data
        self._words[SHAPE] = feed.shape

    def met(self, native_symbol: str) -> None:
        """Record that the plain reader has read levels of a book, which may use another stream than before."""
        kind, name = self._feed.compiled_as(native_symbol)
        row, before = self._known.get(native_symbol, (len(self._known), ""))
        if name == before or row == BOOKS_MAX:
            return
        self.names.forget(before)
        self._known[native_symbol] = row, name
        if kind and PLAIN_NAME.fullmatch(name):
            self._rows[row, KIND] = kind
            self.names.enter(name, row, Scale(MEASURE_EXP, MEASURE_EXP))

    def steps(self) -> Iterator[tuple[str, int, int]]:
        """Yield each book with the steps of its prices and of its sizes, on `TAPE_SCALE`; 0: there was none but 0."""
        for native_symbol, (row, _) in self._known.items():
            yield native_symbol, int(self._rows[row, PRICE_UNIT]) * _FINER, int(self._rows[row, SIZE_UNIT]) * _FINER


class Measuring:
    """Captures in a first pass; iterating yields the lines that Python has to read. `add` has to follow each new connection."""

    def __init__(self, lines: Merged) -> None:
        self._sources = lines.sources()
        self._blocks = FrameBlocks([source for _, source in self._sources], clocked=False, measuring=True)
        self._measured: dict[tuple[int, str], _Measured] = {}
        self._scratch: Block = np.zeros((2 * LEVELS_MAX, 2), dtype=np.int64)

    def __iter__(self) -> Iterator[Captured]:
        blocks = self._blocks
        while blocks.take(INT64_MAX, blocks.clock_ns) != AT_END:
            yield blocks.next()

    @property
    def taken(self) -> int:
        return self._blocks.taken

    @property
    def ended_ns(self) -> int:
        """Return the latest instant of such a frame."""
        return self._blocks.clock_ns

    def add(self, connection: tuple[int, str], feed: WireFeed) -> None:
        """Let compiled code measure the frames of a connection (number of its file, name), as far as it can read them."""
        if not feed.shape:
            return
        measured = self._measured[connection] = _Measured(feed, self._scratch)
        plain = feed.on_levels

        def on_levels(native_symbol: str, levels: ExactLevels) -> None:
            if plain is not None:
                plain(native_symbol, levels)
            measured.met(native_symbol)

        feed.on_levels = on_levels
        for number, source in self._sources:
            if number == connection[0]:
                found = {name: one.names.block for (file, name), one in self._measured.items() if file == number}
                source.name_feeds(found)

    def steps(self) -> Iterator[tuple[tuple[int, str], str, int, int]]:
        """Yield the measurements of compiled code: connection, book, and the steps of prices and of sizes on `TAPE_SCALE`."""
        for connection, measured in self._measured.items():
            for native_symbol, price, size in measured.steps():
                yield connection, native_symbol, price, size
