"""Compare what we believe of the accounts with what the venues report: balances, and whole account snapshots.

At the start a snapshot is taken of every account before anything may open there: orders, fills and bills since shortly
before the journal's last entry. What the journal knows is settled the sooner for it. An order that has our prefix and is not
in the journal joins the pair it belongs to, or a pair is rebuilt from it (`recovery`). Everything else is foreign. A second
snapshot changes nothing.
"""

from collections.abc import Iterator

from arb.clock import NS_PER_S
from arb.core.accounts.balance_reconciler import SNAPSHOT_MARGIN_S, BalanceReconciler
from arb.core.accounts.recovery import RECOVERY_WAIT_S, rebuild_pairs, return_to_pairs
from arb.core.accounts.restart import Restored
from arb.core.events import AccountSnapshotTaken, BalancesReported
from arb.core.incidents import IncidentKind, Severity
from arb.core.orders.foreign import ForeignOrders
from arb.core.orders.manager import OrderManager
from arb.core.records import BalanceRecord
from arb.core.state import EngineState
from arb.core.timers import PairTimer, RecoveryTimer, SnapshotTimer
from arb.market.fill import Fill, FillKey
from arb.market.ids import decode
from arb.market.order import OrderReport
from arb.market.symbol import Symbol

SNAPSHOT_MAX_S = 3 * 86_400
"""How far back the snapshot at a start reads at most: OKX lists the fills of three days, Gate and Bitget of more."""
SNAPSHOT_AGAIN_S = 2


