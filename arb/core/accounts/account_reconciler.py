"""Compare our belief about the accounts with the venues' reports: balances, and whole account snapshots.

At the start a snapshot of every account is taken before anything may open there. It holds orders, fills and bills since
shortly before the journal's last entry. It settles the journal's open orders sooner. An order with our prefix that is not
known here is searched for in the whole journal. It reopens its own pair, however old, or joins the pair it belongs to. Where a
power cut took the pair from the journal, it is rebuilt from the order (`recovery`). Everything else is foreign, and so is an
order with our prefix that even the journal does not know. A second snapshot changes nothing.
"""

from collections.abc import Iterator, Mapping

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.accounts.balance_reconciler import SNAPSHOT_MARGIN_S, BalanceReconciler
from arb.core.accounts.recovery import RECOVERY_WAIT_S, rebuild_pairs, return_to_pairs
from arb.core.accounts.restart import Restored, recall
from arb.core.messages.events import AccountSnapshotTaken, BalancesReported, OrdersRecalled
from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.messages.records import BalanceRecord
from arb.core.messages.timers import PairTimer, RecoveryTimer, SnapshotTimer
from arb.core.orders.foreign import ForeignOrders
from arb.core.state.blocks import Block, Source
from arb.core.state.engine_state import EngineState
from arb.core.trades.opening import TradeManager
from arb.core.trades.trade import CLOSED
from arb.market.fill import Fill, FillKey
from arb.market.ids import decode, pair_part
from arb.market.numbers import ZERO
from arb.market.order import OrderReport, Role
from arb.market.symbol import Symbol

SNAPSHOT_MAX_S = 3 * 86_400
"""How far back the snapshot at a start reads at most: OKX lists the fills of three days, Gate and Bitget of more."""
SNAPSHOT_AGAIN_S = 2


