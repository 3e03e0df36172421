"""The frames of books as venues send them today, read by compiled code; a frame of any other form goes to the plain
reader.

Each function reads one change of one book. It returns where the frame ends, or `FAILED`, and the frame's contents. These
are the row + 1, the kind of the frame, the ids before and after it, the number of levels on each side, and the send time
(ns, the venue's clock; 0: none). The levels themselves are in the connection's scratch. Fields may have any order in which
those needed first precede the others. A repeated or unknown field, or one of another type, fails. `<venue>/books.py`
documents the fields.
"""

from arb.market.words import BOOK_AT, ROW_WORDS, SYMBOL_WORDS
from arb.venues.books.compiled.layout import (
    ARENA_AT,
    ARENA_STRIDE,
    ASKS,
    BEST_STEP,
    BIDS,
    BITGET,
    EXP_BITS,
    EXP_MASK,
    LEVELS_MAX,
    NAME_SIZE,
    NAME_TEXT,
    NEAR_AT,
    NEAR_BYTES,
    OKX,
    PAIR,
    READ_AT,
    READ_EXPS,
    READ_SIZE,
    ROW_BITS,
    ROW_MASK,
    ROWS_AT,
    SCRATCH,
    SHAPE,
    SHOWN,
    SYMBOLS_AT,
    TABLE,
    TABLE_MASK,
    TAG_MASK,
    WORD,
)
from arb.venues.books.compiled.memory import byte_at, fetch, inlined, put_word, shifted_down, word_at
from arb.venues.books.compiled.scan import (
    CLOSE,
    CLOSE_LIST,
    COMMA,
    FAILED,
    OPEN,
    OPEN_LIST,
    QUOTE,
    field,
    levels,
    millis,
    name,
    packed,
    past_levels,
    sequence_number,
    text,
)
from arb.venues.books.plain.base import MILLIS_MAX, NS_PER_MS

ASKS_READ = LEVELS_MAX * PAIR
"""The place of a frame's asks in the scratch, in bytes."""
CHANNEL = packed("channel")
S, U, B, A = map(packed, ("s", "u", "b", "a"))
ARG, ACTION, DATA, TS, INST_ID, INST_TYPE = map(packed, ("arg", "action", "data", "ts", "instId", "instType"))
ASKS_FIELD, BIDS_FIELD, CHECKSUM = map(packed, ("asks", "bids", "checksum"))
SEQ_ID, PREV_SEQ_ID, SEQ, PSEQ = map(packed, ("seqId", "prevSeqId", "seq", "pseq"))
TOPIC, TYPE, CTS = map(packed, ("topic", "type", "cts"))
UPDATE_TEXT = packed('"update"')
BOOKS_TEXT, SPOT_TEXT, DELTA_TEXT = packed('"books"'), packed('"SPOT"'), packed('"delta"')


@inlined
def is_text(at: int, end: int, wanted: int, size: int):
    """Return whether the `size` characters here, marks included, at most 8, are those wanted; more must follow."""
    return end - at >= 8 and word_at(at) & ((1 << (8 * size)) - 1 if size < 8 else -1) == wanted


@inlined
def fetch_book(connection: int, row: int, symbol: int):
    """Prefetch the data that every change touches, while levels are read: with many books, none of it is in the caches.

    Its address is computed, not read: reading it would be one more wait.
    """
    words = word_at(connection + ROWS_AT * WORD) + row * ROW_WORDS * WORD
    fetch(words)
    for line in range(SHOWN * WORD, NAME_TEXT * WORD, LINE):
        fetch(words + line)
    if word_at(connection + READ_SIZE * WORD) > NAME_NEAR:
        fetch(words + (NAME_TEXT * WORD + NAME_NEAR))
    arena = word_at(connection + ARENA_AT * WORD)
    if arena == 0:
        return
    fetch(arena + row * word_at(connection + ARENA_STRIDE * WORD))
    block = word_at(connection + SYMBOLS_AT * WORD) + symbol * SYMBOL_WORDS * WORD
    fetch(block)
    fetch(block + LINE)


LINE = 64
NAME_NEAR = 16
"""Characters of a name that are next to data always needed."""
LINES_NEAR_BEST = 7
"""Of eight steps each: those from the best level on, where most changes are."""


