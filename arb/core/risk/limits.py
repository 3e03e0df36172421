"""The limits on the amount at risk at once.

A pair counts with the most its buy leg may pay, from its opening until it has closed. Base that closed pairs left unhedged
(carried, or dust beyond its limit) counts at its booked value until it is traded away. Otherwise unhedged base could pile up
again and again. All amounts are in quote currency. The limit per trade is applied where the trade is sized
(`core/pricing/sizes.py`).

The capital at a venue is the same sum over the pairs that trade there, and the base left by pairs with an account there. It is
the most that could be stuck there if the venue went away now, the other side of each pair included. The user's other holdings
there do not count.
"""

from decimal import Decimal

from arb.core.messages.recovery_records import Residual
from arb.core.state.engine_state import EngineState
from arb.core.trades.table import TradeTable
from arb.market.numbers import ZERO
from arb.market.route import Keys, group_in, venues_of
from arb.market.symbol import Symbol

DAILY_NOTIONAL = "daily_notional_quote"
CAPITAL = "max_capital_per_venue_quote"
EXPOSURE = "max_exposure_quote_s_per_day"
MOST_PAIRS = "max_open_pairs"


def breached(state: EngineState, orders: TradeTable, keys: Keys, notional: Decimal, now_ns: int) -> str | None:
    """Return the key of the first limit that another trade in these instruments paying `notional` would pass, or None."""
    limits = state.limits
    if len(orders.open) >= limits.max_open_pairs:
        return MOST_PAIRS
    unhedged = state.residuals.unhedged()
    if orders.open or unhedged or notional > state.least_limit(keys):
        passed = _passed_together(state, orders, unhedged, keys, notional)
        if passed is not None:
            return passed
    if state.control.exposure.total >= limits.max_exposure_quote_s_per_day:
        return EXPOSURE
    if state.control.day_loss_blocks(now_ns):
        return "daily_loss_quote"
    if not state.control.day_allows(notional, now_ns):
        return DAILY_NOTIONAL
    return None


def _passed_together(
    state: EngineState, orders: TradeTable, unhedged: list[Residual], keys: Keys, notional: Decimal
) -> str | None:
    """Return the key of the first limit on sums that a pair would exceed with the amount already at risk, or None."""
    limits, symbol, venues = state.limits, group_in(keys), venues_of(keys)
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


def _may_lie_at(state: EngineState, venue: str, held: Residual) -> bool:
    return not held.account_ids or state.venues[venue].account_id in held.account_ids
