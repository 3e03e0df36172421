"""The cheapest way back to flat when the legs of a pair filled unequally.

The question is always the same: this much base is too much (sell it) or too little (buy it); at which venue, at what size
and price? *Complete* trades where the short leg was meant to, or at a third venue; *unwind* trades back where the excess leg
filled. Every legal order at every venue whose book may be used is a candidate, as long as it leaves less unmended than there
is now. Of these the one of the greatest *worth* is taken, in quote:

- what the levels within its limit bring (sale) or cost (purchase, below zero), the venue's taker fee included;
- base it leaves unmended is worth what the cap, the worst price a repair may have, would still bring after the worst taker
  fee among the candidates' venues (or cost, for base still missing); a rebate counts as a fee, so that it tempts nobody;
- base beyond the need must be traded back: at as far on the other side of the best price as the cap lies on this side,
  and at the same fee.

A fee in base makes a purchase mend less than its size. The limit is the worst level the order is to touch plus a slack that
grows with each attempt, and never passes the cap that `leg_loss_max_bps` draws around the average price of the leg that
filled; where the book is too thin for the size, it is the cap at once. No market orders.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from arb.core.settings import OnSingleLeg
from arb.market.instrument import FeeIn, Instrument, ceil_to_step, floor_to_step
from arb.market.numbers import ZERO
from arb.market.order import Role, Side

BPS = Decimal(10_000)
ONE = Decimal(1)
# How many lots below the most that can be paid for are tried where the least notional binds as well.
LOTS_TRIED = 64
Levels = Sequence[tuple[Decimal, Decimal]]


class RepairVenue(msgspec.Struct, frozen=True):
    """One venue a repair could trade at: its rules, the side of its book we would take, and what we may use there.

    `free` is base for a sale and quote for a purchase.
    """

    instrument: Instrument
    levels: Levels
    free: Decimal
    role: Role


class RepairOrder(msgspec.Struct, frozen=True):
    """The order chosen; `worth` is the quote it was judged by, fees and what it leaves unmended included."""

    venue: str
    role: Role
    side: Side
    price: Decimal
    size: Decimal
    worth: Decimal


def held_by(order: RepairOrder, instrument: Instrument) -> tuple[str, Decimal]:
    """Return which asset, and how much of it, an order holds at its venue until it has ended."""
    if order.side is Side.SELL:
        return instrument.base, order.size
    return instrument.quote, order.size * order.price * _hold(instrument)


def loss_cap(side: Side, reference: Decimal, leg_loss_max_bps: Decimal) -> Decimal:
    """Return the worst price a repair may trade at, from the average price of the leg that filled."""
    factor = leg_loss_max_bps / BPS
    return reference * (1 - factor) if side is Side.SELL else reference * (1 + factor)


def repair_size(side: Side, need: Decimal, price: Decimal, instrument: Instrument) -> Decimal:
    """Return the legal order size at `price` (> 0) that leaves the least of `need` base unmended, 0 when none leaves less.

    It may overshoot where that leaves less than falling short would; of two equal sizes the smaller is taken.
    """
    keeps = _keeps(side, instrument)
    exact = need / keeps
    least = _least_size(instrument, price)
    candidates = {floor_to_step(exact, instrument.lot), ceil_to_step(exact, instrument.lot), least}
    if instrument.max_size is not None:
        candidates.add(floor_to_step(instrument.max_size, instrument.lot))
    legal = sorted(size for size in candidates if is_legal(size, price, instrument))
    best = min(legal, key=lambda size: abs(need - size * keeps), default=ZERO)
    return best if abs(need - best * keeps) < need else ZERO


def is_legal(size: Decimal, price: Decimal, instrument: Instrument) -> bool:
    """Return whether the venue's minimums and its maximum allow an order of `size` at `price`."""
    if instrument.max_size is not None and size > instrument.max_size:
        return False
    return size > 0 and size >= instrument.min_size and size * price >= instrument.min_notional


def choose_repair(
    side: Side,
    need: Decimal,
    cap: Decimal,
    slack_bps: Decimal,
    venues: Sequence[RepairVenue],
    policy: OnSingleLeg,
) -> RepairOrder | None:
    """Return the legal order of the greatest worth that mends `need` (> 0) base, or None when there is none now."""
    if policy is OnSingleLeg.HOLD:
        return None
    allowed = {OnSingleLeg.COMPLETE: {Role.HEDGE, Role.DUST}, OnSingleLeg.UNWIND: {Role.UNWIND, Role.DUST}}.get(policy)
    usable = [venue for venue in _usable(side, cap, venues) if allowed is None or venue.role in allowed]
    if not usable:
        return None
    judge = _Judge(side, need, cap, usable)
    orders = [order for venue in usable for order in _orders_at(venue, judge, slack_bps / BPS)]
    return max(orders, key=_preference, default=None)


