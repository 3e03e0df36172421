"""The limits and times the engine obeys, with safe defaults. `arb/config` turns config.toml into these.

Amounts are in quote currency, rates in basis points (1 bps = 1/10000), durations in the unit their name ends in.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Literal, NewType

import msgspec

from arb.market.coins import Coin, CoinOverride
from arb.market.numbers import ZERO

LegCost = NewType("LegCost", str)
OFF = LegCost("off")
LEARNED = LegCost("learned")
"""Only in tapes and journals of earlier versions, which learned the cost per route and began with `LEARNED_FIRST_BPS`."""
LEARNED_FIRST_BPS = Decimal(4)


def leg_cost_bps(rule: LegCost) -> Decimal:
    """Return a rule as a rate; a run that learned is replayed with its first estimate."""
    if rule in (OFF, LEARNED):
        return ZERO if rule == OFF else LEARNED_FIRST_BPS
    return Decimal(rule.removesuffix("bps"))


FastBooks = bool | Literal["auto", "compare"]
"""Which code keeps the books: compiled where available ("auto"), compiled or no run (true), plain (false), or both
("compare")."""


class UnprovedCoin(StrEnum):
    """What to do with a symbol whose coins are not proved to be the same at both venues."""

    MARK = "mark"
    REFUSE = "refuse"


class Trapped(StrEnum):
    """What to do with a route whose pairs could not be refilled, because a wallet is closed."""

    REFUSE = "refuse"
    CAP = "cap"
    IGNORE = "ignore"


class CoinRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run's knowledge of coins, the user's overrides, and whether it refuses coins that are not proved to be one."""

    coins: tuple[Coin, ...]
    refuse_unproved: bool
    overrides: tuple[CoinOverride, ...] = ()


class SymbolLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The limits that one symbol overrides; None: the general one."""

    min_edge_bps: Decimal | None = None
    max_edge_bps: Decimal | None = None
    min_net_quote: Decimal | None = None
    max_notional_quote: Decimal | None = None
    max_slippage_bps: Decimal | None = None
    dust_max_quote: Decimal | None = None
    max_symbol_quote: Decimal | None = None
    max_price_ratio_bps: Decimal | None = None
    entry_band_bps: Decimal | None = None


class VenueLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The limits that one venue overrides; None: the general one."""

    min_edge_bps: Decimal | None = None
    max_edge_bps: Decimal | None = None
    min_net_quote: Decimal | None = None
    max_notional_quote: Decimal | None = None
    max_slippage_bps: Decimal | None = None
    max_capital_per_venue_quote: Decimal | None = None


