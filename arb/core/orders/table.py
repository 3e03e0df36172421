"""The table of orders that this engine has sent or recovered, indexed by every name a venue may give them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from arb.core.state.order import WorkingOrder
from arb.market.fill import Fill


class OrderTable(ABC):
    """All orders of one engine. Their owners know their purpose (`core/trades/table.py`)."""

    def __init__(self) -> None:
        self.orders: dict[str, WorkingOrder] = {}
        self._by_venue_id: dict[tuple[str, str], str] = {}
        # Orders of closed pairs whose venue reports more filled than the fills held: by name, with their symbol.
        self._short_of_fills: dict[str, str] = {}
        # Presumed absent, and still queried: by client order id. Nothing opens in their books.
        self.watched: dict[str, WorkingOrder] = {}

    @abstractmethod
    def open_orders(self) -> Iterator[WorkingOrder]: ...

    def forget_order(self, order: WorkingOrder) -> None:
        self.orders.pop(order.client_order_id, None)
        self._by_venue_id.pop((order.venue, order.venue_order_id or ""), None)
        self._short_of_fills.pop(order.client_order_id, None)
        self.watched.pop(order.client_order_id, None)

    def note_fills_held(self, order: WorkingOrder) -> None:
        """Record whether all reported fills of an order that seemed over have arrived."""
        if order.settled:
            self._short_of_fills.pop(order.client_order_id, None)
        else:
            self._short_of_fills[order.client_order_id] = order.symbol

    def awaits_late_fill(self, symbol: str) -> bool:
        """Return whether a fill of a symbol is known to be on its way to a pair that was closed without it."""
        return symbol in self._short_of_fills.values()

    def know(self, order: WorkingOrder) -> None:
        self.orders[order.client_order_id] = order
        if order.watched:
            self.watched[order.client_order_id] = order
        if order.venue_order_id:
            self.named(order, order.venue_order_id)

    def named(self, order: WorkingOrder, venue_order_id: str) -> None:
        self._by_venue_id.setdefault((order.venue, venue_order_id), order.client_order_id)

    def order_of(self, fill: Fill) -> WorkingOrder | None:
        """Return our order that a fill belongs to, None when it is not known as ours."""
        return self.find(fill.venue, fill.client_order_id, fill.venue_order_id)

    def find(self, venue: str, client_order_id: str | None, venue_order_id: str) -> WorkingOrder | None:
        """Return our order with these names at a venue, None when it is not known as ours."""
        if client_order_id is not None and client_order_id in self.orders:
            return self.orders[client_order_id]
        name = self._by_venue_id.get((venue, venue_order_id))
        return None if name is None else self.orders[name]

    def resting(self, venue: str | None = None) -> list[WorkingOrder]:
        return [order for order in self.open_orders() if order.rests and venue in (None, order.venue)]

    def unknown_orders(self) -> list[WorkingOrder]:
        """Return the orders that may or may not exist, and those that a venue contradicts itself about."""
        return [order for order in self.open_orders() if order.is_unknown or order.frozen]

    def hidden_at(self, venue: str) -> bool:
        """Return whether a venue's lists do not show an order that it has acknowledged."""
        return any(order.unseen and not order.settled and order.venue == venue for order in self.open_orders())
