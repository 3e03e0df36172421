"""Impossible reports of a venue on an order: the order is frozen, opening halts, and the venue is queried again.

A venue may report more filled than was ordered, or one trade under two ids. That must not end the process while legs are
unhedged, and no order may depend on it. Such a report or fill is not counted. The order is settled only when a complete order
query shows it ended. Its cumulative fill must equal the sum of its listed fills and cover those already counted. Meanwhile its
pair waits, and nothing opens in its symbol at that venue. Repairs of all other pairs continue.

A fill that looks like a counted one (same size, price and instant, another id) may be true: two makers may have asked the
same. It is only put aside until the query is answered, and is a contradiction when the query does not list it.
"""

from collections import Counter
from collections.abc import Iterable

from arb.clock import NS_PER_S
from arb.core.messages.events import OrderQueried
from arb.core.messages.incidents import HaltReason, IncidentKind, Severity
from arb.core.orders.reconciler import OrderReconciler
from arb.core.state.blocks import Block, Source
from arb.core.state.engine_state import EngineState
from arb.core.state.order import WorkingOrder
from arb.market.fill import Fill
from arb.market.numbers import ZERO
from arb.market.order import OrderReport

LISTED_WITHIN_NS = 10 * NS_PER_S
"""A fill that a venue does not list this long after its report, though its sums agree without it, is not true."""


class Contradictions:
    """Freezes the orders that a venue contradicts itself about, and releases them once its reports agree."""

    def __init__(self, state: EngineState, reconciler: OrderReconciler) -> None:
        self.state = state
        self._reconciler = reconciler

    def puts_aside(self, order: WorkingOrder, fill: Fill, now_ns: int) -> bool:
        """Return whether a fill must not be counted now; its order is frozen then."""
        if fill.key in order.fills:
            return False
        if fill.key in order.disproved:
            return True
        if objection := order.objection(fill):
            self.report(order, objection, now_ns)
        elif not order.has_twin(fill):
            return False
        order.set_aside |= {fill.key}
        self._freeze(order, now_ns)
        return True

    def report(self, order: WorkingOrder, what: str, now_ns: int) -> None:
        """Freeze an order, halt opening, and report the reason, once."""
        self._freeze(order, now_ns)
        if order.contradiction:
            return
        state, venue = self.state, order.venue
        text = (
            f"{venue} contradicts itself about {order.client_order_id}: {what}; {order.symbol} is frozen there until its "
            "reports agree"
        )
        order.contradiction = text
        state.incident(
            IncidentKind.CONTRADICTION, text, now_ns, severity=Severity.CRITICAL, venue=venue, pair_id=order.pair_id
        )
        state.halt(HaltReason.CONTRADICTION, text, now_ns)

    def resolve(self, order: WorkingOrder, event: OrderQueried, now_ns: int) -> bool:
        """Judge the result of an order query; return whether its fills are certain and may be counted.

        A frozen order whose reports now agree is released; its disproved reports are never counted.
        """
        if not _agrees(order, event):
            return False
        listed = {fill.key for fill in event.fills}
        missing = [fill for key, fill in order.fills.items() if key not in listed]
        if missing and not _same(order.fills.values(), event.fills):
            if event.started_ns >= max(fill.received_ns for fill in missing) + LISTED_WITHIN_NS:
                self.report(order, f"{len(missing)} fills are not among those it lists", now_ns)
            return False
        false = order.set_aside - listed
        if missing:
            false |= listed - order.fills.keys()
        if not false <= order.disproved:
            self.report(order, "one trade under two ids", now_ns)
            order.disproved |= false
        if order.frozen:
            order.frozen = False
            order.set_aside = frozenset()
            order.contradiction = ""
            self.state.blocks.lift(Source.FROZEN, order.venue, order.symbol, order.client_order_id)
        return True

    def _freeze(self, order: WorkingOrder, now_ns: int) -> None:
        if order.frozen:
            return
        order.frozen = True
        self.state.blocks.put(Block(Source.FROZEN, order.venue, order.symbol, key=order.client_order_id))
        if not order.query_in_flight:
            self._reconciler.ask(order, now_ns)


def _agrees(order: WorkingOrder, event: OrderQueried) -> bool:
    """Return whether a complete query shows an ended order, and exactly the fills that make up its cumulative fill."""
    report: OrderReport | None = event.report
    if report is None or report.is_open or not event.complete or not order.can_report(report.filled):
        return False
    if any(order.misfits(fill) for fill in event.fills):
        return False
    once = {fill.key: fill.size for fill in event.fills}
    return len(once) == len(event.fills) and order.fits(report.filled, sum(once.values(), ZERO))


def _same(held: Iterable[Fill], listed: Iterable[Fill]) -> bool:
    return Counter((fill.size, fill.price) for fill in held) == Counter((fill.size, fill.price) for fill in listed)
