"""The best order that brings an unhedged pair nearer to flat: its venue, size and limit.

The pair has a surplus of base (sell it) or a lack (buy it). A *hedge* completes the short leg, at its planned venue or at a
third one; an *unwind* trades back at the venue of the other leg. Every legal order at every venue with a usable book is a
candidate, if it reduces the imbalance. Sending no order is no candidate, even where holding would be worth more. The candidate
of the greatest *worth* is taken, in quote:

- the proceeds (sale) or the cost (purchase, below zero) of the levels within its limit, the venue's taker fee included;
- base that stays unhedged is valued at the cap, the worst price a repair may have, after the highest taker fee among the
  candidates' venues (or costs that, for base still missing); a rebate counts as a fee of that size, never as a gain;
- base beyond the need must be traded back: at the best price moved against us by its distance from the cap, and at the
  same fee.

Where a fee is taken in base, a purchase brings less than its size. Of limits of equal worth the one surer to fill is taken.
That is the best level's price plus a slack that grows with each attempt, where that level covers the whole size; otherwise the
cap. No limit passes the cap (`repair_options`): `leg_loss_max_bps` off the average price of the leg that filled, for dust a
little off the mid price, and with `emergency_market` for a halted pair the deepest level shown. There are no market orders.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from arb.core.messages.settings import OnSingleLeg
from arb.market.instrument import FeeIn, Instrument, ceil_to_step, floor_to_step
from arb.market.numbers import ZERO
from arb.market.order import Role, Side

BPS = Decimal(10_000)
ONE = Decimal(1)
# How many lots below the largest affordable size are tried where the minimum notional binds as well.
LOTS_TRIED = 64
Levels = Sequence[tuple[Decimal, Decimal]]


class RepairVenue(msgspec.Struct, frozen=True):
    """One venue a repair could trade at: its rules, the side of its book we would take, our free balance there.

    `free` is base for a sale and quote for a purchase.
    """

    instrument: Instrument
    levels: Levels
    free: Decimal
    role: Role


class RepairOrder(msgspec.Struct, frozen=True):
    """The order chosen; `worth` is its quote value, with fees and the base left unhedged."""

    venue: str
    role: Role
    side: Side
    price: Decimal
    size: Decimal
    worth: Decimal


def held_by(side: Side, size: Decimal, price: Decimal, instrument: Instrument) -> tuple[str, Decimal]:
    """Return which asset, and how much of it, an order holds at its venue until it has ended."""
    if side is Side.SELL:
        return instrument.base, size
    return instrument.quote, size * price * _locked_per_quote(instrument)


def loss_cap(side: Side, reference: Decimal, leg_loss_max_bps: Decimal) -> Decimal:
    """Return the price `leg_loss_max_bps` worse than `reference`: the worst that a repair of this side may trade at."""
    factor = leg_loss_max_bps / BPS
    return reference * (1 - factor) if side is Side.SELL else reference * (1 + factor)


def repair_size(side: Side, need: Decimal, price: Decimal, instrument: Instrument) -> Decimal:
    """Return the legal order size at `price` (> 0) that leaves the least of `need` base unhedged; 0 when none leaves less.

    It may overshoot where that leaves less than falling short; of two equal sizes the smaller is taken.
    """
    received_share = _received_share(side, instrument)
    exact = need / received_share
    least = _least_size(instrument, price)
    candidates = {floor_to_step(exact, instrument.lot), ceil_to_step(exact, instrument.lot), least}
    if instrument.max_size is not None:
        candidates.add(floor_to_step(instrument.max_size, instrument.lot))
    legal = sorted(size for size in candidates if is_legal(size, price, instrument))
    best = min(legal, key=lambda size: abs(need - size * received_share), default=ZERO)
    return best if abs(need - best * received_share) < need else ZERO


def is_legal(size: Decimal, price: Decimal, instrument: Instrument) -> bool:
    """Return whether the venue's minimums and its maximum allow an order of `size` at `price`."""
    if instrument.max_size is not None and size > instrument.max_size:
        return False
    return size > 0 and size >= instrument.min_size and size * price >= instrument.min_notional


ONLY = {OnSingleLeg.COMPLETE: Role.HEDGE, OnSingleLeg.UNWIND: Role.UNWIND}
"""The one role that repairs may have by a policy; by the others they may have any."""


