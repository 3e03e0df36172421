"""Best quotes that check a book which compiled code keeps.

A quote whose id the book has not reached is kept, as in `arb/venues/books/plain/bbo_check.py`. The change that reaches its
id compares it with the book. If one disagrees, that change goes to the plain reader, with all quotes that are kept; so does
a quote of Binance for which there is no room. The plain reader decides the consequence.
"""

from arb.market.words import ARENA_ADDRESS, LAST_BYTE_NS, QUIET_FRAMES
from arb.venues.books.compiled.frames import ASKS_READ
from arb.venues.books.compiled.layout import (
    AGREED,
    ASKS,
    BIDS,
    HELD,
    OKX,
    OTHERS,
    QUOTE_WORDS,
    QUOTES,
    QUOTES_BEYOND,
    QUOTES_FIRST,
    QUOTES_MAX,
    SCRATCH,
    WORD,
)
from arb.venues.books.compiled.memory import inlined, move, put_word, word_at
from arb.venues.books.compiled.sides import best

QUOTE_BYTES = QUOTE_WORDS * WORD


@inlined
def take_quote(row: int, connection: int, kind: int, sequence: int, received_ns: int):
    """Take best quotes that were read, as `BboCheck.check` and `hear` do; return False where the plain reader must."""
    stands = word_at(word_at(row + ARENA_ADDRESS * WORD) + WORD)
    read = word_at(connection + SCRATCH * WORD)
    heard = word_at(row + QUOTES * WORD) != 0
    if kind == OKX and heard:
        begin_anew(row, sequence)
    if heard and sequence == stands:
        bid, bid_size = best(row, row + BIDS * WORD)
        ask_key, ask_size = best(row, row + ASKS * WORD)
        if not says(read, read + ASKS_READ, bid, bid_size, -ask_key, ask_size):
            return False
        count_held(row, connection, 1)
    elif heard and sequence > stands and not keep_quote(row, kind, sequence, read):
        return False
    put_word(connection + LAST_BYTE_NS * WORD, received_ns)
    put_word(connection + QUIET_FRAMES * WORD, word_at(connection + QUIET_FRAMES * WORD) + 1)
    put_word(connection + OTHERS * WORD, word_at(connection + OTHERS * WORD) + 1)
    return True


@inlined
def says(bid_at: int, ask_at: int, bid: int, bid_size: int, ask: int, ask_size: int):
    """Return whether price and size at these places are those of both best levels."""
    same_bid = word_at(bid_at) == bid and word_at(bid_at + WORD) == bid_size
    return same_bid and word_at(ask_at) == ask and word_at(ask_at + WORD) == ask_size


@inlined
def count_held(row: int, connection: int, held: int):
    put_word(connection + HELD * WORD, word_at(connection + HELD * WORD) + held)
    put_word(row + AGREED * WORD, word_at(row + AGREED * WORD) + held)


@inlined
def begin_anew(row: int, sequence: int):
    """Forget all quotes that are kept where a later one has a lower id."""
    first, beyond = word_at(row + QUOTES_FIRST * WORD), word_at(row + QUOTES_BEYOND * WORD)
    if first < beyond and sequence < word_at(beyond - QUOTE_BYTES):
        put_word(row + QUOTES_BEYOND * WORD, first)


@inlined
def keep_quote(row: int, kind: int, sequence: int, read: int):
    """Keep a quote that the book has not reached, unless a later one is kept; return False where there is no room.

    At OKX all that are kept make room.
    """
    begin = word_at(row + QUOTES * WORD)
    first, beyond = word_at(row + QUOTES_FIRST * WORD), word_at(row + QUOTES_BEYOND * WORD)
    if first < beyond and word_at(beyond - QUOTE_BYTES) > sequence:
        return True
    if beyond == begin + QUOTES_MAX * QUOTE_BYTES:
        if first > begin:
            move(begin, first, beyond - first)
            beyond -= first - begin
        elif kind == OKX:
            beyond = begin
        else:
            return False
        put_word(row + QUOTES_FIRST * WORD, begin)
    put_word(beyond, sequence)
    for word in range(2):
        put_word(beyond + (1 + word) * WORD, word_at(read + word * WORD))
        put_word(beyond + (3 + word) * WORD, word_at(read + ASKS_READ + word * WORD))
    put_word(row + QUOTES_BEYOND * WORD, beyond + QUOTE_BYTES)
    return True


@inlined
def bbo_agrees(row: int, connection: int, reached: int, bid: int, bid_size: int, ask: int, ask_size: int):
    """Hold the kept quotes of the id that the book has reached against it, as the plain `reached` does.

    Return False where one disagrees, and nothing has changed.
    """
    begin = word_at(row + QUOTES * WORD)
    at, beyond, held = word_at(row + QUOTES_FIRST * WORD), word_at(row + QUOTES_BEYOND * WORD), 0
    if begin == 0 or at == beyond:
        return True
    while at < beyond and word_at(at) <= reached:
        if word_at(at) == reached:
            if not says(at + WORD, at + 3 * WORD, bid, bid_size, ask, ask_size):
                return False
            held += 1
        at += QUOTE_BYTES
    if at == beyond:
        at = begin
        put_word(row + QUOTES_BEYOND * WORD, begin)
    put_word(row + QUOTES_FIRST * WORD, at)
    count_held(row, connection, held)
    return True
