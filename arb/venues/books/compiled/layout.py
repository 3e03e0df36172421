"""The memory of compiled code for books, connections and shared data: places of 64-bit words.

A side of a book has a *ladder* and a *run*. On both a level has a key, the price of a bid and the price of an ask times
-1: so the best level has the highest key on both sides, and one function serves both. The ladder has a step for each of
`STEPS` keys, `TICK` apart, around the best level when the book was lent: the size is written to its step, and a bit
shows whether there is one. The run holds all levels that are not on a step, (key, size) pairs in rising order, and may
grow at both ends: so every level has a place, however far from the best level and however fine. The tick is the common
divisor of the book's prices; where it is finer, the run takes more.
"""

from arb.market.words import NAME_AT
from arb.venues.books.plain.bbo_check import HEARD_MAX

WORD, PAIR = 8, 16
STEPS = 1024
BITS = STEPS // 64
"""Words of a ladder besides its sizes: a bit for each step."""
BEST_STEP, TOP_STEP, NEAR_STEPS = 832, 839, 64
"""The step of the best level when a book is lent, most levels being worse; and the highest of the near steps, which are
those that most changes touch.
"""
NEAR_AT = BITS * WORD
NEAR_BYTES = NEAR_AT + NEAR_STEPS * WORD
"""Of a side's ladder the bits and the sizes of the near steps, from the highest on, are in the book's row, the bids'
before the asks'. So the data a change touches are together, and a thousand symbols' on few pages of memory: each page
more is one more that the processor has to look up.
"""
FAR_BYTES = (STEPS - NEAR_STEPS) * WORD
"""The sizes of the other steps are elsewhere: those below, down to step 0, and then those above, from the top."""

# Of a row (`arb/market/words.py`), 0 to 31. A kind of 0: the plain reader keeps this book.
KIND, DEPTH_MAX, FAR, DEPTH, TICK, PER_TICK, AGREED = 0, 1, 2, 4, 5, 6, 7
"""The kind of its frames; levels kept a side (0: all); of the bids and of the asks, where the sizes of steps that are
not near would begin if those of the near ones preceded them; levels that the arena shows; the tick, and 1 / tick as a
float; how many best quotes have agreed with the book since it was lent.
"""
BIDS, ASKS = 8, 16
"""Where a side begins: eight words from here on."""
BLOCK, BLOCK_END, FIRST, BEYOND, LADDER, BASE, NEAR, HORIZON = 0, 1, 2, 3, 4, 5, 6, 7
"""Of a side, addresses: where the run's block begins and ends, its first pair, the end of its last one, where the bits
of the ladder begin; then the key of the ladder's first step, how many steps have a level, and the key of the worst
level that the snapshot knew: levels beyond it are kept, and not shown.
"""
NO_HORIZON = -(1 << 63)
"""The horizon of a side of which the snapshot knew all."""

SHOWN, SHOWN_ONLY_BEST = 24, 28
"""The best levels as the arena shows them (bid, its size, ask, its size; a size of -1: not known), and whether it was
noted there that the others are unwritten: unchanged levels need not be written again.
"""
QUOTES, QUOTES_FIRST, QUOTES_BEYOND = 29, 30, 31
"""Of a book whose best quotes are also sent separately (0: they are not, or do not count), addresses: where the quotes
are kept that it has not reached yet, the first of them, and the end of the last one.
"""
QUOTE_WORDS, QUOTES_MAX = 5, HEARD_MAX
"""A quote is its id, bid, its size, ask, its size; so many are kept; one more goes to the plain reader, or at OKX makes
it forget all of them.
"""

# Of a connection, from word 10 on.
TABLE, TABLE_MASK, ROWS_AT, SCRATCH, SHAPE = 10, 11, 12, 13, 14
"""Its books by name; where the blocks of rows begin; where a frame's levels are read to; the form of its frames."""
BOOK_FRAMES, LEVELS, CONTAINED = 15, 16, 17
"""Counts of frames that the plain reader has not seen; they only rise."""
ARENA_AT, ARENA_STRIDE, SYMBOLS_AT = 20, 21, 22
"""Where rows of the arena begin (0: none), how long one is, and where blocks of symbols do. So the addresses of all
data of a book are known at once.
"""
READ_EXPS, READ_AT, READ_SIZE = 19, 23, 24
"""The name in the frame being read: the decimals of its book, as its table has them, its place and its length."""
OTHERS, HELD = 25, 26
"""Counted as `BOOK_FRAMES` is: frames that are no changes, and quotes that agreed with their book."""

