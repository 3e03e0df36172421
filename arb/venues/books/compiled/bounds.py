"""The bounds on the size of a trade between two books, in compiled code: depth, the venues' rules, bands and locks.

All values are words of 64 bits, and every product is bounded before it is made. If a product might not fit, or two weighed
prices are too close for floats to compare, the answer is "not sure", and plain code decides. So every answer is exact.
The words of a block are named in `search_words.py`; the rules are those of `arb/core/pricing/sizes.py`.
"""

from arb.market.arena import ASK_COUNT, BID_COUNT, HEADER_WORDS
from arb.venues.books.compiled.layout import WORD
from arb.venues.books.compiled.memory import hot, inlined, put_word, word_at
from arb.venues.books.compiled.search_words import (
    ASK_LEVELS,
    ASK_WEIGHT,
    ASKS,
    BID_LEVELS,
    BID_WEIGHT,
    BIDS,
    BUY_LOT,
    BUY_MIN_COST,
    BUY_ONE,
    BUY_TICK,
    BUY_UP,
    DEPTH,
    FIRST,
    LAST,
    LEAST_LOTS,
    MAX_LOCKED,
    MOST_LOTS,
    PARTS,
    RECEIVED,
    SALE_MAX,
    SALE_MIN,
    SELL_DOWN,
    SELL_LOT,
    SELL_MAX,
    SELL_MIN,
    SELL_ONE,
    SELL_TICK,
    SLIP_ONE,
    SLIP_UP,
    SUMS,
    UNBOUNDED,
    WINDOW,
)

_MOST = float(1 << 62)
_NEAR = 1e-12


@hot
def at(block: int, index: int):
    return word_at(block + index * WORD)


@hot
def keep(block: int, index: int, value: int):
    put_word(block + index * WORD, value)


