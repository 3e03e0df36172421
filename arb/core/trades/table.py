"""The table of pairs that this engine has opened or recovered, with the orders of each."""

from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal

from arb.clock import NS_PER_DAY
from arb.core.orders.foreign import ForeignOrders
from arb.core.orders.manager import FeeCheck, OrderManager, Refusals
from arb.core.state.engine_state import EngineState
from arb.core.state.order import WorkingOrder
from arb.core.trades.trade import PairTrade
from arb.market.numbers import ZERO
from arb.market.order import Side

CLOSED_KEPT_NS = NS_PER_DAY
"""How long closed pairs stay known for late reports; the journal is searched for older ones (`orders/unfamiliar.py`)."""
CLOSED_KEPT = 4_000
"""How many at most, at 12 kB of objects each: the busiest minutes of the sandbox close 400."""


class TradeTable(OrderManager):
    def __init__(
        self,
        state: EngineState,
        foreign: ForeignOrders,
        refusals: Refusals,
        *,
        progress: Callable[[PairTrade, int], None],
        fee_check: FeeCheck,
    ) -> None:
        """Call `progress(pair, now_ns)` whenever a pair or one of its orders may have changed."""
        super().__init__(state, foreign, refusals, fee_check=fee_check)
        self._progress = progress
        self.pairs: dict[int, PairTrade] = {}
        self.open: dict[int, PairTrade] = {}
        # Recovered from the journal, and not to be finished in this run: their symbols are not traded.
        self.stranded: dict[int, PairTrade] = {}
        self.busy: dict[tuple[str, str], int] = {}
        # Each with the instant of its end, which moves when a late fill has opened it again.
        self._closed: deque[tuple[int, int]] = deque()

    def open_orders(self) -> Iterator[WorkingOrder]:
        for pair in self.open.values():
            yield from pair.orders.values()

    def owner_closed(self, order: WorkingOrder) -> bool:
        return self.pairs[order.pair_id].closed

    def entry_fee(self, order: WorkingOrder) -> Decimal:
        plan = self.pairs[order.pair_id].plan
        return plan.buy_fee if order.side is Side.BUY else plan.sell_fee

    def order_changed(self, order: WorkingOrder, now_ns: int) -> None:
        self._progress(self.pairs[order.pair_id], now_ns)

    def add(self, pair: PairTrade) -> None:
        """Manage an open pair from now on; its books are busy until it closes."""
        self.pairs[pair.id] = self.open[pair.id] = pair
        for venue in set(pair.venues):
            self.busy[venue, pair.plan.symbol] = pair.id
        for order in pair.orders.values():
            self.know(order)

    def remember(self, pair: PairTrade) -> None:
        self.pairs[pair.id] = pair
        self._closed.append((pair.id, pair.closed_ns or 0))
        for order in pair.orders.values():
            self.know(order)
            self.note_fills_held(order)

    def forget(self, pair: PairTrade) -> None:
        self.pairs.pop(pair.id, None)
        for order in pair.orders.values():
            self.forget_order(order)

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

    def open_notional(self) -> Decimal:
        """Return the quote at stake in open pairs: the most that could become unhedged."""
        return sum((pair.at_stake for pair in self.open.values()), ZERO)

    def hedges_held(self, venue: str, symbol: str) -> int:
        """Return how many open pairs of a symbol ("": of any) may still need their first hedge or unwind at a venue."""
        return sum(pair.holds_hedge_at(venue) for pair in self.open.values() if symbol in ("", pair.plan.symbol))

    def quiet_at(self, venue: str) -> bool:
        """Return whether no order of ours that could move a venue's balances is under way."""
        for pair in self.open.values():
            if venue in pair.venues or any(o.venue == venue and not o.settled for o in pair.orders.values()):
                return False
        return True

    @property
    def unfinished(self) -> list[PairTrade]:
        """Return the pairs that have not ended, those too that cannot be finished in this run."""
        return [*self.open.values(), *self.stranded.values()]

    def _vacate(self, venue: str, symbol: str) -> None:
        """Free a book, or give it to the pair that traded there when a late fill reopened the one that has now ended."""
        del self.busy[venue, symbol]
        for pair in self.open.values():
            if pair.plan.symbol == symbol and venue in pair.venues:
                self.busy[venue, symbol] = pair.id
