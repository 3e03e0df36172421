"""The best plans of an arena's books, found by compiled code (`sizing.py`); plain code decides where that is not sure.

It works in one block of words: the terms of a pair of venues, intermediate results, and the answer.
"""

from math import gcd

import numpy as np

from arb.core.pricing.plan import Plan
from arb.core.pricing.spread import Unsure, Walked, plan_of, worth
from arb.core.pricing.terms import PairTerms
from arb.market.arena import BookArena
from arb.market.words import zeros
from arb.venues.books.compiled.layout import WORD
from arb.venues.books.compiled.loading import load_sizes
from arb.venues.books.compiled.search_words import FOUND, FOUND_WORDS, STEPS, SUMS, TERM_WORDS, UNBOUNDED, UNSURE

_KEPT_MAX = 100_000
"""The most pairs of venues whose terms are kept, 0.4 kB each; beyond that all are made again."""


class CompiledPlans:
    """Answers as `episode` does for the rows of one arena; see `arb.core.books.books.FindPlan`."""

    def __init__(self, arena: BookArena) -> None:
        """Load; raises `CompiledUnavailable` where compiled code is not available."""
        self._search = load_sizes()
        self._arena = arena
        self._first, self._stride = arena.block.ctypes.data, arena.stride * WORD
        block = zeros(1, SUMS + 4 * arena.depth + STEPS).reshape(-1)
        self._block: int = block.ctypes.data
        self._terms, self._found = block.data[:TERM_WORDS], block.data[FOUND:SUMS]
        # By row bought from and row sold to: the terms, and the same in words, None where they do not fit.
        self._kept: dict[tuple[int, int], tuple[PairTerms, memoryview | None]] = {}

    def __call__(self, terms: PairTerms, buy_row: int, sell_row: int) -> Plan | Unsure | None:
        """Return the best plan of buying at one row and selling at another, None where there is none."""
        arena, kept = self._arena, self._kept.get((buy_row, sell_row))
        if kept is None or kept[0] is not terms:
            if len(self._kept) >= _KEPT_MAX:
                self._kept.clear()
            kept = self._kept[buy_row, sell_row] = terms, packed(terms, arena.depth)
        words = kept[1]
        if words is None:
            return Unsure.UNSURE
        self._terms[:] = words
        arena.complete(buy_row)
        arena.complete(sell_row)
        first, stride = self._first, self._stride
        count = self._search(self._block, first + buy_row * stride, first + sell_row * stride)
        if count == UNSURE:
            return Unsure.UNSURE
        if not count:
            return None
        walked = Walked(*self._found[:FOUND_WORDS].tolist())
        if count > 1:
            other = Walked(*self._found[FOUND_WORDS:].tolist())
            walked = other if worth(terms, other) > worth(terms, walked) else walked
        top = bottom = None
        if terms.buy_band is not None:
            bid, ask = arena.best(buy_row)
            top = terms.buy_top(_twice_middle(ask, bid))
        if terms.sell_band is not None:
            bid, ask = arena.best(sell_row)
            bottom = terms.sell_bottom(_twice_middle(bid, ask))
        plan = plan_of(terms, walked, top, bottom)
        return plan if plan.net > 0 else None


def _twice_middle(taken: int | None, other: int | None) -> int:
    """Return twice the middle of a book, twice the best price of the side that is taken from where the other is empty."""
    assert taken is not None
    return taken + (taken if other is None else other)


def packed(terms: PairTerms, depth: int) -> memoryview | None:
    """Return the terms as words, None where they, or products of only them, do not fit."""
    buy_up, buy_one = terms.buy_band or (0, 0)
    sell_down, sell_one = terms.sell_band or (0, 0)
    common = gcd(terms.received, terms.parts)
    parts = terms.parts // common
    words = (
        depth,
        terms.buy_lot,
        terms.sell_lot,
        terms.least_lots,
        UNBOUNDED if terms.most_lots is None else min(terms.most_lots, UNBOUNDED),
        terms.sell_min_size,
        UNBOUNDED if terms.sell_max_size is None else min(terms.sell_max_size, UNBOUNDED),
        terms.buy_min_cost,
        terms.sell_min_notional,
        terms.window // common,
        parts,
        terms.received // common,
        terms.slip_one,
        terms.slip_up,
        terms.buy_tick,
        terms.sell_tick,
        UNBOUNDED if terms.dust_max is None else min(terms.dust_max // common, UNBOUNDED),
        UNBOUNDED if terms.max_locked is None else min(terms.max_locked, UNBOUNDED),
        buy_up,
        buy_one,
        sell_down,
        sell_one,
        terms.bid_weight,
        terms.ask_weight,
        common,
    )
    products = (
        2 * max(buy_one, terms.slip_one) * terms.buy_tick,
        2 * max(sell_one, terms.slip_one) * terms.sell_tick,
        terms.sell_lot * parts,
    )
    if max(map(abs, (*words, *products))) > UNBOUNDED:
        return None
    return np.array(words, dtype=np.int64).data
