"""The levels of a book in memory: find, put, take away, take back what was put, and show the best in the arena. Compiled."""

from arb.market.arena import ASK_COUNT, BID_COUNT, HEADER_WORDS, UNWRITTEN
from arb.market.words import ARENA_ADDRESS
from arb.venues.compiled.layout import ASKS, BEYOND, BIDS, BLOCK, BLOCK_END, DEPTH, FIRST, PAIR, WORD
from arb.venues.compiled.memory import inlined, move, put_word, word_at


@inlined
def place_of(first: int, beyond: int, key: int):  # type: ignore[no-untyped-def]
    """Return where the first pair stands whose key is not below `key`; `beyond` where there is none."""
    count = (beyond - first) >> 4
    while count > 1:
        half = count >> 1
        step = half << 4
        first = first + step if word_at(first + step - PAIR) < key else first
        count -= half
    if count == 1 and word_at(first) < key:
        first += PAIR
    return first


@inlined
def put(begin: int, end: int, first: int, beyond: int, key: int, size: int):  # type: ignore[no-untyped-def]
    """Set a level, 0 takes it away; return the new first and end, and the size before. There must be room for one more."""
    at = place_of(first, beyond, key)
    if at < beyond and word_at(at) == key:
        before = word_at(at + WORD)
        if size:
            put_word(at + WORD, size)
        elif beyond - at - PAIR <= at - first:
            move(at, at + PAIR, beyond - at - PAIR)
            beyond -= PAIR
        else:
            move(first + PAIR, first, at - first)
            first += PAIR
        return first, beyond, before
    if size:
        if beyond < end and (beyond - at <= at - first or first == begin):
            move(at + PAIR, at, beyond - at)
            beyond += PAIR
        else:
            move(first - PAIR, first, at - first)
            first -= PAIR
            at -= PAIR
        put_word(at, key)
        put_word(at + WORD, size)
    return first, beyond, 0


@inlined
def apply(side: int, read: int, count: int, sign: int):  # type: ignore[no-untyped-def]
    """Apply the levels read, and leave in their place what was there before, so that `take_back` can put it back."""
    begin, end = word_at(side + BLOCK * WORD), word_at(side + BLOCK_END * WORD)
    first, beyond = word_at(side + FIRST * WORD), word_at(side + BEYOND * WORD)
    for at in range(read, read + count * PAIR, PAIR):
        key = sign * word_at(at)
        first, beyond, before = put(begin, end, first, beyond, key, word_at(at + WORD))
        put_word(at + WORD, before)
    put_word(side + FIRST * WORD, first)
    put_word(side + BEYOND * WORD, beyond)


@inlined
def take_back(side: int, read: int, count: int, sign: int):  # type: ignore[no-untyped-def]
    """Undo `apply`, the last level first."""
    begin, end = word_at(side + BLOCK * WORD), word_at(side + BLOCK_END * WORD)
    first, beyond = word_at(side + FIRST * WORD), word_at(side + BEYOND * WORD)
    at = read + (count - 1) * PAIR
    while at >= read:
        first, beyond, _ = put(begin, end, first, beyond, sign * word_at(at), word_at(at + WORD))
        at -= PAIR
    put_word(side + FIRST * WORD, first)
    put_word(side + BEYOND * WORD, beyond)


@inlined
def trim(side: int, depth_max: int):  # type: ignore[no-untyped-def]
    """Forget the worst levels beyond `depth_max`; 0 keeps all. Return how many are left."""
    first, beyond = word_at(side + FIRST * WORD), word_at(side + BEYOND * WORD)
    count = (beyond - first) >> 4
    if depth_max and count > depth_max:
        put_word(side + FIRST * WORD, first + (count - depth_max) * PAIR)
        return depth_max
    return count


@inlined
def show_side(run: int, side: int, depth: int, sign: int):  # type: ignore[no-untyped-def]
    first, at = word_at(side + FIRST * WORD), word_at(side + BEYOND * WORD)
    for level in range(depth):
        at -= PAIR
        price, size = 0, 0
        if at >= first:
            price, size = sign * word_at(at), word_at(at + WORD)
        put_word(run + level * WORD, price)
        put_word(run + (depth + level) * WORD, size)


@inlined
def show_levels(row: int):  # type: ignore[no-untyped-def]
    """Write what the arena shows of a book: the best levels of both sides, and 0 where there are none."""
    head, depth = word_at(row + ARENA_ADDRESS * WORD), word_at(row + DEPTH * WORD)
    run = head + HEADER_WORDS * WORD
    show_side(run, row + BIDS * WORD, depth, 1)
    show_side(run + 2 * depth * WORD, row + ASKS * WORD, depth, -1)
    put_word(head + UNWRITTEN * WORD, 0)


@inlined
def show_best(row: int, bids: int, asks: int):  # type: ignore[no-untyped-def]
    """Write the best level of each side, and how many there are of `bids` and `asks` to be shown; the rest stays unwritten."""
    head, depth = word_at(row + ARENA_ADDRESS * WORD), word_at(row + DEPTH * WORD)
    run = head + HEADER_WORDS * WORD
    put_word(head + BID_COUNT * WORD, min(bids, depth))
    put_word(head + ASK_COUNT * WORD, min(asks, depth))
    if bids:
        at = word_at(row + (BIDS + BEYOND) * WORD) - PAIR
        put_word(run, word_at(at))
        put_word(run + depth * WORD, word_at(at + WORD))
    if asks:
        at = word_at(row + (ASKS + BEYOND) * WORD) - PAIR
        put_word(run + 2 * depth * WORD, -word_at(at))
        put_word(run + 3 * depth * WORD, word_at(at + WORD))
    put_word(head + UNWRITTEN * WORD, 1)


@inlined
def has_room(side: int, more: int):  # type: ignore[no-untyped-def]
    """Return whether a side's block has room for so many more levels."""
    taken = word_at(side + BEYOND * WORD) - word_at(side + FIRST * WORD)
    return taken + more * PAIR <= word_at(side + BLOCK_END * WORD) - word_at(side + BLOCK * WORD)


@inlined
def best_key(side: int):  # type: ignore[no-untyped-def]
    """Return the key of the best level; 0, which no level has, where there is none."""
    first, beyond = word_at(side + FIRST * WORD), word_at(side + BEYOND * WORD)
    return word_at(beyond - PAIR) if beyond > first else 0
