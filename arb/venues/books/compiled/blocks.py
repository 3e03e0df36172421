"""Consecutive frames of a tape, each taken as `kernel.take_frame` takes one; compiled.

Of several sources, the one with the earliest next line goes first; at equal instants, the first source. It ends where
Python must continue: at a frame that may make an edge, a frame for the plain reader, a line that is no frame, the end of a
source, or the instant of another event.
"""

from arb.market.words import ROW_WORDS
from arb.venues.books.compiled.frames import ASKS_READ, is_named
from arb.venues.books.compiled.kernel import HAND_OVER, read_frame, take_frame
from arb.venues.books.compiled.layout import (
    AT_END,
    AT_LIMIT,
    AT_LINE,
    AT_REFILL,
    AT_ROW,
    CLOCK_NS,
    CLOCKED,
    FEED_CONNECTION,
    FEED_MASK,
    FEED_TABLE,
    FRAME_AT,
    FRAME_SIZE,
    GOES_ON,
    KIND,
    LIMIT_NS,
    LINE_FEED,
    LINE_NS,
    LINE_WORDS,
    MEASURE_EXP,
    ONE_BY_ONE,
    PAIR,
    PASSED_OVER,
    PRICE_UNIT,
    ROWS_AT,
    SCRATCH,
    SIZE_UNIT,
    SOURCE_COUNT,
    SOURCE_CURSOR,
    SOURCE_FEEDS,
    SOURCE_LINES,
    SOURCES,
    SOURCES_AT,
    STOPPED_AT,
    STOPPED_FEED,
    STOPPED_ROW,
    TABLE,
    TABLE_MASK,
    TAKEN,
    TO_PYTHON,
    UNOPENED,
    WORD,
)
from arb.venues.books.compiled.memory import inlined, power_of_ten, put_word, word_at

NEVER = (1 << 63) - 1


@inlined
def source_at(order: int, place: int):
    return word_at(order + (SOURCES_AT + place) * WORD)


@inlined
def next_line(source: int):
    """Return a source's next entry that is not skipped, 0 at the end of the source."""
    count = word_at(source + SOURCE_COUNT * WORD)
    cursor = word_at(source + SOURCE_CURSOR * WORD)
    while cursor < count:
        entry = word_at(source + SOURCE_LINES * WORD) + cursor * LINE_WORDS * WORD
        if word_at(entry + LINE_FEED * WORD) != PASSED_OVER:
            put_word(source + SOURCE_CURSOR * WORD, cursor)
            return entry
        cursor += 1
    put_word(source + SOURCE_CURSOR * WORD, cursor)
    return 0


@inlined
def first_frame(order: int):
    """Find the next line: why it is none for compiled code (`GOES_ON`: it is one), its entry, its instant, its source."""
    first, line, line_ns = -1, 0, NEVER
    for place in range(word_at(order + SOURCES * WORD)):
        found = next_line(source_at(order, place))
        if found == 0:
            put_word(order + STOPPED_AT * WORD, place)
            return AT_REFILL, 0, 0, 0
        if first < 0 or word_at(found + LINE_NS * WORD) < line_ns:
            first, line, line_ns = place, found, word_at(found + LINE_NS * WORD)
    if first < 0:
        return AT_END, 0, 0, 0
    at_ns = max(line_ns, word_at(order + CLOCK_NS * WORD)) if word_at(order + CLOCKED * WORD) else line_ns
    put_word(order + STOPPED_AT * WORD, first)
    if word_at(line + LINE_FEED * WORD) == UNOPENED:
        return AT_REFILL, 0, 0, 0
    if at_ns >= word_at(order + LIMIT_NS * WORD):
        return AT_LIMIT, 0, 0, 0
    if word_at(line + LINE_FEED * WORD) == TO_PYTHON or word_at(order + ONE_BY_ONE * WORD):
        return AT_LINE, 0, 0, 0
    return GOES_ON, line, at_ns, source_at(order, first)


@inlined
def connection_of(line: int, source: int):
    """Return the connection of an entry, whose books' names are those of the entry's feed."""
    feed = word_at(word_at(source + SOURCE_FEEDS * WORD) + word_at(line + LINE_FEED * WORD) * WORD)
    connection = word_at(feed + FEED_CONNECTION * WORD)
    put_word(connection + TABLE * WORD, word_at(feed + FEED_TABLE * WORD))
    put_word(connection + TABLE_MASK * WORD, word_at(feed + FEED_MASK * WORD))
    return connection


@inlined
def take_note(order: int, line: int, at_ns: int, source: int):
    """Continue at the line after one that was taken."""
    put_word(source + SOURCE_CURSOR * WORD, word_at(source + SOURCE_CURSOR * WORD) + 1)
    put_word(order + CLOCK_NS * WORD, max(at_ns, word_at(order + CLOCK_NS * WORD)))
    put_word(order + TAKEN * WORD, word_at(order + TAKEN * WORD) + 1)


def take_frames(order):
    """Take frames and return why that ended; see the module's text and `layout.py`."""
    while True:
        reason, line, at_ns, source = first_frame(order)
        if reason != GOES_ON:
            return reason
        at, size = word_at(line + FRAME_AT * WORD), word_at(line + FRAME_SIZE * WORD)
        answer = take_frame(at, size, at_ns, connection_of(line, source))
        if answer == HAND_OVER:
            return AT_LINE
        take_note(order, line, at_ns, source)
        if answer:
            put_word(order + STOPPED_FEED * WORD, word_at(line + LINE_FEED * WORD))
            put_word(order + STOPPED_ROW * WORD, answer)
            return AT_ROW


def measure_frames(order):
    """Only measure the levels of frames, without changing books; return why that ended. A row holds its measure."""
    while True:
        reason, line, at_ns, source = first_frame(order)
        if reason != GOES_ON:
            return reason
        at, connection = word_at(line + FRAME_AT * WORD), connection_of(line, source)
        end = at + word_at(line + FRAME_SIZE * WORD)
        after, number, kind, _, _, bids, asks, _ = read_frame(at, end, connection)
        if after != end or not is_named(connection, number):
            return AT_LINE
        row = word_at(connection + ROWS_AT * WORD) + (number - 1) * ROW_WORDS * WORD
        if word_at(row + KIND * WORD) != kind:
            return AT_LINE
        read = word_at(connection + SCRATCH * WORD)
        measure(row, read, bids)
        measure(row, read + ASKS_READ, asks)
        take_note(order, line, at_ns, source)


@inlined
def measure(row: int, read: int, count: int):
    """Note the greatest power of ten, at most 1, that all prices and all sizes are multiples of."""
    price_unit, size_unit = word_at(row + PRICE_UNIT * WORD), word_at(row + SIZE_UNIT * WORD)
    for at in range(read, read + count * PAIR, PAIR):
        price_unit = unit_of(price_unit, word_at(at), MEASURE_EXP)
        size_unit = unit_of(size_unit, word_at(at + WORD), MEASURE_EXP)
    put_word(row + PRICE_UNIT * WORD, price_unit)
    put_word(row + SIZE_UNIT * WORD, size_unit)


@inlined
def unit_of(unit: int, value: int, exp: int):
    """Return the unit with one number more; 0: there was none but 0."""
    if value == 0:
        return unit
    if unit == 0:
        unit = power_of_ten(exp)
    while value % unit:
        unit //= 10
    return unit
