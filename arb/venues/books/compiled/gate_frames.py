"""Gate's changes of books, `spot.obu` and `spot.order_book_update`, read by compiled code; see `frames.py`."""

from arb.venues.books.compiled.frames import (
    ASKS_READ,
    CHANNEL,
    UPDATE_TEXT,
    A,
    B,
    S,
    U,
    is_text,
    passed_over,
    row_of,
    side_read,
)
from arb.venues.books.compiled.layout import GATE_OBU, GATE_UPDATES, SCRATCH, WORD
from arb.venues.books.compiled.memory import byte_at, inlined, word_at
from arb.venues.books.compiled.scan import CLOSE, COMMA, FAILED, OPEN, QUOTE, field, name, packed, sequence_number
from arb.venues.books.plain.base import MILLIS_MAX, NS_PER_MS

NS_PER_S = 1000 * NS_PER_MS
SECONDS_MAX = MILLIS_MAX // 1000
RESULT, TIME, TIME_MS, EVENT = map(packed, ("result", "time", "time_ms", "event"))
T, FIRST_U, E, E_MS, L = map(packed, ("t", "U", "e", "E", "l"))
SPOT_OBU = packed("spot.obu")
SPOT_ORDER, BOOK_UPD, UPDATE_END = (packed("spot.order_book_update"[at : at + 8]) for at in (0, 8, 14))


@inlined
def channel_of(at: int, end: int):
    """Return the kind of the frames of a channel of Gate's, 0 for any other."""
    if end - at < 24 or byte_at(at) != QUOTE:
        return 0
    if word_at(at + 1) == SPOT_OBU and byte_at(at + 9) == QUOTE:
        return GATE_OBU
    updates = word_at(at + 1) == SPOT_ORDER and word_at(at + 9) == BOOK_UPD and word_at(at + 15) == UPDATE_END
    return GATE_UPDATES if updates and byte_at(at + 23) == QUOTE else 0


@inlined
def gate_result(at: int, end: int, connection: int):
    """Read the members of `result`: end, row + 1, `U` (-1: none), `u` (-1: none), `t` in ms, bids, asks."""
    row, first, last, changed_ms, bids, asks, seen = 0, -1, -1, 0, 0, 0, 0
    bids_at, asks_at, bids_end, asks_end = 0, 0, 0, 0
    read = word_at(connection + SCRATCH * WORD)
    if at >= end or byte_at(at) != OPEN:
        return FAILED, 0, 0, 0, 0, 0, 0
    mark = COMMA
    while mark == COMMA:
        at, key = field(at + 1, end)
        if at == FAILED:
            break
        bit = 0
        if key == S:
            bit = 1
            at, began, mixed = name(at, end, QUOTE)
            if at:
                row = row_of(connection, began, at - 1 - began, mixed)
                if row == 0:
                    break
        elif key == U:
            bit = 2
            at, last = sequence_number(at, end)
        elif key == FIRST_U:
            bit = 4
            at, first = sequence_number(at, end)
        elif key == B:
            bit, bids_at = 8, at
            at, bids = side_read(at, end, connection, row, read)
            bids_end = 0 if row else at
        elif key == A:
            bit, asks_at = 16, at
            at, asks = side_read(at, end, connection, row, read + ASKS_READ)
            asks_end = 0 if row else at
        elif key == T:
            bit = 32
            at, changed_ms = sequence_number(at, end)
        elif key == E:
            bit = 64
            at = passed_over(at, end)
        elif key == E_MS:
            bit = 128
            at = passed_over(at, end)
        elif key == L:
            bit = 256
            at = passed_over(at, end)
        if at == FAILED or bit == 0 or seen & bit or at >= end:
            return FAILED, 0, 0, 0, 0, 0, 0
        seen |= bit
        mark = byte_at(at)
    if at == FAILED or mark != CLOSE or row == 0:
        return FAILED, 0, 0, 0, 0, 0, 0
    if bids_end:
        after, bids = side_read(bids_at, end, connection, row, read)
        if after != bids_end:
            return FAILED, 0, 0, 0, 0, 0, 0
    if asks_end:
        after, asks = side_read(asks_at, end, connection, row, read + ASKS_READ)
        if after != asks_end:
            return FAILED, 0, 0, 0, 0, 0, 0
    return at + 1, row, first, last, changed_ms, bids, asks


@inlined
def gate(at: int, end: int, connection: int):
    """Read a change of `spot.obu` or `spot.order_book_update`."""
    failed = FAILED, 0, 0, 0, 0, 0, 0, 0
    kind, seen, sent_ms, sent_s = 0, 0, 0, 0
    row, first, last, changed_ms, bids, asks = 0, 0, 0, 0, 0, 0
    if at >= end or byte_at(at) != OPEN:
        return failed
    mark = COMMA
    while mark == COMMA:
        at, key = field(at + 1, end)
        if at == FAILED:
            return failed
        bit = 0
        if key == CHANNEL:
            bit = 1
            kind = channel_of(at, end)
            if kind == 0:
                return failed
            at += 10 if kind == GATE_OBU else 24
        elif key == RESULT:
            bit = 2
            at, row, first, last, changed_ms, bids, asks = gate_result(at, end, connection)
        elif key == TIME_MS:
            bit = 4
            at, sent_ms = sequence_number(at, end)
        elif key == TIME:
            bit = 8
            at, sent_s = sequence_number(at, end)
        elif key == EVENT:
            bit = 16
            at = at + 8 if is_text(at, end, UPDATE_TEXT, 8) else FAILED
        if at == FAILED or bit == 0 or seen & bit or at >= end:
            return failed
        seen |= bit
        mark = byte_at(at)
    if mark != CLOSE or seen & 3 != 3 or last < 0 or first < 0 or sent_ms > MILLIS_MAX or changed_ms > MILLIS_MAX:
        return failed
    sent_ns = sent_ms * NS_PER_MS
    if sent_ms == 0:
        if kind == GATE_UPDATES and changed_ms:
            sent_ns = changed_ms * NS_PER_MS
        elif 0 < sent_s < SECONDS_MAX:
            sent_ns = sent_s * NS_PER_S
    return at + 1, row, kind, first, last, bids, asks, sent_ns
