"""Sending orders: the last check before the send, and the rows that follow."""

from collections.abc import Iterable
from decimal import Decimal

from arb.clock import NS_PER_MS
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.legs import Leg
from arb.core.orders.reconciler import OrderReconciler
from arb.core.orders.table import OrderTable
from arb.core.state.engine_state import EngineState
from arb.core.state.order import WorkingOrder
from arb.errors import InvariantError

ROUNDED_MAX = Decimal("1e-8")
"""Less base than this may be rounded off a cumulative fill. A lot would be too much: levels may be finer, and so may fills."""


class OrderSender(OrderTable):
    def __init__(self, state: EngineState) -> None:
        super().__init__()
        self.state = state
        self._reconciler = OrderReconciler(state)

    def know(self, order: WorkingOrder) -> None:
        """Index an order by its names; its venue may round its reports on it, by less than `ROUNDED_MAX`."""
        instrument = self.state.instrument(order.venue, order.symbol)
        order.lot = min(instrument.lot, ROUNDED_MAX) if instrument is not None else order.lot
        super().know(order)

    def follow(self, orders: Iterable[WorkingOrder], places: Iterable[PlaceOrder]) -> None:
        state = self.state
        for order in orders:
            self.know(order)
            state.books.sending(order.venue, order.symbol, order.journalled_ns)
            state.tally.orders += 1
            state.out.persist(*order.news())
        state.out.place(places)
        for order in orders:
            self._reconciler.ask_later(order, order.journalled_ns)

    def place(self, name: str, leg: Leg, now_ns: int) -> PlaceOrder:
        """Return the command that sends a leg under a new client order id.

        Raises `InvariantError` for a limit or a size off the venue's steps, and for a leg that may only reduce: the command
        could not ask that of a venue. This is the second check (sizing has the first), so that no such order ever leaves.
        """
        state, venue, symbol, price, size = self.state, leg.venue, leg.symbol, leg.limit, leg.size
        if name in self.orders:
            raise InvariantError(f"client order id {name} was used before")
        instrument = state.instruments[venue, symbol]
        if not (price > 0 and price % instrument.tick == 0):
            raise InvariantError(f"{venue} {symbol}: price {price} off tick")
        if not (size > 0 and size % instrument.lot == 0):
            raise InvariantError(f"{venue} {symbol}: size {size} off lot")
        if leg.reduce_only:
            raise InvariantError(f"{venue} {symbol}: a spot order cannot be reduce-only")
        lives_ms = state.timing.order_expiry_ms if leg.lives_ms is None else leg.lives_ms
        return PlaceOrder(
            cause=state.out.cause,
            venue=venue,
            symbol=symbol,
            client_order_id=name,
            role=leg.role,
            side=leg.side,
            tif=leg.tif,
            price=price,
            size=size,
            expires_ns=now_ns + lives_ms * NS_PER_MS,
        )