class AccountReconciler:
    def __init__(
        self, state: EngineState, manager: TradeManager, foreign: ForeignOrders, balances: BalanceReconciler
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
        # Our client order ids in the parts of a snapshot so far, by venue.
        self._listed: dict[str, set[str]] = {}
        # When the previous process received a fill: only that, no venue's clock, shows whether its agreed balances include it.
        self._received_ns: dict[tuple[str, FillKey], int] = {}
        # Symbols at each venue with orders whose end the journal lacks.
        self._unsettled: dict[str, set[str]] = {}
        self._lost_orders: dict[tuple[str, str], OrderReport] = {}
        self._lost_fills: dict[tuple[str, FillKey], Fill] = {}
        # Our orders of which only fills were reported so far: a fill of each, and since when a venue has some.
        self._unlisted: dict[tuple[str, str], Fill] = {}
        self._unlisted_since_ns: dict[str, int] = {}
        # Such orders that are not waited for any longer, by venue order id.
        self._given_up: set[tuple[str, str]] = set()

    def recover(self, restored: Restored, now_ns: int) -> None:
        # Entries later than now were written by a wrong clock, so their time is unknown.
        last_ns = (restored.last_ns or now_ns) if restored.last_ns <= now_ns else 0
        self._since_ns = max(last_ns - SNAPSHOT_MARGIN_S * NS_PER_S, now_ns - SNAPSHOT_MAX_S * NS_PER_S)
        self.foreign.restore(restored.foreign_orders, restored.foreign_fills)
        self._received_ns = dict(_received_before(restored))
        pairs = (*restored.pairs, *restored.recent)
        for pair in pairs:
            for order in pair.orders:
                held = sum((fill.size for fill in pair.fills if fill.order_id == order.id), ZERO)
                if not order.status.is_terminal or held < order.filled:
                    self._unsettled.setdefault(order.venue, set()).add(order.symbol)
        fills = (*restored.foreign_fills, *(fill for pair in pairs for fill in pair.fills))
        self._explain_from_ns = self.balances.recover(
            restored.agreed, now_ns - SNAPSHOT_MAX_S * NS_PER_S, now_ns, fills
        )

    def account_named(self, venue: str) -> None:
        """Continue from the last agreement with a venue's account, whose name is known only now."""
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
            self.manager.visibility.shows(venue, shown_ns, event.asked_ns)
        if event.complete and (true_ns := state.inventory.late_since(venue, event.t_ns)) is not None:
            lag_ns = event.asked_ns - true_ns
            text = f"{venue}: its balances do not show a fill after {lag_ns // NS_PER_MS} ms"
            self.manager.visibility.lagged(venue, lag_ns, text, event.t_ns)
        if first:
            self._reported_venues.add(venue)
            if becomes_basis:
                self.balances.basis_taken(venue, event.asked_ns, self._moved_by(venue))
            self._snapshot(venue)
        if event.complete and (first or stopped):
            self._record(event, "start" if first else "drift")
        if (
            event.complete
            and self.manager.on_balances(venue, event.t_ns, event.asked_ns)
            and state.venues[venue].snapshot_taken
        ):
            # The account snapshot shows whether that order, or an unreported change, moved the balances.
            self._snapshot_again(venue, event.t_ns)

    def _moved_by(self, venue: str) -> set[str]:
        """Return the assets that orders without a journalled end may have changed, fees included."""
        moved: set[str] = set()
        for symbol in self._unsettled.get(venue, ()):
            instrument = self.state.instrument(venue, symbol)
            fee_asset = {instrument.fee_asset} if instrument is not None and instrument.fee_asset else set()
            moved |= fee_asset.union(Symbol.of(symbol).base_and_quote)
        return moved

    def on_snapshot(self, event: AccountSnapshotTaken) -> None:
        """Take everything that an account snapshot found; a large one arrives in parts."""
        state, venue, now_ns = self.state, event.venue, event.t_ns
        # Before any report is taken: a pair's next step depends on all its orders.
        waiting = bool(self._lost_orders)
        return_to_pairs(state, self.manager, event.orders, now_ns)
        listed = self._listed.setdefault(venue, set())
        listed.update(report.client_order_id for report in event.orders if report.client_order_id is not None)
        for report in event.orders:
            key = (venue, report.venue_order_id)
            if self.manager.on_found(report, now_ns):
                continue
            if self.foreign.owns(report):
                self.foreign.on_report(report, now_ns)
            elif key in self._lost_orders:
                self._lost_orders[key] = report
            else:
                self.manager.unfamiliar.report(report)
        for fill in sorted(event.fills, key=lambda fill: (fill.event_ns, fill.trade_id)):
            self._apply_fill(fill)
            key = (venue, fill.venue_order_id)
            if self.manager.on_found_fill(fill, now_ns):
                continue
            if key in self._lost_orders:
                self._lost_fills[venue, fill.key] = fill
            elif self.foreign.owns(fill):
                self.foreign.on_fill(fill, now_ns)
            elif key not in self._unlisted and key not in self._given_up:
                self.manager.search_for(fill)
        if event.more:
            return
        del self._listed[venue]
        if event.complete:
            self.manager.visibility.looked_at(event, listed, self.manager.orders.values())
        self.balances.on_snapshot(event)
        venue_state = state.venues[venue]
        cause = self._why_incomplete(venue, now_ns) if event.complete else event.cause or "not all was read"
        if cause is None:
            # An order that the journal is still searched for may be a repair of a recovered pair.
            if not venue_state.snapshot_taken and not self.manager.unfamiliar.has_unlisted(venue):
                self._note_first_snapshot(venue, now_ns)
        elif not venue_state.snapshot_taken:
            state.incident(IncidentKind.SNAPSHOT_FAILED, f"{venue}: {cause}", now_ns, venue=venue)
        if not venue_state.snapshot_taken or venue in self._unlisted_since_ns:
            state.out.timer(SnapshotTimer(venue), now_ns + SNAPSHOT_AGAIN_S * NS_PER_S)
        self._recover_lost_once_read(now_ns, waiting=waiting)

    def on_recalled(self, event: OrdersRecalled) -> None:
        """Take the journal's record of orders with our prefix, and the reports on them received meanwhile.

        A closed pair is known again. A pair that cannot be finished now stays in the journal, and its orders are not touched.
        An order without a pair is lost or foreign.
        """
        state, manager, venue, now_ns = self.state, self.manager, event.venue, event.t_ns
        waiting = bool(self._lost_orders)
        out_of_reach: dict[str, int] = {}
        for rows in event.pairs:
            names = [order.client_order_id for order in rows.orders if order.client_order_id is not None]
            if rows.pair.id in manager.pairs:
                continue
            finished = rows.pair.state in CLOSED
            if not finished or not recall(state, manager, rows, now_ns):
                out_of_reach.update(dict.fromkeys(names, rows.pair.id if finished else 0))
        reports, fills = manager.unfamiliar.take(venue, (venue_order_id for venue_order_id, _ in event.orders))
        self._note_strangers(event)
        return_to_pairs(state, manager, reports, now_ns)
        for report in reports:
            if manager.on_found(report, now_ns) or out_of_reach.get(report.client_order_id or "") == 0:
                continue
            if report.client_order_id in event.lost:
                self._lost_orders[venue, report.venue_order_id] = report
                continue
            self._note_foreign(report, out_of_reach, now_ns)
            self.foreign.on_report(report, now_ns)
        for fill in fills:
            if manager.on_found_fill(fill, now_ns) or out_of_reach.get(fill.client_order_id or "") == 0:
                continue
            key = (venue, fill.venue_order_id)
            if key in self._lost_orders:
                self._lost_fills[venue, fill.key] = fill
            elif self.foreign.owns(fill):
                self.foreign.on_fill(fill, now_ns)
            elif fill.client_order_id is None:
                manager.keep_orphan(fill)
            elif fill.client_order_id in event.lost or self._joins_a_pair(fill.client_order_id):
                self._await_listing(fill, now_ns)
            else:
                self._note_foreign(fill, out_of_reach, now_ns)
                self.foreign.on_fill(fill, now_ns)
        self._mark_lost()
        self._recover_lost_once_read(now_ns, waiting=waiting)

    def _joins_a_pair(self, client_order_id: str) -> bool:
        part = pair_part(client_order_id)
        return any(pair_part(name) == part for name in self.manager.orders)

    def _await_listing(self, fill: Fill, now_ns: int) -> None:
        venue = fill.venue
        if (venue, fill.venue_order_id) not in self._given_up:
            self._unlisted[venue, fill.venue_order_id] = fill
            self._unlisted_since_ns.setdefault(venue, now_ns)
            self.state.out.timer(SnapshotTimer(venue), now_ns + SNAPSHOT_AGAIN_S * NS_PER_S)

    def _note_strangers(self, event: OrdersRecalled) -> None:
        """Record the processes of another journal whose orders are on our account, each once."""
        for client_order_id in event.strangers:
            name = decode(client_order_id)
            if name is None or name.nonce in self.foreign.strangers:
                continue
            self.foreign.strangers.add(name.nonce)
            if name.leg == Role.TEST:
                continue  # `arb doctor --drill` sends one now and then
            text = (
                f"{event.venue}: {client_order_id} has our prefix, but no process that this journal knows sent it: another"
                " engine trades on this account. Its orders are recorded as foreign and not touched"
            )
            self.state.incident(
                IncidentKind.NOT_RECOVERED, text, event.t_ns, severity=Severity.CRITICAL, venue=event.venue
            )

    def _note_foreign(self, one: OrderReport | Fill, out_of_reach: Mapping[str, int], now_ns: int) -> None:
        """Raise an incident for an order with our prefix that can only be recorded as foreign."""
        if self.foreign.owns(one) or one.client_order_id is None:
            return
        pair_id = out_of_reach.get(one.client_order_id)
        why = f"its pair {pair_id} cannot be repaired now" if pair_id else "the journal does not know it"
        name = f"{one.venue} {one.symbol} {one.client_order_id}"
        text = f"{name} has our prefix, and {why}: it is recorded as foreign and not touched"
        self.state.incident(IncidentKind.NOT_RECOVERED, text, now_ns, severity=Severity.CRITICAL, venue=one.venue)

    def _mark_lost(self) -> None:
        """Let nothing open in symbols of orders that are searched for, or wait to be recovered."""
        self.state.blocks.clear(Source.LOST)
        lost = {(venue, report.symbol) for (venue, _), report in self._lost_orders.items()}
        for at in lost | self.manager.unfamiliar.symbols():
            self.state.blocks.put(Block(Source.LOST, *at))

    def _recover_lost_once_read(self, now_ns: int, *, waiting: bool) -> None:
        """Recover lost orders once all accounts were read and the journal was searched, or after a while."""
        if not self._lost_orders:
            return
        read = all(venue_state.snapshot_taken for venue_state in self.state.venues.values())
        if read and not self.manager.unfamiliar.symbols():
            self.recover_lost(now_ns)
        elif not waiting:
            self.state.out.timer(RecoveryTimer(), now_ns + RECOVERY_WAIT_S * NS_PER_S)

    def _note_first_snapshot(self, venue: str, now_ns: int) -> None:
        self.balances.hold_openings(venue, now_ns)
        self.state.venues[venue].lift(Source.SNAPSHOT)
        for pair in self.manager.open.values():
            if pair.await_snapshots_until_ns > now_ns:
                self.state.out.timer(PairTimer(pair.id), now_ns)

    def _why_incomplete(self, venue: str, now_ns: int) -> str | None:
        """Return why a snapshot is incomplete: its lists do not show the orders of some of our fills in it; None if complete.

        A venue's histories lag, each by its own time. Such fills have already moved the balances we compute, so nothing else
        would ever reveal them. Orders that are not shown after `RECOVERY_WAIT_S` are given up and reported as an incident.
        """
        for key, fill in list(self._unlisted.items()):
            if key in self._lost_orders or self.manager.order_of(fill) is not None:
                del self._unlisted[key]
        unlisted = [fill for (at, _), fill in self._unlisted.items() if at == venue]
        if not unlisted:
            self._unlisted_since_ns.pop(venue, None)
            return None
        names = ", ".join(sorted({f"{fill.symbol} {fill.client_order_id}" for fill in unlisted}))
        if now_ns < self._unlisted_since_ns.setdefault(venue, now_ns) + RECOVERY_WAIT_S * NS_PER_S:
            return f"it reports fills of orders that no list shows: {names}"
        del self._unlisted_since_ns[venue]
        for fill in unlisted:
            del self._unlisted[venue, fill.venue_order_id]
            self._given_up.add((venue, fill.venue_order_id))
        text = f"{venue} reports fills of orders with our prefix, but lists no such orders: {names}"
        self.state.incident(IncidentKind.NOT_RECOVERED, text, now_ns, severity=Severity.CRITICAL, venue=venue)
        return None

    def recover_lost(self, now_ns: int) -> None:
        """Rebuild the pairs of orders that the journal lost, once all accounts were read (or awaited long enough).

        Not before, so that both legs of a pair are found.
        """
        lost, fills = self._lost_orders, self._lost_fills
        self._lost_orders, self._lost_fills = {}, {}
        self._mark_lost()
        rebuild_pairs(self.state, self.manager, (report for _, report in sorted(lost.items())), now_ns)
        for fill in fills.values():
            self.manager.on_found_fill(fill, now_ns)
        for report in lost.values():
            self.manager.on_found(report, now_ns)

    def on_timer(self, timer: SnapshotTimer, _now_ns: int) -> None:
        """Take the snapshot again where it was incomplete, or its lists do not show the orders of some of our fills."""
        if not self.state.venues[timer.venue].snapshot_taken or timer.venue in self._unlisted_since_ns:
            self._snapshot(timer.venue)

    def on_private_up(self, venue: str, now_ns: int) -> None:
        """Take a snapshot of an account whose private stream was interrupted: foreign orders may have moved its balances.

        Without it an unanswered order could not be proved absent there, since balances would not agree.
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
        known_ns = self._received_ns.get((fill.venue, fill.key))
        when_ns, slack_ns = self.state.venues[fill.venue].executed(fill, self.manager.order_of(fill))
        if known_ns is not None and fill.venue in self._explain_from_ns:
            when_ns, slack_ns = known_ns, 0
        self.state.inventory.apply_fill(fill, when_ns, slack_ns)

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
