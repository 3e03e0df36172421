"""The memory of compiled code for books, connections and shared data: places of 64-bit words.

A side of a book has a *ladder* and a *run*. In both, a level has a key: the price of a bid, or the price of an ask times
-1. So the best level has the highest key on either side, and one function serves both. The ladder has a step for each of
`STEPS` keys, `TICK` apart, around the best level when the book was lent. A level's size is written to its step, and a bit
shows whether the step has a level. The run has all levels that are not on a step, as (key, size) pairs in rising order,
and may grow at both ends. So every level has a place, however far from the best level and however fine. The tick is the
common divisor of the book's prices; prices that are finer go to the run.
"""

from arb.market.words import NAME_AT
from arb.venues.books.plain.bbo_check import HEARD_MAX

WORD, PAIR = 8, 16
STEPS = 1024
BITS = STEPS // 64
"""Words of a ladder besides its sizes: a bit for each step."""
BEST_STEP, TOP_STEP, NEAR_STEPS = 832, 839, 64
"""The step of the best level when a book is lent (most levels are worse); the highest of the near steps; how many near steps
there are. Most changes touch near steps.
"""
NEAR_AT = BITS * WORD
NEAR_BYTES = NEAR_AT + NEAR_STEPS * WORD
"""The book's row has the bits of each side's ladder, and the sizes of its near steps from the highest on; bids first. So
the data that a change touches are together, and those of a thousand symbols are on few pages of memory: the processor has
to look up each page.
"""
FAR_BYTES = (STEPS - NEAR_STEPS) * WORD
"""The sizes of the other steps are elsewhere: those below, down to step 0, and then those above, from the top."""

# Of a row (`arb/market/words.py`), 0 to 31. A kind of 0: the plain reader keeps this book.
KIND, DEPTH_MAX, FAR, DEPTH, TICK, PER_TICK, AGREED = 0, 1, 2, 4, 5, 6, 7
"""`KIND`: the kind of its frames. `DEPTH_MAX`: levels kept a side (0: all). `FAR`, for bids and for asks: where the sizes of
the far steps would begin if those of the near steps preceded them. `DEPTH`: levels that the arena shows. `TICK`, and 1 / tick
as a float. `AGREED`: how many best quotes have agreed with the book since it was lent.
"""
BIDS, ASKS = 8, 16
"""Where a side begins: eight words from here on."""
BLOCK, BLOCK_END, FIRST, BEYOND, LADDER, BASE, NEAR, HORIZON = 0, 1, 2, 3, 4, 5, 6, 7
"""Of a side. Addresses: where the run's block begins and ends, its first pair, the end of its last pair, and where the bits of
the ladder begin. Then `BASE`, the key of the ladder's first step, and `NEAR`, how many steps have a level. `HORIZON` is the key
of the worst level that the snapshot knew: levels beyond it are kept, but not shown.
"""
NO_HORIZON = -(1 << 63)
"""The horizon of a side of which the snapshot had all levels."""

SHOWN, SHOWN_ONLY_BEST = 24, 28
"""The best levels as the arena shows them: bid, its size, ask, its size (a size of -1: not known). And whether the arena notes
already that the other levels are unwritten. Unchanged values need not be written again.
"""
QUOTES, QUOTES_FIRST, QUOTES_BEYOND = 29, 30, 31
"""For a book whose best quotes are also sent separately: the addresses of the quotes that it has not reached yet. They are the
place of all quotes, the first quote, and the end of the last one. 0: there are no such quotes, or they do not count.
"""
QUOTE_WORDS, QUOTES_MAX = 5, HEARD_MAX
"""A quote is its id, bid, its size, ask, its size. `QUOTES_MAX` are kept. One more goes to the plain reader; at OKX it makes
all others be forgotten.
"""

# Of a connection, from word 10 on.
TABLE, TABLE_MASK, ROWS_AT, SCRATCH, SHAPE = 10, 11, 12, 13, 14
"""Its table of books by name; where the blocks of rows begin; where levels of a frame are written; the form of its frames."""
BOOK_FRAMES, LEVELS, CONTAINED = 15, 16, 17
"""Counts of frames that the plain reader has not seen; they only rise."""
ARENA_AT, ARENA_STRIDE, SYMBOLS_AT = 20, 21, 22
"""Where rows of the arena begin (0: none), how long a row is, and where blocks of symbols begin. So the addresses of all data
of a book are known at once.
"""
READ_EXPS, READ_AT, READ_SIZE = 19, 23, 24
"""The name in the frame being read: the decimals of its book, as its table has them, its place and its length."""
OTHERS, HELD = 25, 26
"""Counted as `BOOK_FRAMES` is: frames that are no changes, and quotes that agreed with their book."""

