"""The feasible sizes of a pair of venues, by walking: the search as it was written first, level after level, nothing left out.

It judges `arb/core/pricing/sizes.py`, which answers the same in a quarter of the time, and shares none of its short cuts.
The brute force of `spread_oracle.py` judges both, on books of a few levels.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate
from operator import mul, neg

from arb.core.pricing.depth import first_residue
from arb.core.pricing.terms import Funds, PairTerms
from arb.market.instrument import FeeIn
from arb.market.numbers import ZERO, floor_scaled


class PlainDepth:
    """One side of a book, best first, with running sums."""

    __slots__ = ("amounts", "ends", "opposite", "prices", "sizes", "total")

    def __init__(self, prices: Sequence[int], sizes: Sequence[int], opposite: int | None = None) -> None:
        self.prices: Sequence[int] = prices
        self.sizes: Sequence[int] = sizes
        # ends[j]: size down to and including level j; amounts[j]: the quote amount of taking all of that.
        self.ends: list[int] = list(accumulate(self.sizes))
        self.amounts: list[int] = list(accumulate(map(mul, self.prices, self.sizes)))
        self.total: int = self.ends[-1] if self.ends else 0
        self.opposite = opposite

    @property
    def twice_middle(self) -> int:
        """Return twice the middle of the book's best prices, twice the best price here when the other side is empty."""
        best = self.prices[0]
        return best + (best if self.opposite is None else self.opposite)

    def level_of(self, size: int) -> int:
        """Return the index of the worst level touched when taking `size` (1 .. total)."""
        return bisect_left(self.ends, size)

    def amount(self, size: int) -> int:
        """Return the quote amount of taking `size` (0 .. total)."""
        if size <= 0:
            return 0
        level = bisect_left(self.ends, size)
        return self.amounts[level] - (self.ends[level] - size) * self.prices[level]

    def fine_amount(self, size: int, parts: int) -> int:
        """Return `parts` times the amount of taking `size / parts`; what lies beyond the depth is worth nothing."""
        whole, rest = divmod(size, parts)
        if whole >= self.total:
            return parts * self.amounts[-1] if self.amounts else 0
        amount = parts * self.amount(whole)
        if rest:
            amount += rest * self.prices[bisect_left(self.ends, whole + 1)]
        return amount

    def size_worth(self, amount: int) -> int:
        """Return the smallest size whose amount is at least `amount`, or `total + 1` when the whole side is not."""
        if amount <= 0:
            return 0
        level = bisect_left(self.amounts, amount)
        if level == len(self.amounts):
            return self.total + 1
        return self.ends[level] - (self.amounts[level] - amount) // self.prices[level]

    def price_after(self, size: int) -> int | None:
        """Return the price of the next unit once `size` is taken, or None when nothing is left."""
        if size >= self.total:
            return None
        return self.prices[bisect_left(self.ends, size + 1)]


