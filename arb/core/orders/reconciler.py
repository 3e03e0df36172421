"""Looking for orders that say nothing: when to ask, and what finding nothing adds up to (DESIGN.md section 4)."""

from collections.abc import Iterable, Mapping

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.commands import CancelOrder, QueryOrder
from arb.core.events import OrderQueried
from arb.core.incidents import IncidentKind, Severity
from arb.core.orders import absence
from arb.core.orders.order import WorkingOrder
from arb.core.state import EngineState
from arb.core.timers import OrderTimer
from arb.market.symbol import Symbol

QUERY_BACKOFF_MAX_MS = 5_000


class OrderReconciler:
    """Asks for orders, and counts the looks that found nothing."""

    def __init__(self, state: EngineState) -> None:
        self.state = state
        self._proving: dict[str, int] = {}

    def weighed(
        self, orders: Mapping[str, WorkingOrder], venue: str, asked_ns: int
    ) -> tuple[list[WorkingOrder], list[WorkingOrder]]:
        """Return the orders whose absence balances asked for at `asked_ns` prove, and those whose proof begins anew."""
        absent: list[WorkingOrder] = []
        doubtful: list[WorkingOrder] = []
        for name, proved_ns in list(self._proving.items()):
            order = orders[name]
            if order.venue != venue or asked_ns < proved_ns:
                continue
            del self._proving[name]
            base = Symbol.of(order.symbol).base
            told = self.state.inventory.reported(venue, base)
            if not order.is_unknown or told is None:
                continue
            provable_ns = self._provable_ns(order)  # the venue's clock may have been set back since the looks
            still = sum(query_ns >= provable_ns for query_ns in order.clean_queries) >= absence.QUERIES_NEEDED
            if still and told.free + told.locked == self.state.inventory.computed(venue, base):
                absent.append(order)
            else:
                order.clean_queries.clear()
                doubtful.append(order)
        return absent, doubtful

    def alarm_if_long_unknown(self, order: WorkingOrder, now_ns: int) -> None:
        """Tell a person, once, of an order that has been unknown for `unknown_max_s`."""
        since_ns = order.sent_ns or order.journalled_ns
        if order.alarmed or not order.is_unknown or now_ns - since_ns < self.state.timing.unknown_max_s * NS_PER_S:
            return
        order.alarmed = True
        text = (
            f"{order.venue} {order.client_order_id}: neither found nor proved absent; {order.symbol} stays frozen there"
        )
        self.state.incident(
            IncidentKind.UNKNOWN_TOO_LONG,
            text,
            now_ns,
            severity=Severity.CRITICAL,
            venue=order.venue,
            pair_id=order.pair_id,
        )

    def _provable_ns(self, order: WorkingOrder) -> int:
        venue_state, timing = self.state.venues[order.venue], self.state.timing
        lives_until_ns = absence.lives_until_ns(order.expires_ns, order.offset_ns, venue_state.offset_ns)
        return absence.provable_from_ns(
            sent_ns=order.sent_ns or order.journalled_ns,
            expires_ns=lives_until_ns if venue_state.profile.enforces_expiry else None,
            clock_error_ns=venue_state.clock_error_ns,
            unknown_grace_ms=timing.unknown_grace_ms,
        )

    def count_clean_query(self, order: WorkingOrder, event: OrderQueried) -> None:
        """Count a complete look that found nothing; enough of them lead to the last question, for balances."""
        provable_ns = self._provable_ns(order)
        order.clean_queries = [query_ns for query_ns in order.clean_queries if query_ns >= provable_ns]
        if len(order.clean_queries) < absence.QUERIES_NEEDED:
            self._proving.pop(order.client_order_id, None)
        if not absence.counts(order.clean_queries, event.started_ns, provable_ns):
            return
        order.clean_queries.append(event.started_ns)
        if len(order.clean_queries) >= absence.QUERIES_NEEDED:
            self._proving[order.client_order_id] = event.started_ns
            self.state.out.refresh(order.venue)

    def clock_measured(self, orders: Iterable[WorkingOrder], venue: str, offset_ns: int) -> None:
        """Note, for each of `orders` that is unanswered at a venue, that it may have been signed with this offset (ns)."""
        for order in orders:
            if (
                order.venue == venue
                and order.outcome is None
                and (order.offset_ns is None or offset_ns > order.offset_ns)
            ):
                order.offset_ns = offset_ns
                self.state.out.persist(order.record())

    def ask_later(self, order: WorkingOrder, now_ns: int) -> None:
        """Ask for an order after a while, if it stays silent."""
        first = self.state.timing.query_after_ms
        backoff_ns = min(first << min(order.queries_sent, 6), QUERY_BACKOFF_MAX_MS) * NS_PER_MS
        at_ns = now_ns + backoff_ns
        if order.is_unknown:
            at_ns = absence.next_query_ns(order.clean_queries, now_ns, self._provable_ns(order), backoff_ns)
        self.state.out.timer(OrderTimer(order.client_order_id), at_ns)

    def cancel(self, order: WorkingOrder) -> None:
        """Ask for a resting order to be cancelled; looks go on whatever the answer, and cancel again while it rests."""
        order.cancels_asked += 1
        self.state.out.cancel(
            CancelOrder(
                cause=0,
                venue=order.venue,
                symbol=order.symbol,
                client_order_id=order.client_order_id,
                venue_order_id=order.venue_order_id,
            )
        )

    def ask(self, order: WorkingOrder, now_ns: int) -> None:
        """Ask for an order now."""
        order.queries_sent += 1
        order.query_in_flight = True
        self.state.out.query(
            QueryOrder(
                cause=0,
                venue=order.venue,
                symbol=order.symbol,
                client_order_id=order.client_order_id,
                venue_order_id=order.venue_order_id,
                since_ns=(order.sent_ns or order.journalled_ns) - 60 * NS_PER_S,
                attempt=order.queries_sent,
            )
        )
