"""The entry band: no order of a pair is priced further than `entry_band_bps` from the middle of other venues' books.

A plan uses two books, and either may be wrong, or be read on a wrong scale. So the limit price of each leg is compared with
the usable books of all *other* venues. The reference is the middle one of their mids, or the nearer of the two in the middle.
So of three no single absurd one decides, even for a namesake of the coin. A repair keeps its loss cap instead. All is in
integers, on the symbol's scale, at the instant of the decision, in a few microseconds: the orders wait for it.
"""

from collections.abc import Collection

from arb.core.pricing.plan import Plan
from arb.core.state.engine_state import EngineState
from arb.market.route import Route

ENTRY_BAND = "entry_band_bps"
_PARTS = 1000
"""Fractions of a basis point in which the band is given."""
_ONE = 10_000 * _PARTS


def off_band(state: EngineState, route: Route, plan: Plan, now_ns: int) -> str | None:
    """Return the key of the limit if a leg of a plan is priced outside the band, else None.

    The books of the route are known to be usable.
    """
    symbol, (buy_venue, sell_venue) = route.group, route.venues
    books, band = state.books, int(state.limits_at(symbol).entry_band_bps * _PARTS)
    listed = [venue for venue in state.venues if (venue, symbol) in state.instruments]
    quotes = books.quotes(symbol, listed)  # no other book shows any
    twice = {venue: bid + ask for venue, (bid, ask) in quotes.items() if bid is not None and ask is not None}
    prices = plan.buy_limit, plan.sell_limit
    if buy_venue in twice and sell_venue in twice and within_all(prices, twice.values(), band):
        return None  # so they are within those of the usable books, too, whichever these are
    for venue in list(twice):
        if venue not in (buy_venue, sell_venue) and books.unusable(venue, symbol, now_ns) is not None:
            del twice[venue]
    for venue, price in ((buy_venue, plan.buy_limit), (sell_venue, plan.sell_limit)):
        if not is_within(2 * price, [mid for other, mid in twice.items() if other != venue], band):
            return ENTRY_BAND
    return None


def within_all(prices: tuple[int, int], twice: Collection[int], band: int) -> bool:
    """Return whether two prices are at most `band` from each of these middles, which are twice as much."""
    dearest, cheapest = 2 * max(prices) * _ONE, 2 * min(prices) * _ONE
    return max(twice) * (_ONE - band) <= cheapest and dearest <= min(twice) * (_ONE + band)


def is_within(price: int, mids: Collection[int], band: int) -> bool:
    """Return whether a price is at most `band` thousandths of a bps from the middle of `mids`, which are in its unit.

    Without any it is not.
    """
    if not mids:
        return False
    known, count = sorted(mids), len(mids)
    low, high = known[(count - 1) // 2], known[count // 2]
    return low * (_ONE - band) <= price * _ONE <= high * (_ONE + band)
