"""How late each venue shows our orders, and from when a query that finds nothing counts towards an order's absence.

A venue may serve its lists of orders, fills and balances from one lagging replica: two lists that agree are then one sign,
not two. So a query counts only once it must show every effect of the order.

- *Proved.* Where the venue enforces the order's expiry: after that, the clock error, and the longest lag seen there within 24
  hours. An answer that shows a later order or fill of ours (in lists, or in balances) replaces that wait.
- *Presumed.* Where it enforces none, time proves nothing. Absence is presumed after `presume_absent_ms`, or twice the slowest
  acknowledgement or lag of the last ten minutes. It is presumed after `unknown_grace_ms` where the venue answered without an
  outcome, or its private stream is down. A second order of a venue waits as long for the first to turn up, for they may share
  a cause. One that turns up after all is a late fill. Its cost is counted, and two within an hour end presumptions at that
  venue for 24 hours.

While a complete query does not show all of an order that the venue has acknowledged, its lists lag: no absence follows there.
A lag shows in account snapshots and in balances, too, which may be read from the same replica.
"""

from collections import deque
from collections.abc import Iterable, Reversible, Set
from decimal import Decimal
from itertools import pairwise

from arb.clock import NS_PER_DAY, NS_PER_MS, NS_PER_S
from arb.core.messages.events import AccountSnapshotTaken, OrderQueried
from arb.core.messages.incidents import IncidentKind
from arb.core.messages.recovery_records import ReadLag, WrongPresumption
from arb.core.state.engine_state import EngineState
from arb.core.state.order import WorkingOrder
from arb.market.numbers import ZERO, to_e8

RECENT_NS = 600 * NS_PER_S
LAG_MAX_NS = 60 * NS_PER_S
"""The longest lag that is waited for; beyond it nothing opens at the venue while it lasts."""
LAG_MIN_NS = NS_PER_S // 2
"""A shorter lag is the network's, and the margins of every wait cover it."""
LAGS_KEPT = 32
LISTED_NS = 50 * NS_PER_S
"""How old orders are at most that the lists of a query must show: it reads from a minute before the order it asks for."""
WRONG_WITHIN_NS = 3600 * NS_PER_S
CAP_BPS = 30
"""The cost of one wrong presumption, by its leg's notional; the sum stays within `DAY_SHARE`."""
DAY_SHARE = 4
"""Wrong presumptions of a day may cost this fraction (1/n) of `daily_loss_quote`."""


