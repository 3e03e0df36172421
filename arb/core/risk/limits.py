"""The limits on what may be put at risk at once, and on how many orders a venue takes.

A pair counts with the most its buy leg may pay, from its opening until it has closed; base that closed pairs left unhedged
(carried, or dust beyond its limit) counts at the value it was booked at until it has been traded away: the same unhedged base
must not be piled up again and again, each time as if it were the first. All amounts are in quote currency. The limit per trade
is applied where the trade is sized (`core/pricing/sizes.py`).

The capital at a venue is the same sum of the pairs that trade there, and of the base left by those whose accounts it is one of:
what could at most be stuck there if it went away now, the other side of each pair included. What you hold there besides is
yours to decide.

An edge is refused rather than sent into a venue's rate limit. Sent placements are counted in a sliding window per metered
scope (a venue and symbol, or a whole venue). An entry needs room for its leg and a hedge at both venues; only the leg is
counted. An open pair holds the room for its hedge until it sends one there or closes, so an entry never takes it. Repairs are
counted and never refused.
"""

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from arb.clock import NS_PER_MS
from arb.core.incidents import IncidentKind
from arb.core.recovery_records import Residual
from arb.market.numbers import ZERO, plain
from arb.market.symbol import Symbol

if TYPE_CHECKING:
    from arb.core.orders.table import OrderTable
    from arb.core.state import EngineState


DAILY_NOTIONAL = "daily_notional_quote"
CAPITAL = "max_capital_per_venue_quote"
TOKENS_PER_VENUE = 2
"""Placements that a venue must have room for at an entry: its leg, and one hedge."""
Held = Callable[[str, str], int]
"""How many hedges open pairs hold room for at a venue: of one symbol, or of all for "" (`OrderTable.hedges_held`)."""


def breached(
    state: "EngineState", orders: "OrderTable", route: tuple[str, str, str], notional: Decimal, now_ns: int
) -> str | None:
    """Return the key of the first limit that another pair on `route` paying `notional` would pass, or None.

    `route`: symbol, buy venue, sell venue.
    """
    limits = state.limits
    if len(orders.open) >= limits.max_open_pairs:
        return "max_open_pairs"
    unhedged = state.residuals.unhedged()
    if orders.open or unhedged or notional > state.least_limit(route):
        passed = _passed_together(state, orders, unhedged, route, notional)
        if passed is not None:
            return passed
    if state.control.exposure.total >= limits.max_exposure_quote_s_per_day:
        return "max_exposure_quote_s_per_day"
    if state.control.day_loss_blocks(now_ns):
        return "daily_loss_quote"
    if not state.control.day_allows(notional, now_ns):
        return DAILY_NOTIONAL
    return None


def _passed_together(
    state: "EngineState", orders: "OrderTable", unhedged: list[Residual], route: tuple[str, str, str], notional: Decimal
) -> str | None:
    """Return the key of the first limit on sums that a pair would pass together with what is at risk already, or None."""
    limits, (symbol, *venues) = state.limits, route
    in_all = in_base = in_symbol = notional
    at_venue, base = dict.fromkeys(venues, notional), Symbol.of(symbol).base
    for pair in orders.open.values():
        at_stake, traded = pair.at_stake, pair.plan.symbol
        in_all += at_stake
        in_base += at_stake if Symbol.of(traded).base == base else ZERO
        in_symbol += at_stake if traded == symbol else ZERO
        for venue in at_venue.keys() & pair.venues:
            at_venue[venue] += at_stake
    for held in unhedged:
        value = abs(held.booked)
        in_all += value
        in_base += value if Symbol.of(held.symbol).base == base else ZERO
        in_symbol += value if held.symbol == symbol else ZERO
        for venue in venues:
            at_venue[venue] += value if _may_lie_at(state, venue, held) else ZERO
    if in_symbol > state.limits_at(symbol).max_symbol_quote:
        return "max_symbol_quote"
    if in_base > limits.max_asset_quote:
        return "max_asset_quote"
    if in_all > limits.max_unhedged_quote:
        return "max_unhedged_quote"
    for venue, used in at_venue.items():
        if used > state.limits_at(symbol, venue).max_capital_per_venue_quote:
            return CAPITAL
    return None


