"""The two sides of books that a pair was decided on, a row each.

The decision keeps only references to the books as read then. The rows are made at the next event, after the orders have left.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from operator import neg
from typing import NamedTuple

import msgspec

from arb.core.messages.records import DecisionBookRecord, QuoteSide
from arb.core.pricing.depth import Depth
from arb.core.pricing.plan import Plan
from arb.market.numbers import exact
from arb.market.route import Route

LEVELS_LEAST, LEVELS_MOST = 10, 50
"""The least and the most levels of a side kept with a pair, where the book has so many: those within the limit of its order.
The engine knows no more levels of a book than the second number."""


class _Opened(NamedTuple):
    pair_id: int
    ns: int
    route: Route
    plan: Plan
    asks: Depth
    bids: Depth


class DecisionBooks:
    def __init__(self, persist: Callable[[DecisionBookRecord], None], next_id: Callable[[str], int]) -> None:
        """Rows go to `persist` under ids of `next_id`."""
        self._persist = persist
        self._next_id = next_id
        self._waiting: list[_Opened] = []

    def opened(self, pair_id: int, ns: int, route: Route, plan: Plan, asks: Depth, bids: Depth) -> None:
        self._waiting.append(_Opened(pair_id, ns, route, plan, asks, bids))

    @property
    def waiting(self) -> bool:
        return bool(self._waiting)

    def write(self) -> None:
        waiting, self._waiting = self._waiting, []
        for opened in waiting:
            for book in _books(opened):
                self._persist(msgspec.structs.replace(book, id=self._next_id("decision_books")))


def _books(opened: _Opened) -> Iterator[DecisionBookRecord]:
    plan, asks, bids, (buy_venue, sell_venue) = opened.plan, opened.asks, opened.bids, opened.route.venues
    within_asks = bisect_right(asks.prices, plan.buy_limit)
    within_bids = bisect_right(bids.prices, -plan.sell_limit, key=neg)  # prices fall
    sides = (buy_venue, QuoteSide.ASKS, asks, within_asks), (sell_venue, QuoteSide.BIDS, bids, within_bids)
    scale = plan.terms.scale
    for venue, side, depth, within in sides:
        kept = min(max(within, LEVELS_LEAST), LEVELS_MOST)
        levels = tuple(
            (exact(price, scale.price_exp), exact(size, scale.size_exp))
            for price, size in zip(depth.prices[:kept], depth.sizes[:kept], strict=True)
        )
        yield DecisionBookRecord(
            id=0, pair_trade_id=opened.pair_id, ns=opened.ns, venue=venue, side=side, levels=levels
        )