# A connection's table has a word for each of its books, at the place of its name's hash or behind it, 0: none. Lowest
# is the row + 1, then the number of the symbol's block, the decimals of its prices and sizes, so that levels can be
# read before anything else of the book is, and the hash's highest bits; that it is the name is seen in the row.
ROW_BITS, EXP_BITS = 20, 4
ROW_MASK, EXP_MASK, TAG_MASK = (1 << ROW_BITS) - 1, (1 << EXP_BITS) - 1, -(1 << 2 * (ROW_BITS + EXP_BITS))
# There a book has its name's length, and the name itself.
NAME_SIZE, NAME_TEXT, ENTRY_WORDS = NAME_AT, NAME_AT + 1, 6
NAME_MAX = 40
EXP_MAX = 12
"""Decimals of a scale at most, so that a number of several digits still fits 64 bits (`arb/market/scale.py`)."""

# The kinds of a book's frames; a connection's shape is that of the first.
GATE_OBU, GATE_UPDATES, OKX, BITGET, BYBIT, BINANCE = 1, 2, 3, 4, 5, 6

LEVELS_MAX = 1024
"""Levels a side that one frame may have; longer ones are the plain reader's."""

# As FNV-1a, 64 bits, but of eight characters at a time, and spread at last, by an odd number near 2**64 / 1.618, so that its
# highest bits differ where names differ in one character; start and spread as the signed numbers that have the same bits.
HASH_START = 0xCBF29CE484222325 - 2**64
HASH_PRIME = 0x100000001B3
HASH_SPREAD = 0x9E3779B97F4A7C15 - 2**64


def hashed(name: bytes) -> int:
    mixed = HASH_START % 2**64
    for at in range(0, len(name) + 1, 8):
        mixed = (mixed ^ int.from_bytes(name[at : at + 8], "little")) * HASH_PRIME % 2**64
    mixed = (mixed ^ mixed >> 32) * HASH_SPREAD % 2**64
    return (mixed + 2**63) % 2**64 - 2**63


# Frames in a row, as `blocks.py` takes them from the lines of a tape that `tape_lines.py` has read. An entry is one
# line: its instant, the number of its feed (0: the line is for Python, -1: it is passed over, -2: a tape is to be
# opened here), where its frame begins and how long it is, where the line begins in its text, how long it is, and the
# its number in the tape.
LINE_WORDS, LINE_NS, LINE_FEED, FRAME_AT, FRAME_SIZE, LINE_AT, LINE_SIZE, LINE_NUMBER = 8, 0, 1, 2, 3, 4, 5, 6
TO_PYTHON, PASSED_OVER, UNOPENED = 0, -1, -2

# Of a feed: its connection's words, and table of its books (a capture may show one venue by several connections).
FEED_WORDS, FEED_CONNECTION, FEED_TABLE, FEED_MASK = 3, 0, 1, 2

# The order to read lines: the text from here to there, where entries go and how many fit, where frames are copied to,
# the names of feeds and how many; and the result of reading: how many entries, the last sequence number (-1: lines have
# none), how many lines of the tape before these, and how many of them are for Python.
READING_WORDS = 13
TEXT_AT, TEXT_END, LINES, LINES_MAX, COPY_AT, COPY_END, NAMES, NAMES_COUNT, LINES_READ, LAST_SEQ, TEXT_BEGIN = range(11)
LINES_BEFORE, LINES_TO_PYTHON = 11, 12
# A name: of the venue and of the connection ("": the venue's first), where their letters begin and how many there are.
NAME_WORDS, VENUE_AT, VENUE_SIZE, FURTHER_AT, FURTHER_SIZE = 4, 0, 1, 2, 3

# The order to take frames: not from this instant on; the clock, which is moved on (`CLOCKED`: a frame is received at
# the clock's time, at the earliest); of how many sources; whether Python is to take each of them. And the result: how
# many were taken, and where it ended: the source, the feed's number and the row + 1 for plain code.
LIMIT_NS, CLOCK_NS, CLOCKED, SOURCES, ONE_BY_ONE, TAKEN, STOPPED_AT, STOPPED_FEED, STOPPED_ROW = range(9)
SOURCES_AT = 9
"""From here on the addresses of the sources."""
SOURCE_WORDS, SOURCE_LINES, SOURCE_CURSOR, SOURCE_COUNT, SOURCE_FEEDS = 4, 0, 1, 2, 3
"""Of a source: its entries, the next one, how many there are, and the addresses of its feeds by number."""

# Why taking frames ended.
AT_END, AT_LIMIT, AT_REFILL, AT_LINE, AT_ROW, GOES_ON = range(6)

# Of a row whose frames are only measured: the common divisor of all prices and of all sizes, on its scale; 0: there was
# none but 0.
PRICE_UNIT, SIZE_UNIT = 8, 9
MEASURE_EXP = 10
"""Decimals to which levels are measured; finer ones are the plain reader's."""
