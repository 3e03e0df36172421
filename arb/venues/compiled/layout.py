"""Where compiled code keeps what belongs to a book, a connection and all of them: places of 64-bit words.

A side of a book is a run of (key, size) pairs in rising order of the key, which is the price of a bid and the price of an ask
times -1: so the best level is the last one on both sides, most changes fall near the end that moves least, and one
function serves both. A run lies somewhere in a block of its own and may grow at both ends. Nothing is outside: any price that
fits a word is kept, near the best one or not.
"""

WORD, PAIR = 8, 16

# Of a row (`arb/market/words.py`), 0 to 15. A kind of 0: the plain reader keeps this book.
KIND, DEPTH_MAX, PRICE_EXP, SIZE_EXP, DEPTH = 0, 1, 2, 3, 4
"""What its frames are; levels kept a side (0: all); decimals of the scale; levels that the arena shows."""
BIDS, ASKS = 8, 12
"""Where a side begins: four words from here on."""
BLOCK, BLOCK_END, FIRST, BEYOND = 0, 1, 2, 3
"""Of a side, all addresses: where its block begins and ends, its first pair, and the end of its last one."""

# Of a connection, from word 10 on.
TABLE, TABLE_MASK, ROWS_AT, SCRATCH, SHAPE = 10, 11, 12, 13, 14
"""Its books by name; addresses of the rows' blocks and of the place where a frame's levels are read to; what its frames look like."""
BOOK_FRAMES, LEVELS, CONTAINED = 15, 16, 17
"""What was counted of frames that the plain reader has not seen; it only rises."""

# An entry of a connection's table: hash of the name, row + 1 (0: none), length (0: the entry is free), and the name itself.
ENTRY_WORDS, ENTRY_HASH, ENTRY_ROW, ENTRY_SIZE, ENTRY_NAME = 8, 0, 1, 2, 3
NAME_MAX = 40
EXP_MAX = 12
"""Decimals of a scale at most, so that a number of several digits still fits 64 bits (`arb/market/scale.py`)."""

# The kinds of a book's frames; a connection's shape is that of the first.
GATE_OBU, GATE_UPDATES, OKX, BITGET, BYBIT = 1, 2, 3, 4, 5

LEVELS_MAX = 1024
"""Levels a side that one frame may have; longer ones are the plain reader's."""

# FNV-1a, 64 bits, the start as the signed number that has the same bits.
HASH_START = 0xCBF29CE484222325 - 2**64
HASH_PRIME = 0x100000001B3


def hashed(name: bytes) -> int:
    """Return the hash of a name as `text` does."""
    mixed = HASH_START
    for letter in name:
        mixed = (mixed ^ letter) * HASH_PRIME
        mixed = (mixed + 2**63) % 2**64 - 2**63
    return mixed
