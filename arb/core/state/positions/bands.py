"""Bands: how much each venue should hold of an asset, and how that moves the edge that a pair must have.

Trades move assets between venues, and a venue without funds trades no more (`insufficient_balance`). Market makers shift
their indifference price by their holdings (Avellaneda and Stoikov, "High-frequency trading in a limit order
book", Quantitative Finance 8 (2008): the reservation price is linear in the inventory). Here the same shift is in basis
points on the required edge:

- The *position* of an asset in its band runs from -1 at the low edge and below, by 0 at the target, to 1 at the high edge and
  above, linear between. Holdings are the computed totals: the last agreed balances and all fills and transfers since.
- The asset that a pair spends (base at the sell venue, quote at the buy venue) moves the required edge against its position:
  scarce raises it, rich lowers it. The asset it receives (base at the buy venue, quote at the sell venue) moves it with its
  position.
- Each moves it by its position times `skew_max_bps`, rounded up to thousandths of a basis point. Of those that raise it only
  the largest counts, and of those that lower it, too. Base and quote of a venue move against each other, so their positions
  mostly express the same fact, which would else count up to four times.

**The lower bound.** The required edge, less the expected cost of the legs, is never lowered below `LEAST_EDGE_BPS` > 0
(nor at all where `min_edge_bps` is below that). An edge is net of all fees and includes the residual. So every pair at
a lowered threshold earns more than 0 after all known costs.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from arb.core.messages.recovery_records import SkewPart
from arb.core.messages.settings import Band, InventoryBands
from arb.core.state.positions.inventory import Inventory
from arb.market.numbers import ZERO
from arb.market.route import Route
from arb.market.symbol import Symbol

LEAST_EDGE_BPS = Decimal("0.001")
"""The required edge, less the expected cost of legs, is lowered to this at most: the least step of rates."""
MILLI = 1000


class Skew(NamedTuple):
    """The effect of the bands on a route: the move of the required edge, and its parts; the bound may have cut the sum."""

    bps: Decimal
    parts: tuple[SkewPart, ...]


LEVEL = Skew(ZERO, ())
"""The skew where no band applies."""


class Bands:
    def __init__(self, rule: InventoryBands, inventory: Inventory, venues: Sequence[str]) -> None:
        """`venues`: all venues traded at; shares are of their joint holdings."""
        self.rule = rule
        self._inventory = inventory
        self._venues = venues
        self._most = int(rule.skew_max_bps * MILLI)
        self.skews = self._most > 0 and bool(rule.venue)
        """Whether the required edge may move at all."""
        # Cached skews by route and least edge, with the revision of the holdings they were computed from.
        self._known: dict[tuple[Route, Decimal], Skew] = {}
        self._revision = -1

    def position(self, venue: str, asset: str) -> Fraction | None:
        """Return an asset's position in its band, from -1 to 1; None without a band, or before all balances are known."""
        band = self.rule.venue.get(venue, {}).get(asset)
        if band is None:
            return None
        counted = self._venues if band.of_all else (venue,)
        if not self._inventory.with_basis.issuperset(counted):
            return None
        held = {at: Fraction(self._inventory.computed(at, asset)) for at in counted}
        return position(band, held[venue], sum(held.values(), Fraction(0)))

    def skew(self, route: Route, min_edge_bps: Decimal) -> Skew:
        if self._revision != self._inventory.revision:
            self._revision = self._inventory.revision
            self._known.clear()
        known = self._known.get((route, min_edge_bps))
        if known is None:
            known = self._known[route, min_edge_bps] = self._worked_out(route, min_edge_bps)
        return known

    def _worked_out(self, route: Route, min_edge_bps: Decimal) -> Skew:
        raising = lowering = None
        for part in self._parts(route) if self.skews else ():
            if part.bps > (raising.bps if raising else ZERO):
                raising = part
            elif part.bps < (lowering.bps if lowering else ZERO):
                lowering = part
        parts = tuple(part for part in (raising, lowering) if part is not None)
        if not parts:
            return LEVEL
        skewed = min_edge_bps + sum((part.bps for part in parts), ZERO)
        return Skew(max(skewed, min(min_edge_bps, LEAST_EDGE_BPS)) - min_edge_bps, parts)

    def _parts(self, route: Route) -> Iterator[SkewPart]:
        buy_venue, sell_venue = route.venues
        base, quote = Symbol.of(route.group).base_and_quote
        for venue, asset, sign in (
            (sell_venue, base, -1),
            (buy_venue, quote, -1),
            (buy_venue, base, 1),
            (sell_venue, quote, 1),
        ):
            where = self.position(venue, asset)
            if where:
                bps = Decimal(ceil(sign * where * self._most)).scaleb(-3)
                yield SkewPart(venue, asset, "rich" if where > 0 else "scarce", bps)


def position(band: Band, held: Fraction, in_all: Fraction) -> Fraction:
    """Return the position of `held` in `band`, from -1 to 1; `in_all`: the joint holdings of all venues, for shares.

    0 where all of them hold nothing: shares of it are undefined.
    """
    if band.of_all and in_all <= 0:
        return Fraction(0)
    low, target, high = band.edges(in_all)
    off = held - target
    return max(Fraction(-1), min(Fraction(1), off / (high - target if off > 0 else target - low)))
