"""The accounts as the venues tell of them: balances compared, the whole account looked through, strangers told from our own.

At the start every account is looked through before anything may open there: orders, fills and transfers since shortly before
the journal's last entry. What the journal knows is settled the sooner for it; what has our prefix and is unknown joins the pair
that it belongs to, or is adopted; all else is foreign. Doing it again changes nothing.
"""

from collections.abc import Iterator

from arb.clock import NS_PER_S
from arb.core.accounts.balance_reconciler import SNAPSHOT_MARGIN_S, BalanceReconciler
from arb.core.accounts.recovery import RECOVERY_WAIT_S, recover, return_to_pairs
from arb.core.accounts.restart import Restored
from arb.core.events import AccountSnapshotTaken, BalancesReported
from arb.core.incidents import IncidentKind, Severity
from arb.core.orders.execution_time import executed
from arb.core.orders.foreign import ForeignOrders
from arb.core.orders.manager import OrderManager
from arb.core.records import BalanceRecord
from arb.core.state import EngineState
from arb.core.timers import PairTimer, RecoveryTimer, SnapshotTimer
from arb.market.client_id import decode
from arb.market.fill import Fill, FillKey
from arb.market.order import OrderReport
from arb.market.symbol import Symbol

SNAPSHOT_MAX_S = 3 * 86_400
"""How far back a start looks at most: OKX tells the fills of three days, Gate's and Bitget's histories go further."""
SNAPSHOT_AGAIN_S = 2


