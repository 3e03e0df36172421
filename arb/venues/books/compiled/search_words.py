"""The words of the block in which compiled code searches for the best sizes: terms, interim values, answer."""

NONE, UNSURE = 0, -1
"""No size is feasible, or there is no edge; and plain code has to find out. Else the answer is how many sizes were found."""
DEPTH, BUY_LOT, SELL_LOT, LEAST_LOTS, MOST_LOTS, SELL_MIN, SELL_MAX, BUY_MIN_COST, SELL_MIN_NOTIONAL = range(9)
WINDOW, PARTS, RECEIVED, SLIP_ONE, SLIP_UP, BUY_TICK, SELL_TICK, DUST, MAX_LOCKED = range(9, 18)
BUY_UP, BUY_ONE, SELL_DOWN, SELL_ONE, BID_WEIGHT, ASK_WEIGHT, COMMON, TERM_WORDS = range(18, 26)
"""The terms; `UNBOUNDED` means no greatest size, dust or lock, a `..._ONE` of 0 for no price band. Fine sizes are
counted in `COMMON` parts each, the greatest common divisor of `RECEIVED` and `PARTS` as plain code has them.
"""
FIRST, LAST, SALE_MIN, SALE_MAX, ASKS, ASK_LEVELS, BIDS, BID_LEVELS = range(25, 33)
"""Worked out on the way: the bounds of the sizes, and where the prices of each side begin and how many there are."""
FOUND, FOUND_WORDS = 33, 10
"""The answer: once or twice a `Walked`."""
SUMS = FOUND + 2 * FOUND_WORDS
"""From here on, a word for each level: sizes down to each ask, and each bid, and the amounts; then `STEPS` of a search."""
STEPS = 3 * 128
UNBOUNDED = (1 << 62) - 1
