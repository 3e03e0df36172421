"""The engine's answers to proposals: it checks every opening (blocks, limits, budgets), and exits without a check."""

from collections.abc import Iterator

from arb.core.messages.reasons import Reason
from arb.core.risk.blockers import Blockers
from arb.core.risk.entry_band import off_band
from arb.core.risk.limits import breached
from arb.core.risk.refusals import RefusalReports
from arb.core.state.engine_state import EngineState
from arb.core.trades.one_venue import OneVenueTrades
from arb.core.trades.opening import TradeManager
from arb.core.trades.strategy import (
    Answer,
    OrderOpening,
    PairOpening,
    Proposal,
    ResidualExit,
    Stepwise,
    Strategy,
    TradeExit,
)
from arb.errors import require
from arb.market.route import group_in, venues_of

PROPOSALS_MAX = 10_000
"""More than any strategy has at one drain: one that repeats a refused proposal for ever would hang the engine."""


class Openings:
    def __init__(
        self, state: EngineState, manager: TradeManager, blockers: Blockers, one_venue: OneVenueTrades
    ) -> None:
        self._state = state
        self._manager = manager
        self._blockers = blockers
        self._one_venue = one_venue
        self._refusals = RefusalReports(state)

    def take(self, proposal: Proposal, now_ns: int) -> Answer:
        """Open or exit as a proposal asks. No block, limit or budget refuses an exit."""
        match proposal:
            case PairOpening() | OrderOpening():
                return self.check(proposal, now_ns) or self.open(proposal, now_ns)
            case ResidualExit(symbol, dust):
                return Answer(self._one_venue.exit(symbol, now_ns, dust=dust))
            case TradeExit(trade_id):
                return Answer(self._exit(trade_id))

    def of(self, strategy: Strategy | Stepwise, now_ns: int) -> Iterator[None]:
        """Answer the proposals of a strategy, one at a time; yield after each that opens or exits a trade."""
        asked = 0
        while (proposal := strategy.propose(now_ns)) is not None:
            asked += 1
            require(asked <= PROPOSALS_MAX, f"a strategy proposes more than {PROPOSALS_MAX} times on the same books")
            answer = self.take(proposal, now_ns)
            strategy.on_event(answer)
            if answer.trade_id is not None:
                yield

    def check(self, opening: PairOpening | OrderOpening, now_ns: int) -> Answer | None:
        """Refuse an opening for the first reason that holds, or count it in the rate budgets of its venues.

        `open` must follow where the answer is None.
        """
        state, manager, keys = self._state, self._manager, opening.keys
        reason = self._blockers.reason(keys, now_ns)
        if reason is not None:
            return Answer(reason=reason)
        limit = breached(state, manager, keys, opening.notional, now_ns)
        if isinstance(opening, PairOpening):
            limit = limit or off_band(state, opening.route, opening.plan, now_ns)
            if limit is not None:
                self._refusals.limit(limit, opening.route, opening.notional, now_ns)
        if limit is not None:
            return Answer(reason=Reason.RISK_LIMIT, limit=limit)
        if any(key in manager.busy for key in keys):
            return Answer(reason=Reason.PAIR_IN_FLIGHT)
        if any(state.books.impacted(*key) for key in keys):  # a closed pair took levels that these books may still show
            return Answer(reason=Reason.OWN_IMPACT)
        again = isinstance(opening, PairOpening) and opening.again
        if not state.budget.try_enter(venues_of(keys), group_in(keys), manager.hedges_held, now_ns, again=again):
            return Answer(reason=Reason.RATE_BUDGET)
        return None

    def open(self, opening: PairOpening | OrderOpening, now_ns: int) -> Answer:
        if isinstance(opening, OrderOpening):
            return Answer(self._one_venue.test(opening.leg, opening.notional, now_ns))
        out = self._state.out
        if (row := opening.opportunity) is not None:
            out.later(lambda: out.persist(row()))
        return Answer(self._manager.open_pair(opening.route, opening.plan, opening.opportunity_id, now_ns))

    def _exit(self, trade_id: int) -> int | None:
        trade = self._manager.open.get(trade_id)
        if trade is None:
            return None
        for order in trade.orders.values():
            if order.rests and not order.cancels_asked:
                self._manager.cancel(order)
        return trade_id
