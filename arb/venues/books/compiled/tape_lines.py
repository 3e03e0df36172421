"""Lines of a tape (`arb/store/tapes/tape.py`) to consecutive frames, read by compiled code.

A line is one JSON object, and its frame a string in it, whose quotation marks are escaped. Fields may have any order,
with spaces around them; a line with any other content ends the reading, and Python takes it. A frame with any other
escape, a frame of a connection that is not known, an answer and an event become entries for Python.
"""

from arb.venues.books.compiled.layout import (
    COPY_AT,
    COPY_END,
    FRAME_AT,
    FRAME_SIZE,
    FURTHER_AT,
    FURTHER_SIZE,
    LAST_SEQ,
    LINE_AT,
    LINE_FEED,
    LINE_NS,
    LINE_NUMBER,
    LINE_SIZE,
    LINE_WORDS,
    LINES,
    LINES_BEFORE,
    LINES_MAX,
    LINES_READ,
    LINES_TO_PYTHON,
    NAME_WORDS,
    NAMES,
    NAMES_COUNT,
    TEXT_AT,
    TEXT_BEGIN,
    TEXT_END,
    TO_PYTHON,
    VENUE_AT,
    VENUE_SIZE,
    WORD,
)
from arb.venues.books.compiled.memory import (
    STRETCH,
    backslashes_at,
    byte_at,
    copy_stretch,
    copy_word,
    hot,
    inlined,
    leading_digits,
    lowest_bit,
    others_at,
    power_of_ten,
    put_word,
    quotes_at,
    shifted_down,
    word_at,
)
from arb.venues.books.compiled.scan import BACKSLASH, CLOSE, COLON, COMMA, DOT, FAILED, OPEN, QUOTE, ZERO, packed

T, VENUE, KIND, URL, RAW, SEQ, T_NS = map(packed, ("t", "venue", "kind", "url", "raw", "seq", "t_ns"))
CONNECTI, ON_MARK = packed("connecti"), packed('on"')
WS_TEXT = packed('"ws"')
BEYOND = 1 << STRETCH
ESCAPES = 8
"""As many escapes as a stretch of levels mostly has."""
NEWLINE, SPACE, HIGHEST, NANOS_DIGITS = 10, 32, 127, 19
SECONDS_MIN, SECONDS_MAX, PLACES_MAX = 1 << 30, 1 << 31, 9
"""The seconds whose doubles are 2**-22 apart: from 2004 to 2038."""
FINENESS = 22
NO_SEQ = -1


@inlined
def number(at: int, end: int):
    """Read a whole number that 64 bits hold: where it ends, its value, how many digits. Nineteen at most wrap below 0."""
    value, count = 0, 0
    if end - at >= 16:
        first = leading_digits(word_at(at))
        value, count = first >> 4, first & 15
        if count == 8:
            second = leading_digits(word_at(at + 8))
            value, count = value * power_of_ten(second & 15) + (second >> 4), 8 + (second & 15)
        at += count
    while at < end and count <= NANOS_DIGITS:
        digit = byte_at(at) - ZERO
        if digit < 0 or digit > 9:
            break
        value = value * 10 + digit
        at, count = at + 1, count + 1
    if count == 0 or count > NANOS_DIGITS or value < 0 or (count > 1 and byte_at(at - count) == ZERO):
        return FAILED, 0, 0
    return at, value, count


@inlined
def instant(at: int, end: int):
    """Read seconds as a JSON number: where it ends, and the instant in ns as Python has it by `round(t * 1e9)`.

    The nearest double is found exactly (nine decimals are never in the middle of two), and its product with 1e9 is whole.
    """
    at, seconds, _ = number(at, end)
    if at == FAILED or seconds < SECONDS_MIN or seconds >= SECONDS_MAX:
        return FAILED, 0
    rest, unit, places = 0, 1, 0
    if at < end and byte_at(at) == DOT:
        at += 1
        while at < end and places <= PLACES_MAX:
            digit = byte_at(at) - ZERO
            if digit < 0 or digit > 9:
                break
            rest, unit = rest * 10 + digit, unit * 10
            at, places = at + 1, places + 1
        if places == 0 or places > PLACES_MAX:
            return FAILED, 0
    steps = rest << FINENESS
    whole = steps // unit
    whole += int(2 * (steps - whole * unit) > unit)
    exact = float((seconds << FINENESS) + whole) / float(1 << FINENESS)
    return at, int(exact * 1e9)


