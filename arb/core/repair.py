"""The cheapest way back to flat when the legs of a pair filled unequally.

The question is always the same: this much base is too much (sell it) or too little (buy it); at which venue, at what size
and price? *Complete* trades where the short leg was meant to, or at a third venue; *unwind* trades back where the excess leg
filled. Every venue whose book may be used is walked, net of its fee; the best net price per unit wins, what its depth does
not cover being valued at the cap. The limit of the order is the worst level touched plus a slack that grows with each
attempt, and never passes the cap that `leg_loss_max_bps` draws around the average price of the leg that filled.
No market orders.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from arb.core.settings import OnSingleLeg
from arb.market.instrument import FeeIn, Instrument, ceil_to_step, floor_to_step
from arb.market.order import Role, Side

BPS = Decimal(10_000)
ZERO = Decimal(0)
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
    """The order chosen: `unit_price` is the net quote per unit of base it was judged by."""

    venue: str
    role: Role
    side: Side
    price: Decimal
    size: Decimal
    unit_price: Decimal


def loss_cap(side: Side, reference: Decimal, leg_loss_max_bps: Decimal) -> Decimal:
    """Return the worst price a repair may trade at, from the average price of the leg that filled."""
    factor = leg_loss_max_bps / BPS
    return reference * (1 - factor) if side is Side.SELL else reference * (1 + factor)


def repair_size(side: Side, need: Decimal, price: Decimal, instrument: Instrument) -> Decimal:
    """Return the legal order size at `price` that leaves the least of `need` base unmended, 0 when none leaves less.

    It may overshoot where that leaves less than falling short would; of two equal sizes the smaller is taken.
    """
    fee = instrument.taker_fee or ZERO
    keeps = 1 - fee if side is Side.BUY and instrument.buy_fee_in is FeeIn.BASE else Decimal(1)
    exact = need / keeps
    least = max(
        ceil_to_step(instrument.min_size, instrument.lot),
        ceil_to_step(instrument.min_notional / price, instrument.lot),
        instrument.lot,
    )
    candidates = {floor_to_step(exact, instrument.lot), ceil_to_step(exact, instrument.lot), least}
    legal = sorted(size for size in candidates if is_legal(size, price, instrument))
    best = min(legal, key=lambda size: abs(need - size * keeps), default=ZERO)
    return best if abs(need - best * keeps) < need else ZERO


def is_legal(size: Decimal, price: Decimal, instrument: Instrument) -> bool:
    """Return whether the venue's minimums allow an order of `size` at `price`."""
    return size > 0 and size >= instrument.min_size and size * price >= instrument.min_notional


def choose_repair(
    side: Side,
    need: Decimal,
    cap: Decimal,
    slack_bps: Decimal,
    venues: Sequence[RepairVenue],
    policy: OnSingleLeg,
) -> RepairOrder | None:
    """Return the least-cost legal order that mends `need` (> 0) base, or None when there is none now."""
    if policy is OnSingleLeg.HOLD:
        return None
    allowed = {OnSingleLeg.COMPLETE: {Role.HEDGE, Role.DUST}, OnSingleLeg.UNWIND: {Role.UNWIND, Role.DUST}}.get(policy)
    orders = [
        order
        for venue in venues
        if allowed is None or venue.role in allowed
        if (order := _order_at(venue, side, need, cap, slack_bps)) is not None
    ]
    if not orders:
        return None
    best = max if side is Side.SELL else min
    return best(orders, key=lambda order: (order.unit_price, order.size, order.venue))


def _order_at(venue: RepairVenue, side: Side, need: Decimal, cap: Decimal, slack_bps: Decimal) -> RepairOrder | None:
    instrument = venue.instrument
    if instrument.taker_fee is None or not venue.levels or cap <= 0:
        return None
    best = venue.levels[0][0]
    if best < cap if side is Side.SELL else best > cap:
        return None  # nothing to take within the cap: an order now would only cost rate budget
    fee, slack = instrument.taker_fee, slack_bps / BPS
    # Sized at the price a repair may sink to, so that the order is legal at whatever limit it gets.
    size = repair_size(side, need, cap if side is Side.SELL else min(cap, best), instrument)
    worst, unit = _walk(venue.levels, size, cap, side)
    if side is Side.SELL:
        size = min(size, floor_to_step(venue.free, instrument.lot))
        limit = ceil_to_step(max(cap, worst * (1 - slack)), instrument.tick)
        unit_net = unit * (1 - fee)
    else:
        limit = floor_to_step(min(cap, worst * (1 + slack)), instrument.tick)
        if limit <= 0:
            return None
        size = min(size, floor_to_step(venue.free / (limit * (1 + fee)), instrument.lot))
        unit_net = unit * (1 + fee)
    if not is_legal(size, limit, instrument):
        return None
    return RepairOrder(instrument.venue, venue.role, side, limit, size, unit_net)


def _walk(levels: Levels, size: Decimal, cap: Decimal, side: Side) -> tuple[Decimal, Decimal]:
    """Return the worst price touched for `size` and the average price; beyond the cap or the depth counts at the cap."""
    left, notional, worst = size, ZERO, cap
    for price, available in levels:
        if left <= 0 or (price < cap if side is Side.SELL else price > cap):
            break
        taken = min(left, available)
        notional += taken * price
        left -= taken
        worst = price
    if left > 0:
        worst = cap
        notional += left * cap
    return worst, (notional / size if size else cap)
