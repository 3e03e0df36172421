"""Frames of a tape in a row, taken one after the other as `kernel.take_frame` takes one; compiled.

Of several sources the one whose next line is the earliest goes first, of equal instants the first source. It ends at the
first line that Python must see to: a frame that is to be looked at, one that is handed over, a line that is no frame, a source
that has run out, and the instant from which on something else happens.
"""

from arb.venues.compiled.kernel import HAND_OVER, take_frame
from arb.venues.compiled.layout import (
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
    LIMIT_NS,
    LINE_FEED,
    LINE_NS,
    LINE_WORDS,
    ONE_BY_ONE,
    PASSED_OVER,
    SOURCE_COUNT,
    SOURCE_CURSOR,
    SOURCE_FEEDS,
    SOURCE_LINES,
    SOURCE_WORDS,
    SOURCES,
    SOURCES_AT,
    STOPPED_AT,
    STOPPED_FEED,
    STOPPED_ROW,
    TABLE,
    TABLE_MASK,
    TAKEN,
    TO_PYTHON,
    WORD,
)
from arb.venues.compiled.memory import inlined, put_word, word_at

NEVER = (1 << 63) - 1


@inlined
def source_at(order: int, place: int):
    return order + (SOURCES_AT + place * SOURCE_WORDS) * WORD


@inlined
def next_line(source: int):
    """Return a source's next entry that is not passed over, 0 where it has run out, -1 where it has ended."""
    count = word_at(source + SOURCE_COUNT * WORD)
    if count < 0:
        return -1
    cursor = word_at(source + SOURCE_CURSOR * WORD)
    while cursor < count:
        entry = word_at(source + SOURCE_LINES * WORD) + cursor * LINE_WORDS * WORD
        if word_at(entry + LINE_FEED * WORD) != PASSED_OVER:
            put_word(source + SOURCE_CURSOR * WORD, cursor)
            return entry
        cursor += 1
    put_word(source + SOURCE_CURSOR * WORD, cursor)
    return 0


def take_frames(order):
    """Take frames and return why that ended; see the module's text and `layout.py`."""
    limit_ns, clocked = word_at(order + LIMIT_NS * WORD), word_at(order + CLOCKED * WORD)
    one_by_one = word_at(order + ONE_BY_ONE * WORD)
    while True:
        first, line, line_ns = -1, 0, NEVER
        for place in range(word_at(order + SOURCES * WORD)):
            found = next_line(source_at(order, place))
            if found == 0:
                put_word(order + STOPPED_AT * WORD, place)
                return AT_REFILL
            if found > 0 and (first < 0 or word_at(found + LINE_NS * WORD) < line_ns):
                first, line, line_ns = place, found, word_at(found + LINE_NS * WORD)
        if first < 0:
            return AT_END
        clock_ns = word_at(order + CLOCK_NS * WORD)
        at_ns = max(line_ns, clock_ns) if clocked else line_ns
        put_word(order + STOPPED_AT * WORD, first)
        if at_ns >= limit_ns:
            return AT_LIMIT
        number = word_at(line + LINE_FEED * WORD)
        if number == TO_PYTHON or one_by_one:
            return AT_LINE
        source = source_at(order, first)
        feed = word_at(word_at(source + SOURCE_FEEDS * WORD) + number * WORD)
        connection = word_at(feed + FEED_CONNECTION * WORD)
        put_word(connection + TABLE * WORD, word_at(feed + FEED_TABLE * WORD))
        put_word(connection + TABLE_MASK * WORD, word_at(feed + FEED_MASK * WORD))
        answer = take_frame(word_at(line + FRAME_AT * WORD), word_at(line + FRAME_SIZE * WORD), at_ns, connection)
        if answer == HAND_OVER:
            return AT_LINE
        put_word(source + SOURCE_CURSOR * WORD, word_at(source + SOURCE_CURSOR * WORD) + 1)
        put_word(order + CLOCK_NS * WORD, max(at_ns, clock_ns))
        put_word(order + TAKEN * WORD, word_at(order + TAKEN * WORD) + 1)
        if answer:
            put_word(order + STOPPED_FEED * WORD, number)
            put_word(order + STOPPED_ROW * WORD, answer)
            return AT_ROW
