"""Taking up what a previous process left: unfinished pairs, leftover base, halts, losses.

Starting is reconciling. An order that was journalled but never answered is unknown: it may have left before the process died.
Every unsettled order is asked for at once. Pairs of accounts that are no longer there end as abandoned.
"""

import msgspec

from arb.clock import NS_PER_MS
from arb.core.desk import Desk
from arb.core.dust import DustPool
from arb.core.house import House
from arb.core.orders import WorkingOrder
from arb.core.pair import PairTrade, Trigger
from arb.core.records import AgreedRecord, ControlRecord, FillRecord, OrderRecord, PairRecord, PlanRecord, PoolRecord


class OpenPair(msgspec.Struct, frozen=True, kw_only=True):
    """The journalled rows of one unfinished pair."""

    plan: PlanRecord
    pair: PairRecord
    orders: tuple[OrderRecord, ...]
    fills: tuple[FillRecord, ...]


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal says of the process before this one."""

    control: ControlRecord | None = None
    pairs: tuple[OpenPair, ...] = ()
    pool: PoolRecord | None = None
    agreed: AgreedRecord | None = None
    last_ns: int = 0
    """When the journal's last entry was written, 0 for a new journal."""
    recent: tuple[OpenPair, ...] = ()
    """Pairs closed shortly before that; news of them may still come."""
    known: tuple[str, ...] = ()
    """Client order ids journalled shortly before that."""
    foreign_orders: tuple[OrderRecord, ...] = ()
    foreign_fills: tuple[FillRecord, ...] = ()


def restore(house: House, desk: Desk, pool: DustPool, restored: Restored, now_ns: int) -> None:
    """Take up unfinished pairs and ask for every order that is not settled."""
    if restored.control is not None:
        house.control.restore(restored.control)
    present = {state.account_id for state in house.venues.values()}
    if restored.pool is not None and present.issuperset(restored.pool.account_ids):
        pool.restore(restored.pool)
    for left in restored.pairs:
        pair = _rebuild(house, left, now_ns)
        accounts = {order.account_id for order in left.orders}
        base, quote = pair.plan.symbol.split("/")
        house.tally.opened += 1
        if not accounts <= present:
            pair.move(Trigger.ABANDON, now_ns)
            house.tally.closed[pair.state] += 1
            house.out.persist(pair.record(base))
            text = f"pair {pair.id} belongs to an account that is not connected now: {sorted(accounts - present)}"
            house.incident("abandoned", text, now_ns, pair_id=pair.id)
            continue
        plan = pair.plan
        holds = {(plan.buy_venue, quote): plan.hold_quote, (plan.sell_venue, base): plan.hold_base}
        house.inventory.reserve(pair.id, holds)
        desk.add(pair)
        for order in pair.orders.values():
            order.released = order.settled
            if not order.settled:
                house.books.sending(order.venue, order.symbol, now_ns)
                house.out.timer(f"order:{order.client_order_id}", now_ns)
        house.out.timer(f"pair:{pair.id}", now_ns)
        house.incident("restored", f"pair {pair.id} taken up as {pair.state}", now_ns, severity="info", pair_id=pair.id)
    for closed in restored.recent:
        if {order.account_id for order in closed.orders} <= present:
            pair = _rebuild(house, closed, now_ns)
            pair.take_up_end(closed.pair)
            for order in pair.orders.values():
                order.released = True
            desk.remember(pair)


def _rebuild(house: House, left: OpenPair, now_ns: int) -> PairTrade:
    expiry_ns = house.timing.order_expiry_ms * NS_PER_MS
    orders = [
        WorkingOrder.restored(
            record, [fill for fill in left.fills if fill.order_id == record.id], record.journalled_ns + expiry_ns
        )
        for record in left.orders
    ]
    for order in orders:
        state = house.venues.get(order.venue)
        order.received = order.is_unknown and state is not None and state.profile.receipts
    return PairTrade.restored(left.plan, left.pair, house.next_number("pairs"), orders, now_ns)
