"""The feasible sizes for one pair of venues and two sides of books, and the best of them, exactly.

The quantities and constraints are those of `arb/core/pricing/__init__.py`.

The argument, which makes the search exact without trying every lot:

1. Write `q = i * lot_A`. Since `s + r` is all the base received, `got + value(r)` is the proceeds of *all* of it in
   B's bids, for any cut between `s` and `r`. So `net` depends only on `i`: `net(i) = (1-fB) *
   walk_B(min(q*nA, depth_B)) - k * walk_A(q)` with `nA = 1-fA` for a base fee, else 1.
2. Bids fall and asks rise, so `net` is concave in `q`: it climbs strictly, may be flat for a stretch, and falls
   strictly. The gain of a further unit never rises, so the *top*, where `net` stops climbing, is found by halving.
3. Several `s` share one `q`: those in the *window* `((i-1)*lot_A*nA, i*lot_A*nA]`. Windows do not overlap and rise with
   `i`. Among them the smallest feasible `s` is taken (ties: the smaller `s`), and `Sizes.smallest_sale` finds it.
4. Hence the optimum is the better of the highest feasible `i` before the top and the lowest one from the top on; if
   both are equal, the former. Where `net` still climbs at the highest `i` that the constraints leave, it is the highest
   feasible one.
5. The feasible `i` have holes only where no multiple of `lot_B` falls into a window, or falls too far below its end
   so that the residual is worth more than dust. Depth, balances, minimum sizes and the buy notional bound `i` and `s`
   from one side each. The sell notional `s * floor_j >= min` bounds `s` from below within each bid level `j`.
6. Windows that contain the end of a level, or a bound, are few: each is tried by itself. All other windows between
   two such are wholly in one bid level of price `p`, where the residual `r = i*W - s` is feasible iff `r * p * (1-fB)
   <= dust`, so the window is feasible iff `i * W mod lot_B <= min(dust // p, W - 1)` in fine units. The next such `i`
   in either direction is found by Euclid's algorithm (`depth.first_residue`), not by counting.

Python integers throughout, without bound, so no rounding decides anything. Cost: a few steps per
doubling of the levels and of the lots.
"""

from bisect import bisect_left, bisect_right
from operator import neg

from arb.core.pricing.depth import Depth, first_residue
from arb.core.pricing.terms import Funds, PairTerms, above, below
from arb.errors import require
from arb.market.instrument import FeeIn
from arb.market.numbers import floor_scaled


