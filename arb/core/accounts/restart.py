"""Recover a previous process's state from the journal: unfinished pairs, residuals, halts, losses.

An order that was journalled but never answered is unknown: it may have left before the process died. So every unsettled order
is queried at once. Pairs of a sandbox that is gone end as abandoned, and no others ever do. A pair cannot be finished now if
its symbol is no longer traded. Nor can it if one of its accounts is not connected (the key is another account's). Such a pair
halts trading and stays unchanged in the journal for a start that can finish it, also when the user resumes without it. A pair
with orders at a venue that does not answer is recovered like any other, and those orders are queried once it answers
(`core/accounts/absence.py`). A renamed account is the same account (`core/accounts/account_renames.py`).

The journal's last moments may be missing (a power cut), and with them a repair that left and filled. So a recovered pair is
repaired only after a snapshot of every account that may hold an order of it. The wait for it is bounded
(`core/trades/repair_timing.py`). A lost order joins its pair then (`core/accounts/recovery.py`).
"""

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.accounts.recovery import RECOVERY_WAIT_S
from arb.core.messages.incidents import HaltReason, IncidentKind, Severity
from arb.core.messages.records import FillRecord, OrderRecord, PairState
from arb.core.messages.recovery_records import AgreedRecord, ControlRecord, OpenPair, ResidualsRecord
from arb.core.messages.settings import Timing
from arb.core.messages.timers import OrderTimer, PairTimer
from arb.core.risk.ramp import is_clean
from arb.core.state.engine_state import EngineState
from arb.core.state.order import WorkingOrder
from arb.core.trades.opening import TradeManager
from arb.core.trades.trade import PairTrade, Trigger
from arb.market.ids import number_again, sandbox_of, venue_of_account
from arb.market.numbers import plain
from arb.market.symbol import Symbol


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    control: ControlRecord | None = None
    pairs: tuple[OpenPair, ...] = ()
    residuals: ResidualsRecord | None = msgspec.field(default=None, name="pool")
    agreed: AgreedRecord | None = None
    last_ns: int = 0
    """When the journal's last entry was written, 0 for a new journal."""
    recent: tuple[OpenPair, ...] = ()
    """Pairs closed shortly before that, which a late fill may reopen."""
    foreign_orders: tuple[OrderRecord, ...] = ()
    foreign_fills: tuple[FillRecord, ...] = ()
    former_accounts: dict[str, str] = {}
    """Former account names, each with the present one, as journalled."""


def restore(state: EngineState, manager: TradeManager, restored: Restored, now_ns: int) -> None:
    """Recover halts, residuals and unfinished pairs, and query every unsettled order.

    Instants past `now_ns` were written by a clock that was ahead: they count as now.
    """
    if restored.control is not None:
        state.control.restore(restored.control)
        state.control.lifted_ns = min(state.control.lifted_ns, now_ns)
    present = _present_accounts(state, restored)
    numbers: set[int] = set()
    if restored.residuals is not None:
        _recover_residuals(state, restored.residuals, present, now_ns)
    for open_pair in restored.pairs:
        pair = _rebuild(state, open_pair, numbers, now_ns)
        state.control.restore_opened(pair.plan.day_notional, pair.decided_ns)
        plan, gone = pair.plan, sorted({order.account_id for order in open_pair.orders} - present)
        state.tally.opened += 1
        if any(has_vanished(state, account_id) for account_id in gone):
            _abandon(state, pair, f"pair {pair.id} belongs to an account that is not connected now: {gone}", now_ns)
            continue
        if why := out_of_reach(state, pair, gone):
            strand(state, manager, pair, why, now_ns)
            continue
        state.inventory.reserve(pair.id, plan.holds())
        manager.add(pair)
        for order in pair.orders.values():
            order.released = order.settled
            if not order.settled:
                state.books.sending(order.venue, order.symbol, now_ns)
            if (order.watched or not order.settled) and state.venues[order.venue].absent is None:
                state.out.timer(OrderTimer(order.client_order_id), now_ns)
        state.out.timer(PairTimer(pair.id), now_ns)
        state.incident(
            IncidentKind.RESTORED,
            f"pair {pair.id} taken up as {pair.state}",
            now_ns,
            severity=Severity.INFO,
            pair_id=pair.id,
        )
    for closed in restored.recent:
        _remember(state, manager, closed, numbers, present, now_ns)


def recall(state: EngineState, manager: TradeManager, closed: OpenPair, now_ns: int) -> bool:
    """Restore a pair closed long ago, for late reports on it; return whether it can be repaired now."""
    numbers = {pair.number for pair in manager.pairs.values()}
    present = _present_accounts(state, Restored(recent=(closed,)))
    return _remember(state, manager, closed, numbers, present, now_ns)


def _remember(
    state: EngineState, manager: TradeManager, closed: OpenPair, numbers: set[int], present: set[str], now_ns: int
) -> bool:
    pair = _rebuild(state, closed, numbers, now_ns)
    repairable = pair.state is not PairState.ABANDONED and not _untraded(state, pair)
    if not repairable or not {order.account_id for order in closed.orders} <= present:
        return False
    pair.restore_result(closed.pair)
    pair.was_clean = is_clean(pair)
    pair.counted = closed.pair.run_id == state.run_id
    for order in pair.orders.values():
        order.released = True
        if order.watched or not order.settled:
            state.out.timer(OrderTimer(order.client_order_id), now_ns)
    manager.remember(pair)
    return True