def choose_repair(
    side: Side,
    need: Decimal,
    cap: Decimal,
    slack_bps: Decimal,
    venues: Sequence[RepairVenue],
    policy: OnSingleLeg,
) -> RepairOrder | None:
    """Return the legal order of the greatest worth towards trading `need` (> 0) base, or None when there is none now."""
    if policy is OnSingleLeg.HOLD:
        return None
    only = ONLY.get(policy)
    usable = [venue for venue in _usable(side, cap, venues) if only in (None, venue.role)]
    if not usable:
        return None
    valuation = _Valuation(side, need, cap, usable)
    orders = [order for venue in usable for order in _orders_at(venue, valuation, slack_bps / BPS)]
    return max(orders, key=_preference, default=None)


def _usable(side: Side, cap: Decimal, venues: Sequence[RepairVenue]) -> list[RepairVenue]:
    if cap <= 0:
        return []
    return [
        venue
        for venue in venues
        if venue.instrument.taker_fee is not None and venue.levels and _within(side, venue.levels[0][0], cap)
    ]


def _preference(order: RepairOrder) -> tuple[Decimal, Decimal, str, Decimal]:
    """Return the key of comparison: the worth; of equals the larger order, then at one venue the limit surer to fill."""
    return order.worth, order.size, order.venue, -order.price if order.side is Side.SELL else order.price


class _Valuation:
    def __init__(self, side: Side, need: Decimal, cap: Decimal, venues: Sequence[RepairVenue]) -> None:
        self.side, self.need, self.cap = side, need, cap
        tops = [venue.levels[0][0] for venue in venues]
        best = max(tops) if side is Side.SELL else min(tops)
        self._fee = max(abs(venue.instrument.taker_fee or ZERO) for venue in venues)
        # The price at which base beyond the need is assumed to be traded back.
        self._price_back = max(ZERO, 2 * best - cap)

    def worth(self, venue: RepairVenue, size: Decimal, limit: Decimal) -> Decimal:
        """Return the worth of an order in quote: its immediate trades, and the base it leaves unhedged or overshoots."""
        filled, notional = _traded_at_once(venue.levels, size, limit, self.side)
        fee = venue.instrument.taker_fee or ZERO
        if self.side is Side.SELL:
            return notional * (1 - fee) + self.rest_worth(self.need - filled)
        paid = notional if venue.instrument.buy_fee_in is FeeIn.BASE else notional * (1 + fee)
        return self.rest_worth(self.need - filled * _received_share(self.side, venue.instrument)) - paid

    def rest_worth(self, rest: Decimal) -> Decimal:
        """Return the worth of `rest` base still to sell (or to buy); below zero it was sold (or bought) beyond the need."""
        if self.side is Side.SELL:
            return rest * (self.cap * (1 - self._fee) if rest > 0 else self._price_back * (1 + self._fee))
        return -rest * (self.cap / (1 - self._fee) if rest > 0 else self._price_back * (1 - self._fee))


def _orders_at(venue: RepairVenue, valuation: _Valuation, slack: Decimal) -> Iterator[RepairOrder]:
    """Yield the orders at a venue among which the one of the greatest worth is.

    For one set of levels to touch, the worth rises with the size up to the need and falls beyond it. So of all legal sizes only
    those next to the need, and the smallest and largest that are legal and affordable, have to be tried.
    """
    side, need, instrument = valuation.side, valuation.need, venue.instrument
    received_share = _received_share(side, instrument)
    inside = [level for level in venue.levels if _within(side, level[0], valuation.cap)]
    after = [price for price, _ in inside[1:]] + [valuation.cap]
    deep = ZERO
    for (price, available), beyond in zip(inside, after, strict=True):
        deep += available
        for size in _sizes(venue, valuation, need / received_share, price, beyond):
            limit = _limit(venue, side, size, price)
            if not _may_be_sent(venue, side, size, limit, valuation.cap) or abs(need - size * received_share) >= need:
                continue
            reach = valuation.cap if deep < size else price * (1 - slack if side is Side.SELL else 1 + slack)
            for final in {limit, _relaxed(venue, side, size, limit, reach, valuation.cap)}:
                yield RepairOrder(instrument.venue, venue.role, side, final, size, valuation.worth(venue, size, final))
        if deep >= ceil_to_step(need / received_share, instrument.lot) and deep >= _least_size(instrument, price):
            break


