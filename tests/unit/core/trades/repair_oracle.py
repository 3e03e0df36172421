"""The least-cost repair by brute force: every venue, every multiple of the lot, every tick within the cap.

Written from the definition alone; it imports nothing of the engine. All numbers are Fractions, so nothing is rounded.

Worth of an order, in quote: what it takes from the book within its limit, less the taker fee (a sale brings, a purchase
costs); plus what it leaves unhedged, at the cap and the worst taker fee of the venues in question (rebates counted as fees);
less what it trades beyond the need, traded back at the best price of all venues plus (for a sale) or minus (for a purchase)
its distance to the cap, at the same fee. An order counts when the venue would take it, our means cover it, and it leaves
less than there is now.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Place:
    """One venue: its taken side best first, rules, fee, and the base (sale) or quote (purchase) we may use."""

    name: str
    levels: tuple[tuple[Fraction, Fraction], ...]
    tick: Fraction
    lot: Fraction
    min_size: Fraction
    min_notional: Fraction
    max_size: Fraction | None
    fee: Fraction
    fee_in_base: bool
    free: Fraction


@dataclass(frozen=True)
class Task:
    """Sell (or buy) `need` base at `cap` or better."""

    sell: bool
    need: Fraction
    cap: Fraction
    places: tuple[Place, ...]

    def usable(self) -> list[Place]:
        """Return the venues with anything to take within the cap."""
        return [p for p in self.places if p.levels and self.inside(p.levels[0][0], self.cap)]

    def inside(self, price: Fraction, limit: Fraction) -> bool:
        """Return whether a price is as good as a limit."""
        return price >= limit if self.sell else price <= limit

    def counts(self, place: Place) -> Fraction:
        """Return how much of one base traded counts."""
        return 1 - place.fee if place.fee_in_base and not self.sell else Fraction(1)

    def worth(self, place: Place, size: Fraction, limit: Fraction) -> Fraction:
        """Return the worth of an order."""
        left, quote = size, Fraction(0)
        for price, available in place.levels:
            if self.inside(price, limit) and left > 0:
                quote += price * min(left, available)
                left -= min(left, available)
        unrepaired = self.need - (size - left) * self.counts(place)
        tops = [p.levels[0][0] for p in self.usable()]
        worst_fee = max(abs(p.fee) for p in self.usable())
        if self.sell:
            back = max(Fraction(0), 2 * max(tops) - self.cap) * (1 + worst_fee)
            rest = unrepaired * (self.cap * (1 - worst_fee) if unrepaired > 0 else back)
            return quote * (1 - place.fee) + rest
        back = max(Fraction(0), 2 * min(tops) - self.cap) * (1 - worst_fee)
        rest = -unrepaired * (self.cap / (1 - worst_fee) if unrepaired > 0 else back)
        return rest - quote * (1 if place.fee_in_base else 1 + place.fee)

    def allowed(self, place: Place, size: Fraction, limit: Fraction) -> bool:
        """Return whether an order may be sent."""
        if size % place.lot or limit % place.tick or size <= 0 or limit <= 0 or not self.inside(limit, self.cap):
            return False
        if size < place.min_size or size * limit < place.min_notional:
            return False
        if place.max_size is not None and size > place.max_size:
            return False
        if abs(self.need - size * self.counts(place)) >= self.need:
            return False
        hold = 1 if place.fee_in_base else 1 + max(Fraction(0), place.fee)
        return size <= place.free if self.sell else size * limit * hold <= place.free

    def orders(self) -> Iterator[tuple[Place, Fraction, Fraction]]:
        """Yield every order that may be sent and touches at least the best level."""
        for place in self.usable():
            top = place.levels[0][0]
            size = place.lot
            while size * self.counts(place) < 2 * self.need:
                limit = top
                while limit > 0 and self.inside(limit, self.cap):
                    if self.allowed(place, size, limit):
                        yield place, size, limit
                    limit += -place.tick if self.sell else place.tick
                size += place.lot

    def best(self) -> Fraction | None:
        """Return the greatest worth, or None when no order may be sent."""
        return max((self.worth(*order) for order in self.orders()), default=None)
