"""The books of a connection by the names that its frames call them, where compiled code looks them up (`frames.row_of`)."""

import re

import numpy as np
import numpy.typing as npt

from arb.venues.compiled.layout import (
    ENTRY_NAME,
    ENTRY_SIZE,
    ENTRY_WORDS,
    FEED_TABLE,
    NAME_MAX,
    TABLE,
    TABLE_MASK,
    hashed,
)

Block = npt.NDArray[np.int64]
PLAIN_NAME = re.compile(rf"[A-Za-z0-9._@:/-]{{1,{NAME_MAX}}}", re.ASCII)
"""Names that compiled code can look up."""


class NameTable:
    """The names of one feed's books, each with its row; `words`: the connection's."""

    def __init__(self, words: memoryview) -> None:
        self._words = words
        self._rows: dict[str, int] = {}
        self._table: Block = np.zeros((0, ENTRY_WORDS), dtype=np.int64)
        self.block: Block = np.array([address_of(words), 0, 0], dtype=np.int64)
        """What compiled code needs to know to take frames of this feed in a row (`layout.FEED_WORDS`)."""

    def enter(self, name: str, row: int) -> None:
        """Have frames of this name be those of a row."""
        if self._rows.get(name) == row:
            return
        self._rows[name] = row
        if 2 * len(self._rows) > len(self._table):
            self._write()
        else:
            _put(self._table, name, row)

    def forget(self, name: str) -> None:
        """Know a name no more."""
        if self._rows.pop(name, None) is not None:
            self._write()

    def show(self) -> None:
        """Have the connection's next frames looked up here: the feeds of a capture may share a connection's words."""
        self._words[TABLE], self._words[TABLE_MASK] = self.block[FEED_TABLE:].tolist()

    def _write(self) -> None:
        size = 16
        while size < 4 * len(self._rows):
            size *= 2
        table: Block = np.zeros((size, ENTRY_WORDS), dtype=np.int64)
        for name, row in self._rows.items():
            _put(table, name, row)
        self._table = table
        self.block[FEED_TABLE:] = table.ctypes.data, size - 1
        self.show()


def _put(table: Block, name: str, row: int) -> None:
    text = name.encode()
    mixed, mask = hashed(text), len(table) - 1
    padded = text.ljust(NAME_MAX, b"\0")
    entry = [mixed, row + 1, len(text), *np.frombuffer(padded, dtype=np.int64).tolist()]
    at = mixed & mask
    while table[at, ENTRY_SIZE] and table[at].tolist()[ENTRY_NAME:] != entry[ENTRY_NAME:]:
        at = (at + 1) & mask
    table[at] = entry


def address_of(words: memoryview) -> int:
    """Return where the words of a memory view begin."""
    found: int = np.frombuffer(words, dtype=np.int64).ctypes.data
    return found
