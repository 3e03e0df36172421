"""When, on our clock, a fill was executed: the venue's word on it, and what we know better ourselves.

A venue's clock may be put forward or back at any time, and an old fill then carries an instant of another clock than the one
measured now. Of our own orders we know more: none of their fills came before the order was written down, nor after we had heard
of them. That decides, after a restart, whether the balances last agreed on hold a fill already.
"""

from arb.clock import NS_PER_MS
from arb.core.orders.order import WorkingOrder
from arb.core.state import VenueState
from arb.market.fill import Fill

SLACK_MS = 200
"""By how much, beyond the error of its clock, the instant a venue gives a fill may be off."""


def executed(fill: Fill, state: VenueState, order: WorkingOrder | None = None) -> tuple[int, int]:
    """Return the instant (ns) at which a fill was executed and by how much that may be off (ns, >= 0).

    `order` is ours that it belongs to, if it is. A clock that stands apart now may have been right when the fill came.
    """
    offset_ns = state.offset_ns or 0
    slack_ns = state.clock_error_ns + SLACK_MS * NS_PER_MS
    first_ns = fill.event_ns - max(0, offset_ns) - slack_ns
    last_ns = fill.event_ns - min(0, offset_ns) + slack_ns
    if order is not None and not order.recovered:
        known_ns = order.fills.get(fill.key, fill).received_ns
        last_ns = max(order.journalled_ns, min(last_ns, known_ns))
        first_ns = min(max(first_ns, order.journalled_ns), last_ns)
    return (first_ns + last_ns) // 2, (last_ns - first_ns + 1) // 2