# A connection's table has a word for each of its books, at the place of its name's hash or behind it; 0: none. From the
# lowest bits on, the word has the row + 1, the number of the symbol's block, the decimals of prices and of sizes, and the
# hash's highest bits. With the decimals, levels can be read before anything else of the book. The row shows whether the
# name is the book's.
ROW_BITS, EXP_BITS = 20, 4
ROW_MASK, EXP_MASK, TAG_MASK = (1 << ROW_BITS) - 1, (1 << EXP_BITS) - 1, -(1 << 2 * (ROW_BITS + EXP_BITS))
# There a book has its name's length, and the name itself.
NAME_SIZE, NAME_TEXT, ENTRY_WORDS = NAME_AT, NAME_AT + 1, 6
NAME_MAX = 40
EXP_MAX = 12
"""The most decimals of a scale, so that a number of several digits still fits 64 bits (`arb/market/scale.py`)."""

# The kinds of a book's frames; a connection's shape is that of the first.
GATE_OBU, GATE_UPDATES, OKX, BITGET, BYBIT, BINANCE = 1, 2, 3, 4, 5, 6

LEVELS_MAX = 1024
"""The most levels a side of one frame; longer frames go to the plain reader."""

# As FNV-1a, 64 bits, but eight characters at a time. At last it is multiplied by an odd number near 2**64 / 1.618, so that
# its highest bits differ for names that differ in one character. Start and spread are the signed numbers with these bits.
HASH_START = 0xCBF29CE484222325 - 2**64
HASH_PRIME = 0x100000001B3
HASH_SPREAD = 0x9E3779B97F4A7C15 - 2**64


def hashed(name: bytes) -> int:
    mixed = HASH_START % 2**64
    for at in range(0, len(name) + 1, 8):
        mixed = (mixed ^ int.from_bytes(name[at : at + 8], "little")) * HASH_PRIME % 2**64
    mixed = (mixed ^ mixed >> 32) * HASH_SPREAD % 2**64
    return (mixed + 2**63) % 2**64 - 2**63


# Consecutive frames, as `blocks.py` takes them from the lines of a tape that `tape_lines.py` has read. An entry is one
# line: its instant, the number of its feed, place and length of its frame, place and length of the line in its text, and
# the line's number in the tape. Feed 0: the line is for Python; -1: it is skipped; -2: a tape must be opened here.
LINE_WORDS, LINE_NS, LINE_FEED, FRAME_AT, FRAME_SIZE, LINE_AT, LINE_SIZE, LINE_NUMBER = 8, 0, 1, 2, 3, 4, 5, 6
TO_PYTHON, PASSED_OVER, UNOPENED = 0, -1, -2

# Of a feed: its connection's words, and table of its books (a capture may show one venue by several connections).
FEED_WORDS, FEED_CONNECTION, FEED_TABLE, FEED_MASK = 3, 0, 1, 2

# The order to read lines: begin and end of the text, where entries are written and how many fit, where frames are copied
# to, the names of feeds and their number. The result: the number of entries, the last sequence number (-1: lines have
# none), the number of lines of the tape before these, and how many of these are for Python.
READING_WORDS = 13
TEXT_AT, TEXT_END, LINES, LINES_MAX, COPY_AT, COPY_END, NAMES, NAMES_COUNT, LINES_READ, LAST_SEQ, TEXT_BEGIN = range(11)
LINES_BEFORE, LINES_TO_PYTHON = 11, 12
# A name: of the venue and of the connection ("": the venue's first), where their letters begin and how many there are.
NAME_WORDS, VENUE_AT, VENUE_SIZE, FURTHER_AT, FURTHER_SIZE = 4, 0, 1, 2, 3

# The order to take frames: the instant to stop before; the clock, which it advances (`CLOCKED`: a frame is received at
# the clock's time or later); the number of sources; whether Python takes each frame. The result: how many were taken, and
# where it ended: the source, the feed's number and the row + 1 for plain code.
LIMIT_NS, CLOCK_NS, CLOCKED, SOURCES, ONE_BY_ONE, TAKEN, STOPPED_AT, STOPPED_FEED, STOPPED_ROW = range(9)
SOURCES_AT = 9
"""The addresses of the sources begin here."""
SOURCE_WORDS, SOURCE_LINES, SOURCE_CURSOR, SOURCE_COUNT, SOURCE_FEEDS = 4, 0, 1, 2, 3
"""Of a source: its entries, the next one, how many there are, and the addresses of its feeds by number."""

# Why taking frames ended.
AT_END, AT_LIMIT, AT_REFILL, AT_LINE, AT_ROW, GOES_ON = range(6)

# Of a row whose frames are only measured: the common divisor of all prices and of all sizes, on its scale; 0: there was
# none but 0.
PRICE_UNIT, SIZE_UNIT = 8, 9
MEASURE_EXP = 10
"""Decimals to which levels are measured; finer ones go to the plain reader."""