def _present_accounts(state: EngineState, restored: Restored) -> set[str]:
    """Return the accounts that are connected, and of the venues that do not answer all that may be theirs.

    Which account the key of an absent venue opens is known for certain only once it answers.
    """
    named = {order.account_id for pair in (*restored.pairs, *restored.recent) for order in pair.orders}
    if (record := restored.residuals) is not None:
        named.update(record.account_ids, *(held.account_ids for held in (*record.dust, *record.carried)))
    absent = set(state.absent)
    awaited = {name for name in named if venue_of_account(name) in absent and not has_vanished(state, name)}
    return {venue_state.account_id for venue_state in state.venues.values()} | awaited


def strand(state: EngineState, manager: TradeManager, pair: PairTrade, why: str, now_ns: int) -> None:
    """Set a pair aside that cannot be finished in this run, and halt; it stays unfinished in the journal."""
    base = Symbol.of(pair.plan.symbol).base
    manager.stranded[pair.id] = pair
    text = (
        f"pair {pair.id} is open with {pair.imbalance(base)} {base} unhedged as far as is known, and {why}"
        " and start again to have it finished; `arb resume --reason TEXT` trades on without it meanwhile"
    )
    state.halt(HaltReason.STRANDED, text, now_ns, pair.id)


def _abandon(state: EngineState, pair: PairTrade, why: str, now_ns: int) -> None:
    pair.move(Trigger.ABANDON, now_ns)
    state.tally.closed[pair.state] += 1
    # With the control row, since only this pair's plan may hold the day's turnover.
    state.out.persist(pair.record(Symbol.of(pair.plan.symbol).base), state.control.record(now_ns, why))
    state.incident(IncidentKind.ABANDONED, why, now_ns, pair_id=pair.id)


def _recover_residuals(state: EngineState, record: ResidualsRecord, present: set[str], now_ns: int) -> None:
    elsewhere = [
        held
        for held in state.residuals.restore(record, present, lambda account_id: not has_vanished(state, account_id))
        if held.size
    ]
    if elsewhere:
        sizes = ", ".join(f"{plain(held.size)} {Symbol.of(held.symbol).base}" for held in elsewhere)
        gone = sorted({name for held in elsewhere for name in held.account_ids or record.account_ids} - present)
        text = f"residuals of earlier pairs are on accounts that are not connected now: {sizes} on {', '.join(gone)}"
        severity = Severity.WARNING if any(held in record.carried for held in elsewhere) else Severity.INFO
        state.incident(IncidentKind.RESIDUAL, text, now_ns, severity=severity)


def has_vanished(state: EngineState, account_id: str) -> bool:
    """Return whether an account was one of a sandbox that is gone; one of a real venue may always be connected again."""
    return sandbox_of(account_id) not in (None, state.sandbox_id)


def out_of_reach(state: EngineState, pair: PairTrade, gone: list[str]) -> str | None:
    """Return why a pair cannot be finished now and what the user can do about it; None when it can be."""
    if gone:
        return f"{' and '.join(gone)} is not connected now: enable its venue, with a key of that account,"
    if untraded := _untraded(state, pair):
        return f"{pair.plan.symbol} is not traded at {' and '.join(untraded)} now: bring it back to [run] symbols"
    return None


def _untraded(state: EngineState, pair: PairTrade) -> list[str]:
    """Return the venues that are needed to finish a pair and have no book of its symbol; one that is absent may have it."""
    venues = {*pair.venues, *(order.venue for order in pair.orders.values() if not order.settled)}
    return sorted(venue for venue in venues - set(state.absent) if not state.books.has(venue, pair.plan.symbol))


def _rebuild(state: EngineState, written: OpenPair, numbers: set[int], now_ns: int) -> PairTrade:
    rows = _not_ahead(written, state.timing, now_ns)
    number = number_again(rows.plan.pair_id)
    while number in numbers:
        number += 1  # very rare; then only a third process may fail to match a lost order with its pair
    numbers.add(number)
    expiry_ns = state.timing.order_expiry_ms * NS_PER_MS
    orders = [
        WorkingOrder.restored(
            record, [fill for fill in rows.fills if fill.order_id == record.id], record.journalled_ns + expiry_ns
        )
        for record in rows.orders
    ]
    pair = PairTrade.restored(rows, number, orders, state.flat_now, now_ns)
    pair.await_snapshots_until_ns = now_ns + RECOVERY_WAIT_S * NS_PER_S
    return pair


def _not_ahead(rows: OpenPair, timing: Timing, now_ns: int) -> OpenPair:
    """Return the rows of a pair with no instant past now: else its orders would stay unknown until our clock gets there."""

    def order_of(record: OrderRecord) -> OrderRecord:
        if record.journalled_ns <= now_ns:
            return record
        expires_ns, offset_ns = record.expires_ns, record.offset_ns
        if expires_ns is None:
            expires_ns = record.journalled_ns + timing.order_expiry_ms * NS_PER_MS
        if expires_ns > now_ns + timing.unknown_grace_ms * NS_PER_MS:
            # It was signed with the venue's time, and is compared with that, however wrong our clock was.
            expires_ns, offset_ns = now_ns + timing.unknown_grace_ms * NS_PER_MS, None
        sent_ns = None if record.sent_ns is None else now_ns
        return msgspec.structs.replace(
            record, journalled_ns=now_ns, sent_ns=sent_ns, expires_ns=expires_ns, offset_ns=offset_ns
        )

    decided_ns = min(rows.pair.decided_ns, now_ns)
    return msgspec.structs.replace(
        rows, pair=msgspec.structs.replace(rows.pair, decided_ns=decided_ns), orders=tuple(map(order_of, rows.orders))
    )
