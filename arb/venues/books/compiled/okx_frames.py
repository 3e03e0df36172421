"""OKX's best quotes, `bbo-tbt`, that check a book between its changes, read by compiled code; see `frames.py`."""

from arb.venues.books.compiled.frames import ASKS_FIELD, ASKS_READ, BIDS_FIELD, SEQ_ID, TS, exps, looked_up
from arb.venues.books.compiled.layout import OKX, SCRATCH, WORD
from arb.venues.books.compiled.memory import byte_at, inlined, put_word, word_at
from arb.venues.books.compiled.scan import (
    CLOSE,
    CLOSE_LIST,
    COMMA,
    FAILED,
    QUOTE,
    field,
    levels,
    name,
    packed,
    sequence_number,
    text,
)

HEAD = '{"arg":{"channel":"bbo-tbt","instId":'
HEAD_SIZE = len(HEAD)
HEAD_1, HEAD_2, HEAD_3, HEAD_4, HEAD_5 = (packed(HEAD[at : at + 8]) for at in range(0, HEAD_SIZE, 8))
HEAD_5_MASK = (1 << 8 * (HEAD_SIZE - 32)) - 1
DATA_BEGINS, DATA_OPENS = packed('},"data"'), packed(":[{")
ONLY_LEVEL = 1


@inlined
def is_best_quote(at: int, end: int):
    """Return whether a frame begins as best quotes do; best quotes in any other form fail as a change of a book, too."""
    if end - at < HEAD_SIZE + 16 or word_at(at) != HEAD_1 or word_at(at + 8) != HEAD_2 or word_at(at + 16) != HEAD_3:
        return False
    return word_at(at + 24) == HEAD_4 and word_at(at + 32) & HEAD_5_MASK == HEAD_5


@inlined
def best_level(at: int, end: int, price_exp: int, size_exp: int, target: int):
    """Read a side of one level to `target`, or an empty one as zeros: where it ends, and how many levels it has."""
    at, count = levels(at, end, price_exp, size_exp, target, True)
    if count == 0:
        put_word(target, 0)
        put_word(target + WORD, 0)
    return (at, count) if count <= ONLY_LEVEL else (FAILED, 0)


@inlined
def best_quote(at: int, end: int, connection: int):
    """Read best quotes: their first id is -1, and they have at most one level a side."""
    failed = FAILED, 0, 0, 0, 0, 0, 0, 0
    last, bids, asks, seen = 0, 0, 0, 0
    at, began, mixed = name(at + HEAD_SIZE, end, QUOTE)
    if at == FAILED or end - at < 16 or word_at(at) != DATA_BEGINS or word_at(at + 8) & 0xFFFFFF != DATA_OPENS:
        return failed
    row = looked_up(connection, began, at - 1 - began, mixed, False)
    if row == 0:
        return failed
    price_exp, size_exp = exps(connection)
    read = word_at(connection + SCRATCH * WORD)
    at += 10
    mark = COMMA
    while mark == COMMA:
        at, key = field(at + 1, end)
        if at == FAILED:
            return failed
        bit = 0
        if key == ASKS_FIELD:
            bit = 1
            at, asks = best_level(at, end, price_exp, size_exp, read + ASKS_READ)
        elif key == BIDS_FIELD:
            bit = 2
            at, bids = best_level(at, end, price_exp, size_exp, read)
        elif key == SEQ_ID:
            bit = 4
            at, last = sequence_number(at, end)
        elif key == TS:
            bit = 8
            at = text(at, end)
        if at == FAILED or bit == 0 or seen & bit or at >= end:
            return failed
        seen |= bit
        mark = byte_at(at)
    if mark != CLOSE or seen & 7 != 7 or end - at != 3 or byte_at(at + 1) != CLOSE_LIST or byte_at(at + 2) != CLOSE:
        return failed
    return at + 3, row, OKX, -1, last, bids, asks, 0
