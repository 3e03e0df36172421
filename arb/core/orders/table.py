"""The table of pairs and orders: what this engine has sent or recovered, found by every name a venue may give it."""

from collections import deque
from collections.abc import Iterator
from decimal import Decimal

from arb.clock import NS_PER_S
from arb.core.orders.order import WorkingOrder
from arb.core.pairs.pair import PairTrade
from arb.market.fill import Fill
from arb.market.numbers import ZERO

CLOSED_KEPT_NS = 86_400 * NS_PER_S
"""How long closed pairs stay known for what comes late; older ones are searched for in the journal (`unfamiliar.py`)."""
CLOSED_KEPT = 4_000
"""How many at most, at 12 kB of objects each: the busiest minutes of the sandbox close 400."""


class OrderTable:
    """All pairs and orders of one engine."""

    def __init__(self) -> None:
        self.pairs: dict[int, PairTrade] = {}
        self.orders: dict[str, WorkingOrder] = {}
        self.open: dict[int, PairTrade] = {}
        # Recovered from the journal, and not to be finished in this run: their symbols are not traded.
        self.stranded: dict[int, PairTrade] = {}
        self.busy: dict[tuple[str, str], int] = {}
        self._by_venue_id: dict[tuple[str, str], str] = {}
        # Orders of closed pairs whose venue reports more filled than the fills held: by name, with their symbol.
        self._short_of_fills: dict[str, str] = {}
        # Presumed absent, and still queried: by client order id. Nothing opens in their books.
        self.watched: dict[str, WorkingOrder] = {}
        # Each with the instant of its end, which moves when a late fill has opened it again.
        self._closed: deque[tuple[int, int]] = deque()

    def add(self, pair: PairTrade) -> None:
        """Manage an open pair from now on; its books are busy until it closes."""
        self.pairs[pair.id] = self.open[pair.id] = pair
        for venue in set(pair.venues):
            self.busy[venue, pair.plan.symbol] = pair.id
        for order in pair.orders.values():
            self.know(order)

    def remember(self, pair: PairTrade) -> None:
        """Know a pair that a previous process has closed, for reports that come late."""
        self.pairs[pair.id] = pair
        self._closed.append((pair.id, pair.closed_ns or 0))
        for order in pair.orders.values():
            self.know(order)
            self.note_fills_held(order)

    def forget(self, pair: PairTrade) -> None:
        """Know a pair that is not open, and its orders, no longer."""
        self.pairs.pop(pair.id, None)
        for order in pair.orders.values():
            self.orders.pop(order.client_order_id, None)
            self._by_venue_id.pop((order.venue, order.venue_order_id or ""), None)
            self._short_of_fills.pop(order.client_order_id, None)
            self.watched.pop(order.client_order_id, None)

    def note_fills_held(self, order: WorkingOrder) -> None:
        """Note whether all that is reported filled of an order that seemed over has come as fills."""
        if order.settled:
            self._short_of_fills.pop(order.client_order_id, None)
        else:
            self._short_of_fills[order.client_order_id] = order.symbol

    def awaits_late_fill(self, symbol: str) -> bool:
        """Return whether a fill of a symbol is known to be on its way to a pair that was closed without it."""
        return symbol in self._short_of_fills.values()

    def know(self, order: WorkingOrder) -> None:
        """Make an order findable by both its names."""
        self.orders[order.client_order_id] = order
        if order.watched:
            self.watched[order.client_order_id] = order
        if order.venue_order_id:
            self.named(order, order.venue_order_id)

    def named(self, order: WorkingOrder, venue_order_id: str) -> None:
        """Make an order findable by the name its venue gave it."""
        self._by_venue_id.setdefault((order.venue, venue_order_id), order.client_order_id)

    def close(self, pair: PairTrade) -> None:
        """Take a pair off the open ones; it stays known for late fills, for a day and among so many."""
        self.open.pop(pair.id, None)
        for venue in set(pair.venues):
            if self.busy.get((venue, pair.plan.symbol)) == pair.id:
                self._vacate(venue, pair.plan.symbol)
        self._closed.append((pair.id, pair.closed_ns or 0))
        since_ns = (pair.closed_ns or 0) - CLOSED_KEPT_NS
        while len(self._closed) > CLOSED_KEPT or self._closed[0][1] < since_ns:
            pair_id, ended_ns = self._closed.popleft()
            old = self.pairs.get(pair_id)
            if old is not None and old.closed and old.closed_ns == ended_ns:
                self.forget(old)

    def order_of(self, fill: Fill) -> WorkingOrder | None:
        """Return the order of ours that a fill belongs to, None when it is not known as ours."""
        return self.find(fill.venue, fill.client_order_id, fill.venue_order_id)

    def open_notional(self) -> Decimal:
        """Return the quote at stake in open pairs: what could at worst become unhedged."""
        return sum((pair.at_stake for pair in self.open.values()), ZERO)

    def hedges_held(self, venue: str, symbol: str) -> int:
        """Return how many open pairs of a symbol ("": of any) may still need their first hedge or unwind at a venue."""
        return sum(pair.holds_hedge_at(venue) for pair in self.open.values() if symbol in ("", pair.plan.symbol))

    def quiet_at(self, venue: str) -> bool:
        """Return whether nothing of ours is under way at a venue that could move its balances."""
        for pair in self.open.values():
            if venue in pair.venues or any(o.venue == venue and not o.settled for o in pair.orders.values()):
                return False
        return True

    @property
    def unfinished(self) -> list[PairTrade]:
        """Return the pairs that have not ended, those too that cannot be finished in this run."""
        return [*self.open.values(), *self.stranded.values()]

    def resting(self, venue: str | None = None) -> list[WorkingOrder]:
        """Return our orders that rest in a venue's book, everywhere or at one venue."""
        return [order for order in self.open_orders() if order.rests and venue in (None, order.venue)]

    def unknown_orders(self) -> list[WorkingOrder]:
        """Return the orders that may or may not exist, and those that a venue contradicts itself about."""
        return [order for order in self.open_orders() if order.is_unknown or order.frozen]

    def hidden_at(self, venue: str) -> bool:
        """Return whether a venue's lists do not show an order that it has acknowledged."""
        return any(order.unseen and not order.settled and order.venue == venue for order in self.open_orders())

    def open_orders(self) -> Iterator[WorkingOrder]:
        """Yield the orders of all open pairs."""
        for pair in self.open.values():
            yield from pair.orders.values()

    def find(self, venue: str, client_order_id: str | None, venue_order_id: str) -> WorkingOrder | None:
        """Return the order of ours that a venue calls by these names, None when it is not known as ours."""
        if client_order_id is not None and client_order_id in self.orders:
            return self.orders[client_order_id]
        name = self._by_venue_id.get((venue, venue_order_id))
        return None if name is None else self.orders[name]

    def _vacate(self, venue: str, symbol: str) -> None:
        """Free a book, or give it to the pair that traded there when a late fill reopened the one that has now ended."""
        del self.busy[venue, symbol]
        for pair in self.open.values():
            if pair.plan.symbol == symbol and venue in pair.venues:
                self.busy[venue, symbol] = pair.id
