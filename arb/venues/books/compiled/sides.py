"""The levels of a book in memory: find, put, take away, and show the best in the arena. Compiled."""

from arb.market.arena import ASK_COUNT, BID_COUNT, HEADER_WORDS, UNWRITTEN
from arb.market.words import ARENA_ADDRESS
from arb.venues.books.compiled.layout import (
    ASKS,
    BASE,
    BEYOND,
    BIDS,
    BITS,
    BLOCK,
    BLOCK_END,
    DEPTH,
    FAR,
    FIRST,
    HORIZON,
    LADDER,
    NEAR,
    NEAR_AT,
    NEAR_STEPS,
    NO_HORIZON,
    PAIR,
    PER_TICK,
    SHOWN,
    SHOWN_ONLY_BEST,
    STEPS,
    TICK,
    TOP_STEP,
    WORD,
)
from arb.venues.books.compiled.memory import (
    bits_in,
    float_at,
    highest_bit,
    inlined,
    lowest_bit,
    move,
    put_word,
    shifted_down,
    word_at,
)


@inlined
def place_of(first: int, beyond: int, key: int):
    """Return the place of the first pair whose key is not below `key`; `beyond` where there is none."""
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
def put_far(begin: int, end: int, first: int, beyond: int, key: int, size: int):
    """Set a level of the run, 0 takes it away; return the new first and end. There must be room for one."""
    at = place_of(first, beyond, key)
    if at < beyond and word_at(at) == key:
        if size:
            put_word(at + WORD, size)
        elif beyond - at - PAIR <= at - first:
            move(at, at + PAIR, beyond - at - PAIR)
            beyond -= PAIR
        else:
            move(first + PAIR, first, at - first)
            first += PAIR
        return first, beyond
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
    return first, beyond


@inlined
def set_levels(row: int, side: int, read: int, count: int):
    """Set the levels read, in order; as sizes are absolute, doing so twice changes nothing."""
    sign = 1 if side == row + BIDS * WORD else -1
    tick, per_tick = word_at(row + TICK * WORD), float_at(row + PER_TICK * WORD)
    begin, end = word_at(side + BLOCK * WORD), word_at(side + BLOCK_END * WORD)
    first, beyond = word_at(side + FIRST * WORD), word_at(side + BEYOND * WORD)
    ladder, base, near = word_at(side + LADDER * WORD), word_at(side + BASE * WORD), word_at(side + NEAR * WORD)
    far = far_of(row, side)
    for at in range(read, read + count * PAIR, PAIR):
        key, size = sign * word_at(at), word_at(at + WORD)
        above = key - base
        place = int(above * per_tick + 0.5)
        if 0 <= place < STEPS and place * tick == above:
            step = step_of(ladder, far, place)
            before = word_at(step)
            put_word(step, size)
            bits = bits_of(ladder, place >> 6)
            bit = place & 63
            put_word(bits, (word_at(bits) & ~(1 << bit)) | (int(size != 0) << bit))
            near += int(size != 0) - int(before != 0)
        else:
            first, beyond = put_far(begin, end, first, beyond, key, size)
    put_word(side + FIRST * WORD, first)
    put_word(side + BEYOND * WORD, beyond)
    put_word(side + NEAR * WORD, near)


@inlined
def bits_of(ladder: int, number: int):
    """Return the place of the bits of 64 steps of a ladder, from step 64 * `number` on."""
    return ladder + number * WORD