class Sizes:
    """The feasible sizes under the constraints added so far; each `limit_*` adds one class and never loosens another.

    Sizes are counted in `i`, buy lots from 1. Fresh, only depth counts. Neither side may be empty.
    """

    __slots__ = (
        "asks",
        "bids",
        "dust",
        "first",
        "last",
        "peak",
        "sale_max",
        "sale_min",
        "sale_notional",
        "terms",
    )

    def __init__(self, terms: PairTerms, asks: Depth, bids: Depth) -> None:
        self.terms, self.asks, self.bids = terms, asks, bids
        self.first, self.last = 1, asks.total // terms.buy_lot
        self.sale_min, self.sale_max = 1, bids.total
        self.sale_notional = 0
        self.dust: int | None = None
        self.peak: int | None = None

    # The constraints, one method per reason code.

    def limit_size(self) -> None:
        """Keep `min_size_A <= q <= max_size_A` and `min_size_B <= s <= max_size_B`."""
        terms = self.terms
        self.first = max(self.first, terms.least_lots)
        self.sale_min = max(self.sale_min, terms.sell_min_size)
        if terms.most_lots is not None:
            self.last = min(self.last, terms.most_lots)
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
            self._limit_locked(floor_scaled(funds.quote, exp) // terms.buy_hold)
        if funds.base is not None:
            self.sale_max = min(self.sale_max, floor_scaled(funds.base, terms.scale.size_exp))
        if funds.buy_fee_funds is not None and terms.buy.buy_fee_in is FeeIn.OTHER and terms.buy_fee > 0:
            self._limit_locked(floor_scaled(funds.buy_fee_funds, exp) // (2 * terms.buy_fee))
        if funds.sell_fee_funds is not None and terms.sell.buy_fee_in is FeeIn.OTHER and terms.sell_fee > 0:
            dearest = 2 * terms.sell_fee * terms.unwind_cap(self.bids.prices[0])
            self.sale_max = min(self.sale_max, floor_scaled(funds.sell_fee_funds, exp) // dearest)

    def limit_max_notional(self) -> None:
        """Keep `hold <= max_notional`."""
        if self.terms.max_locked is not None:
            self._limit_locked(self.terms.max_locked)

    def _limit_locked(self, most: int) -> None:
        """Keep `q * buy_cap(worst ask) <= most`; the left side never falls as `q` grows."""
        cap, ends, prices = self.terms.buy_cap, self.asks.ends, self.asks.prices
        size = most // cap(prices[0])
        if size > ends[0]:
            low, high = 1, len(ends)
            while low < high:  # the first level that does not fit even one unit
                level = (low + high) // 2
                if (ends[level - 1] + 1) * cap(prices[level]) > most:
                    high = level
                else:
                    low = level + 1
            size = min(ends[low - 1], most // cap(prices[low - 1]))
        self.last = min(self.last, size // self.terms.buy_lot)

    # The result of a size.

    def net(self, i: int) -> int:
        """Return `net` of `i` buy lots, on `10**(notional_exp + fee_exp) * parts`."""
        terms = self.terms
        arrived = self.bids.fine_amount(i * terms.window, terms.parts)
        return terms.sell_keep * arrived - terms.ask_weight * self.asks.amount(i * terms.buy_lot)

    def paid(self, i: int) -> int:
        """Return `paid` of `i` buy lots, likewise."""
        return self.terms.ask_weight * self.asks.amount(i * self.terms.buy_lot)

    def exceeds_edge(self) -> bool:
        """Return whether the smallest feasible size has `edge_bps > max_edge_bps`."""
        most = self.terms.max_edge
        least = None if most is None else self.least()
        return most is not None and least is not None and above(most, *least)

    def least(self) -> tuple[int, int] | None:
        """Return `net` and `paid` of the smallest feasible size, None when there is none."""
        found = self.lowest(1)
        if found is None:
            return None
        return self.net(found[0]), self.paid(found[0])

    def limit_edge(self, least: tuple[int, int]) -> None:
        """Keep `edge_bps >= least`: `net - least*paid` is concave and 0 at 0, so a prefix holds it."""
        low, high = 0, self.last
        while low < high:
            middle = (low + high + 1) // 2
            if not below(least, self.net(middle), self.paid(middle)):
                low = middle
            else:
                high = middle - 1
        self.last = low

    def climbs_at(self, i: int) -> bool:
        """Return whether the last unit of `i` lots brings more than it costs, so that no smaller size nets as much."""
        terms, bids = self.terms, self.bids
        level = bisect_left(bids.ends, -(-i * terms.window // terms.parts))
        if level == len(bids.ends):
            return False
        ask = self.asks.prices[self.asks.level_of(i * terms.buy_lot)]
        return bids.prices[level] * terms.bid_weight > ask * terms.ask_weight

    def top(self) -> int:
        """Return the fine size up to which `net` climbs: every unit until there brings more than it costs."""
        terms, asks, bids = self.terms, self.asks, self.bids
        ask_prices, ask_ends, bid_prices, bid_ends = asks.prices, asks.ends, bids.prices, bids.ends
        ask_weight, bid_weight, received, parts = terms.ask_weight, terms.bid_weight, terms.received, terms.parts
        low, high, step = 0, len(ask_ends), 1
        while low < high:  # the ask levels whose first unit does: the next ones first, since most edges are shallow
            level = min(low + step - 1, (low + high) // 2)
            j = bisect_right(bid_ends, ask_ends[level - 1] * received // parts) if level else 0
            if j < len(bid_ends) and bid_prices[j] * bid_weight - ask_prices[level] * ask_weight > 0:
                low, step = level + 1, 4 * step
            else:
                high = level
        if not low:
            return 0
        worst_bid = ask_prices[low - 1] * ask_weight // bid_weight + 1
        levels = bisect_right(bid_prices, -worst_bid, key=neg)
        return min(ask_ends[low - 1] * received, bid_ends[levels - 1] * parts)

    # The search.

    def best(self) -> tuple[int, int] | None:
        """Return `(i, s)` with the greatest net, ties the smaller `s`; None when no size is feasible."""
        if self.last < self.first:
            return None
        if self.climbs_at(self.last):
            return self.highest(self.last)
        if self.peak is None:  # no constraint moves it
            self.peak = self.top()
        low = -(-self.peak // self.terms.window)
        after = self.lowest(low)
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
        # A residual is worth at most its size at the best bid: one that is dust at that needs no walk.
        if self.dust is not None and (end - least * parts) * bids.prices[0] > self.dust:
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
            # Deeper levels need no less than this one, so the search never goes back.
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
        require(s is not None, f"the residue search named {i} lots, which has no feasible sale")
        return None if s is None else (i, s)
