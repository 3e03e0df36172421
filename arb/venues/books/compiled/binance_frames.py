"""Binance's changes of books, and the best quotes that check a book between them, read by compiled code; see `frames.py`."""

from arb.venues.books.compiled.frames import ASKS_READ, DATA, A, B, S, U, exps, looked_up, passed_over, side_read
from arb.venues.books.compiled.layout import BINANCE, SCRATCH, WORD
from arb.venues.books.compiled.memory import byte_at, inlined, put_word, word_at
from arb.venues.books.compiled.scan import (
    CLOSE,
    COMMA,
    FAILED,
    OPEN,
    QUOTE,
    field,
    name,
    packed,
    quoted_decimal,
    sequence_number,
    text,
)
from arb.venues.books.plain.base import MILLIS_MAX, NS_PER_MS

STREAM = packed("stream")
FIRST_U, E_TYPE, E_MS, BID_SIZE, ASK_SIZE = map(packed, ("U", "e", "E", "B", "A"))
AT_SIGN = ord("@")
DEPTH_TEXT, DEPTH_END = packed("depth@10"), packed('0ms"')
TICKER_TEXT, TICKER_END = packed("bookTick"), packed('er"')
NO_STREAM, DEPTH, TICKER = 0, 1, 2


@inlined
def stream_of(at: int, end: int, connection: int):
    """Read the name of a stream: where it ends, the row + 1 of its book, and which of the two it is."""
    at, began, mixed = name(at, end, AT_SIGN)
    if at == FAILED or end - at < 16:
        return FAILED, 0, NO_STREAM
    first, second = word_at(at), word_at(at + 8)
    kind = NO_STREAM
    if first == DEPTH_TEXT and second & 0xFFFFFFFF == DEPTH_END:
        kind, beyond = DEPTH, at + 12
    elif first == TICKER_TEXT and second & 0xFFFFFF == TICKER_END:
        kind, beyond = TICKER, at + 11
    if kind == NO_STREAM:
        return FAILED, 0, NO_STREAM
    return beyond, looked_up(connection, began, at - 1 - began, mixed, kind == DEPTH), kind


@inlined
def depth_data(at: int, end: int, connection: int, row: int):
    """Read a change: where it ends, its ids, levels, when it was sent in ms."""
    failed = FAILED, 0, 0, 0, 0, 0
    first, last, bids, asks, sent_ms, seen = 0, 0, 0, 0, 0, 0
    read = word_at(connection + SCRATCH * WORD)
    if at >= end or byte_at(at) != OPEN:
        return failed
    mark = COMMA
    while mark == COMMA:
        at, key = field(at + 1, end)
        if at == FAILED:
            return failed
        bit = 0
        if key == E_TYPE:
            bit = 1
            at = passed_over(at, end)
        elif key == E_MS:
            bit = 2
            at, sent_ms = sequence_number(at, end)
        elif key == S:
            bit = 4
            at = text(at, end)
        elif key == FIRST_U:
            bit = 8
            at, first = sequence_number(at, end)
        elif key == U:
            bit = 16
            at, last = sequence_number(at, end)
        elif key == B:
            bit = 32
            at, bids = side_read(at, end, connection, row, read)
        elif key == A:
            bit = 64
            at, asks = side_read(at, end, connection, row, read + ASKS_READ)
        if at == FAILED or bit == 0 or seen & bit or at >= end:
            return failed
        seen |= bit
        mark = byte_at(at)
    if mark != CLOSE or seen & 126 != 126 or sent_ms > MILLIS_MAX or last < first:
        return failed
    return at + 1, first, last, bids, asks, sent_ms


@inlined
def number_read(at: int, end: int, exp: int, target: int):
    """Read a price or a size to `target`: where it ends, after its mark."""
    if at >= end or byte_at(at) != QUOTE:
        return FAILED
    at, value = quoted_decimal(at + 1, end, exp)
    if at == FAILED:
        return FAILED
    put_word(target, value)
    return at + 1


@inlined
def ticker_data(at: int, end: int, connection: int):
    """Read best quotes, to where a frame's levels are read to, as one level a side: where they end, and their id."""
    price_exp, size_exp = exps(connection)
    read = word_at(connection + SCRATCH * WORD)
    last, seen = 0, 0
    if at >= end or byte_at(at) != OPEN:
        return FAILED, 0
    mark = COMMA
    while mark == COMMA:
        at, key = field(at + 1, end)
        if at == FAILED:
            return FAILED, 0
        bit = 0
        if key == U:
            bit = 1
            at, last = sequence_number(at, end)
        elif key == S:
            bit = 2
            at = text(at, end)
        elif key == B:
            bit = 4
            at = number_read(at, end, price_exp, read)
        elif key == BID_SIZE:
            bit = 8
            at = number_read(at, end, size_exp, read + WORD)
        elif key == A:
            bit = 16
            at = number_read(at, end, price_exp, read + ASKS_READ)
        elif key == ASK_SIZE:
            bit = 32
            at = number_read(at, end, size_exp, read + ASKS_READ + WORD)
        if at == FAILED or bit == 0 or seen & bit or at >= end:
            return FAILED, 0
        seen |= bit
        mark = byte_at(at)
    return (at + 1, last) if mark == CLOSE and seen == 63 else (FAILED, 0)


@inlined
def binance(at: int, end: int, connection: int):
    """Read a change, or best quotes: their first id is -1, and they have one level a side."""
    failed = FAILED, 0, 0, 0, 0, 0, 0, 0
    row, kind, first, last, bids, asks, sent_ms = 0, NO_STREAM, -1, 0, 1, 1, 0
    if at >= end or byte_at(at) != OPEN:
        return failed
    at, key = field(at + 1, end)
    if at == FAILED or key != STREAM or at >= end or byte_at(at) != QUOTE:
        return failed
    at, row, kind = stream_of(at, end, connection)
    if at == FAILED or row == 0 or at >= end or byte_at(at) != COMMA:
        return failed
    at, key = field(at + 1, end)
    if at == FAILED or key != DATA:
        return failed
    if kind == DEPTH:
        at, first, last, bids, asks, sent_ms = depth_data(at, end, connection, row)
    else:
        at, last = ticker_data(at, end, connection)
    if at == FAILED or at >= end or byte_at(at) != CLOSE:
        return failed
    return at + 1, row, BINANCE, first, last, bids, asks, sent_ms * NS_PER_MS
