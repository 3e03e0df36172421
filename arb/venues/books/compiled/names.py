"""The books of a connection by the names that its frames call them, where compiled code looks them up (`frames.row_of`)."""

import re

import numpy as np
import numpy.typing as npt

from arb.market.scale import Scale
from arb.market.words import NAME_AT
from arb.venues.books.compiled.layout import (
    ENTRY_WORDS,
    EXP_BITS,
    FEED_TABLE,
    NAME_MAX,
    ROW_BITS,
    ROW_MASK,
    TABLE,
    TABLE_MASK,
    TAG_MASK,
    hashed,
)

Block = npt.NDArray[np.int64]
PLAIN_NAME = re.compile(rf"[A-Za-z0-9._@:/-]{{1,{NAME_MAX}}}", re.ASCII)
"""Names that compiled code can look up."""
_LEAST = 16


class NameTable:
    """The names of one feed's books, each with its row; `words`: the connection's, `rows`: those of all its rows."""

    def __init__(self, words: memoryview, rows: Block) -> None:
        self._words = words
        self._names = rows[:, NAME_AT : NAME_AT + ENTRY_WORDS]
        self._entries: dict[str, int] = {}
        self._table: Block = np.zeros(0, dtype=np.int64)
        self.block: Block = np.array([address_of(words), 0, 0], dtype=np.int64)
        """The words compiled code needs to take frames of this feed in a row (`layout.FEED_WORDS`)."""

    def enter(self, name: str, row: int, scale: Scale, symbol: int = 0) -> None:
        """Have frames of this name be those of a row; `symbol`: the number of its symbol's block, to have it fetched early."""
        exps = scale.size_exp << EXP_BITS | scale.price_exp
        entry = exps << 2 * ROW_BITS | symbol << ROW_BITS | row + 1
        if row >= ROW_MASK or symbol > ROW_MASK:
            return
        self._names[row] = np.frombuffer(_packed(name), dtype=np.int64)
        before = self._entries.get(name, 0)
        if before == entry:
            return
        self._entries[name] = entry
        if 2 * len(self._entries) > len(self._table):
            self._write()
        else:
            self._put(name, entry, before)
            self._point()

    def forget(self, name: str) -> None:
        if self._entries.pop(name, None) is not None:
            self._write()

    def show(self) -> None:
        """Have the connection's next frames looked up here: the feeds of a capture may share a connection's words."""
        self._words[TABLE], self._words[TABLE_MASK] = self.block[FEED_TABLE:].tolist()

    def _write(self) -> None:
        size = _LEAST
        while size < 2 * len(self._entries):  # small, since a wait for it hides behind nothing: it decides the fetches
            size *= 2
        self._table = np.zeros(size, dtype=np.int64)
        for name, entry in self._entries.items():
            self._put(name, entry)
        self._point()

    def _point(self) -> None:
        self.block[FEED_TABLE:] = self._table.ctypes.data, len(self._table) - 1
        self.show()

    def _put(self, name: str, entry: int, before: int = 0) -> None:
        """Write an entry in place of the one before it, or, where the name had none, to the first free place."""
        mixed, mask = hashed(name.encode()), len(self._table) - 1
        at, replaced = mixed & mask, mixed & TAG_MASK | before if before else 0
        while self._table[at] != replaced:
            at = (at + 1) & mask
        self._table[at] = mixed & TAG_MASK | entry


def _packed(name: str) -> bytes:
    """Return a name as compiled code compares it: its length and its characters."""
    text = name.encode()
    size = len(text).to_bytes(8, "little")
    return (size + text).ljust(ENTRY_WORDS * 8, b"\0")


def address_of(words: memoryview) -> int:
    """Return where the words of a memory view begin."""
    found: int = np.frombuffer(words, dtype=np.int64).ctypes.data
    return found