@inlined
def past_text(at: int, end: int):
    """Return where a string of plain ASCII without escapes ends, after its mark; of any length."""
    if at >= end or byte_at(at) != QUOTE:
        return FAILED
    at += 1
    while at < end:
        letter = byte_at(at)
        if letter == QUOTE:
            return at + 1
        if letter < 32 or letter > 126 or letter == BACKSLASH:
            return FAILED
        at += 1
    return FAILED


@inlined
def copied(at: int, end: int, target: int):
    """Copy a string of ASCII as it reads without escapes: where it ends, where the copy ends, whether all escapes are `\\"`."""
    failed = FAILED, 0, False
    if at >= end or byte_at(at) != QUOTE:
        return failed
    at, carried, plain = at + 1, 0, True
    # As long as there are only letters and `\\"`: without a branch that depends on their places.
    while end - at >= 2 * STRETCH:
        slashes, quotes = backslashes_at(at), quotes_at(at)
        escaped = slashes << 1 | carried
        if others_at(at) | (escaped ^ quotes) & (BEYOND - 1):
            size = lowest_bit(quotes & ~escaped | BEYOND)
            if size < STRETCH and (others_at(at) | escaped & ~quotes) & ((1 << size) - 1) == 0:
                return at + size + 1, without(slashes, at, size, target), True
            break
        carried = shifted_down(slashes, STRETCH - 1)
        target = without(slashes, at, STRETCH, target)
        at += STRETCH
    at -= carried
    while end - at >= 2:
        letter = byte_at(at)
        if letter == QUOTE:
            return at + 1, target, plain
        if letter == BACKSLASH:
            if not is_escape(at):
                return failed
            at += 1
            letter = byte_at(at)
            plain = plain and letter == QUOTE
        elif letter < SPACE or letter > HIGHEST:
            return failed
        copy_word(target, letter)
        at, target = at + 1, target + 1
    return failed


@hot
def without(slashes: int, at: int, size: int, target: int):
    """Copy bytes without those whose bits are set; return where the copy ends. `STRETCH` more can be read and written."""
    stop, source = 1 << size, at
    left = slashes & (stop - 1) | stop
    while True:
        for _ in range(ESCAPES):
            place = lowest_bit(left)
            copy_stretch(target, source)
            target += at + place - source
            source = at + place + int(place < size)
            left = left & (left - 1) | stop
        if source == at + size:
            return target


@inlined
def is_escape(at: int):
    """Return whether a backslash and a readable letter are here."""
    return byte_at(at) == BACKSLASH and SPACE <= byte_at(at + 1) < HIGHEST


@inlined
def same(at: int, size: int, other: int, other_size: int):
    """Return whether two pieces of memory hold the same."""
    found = size == other_size
    for place in range(size if found else 0):
        found = found and byte_at(at + place) == byte_at(other + place)
    return found


@inlined
def feed_of(order: int, venue: int, venue_size: int, further: int, further_size: int):
    """Return the number of the feed of this name, `TO_PYTHON` where there is none."""
    for place in range(word_at(order + NAMES_COUNT * WORD)):
        name = word_at(order + NAMES * WORD) + place * NAME_WORDS * WORD
        if same(venue, venue_size, word_at(name + VENUE_AT * WORD), word_at(name + VENUE_SIZE * WORD)) and same(
            further, further_size, word_at(name + FURTHER_AT * WORD), word_at(name + FURTHER_SIZE * WORD)
        ):
            return place + 1
    return TO_PYTHON


@inlined
def past_spaces(at: int, end: int):
    """Return the place of the first character that is no space; `json.dumps` writes spaces between pieces of JSON."""
    while at < end and byte_at(at) == SPACE:
        at += 1
    return at