class PlainSizes:
    """The feasible sizes under the constraints added so far; each `limit_*` adds one class and never loosens another.

    Sizes are counted in `i`, buy lots from 1. Fresh, only depth counts. Neither side may be empty.
    """

    __slots__ = (
        "asks",
        "bids",
        "dust",
        "first",
        "last",
        "min_edge",
        "peak",
        "sale_max",
        "sale_min",
        "sale_notional",
        "terms",
    )

    def __init__(self, terms: PairTerms, asks: PlainDepth, bids: PlainDepth, over_bps: Decimal = ZERO) -> None:
        """Begin with all sizes that depth allows; the least edge is that of `terms` and `over_bps` more."""
        self.terms, self.asks, self.bids = terms, asks, bids
        self.min_edge = Fraction(terms.limits.min_edge_bps) + Fraction(over_bps)
        self.first, self.last = 1, asks.total // terms.buy_lot
        self.sale_min, self.sale_max = 1, bids.total
        self.sale_notional = 0
        self.dust: int | None = None
        self.peak: tuple[int, int] | None = None

    # The constraints, one method per reason code.

    def limit_size(self) -> None:
        """Keep `min_size_A <= q <= max_size_A` and `min_size_B <= s <= max_size_B`."""
        terms = self.terms
        self.first = max(self.first, -(-terms.buy_min_size // terms.buy_lot))
        self.sale_min = max(self.sale_min, terms.sell_min_size)
        if terms.buy_max_size is not None:
            self.last = min(self.last, terms.buy_max_size // terms.buy_lot)
        if terms.sell_max_size is not None:
            self.sale_max = min(self.sale_max, terms.sell_max_size)

    def limit_min_notional(self) -> None:
        """Keep `cost >= min_notional_A` and `s * floor_tick(worst_bid*(1-slip)) >= min_notional_B`."""
        self.first = max(self.first, -(-self.asks.size_worth(self.terms.buy_min_cost) // self.terms.buy_lot))
        self.sale_notional = self.terms.sell_min_notional

    def limit_band(self) -> None:
        """Keep `worst_ask <= highest buy limit of A` and `worst_bid >= lowest sell limit of B`, as the price bands allow.

        No sell limit is below a tick; only a bid finer than the listing can be.
        """
        asks, bids = self.asks, self.bids
        top, bottom = self.terms.buy_top(asks.twice_middle), self.terms.sell_bottom(bids.twice_middle)
        if top is not None:
            levels = bisect_right(asks.prices, top)
            self.last = min(self.last, asks.ends[levels - 1] // self.terms.buy_lot if levels else 0)
        if bottom is not None or bids.prices[-1] < self.terms.sell_tick:
            levels = bisect_right(bids.prices, -max(bottom or 0, self.terms.sell_tick), key=neg)
            self.sale_max = min(self.sale_max, bids.ends[levels - 1] if levels else 0)

    def limit_residual(self) -> None:
        """Keep `value(r) <= dust_max_quote`."""
        self.dust = self.terms.dust_max

    def limit_funds(self, funds: Funds) -> None:
        """Keep `hold <= free quote at A`, `s <= free base at B`, and fees in another asset payable twice over."""
        terms = self.terms
        exp = terms.scale.notional_exp + terms.fee_exp
        if funds.quote is not None:
            self._limit_locked(floor_scaled(funds.quote, exp), terms.buy_hold)
        if funds.base is not None:
            self.sale_max = min(self.sale_max, floor_scaled(funds.base, terms.scale.size_exp))
        if funds.buy_fee_funds is not None and terms.buy.buy_fee_in is FeeIn.OTHER and terms.buy_fee > 0:
            self._limit_locked(floor_scaled(funds.buy_fee_funds, exp), 2 * terms.buy_fee)
        if funds.sell_fee_funds is not None and terms.sell.buy_fee_in is FeeIn.OTHER and terms.sell_fee > 0:
            dearest = 2 * terms.sell_fee * terms.unwind_cap(self.bids.prices[0])
            self.sale_max = min(self.sale_max, floor_scaled(funds.sell_fee_funds, exp) // dearest)

    def limit_max_notional(self) -> None:
        """Keep `hold <= max_notional`."""
        if self.terms.max_hold is not None:
            self._limit_locked(self.terms.max_hold, self.terms.buy_hold)

    def _limit_locked(self, most: int, weight: int) -> None:
        """Keep `q * buy_cap(worst ask) * weight <= most`; the left side never falls as `q` grows."""
        asks, cap = self.asks, self.terms.buy_cap
        low, high = 0, len(asks.ends)
        while low < high:  # the first level of which not even one unit fits
            level = (low + high) // 2
            start = asks.ends[level - 1] if level else 0
            if (start + 1) * cap(asks.prices[level]) * weight > most:
                high = level
            else:
                low = level + 1
        size = 0
        if low:
            size = min(asks.ends[low - 1], most // (cap(asks.prices[low - 1]) * weight))
        self.last = min(self.last, size // self.terms.buy_lot)

    # What a size earns.

    def net(self, i: int) -> int:
        """Return `net` of `i` buy lots, on `10**(notional_exp + fee_exp) * parts`."""
        terms = self.terms
        arrived = self.bids.fine_amount(i * terms.window, terms.parts)
        return terms.sell_keep * arrived - terms.ask_weight * self.asks.amount(i * terms.buy_lot)

    def reaches_edge(self, i: int) -> bool:
        """Return whether `edge_bps - over_bps >= min_edge_bps` holds for `i` lots."""
        edge = self.min_edge
        paid = self.terms.ask_weight * self.asks.amount(i * self.terms.buy_lot)
        return 10_000 * edge.denominator * self.net(i) >= edge.numerator * paid

    def exceeds_edge(self) -> bool:
        """Return whether the smallest feasible size has `edge_bps > max_edge_bps`."""
        limit = self.terms.limits.max_edge_bps
        most = None if limit is None else Fraction(limit)
        least = None if most is None else self.least()
        if most is None or least is None:
            return False
        net, paid = least
        return 10_000 * most.denominator * net > most.numerator * paid

    def least(self) -> tuple[int, int] | None:
        """Return `net` and `paid` of the smallest feasible size, None when there is none."""
        found = self.lowest(1)
        if found is None:
            return None
        return self.net(found[0]), self.terms.ask_weight * self.asks.amount(found[0] * self.terms.buy_lot)

    def limit_edge(self) -> None:
        """Keep `edge_bps - over_bps >= min_edge_bps`: `net - edge*paid` is concave and 0 at 0, so a prefix holds it."""
        low, high = 0, self.last
        while low < high:
            middle = (low + high + 1) // 2
            if self.reaches_edge(middle):
                low = middle
            else:
                high = middle - 1
        self.last = low

    def flat_top(self) -> tuple[int, int]:
        """Return the fine sizes between which `net` is greatest: where it stops climbing and where it falls."""
        terms, asks, bids = self.terms, self.asks, self.bids
        top = fine = a = b = 0
        ask_cost, ask_end = asks.prices[0] * terms.ask_weight, asks.ends[0] * terms.received
        bid_gain, bid_end = bids.prices[0] * terms.bid_weight, bids.ends[0] * terms.parts
        while bid_gain >= ask_cost:
            fine = ask_end if ask_end < bid_end else bid_end
            if bid_gain > ask_cost:
                top = fine
            if ask_end == fine:
                a += 1
                if a == len(asks.ends):
                    break
                ask_cost, ask_end = asks.prices[a] * terms.ask_weight, asks.ends[a] * terms.received
            if bid_end == fine:
                b += 1
                if b == len(bids.ends):
                    break
                bid_gain, bid_end = bids.prices[b] * terms.bid_weight, bids.ends[b] * terms.parts
        return top, fine

    # The search.

    def best(self) -> tuple[int, int] | None:
        """Return `(i, s)` with the greatest net, ties the smaller `s`; None when no size is feasible."""
        if self.last < self.first:
            return None
        if self.peak is None:  # no constraint moves it
            self.peak = self.flat_top()
        top, fall = self.peak
        window = self.terms.window
        low, high = -(-top // window), fall // window
        after = self.lowest(low)
        if after is not None and after[0] <= high:
            return after
        before = self.highest(low - 1)
        if before is None or after is None:
            return before or after
        return after if self.net(after[0]) > self.net(before[0]) else before

    def smallest_sale(self, i: int) -> int | None:
        """Return the smallest feasible `s` whose buy size is `i` lots, or None."""
        if not self.first <= i <= self.last:
            return None
        terms, bids = self.terms, self.bids
        parts, lot = terms.parts, terms.sell_lot
        end = i * terms.window
        most = min(end // parts, self.sale_max)
        least = max((end - terms.window) // parts + 1, self.sale_min)
        if self.dust is not None:
            least = max(least, bids.size_worth(-(-(bids.fine_amount(end, parts) - self.dust) // parts)))
        s = -(-least // lot) * lot
        while s <= most:
            level = bids.level_of(s)
            bound = self._least_in_level(level)
            if bound is None:
                return None  # and the deeper levels allow still less
            s = max(s, -(-bound // lot) * lot)
            if s <= bids.ends[level]:
                break
            # Deeper levels ask for no less than this one, so what was climbed is not lost.
            s = max(s, -(-(bids.ends[level] + 1) // lot) * lot)
        return s if s <= most else None

    def _least_in_level(self, level: int) -> int | None:
        """Return the smallest `s` that bid level may end with; None when its price allows none."""
        if self.sale_notional <= 0:
            return self.sale_min
        floor = self.terms.sell_cap(self.bids.prices[level])
        return max(self.sale_min, -(-self.sale_notional // floor)) if floor else None

    def highest(self, top: int) -> tuple[int, int] | None:
        """Return the feasible `(i, s)` with the greatest `i <= top`, its smallest `s`; None when there is none."""
        window, parts, bids = self.terms.window, self.terms.parts, self.bids
        top = min(top, self.last, -(-self.sale_max * parts // window))
        bottom = max(self.first, -(-self.sale_min * parts // window))
        if top < bottom:
            return None
        s = self.smallest_sale(top)
        if s is not None:
            return top, s
        level = min(bids.level_of(-(-(top * window) // parts)), len(bids.ends) - 1)
        for j in range(level, -1, -1):
            end = -(-bids.ends[j] * parts // window)
            if end < bottom:
                break
            start = -(-bids.ends[j - 1] * parts // window) if j else 0
            found = self._try(end, bottom, top)
            if found is None:
                found = self._within(j, max(start + 1, bottom), min(end - 1, top - 1), -1)
            if found is not None:
                return found
        return None

    def lowest(self, bottom: int) -> tuple[int, int] | None:
        """Return the feasible `(i, s)` with the smallest `i >= bottom`, its smallest `s`; None when there is none."""
        window, parts, bids = self.terms.window, self.terms.parts, self.bids
        top = min(self.last, -(-self.sale_max * parts // window))
        bottom = max(bottom, self.first, -(-self.sale_min * parts // window))
        if top < bottom:
            return None
        s = self.smallest_sale(bottom)
        if s is not None:
            return bottom, s
        level = bids.level_of((bottom - 1) * window // parts + 1)
        for j in range(level, len(bids.ends)):
            start = -(-bids.ends[j - 1] * parts // window) if j else 0
            end = -(-bids.ends[j] * parts // window)
            if start > top:
                break
            found = self._within(j, max(start + 1, bottom), min(end - 1, top - 1), +1)
            if found is None:
                found = self._try(end, bottom, top)
            if found is not None:
                return found
        return self._try(top, bottom, top)

    def _try(self, i: int, bottom: int, top: int) -> tuple[int, int] | None:
        if not bottom <= i <= top:
            return None
        s = self.smallest_sale(i)
        return None if s is None else (i, s)

    def _within(self, level: int, bottom: int, top: int, way: int) -> tuple[int, int] | None:
        """Search the windows `bottom .. top`, all wholly inside `level` and below `sale_max`, downwards or upwards."""
        if bottom > top:
            return None
        least = self._least_in_level(level)
        if least is None:
            return None
        # The window that holds the bound is tried by itself; those below it have no legal sale, those above are free
        # of it.
        bound = -(-least * self.terms.parts // self.terms.window)
        above = max(bottom, bound + 1)
        if way > 0:
            found = self._try(bound, bottom, top)
            return found if found is not None else self._next(level, above, top, way)
        found = self._next(level, above, top, way)
        return found if found is not None else self._try(bound, bottom, top)

    def _next(self, level: int, bottom: int, top: int, way: int) -> tuple[int, int] | None:
        """Return the first `i` from that end of `bottom .. top` whose residual can be dust: `i*W mod lot <= slack`."""
        if bottom > top:
            return None
        window = self.terms.window
        lot = self.terms.sell_lot * self.terms.parts
        slack = window - 1
        if self.dust is not None:
            slack = min(slack, self.dust // self.bids.prices[level])
        start = top if way < 0 else bottom
        rest = start * window % lot
        steps: int | None = 0
        if rest > slack:
            # Down: (rest - k*W) mod lot, up: (rest + k*W) mod lot, must fall into 0 .. slack.
            low = rest - slack if way < 0 else lot - rest
            steps = first_residue(window, lot, low, low + slack)
        if steps is None or steps > top - bottom:
            return None
        i = start + way * steps
        s = self.smallest_sale(i)
        assert s is not None, "the residue search named a size that has no feasible sale"
        return i, s
