"""The feasible sizes of a pair of venues, one by one: every lot multiple of the sale, with each constraint as it is defined.

It judges `arb/core/pricing/sizes.py` and shares no search with it: a case takes as long as its books have lots.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate
from operator import mul

from arb.core.pricing.terms import Funds, PairTerms
from arb.market.instrument import FeeIn
from arb.market.numbers import ZERO, floor_scaled


class PlainDepth:
    """One side of a book, best first, with running sums."""

    def __init__(self, prices: Sequence[int], sizes: Sequence[int], opposite: int | None = None) -> None:
        self.prices, self.sizes, self.opposite = prices, sizes, opposite
        self._ends: list[int] = list(accumulate(sizes))
        self._amounts: list[int] = [0, *accumulate(map(mul, prices, sizes))]
        self.total = self._ends[-1] if sizes else 0

    @property
    def twice_middle(self) -> int:
        """Return twice the middle of the book's best prices, twice the best price here when the other side is empty."""
        return self.prices[0] + (self.prices[0] if self.opposite is None else self.opposite)

    def worst(self, size: int) -> int:
        """Return the price of the last unit when `size` (1 .. total) is taken."""
        return self.prices[bisect_left(self._ends, size)]

    def amount(self, size: int) -> int:
        """Return the quote amount of taking `size` (0 .. total)."""
        level = bisect_left(self._ends, size)
        return self._amounts[level] + (size - (self._ends[level - 1] if level else 0)) * self.prices[level]

    def fine_amount(self, size: int, parts: int) -> int:
        """Return `parts` times the amount of taking `size / parts`; what lies beyond the depth is worth nothing."""
        whole, rest = divmod(size, parts)
        if whole >= self.total:
            return parts * self._amounts[-1]
        return parts * self.amount(whole) + rest * self.worst(whole + 1)

    def price_after(self, size: int) -> int | None:
        """Return the price of the next unit once `size` is taken, or None when nothing is left."""
        return None if size >= self.total else self.worst(size + 1)


