"""Order queries: when to query a silent order, and when an order may be declared absent.

Nothing weaker proves that an order does not exist. The venue may execute a delayed request after the client gave up. Queries
by client order id fail for finished orders on Gate, and histories lag. Absence needs three things. First, the request's
venue-enforced expiry has passed by more than the clock error, on the venue's present clock. (The expiry was written in its
time, and a clock set back since lets the request live on.) Then two complete queries at least two seconds apart find nothing.
And balances agree. A grace time replaces the expiry where the venue has none. It also does where a gateway checks the expiry
on receipt only, and a request may wait behind it. And it does where this account has not yet seen the venue refuse an expired
order: documents err.
"""

from collections.abc import Iterable, Reversible

from arb.clock import NS_PER_DAY, NS_PER_MS, NS_PER_S
from arb.core.messages.commands import CancelOrder, QueryOrder
from arb.core.messages.events import OrderQueried
from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.messages.settings import Timing
from arb.core.messages.timers import OrderTimer
from arb.core.orders.table import OrderTable
from arb.core.orders.visibility import LAG_MIN_NS, Visibility
from arb.core.state.engine_state import EngineState
from arb.core.state.order import WorkingOrder
from arb.market.order import OrderAbsence, Outcome
from arb.market.symbol import Symbol

QUERY_BACKOFF_MAX_MS = 5_000
# After an outage of the private stream: cancelled orders of the last minute are queried once more, at most so many.
LATE_FILL_S = 60
LATE_QUERIES_MAX = 10
QUERY_SPACING_NS = 2 * NS_PER_S
QUERIES_NEEDED = 2
# Added to the measured clock error, for the venue's own gateway clocks.
EXPIRY_MARGIN_NS = 200 * NS_PER_MS


class OrderReconciler:
    def __init__(self, state: EngineState) -> None:
        self.state = state
        self.visibility = Visibility(state)
        self._proving: dict[str, int] = {}
        # When our clock was moved last: no grace time is counted across that.
        self._anchored_ns = 0

    def weighed(
        self, table: OrderTable, venue: str, asked_ns: int, now_ns: int
    ) -> tuple[list[tuple[WorkingOrder, OrderAbsence]], list[WorkingOrder]]:
        """Return the orders that balances requested at `asked_ns` prove absent, and those whose proof restarts."""
        absent: list[tuple[WorkingOrder, OrderAbsence]] = []
        uncertain: list[WorkingOrder] = []
        hidden = table.hidden_at(venue) or self._is_old(venue, asked_ns, now_ns)
        for name, proved_ns in list(self._proving.items()):
            order = table.orders[name]
            if order.venue != venue or asked_ns < proved_ns:
                continue
            del self._proving[name]
            base = Symbol.of(order.symbol).base
            if not order.unanswered or self.state.inventory.reported(venue, base) is None:
                continue
            provable_ns = self._provable_ns(order)  # the venue's clock may have been set back since the queries
            still = sum(query_ns >= provable_ns for query_ns in order.clean_queries) >= QUERIES_NEEDED
            if still and not hidden and self.state.inventory.agrees(venue, base):
                if self.state.expiry_counts(venue):
                    absent.append((order, OrderAbsence.PROVED))
                elif self.visibility.may_presume(order, table.watched.values(), now_ns) and not absent:
                    absent.append((order, OrderAbsence.PRESUMED))
            else:
                order.clean_queries.clear()
                uncertain.append(order)
        return absent, uncertain

    def _is_old(self, venue: str, asked_ns: int, now_ns: int) -> bool:
        """Return whether a venue's balances requested at `asked_ns` are those of an earlier instant, as its lists may be too.

        That shows in any asset: an unknown order's own asset is unchanged where all of them lag.
        """
        true_ns = self.state.inventory.late_since(venue, now_ns) if self._proving else None
        return true_ns is not None and true_ns < asked_ns - LAG_MIN_NS

    def alarm_if_long_unknown(self, order: WorkingOrder, now_ns: int) -> None:
        """Report, once, an order that has been unknown for `unknown_max_s` as a critical incident."""
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
        venue_state = self.state.venues[order.venue]
        if self.state.expiry_counts(order.venue):
            until_ns = lives_until_ns(order.expires_ns, order.offset_ns, venue_state.offset_ns)
            expired_ns = until_ns + venue_state.clock_error_ns + EXPIRY_MARGIN_NS
            return self.visibility.provable_ns(order, expired_ns)
        sent_ns = max(order.sent_ns or order.journalled_ns, self._anchored_ns)
        return self.visibility.presumable_ns(order, sent_ns) - QUERY_SPACING_NS * (QUERIES_NEEDED - 1)

    def count_clean_query(self, order: WorkingOrder, event: OrderQueried) -> None:
        """Count a complete query that found nothing; after enough of them ask for balances, the last part of the proof."""
        provable_ns = self._provable_ns(order)
        order.clean_queries = [query_ns for query_ns in order.clean_queries if query_ns >= provable_ns]
        if len(order.clean_queries) < QUERIES_NEEDED:
            self._proving.pop(order.client_order_id, None)
        if not counts(order.clean_queries, event.started_ns, provable_ns):
            if self.visibility.lag_ns(order.venue, provable_ns - NS_PER_DAY):
                self.state.out.refresh(order.venue)  # balances may show that nothing lags now
            return
        order.clean_queries = [*order.clean_queries[1 - QUERIES_NEEDED :], event.started_ns]
        if len(order.clean_queries) >= QUERIES_NEEDED:
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
                self.state.out.persist(*order.news())

    def clock_anchored(self, orders: Iterable[WorkingOrder], now_ns: int) -> None:
        """Restart every proof: the time between two queries, or since an order was sent, may be only our clock's move."""
        self._anchored_ns = now_ns
        self.begin_again(orders)

    def begin_again(self, orders: Iterable[WorkingOrder], venue: str | None = None) -> None:
        """Count no query of `orders` that was made so far, at one venue or anywhere."""
        for order in orders:
            if venue in (None, order.venue):
                order.clean_queries.clear()
                self._proving.pop(order.client_order_id, None)

    def end_watch_if_due(self, order: WorkingOrder, now_ns: int) -> None:
        """End the watch on an order presumed absent after `unknown_max_s`."""
        since_ns = order.sent_ns or order.journalled_ns
        if order.watched and now_ns - since_ns >= self.state.timing.unknown_max_s * NS_PER_S:
            order.watched = False

    def query_after_outage(
        self, unfinished: Iterable[WorkingOrder], known: Reversible[WorkingOrder], venue: str, now_ns: int
    ) -> None:
        """Query the orders that may have changed while a venue's private stream was interrupted: now, if unsettled.

        A venue may fill an order that it has just reported cancelled, so recent cancels are queried once more. `unfinished`:
        the orders of open pairs; `known`: all orders, oldest first.
        """
        for order in unfinished:
            if order.venue == venue and not order.settled and not order.query_in_flight:
                self.state.out.timer(OrderTimer(order.client_order_id), 0)
        horizon_ns, late = now_ns - LATE_FILL_S * NS_PER_S, list[WorkingOrder]()
        for order in reversed(known):
            if order.journalled_ns < horizon_ns or len(late) >= LATE_QUERIES_MAX:
                break
            short = order.settled and order.outcome is Outcome.ACCEPTED and order.filled < order.size
            if order.venue == venue and short and not order.query_in_flight:
                late.append(order)
        for order in late:
            self.ask(order, now_ns)

    def ask_later(self, order: WorkingOrder, now_ns: int, *, at_once: bool = False) -> None:
        """Query an order after a while, if it stays silent; `at_once`: as soon as a query that finds nothing counts."""
        first = self.state.timing.query_after_ms
        backoff_ns = min(first << min(order.queries_sent, 6), QUERY_BACKOFF_MAX_MS) * NS_PER_MS
        if at_once:
            backoff_ns = min(backoff_ns, max(0, self._provable_ns(order) - now_ns))
        at_ns = now_ns + backoff_ns
        if order.unanswered:
            at_ns = next_query_ns(order.clean_queries, now_ns, self._provable_ns(order), backoff_ns)
        self.state.out.timer(OrderTimer(order.client_order_id), at_ns)

    def cancel(self, order: WorkingOrder) -> None:
        """Request the cancel of a resting order; queries continue after any answer, and cancel again while it rests."""
        if self.state.venues[order.venue].absent is not None:
            return  # its arrival asks for all that is not settled there
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
        if self.state.venues[order.venue].absent is not None:
            return  # its arrival asks for all that is not settled there
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