@inlined
def fetch_side(connection: int, row: int, asks: bool):
    """Prefetch the data of a change of one side, too."""
    if word_at(connection + ARENA_AT * WORD) == 0:
        return
    words = word_at(connection + ROWS_AT * WORD) + row * ROW_WORDS * WORD
    ladder = words + BOOK_AT * WORD + (NEAR_BYTES if asks else 0)
    fetch(words + (ASKS if asks else BIDS) * WORD)
    fetch(ladder + BEST_STEP // 64 * WORD)
    for line in range(LINES_NEAR_BEST):
        fetch(ladder + NEAR_AT + line * LINE)


@inlined
def row_of(connection: int, began: int, size: int, mixed: int):
    """Return the row + 1 of the book with this name, 0 where the connection has none; see `is_named` before it is changed."""
    return looked_up(connection, began, size, mixed, True)


@inlined
def looked_up(connection: int, began: int, size: int, mixed: int, fetched: bool):
    """Do the same as `row_of`; `fetched`: a change of the book follows."""
    table, mask = word_at(connection + TABLE * WORD), word_at(connection + TABLE_MASK * WORD)
    if table == 0:
        return 0
    slot = mixed & mask
    found = word_at(table + slot * WORD)
    while found and (found ^ mixed) & TAG_MASK:
        slot = (slot + 1) & mask
        found = word_at(table + slot * WORD)
    number = found & ROW_MASK
    if number:
        put_word(connection + READ_EXPS * WORD, shifted_down(found, 2 * ROW_BITS))
        put_word(connection + READ_AT * WORD, began)
        put_word(connection + READ_SIZE * WORD, size)
        if fetched:
            fetch_book(connection, number - 1, shifted_down(found, ROW_BITS) & ROW_MASK)
    return number


@inlined
def exps(connection: int):
    """Return the decimals of prices and of sizes of the book that was looked up last."""
    found = word_at(connection + READ_EXPS * WORD)
    return found & EXP_MASK, (found >> EXP_BITS) & EXP_MASK


@inlined
def is_named(connection: int, number: int):
    """Return whether the name read last is that of a row + 1; at least eight characters of the frame follow its beginning."""
    row = word_at(connection + ROWS_AT * WORD) + (number - 1) * ROW_WORDS * WORD
    began, size = word_at(connection + READ_AT * WORD), word_at(connection + READ_SIZE * WORD)
    if word_at(row + NAME_SIZE * WORD) != size:
        return False
    entry = row + NAME_TEXT * WORD
    while size >= WORD:
        if word_at(entry) != word_at(began):
            return False
        entry, began, size = entry + WORD, began + WORD, size - WORD
    return (word_at(entry) ^ word_at(began)) & ((1 << (8 * size)) - 1) == 0


@inlined
def side_read(at: int, end: int, connection: int, row: int, read: int):
    """Read one side's levels to `read` on the scale of a row + 1; where it is not known yet, only find their end."""
    if row == 0:
        return past_levels(at, end), 0
    if end - at > 2 and byte_at(at + 1) == OPEN_LIST:
        fetch_side(connection, row - 1, read != word_at(connection + SCRATCH * WORD))
    price_exp, size_exp = exps(connection)
    shape = word_at(connection + SHAPE * WORD)
    return levels(at, end, price_exp, size_exp, read, shape in (OKX, BITGET))


@inlined
def passed_over(at: int, end: int):
    """Return the end of a value that does not concern the book: a whole number or a short text."""
    if at < end and byte_at(at) == QUOTE:
        return text(at, end)
    return sequence_number(at, end)[0]


@inlined
def pushed_arg(at: int, end: int, connection: int, kind: int):
    """Read `arg`: where it ends, and the row + 1."""
    row, seen = 0, 0
    if at >= end or byte_at(at) != OPEN:
        return FAILED, 0
    mark = COMMA
    while mark == COMMA:
        at, key = field(at + 1, end)
        if at == FAILED:
            return FAILED, 0
        bit = 0
        if key == CHANNEL:
            bit = 1
            at = at + 7 if is_text(at, end, BOOKS_TEXT, 7) else FAILED
        elif key == INST_ID:
            bit = 2
            at, began, mixed = name(at, end, QUOTE)
            if at:
                row = row_of(connection, began, at - 1 - began, mixed)
        elif key == INST_TYPE and kind == BITGET:
            bit = 4
            at = at + 6 if is_text(at, end, SPOT_TEXT, 6) else FAILED
        if at == FAILED or bit == 0 or seen & bit or at >= end:
            return FAILED, 0
        seen |= bit
        mark = byte_at(at)
    if mark != CLOSE or row == 0 or seen != (7 if kind == BITGET else 3):
        return FAILED, 0
    return at + 1, row


@inlined
def pushed_book(at: int, end: int, connection: int, row: int, kind: int):
    """Read `data`, a list of one book: where it ends, ids before and after, levels, its time in ms (-1: none)."""
    failed = FAILED, 0, 0, 0, 0, 0
    previous, sequence, bids, asks, changed_ms, seen = 0, 0, 0, 0, -1, 0
    read = word_at(connection + SCRATCH * WORD)
    if end - at < 2 or byte_at(at) != OPEN_LIST or byte_at(at + 1) != OPEN:
        return failed
    at += 1
    mark = COMMA
    while mark == COMMA:
        at, key = field(at + 1, end)
        if at == FAILED:
            return failed
        bit = 0
        if key == ASKS_FIELD:
            bit = 1
            at, asks = side_read(at, end, connection, row, read + ASKS_READ)
        elif key == BIDS_FIELD:
            bit = 2
            at, bids = side_read(at, end, connection, row, read)
        elif key == TS:
            bit = 4
            if kind != BITGET and at < end and byte_at(at) != QUOTE:
                return failed
            at, changed_ms = millis(at, end)
        elif key == (SEQ if kind == BITGET else SEQ_ID):
            bit = 8
            at, sequence = sequence_number(at, end)
        elif key == (PSEQ if kind == BITGET else PREV_SEQ_ID):
            bit = 16
            at, previous = sequence_number(at, end)
        elif key == CHECKSUM:
            bit = 32
            at, stated = sequence_number(at, end)
            if stated:
                return failed
        if at == FAILED or bit == 0 or seen & bit or at >= end:
            return failed
        seen |= bit
        mark = byte_at(at)
    if mark != CLOSE or seen & 27 != 27 or end - at < 2 or byte_at(at + 1) != CLOSE_LIST:
        return failed
    if kind != BITGET and seen & 4 == 0:
        return failed
    return at + 2, previous, sequence, bids, asks, changed_ms


@inlined
def pushed(at: int, end: int, connection: int, kind: int):
    """Read an update of OKX's or Bitget's `books`."""
    failed = FAILED, 0, 0, 0, 0, 0, 0, 0
    row, seen, sent_ms = 0, 0, -1
    previous, sequence, bids, asks, changed_ms = 0, 0, 0, 0, -1
    if at >= end or byte_at(at) != OPEN:
        return failed
    mark = COMMA
    while mark == COMMA:
        at, key = field(at + 1, end)
        if at == FAILED:
            return failed
        bit = 0
        if key == ARG:
            bit = 1
            at, row = pushed_arg(at, end, connection, kind)
        elif key == ACTION:
            bit = 2
            at = at + 8 if is_text(at, end, UPDATE_TEXT, 8) else FAILED
        elif key == DATA and row:
            bit = 4
            at, previous, sequence, bids, asks, changed_ms = pushed_book(at, end, connection, row, kind)
        elif key == TS and kind == BITGET:
            bit = 8
            at, sent_ms = millis(at, end)
        if at == FAILED or bit == 0 or seen & bit or at >= end:
            return failed
        seen |= bit
        mark = byte_at(at)
    if mark != CLOSE or seen & 7 != 7 or changed_ms > MILLIS_MAX or sent_ms > MILLIS_MAX:
        return failed
    sent_ns = 0
    if kind == BITGET:
        sent_ns = (sent_ms if sent_ms > 0 else max(changed_ms, 0)) * NS_PER_MS
    elif bids or asks:
        sent_ns = changed_ms * NS_PER_MS
    return at + 1, row, kind, previous, sequence, bids, asks, sent_ns


@inlined
def bybit_book(at: int, end: int, connection: int, row: int):
    """Read `data`: where it ends, its id, levels."""
    failed = FAILED, 0, 0, 0
    sequence, bids, asks, seen = 0, 0, 0, 0
    read = word_at(connection + SCRATCH * WORD)
    if at >= end or byte_at(at) != OPEN:
        return failed
    mark = COMMA
    while mark == COMMA:
        at, key = field(at + 1, end)
        if at == FAILED:
            return failed
        bit = 0
        if key == S:
            bit = 1
            at = text(at, end)
        elif key == B:
            bit = 2
            at, bids = side_read(at, end, connection, row, read)
        elif key == A:
            bit = 4
            at, asks = side_read(at, end, connection, row, read + ASKS_READ)
        elif key == U:
            bit = 8
            at, sequence = sequence_number(at, end)
        elif key == SEQ:
            bit = 16
            at = sequence_number(at, end)[0]
        if at == FAILED or bit == 0 or seen & bit or at >= end:
            return failed
        seen |= bit
        mark = byte_at(at)
    if mark != CLOSE or seen & 15 != 15:
        return failed
    return at + 1, sequence, bids, asks


@inlined
def bybit(at: int, end: int, connection: int, kind: int):
    """Read a delta of `orderbook`; the book's name is the whole topic."""
    failed = FAILED, 0, 0, 0, 0, 0, 0, 0
    row, seen, sent_ms, sequence, bids, asks = 0, 0, 0, 0, 0, 0
    if at >= end or byte_at(at) != OPEN:
        return failed
    mark = COMMA
    while mark == COMMA:
        at, key = field(at + 1, end)
        if at == FAILED:
            return failed
        bit = 0
        if key == TOPIC:
            bit = 1
            at, began, mixed = name(at, end, QUOTE)
            if at:
                row = row_of(connection, began, at - 1 - began, mixed)
        elif key == TYPE:
            bit = 2
            at = at + 7 if is_text(at, end, DELTA_TEXT, 7) else FAILED
        elif key == TS:
            bit = 4
            at, sent_ms = sequence_number(at, end)
        elif key == DATA and row:
            bit = 8
            at, sequence, bids, asks = bybit_book(at, end, connection, row)
        elif key == CTS:
            bit = 16
            at = sequence_number(at, end)[0]
        if at == FAILED or bit == 0 or seen & bit or at >= end:
            return failed
        seen |= bit
        mark = byte_at(at)
    if mark != CLOSE or seen & 11 != 11 or sent_ms > MILLIS_MAX or sequence == 1:
        return failed
    return at + 1, row, kind, sequence - 1, sequence, bids, asks, sent_ms * NS_PER_MS
