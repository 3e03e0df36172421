"""The refused routes, and which of them may open again because their blocker has changed.

A frame marks the symbols of its books for judgement. Other causes end a refusal without a frame (a pair closes, a halt is
lifted, a balance arrives, a pause is over). The books may then be unchanged for long. So every refusal that more than prices
can end is kept with its basis, which is compared after each event. Where only time ends it, a timer asks for the next
judgement.
"""

from collections.abc import Sequence
from typing import NamedTuple

from arb.clock import NS_PER_MS
from arb.core.fees.fees import fee_funds
from arb.core.messages.reasons import Reason
from arb.core.pricing.terms import Funds
from arb.core.risk.blockers import Blockers
from arb.core.state.blocks import TIMED
from arb.core.state.engine_state import EngineState
from arb.core.trades.table import TradeTable
from arb.market.instrument import FeeIn
from arb.market.route import Route
from arb.market.symbol import Symbol

_SLOW = frozenset({Reason.STALE_BOOK, Reason.FEED_LAG, Reason.FEED_BACKLOG, Reason.BOOK_SKEW})
"""Refusals that end with frames of other books on the same connections: judged again after as long as they have lasted."""
_LOOK_AGAIN_MS = 50


class Refused(NamedTuple):
    """A refusal: its reason, since when it holds, its basis, when to judge again (0: at an event).

    `again`: its edge was traded already.
    """

    reason: Reason
    since_ns: int
    basis: object
    due_ns: int
    again: bool


class RefusedRoutes:
    def __init__(self, state: EngineState, orders: TradeTable, blockers: Blockers) -> None:
        self.state = state
        self.orders = orders
        self.blockers = blockers
        self._refused: dict[Route, Refused] = {}

    def __bool__(self) -> bool:
        return bool(self._refused)

    def forget(self, route: Route) -> Refused | None:
        """Drop a route: it is judged again, or is gone; return its refusal."""
        return self._refused.pop(route, None)

    def keep(
        self,
        route: Route,
        reason: Reason,
        before: Refused | None,
        now_ns: int,
        found: Sequence[bool] | None = None,
        *,
        again: bool = False,
    ) -> None:
        """Keep a refused route until its blocker is gone; `before` is the result of `forget`. Prices are no blocker.

        `found`: the basis as it was when refused; a pair that was opened since may have changed it. `again`: see `Refused`.
        """
        basis = self._basis(route, reason, now_ns, again) if found is None else found
        if basis is not None:
            since_ns = before.since_ns if before is not None and before.reason is reason else now_ns
            due_ns = self._due_ns(route, reason, since_ns, now_ns, again)
            self._refused[route] = Refused(reason, since_ns, basis, due_ns, again)

    def refusal(self, route: Route) -> Reason | None:
        refused = self._refused.get(route)
        return None if refused is None else refused.reason

    def freed(self, now_ns: int) -> list[Route]:
        """Return the routes whose blocker has changed or is gone."""
        return [
            route
            for route, refused in self._refused.items()
            if self._basis(route, refused.reason, now_ns, refused.again) != refused.basis
            or 0 < refused.due_ns <= now_ns
        ]

    def next_ns(self) -> int | None:
        """Return when to judge again even without an event; None for never."""
        return min((refused.due_ns for refused in self._refused.values() if refused.due_ns), default=None)

    def funds(self, route: Route) -> Funds:
        (buy_venue, symbol), (sell_venue, _) = route
        base, quote = Symbol.of(symbol).base_and_quote
        state, inventory = self.state, self.state.inventory
        buy, sell = state.instruments[route.buy], state.instruments[route.sell]
        return Funds(
            quote=inventory.free(buy_venue, quote),
            base=inventory.free(sell_venue, base),
            buy_fee_funds=fee_funds(state, buy) if buy.buy_fee_in is FeeIn.OTHER else None,
            sell_fee_funds=fee_funds(state, sell) if sell.buy_fee_in is FeeIn.OTHER else None,
        )

    def _basis(self, route: Route, reason: Reason, now_ns: int, again: bool) -> object:
        """Return the present basis of a refusal; None for a reason that only prices can end."""
        state, symbol, venues = self.state, route.group, route.venues
        match reason:
            case Reason.INSUFFICIENT_BALANCE:
                return self.funds(route)
            case Reason.RISK_LIMIT:
                control, orders = state.control, self.orders
                day = control.day_loss_blocks(now_ns), control.day_turnover, control.exposure.total
                return len(orders.open), orders.open_notional(), state.residuals.unhedged_value(), day
            case Reason.PAIR_IN_FLIGHT:
                return [key in self.orders.busy for key in route]
            case Reason.RATE_BUDGET:
                return state.budget.free_ns(venues, symbol, self.orders.hedges_held, now_ns, again=again) > now_ns
            case Reason.OWN_IMPACT:
                return [state.books.impacted(*key) for key in route]
            case Reason.EDGE_BELOW_THRESHOLD if state.bands.skews:
                return state.required_edge_bps(route)
            case _ if reason.rank <= Reason.FEE_UNKNOWN.rank:
                return self.blockers.reason(route, now_ns) or ""
        return None

    def _due_ns(self, route: Route, reason: Reason, since_ns: int, now_ns: int, again: bool) -> int:
        state, symbol, venues = self.state, route.group, route.venues
        if reason is Reason.RATE_BUDGET:
            return state.budget.free_ns(venues, symbol, self.orders.hedges_held, now_ns, again=again)
        if reason is Reason.VENUE_HALTED:
            until_ns = max(state.venues[venue].blocked_until_ns(source) for venue in venues for source in TIMED)
            return until_ns + 1 if until_ns > now_ns else 0
        if reason is Reason.INSTRUMENT_HALTED:
            return max(state.instruments[key].opens_from_ns(now_ns) or 0 for key in route)
        return now_ns + max(now_ns - since_ns, _LOOK_AGAIN_MS * NS_PER_MS) if reason in _SLOW else 0
