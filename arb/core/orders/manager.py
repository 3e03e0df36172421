"""The order manager: follows the orders that it has sent (`sending.py`) by the venues' reports.

Reports on an order arrive as answers, stream events and order queries, in any order and more than once. The `WorkingOrder`
takes all of them; whenever an order may have changed, its owner decides the next step. Silent orders are queried
(`reconciler.py`). Unknown orders with our prefix are searched for in the journal (`unfamiliar.py`). Foreign orders are kept
and never acted on.
"""

from abc import abstractmethod
from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from arb.clock import NS_PER_MS
from arb.core.fees.fees import fill_record
from arb.core.messages.events import (
    NOT_SENT,
    CancelAnswered,
    OrderAccepted,
    OrderFilled,
    OrderQueried,
    OrderRejected,
    OrderUpdated,
    OutcomeUnknown,
)
from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.messages.timers import OrderTimer
from arb.core.orders.contradictions import LISTED_WITHIN_NS, Contradictions
from arb.core.orders.foreign import ForeignOrders
from arb.core.orders.lost_fills import lost_fill
from arb.core.orders.sending import OrderSender
from arb.core.orders.unfamiliar import UnfamiliarOrders
from arb.core.state.engine_state import EngineState
from arb.core.state.order import WorkingOrder
from arb.errors import require
from arb.market.fill import Fill
from arb.market.order import OrderAbsence, OrderReport, Outcome, Role, Side
from arb.market.symbol import Symbol

ORPHANS_KEPT = 1_000
REJECTS_BEFORE_PAUSE = 5
REJECT_PAUSE_S = 10.0
UNREACHED_STOP_S = 1.0


FeeCheck = Callable[[Fill, WorkingOrder], None]


class Refusals(Protocol):
    def accepted(self, order: WorkingOrder) -> None: ...

    def refused(self, order: WorkingOrder, why: str, now_ns: int) -> None: ...

    def refused_by_unknown_code(self, order: WorkingOrder, why: str, now_ns: int) -> None: ...