@hot
def up(number: int, by: int):
    return -(-number // by)


@hot
def fits(one: int, other: int):
    """Return whether a product has its place in a word."""
    return abs(float(one)) * abs(float(other)) < _MOST


@inlined
def gains(bid: int, ask: int, block: int):
    """Return 1 where a unit sold at `bid` brings more than it costs at `ask`, 0 where not, -1 where too close."""
    brings = float(bid) * float(at(block, BID_WEIGHT))
    costs = float(ask) * float(at(block, ASK_WEIGHT))
    if abs(brings - costs) <= _NEAR * (brings + costs):
        return -1
    return 1 if brings > costs else 0


@inlined
def first_end(ends: int, count: int, size: int):
    """Return the first level down to which there is at least `size`, `count` where there is not."""
    level = 0
    while level < count and word_at(ends + level * WORD) < size:
        level += 1
    return level


@inlined
def ends_of(block: int, which: int):
    """Return where the running sums of a side begin: 0 the asks' sizes, 1 the bids', 2 the asks' amounts, 3 the bids'."""
    return block + (SUMS + which * at(block, DEPTH)) * WORD


@inlined
def sum_up(block: int, prices: int, count: int, ends: int, amounts: int):
    """Write the running sums of a side; return its size, -1 where they do not fit."""
    depth = at(block, DEPTH)
    total, amount, most = 0, 0, 0.0
    for level in range(count):
        price, size = word_at(prices + level * WORD), word_at(prices + (depth + level) * WORD)
        most += float(size) + float(price) * float(size)
        if not most < _MOST:
            return -1
        total += size
        amount += price * size
        put_word(ends + level * WORD, total)
        put_word(amounts + level * WORD, amount)
    return total


@inlined
def amount_of(ends: int, amounts: int, prices: int, level: int, size: int):
    beyond = word_at(ends + level * WORD) - size
    return word_at(amounts + level * WORD) - beyond * word_at(prices + level * WORD)


@inlined
def twice_middle(bids: int, asks: int, opposite: int):
    """Return twice the middle of a book's best prices; `opposite`: the word of its row that counts the side not taken from."""
    there = word_at(bids + (opposite - HEADER_WORDS) * WORD)
    taken = bids if opposite == ASK_COUNT else asks
    return word_at(bids) + word_at(asks) if there else 2 * word_at(taken)


@inlined
def bound_sizes(block: int, ask_total: int, bid_total: int):
    """Write the bounds by depth, the venues' rules, price bands and the greatest lock; False where they do not fit."""
    lot, tick = at(block, BUY_LOT), at(block, BUY_TICK)
    asks, ask_count, bids, bid_count = at(block, ASKS), at(block, ASK_LEVELS), at(block, BIDS), at(block, BID_LEVELS)
    ends, amounts, bid_ends = ends_of(block, 0), ends_of(block, 2), ends_of(block, 1)
    first, last = max(1, at(block, LEAST_LOTS)), min(ask_total // lot, at(block, MOST_LOTS))
    sale_min, sale_max = max(1, at(block, SELL_MIN)), min(bid_total, at(block, SELL_MAX))
    worth = at(block, BUY_MIN_COST)
    if worth > 0:
        level = first_end(amounts, ask_count, worth)
        size = ask_total + 1
        if level < ask_count:
            more = word_at(amounts + level * WORD) - worth
            size = word_at(ends + level * WORD) - more // word_at(asks + level * WORD)
        first = max(first, up(size, lot))
    if at(block, BUY_ONE):
        middle = twice_middle(asks - 2 * at(block, DEPTH) * WORD, asks, BID_COUNT)
        one, more = at(block, BUY_ONE), at(block, BUY_UP)
        if not fits(middle, one + more):
            return False
        top = middle * (one + more) // (2 * one * tick) * tick
        level = 0
        while level < ask_count and word_at(asks + level * WORD) <= top:
            level += 1
        last = min(last, word_at(ends + (level - 1) * WORD) // lot if level else 0)
    bottom = at(block, SELL_TICK)
    if at(block, SELL_ONE):
        middle = twice_middle(bids, bids + 2 * at(block, DEPTH) * WORD, ASK_COUNT)
        one, less = at(block, SELL_ONE), at(block, SELL_DOWN)
        if not fits(middle, one + abs(less)):
            return False
        bottom = max(bottom, up(middle * (one - less), 2 * one * bottom) * bottom)
    if at(block, SELL_ONE) or word_at(bids + (bid_count - 1) * WORD) < bottom:
        level = 0
        while level < bid_count and word_at(bids + level * WORD) >= bottom:
            level += 1
        sale_max = min(sale_max, word_at(bid_ends + (level - 1) * WORD) if level else 0)
    most = at(block, MAX_LOCKED)
    if most != UNBOUNDED:
        steps, unit = at(block, SLIP_ONE) + at(block, SLIP_UP), tick * at(block, SLIP_ONE)
        if not fits(word_at(asks + (ask_count - 1) * WORD), 2 * steps):
            return False
        level = 0
        size = most // (up(word_at(asks) * steps, unit) * tick)
        if size > word_at(ends):
            level = 1
            while level < ask_count:
                fit = most // (up(word_at(asks + level * WORD) * steps, unit) * tick)
                if word_at(ends + (level - 1) * WORD) + 1 > fit:
                    break
                level += 1
            worst = word_at(asks + (level - 1) * WORD)
            size = min(word_at(ends + (level - 1) * WORD), most // (up(worst * steps, unit) * tick))
        last = min(last, size // lot)
    keep(block, FIRST, first)
    keep(block, LAST, last)
    keep(block, SALE_MIN, sale_min)
    keep(block, SALE_MAX, sale_max)
    window, parts = at(block, WINDOW), at(block, PARTS)
    bid, bound = word_at(bids), max(sale_min, bid_total) + at(block, SELL_LOT)
    slip = at(block, SLIP_ONE) + at(block, SLIP_UP)
    return (
        fits(max(last, 1) + 1, window)
        and fits(bound, parts)
        and fits(window + parts, bid)
        and fits(ask_total, at(block, RECEIVED))
        and fits(bid, slip)
    )