class AccountReconciler:
    """Takes balances and account snapshots, and asks for them."""

    def __init__(
        self, state: EngineState, manager: OrderManager, foreign: ForeignOrders, balances: BalanceReconciler
    ) -> None:
        self.state = state
        self.manager = manager
        self.foreign = foreign
        self.balances = balances
        # From when on the first snapshot of each account reads.
        self._since_ns = 0
        # Venues with a basis from a previous process: since when fills and bills have to explain the first balances.
        self._explain_from_ns: dict[str, int] = {}
        self._reported_venues: set[str] = set()
        # The client order ids in the latest part of the journal.
        self._known: frozenset[str] = frozenset()
        # When the previous process received a fill: only that, no venue's clock, shows whether its agreed balances include it.
        self._received_ns: dict[tuple[str, FillKey], int] = {}
        self._lost_orders: dict[tuple[str, str], OrderReport] = {}
        self._lost_fills: dict[tuple[str, FillKey], Fill] = {}
        # Since when a venue has reported fills of orders with our prefix that no list shows.
        self._unlisted_since_ns: dict[str, int] = {}
        # Such fills in the parts of a snapshot that have come so far.
        self._unlisted_fills: dict[str, list[Fill]] = {}
        # Such orders that are not waited for any longer, by venue order id.
        self._given_up: set[tuple[str, str]] = set()

    def recover(self, restored: Restored, now_ns: int) -> None:
        """Go on from what a previous process has left in the journal."""
        # What lies ahead of us was written by a clock that was wrong, so nobody knows when it was.
        last_ns = (restored.last_ns or now_ns) if restored.last_ns <= now_ns else 0
        self._since_ns = max(last_ns - SNAPSHOT_MARGIN_S * NS_PER_S, now_ns - SNAPSHOT_MAX_S * NS_PER_S)
        self._known = frozenset(restored.known)
        self.foreign.restore(restored.foreign_orders, restored.foreign_fills)
        self._received_ns = dict(_received_before(restored))
        self._explain_from_ns = self.balances.recover(restored.agreed, now_ns - SNAPSHOT_MAX_S * NS_PER_S, now_ns)

    def account_named(self, venue: str) -> None:
        """Go on from what was agreed on with a venue's account, whose name is known only now."""
        agreed_ns = self.balances.recover_at(venue)
        if agreed_ns is not None:
            self._explain_from_ns[venue] = agreed_ns

    def on_balances(self, event: BalancesReported) -> None:
        """Compare reported balances with those we compute; the first complete report leads to an account snapshot.

        Without a basis from a previous process the first report is taken as the basis. Nothing is compared before the snapshot.
        """
        state, venue = self.state, event.venue
        first = event.complete and venue not in self._reported_venues
        becomes_basis = venue not in state.inventory.with_basis
        quiet = self.manager.quiet_at(venue) and state.venues[venue].snapshot_taken
        compared = not becomes_basis and state.inventory.comparable(event, quiet)
        differences = state.inventory.take_report(event, quiet)
        stopped = self.balances.on_balances(event, differences, compared=compared)
        if shown_ns := state.inventory.shown_fill_ns(event):
            self.manager.visibility.balances_agree(venue, shown_ns, event.asked_ns)
        if first:
            self._reported_venues.add(venue)
            if becomes_basis:
                self.balances.basis_taken(venue, event.asked_ns)
            self._snapshot(venue)
        if event.complete and (first or stopped):
            self._record(event, "start" if first else "drift")
        if (
            event.complete
            and self.manager.on_balances(venue, event.t_ns, event.asked_ns)
            and state.venues[venue].snapshot_taken
        ):
            # The account snapshot shows whether that order moved the balances, or something else that was never reported.
            self._snapshot_again(venue, event.t_ns)

    def on_snapshot(self, event: AccountSnapshotTaken) -> None:
        """Take everything that an account snapshot found; a large one comes in parts."""
        state, venue, now_ns = self.state, event.venue, event.t_ns
        # Before any report is taken: what a pair does next depends on all its orders.
        waiting = bool(self._lost_orders)
        return_to_pairs(
            state, self.manager, (order for order in event.orders if order.client_order_id not in self._known), now_ns
        )
        for report in event.orders:
            if self.manager.on_found(report, now_ns):
                continue
            if decode(report.client_order_id or "") is None:
                self.foreign.on_report(report, now_ns)
            elif report.client_order_id not in self._known:
                self._lost_orders[venue, report.venue_order_id] = report
                state.lost.add((venue, report.symbol))
        unlisted = self._unlisted_fills.setdefault(venue, [])
        for fill in sorted(event.fills, key=lambda fill: (fill.event_ns, fill.trade_id)):
            self._apply_fill(fill)
            if self.manager.on_found_fill(fill, now_ns):
                continue
            if (venue, fill.venue_order_id) in self._lost_orders:
                self._lost_fills[venue, fill.key] = fill
            elif self.foreign.owns(fill):
                self.foreign.on_fill(fill, now_ns)
            elif self._is_unlisted(fill):
                unlisted.append(fill)
        if event.more:
            return
        del self._unlisted_fills[venue]
        self.balances.on_snapshot(event)
        venue_state = state.venues[venue]
        cause = self._why_incomplete(venue, unlisted, now_ns) if event.complete else event.cause or "not all was read"
        if cause is None:
            if not venue_state.snapshot_taken:
                self._note_first_snapshot(venue, now_ns)
        elif not venue_state.snapshot_taken:
            state.incident(IncidentKind.SNAPSHOT_FAILED, f"{venue}: {cause}", now_ns, venue=venue)
        if not venue_state.snapshot_taken or venue in self._unlisted_since_ns:
            state.out.timer(SnapshotTimer(venue), now_ns + SNAPSHOT_AGAIN_S * NS_PER_S)
        if self._lost_orders and all(venue_state.snapshot_taken for venue_state in state.venues.values()):
            self.recover_lost(now_ns)
        elif self._lost_orders and not waiting:
            state.out.timer(RecoveryTimer(), now_ns + RECOVERY_WAIT_S * NS_PER_S)

    def _note_first_snapshot(self, venue: str, now_ns: int) -> None:
        """Note the first complete snapshot of an account; pairs that waited for it go on."""
        self.balances.hold_openings(venue, now_ns)
        self.state.venues[venue].snapshot_taken = True
        for pair in self.manager.open.values():
            if pair.await_snapshots_until_ns > now_ns:
                self.state.out.timer(PairTimer(pair.id), now_ns)

    def _is_unlisted(self, fill: Fill) -> bool:
        """Return whether a fill is of an order with our prefix that neither the journal knows nor any list shows."""
        given_up = (fill.venue, fill.venue_order_id) in self._given_up
        return fill.client_order_id is not None and fill.client_order_id not in self._known and not given_up

    def _why_incomplete(self, venue: str, unlisted: list[Fill], now_ns: int) -> str | None:
        """Return why a snapshot counts as incomplete: it has fills of orders of ours that its lists do not show; None if not.

        A venue's histories lag, each by its own time. Such fills have already moved the balances we compute, so that nothing
        else would ever reveal them. Orders that are not shown after `RECOVERY_WAIT_S` are given up and reported as an
        incident.
        """
        if not unlisted:
            self._unlisted_since_ns.pop(venue, None)
            return None
        names = ", ".join(sorted({f"{fill.symbol} {fill.client_order_id}" for fill in unlisted}))
        if now_ns < self._unlisted_since_ns.setdefault(venue, now_ns) + RECOVERY_WAIT_S * NS_PER_S:
            return f"it reports fills of orders that no list shows: {names}"
        del self._unlisted_since_ns[venue]
        self._given_up |= {(venue, fill.venue_order_id) for fill in unlisted}
        text = f"{venue} reports fills of orders with our prefix, but lists no such orders: {names}"
        self.state.incident(IncidentKind.NOT_RECOVERED, text, now_ns, severity=Severity.CRITICAL, venue=venue)
        return None

    def recover_lost(self, now_ns: int) -> None:
        """Rebuild the pairs of orders that the journal lost, once all accounts were read (or awaited long enough).

        Not before, so that both legs of a pair are found.
        """
        lost, fills = self._lost_orders, self._lost_fills
        self._lost_orders, self._lost_fills = {}, {}
        self.state.lost.clear()
        rebuild_pairs(self.state, self.manager, (report for _, report in sorted(lost.items())), now_ns)
        for fill in fills.values():
            self.manager.on_found_fill(fill, now_ns)
        for report in lost.values():
            self.manager.on_found(report, now_ns)

    def on_timer(self, timer: SnapshotTimer, _now_ns: int) -> None:
        """Take the snapshot again where it was incomplete, or has fills of orders of ours that its lists do not show."""
        if not self.state.venues[timer.venue].snapshot_taken or timer.venue in self._unlisted_since_ns:
            self._snapshot(timer.venue)

    def on_private_up(self, venue: str, now_ns: int) -> None:
        """Take a snapshot of an account whose private stream was interrupted: foreign orders may have moved its balances.

        Without it no order of ours whose answer was lost could be proved absent there, since balances would not agree.
        """
        if self.state.venues[venue].snapshot_taken:
            self._snapshot_again(venue, now_ns)

    def _snapshot_again(self, venue: str, now_ns: int) -> None:
        self.state.out.snapshot_account(venue, self._symbols(venue), self.balances.since_ns(venue, now_ns))

    def _symbols(self, venue: str) -> tuple[str, ...]:
        return tuple(sorted(symbol for held_at, symbol in self.state.instruments if held_at == venue))

    def _snapshot(self, venue: str) -> None:
        basis_ns = self._explain_from_ns.get(venue, self._since_ns + SNAPSHOT_MARGIN_S * NS_PER_S)
        self.state.out.snapshot_account(
            venue, self._symbols(venue), min(self._since_ns, basis_ns - SNAPSHOT_MARGIN_S * NS_PER_S)
        )

    def _apply_fill(self, fill: Fill) -> None:
        """Let a fill, ours or foreign, move the balances we compute; one that was applied before changes nothing."""
        base, quote = Symbol.of(fill.symbol).base_and_quote
        known_ns = self._received_ns.get((fill.venue, fill.key))
        when_ns, slack_ns = self.state.venues[fill.venue].executed(fill, self.manager.order_of(fill))
        if known_ns is not None and fill.venue in self._explain_from_ns:
            when_ns, slack_ns = known_ns, 0
        self.state.inventory.apply_fill(fill, quote, base, when_ns, slack_ns)

    def _record(self, event: BalancesReported, cause: str) -> None:
        state = self.state
        state.out.persist(
            *(
                BalanceRecord(
                    id=state.next_id("balances"),
                    run_id=state.run_id,
                    account_id=state.venues[event.venue].account_id,
                    venue=event.venue,
                    asset=asset,
                    ns=event.t_ns,
                    free=balance.free,
                    locked=balance.locked,
                    source="venue",
                    cause=cause,
                )
                for asset, balance in sorted(event.balances.items())
            )
        )


def _received_before(restored: Restored) -> Iterator[tuple[tuple[str, FillKey], int]]:
    """Yield every fill in the latest part of the journal, and when it was received."""
    known = [(restored.foreign_orders, restored.foreign_fills)]
    known += [(pair.orders, pair.fills) for pair in (*restored.pairs, *restored.recent)]
    for orders, fills in known:
        numbers = {order.id: order.venue_order_id or "" for order in orders}
        for fill in fills:
            if fill.order_id in numbers:
                yield (fill.venue, FillKey(fill.symbol, fill.trade_id, numbers[fill.order_id])), fill.received_ns
