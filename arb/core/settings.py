"""The limits and times the engine obeys, with safe defaults. `config.py` turns config.toml into these.

Amounts are in quote currency, rates in basis points (1 bps = 1/10000), durations in the unit their name ends in.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a pair trade must earn, and what may be risked."""

    min_edge_bps: Decimal = Decimal(6)
    min_net_quote: Decimal = Decimal("0.01")
    max_notional_quote: Decimal = Decimal(2000)
    max_slippage_bps: Decimal = Decimal(5)
    dust_max_quote: Decimal = Decimal(5)
    dust_total_max_quote: Decimal = Decimal(50)
    max_open_pairs: int = 5
    max_unhedged_quote: Decimal = Decimal(10_000)
    daily_loss_quote: Decimal = Decimal(100)
    consecutive_losses: int = 10
    max_capital_per_venue_quote: Decimal = Decimal(500_000)


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """When a book may be traded on, and how long anything may take."""

    max_feed_lag_ms: int = 1000
    feed_silence_ms: int = 15_000
    max_skew_ms: int = 500
    max_clock_offset_error_ms: int = 250
    close_after_ms: int = 50
    order_expiry_ms: int = 1000
    unknown_grace_ms: int = 30_000
    unknown_max_s: int = 120
    query_after_ms: int = 400
    leg_deadline_ms: int = 3000
    balance_refresh_s: int = 30
    shutdown_deadline_s: int = 30


class OnSingleLeg(StrEnum):
    """What to do when one leg filled more than the other."""

    CHEAPEST = "cheapest"
    COMPLETE = "complete"
    UNWIND = "unwind"
    HOLD = "hold"


class RepairPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How a pair whose legs filled unequally is mended."""

    on_single_leg: OnSingleLeg = OnSingleLeg.CHEAPEST
    leg_loss_max_bps: Decimal = Decimal(50)
    emergency_market: bool = False