def _sizes(venue: RepairVenue, valuation: _Valuation, exact: Decimal, price: Decimal, beyond: Decimal) -> set[Decimal]:
    """Return the sizes to try for orders that touch levels down to `price`, the next level being at `beyond`."""
    instrument, lot = venue.instrument, venue.instrument.lot
    least, most = _least_size(instrument, price), _most_size(venue, valuation.side, price)
    near = {floor_to_step(exact, lot), ceil_to_step(exact, lot)}
    if valuation.side is Side.SELL:
        return {size for wish in near if (size := min(max(wish, least), most)) > 0}
    # A purchase may raise its limit to reach the minimum notional with fewer lots, while the quote lasts.
    tops = {floor_to_step(valuation.cap, instrument.tick), floor_to_step(beyond, instrument.tick) - instrument.tick}
    floors = {least} | {_least_size(instrument, top) for top in tops if top >= price}
    sizes = {min(max(wish, floor), most) for wish in near for floor in floors}
    if least > most:
        sizes |= {most - lot * step for step in range(LOTS_TRIED)}
    return {size for size in sizes if size > 0}


def _limit(venue: RepairVenue, side: Side, size: Decimal, price: Decimal) -> Decimal:
    """Return the limit nearest to a level's price at which the order reaches the minimum notional.

    A level may be finer than the tick: the limit is the next multiple that still trades against it.
    """
    tick = venue.instrument.tick
    if side is Side.SELL:
        return floor_to_step(price, tick)
    return ceil_to_step(max(price, venue.instrument.min_notional / size), tick)


def _relaxed(venue: RepairVenue, side: Side, size: Decimal, limit: Decimal, reach: Decimal, cap: Decimal) -> Decimal:
    """Return the limit moved as far as `reach`, the cap, the minimum notional and our free balance allow."""
    instrument = venue.instrument
    if side is Side.SELL:
        least = max(cap, reach, instrument.min_notional / size)
        return min(limit, ceil_to_step(least, instrument.tick))
    most = min(cap, reach, venue.free / (size * _locked_per_quote(instrument)))
    return max(limit, floor_to_step(most, instrument.tick))


def _may_be_sent(venue: RepairVenue, side: Side, size: Decimal, limit: Decimal, cap: Decimal) -> bool:
    if limit <= 0 or not _within(side, limit, cap) or not is_legal(size, limit, venue.instrument):
        return False
    if side is Side.SELL:
        return size <= venue.free
    return size * limit * _locked_per_quote(venue.instrument) <= venue.free


def _most_size(venue: RepairVenue, side: Side, price: Decimal) -> Decimal:
    """Return the greatest size that the venue takes and our free balance pays for at `price`."""
    instrument = venue.instrument
    affordable = venue.free if side is Side.SELL else venue.free / (price * _locked_per_quote(instrument))
    most = affordable if instrument.max_size is None else min(affordable, instrument.max_size)
    return floor_to_step(max(ZERO, most), instrument.lot)


def _least_size(instrument: Instrument, price: Decimal) -> Decimal:
    lot = instrument.lot
    return max(ceil_to_step(instrument.min_size, lot), ceil_to_step(instrument.min_notional / price, lot), lot)


def _received_share(side: Side, instrument: Instrument) -> Decimal:
    """Return how much base one base traded brings or takes: less than one for a purchase with its fee in base."""
    fee = instrument.taker_fee or ZERO
    return 1 - fee if side is Side.BUY and instrument.buy_fee_in is FeeIn.BASE else ONE


def _locked_per_quote(instrument: Instrument) -> Decimal:
    """Return the quote that a purchase of one quote locks: with its fee, unless that is taken in base."""
    return ONE if instrument.buy_fee_in is FeeIn.BASE else 1 + max(ZERO, instrument.taker_fee or ZERO)


def _within(side: Side, price: Decimal, cap: Decimal) -> bool:
    return price >= cap if side is Side.SELL else price <= cap


def _traded_at_once(levels: Levels, size: Decimal, limit: Decimal, side: Side) -> tuple[Decimal, Decimal]:
    rest, notional = size, ZERO
    for price, available in levels:
        if rest <= 0 or not _within(side, price, limit):
            break
        taken = min(rest, available)
        notional += taken * price
        rest -= taken
    return size - rest, notional