class AccountReconciler:
    """See the module's text."""

    def __init__(
        self, state: EngineState, manager: OrderManager, foreign: ForeignOrders, drift: BalanceReconciler
    ) -> None:
        self.state = state
        self.manager = manager
        self.foreign = foreign
        self.drift = drift
        self._since_ns = 0
        # Where a previous process has left a basis: since when what happened has to explain the first balances.
        self._explain_from_ns: dict[str, int] = {}
        self._told: set[str] = set()
        self._known: frozenset[str] = frozenset()
        # When the process before heard of a fill: that tells whether what it agreed on has it in, and no clock of a venue does.
        self._known_ns: dict[tuple[str, FillKey], int] = {}
        self._lost: dict[tuple[str, str], OrderReport] = {}
        self._lost_fills: dict[tuple[str, FillKey], Fill] = {}
        # Where fills of ours were told whose orders no list shows: since when; and the orders that were not waited for longer.
        self._bare_ns: dict[str, int] = {}
        # Such fills of the parts of a look that have come so far.
        self._bare: dict[str, list[Fill]] = {}
        self._given_up: set[tuple[str, str]] = set()

    def recover(self, restored: Restored, now_ns: int) -> None:
        """Go on from what a previous process left."""
        last_ns = restored.last_ns or now_ns
        self._since_ns = max(last_ns - SNAPSHOT_MARGIN_S * NS_PER_S, now_ns - SNAPSHOT_MAX_S * NS_PER_S)
        self._known = frozenset(restored.known)
        self.foreign.restore(restored.foreign_orders, restored.foreign_fills)
        self._known_ns = dict(_known_since(restored))
        self._explain_from_ns = self.drift.recover(restored.agreed, now_ns - SNAPSHOT_MAX_S * NS_PER_S)

    def on_balances(self, event: BalancesReported) -> None:
        """Compare a venue's word with our own computation; after the first one the account is looked through.

        Without a basis from a previous process the first word is adopted. Nothing is compared before that look.
        """
        state, venue = self.state, event.venue
        first = event.complete and venue not in self._told
        adopts = venue not in state.inventory.complete
        quiet = self.manager.quiet_at(venue) and state.venues[venue].snapshot_taken
        compared = not adopts and state.inventory.comparable(event, quiet)
        drifts = state.inventory.take(event, quiet)
        stopped = self.drift.on_balances(event, drifts, compared=compared)
        if first:
            self._told.add(venue)
            if adopts:
                self.drift.began(venue, event.asked_ns)
            self._snapshot(venue)
        if event.complete and (first or stopped):
            self._record(event, "start" if first else "drift")
        if (
            event.complete
            and self.manager.on_balances(venue, event.t_ns, event.asked_ns)
            and state.venues[venue].snapshot_taken
        ):
            # Whether it was the order that moved them, or something else of which no news came, shows in the whole account.
            self._snapshot_again(venue, event.t_ns)

    def on_snapshot(self, event: AccountSnapshotTaken) -> None:
        """Take everything a look through an account found."""
        state, venue, now_ns = self.state, event.venue, event.t_ns
        # Before any news is taken: what a pair does next depends on all its orders.
        waiting = bool(self._lost)
        return_to_pairs(
            state, self.manager, (order for order in event.orders if order.client_order_id not in self._known), now_ns
        )
        for report in event.orders:
            if self.manager.on_found(report, now_ns):
                continue
            if decode(report.client_order_id or "") is None:
                self.foreign.on_report(report, now_ns)
            elif report.client_order_id not in self._known:
                self._lost[venue, report.venue_order_id] = report
                state.lost.add((venue, report.symbol))
        bare = self._bare.setdefault(venue, [])
        for fill in sorted(event.fills, key=lambda fill: (fill.event_ns, fill.trade_id)):
            self._explain(fill)
            if self.manager.on_found_fill(fill, now_ns):
                continue
            if (venue, fill.venue_order_id) in self._lost:
                self._lost_fills[venue, fill.key] = fill
            elif self.foreign.owns(fill):
                self.foreign.on_fill(fill, now_ns)
            elif self._is_bare(fill):
                bare.append(fill)
        if event.more:
            return
        del self._bare[venue]
        self.drift.on_snapshot(event)
        venue_state = state.venues[venue]
        cause = self._unlisted(venue, bare, now_ns) if event.complete else event.cause or "not all was read"
        if cause is None:
            if not venue_state.snapshot_taken:
                self._account_read(venue, now_ns)
        elif not venue_state.snapshot_taken:
            state.incident(IncidentKind.SNAPSHOT_FAILED, f"{venue}: {cause}", now_ns, venue=venue)
        if not venue_state.snapshot_taken or venue in self._bare_ns:
            state.out.timer(SnapshotTimer(venue), now_ns + SNAPSHOT_AGAIN_S * NS_PER_S)
        if self._lost and all(venue_state.snapshot_taken for venue_state in state.venues.values()):
            self.recover_lost(now_ns)
        elif self._lost and not waiting:
            state.out.timer(RecoveryTimer(), now_ns + RECOVERY_WAIT_S * NS_PER_S)

    def _account_read(self, venue: str, now_ns: int) -> None:
        """Note the first whole look through an account; pairs that waited for it go on."""
        self.drift.start(venue, now_ns)
        self.state.venues[venue].snapshot_taken = True
        for pair in self.manager.open.values():
            if pair.snapshot_until_ns > now_ns:
                self.state.out.timer(PairTimer(pair.id), now_ns)

    def _is_bare(self, fill: Fill) -> bool:
        """Return whether a fill is of an order with our prefix that neither the journal knows nor any list shows."""
        given_up = (fill.venue, fill.venue_order_id) in self._given_up
        return fill.client_order_id is not None and fill.client_order_id not in self._known and not given_up

    def _unlisted(self, venue: str, bare: list[Fill], now_ns: int) -> str | None:
        """Return why an account does not count as looked through while orders are missing in it of which it tells fills.

        Histories lag, not all alike. The fills have moved the balances that we compute, so that nothing else would ever tell of
        them. What is not shown in the end is told to a person.
        """
        if not bare:
            self._bare_ns.pop(venue, None)
            return None
        names = ", ".join(sorted({f"{fill.symbol} {fill.client_order_id}" for fill in bare}))
        if now_ns < self._bare_ns.setdefault(venue, now_ns) + RECOVERY_WAIT_S * NS_PER_S:
            return f"fills are told of orders that no list shows: {names}"
        del self._bare_ns[venue]
        self._given_up |= {(venue, fill.venue_order_id) for fill in bare}
        text = f"{venue} tells fills of orders with our prefix, but does not show these: {names}"
        self.state.incident(IncidentKind.NOT_RECOVERED, text, now_ns, severity=Severity.CRITICAL, venue=venue)
        return None

    def recover_lost(self, now_ns: int) -> None:
        """Take up the orders of ours that nobody knows, once all accounts are told, so that both legs come together."""
        lost, fills = self._lost, self._lost_fills
        self._lost, self._lost_fills = {}, {}
        self.state.lost.clear()
        recover(self.state, self.manager, (report for _, report in sorted(lost.items())), now_ns)
        for fill in fills.values():
            self.manager.on_found_fill(fill, now_ns)
        for venue, number in lost:
            self.manager.on_found(lost[venue, number], now_ns)

    def on_timer(self, timer: SnapshotTimer, _now_ns: int) -> None:
        """Look again through an account that could not be looked through, or that does not show orders it tells fills of."""
        if not self.state.venues[timer.venue].snapshot_taken or timer.venue in self._bare_ns:
            self._snapshot(timer.venue)

    def on_private_up(self, venue: str, now_ns: int) -> None:
        """Look through an account whose stream was interrupted: what others did meanwhile has moved its balances, too.

        Without that no order of ours whose answer was lost could be proved absent there, since balances would not agree.
        """
        if self.state.venues[venue].snapshot_taken:
            self._snapshot_again(venue, now_ns)

    def _snapshot_again(self, venue: str, now_ns: int) -> None:
        self.state.out.snapshot_account(venue, self._symbols(venue), self.drift.since_ns(venue, now_ns))

    def _symbols(self, venue: str) -> tuple[str, ...]:
        return tuple(sorted(symbol for held_at, symbol in self.state.instruments if held_at == venue))

    def _snapshot(self, venue: str) -> None:
        basis_ns = self._explain_from_ns.get(venue, self._since_ns + SNAPSHOT_MARGIN_S * NS_PER_S)
        self.state.out.snapshot_account(
            venue, self._symbols(venue), min(self._since_ns, basis_ns - SNAPSHOT_MARGIN_S * NS_PER_S)
        )

    def _explain(self, fill: Fill) -> None:
        """Let a fill move the balances we compute, whoever's it is; one that did already changes nothing."""
        base, quote = Symbol.of(fill.symbol).base_and_quote
        known_ns = self._known_ns.get((fill.venue, fill.key))
        when_ns, slack_ns = executed(fill, self.state.venues[fill.venue], self.manager.order_of(fill))
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


def _known_since(restored: Restored) -> Iterator[tuple[tuple[str, FillKey], int]]:
    """Yield every fill that the journal knows of late, and when it was heard of."""
    told = [(restored.foreign_orders, restored.foreign_fills)]
    told += [(pair.orders, pair.fills) for pair in (*restored.pairs, *restored.recent)]
    for orders, fills in told:
        numbers = {order.id: order.venue_order_id or "" for order in orders}
        for fill in fills:
            if fill.order_id in numbers:
                yield (fill.venue, FillKey(fill.symbol, fill.trade_id, numbers[fill.order_id])), fill.received_ns