class AppliedLimit(msgspec.Struct, frozen=True):
    """A limit of a symbol's or a venue's table that replaced the general one: its key, its value, and the table."""

    limit: str
    value: Decimal
    table: str


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a pair trade must earn, and what may be risked.

    `symbol` and `venue` hold overrides. A limit of a symbol or a venue replaces the general one. Where both state it, and
    between the two venues of a pair, the stricter holds. `leg_cost` is the allowance of the threshold `min_edge_bps` for legs
    that fall short: "off", or a rate ("3bps"). `unproved_coin` is the rule of paper trading for coins that are not proved;
    live trading always refuses them. `trapped` is the rule for a route on which base or quote could not be moved back, by the
    venues' currency lists.
    """

    min_edge_bps: Decimal = Decimal(6)
    min_net_quote: Decimal = Decimal("0.01")
    max_notional_quote: Decimal = Decimal(2000)
    max_slippage_bps: Decimal = Decimal(5)
    dust_max_quote: Decimal = Decimal(5)
    dust_total_max_quote: Decimal = Decimal(50)
    max_open_pairs: int = 5
    max_symbol_quote: Decimal = Decimal(10_000)
    max_asset_quote: Decimal = Decimal(10_000)
    max_unhedged_quote: Decimal = Decimal(10_000)
    max_exposure_quote_s_per_pair: Decimal = Decimal(100_000)
    max_exposure_quote_s_per_day: Decimal = Decimal(10_000_000)
    daily_notional_quote: Decimal = Decimal(10_000_000)
    daily_loss_quote: Decimal = Decimal(100)
    consecutive_losses: int = 10
    loss_min_quote: Decimal = Decimal("0.01")
    drift_ignore_quote: Decimal = Decimal("0.01")
    max_capital_per_venue_quote: Decimal = Decimal(500_000)
    max_edge_bps: Decimal = Decimal(300)
    leg_cost: LegCost = OFF
    symbol: dict[str, SymbolLimits] = {}
    venue: dict[str, VenueLimits] = {}
    unproved_coin: UnprovedCoin = UnprovedCoin.MARK
    max_price_ratio_bps: Decimal = Decimal(100)
    entry_band_bps: Decimal = Decimal(1000)
    trapped: Trapped = Trapped.REFUSE

    def at(self, symbol: str, venues: Iterable[str] = ()) -> "Limits":
        """Return the limits of a pair in `symbol` between `venues`, or of `symbol` anywhere."""
        changed = {applied.limit: applied.value for applied in self.applied(symbol, venues)}
        return msgspec.structs.replace(self, **changed) if changed else self

    def applied(self, symbol: str, venues: Iterable[str] = ()) -> tuple[AppliedLimit, ...]:
        places = tuple(venues) or ("",)
        if symbol not in self.symbol and not any(venue in self.venue for venue in places):
            return ()
        names = dict.fromkeys((*SymbolLimits.__struct_fields__, *VenueLimits.__struct_fields__))
        return tuple(found for name in names if (found := self._strictest(name, symbol, places)).table)

    def _strictest(self, name: str, symbol: str, venues: tuple[str, ...]) -> AppliedLimit:
        """Return the strictest limit of `venues`; its table is empty where that is the general one."""
        everywhere = AppliedLimit(name, getattr(self, name), "")
        each = [found for venue in venues for found in (list(self._stated(name, symbol, venue)) or [everywhere])]
        choose = max if name.startswith("min_") else min
        return choose(each, key=lambda applied: applied.value)

    def _stated(self, name: str, symbol: str, venue: str) -> Iterator[AppliedLimit]:
        tables = (f'[limits."{symbol}"]', self.symbol.get(symbol)), (f"[limits.venue.{venue}]", self.venue.get(venue))
        for table, stated in tables:
            value = getattr(stated, name, None)
            if value is not None:
                yield AppliedLimit(name, value, table)


class Band(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much of an asset a venue should hold: between a low and a high edge, best at the target.

    Either all three are shares of the joint holdings of all venues, from 0 to 1, or all three are amounts, from 0 up; each
    greater than the one before.
    """

    low_share: Decimal | None = None
    target_share: Decimal | None = None
    high_share: Decimal | None = None
    low_amount: Decimal | None = None
    target_amount: Decimal | None = None
    high_amount: Decimal | None = None

    @property
    def of_all(self) -> bool:
        return self.low_share is not None

    def stated(self) -> tuple[Decimal | None, ...]:
        if self.of_all:
            return self.low_share, self.target_share, self.high_share
        return self.low_amount, self.target_amount, self.high_amount

    def edges(self, in_all: Fraction) -> tuple[Fraction, Fraction, Fraction]:
        """Return low edge, target and high edge in the asset, where all venues hold `in_all` of it together."""
        low, target, high = (Fraction(edge or 0) * (in_all if self.of_all else 1) for edge in self.stated())
        return low, target, high


class InventoryBands(msgspec.Struct, frozen=True, kw_only=True):
    """How much each venue should hold of an asset, and the effect on the edge that a pair must have.

    `venue`: the bands by venue and asset. `skew_max_bps`: the most by which the required edge rises where a pair would spend a
    scarce asset (or bring one in surplus), and falls in the reverse case; 0: no effect.
    """

    skew_max_bps: Decimal = ZERO
    venue: dict[str, dict[str, Band]] = {}


