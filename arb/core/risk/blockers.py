"""The first reason not to open a trade now, apart from prices: a block, or a condition of an instant, a book or a route."""

from operator import attrgetter

from arb.core.fees.fees import unsupported
from arb.core.messages.reasons import Reason
from arb.core.state.engine_state import EngineState
from arb.core.state.order import WorkingOrder
from arb.core.trades.table import TradeTable
from arb.market.route import Keys, Route, group_in, venues_of


class Blockers:
    def __init__(self, state: EngineState, orders: TradeTable) -> None:
        self.state = state
        self.orders = orders
        self._asked: tuple[object, ...] = ()
        self._found: Reason | None = None

    def reason(self, keys: Keys, now_ns: int) -> Reason | None:
        """Return the first reason not to open a trade in these instruments now, one or a route; None without one.

        A strategy asks before it looks at prices, and the engine before it opens. So the answer is cached within a step, until
        something opens or a block changes.
        """
        out = self.state.out
        asked = out.cause, now_ns, len(out.intents), len(self.orders.open), self.state.blocks.revision, keys
        if asked != self._asked:
            self._asked, self._found = asked, self._reason(keys, now_ns)
        return self._found

    def _reason(self, keys: Keys, now_ns: int) -> Reason | None:
        state = self.state
        block = state.block(group_in(keys), venues_of(keys), now_ns)
        if block is not None and block.source.reason.rank < Reason.INSTRUMENT_HALTED.rank:
            return block.source.reason
        found = [reason for key in keys if (reason := self._at(*key, now_ns)) is not None]
        if block is not None:
            found.append(block.source.reason)
        first = min(found, key=attrgetter("rank")) if found else None
        if first is not None and first.rank < Reason.BOOK_SKEW.rank:
            return first
        if isinstance(keys, Route):
            if state.books.skewed(*keys):
                return Reason.BOOK_SKEW
            if state.identities.refused(keys):
                return Reason.IDENTITY_UNVERIFIED
            if state.trapped.refused(keys):
                return Reason.WALLET_CLOSED
        for key in keys:
            if unsupported(state, state.instruments[key]):
                return Reason.FEE_UNKNOWN
        return first

    def _at(self, venue: str, symbol: str, now_ns: int) -> Reason | None:
        """Return the first reason of the moment at a venue and in its book."""
        state, key = self.state, (venue, symbol)
        instrument = state.instruments.get(key)
        if instrument is None or instrument.ends_soon(now_ns) or instrument.opens_from_ns(now_ns) is not None:
            return Reason.INSTRUMENT_HALTED
        if self.orders.watched and key in map(_book_of, self.orders.watched.values()):
            return Reason.UNKNOWN_OUTSTANDING
        if self.orders.open and key in map(_book_of, self.orders.unknown_orders()):
            return Reason.UNKNOWN_OUTSTANDING
        unusable = state.books.unusable(venue, symbol, now_ns)
        if state.books.backlogged(venue, symbol) and (unusable is None or Reason.FEED_BACKLOG.rank < unusable.rank):
            return Reason.FEED_BACKLOG
        return unusable


def _book_of(order: WorkingOrder) -> tuple[str, str]:
    return order.venue, order.symbol