def lives_until_ns(expires_ns: int, sent_offset_ns: int | None, offset_ns: int | None) -> int:
    """Return the last instant, on our clock, at which a venue may still take a request that expires at `expires_ns` of ours.

    The venue compares the expiry with its own clock: it was sent with `sent_offset_ns` (venue time - ours), and `offset_ns` is
    measured now; None: not known.
    """
    if sent_offset_ns is None or offset_ns is None:
        return expires_ns
    return max(expires_ns, expires_ns + sent_offset_ns - offset_ns)


def absence_found_ms(timing: Timing, *, expiry_counts: bool) -> int:
    """Return how long after it was sent an order's absence is found, where queries are answered at once and nothing lags."""
    spacing_ms = QUERY_SPACING_NS // NS_PER_MS * (QUERIES_NEEDED - 1)
    if not expiry_counts:
        return max(timing.presume_absent_ms, spacing_ms)
    margin_ms = EXPIRY_MARGIN_NS // NS_PER_MS + timing.max_clock_offset_error_ms
    return timing.order_expiry_ms + margin_ms + spacing_ms


def counts(queries: list[int], started_ns: int, provable_ns: int) -> bool:
    """Return whether a query started at `started_ns` that found nothing adds to the clean `queries` already counted."""
    return started_ns >= provable_ns and (not queries or started_ns - queries[-1] >= QUERY_SPACING_NS)


def next_query_ns(queries: list[int], now_ns: int, provable_ns: int, backoff_ns: int) -> int:
    """Return when to query next: soon while the order may still turn up, then as the proof needs it."""
    if now_ns < provable_ns:
        return min(now_ns + backoff_ns, max(provable_ns, now_ns))
    if queries and queries[-1] + QUERY_SPACING_NS > now_ns:
        # A query that found nothing is no reason to back off: exposure waits for the proof.
        return queries[-1] + QUERY_SPACING_NS
    return now_ns + backoff_ns