class Ramp(msgspec.Struct, frozen=True):
    """How the notional of a pair grows (`core/risk/ramp.py`): from `start_quote` > 0, doubled after `pairs` > 0 clean ones."""

    start_quote: Decimal
    pairs: int


class ChoiceRules(msgspec.Struct, frozen=True, kw_only=True):
    """Which of the listed symbols are worth trading (`core/strategies/taker_pair/choice.py`).

    At least `min_venues` >= 2 venues must count for a symbol; at most `top` > 0 symbols are chosen, by volume. A venue does
    not count with less than `min_volume_quote` traded in 24 hours, or a book spread above `max_book_spread_bps`.
    `exclude_symbols` are never chosen. `at_utc` (HH:MM) is when a run chooses again each day.
    """

    min_venues: int = 2
    top: int = 50
    min_volume_quote: Decimal = Decimal(100_000)
    max_book_spread_bps: Decimal = Decimal(100)
    exclude_symbols: tuple[str, ...] = ()
    at_utc: str = "00:10"

    @property
    def at_utc_s(self) -> int:
        hours, _, minutes = self.at_utc.partition(":")
        return 3600 * int(hours) + 60 * int(minutes)


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    max_feed_lag_ms: int = 1000
    feed_silence_ms: int = 15_000
    max_skew_ms: int = 500
    max_clock_offset_error_ms: int = 250
    close_after_ms: int = 50
    order_expiry_ms: int = 1000
    presume_absent_ms: int = 3000
    unknown_grace_ms: int = 10_000
    unknown_max_s: int = 120
    query_after_ms: int = 400
    leg_deadline_ms: int = 5000
    balance_refresh_s: int = 30
    rules_refresh_s: int = 300
    drift_grace_ms: int = 10_000
    dead_man_timeout_s: int = 15
    shutdown_deadline_s: int = 30


class HealthLimits(msgspec.Struct, frozen=True, kw_only=True):
    """When a venue counts as degraded or is quarantined (`core/state/venue_health.py`).

    Counts are per sliding `window_s`; a latency's tail is judged from `acks_min` answers on. Shares are of
    `max_notional_quote`. `clear_s`, `quarantine_s` and `probation_s` are the clean times that lead back.
    """

    window_s: int = 60
    acks_min: int = 20
    ack_p95_degraded_ms: int = 750
    ack_p95_quarantined_ms: int = 1500
    rejects_degraded: int = 6
    rejects_quarantined: int = 20
    unknowns_degraded: int = 3
    unknowns_quarantined: int = 10
    maintenance_degraded: int = 1
    maintenance_quarantined: int = 3
    drops_degraded: int = 4
    drops_quarantined: int = 10
    gaps_degraded: int = 15
    gaps_quarantined: int = 60
    unread_degraded: int = 3
    unread_quarantined: int = 10
    misses_degraded: int = 3
    misses_quarantined: int = 6
    clock_offset_degraded_ms: int = 2000
    clock_offset_quarantined_ms: int = 10_000
    clock_error_degraded_ms: int = 150
    clock_error_quarantined_ms: int = 5000
    degraded_notional_share: Decimal = Decimal("0.5")
    probation_notional_share: Decimal = Decimal("0.1")
    clear_s: int = 30
    quarantine_s: int = 120
    probation_s: int = 300


class OnSingleLeg(StrEnum):
    CHEAPEST = "cheapest"
    COMPLETE = "complete"
    UNWIND = "unwind"
    HOLD = "hold"


class RepairPolicy(msgspec.Struct, frozen=True, kw_only=True):
    on_single_leg: OnSingleLeg = OnSingleLeg.CHEAPEST
    leg_loss_max_bps: Decimal = Decimal(50)
    emergency_market: bool = False
