"""Edges that persist although our own pairs should have taken them.

Where two venues quote one coin, our pair takes the levels that made the edge, and it shrinks. Where they quote two coins of
one name, or a book is not real, the edge persists however often it is traded. So every pair that opens is remembered for each
route whose asks or bids it takes from, with that route's edge at that moment. Two of them within 60 s block the route, if no
usable books have since shown less than half of the first of these edges. It opens again when they do.

Edges of up to a tenth of `max_edge_bps` are exempt: one coin may differ by that for seconds between deep books, of which our
pair takes little. An edge here is that of a route's smallest legal size, as a ratio. All times are those of events.
"""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

from arb.clock import NS_PER_S
from arb.market.route import Route

WINDOW_NS = 60 * NS_PER_S
PAIRS = 2
LEAST_SHARE = Fraction(1, 10)
"""The share of the highest edge allowed up to which an edge may persist."""


class PersistentEdges:
    """The edges at which our pairs opened, of every route where none has since fallen below half of the first."""

    def __init__(self, max_edge_bps: Callable[[Route], Decimal]) -> None:
        self._max_edge_bps = max_edge_bps
        self._opened: dict[Route, list[tuple[int, Fraction]]] = {}
        self._paused: set[Route] = set()

    def opened(self, route: Route, edge: Fraction, now_ns: int) -> None:
        """Record that a pair opened which takes from a side of this route, and the route's edge then."""
        if edge <= Fraction(self._max_edge_bps(route)) / 10_000 * LEAST_SHARE:
            return
        before = self._opened.get(route, [])
        if not self.stands(route):
            before = [found for found in before if now_ns - found[0] <= WINDOW_NS]
        self._opened[route] = [*before, (now_ns, edge)][:PAIRS]

    def __bool__(self) -> bool:
        return bool(self._opened)

    def follows(self, route: Route) -> bool:
        return route in self._opened

    def follows_any(self, symbol: str, now_ns: int) -> bool:
        """Return whether the edge of some route of a symbol matters; drop the entries too old for it."""
        routes = [route for route in self._opened if route.group == symbol]
        for route in routes:
            if not self.stands(route) and now_ns - self._opened[route][-1][0] > WINDOW_NS:
                del self._opened[route]
        return any(route in self._opened for route in routes)

    def seen(self, route: Route, edge: Fraction) -> None:
        """Record the edge of a route's usable books now; below half of the first, the earlier pairs are forgotten."""
        if 2 * edge < self._opened[route][0][1]:
            del self._opened[route]
            self._paused.discard(route)

    def stands(self, route: Route) -> bool:
        """Return whether enough pairs opened without bringing the route's edge down, so that nothing may open on it."""
        return len(self._opened.get(route, ())) >= PAIRS

    def pause(self, route: Route) -> bool:
        """Record a refusal of a pair for a persistent edge; return whether it is the first one on the route."""
        known = route in self._paused
        self._paused.add(route)
        return not known