class OrderManager(OrderSender):
    """Follows orders from intent to settled. It knows the id of an order's owner, and asks the owner by three methods."""

    def __init__(
        self,
        state: EngineState,
        foreign: ForeignOrders,
        refusals: Refusals,
        *,
        fee_check: FeeCheck,
    ) -> None:
        super().__init__(state)
        self.foreign = foreign
        self._fee_check = fee_check
        self.unfamiliar = UnfamiliarOrders(state)
        self._orphans: dict[tuple[str, str], list[Fill]] = {}
        self._contradictions = Contradictions(state, self._reconciler)
        self.visibility = self._reconciler.visibility
        self._refusals = refusals

    @abstractmethod
    def owner_closed(self, order: WorkingOrder) -> bool: ...

    @abstractmethod
    def entry_fee(self, order: WorkingOrder) -> Decimal: ...

    @abstractmethod
    def order_changed(self, order: WorkingOrder, now_ns: int) -> None: ...

    def on_accepted(self, event: OrderAccepted) -> None:
        order = self._own(event.client_order_id)
        order.sent_ns, order.acked_ns = event.sent_ns, event.acked_ns
        order.exists()
        self.visibility.acknowledged(event.venue, event.acked_ns - event.sent_ns, event.t_ns)
        self.state.venues[event.venue].rejects_in_a_row = 0
        self._refusals.accepted(order)
        if event.report is not None:
            self._take_report(order, event.report, event.t_ns)
        self._after(order, event.t_ns)

    def on_rejected(self, event: OrderRejected) -> None:
        """Take the venue's rejection, unless the venue has already shown that the order exists."""
        order = self._own(event.client_order_id)
        order.sent_ns, order.acked_ns = event.sent_ns or None, event.acked_ns or None
        if event.retry_after_s is not None:
            self.state.pause(event.venue, event.retry_after_s, event.t_ns)
        if event.entries_stop_s is not None:
            self.state.stop_entries(event.venue, event.entries_stop_s, event.t_ns)
            text = f"{event.venue} takes no entries for {event.entries_stop_s:.0f} s: {event.code} {event.message}"
            self.state.incident(IncidentKind.ENTRIES_STOPPED, text, event.t_ns, venue=event.venue)
        if order.outcome is Outcome.ACCEPTED:
            text = f"{event.venue} rejected {event.client_order_id} ({event.code}) after it was seen to exist"
            self.state.incident(IncidentKind.CONTRADICTION, text, event.t_ns, venue=event.venue, pair_id=order.pair_id)
            self._reconciler.ask_later(order, event.t_ns)
            return
        if event.sent_ns:
            self.visibility.acknowledged(event.venue, event.acked_ns - event.sent_ns, event.t_ns)
        order.outcome, order.reject_code = Outcome.REJECTED, event.code
        order.absence, order.watched = None, False
        order.end(event.t_ns)
        if event.short_of_funds:
            order.short_of_funds = True
            base, quote = Symbol.of(order.symbol).base_and_quote
            self.state.inventory.refused_for_funds(order.venue, base if order.side is Side.SELL else quote)
        if event.off_steps:
            why = f"an order is not on the venue's steps ({event.code} {event.message})"
            self.state.await_rules(order.venue, order.symbol, why, event.t_ns)
        if event.bars:
            self._refusals.refused(order, f"{event.code} {event.message}".strip(), event.t_ns)
        self._count_reject(event)
        self._after(order, event.t_ns)

    def on_unknown(self, event: OutcomeUnknown) -> None:
        order = self._own(event.client_order_id)
        order.sent_ns, order.unwell = event.sent_ns, event.status is not None
        if event.refused:
            self._refusals.refused_by_unknown_code(order, event.cause, event.t_ns)
        if order.outcome is None:
            order.outcome = Outcome.UNKNOWN
            text = f"{event.venue} {event.client_order_id}: {event.cause}"
            self.state.incident(
                IncidentKind.UNKNOWN_OUTCOME,
                text,
                event.t_ns,
                severity=Severity.INFO,
                venue=event.venue,
                pair_id=order.pair_id,
            )
        if not order.settled:
            self._reconciler.ask_later(order, event.t_ns, at_once=True)
        self._after(order, event.t_ns)

    def on_updated(self, event: OrderUpdated) -> None:
        """Take the private stream's report on an order of ours, or search for the order; only record foreign ones."""
        report = event.report
        order = self.find(report.venue, report.client_order_id, report.venue_order_id)
        if order is not None:
            self._take_report(order, report, event.t_ns)
            self._after(order, event.t_ns)
        elif self.foreign.owns(report):
            self.foreign.on_report(report, event.t_ns)
            for fill in self._orphans.pop((report.venue, report.venue_order_id), ()):
                self.foreign.on_fill(fill, event.t_ns)
        else:
            self.unfamiliar.report(report)

    def on_filled(self, event: OrderFilled) -> None:
        """Count a fill once; hold it while its order's venue id is unknown or its order is searched for."""
        fill = event.fill
        order = self.order_of(fill)
        if order is not None:
            self._take_fill(order, fill, event.t_ns)
            self._after(order, event.t_ns)
        elif self.foreign.owns(fill):
            self.foreign.on_fill(fill, event.t_ns)
        else:
            self.search_for(fill)

    def search_for(self, fill: Fill) -> None:
        """Search the journal for a fill's order, unless the fill may belong to an order just sent, whose id arrives soon."""
        if fill.client_order_id is None and any(
            order.venue == fill.venue and order.venue_order_id is None and not order.ended
            for order in self.open_orders()
        ):
            self.keep_orphan(fill)
        else:
            self.unfamiliar.fill(fill)

    def on_found(self, report: OrderReport, now_ns: int) -> bool:
        """Take an account snapshot's report on an order; return whether the order is ours."""
        order = self.find(report.venue, report.client_order_id, report.venue_order_id)
        if order is None:
            return False
        self._take_report(order, report, now_ns)
        self._after(order, now_ns)
        return True

    def on_found_fill(self, fill: Fill, now_ns: int) -> bool:
        """Take a fill that an account snapshot found; return whether it belongs to an order of ours."""
        order = self.order_of(fill)
        if order is None:
            return False
        self._take_fill(order, fill, now_ns)
        self._after(order, now_ns)
        return True

    def on_queried(self, event: OrderQueried) -> None:
        """Take the result of an order query; a complete one that found nothing counts towards absence."""
        order = self._own(event.client_order_id)
        order.query_in_flight = False
        if event.report is not None:
            self._take_report(order, event.report, event.t_ns)
        certain = self._contradictions.resolve(order, event, event.t_ns)
        for fill in event.fills:
            self._take_fill(order, fill, event.t_ns, certain=certain)
        if event.out_of_reach and event.report is not None:
            lost = lost_fill(self.state, order, event.report, self._planned_rate(order), event.t_ns)
            if lost is not None:
                self._take_fill(order, lost, event.t_ns)
        hidden = self.visibility.hides(order, event, self.orders.values())
        if hidden:
            self._reconciler.begin_again(self.open_orders(), order.venue)
        elif event.report is None and not event.fills and event.complete and order.unanswered:
            self._reconciler.count_clean_query(order, event)
        self._reconciler.end_watch_if_due(order, event.t_ns)
        if not order.settled or order.overfilled or order.watched:
            self._reconciler.ask_later(order, event.t_ns)
        if order.rests and event.report is not None:
            self._reconciler.cancel(order)  # none of our orders is meant to rest: an earlier cancel was lost
        self._reconciler.alarm_if_long_unknown(order, event.t_ns)
        self._after(order, event.t_ns)

    def on_cancel_answered(self, event: CancelAnswered) -> None:
        """Query the order for its cumulative fill after any answer; after a second cancel its timer does."""
        order = self._own(event.client_order_id)
        if not order.settled and order.cancels_asked < 2:
            self._reconciler.ask(order, event.t_ns)

    def on_timer(self, timer: OrderTimer, now_ns: int) -> None:
        order = self.orders.get(timer.client_order_id)
        if order is None or order.query_in_flight:
            return
        if not order.settled or order.overfilled or order.watched:
            self._reconciler.ask(order, now_ns)

    def on_clock(self, venue: str, offset_ns: int) -> None:
        """Keep a venue's clock offset (ns) for the orders that may have been signed with it."""
        self._reconciler.clock_measured(self.open_orders(), venue, offset_ns)

    def on_clock_anchored(self, now_ns: int) -> None:
        """Record that our clock was moved: spans of time across that move are unreliable."""
        self._reconciler.clock_anchored(self.open_orders(), now_ns)

    def cancel(self, order: WorkingOrder) -> None:
        self._reconciler.cancel(order)

    def on_balances(self, venue: str, now_ns: int, asked_ns: int) -> bool:
        """Complete the proof of absence of orders that no query had found before these balances were asked for.

        Return whether a proof failed because they do not agree.
        """
        absent, uncertain = self._reconciler.weighed(self, venue, asked_ns, now_ns)
        for order, absence in absent:
            order.take_absence(absence, now_ns)
            if order.watched:
                self.know(order)
                late_ms = (now_ns - (order.sent_ns or order.journalled_ns)) // NS_PER_MS
                text = f"{venue} {order.client_order_id}: presumed absent after {late_ms} ms; its queries continue"
                self.state.incident(
                    IncidentKind.UNKNOWN_OUTCOME,
                    text,
                    now_ns,
                    severity=Severity.INFO,
                    venue=venue,
                    pair_id=order.pair_id,
                )
                self._reconciler.ask_later(order, now_ns)
            self._after(order, now_ns)
        return bool(uncertain)

    def on_private_up(self, venue: str, now_ns: int) -> None:
        """Query every order that may have changed while a venue's private stream was interrupted."""
        self._reconciler.query_after_outage(self.open_orders(), self.orders.values(), venue, now_ns)

    # Inner workings.

    def _own(self, client_order_id: str) -> WorkingOrder:
        order = self.orders.get(client_order_id)
        require(order is not None, f"an answer for order {client_order_id}, which this engine never sent")
        assert order is not None
        return order

    def _take_report(self, order: WorkingOrder, report: OrderReport, now_ns: int) -> None:
        if report.filled:
            self._refute(order, now_ns)
        if objection := order.take_report(report, now_ns):
            self._contradictions.report(order, objection, now_ns)
        self.named(order, report.venue_order_id)
        for fill in self._orphans.pop((order.venue, report.venue_order_id), ()):
            self._take_fill(order, fill, now_ns)

    def _take_fill(self, order: WorkingOrder, fill: Fill, now_ns: int, *, certain: bool = False) -> None:
        state = self.state
        aside = fill.key in order.disproved if certain else self._contradictions.puts_aside(order, fill, now_ns)
        if aside:
            return
        if fill.key not in order.fills:
            self._refute(order, now_ns)
        if not order.take_fill(fill):
            return
        state.inventory.apply_fill(fill, *state.venues[fill.venue].executed(fill, order))
        state.books.filled(order.venue, order.symbol, fill.event_ns, now_ns)
        state.tally.fills += 1
        state.tally.add_fee(fill.fee_currency, fill.fee)
        row = fill_record(state, order.order_id, order.account_id, fill, self._planned_rate(order))
        order.fee_values[fill.key] = row.fee_quote_value
        state.out.persist(*order.news(), row)
        self._fee_check(fill, order)

    def _refute(self, order: WorkingOrder, now_ns: int) -> None:
        if order.absence is OrderAbsence.PRESUMED:
            order.presumed_wrongly = True
            self.visibility.presumed_wrongly(order, now_ns)

    def _planned_rate(self, order: WorkingOrder) -> Decimal | None:
        """Return the planned fee of an order as a ratio; for a repair, its venue's known rate."""
        if order.role is Role.ENTRY:
            return self.entry_fee(order)
        instrument = self.state.instrument(order.venue, order.symbol)
        return None if instrument is None else instrument.taker_fee

    def _after(self, order: WorkingOrder, now_ns: int) -> None:
        if order.client_order_id in self.watched and not order.watched:
            del self.watched[order.client_order_id]
            if self.owner_closed(order):
                self.state.inventory.release(order.pair_id)
        if order.released:
            self.note_fills_held(order)
        if order.settled and not order.released:
            order.released = True
            self.state.books.settled(order.venue, order.symbol)
            if order.role is Role.ENTRY and order.outcome is Outcome.ACCEPTED:
                self.state.health.entry_ended(order.venue, order.filled > 0, now_ns)
        elif order.released and not order.settled:
            # The venue reports more filled than when all seemed over, and the fill itself may have been lost on the way.
            self._reconciler.ask_later(order, now_ns)
        elif order.overfilled and not order.query_in_flight:
            self.state.out.timer(OrderTimer(order.client_order_id), now_ns + LISTED_WITHIN_NS)
        self.state.out.persist(*order.news())
        self.order_changed(order, now_ns)

    def _count_reject(self, event: OrderRejected) -> None:
        venue_state = self.state.venues[event.venue]
        if event.code == NOT_SENT:
            # An unreachable venue would leave the next pair on one leg, too; repairs may try.
            self.state.stop_entries(event.venue, UNREACHED_STOP_S, event.t_ns)
        if not event.sent_ns:
            return
        venue_state.rejects_in_a_row += 1
        self.state.out.refresh(event.venue)
        if venue_state.rejects_in_a_row >= REJECTS_BEFORE_PAUSE:
            self.state.pause(event.venue, REJECT_PAUSE_S, event.t_ns)
            text = f"{venue_state.rejects_in_a_row} rejections in a row, last {event.code}: {event.message}"
            self.state.incident(IncidentKind.REJECTIONS, text, event.t_ns, venue=event.venue)

    def keep_orphan(self, fill: Fill) -> None:
        if len(self._orphans) >= ORPHANS_KEPT:
            self._orphans.pop(next(iter(self._orphans)))
        self._orphans.setdefault((fill.venue, fill.venue_order_id), []).append(fill)
