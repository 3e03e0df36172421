"""The limits on what may be put at risk at once: per trade (in the sizing), symbol, asset, venue, in all, and per day.

A pair counts with the most its buy leg may pay, from its opening until it has closed; base that closed pairs left unhedged
(carried, or beyond the dust limits) counts at the value it was booked at until it has been traded away: the same naked base
must not be piled up again and again, each time as if it were the first. All amounts are in quote currency.
"""

from decimal import Decimal

from arb.core.opportunities.episodes import Route
from arb.core.orders.manager import OrderManager
from arb.core.state import EngineState
from arb.market.symbol import Symbol


def breached(state: EngineState, manager: OrderManager, route: Route, notional: Decimal, now_ns: int) -> str | None:
    """Return the key of the first limit that another pair paying `notional` would pass, or None."""
    limits, residuals, (symbol, *venues) = state.limits, state.residuals, route
    base = Symbol.of(symbol).base
    if len(manager.open) >= limits.max_open_pairs:
        return "max_open_pairs"
    if (
        manager.open_notional(symbol=symbol) + residuals.unhedged_value(symbol=symbol) + notional
        > limits.max_symbol_quote
    ):
        return "max_symbol_quote"
    if manager.open_notional(base=base) + residuals.unhedged_value(base=base) + notional > limits.max_asset_quote:
        return "max_asset_quote"
    if manager.open_notional() + residuals.unhedged_value() + notional > limits.max_unhedged_quote:
        return "max_unhedged_quote"
    if any(manager.open_notional(venue) + notional > limits.max_capital_per_venue_quote for venue in venues):
        return "max_capital_per_venue_quote"
    if state.control.exposure.total >= limits.max_exposure_quote_s_per_day:
        return "max_exposure_quote_s_per_day"
    if not state.control.day_allows(notional, now_ns):
        return "daily_notional_quote"
    return None
