"""The routes of one symbol at one drain, best first; each is computed exactly only when it may be the best one open.

The best quotes and the largest pair allowed bound a route's earnings without a walk of its books. A route waits with that
bound until its turn. The results are ordered by the exact nets, less the expected cost of legs that fall short.
"""

import heapq
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import NamedTuple

from arb.core.pricing.plan import Plan
from arb.core.pricing.terms import PairTerms
from arb.market.route import Route

MILLI_BPS = 10_000_000
"""Thousandths of a basis point in 1."""


class Crossing(NamedTuple):
    route: Route
    terms: PairTerms
    ask: int
    bid: int

    def net_max(self) -> int:
        """Return a bound of the net of every plan here, on `10**terms.amount_exp`; see `terms.max_locked`.

        No unit brings more than the first, and none more than `max_locked` pays for can be bought at the best ask.
        """
        terms = self.terms
        gain = self.bid * terms.bid_weight - self.ask * terms.ask_weight
        most = (terms.max_locked or 0) // terms.buy_cap(self.ask)
        return gain * most * (terms.fee_one // terms.parts)


class Candidates:
    def __init__(
        self, crossings: Iterable[Crossing], best: Callable[[Route], Plan | None], leg_cost_bps: Decimal
    ) -> None:
        """`best` works a route out: the plan of the greatest net, ignoring thresholds and balances, None for no net."""
        self._best = best
        self._leg_cost = int(leg_cost_bps.scaleb(3))
        # By a route's cost less its net, or the least of it while it has no plan; of equals the first by name.
        self._waiting: list[tuple[int, Route, Plan | None]] = []
        found = list(crossings)
        for crossing in found:
            if len(found) == 1:
                self._waiting.append((0, crossing.route, None))  # nothing to compare with
            elif crossing.terms.max_locked is None:
                self._work_out(crossing.route)  # no bound
            else:
                self._waiting.append((-crossing.net_max(), crossing.route, None))
        heapq.heapify(self._waiting)

    def next(self) -> tuple[Route, Plan] | None:
        """Return the best route not yet taken, with its plan; None when none has an edge."""
        while self._waiting:
            _, route, plan = heapq.heappop(self._waiting)
            if plan is not None:
                return route, plan
            self._work_out(route)
        return None

    def _work_out(self, route: Route) -> None:
        plan = self._best(route)
        if plan is not None:
            cost = plan.paid * self._leg_cost // MILLI_BPS
            heapq.heappush(self._waiting, (cost - plan.net, route, plan))