class Visibility:
    """Which of our orders and fills the venues have shown, and how late."""

    def __init__(self, state: EngineState) -> None:
        self.state = state
        # By venue, (when, latency ns) of acknowledgements that no later one has exceeded.
        self._acks: dict[str, deque[tuple[int, int]]] = {}
        # By venue, the latest order or fill of ours that an answer has shown, and when that answer was requested.
        self._shown: dict[str, tuple[int, int]] = {}

    def acknowledged(self, venue: str, latency_ns: int, now_ns: int) -> None:
        acks = self._acks.setdefault(venue, deque())
        while acks and acks[-1][1] <= latency_ns:
            acks.pop()
        acks.append((now_ns, latency_ns))
        while acks[0][0] <= now_ns - RECENT_NS:
            acks.popleft()

    def shows(self, venue: str, done_ns: int, asked_ns: int) -> None:
        """Record that an answer requested at `asked_ns` shows our action at a venue at `done_ns`; the first one counts."""
        if done_ns > self._shown.get(venue, (0, 0))[0]:
            self._shown[venue] = done_ns, asked_ns

    def lag_ns(self, venue: str, since_ns: int) -> int:
        """Return the longest lag seen at a venue after `since_ns`, at most `LAG_MAX_NS`."""
        account_id = self.state.venues[venue].account_id
        seen = (
            lag.lag_ns for lag in self.state.control.read_lags if lag.account_id == account_id and lag.ns > since_ns
        )
        return min(max(seen, default=0), LAG_MAX_NS)

    def hides(self, order: WorkingOrder, event: OrderQueried, known: Reversible[WorkingOrder]) -> bool:
        """Return whether a complete query misses some of an order that its venue had acknowledged; record the lag then.

        The order asked for, or another of the same symbol in the same lists. `known`: all our orders, oldest first.
        """
        if not event.complete:
            return False
        report, shown = event.report, sum((fill.size for fill in event.fills), ZERO)
        missing = report is None or not (shown >= report.filled or order.fits(report.filled, shown))
        order.unseen = missing and not order.unanswered and 0 < _known_ns(order) < event.started_ns
        hidden = [order] if order.unseen else []
        if event.listed is not None:
            of_symbol = (other for other in reversed(known) if other.symbol == event.symbol and other is not order)
            hidden += self._missing(event.venue, set(event.listed), event.started_ns, of_symbol)
        self._lists_lag(event, hidden)
        return bool(hidden)

    def looked_at(self, event: AccountSnapshotTaken, listed: Set[str], known: Reversible[WorkingOrder]) -> None:
        """Record the lag where a complete account snapshot misses orders that the venue had acknowledged before."""
        self._lists_lag(event, self._missing(event.venue, listed, event.started_ns, reversed(known)))

    def _missing(
        self, venue: str, listed: Set[str], asked_ns: int, latest_first: Iterable[WorkingOrder]
    ) -> list[WorkingOrder]:
        """Return the filled orders of the last `LISTED_NS` that lists requested at `asked_ns` should show, and do not."""
        hidden = []
        for other in latest_first:
            if other.journalled_ns < asked_ns - LISTED_NS:
                break
            if other.venue == venue and other.filled:
                if other.client_order_id in listed:
                    self.shows(venue, other.journalled_ns, asked_ns)
                elif 0 < _known_ns(other) < asked_ns:
                    hidden.append(other)
        return hidden

    def _lists_lag(self, event: OrderQueried | AccountSnapshotTaken, hidden: list[WorkingOrder]) -> None:
        """Record, and report unless one is known, the lag of lists that miss the `hidden` orders."""
        if not hidden:
            return
        lag_ns = event.started_ns - min(map(_known_ns, hidden))
        text = f"{event.venue}: its lists do not show an acknowledged order after {lag_ns // NS_PER_MS} ms"
        first = not self.lag_ns(event.venue, event.t_ns - RECENT_NS)
        if self.lagged(event.venue, lag_ns, text, event.t_ns) and first:
            self.state.incident(IncidentKind.READ_LAG, text, event.t_ns, venue=event.venue)

    def lagged(self, venue: str, lag_ns: int, text: str, now_ns: int) -> bool:
        """Record that a venue's answer lacks our order or fill of `lag_ns` before; return whether that is news."""
        state, account_id = self.state, self.state.venues[venue].account_id
        if lag_ns >= LAG_MAX_NS:
            state.stop_entries(venue, LAG_MAX_NS / NS_PER_S, now_ns)
        known_ns = self.lag_ns(venue, now_ns - RECENT_NS)
        if not lag_ns >= LAG_MIN_NS or min(lag_ns, LAG_MAX_NS) <= known_ns:
            return False
        kept = [
            lag
            for lag in state.control.read_lags
            if lag.ns > now_ns - NS_PER_DAY and (lag.account_id != account_id or lag.lag_ns > lag_ns)
        ]
        state.control.read_lags = (*kept, ReadLag(account_id, now_ns, lag_ns))[-LAGS_KEPT:]
        state.out.persist(state.control.record(now_ns, text))
        return True

    def provable_ns(self, order: WorkingOrder, expired_ns: int) -> int:
        """Return when a query begins to count that finds nothing of an order which certainly expired at `expired_ns`."""
        lag_ns = self.lag_ns(order.venue, order.journalled_ns - NS_PER_DAY)
        shown_ns, asked_ns = self._shown.get(order.venue, (0, 0))
        if lag_ns and shown_ns > expired_ns:
            return min(expired_ns + lag_ns, asked_ns)
        return expired_ns + lag_ns

    def presumable_ns(self, order: WorkingOrder, sent_ns: int) -> int:
        """Return when an order without an enforced expiry, sent at `sent_ns`, may be presumed absent."""
        timing, since_ns = self.state.timing, sent_ns - RECENT_NS
        acks = (latency_ns for at_ns, latency_ns in self._acks.get(order.venue, ()) if at_ns > since_ns)
        slowest_ns = max(max(acks, default=0), self.lag_ns(order.venue, since_ns))
        unwell = order.unwell or not self.state.venues[order.venue].private_up
        least_ms = max(timing.presume_absent_ms, timing.unknown_grace_ms if unwell else 0)
        return sent_ns + max(least_ms * NS_PER_MS, 2 * slowest_ns)

    def may_presume(self, order: WorkingOrder, watched: Iterable[WorkingOrder], now_ns: int) -> bool:
        """Return whether an order may be presumed absent now, given the `watched` orders presumed absent."""
        if not order.is_unknown:
            return False  # its request is still waited for, and not dead
        control, since_ns = self.state.control, now_ns - self.state.timing.unknown_grace_ms * NS_PER_MS
        if any(other.venue == order.venue and (other.done_ns or now_ns) > since_ns for other in watched):
            return False
        wrong = [
            at.ns
            for at in control.wrong_presumptions
            if at.account_id == order.account_id and at.ns > now_ns - NS_PER_DAY
        ]
        if any(later - earlier <= WRONG_WITHIN_NS for earlier, later in pairwise(wrong)):
            return False
        worst_e8 = to_e8(order.size * order.price * CAP_BPS / Decimal(10_000))
        return control.presumed_cost_e8(now_ns) + worst_e8 <= to_e8(self.state.limits.daily_loss_quote) // DAY_SHARE

    def presumed_wrongly(self, order: WorkingOrder, now_ns: int) -> None:
        state, control = self.state, self.state.control
        kept = [at for at in control.wrong_presumptions if at.ns > now_ns - NS_PER_DAY]
        control.wrong_presumptions = (*kept, WrongPresumption(order.account_id, now_ns))
        text = f"{order.venue} {order.client_order_id}: presumed absent, and filled after all"
        state.out.persist(control.record(now_ns, text))
        state.incident(IncidentKind.PRESUMED_WRONG, text, now_ns, venue=order.venue, pair_id=order.pair_id)


def _known_ns(order: WorkingOrder) -> int:
    """Return when the venue had certainly taken an order; 0 without proof."""
    return order.acked_ns or order.first_fill_ns or 0
