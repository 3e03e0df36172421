"""The best size to buy at one book and sell at another, searched as `arb/core/pricing/sizes.py` searches it; compiled.

The same search in the same order, in words of 64 bits, straight from the rows of the arena; see `bounds.py`.
"""

from arb.market.arena import ASK_COUNT, BID_COUNT, HEADER_WORDS
from arb.venues.books.compiled.bounds import (
    amount_of,
    at,
    bound_sizes,
    ends_of,
    first_end,
    fits,
    gains,
    keep,
    sum_up,
    up,
)
from arb.venues.books.compiled.layout import WORD
from arb.venues.books.compiled.memory import inlined, put_word, word_at
from arb.venues.books.compiled.search_words import (
    ASK_LEVELS,
    ASKS,
    BID_LEVELS,
    BIDS,
    BUY_LOT,
    COMMON,
    DEPTH,
    DUST,
    FIRST,
    FOUND,
    FOUND_WORDS,
    LAST,
    NONE,
    PARTS,
    RECEIVED,
    SALE_MAX,
    SALE_MIN,
    SELL_LOT,
    SELL_MIN_NOTIONAL,
    SELL_TICK,
    SLIP_ONE,
    SLIP_UP,
    STEPS,
    UNBOUNDED,
    UNSURE,
    WINDOW,
)


@inlined
def least_in_level(block: int, level: int):
    """Return the smallest sale that bid level may end with; 0 where its price allows none."""
    worth = at(block, SELL_MIN_NOTIONAL)
    if worth <= 0:
        return at(block, SALE_MIN)
    one, tick = at(block, SLIP_ONE), at(block, SELL_TICK)
    floor = word_at(at(block, BIDS) + level * WORD) * (one - at(block, SLIP_UP)) // (tick * one) * tick
    return max(at(block, SALE_MIN), up(worth, floor)) if floor > 0 else 0


@inlined
def least_with_dust(block: int, end: int):
    """Return the smallest sale whose residual is no more than dust of the fine size `end`."""
    parts, bids, count = at(block, PARTS), at(block, BIDS), at(block, BID_LEVELS)
    ends, amounts = ends_of(block, 1), ends_of(block, 3)
    whole = end // parts
    rest, total = end - whole * parts, word_at(ends + (count - 1) * WORD)
    if whole >= total:
        worth, more = word_at(amounts + (count - 1) * WORD), 0
    else:
        worth = amount_of(ends, amounts, bids, first_end(ends, count, whole), whole) if whole else 0
        more = rest * word_at(bids + first_end(ends, count, whole + 1) * WORD)
    worth += up(more - at(block, DUST), parts)
    if worth <= 0:
        return 0
    level = first_end(amounts, count, worth)
    if level == count:
        return total + 1
    return word_at(ends + level * WORD) - (word_at(amounts + level * WORD) - worth) // word_at(bids + level * WORD)