def _may_lie_at(state: "EngineState", venue: str, held: Residual) -> bool:
    """Return whether some of a residual may lie at a venue: one of those that its pairs were between, as far as known."""
    return not held.account_ids or state.venues[venue].account_id in held.account_ids


def report_day_spent(state: "EngineState", now_ns: int) -> None:
    """Report, once a UTC day, that its turnover is used up, so that nothing opens before it ends."""
    control = state.control
    if not control.day_spent_reported:
        control.day_spent_reported = True
        text = (
            f"{DAILY_NOTIONAL}: {plain(control.day_turnover)} traded today of {plain(state.limits.daily_notional_quote)}: "
            "pairs that do not fit into the rest do not open before the UTC day ends, or the limit is raised"
        )
        state.incident(IncidentKind.RISK_LIMIT, text, now_ns)


class PlaceRate(msgspec.Struct, frozen=True):
    """How many placements a venue takes: `count` > 0 in `window_ms` > 0, of each symbol or of all together."""

    count: int
    window_ms: int
    per_symbol: bool = True


class RateBudget:
    """Sliding windows of sent placements: the venue's limit, one window per metered scope, and the guard's orders a minute."""

    def __init__(self, rates: dict[str, tuple[PlaceRate, ...]]) -> None:
        self._rates = rates
        self._taken: dict[tuple[str, PlaceRate, str], deque[int]] = {}

    def try_enter(self, venues: tuple[str, ...], symbol: str, held: Held, now_ns: int) -> bool:
        """Count a leg at every venue where each has room for a hedge as well, or count none and return False."""
        if self.free_ns(venues, symbol, held, now_ns) > now_ns:
            return False
        for venue in venues:
            self.take(venue, symbol, now_ns)
        return True

    def free_ns(self, venues: tuple[str, ...], symbol: str, held: Held, now_ns: int) -> int:
        """Return when every venue has room for an entry if nothing is sent meanwhile, `now_ns` where all have it.

        Where held room alone is in the way, a pair that closes ends that: the answer is a window later at most.
        """
        free_ns = now_ns
        for venue in venues:
            for rate, window in self._windows(venue, symbol, now_ns):
                over = len(window) + held(venue, symbol if rate.per_symbol else "") + TOKENS_PER_VENUE - rate.count
                if over > 0:
                    first_ns = window[over - 1] if over <= len(window) else now_ns
                    free_ns = max(free_ns, first_ns + rate.window_ms * NS_PER_MS)
        return free_ns

    def left(self, venue: str, now_ns: int) -> tuple[int, int, int]:
        """Return of a venue's fullest window how many placements are left (>= 0), of how many, and its length in ms."""
        found = [
            (rate.count - len([at_ns for at_ns in window if at_ns > now_ns - rate.window_ms * NS_PER_MS]), rate)
            for (held_at, rate, _), window in self._taken.items()
            if held_at == venue and window
        ]
        left, rate = min(found, key=lambda one: one[0] * 1000 // one[1].count, default=(0, self._rates[venue][0]))
        return max(0, left) if found else rate.count, rate.count, rate.window_ms

    def take(self, venue: str, symbol: str, now_ns: int) -> None:
        """Count one placement, which must not be refused."""
        for _, window in self._windows(venue, symbol, now_ns):
            window.append(now_ns)

    def _windows(self, venue: str, symbol: str, now_ns: int) -> list[tuple[PlaceRate, deque[int]]]:
        found = []
        for rate in self._rates[venue]:
            scope = (venue, rate, symbol if rate.per_symbol else "")
            window = self._taken.get(scope)
            if window is None:
                window = self._taken[scope] = deque()
            horizon_ns = now_ns - rate.window_ms * NS_PER_MS
            while window and window[0] <= horizon_ns:
                window.popleft()
            found.append((rate, window))
        return found
