"""Accounts that pay their fees in an asset of the venue's own: drawn from a seed, and set up.

In some seeds an account pays so from the beginning to the end, from a balance that lasts for all of it, for a few pairs, or
for none; the settings state what the asset is worth, a little off perhaps, or say nothing. The draw has a chance of its own,
so that all else of a seed is as it would be without.
"""

import random
from decimal import Decimal

import msgspec

from arb.market.numbers import ZERO
from arb.sandbox.disturb import POINTS
from arb.sandbox.registry import SPECS, VENUE_NAMES
from arb.sandbox.world import SimWorld

SHARE = 0.3
"""In how many of all seeds an account pays so."""
AMPLE = Decimal(10_000)
TAKER = Decimal("0.0009")
"""The dearest rate of a venue that takes fees so, bar those of new listings."""
LEGS_MOST = 25
"""What a small balance pays for at most, in legs of the largest size."""


class FeeMode(msgspec.Struct, frozen=True):
    """An account that pays its fees in an asset, of which it holds `balance`; `price_quote`: as stated, None for not."""

    venue: str
    asset: str
    balance: Decimal
    price_quote: Decimal | None


def drawn_modes(seed: int, notional: Decimal) -> tuple[FeeMode, ...]:
    """Return how the accounts of a seed pay; `notional`: the largest leg, in quote. A balance of 0 only states a price."""
    rng = random.Random(f"{seed}/fee assets")
    if rng.random() >= SHARE:
        stated = tuple(FeeMode(venue, "", ZERO, Decimal(1)) for venue in POINTS)
        return stated if rng.random() < 1 / 2 else ()
    venues = tuple(name for name in VENUE_NAMES if SPECS[name].fee_assets)
    return tuple(_drawn(rng, venue, notional) for venue in rng.choice((*((venue,) for venue in venues), venues)))


def _drawn(rng: random.Random, venue: str, notional: Decimal) -> FeeMode:
    of = rng.choice(SPECS[venue].fee_assets)
    leg = notional * TAKER * of.share * of.per_quote
    balance = AMPLE if rng.random() < SHARE else leg * Decimal(rng.randint(0, 100 * LEGS_MOST)) / 100
    worth = 1 / of.per_quote * Decimal(rng.choice(("1", "1", "1", "0.97", "1.04")))
    return FeeMode(venue, of.asset, balance, worth if rng.random() < 1 - SHARE / 2 else None)


def prices_of(modes: tuple[FeeMode, ...], venue: str) -> dict[str, Decimal]:
    """Return what the settings of an engine state for a venue; where no asset is named, points."""
    return {
        mode.asset or POINTS[venue]: mode.price_quote
        for mode in modes
        if mode.venue == venue and mode.price_quote is not None
    }


def set_up(world: SimWorld, modes: tuple[FeeMode, ...]) -> None:
    """Have the accounts of a world pay so, before anything happens in it."""
    for mode in modes:
        if mode.asset:
            venue = world.venues[mode.venue]
            venue.disturbance.pay_fees_in(mode.asset)
            venue.exchange.account.begin_with(mode.asset, mode.balance)