class PlainSizes:
    """The feasible sizes `(i, s)`, in buy lots and in units of the sale; each `limit_*` drops those that break one rule."""

    def __init__(self, terms: PairTerms, asks: PlainDepth, bids: PlainDepth, required_bps: Decimal = ZERO) -> None:
        """Begin with all sizes that depth allows; `required_bps` is the least edge."""
        self.terms, self.asks, self.bids = terms, asks, bids
        self.min_edge = Fraction(required_bps)
        sales = range(terms.sell_lot, bids.total + 1, terms.sell_lot)
        # The fewest buy lots that bring what is sold.
        sizes = ((-(-s * terms.parts // terms.window), s) for s in sales)
        self.feasible = [(i, s) for i, s in sizes if i * terms.buy_lot <= asks.total]
        self._nets: dict[int, int] = {}

    def _keep(self, holds: Callable[[int, int], bool]) -> None:
        """Keep the sizes for which a rule holds, given what is bought and what is sold."""
        self.feasible = [(i, s) for i, s in self.feasible if holds(i * self.terms.buy_lot, s)]

    # The constraints, one method per reason code.

    def limit_size(self) -> None:
        """Keep `min_size_A <= q <= max_size_A` and `min_size_B <= s <= max_size_B`."""
        terms = self.terms
        self._keep(lambda q, s: q >= terms.buy_min_size and s >= terms.sell_min_size)
        self._keep(lambda q, _: terms.buy_max_size is None or q <= terms.buy_max_size)
        self._keep(lambda _, s: terms.sell_max_size is None or s <= terms.sell_max_size)

    def limit_min_notional(self) -> None:
        """Keep `cost >= min_notional_A` and `s * floor_tick(worst_bid*(1-slip)) >= min_notional_B`."""
        terms, asks, bids = self.terms, self.asks, self.bids
        self._keep(lambda q, _: asks.amount(q) >= terms.buy_min_cost)
        self._keep(lambda _, s: s * terms.sell_cap(bids.worst(s)) >= terms.sell_min_notional)

    def limit_band(self) -> None:
        """Keep `worst_ask <= highest buy limit of A` and `worst_bid >= lowest sell limit of B`, which is a tick at least."""
        asks, bids = self.asks, self.bids
        top, bottom = self.terms.buy_top(asks.twice_middle), self.terms.sell_bottom(bids.twice_middle)
        least = max(bottom or 0, self.terms.sell_tick)
        self._keep(lambda q, _: top is None or asks.worst(q) <= top)
        self._keep(lambda _, s: bids.worst(s) >= least)

    def limit_residual(self) -> None:
        """Keep `value(r) <= dust_max_quote`."""
        most, terms, bids = self.terms.dust_max, self.terms, self.bids
        if most is not None:
            self.feasible = [
                (i, s)
                for i, s in self.feasible
                if bids.fine_amount(i * terms.window, terms.parts) - terms.parts * bids.amount(s) <= most
            ]

    def limit_funds(self, funds: Funds) -> None:
        """Keep `hold <= free quote at A`, `s <= free base at B`, and fees in another asset payable twice over."""
        terms = self.terms
        exp = terms.scale.notional_exp + terms.fee_exp
        if funds.quote is not None:
            self._keep_locked(floor_scaled(funds.quote, exp), terms.buy_hold)
        if funds.base is not None:
            base = floor_scaled(funds.base, terms.scale.size_exp)
            self._keep(lambda _, s: s <= base)
        if funds.buy_fee_funds is not None and terms.buy.buy_fee_in is FeeIn.OTHER:
            self._keep_locked(floor_scaled(funds.buy_fee_funds, exp), 2 * max(0, terms.buy_fee))
        if funds.sell_fee_funds is not None and terms.sell.buy_fee_in is FeeIn.OTHER:
            fee, most = 2 * max(0, terms.sell_fee), floor_scaled(funds.sell_fee_funds, exp)
            dearest = terms.unwind_cap(self.bids.prices[0])
            self._keep(lambda _, s: s * fee * dearest <= most)

    def limit_max_notional(self) -> None:
        """Keep `hold <= max_notional`."""
        if self.terms.max_hold is not None:
            self._keep_locked(self.terms.max_hold, self.terms.buy_hold)

    def _keep_locked(self, most: int, weight: int) -> None:
        self._keep(lambda q, _: q * self.terms.buy_cap(self.asks.worst(q)) * weight <= most)

    def limit_edge(self) -> None:
        """Keep `edge_bps >= required_bps`."""
        self.feasible = [(i, s) for i, s in self.feasible if self.reaches_edge(i)]

    # What a size earns.

    def paid(self, i: int) -> int:
        """Return what `i` buy lots cost, on the scale of `net`."""
        return self.terms.ask_weight * self.asks.amount(i * self.terms.buy_lot)

    def net(self, i: int) -> int:
        """Return `net` of `i` buy lots, on `10**(notional_exp + fee_exp) * parts`."""
        if i not in self._nets:
            arrived = self.bids.fine_amount(i * self.terms.window, self.terms.parts)
            self._nets[i] = self.terms.sell_keep * arrived - self.paid(i)
        return self._nets[i]

    def reaches_edge(self, i: int) -> bool:
        """Return whether `edge_bps >= required_bps` holds for `i` lots."""
        return 10_000 * self.min_edge.denominator * self.net(i) >= self.min_edge.numerator * self.paid(i)

    def exceeds_edge(self) -> bool:
        """Return whether the smallest feasible size has `edge_bps > max_edge_bps`."""
        most, least = self.terms.limits.max_edge_bps, self.least()
        return most is not None and least is not None and 10_000 * Fraction(*least) > Fraction(most)

    def least(self) -> tuple[int, int] | None:
        """Return `net` and `paid` of the smallest feasible size, None when there is none."""
        if not self.feasible:
            return None
        i, _ = min(self.feasible)
        return self.net(i), self.paid(i)

    def best(self) -> tuple[int, int] | None:
        """Return `(i, s)` with the greatest net, ties the smaller `s`; None when no size is feasible."""
        return max(self.feasible, key=lambda size: (self.net(size[0]), -size[1]), default=None)