@inlined
def smallest_sale(block: int, i: int):
    """Return the smallest feasible sale for `i` lots bought, or `NONE`."""
    if i < at(block, FIRST) or i > at(block, LAST):
        return NONE
    parts, lot, bids, count = at(block, PARTS), at(block, SELL_LOT), at(block, BIDS), at(block, BID_LEVELS)
    ends, window = ends_of(block, 1), at(block, WINDOW)
    end = i * window
    most = min(end // parts, at(block, SALE_MAX))
    least = max((end - window) // parts + 1, at(block, SALE_MIN))
    left = end - least * parts
    if left > 0 and left * word_at(bids) > at(block, DUST):
        least = max(least, least_with_dust(block, end))
    s = up(least, lot) * lot
    while s <= most:
        level = first_end(ends, count, s)
        bound = least_in_level(block, level)
        if not bound:
            return NONE
        s = max(s, up(bound, lot) * lot)
        if s <= word_at(ends + level * WORD):
            break
        s = max(s, up(word_at(ends + level * WORD) + 1, lot) * lot)
    return s if s <= most else NONE


@inlined
def found(block: int, i: int):
    """Return `i` where it has a feasible sale, else `NONE`."""
    return i if smallest_sale(block, i) else NONE


@inlined
def tried(block: int, i: int, bottom: int, top: int):
    return found(block, i) if bottom <= i <= top else NONE


@inlined
def first_residue(block: int, step: int, modulus: int, low: int, high: int):
    """See `arb/core/pricing/depth.py`; -1 for none, -2 where a product does not fit."""
    stack = ends_of(block, 4)
    count, k = 0, 0
    while low:
        step %= modulus
        if step == 0:
            return -1
        k = up(low, step)
        if k * step <= high:
            break
        if 3 * (count + 1) > STEPS:
            return -2
        put_word(stack, step)
        put_word(stack + WORD, modulus)
        put_word(stack + 2 * WORD, low)
        stack += 3 * WORD
        count += 1
        # As Python's own remainder is, of a number below 0: not below 0.
        remainder, other = (step - high % step) % step, (step - low % step) % step
        step, modulus, low, high = modulus, step, remainder, other
    else:
        k = 0
    while count:
        count -= 1
        stack -= 3 * WORD
        step, modulus, low = word_at(stack), word_at(stack + WORD), word_at(stack + 2 * WORD)
        if not fits(modulus, k + 1):
            return -2
        k = up(low + modulus * k, step)
    return k


@inlined
def next_residue(block: int, level: int, bottom: int, top: int, way: int):
    """Return the first lots from that end of `bottom .. top` whose residual can be dust."""
    if bottom > top:
        return NONE
    window, lot = at(block, WINDOW), at(block, SELL_LOT) * at(block, PARTS)
    slack = window - 1
    if at(block, DUST) != UNBOUNDED:
        slack = min(slack, at(block, DUST) // word_at(at(block, BIDS) + level * WORD))
    start = top if way < 0 else bottom
    rest = start * window % lot
    steps = 0
    if rest > slack:
        low = rest - slack if way < 0 else lot - rest
        steps = first_residue(block, window, lot, low, low + slack)
        if steps < -1:
            return UNSURE
    if steps < 0 or steps > top - bottom:
        return NONE
    i = start + way * steps
    return i if smallest_sale(block, i) else UNSURE  # never: the residue is that of a feasible sale


@inlined
def within(block: int, level: int, bottom: int, top: int, way: int):
    """Search the windows `bottom .. top`, all of which are in one bid level."""
    if bottom > top:
        return NONE
    least = least_in_level(block, level)
    if not least:
        return NONE
    if not fits(least, at(block, PARTS)):
        return UNSURE
    bound = up(least * at(block, PARTS), at(block, WINDOW))
    above = max(bottom, bound + 1)
    if way > 0:
        answer = tried(block, bound, bottom, top)
        return answer if answer else next_residue(block, level, above, top, way)
    answer = next_residue(block, level, above, top, way)
    return answer if answer else tried(block, bound, bottom, top)


@inlined
def highest(block: int, top: int):
    """Return the greatest feasible lots not above `top`."""
    window, parts, ends = at(block, WINDOW), at(block, PARTS), ends_of(block, 1)
    top = min(top, at(block, LAST), up(at(block, SALE_MAX) * parts, window))
    bottom = max(at(block, FIRST), up(at(block, SALE_MIN) * parts, window))
    if top < bottom:
        return NONE
    answer = found(block, top)
    if answer:
        return answer
    count = at(block, BID_LEVELS)
    level = min(first_end(ends, count, up(top * window, parts)), count - 1)
    while level >= 0:
        end = up(word_at(ends + level * WORD) * parts, window)
        if end < bottom:
            break
        start = up(word_at(ends + (level - 1) * WORD) * parts, window) if level else 0
        answer = tried(block, end, bottom, top)
        if not answer:
            answer = within(block, level, max(start + 1, bottom), min(end - 1, top - 1), -1)
        if answer:
            return answer
        level -= 1
    return NONE


@inlined
def lowest(block: int, bottom: int):
    """Return the least feasible lots not below `bottom`."""
    window, parts, ends = at(block, WINDOW), at(block, PARTS), ends_of(block, 1)
    top = min(at(block, LAST), up(at(block, SALE_MAX) * parts, window))
    bottom = max(bottom, at(block, FIRST), up(at(block, SALE_MIN) * parts, window))
    if top < bottom:
        return NONE
    answer = found(block, bottom)
    if answer:
        return answer
    count = at(block, BID_LEVELS)
    for level in range(first_end(ends, count, (bottom - 1) * window // parts + 1), count):
        start = up(word_at(ends + (level - 1) * WORD) * parts, window) if level else 0
        end = up(word_at(ends + level * WORD) * parts, window)
        if start > top:
            break
        answer = within(block, level, max(start + 1, bottom), min(end - 1, top - 1), 1)
        if not answer:
            answer = tried(block, end, bottom, top)
        if answer:
            return answer
    return tried(block, top, bottom, top)


@inlined
def climbs_at(block: int, i: int):
    """Return 1 where the last unit of `i` lots brings more than it costs, 0 where not, -1 where too close."""
    count = at(block, BID_LEVELS)
    level = first_end(ends_of(block, 1), count, up(i * at(block, WINDOW), at(block, PARTS)))
    if level == count:
        return 0
    worst = first_end(ends_of(block, 0), at(block, ASK_LEVELS), i * at(block, BUY_LOT))
    return gains(word_at(at(block, BIDS) + level * WORD), word_at(at(block, ASKS) + worst * WORD), block)


@inlined
def fine_top(block: int):
    """Return the fine size up to which the net climbs, -1 where that is too close to decide."""
    asks, bids, count = at(block, ASKS), at(block, BIDS), at(block, BID_LEVELS)
    ask_ends, bid_ends = ends_of(block, 0), ends_of(block, 1)
    parts, received = at(block, PARTS), at(block, RECEIVED)
    low = 0
    while low < at(block, ASK_LEVELS):
        level = 0
        if low:
            level = first_end(bid_ends, count, word_at(ask_ends + (low - 1) * WORD) * received // parts + 1)
        if level == count:
            break
        gain = gains(word_at(bids + level * WORD), word_at(asks + low * WORD), block)
        if gain < 0:
            return -1
        if not gain:
            break
        low += 1
    if not low:
        return 0
    levels = 0
    while levels < count:
        gain = gains(word_at(bids + levels * WORD), word_at(asks + (low - 1) * WORD), block)
        if gain < 0:
            return -1
        if not gain:
            break
        levels += 1
    return min(word_at(ask_ends + (low - 1) * WORD) * received, word_at(bid_ends + (levels - 1) * WORD) * parts)


@inlined
def write_found(block: int, place: int, i: int):
    """Write the facts of `i` lots bought, the `place`-th answer."""
    asks, bids, count, parts = at(block, ASKS), at(block, BIDS), at(block, BID_LEVELS), at(block, PARTS)
    ask_ends, bid_ends, ask_amounts, bid_amounts = (
        ends_of(block, 0),
        ends_of(block, 1),
        ends_of(block, 2),
        ends_of(block, 3),
    )
    size, sale, arrived = i * at(block, BUY_LOT), smallest_sale(block, i), i * at(block, WINDOW)
    worst = first_end(ask_ends, at(block, ASK_LEVELS), size)
    last = first_end(bid_ends, count, sale)
    whole = arrived // parts
    rest, amount, price = arrived - whole * parts, 0, 0
    total = word_at(bid_ends + (count - 1) * WORD)
    if whole >= total:
        rest, amount = 0, word_at(bid_amounts + (count - 1) * WORD)
    else:
        if whole:
            amount = amount_of(bid_ends, bid_amounts, bids, first_end(bid_ends, count, whole), whole)
        if rest:
            price = word_at(bids + first_end(bid_ends, count, whole + 1) * WORD)
    answer = FOUND + place * FOUND_WORDS
    keep(block, answer, i)
    keep(block, answer + 1, sale)
    keep(block, answer + 2, amount_of(ask_ends, ask_amounts, asks, worst, size))
    keep(block, answer + 3, word_at(asks + worst * WORD))
    keep(block, answer + 4, amount_of(bid_ends, bid_amounts, bids, last, sale))
    keep(block, answer + 5, word_at(bids + last * WORD))
    keep(block, answer + 6, amount)
    keep(block, answer + 7, rest * at(block, COMMON))
    keep(block, answer + 8, price)
    keep(block, answer + 9, 0 if sale >= total else word_at(bids + first_end(bid_ends, count, sale + 1) * WORD))


def best_sizes(block: int, buy_head: int, sell_head: int):
    """Search the rows that begin at two addresses; see the module's text. Of two answers the first has the fewer lots."""
    depth = at(block, DEPTH)
    ask_count, bid_count = word_at(buy_head + ASK_COUNT * WORD), word_at(sell_head + BID_COUNT * WORD)
    if not ask_count or not bid_count:
        return NONE
    asks, bids = buy_head + (HEADER_WORDS + 2 * depth) * WORD, sell_head + HEADER_WORDS * WORD
    crosses = gains(word_at(bids), word_at(asks), block)
    if crosses <= 0:
        return UNSURE if crosses else NONE
    ask_total = sum_up(block, asks, ask_count, ends_of(block, 0), ends_of(block, 2))
    bid_total = sum_up(block, bids, bid_count, ends_of(block, 1), ends_of(block, 3))
    if ask_total < 0 or bid_total < 0:
        return UNSURE
    keep(block, ASKS, asks)
    keep(block, ASK_LEVELS, ask_count)
    keep(block, BIDS, bids)
    keep(block, BID_LEVELS, bid_count)
    if not bound_sizes(block, ask_total, bid_total):
        return UNSURE
    last = at(block, LAST)
    if last < at(block, FIRST):
        return NONE
    climbs = climbs_at(block, last)
    if climbs < 0:
        return UNSURE
    if climbs:
        i = highest(block, last)
        if i > 0:
            write_found(block, 0, i)
        return 1 if i > 0 else i
    peak = fine_top(block)
    if peak < 0:
        return UNSURE
    low = up(peak, at(block, WINDOW))
    after, before = lowest(block, low), highest(block, low - 1)
    if after < 0 or before < 0:
        return UNSURE
    count = 0
    for i in (before, after):
        if i:
            write_found(block, count, i)
            count += 1
    return count