def cheapest_at(
    side: Side, need: Decimal, cap: Decimal, slack_bps: Decimal, venues: Sequence[RepairVenue]
) -> dict[str, RepairOrder]:
    """Return the best order of every venue that has one, whatever the policy, all judged alike."""
    usable = _usable(side, cap, venues)
    if not usable:
        return {}
    judge = _Judge(side, need, cap, usable)
    best = (max(_orders_at(venue, judge, slack_bps / BPS), key=_preference, default=None) for venue in usable)
    return {order.venue: order for order in best if order is not None}


def hold_worth(side: Side, need: Decimal, cap: Decimal, venues: Sequence[RepairVenue]) -> Decimal | None:
    """Return the worth of leaving everything unmended: at the cap, after the worst fee; None when no venue is usable."""
    usable = _usable(side, cap, venues)
    return _Judge(side, need, cap, usable).unrepaired(need) if usable else None


def _usable(side: Side, cap: Decimal, venues: Sequence[RepairVenue]) -> list[RepairVenue]:
    if cap <= 0:
        return []
    return [
        venue
        for venue in venues
        if venue.instrument.taker_fee is not None and venue.levels and _within(side, venue.levels[0][0], cap)
    ]


def _preference(order: RepairOrder) -> tuple[Decimal, Decimal, str, Decimal]:
    """Return what is compared: the worth; of equals the larger order, then the one whose limit yields more."""
    return order.worth, order.size, order.venue, -order.price if order.side is Side.SELL else order.price


class _Judge:
    """What an order is worth, on the books as they stand."""

    def __init__(self, side: Side, need: Decimal, cap: Decimal, venues: Sequence[RepairVenue]) -> None:
        self.side, self.need, self.cap = side, need, cap
        tops = [venue.levels[0][0] for venue in venues]
        best = max(tops) if side is Side.SELL else min(tops)
        self._fee = max(abs(venue.instrument.taker_fee or ZERO) for venue in venues)
        self._back = max(ZERO, 2 * best - cap)

    def worth(self, venue: RepairVenue, size: Decimal, limit: Decimal) -> Decimal:
        """Return the worth of an order, as the module's text defines it."""
        filled, notional = _taken(venue.levels, size, limit, self.side)
        fee = venue.instrument.taker_fee or ZERO
        if self.side is Side.SELL:
            return notional * (1 - fee) + self.unrepaired(self.need - filled)
        paid = notional if venue.instrument.buy_fee_in is FeeIn.BASE else notional * (1 + fee)
        return self.unrepaired(self.need - filled * _keeps(self.side, venue.instrument)) - paid

    def unrepaired(self, unrepaired: Decimal) -> Decimal:
        """Return the worth of base left to sell (or to buy); below zero it was sold (or bought) beyond the need."""
        if self.side is Side.SELL:
            return unrepaired * (self.cap * (1 - self._fee) if unrepaired > 0 else self._back * (1 + self._fee))
        return -unrepaired * (self.cap / (1 - self._fee) if unrepaired > 0 else self._back * (1 - self._fee))


def _orders_at(venue: RepairVenue, judge: _Judge, slack: Decimal) -> Iterator[RepairOrder]:
    """Yield the orders at a venue among which the one of the greatest worth is.

    For one set of levels to touch, the worth rises with the size up to the need and falls beyond it, so that of all legal
    sizes only those next to the need, and those at the ends of what is legal and can be paid for, have to be looked at.
    """
    side, need, instrument = judge.side, judge.need, venue.instrument
    keeps = _keeps(side, instrument)
    inside = [level for level in venue.levels if _within(side, level[0], judge.cap)]
    after = [price for price, _ in inside[1:]] + [judge.cap]
    deep = ZERO
    for (price, available), beyond in zip(inside, after, strict=True):
        deep += available
        for size in _sizes(venue, judge, need / keeps, price, beyond):
            limit = _limit(venue, side, size, price)
            if not _may_be_sent(venue, side, size, limit, judge.cap) or abs(need - size * keeps) >= need:
                continue
            reach = judge.cap if deep < size else price * (1 - slack if side is Side.SELL else 1 + slack)
            for final in {limit, _relaxed(venue, side, size, limit, reach, judge.cap)}:
                yield RepairOrder(instrument.venue, venue.role, side, final, size, judge.worth(venue, size, final))
        if deep >= ceil_to_step(need / keeps, instrument.lot) and deep >= _least_size(instrument, price):
            break


