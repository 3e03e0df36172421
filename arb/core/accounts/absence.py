"""Venues that did not answer at the start: no order is sent there until they answer and are prepared like the others.

An absent venue has no books and no account snapshot, so nothing opens there (`venue_halted`). Pairs that the journal left open
with orders there are recovered all the same. Their certain imbalance is repaired elsewhere (`PairTrade.certain_imbalance`),
the rest waits. When the venue answers, its rules, books and account are taken as those of the others were at the start. Its
unsettled orders are queried, and an account snapshot shows orders that the journal may have lost.

Books are compared on one scale per symbol. Where it is too coarse for the steps of the arriving venue, all the symbol's books
move to a finer one, and stay live.
"""

from collections.abc import Mapping

import msgspec

from arb.core.accounts.account_reconciler import AccountReconciler
from arb.core.accounts.account_renames import journal_renames
from arb.core.accounts.restart import Restored, out_of_reach, strand
from arb.core.messages.events import VenueArrived
from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.messages.timers import OrderTimer, PairTimer
from arb.core.state.blocks import Source
from arb.core.state.engine_state import EngineState
from arb.core.state.order import WorkingOrder
from arb.core.trades.opening import TradeManager
from arb.core.trades.trade import PairTrade
from arb.core.universe.listings import add_book


class Absence:
    """Handles absent venues, and their arrival, for accounts, books and open pairs."""

    def __init__(self, state: EngineState, manager: TradeManager, accounts: AccountReconciler) -> None:
        self.state = state
        self.manager = manager
        self.accounts = accounts
        # Former account names as journalled so far, each with the present one.
        self._restored = Restored()

    def begin(self, restored: Restored, former: Mapping[str, str], now_ns: int) -> None:
        """Raise an incident for each venue that is absent, naming the pairs that wait for it."""
        self._restored = Restored(former_accounts={**restored.former_accounts, **former})
        for venue in self.state.absent:
            waiting = [pair.id for pair in self.manager.open.values() if _unsettled_at(pair, venue)]
            text = f"{venue} does not answer, and is asked again until it does: {self.state.venues[venue].absent}"
            if waiting:
                pairs = ", ".join(map(str, waiting))
                text += f"; the fate of orders there is unknown, and these pairs wait for it: {pairs}"
            severity = Severity.CRITICAL if waiting else Severity.WARNING
            self.state.incident(IncidentKind.VENUE_ABSENT, text, now_ns, severity=severity, venue=venue)

    def end(self, event: VenueArrived) -> None:
        """Take the account and the books of an arrived venue; its rules and pairs follow."""
        state, venue, now_ns = self.state, event.venue, event.t_ns
        venue_state = state.venues[venue]
        venue_state.lift(Source.ABSENT)
        journal_renames(state, self._restored, event.former_account_ids, now_ns)
        self._restored = Restored(former_accounts={**self._restored.former_accounts, **event.former_account_ids})
        if venue_state.account_id != event.account_id:
            self._rename(venue, event.account_id, event.former_account_ids)
        listed = {instrument.native_symbol: instrument for instrument in event.instruments}
        for connection, natives in event.connections.items():
            for native_symbol in natives:
                add_book(state, listed[native_symbol], connection, now_ns)
        text = f"{venue} answers, and is brought up"
        state.incident(IncidentKind.VENUE_ABSENT, text, now_ns, severity=Severity.INFO, venue=venue)

    def take_up_pairs(self, venue: str, now_ns: int) -> None:
        """Query the unsettled orders at an arrived venue; set aside the pairs that its account or its listing cannot finish."""
        account_id = self.state.venues[venue].account_id
        for pair in [pair for pair in self.manager.pairs.values() if venue in pair.involved]:
            names = {order.account_id for order in pair.orders.values() if order.venue == venue}
            why = out_of_reach(self.state, pair, sorted(names - {account_id}))
            if why is not None:
                self._set_aside(pair, why, now_ns)
            elif not pair.closed:
                for order in _unsettled_at(pair, venue):
                    self.state.out.timer(OrderTimer(order.client_order_id), now_ns)
        for pair in self.manager.open.values():
            self.state.out.timer(PairTimer(pair.id), now_ns)

    def _set_aside(self, pair: PairTrade, why: str, now_ns: int) -> None:
        if not pair.closed:
            self.manager.close(pair)
            self.state.inventory.release(pair.id)
            strand(self.state, self.manager, pair, why, now_ns)
        self.manager.forget(pair)

    def _rename(self, venue: str, account_id: str, former: Mapping[str, str]) -> None:
        """Rename a venue's account as the venue reports it; journalled state under its key's name belongs to it."""
        state = self.state
        state.venues[venue].name_account(account_id)
        for order in self.manager.orders.values():
            if former.get(order.account_id) == account_id:
                order.account_id = account_id
        for block in state.blocks.of(Source.DRIFT, Source.BARRED):
            if former.get(block.at) == account_id:
                state.blocks.lift(block.source, block.at, block.name)
                state.blocks.put(msgspec.structs.replace(block, at=account_id))
        self.accounts.account_named(venue)


def _unsettled_at(pair: PairTrade, venue: str) -> list[WorkingOrder]:
    return [order for order in pair.orders.values() if order.venue == venue and not order.settled]