@inlined
def far_of(row: int, side: int):
    return word_at(row + FAR * WORD + (side - row - BIDS * WORD) // (ASKS - BIDS))


@inlined
def step_of(ladder: int, far: int, place: int):
    below_top = (TOP_STEP - place) & (STEPS - 1)
    return (ladder + NEAR_AT if below_top < NEAR_STEPS else far) + below_top * WORD


@inlined
def below(ladder: int, place: int):
    """Return the highest step taken below `place`, -1 where there is none."""
    if place <= 0:
        return -1
    last = place - 1
    number = last >> 6
    bits = word_at(bits_of(ladder, number)) & shifted_down(-1, 63 - (last & 63))
    while bits == 0:
        number -= 1
        if number < 0:
            return -1
        bits = word_at(bits_of(ladder, number))
    return (number << 6) + highest_bit(bits)


@inlined
def lowest(ladder: int):
    number = 0
    while word_at(bits_of(ladder, number)) == 0:
        number += 1
    return (number << 6) + lowest_bit(word_at(bits_of(ladder, number)))


@inlined
def best(row: int, side: int):
    """Return key and size of the best level, 0 and 0 where there is none."""
    key, size = 0, 0
    if word_at(side + NEAR * WORD):
        ladder = word_at(side + LADDER * WORD)
        place = below(ladder, STEPS)
        key = word_at(side + BASE * WORD) + place * word_at(row + TICK * WORD)
        size = word_at(step_of(ladder, far_of(row, side), place))
    first, beyond = word_at(side + FIRST * WORD), word_at(side + BEYOND * WORD)
    if beyond > first and (size == 0 or word_at(beyond - PAIR) > key):
        key, size = word_at(beyond - PAIR), word_at(beyond - WORD)
    return key, size


@inlined
def used_up(side: int, key: int, size: int):
    """Return whether the best level is beyond the levels the snapshot knew of a side, or none of these remains."""
    horizon = word_at(side + HORIZON * WORD)
    return horizon != NO_HORIZON and (size == 0 or key < horizon)


@inlined
def known(row: int, side: int, count: int):
    """Return how many of `count` levels are not beyond those the snapshot knew."""
    horizon = word_at(side + HORIZON * WORD)
    if horizon == NO_HORIZON:
        return count
    ladder, beyond = word_at(side + LADDER * WORD), word_at(side + BEYOND * WORD)
    count = (beyond - place_of(word_at(side + FIRST * WORD), beyond, horizon)) >> 4
    step = -((word_at(side + BASE * WORD) - horizon) // word_at(row + TICK * WORD))  # the first one not below
    if step < STEPS:
        number = max(step, 0) >> 6
        count += bits_in(word_at(bits_of(ladder, number)) & (-1 << (max(step, 0) & 63)))
        for further in range(number + 1, BITS):
            count += bits_in(word_at(bits_of(ladder, further)))
    return count


@inlined
def astray(row: int, side: int, key: int):
    """Return whether the best level, which has this key, is outside the ladder."""
    above = key - word_at(side + BASE * WORD)
    return key != 0 and (above < 0 or above >= STEPS * word_at(row + TICK * WORD))


@inlined
def trim(row: int, side: int, depth_max: int):
    """Forget the worst levels beyond `depth_max`; 0 keeps all. Return how many remain."""
    first, beyond, near = word_at(side + FIRST * WORD), word_at(side + BEYOND * WORD), word_at(side + NEAR * WORD)
    count = near + ((beyond - first) >> 4)
    if depth_max == 0 or count <= depth_max:
        return count
    ladder, base, tick = word_at(side + LADDER * WORD), word_at(side + BASE * WORD), word_at(row + TICK * WORD)
    while count > depth_max:
        far = beyond > first
        place = lowest(ladder) if near else 0
        if far and (near == 0 or word_at(first) < base + place * tick):
            first += PAIR
        else:
            put_word(step_of(ladder, far_of(row, side), place), 0)
            bits = bits_of(ladder, place >> 6)
            put_word(bits, word_at(bits) & ~(1 << (place & 63)))
            near -= 1
        count -= 1
    put_word(side + FIRST * WORD, first)
    put_word(side + NEAR * WORD, near)
    return count


@inlined
def show_side(run: int, row: int, side: int, depth: int, sign: int):
    """Write the best known levels of a side, from the ladder and the run in turn, and 0 where there are none."""
    horizon = word_at(side + HORIZON * WORD)
    first, at = word_at(side + FIRST * WORD), word_at(side + BEYOND * WORD) - PAIR
    ladder, base, tick = word_at(side + LADDER * WORD), word_at(side + BASE * WORD), word_at(row + TICK * WORD)
    place = below(ladder, STEPS)
    for level in range(depth):
        price, size = 0, 0
        key = base + place * tick
        if at >= first and (place < 0 or word_at(at) > key):
            if word_at(at) >= horizon:
                price, size = sign * word_at(at), word_at(at + WORD)
            at -= PAIR
        elif place >= 0:
            if key >= horizon:
                price, size = sign * key, word_at(step_of(ladder, far_of(row, side), place))
            place = below(ladder, place)
        put_word(run + level * WORD, price)
        put_word(run + (depth + level) * WORD, size)


@inlined
def show_levels(row: int):
    """Write the levels that the arena shows of a book: the best levels of both sides, and 0 where there are none."""
    head, depth = word_at(row + ARENA_ADDRESS * WORD), word_at(row + DEPTH * WORD)
    run = head + HEADER_WORDS * WORD
    show_side(run, row, row + BIDS * WORD, depth, 1)
    show_side(run + 2 * depth * WORD, row, row + ASKS * WORD, depth, -1)
    put_word(head + UNWRITTEN * WORD, 0)
    put_word(row + SHOWN_ONLY_BEST * WORD, 0)


@inlined
def show_best(row: int, bids: int, bid: int, bid_size: int, asks: int, ask: int, ask_size: int):
    """Write the best level of each side, and how many there are of `bids` and `asks` to be shown; the rest stays unwritten."""
    head, depth = word_at(row + ARENA_ADDRESS * WORD), word_at(row + DEPTH * WORD)
    run = head + HEADER_WORDS * WORD
    put_word(head + BID_COUNT * WORD, min(bids, depth))
    put_word(head + ASK_COUNT * WORD, min(asks, depth))
    show_level(row + SHOWN * WORD, run, depth, bid, bid_size)
    show_level(row + (SHOWN + 2) * WORD, run + 2 * depth * WORD, depth, ask, ask_size)
    if not word_at(row + SHOWN_ONLY_BEST * WORD):
        put_word(row + SHOWN_ONLY_BEST * WORD, 1)
        put_word(head + UNWRITTEN * WORD, 1)


@inlined
def show_level(shown: int, run: int, depth: int, price: int, size: int):
    """Write the best level of one side, unless it is shown already."""
    if word_at(shown) != price or word_at(shown + WORD) != size:
        put_word(shown, price)
        put_word(shown + WORD, size)
        put_word(run, price)
        put_word(run + depth * WORD, size)


@inlined
def has_room(side: int, more: int):
    taken = word_at(side + BEYOND * WORD) - word_at(side + FIRST * WORD)
    return taken + more * PAIR <= word_at(side + BLOCK_END * WORD) - word_at(side + BLOCK * WORD)