@inlined
def line(at: int, end: int, order: int, entry: int):
    """Read a line to an entry: where it ends, after its end of line, and where its copied frame does."""
    failed = FAILED, 0
    began, target, seen = at, word_at(order + COPY_AT * WORD), 0
    copy_end, plain, ws, t_ns, own_ns, seq = target, False, False, 0, 0, NO_SEQ
    venue, venue_size, further, further_size = 0, 0, 0, 0
    if at >= end or byte_at(at) != OPEN:
        return failed
    mark = COMMA
    while mark == COMMA:
        at = past_spaces(at + 1, end)
        if end - at < 17 or byte_at(at) != QUOTE:
            return failed
        at += 1
        key = word_at(at)
        bit, size = 0, 0
        if key == CONNECTI and (word_at(at + 8) & 0xFFFFFF) == ON_MARK:
            size = 10
        else:
            while size < 6 and byte_at(at + size) != QUOTE:
                size += 1
            key &= (1 << (8 * size)) - 1
        if byte_at(at + size) != QUOTE or byte_at(at + size + 1) != COLON:
            return failed
        at = past_spaces(at + size + 2, end)
        if size == 10:
            bit, further = 1, at + 1
            at = past_text(at, end)
            further_size = at - 1 - further
        elif key == T:
            bit = 2
            at, t_ns = instant(at, end)
        elif key == VENUE:
            bit, venue = 4, at + 1
            at = past_text(at, end)
            venue_size = at - 1 - venue
        elif key == KIND:
            bit = 8
            ws = end - at >= 8 and (word_at(at) & 0xFFFFFFFF) == WS_TEXT
            at = past_text(at, end)
        elif key == URL:
            bit = 16
            at = past_text(at, end)
        elif key == RAW:
            bit = 32
            if end - at > word_at(order + COPY_END * WORD) - target:
                return failed
            at, copy_end, plain = copied(at, end, target)
        elif key == SEQ:
            bit = 64
            at, seq, _ = number(at, end)
        elif key == T_NS:
            bit = 128
            at, own_ns, _ = number(at, end)
        if at == FAILED or bit == 0 or seen & bit:
            return failed
        at = past_spaces(at, end)
        if end - at < 2:
            return failed
        seen |= bit
        mark = byte_at(at)
    if mark != CLOSE or byte_at(at + 1) != NEWLINE or seen & 46 != 46:
        return failed
    last = word_at(order + LAST_SEQ * WORD)
    if last >= 0:
        if seq >= 0 and seq != last + 1:
            return failed
        put_word(order + LAST_SEQ * WORD, max(last, seq))
    feed = TO_PYTHON
    if ws and plain and (last < 0 or seq >= 0):
        feed = feed_of(order, venue, venue_size, further, further_size)
    put_word(entry + LINE_NS * WORD, own_ns if seen & 128 else t_ns)
    put_word(entry + LINE_FEED * WORD, feed)
    put_word(entry + FRAME_AT * WORD, target)
    put_word(entry + FRAME_SIZE * WORD, copy_end - target)
    put_word(entry + LINE_AT * WORD, began - word_at(order + TEXT_BEGIN * WORD))
    put_word(entry + LINE_SIZE * WORD, at + 2 - began)
    return at + 2, copy_end


def read_lines(order):
    """Read lines until one is odd or cut, or no more fit; return 0."""
    at, end = word_at(order + TEXT_AT * WORD), word_at(order + TEXT_END * WORD)
    read, number, to_python = 0, word_at(order + LINES_BEFORE * WORD), 0
    while read < word_at(order + LINES_MAX * WORD) and at < end:
        entry = word_at(order + LINES * WORD) + read * LINE_WORDS * WORD
        after, copy_end = line(at, end, order, entry)
        if after == FAILED:
            break
        at = after
        read += 1
        to_python += int(word_at(entry + LINE_FEED * WORD) == TO_PYTHON)
        put_word(entry + LINE_NUMBER * WORD, number + read)
        put_word(order + COPY_AT * WORD, copy_end)
    put_word(order + TEXT_AT * WORD, at)
    put_word(order + LINES_READ * WORD, read)
    put_word(order + LINES_TO_PYTHON * WORD, to_python)
    return 0