def _sizes(venue: RepairVenue, judge: _Judge, exact: Decimal, price: Decimal, beyond: Decimal) -> set[Decimal]:
    """Return the sizes to look at for orders that touch levels down to `price`, the next one being at `beyond`."""
    instrument, lot = venue.instrument, venue.instrument.lot
    least, most = _least_size(instrument, price), _most_size(venue, judge.side, price)
    near = {floor_to_step(exact, lot), ceil_to_step(exact, lot)}
    if judge.side is Side.SELL:
        return {size for wish in near if (size := min(max(wish, least), most)) > 0}
    # A purchase may raise its limit to reach the least notional with fewer lots, while the quote lasts.
    tops = {floor_to_step(judge.cap, instrument.tick), floor_to_step(beyond, instrument.tick) - instrument.tick}
    floors = {least} | {_least_size(instrument, top) for top in tops if top >= price}
    sizes = {min(max(wish, floor), most) for wish in near for floor in floors}
    if least > most:
        sizes |= {most - lot * step for step in range(LOTS_TRIED)}
    return {size for size in sizes if size > 0}


def _limit(venue: RepairVenue, side: Side, size: Decimal, price: Decimal) -> Decimal:
    """Return the limit nearest to a level's price at which the order reaches the least notional."""
    if side is Side.SELL:
        return price
    return max(price, ceil_to_step(venue.instrument.min_notional / size, venue.instrument.tick))


def _relaxed(venue: RepairVenue, side: Side, size: Decimal, limit: Decimal, reach: Decimal, cap: Decimal) -> Decimal:
    """Return the limit moved as far as `reach`, the cap, the least notional and our means allow."""
    instrument = venue.instrument
    if side is Side.SELL:
        least = max(cap, reach, instrument.min_notional / size)
        return min(limit, ceil_to_step(least, instrument.tick))
    most = min(cap, reach, venue.free / (size * _hold(instrument)))
    return max(limit, floor_to_step(most, instrument.tick))


def _may_be_sent(venue: RepairVenue, side: Side, size: Decimal, limit: Decimal, cap: Decimal) -> bool:
    if limit <= 0 or not _within(side, limit, cap) or not is_legal(size, limit, venue.instrument):
        return False
    if side is Side.SELL:
        return size <= venue.free
    return size * limit * _hold(venue.instrument) <= venue.free


def _most_size(venue: RepairVenue, side: Side, price: Decimal) -> Decimal:
    """Return the greatest size that the venue takes and our means allow at `price`."""
    instrument = venue.instrument
    means = venue.free if side is Side.SELL else venue.free / (price * _hold(instrument))
    most = means if instrument.max_size is None else min(means, instrument.max_size)
    return floor_to_step(max(ZERO, most), instrument.lot)


def _least_size(instrument: Instrument, price: Decimal) -> Decimal:
    """Return the smallest legal size at `price` (> 0)."""
    lot = instrument.lot
    return max(ceil_to_step(instrument.min_size, lot), ceil_to_step(instrument.min_notional / price, lot), lot)


def _keeps(side: Side, instrument: Instrument) -> Decimal:
    """Return how much of one base traded counts, after a fee in base."""
    fee = instrument.taker_fee or ZERO
    return 1 - fee if side is Side.BUY and instrument.buy_fee_in is FeeIn.BASE else ONE


def _hold(instrument: Instrument) -> Decimal:
    """Return the quote that one quote of purchase holds, the fee included unless it is taken in base."""
    return ONE if instrument.buy_fee_in is FeeIn.BASE else 1 + max(ZERO, instrument.taker_fee or ZERO)


def _within(side: Side, price: Decimal, cap: Decimal) -> bool:
    return price >= cap if side is Side.SELL else price <= cap


def _taken(levels: Levels, size: Decimal, limit: Decimal, side: Side) -> tuple[Decimal, Decimal]:
    """Return the base and the quote that an order takes from a book as it stands."""
    left, notional = size, ZERO
    for price, available in levels:
        if left <= 0 or not _within(side, price, limit):
            break
        taken = min(left, available)
        notional += taken * price
        left -= taken
    return size - left, notional
