"""Foreign orders and fills on our accounts: kept as rows, used to explain balances, never touched.

A person or another program may trade on the account. A foreign fill moves the balances that we compute with, so it is counted
once, like our own. Foreign orders are never cancelled and belong to no pair.
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from arb.core.fees.fees import fill_record
from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.messages.records import FillRecord, OrderRecord
from arb.core.state.engine_state import EngineState
from arb.core.state.order import average
from arb.core.state.positions.counted import Counted
from arb.core.state.positions.inventory import FILLS_KEPT
from arb.market.fill import Fill, FillKey
from arb.market.ids import decode
from arb.market.numbers import ZERO
from arb.market.order import OrderReport, OrderStatus, Outcome, Role, Side, TimeInForce

ORDERS_KEPT = 10_000


class ForeignOrders:
    def __init__(self, state: EngineState) -> None:
        self.state = state
        # The random bits of processes that use our prefix and belong to another journal.
        self.strangers: set[int] = set()
        self._orders: dict[tuple[str, str], OrderRecord] = {}
        self._fills: dict[tuple[str, str], dict[FillKey, tuple[Decimal, Decimal]]] = {}
        self._counted = Counted(FILLS_KEPT)

    def restore(self, orders: Iterable[OrderRecord], fills: Iterable[FillRecord]) -> None:
        """Keep the rows of a previous process, so that they are not written again."""
        numbers: dict[int, tuple[str, str]] = {}
        for order in orders:
            key = (order.venue, order.venue_order_id or "")
            self._orders[key], numbers[order.id] = order, key
        for fill in fills:
            if fill.order_id in numbers:
                key = numbers[fill.order_id]
                traded = FillKey(fill.symbol, fill.trade_id, key[1])
                self._fills.setdefault(key, {})[traded] = (fill.size, fill.price)
                self._counted.add(fill.venue, traded, fill.event_ns)

    def owns(self, reported: OrderReport | Fill) -> bool:
        """Return whether an order or a fill is certainly foreign: already recorded as such, or by its client order id."""
        if (reported.venue, reported.venue_order_id) in self._orders:
            return True
        if reported.client_order_id is None:
            return isinstance(reported, OrderReport)  # a report on our order has our id; a fill may lack it
        name = decode(reported.client_order_id)
        return name is None or name.nonce in self.strangers

    def on_report(self, report: OrderReport, now_ns: int) -> None:
        key = (report.venue, report.venue_order_id)
        before = self._orders.get(key)
        traded = sum((size for size, _ in self._fills.get(key, {}).values()), ZERO)
        filled = max(report.filled, traded)
        size = max(report.size, filled)
        if not size:
            return  # a row needs a size
        order = before or self._first(report.venue, report.symbol, report.venue_order_id, now_ns)
        ended = not report.is_open or filled >= size
        self._keep(
            key,
            msgspec.structs.replace(
                order,
                side=report.side,
                price=report.price or ZERO,
                size=size,
                filled=filled,
                status=_status(filled, size, ended),
                done_ns=order.done_ns or (now_ns if ended else None),
            ),
            before,
        )

    def on_fill(self, fill: Fill, now_ns: int) -> None:
        key = (fill.venue, fill.venue_order_id)
        if not self._counted.add(fill.venue, fill.key, fill.event_ns):
            return
        fills = self._fills.setdefault(key, {})
        fills[fill.key] = (fill.size, fill.price)
        before = self._orders.get(key)
        traded = sum((size for size, _ in fills.values()), ZERO)
        order = before or msgspec.structs.replace(
            self._first(fill.venue, fill.symbol, fill.venue_order_id, now_ns), side=fill.side, price=fill.price
        )
        filled = max(order.filled, traded)
        size = max(order.size, filled)
        notional = sum((part * price for part, price in fills.values()), ZERO)
        order = msgspec.structs.replace(
            order,
            size=size,
            filled=filled,
            avg_price=average(notional, traded),
            status=_status(filled, size, order.done_ns is not None or filled >= size),
            first_fill_ns=order.first_fill_ns or fill.received_ns,
        )
        self._keep(key, order, before)
        self._count(fill, order)

    def _count(self, fill: Fill, order: OrderRecord) -> None:
        state = self.state
        state.inventory.apply_fill(fill, *state.venues[fill.venue].executed(fill))
        state.out.persist(fill_record(state, order.id, order.account_id, fill))

    def _first(self, venue: str, symbol: str, venue_order_id: str, now_ns: int) -> OrderRecord:
        state = self.state
        text = f"{symbol} order {venue_order_id} at {venue} is not ours: it is recorded and not touched"
        state.incident(IncidentKind.FOREIGN_ORDER, text, now_ns, severity=Severity.INFO, venue=venue)
        return OrderRecord(
            id=state.next_id("orders"),
            pair_trade_id=None,
            account_id=state.venues[venue].account_id,
            venue=venue,
            symbol=symbol,
            role=Role.FOREIGN,
            attempt=0,
            side=Side.BUY,
            tif=TimeInForce.GTC,
            price=ZERO,
            size=ZERO,
            filled=ZERO,
            avg_price=None,
            # Others may use one client order id for many orders; in our rows it must be unique.
            client_order_id=None,
            venue_order_id=venue_order_id,
            status=OrderStatus.OPEN,
            outcome=Outcome.ACCEPTED,
            reject_code=None,
            journalled_ns=now_ns,
            sent_ns=None,
            acked_ns=None,
            first_fill_ns=None,
            done_ns=None,
        )

    def _keep(self, key: tuple[str, str], order: OrderRecord, before: OrderRecord | None) -> None:
        if order == before:
            return
        self._orders.pop(key, None)  # the oldest change is forgotten first, and never the order that changes now
        while len(self._orders) >= ORDERS_KEPT:
            oldest = next(iter(self._orders))
            del self._orders[oldest]
            self._fills.pop(oldest, None)
        self._orders[key] = order
        self.state.out.persist(order)


def _status(filled: Decimal, size: Decimal, ended: bool) -> OrderStatus:
    if not ended:
        return OrderStatus.OPEN
    if filled >= size:
        return OrderStatus.FILLED
    return OrderStatus.PARTIAL_CANCELLED if filled else OrderStatus.CANCELLED
