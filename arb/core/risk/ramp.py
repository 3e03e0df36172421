"""The cap on a pair's notional while trade with real orders is new: small at first, doubled after each so many clean pairs.

A clean pair ended completed by its two entries only: both filled, and no repair was needed. A repaired pair neither counts nor
takes back; one that had to be carried unhedged restarts the ramp. The cap never exceeds `max_notional_quote`, and a venue's
health still limits the size. The count is journalled with the pair's end, so the next process continues from it. Repairs have
no ramp.
"""

from decimal import Decimal

from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.messages.records import PairState
from arb.core.state.engine_state import EngineState
from arb.core.trades.trade import PairTrade
from arb.market.numbers import plain


def is_clean(pair: PairTrade) -> bool:
    """Return whether an ended pair traded its two legs and needed nothing else."""
    ended = pair.on_edge and pair.state is PairState.COMPLETED
    return ended and not pair.repairs() and all(order.filled for order in pair.orders.values())


def count(state: EngineState, pair: PairTrade, now_ns: int) -> None:
    """Count a pair that has just ended, one that was open again by the difference; the caller journals it."""
    control, before = state.control, state.ramp_cap
    if before is None:
        return
    if pair.state is PairState.CARRIED:
        control.clean_pairs = 0
    else:
        control.clean_pairs = max(0, control.clean_pairs + is_clean(pair) - pair.was_clean)
    pair.was_clean = is_clean(pair)
    _report(state, before, now_ns)


def _report(state: EngineState, before: Decimal, now_ns: int) -> None:
    cap = state.ramp_cap
    if cap is not None and cap != before:
        text = (
            f"the ramp after {state.control.clean_pairs} clean pairs: a pair may pay {plain(cap)}, was {plain(before)}"
        )
        severity = Severity.INFO if cap > before else Severity.WARNING
        state.incident(IncidentKind.RISK_LIMIT, text, now_ns, severity=severity)
