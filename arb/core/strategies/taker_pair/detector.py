"""Detection: from changed rows to marked symbols, and from marked symbols to pairs or coded refusals.

`mark` runs per frame and only compares best quotes. `act` runs when the sockets are drained: it checks the routes of the
marked symbols that have an edge, best first. The answer is a plan to open, or the first blocking reason of the fixed order. It
stops where a pair opens, whose orders leave then. `after_act` judges the other routes of that symbol, with that pair counted,
and does the bookkeeping: episodes, blockers, books. So a pair leaves before anything else is judged, and new frames are read.
"""

from collections.abc import Collection, Generator, Iterable, Iterator
from dataclasses import dataclass, field

from arb.clock import NS_PER_MS
from arb.core.messages.incidents import IncidentKind
from arb.core.messages.reasons import Reason
from arb.core.messages.records import OpportunityOutcome, OpportunityRecord
from arb.core.messages.timers import EpisodesTimer
from arb.core.pricing.partial import worst_partial_ok
from arb.core.pricing.plan import Plan
from arb.core.pricing.spread import answer_of, evaluate, least_edge
from arb.core.risk.dry_funds import DryFunds
from arb.core.risk.entry_band import off_band
from arb.core.risk.limits import breached
from arb.core.risk.refusals import RefusalReports
from arb.core.state.engine_state import IDS_PER_RUN, EngineState
from arb.core.strategies.taker_pair.blockers import Blockers, Refused
from arb.core.strategies.taker_pair.candidates import Candidates, Crossing
from arb.core.strategies.taker_pair.dirty_symbols import DirtySymbols
from arb.core.strategies.taker_pair.episodes import Episode, Episodes
from arb.core.strategies.taker_pair.persistent_edge import PersistentEdges
from arb.core.strategies.taker_pair.routes import Routes
from arb.core.trades.opening import TradeManager
from arb.market.numbers import exact
from arb.market.route import Route

LAST_KEPT = 4
"""The number of last judged symbols that are remembered."""


@dataclass(slots=True, eq=False, repr=False)
class Judgement:
    """The findings on one symbol at one drain.

    `candidates`: the routes not yet answered. `refused`: the kept refusal of a route before. `impacted`: the routes skipped
    for base that our own orders took, and at which of their venues. `followed`: the routes whose edge is recorded after the
    judgement (`persistent_edge.py`). `sampled`: whether its price ratios were. `judged`: the routes with an edge, in the order
    of the answers: the answer, and the id of the pair that was opened, if one was.
    """

    symbol: str
    candidates: Candidates
    refused: dict[Route, Refused]
    followed: list[Route]
    impacted: list[tuple[Route, list[bool]]]
    sampled: bool
    judged: list[tuple[Route, Plan | Reason, int | None]] = field(default_factory=list)


class Detector:
    """The strategy of this project (`core/messages/strategy.py`): finds edges and decides which to take."""

    def __init__(self, state: EngineState, manager: TradeManager) -> None:
        self.state = state
        self.manager = manager
        self.routes = Routes(state)
        self.marks = DirtySymbols(state.books, self.routes)
        self.episodes = Episodes(0, 0, 0)
        self.standing = PersistentEdges(lambda route: state.limits_on(route).max_edge_bps)
        self.blockers = Blockers(state, manager)
        self.judged_last: dict[str, None] = {}
        """The symbols judged last, the latest at the end: the next edge is likely there, so their data stays in the caches."""
        self._refusals = RefusalReports(state)
        self._dry_funds = DryFunds(state)
        # The symbol in which the last `act` opened a pair, until `after_act` has seen to the rest of it.
        self._opened_in: Judgement | None = None
        self._closed: list[OpportunityRecord] = []
        # When the timer that closes episodes is set for; one that fires too early sets the next.
        self._wake_ns = 0
        # Routes that ended while an episode of theirs was open.
        self._ended: list[Route] = []
        # Whether an event has passed since blockers were compared.
        self._state_changed = False

    def start(self) -> None:
        """Begin the episodes of a run; the run's id must be known."""
        state = self.state
        first = state.run_id * IDS_PER_RUN + 1
        self.episodes = Episodes(state.run_id, first, state.timing.close_after_ms * NS_PER_MS)

    def rules_changed(self, symbol: str) -> None:
        """Rebuild a symbol's routes and their terms from the present instruments and books; mark it."""
        before = self.routes.rebuild(symbol)
        for route in before:
            self.blockers.forget(route)
        self._ended += [route for route in before if route not in self.routes.terms and self.episodes.is_open(route)]
        self.marks.add((symbol,))

    def health_changed(self, symbols: Iterable[str]) -> None:
        """Have the terms of `symbols` hold other limits from their next judgement on; quotes cross as they did."""
        self.routes.health_changed(symbols)
        self.marks.add_watched()

    def mark(self, rows: Iterable[int]) -> None:
        """Mark the symbols of changed rows whose best quotes cross after fees, or whose episodes may have ended."""
        self.marks.rows(rows)

    def mark_all(self) -> None:
        self.marks.add_watched()

    @property
    def marked(self) -> bool:
        return bool(self.marks) or (self._state_changed and bool(self.blockers))

    @property
    def unfinished(self) -> bool:
        """Return whether the last `act` deferred marked symbols to the next one, which need not wait for anything."""
        return self.marks.unfinished

    def waits_for(self, unread: Collection[str]) -> bool:
        """Return whether every crossing route of a few marked symbols has a book on one of these connections."""
        books = self.state.books
        for symbol in self.marks.some():
            for route in self.routes.of(symbol):
                (buy_venue, _), (sell_venue, _) = route
                if books.carried_by(unread, buy_venue, symbol) or books.carried_by(unread, sell_venue, symbol):
                    continue
                ask, bid = books.best(buy_venue, symbol)[1], books.best(sell_venue, symbol)[0]
                if ask is not None and bid is not None and self.routes.terms[route].crosses(ask, bid):
                    return False
        return True

    def state_changed(self) -> None:
        """Compare the blockers of refused routes at the next `act`, once for all events until then."""
        self._state_changed = True

    def act(self, now_ns: int) -> None:
        """Judge the most promising marked symbols on the present books, until a pair opens."""
        for _ in self.steps(now_ns):
            pass

    def steps(self, now_ns: int) -> Iterator[None]:
        """Do the work of `act` in parts; for a warm-up, which may not take long at once."""
        if self._state_changed:
            self._state_changed = False
            self.marks.add(route.group for route in self.blockers.freed(now_ns))
        ended, self._ended = self._ended, []
        for route in ended:
            self.episodes.miss(route, now_ns)
        for symbol in self.marks.best():
            self.marks.take(symbol)
            judgement = self._look(symbol, now_ns)
            yield
            if (yield from self._open_next(judgement, now_ns)):
                self._opened_in = judgement
                return
            self._conclude(judgement, now_ns)

    def after_act(self, now_ns: int) -> None:
        """Answer the other routes of the symbol in which a pair was opened, with that pair counted; close episodes."""
        judgement, self._opened_in = self._opened_in, None
        if judgement is not None:
            while _whole(self._open_next(judgement, now_ns)):
                self.state.out.write_rows()  # another pair, between other venues: the next judgement must count it
            self._conclude(judgement, now_ns)
        self.close_episodes(now_ns)

    def _look(self, symbol: str, now_ns: int) -> Judgement:
        """Find a symbol's routes whose best quotes cross, and the reasons not to judge the others."""
        sampled = self.state.price_ratios.in_question(symbol)
        if sampled:
            self._sample(symbol, now_ns)
        self.routes.renew_limits(symbol)
        books, refused = self.state.books, dict[Route, Refused]()
        quotes = books.quotes(symbol, self.routes.venues(symbol))
        impacted = books.impacted_among(symbol, quotes) if len(quotes) > 1 else ()
        awaited = books.awaited_among(symbol, quotes)
        crossings, followed, kept = list[Crossing](), list[Route](), list[tuple[Route, list[bool]]]()
        any_kept, any_open, any_followed = bool(self.blockers), len(self.episodes), bool(self.standing)
        terms_of = self.routes.terms
        for route in self.routes.of(symbol):
            (buy_venue, _), (sell_venue, _) = route
            before = self.blockers.forget(route) if any_kept else None
            if before is not None:
                refused[route] = before
            if buy_venue not in quotes or sell_venue not in quotes:
                self.episodes.miss(route, now_ns)
            elif buy_venue in impacted or sell_venue in impacted:
                kept.append((route, [buy_venue in impacted, sell_venue in impacted]))
            elif buy_venue in awaited or sell_venue in awaited:
                self.marks.await_books(symbol)  # to be judged at the next drain
            else:
                if any_followed and self.standing.follows(route):
                    followed.append(route)  # the decision may depend on it only where its edge persists
                terms, ask, bid = terms_of[route], quotes[buy_venue][1], quotes[sell_venue][0]
                # The test of `terms.crosses`, for each route before any order leaves.
                if ask is not None and bid is not None and bid * terms.bid_weight > ask * terms.ask_weight:
                    crossings.append(Crossing(route, terms, ask, bid))
                elif any_open:
                    self.episodes.miss(route, now_ns)
        candidates = Candidates(crossings, lambda route: self._best(route, now_ns), self.state.leg_cost_bps)
        return Judgement(symbol, candidates, refused, followed, kept, sampled)

    def _sample(self, symbol: str, now_ns: int) -> None:
        self.state.price_ratios.sample(symbol, self.state.venues_of(symbol), now_ns)

    def _best(self, route: Route, now_ns: int) -> Plan | None:
        """Return the best trade of a route, ignoring thresholds and balances; None for no edge."""
        plan = self.state.books.best_plan(route, self.routes.terms[route])
        if plan is None:
            self.episodes.miss(route, now_ns)
        return plan

    def _open_next(self, judgement: Judgement, now_ns: int) -> Generator[None, None, bool]:
        """Check the routes with an edge, the best first, until a pair opens; return whether one did."""
        while (found := judgement.candidates.next()) is not None:
            yield
            route, best = found
            seen = self.episodes.see(route, best, now_ns)
            answer = yield from self._check(route, best, seen, now_ns)
            if isinstance(answer, Plan):
                yield
                pair_id = self._open(route, answer, seen, now_ns)
                judgement.judged.append((route, answer, pair_id))
                return True
            self.episodes.judge(seen, answer, now_ns)
            judgement.judged.append((route, answer, None))
        return False

    def _open(self, route: Route, plan: Plan, seen: Episode, now_ns: int) -> int:
        if not seen.traded:
            self.state.tally.opportunities += 1
        self.state.out.later(lambda: self.state.out.persist(self.episodes.traded(route, seen, now_ns)))
        return self.manager.open_pair(route, plan, seen.id, now_ns)

    def _conclude(self, judgement: Judgement, now_ns: int) -> None:
        symbol = judgement.symbol
        self.judged_last.pop(symbol, None)
        self.judged_last[symbol] = None
        if len(self.judged_last) > LAST_KEPT:
            del self.judged_last[next(iter(self.judged_last))]
        if not judgement.sampled:
            self._sample(symbol, now_ns)
        for route in judgement.followed:
            self._follow(route, now_ns)
        for route, basis in judgement.impacted:
            self.blockers.keep(route, Reason.OWN_IMPACT, judgement.refused.get(route), now_ns, basis)
        for route, answer, pair_id in judgement.judged:
            if isinstance(answer, Reason):
                self.blockers.keep(route, answer, judgement.refused.get(route), now_ns)
            elif pair_id is not None:
                self._dry_funds.opened(route, now_ns)
                asks, bids = self.state.books.sides(route)
                self.state.decision_books.opened(pair_id, now_ns, route, answer, asks, bids)
                self._expect_eaten(route, judgement, now_ns)
        is_open = any(self.episodes.is_open(route) for route in self.routes.of(symbol))
        followed = self.standing.follows_any(symbol, now_ns) or self.state.price_ratios.follows(symbol)
        self.marks.watch(symbol, followed or is_open)

    def _follow(self, route: Route, now_ns: int) -> None:
        """Record the edge of a route that our pairs should have taken, where its books can be trusted."""
        books = self.state.books
        if (
            not self.standing.follows(route)
            or any(books.unusable(*key, now_ns) for key in route)
            or books.skewed(*route)
        ):
            return
        edge = least_edge(self.routes.terms[route], *books.sides(route))
        if edge is not None:
            self.standing.seen(route, edge)

    def _expect_eaten(self, taken: Route, judgement: Judgement, now_ns: int) -> None:
        """Record the edges of the routes that share the asks or the bids that a pair takes."""
        for route, *_ in judgement.judged:
            if route.buy == taken.buy or route.sell == taken.sell:
                edge = least_edge(self.routes.terms[route], *self.state.books.sides(route))
                if edge is not None:
                    self.standing.opened(route, edge, now_ns)

    def _check(self, route: Route, best: Plan, seen: Episode, now_ns: int) -> Generator[None, None, Plan | Reason]:
        """Return the plan to open, or the first blocking reason; `best`: the best trade there."""
        before = self.blockers.reason(route, now_ns)
        if before is not None:
            return before
        yield
        state, books = self.state, self.state.books
        ask, bid = books.best(*route.buy)[1], books.best(*route.sell)[0]
        assert ask is not None and bid is not None, "a plan without a book"
        over_bps = state.edge_over_bps(route)
        if state.bands.skews:
            self.episodes.require(seen, state.limits_on(route).min_edge_bps + over_bps, now_ns)
        funds = self.blockers.funds(route)
        answer = answer_of(best, ask, bid, funds, over_bps)
        if answer is None:
            answer = evaluate(best.terms, *books.sides(route), funds, over_bps, best)
        reason = None if isinstance(answer, Plan) else answer.reason
        if stands := self.standing.stands(route):
            self._follow(route, now_ns)
            stands = self.standing.stands(route)
        implausible = stands or self.state.price_ratios.refuses(route.group, *route.venues)
        if implausible and (reason is None or reason.rank > Reason.EDGE_IMPLAUSIBLE.rank):
            if stands:
                self._pause(route, now_ns)
            return Reason.EDGE_IMPLAUSIBLE
        if reason is Reason.INSUFFICIENT_BALANCE:
            self._dry_funds.refused(route, best, funds, now_ns)
        if not isinstance(answer, Plan):
            return answer.reason
        if not worst_partial_ok(answer, ask, bid, leg_loss_max_bps=state.policy.leg_loss_max_bps):
            return Reason.UNHEDGEABLE_PARTIAL
        yield
        return self._limit_reason(route, answer, now_ns) or answer

    def _pause(self, route: Route, now_ns: int) -> None:
        if self.standing.pause(route):
            buy_venue, sell_venue = route.venues
            text = (
                f"{route.group}: the edge of buying at {buy_venue} and selling at {sell_venue} persists though two pairs should"
                " have taken it: nothing opens there until it has fallen below half; check that both list the same coin"
            )
            self.state.incident(IncidentKind.EDGE_IMPLAUSIBLE, text, now_ns)

    def _limit_reason(self, route: Route, plan: Plan, now_ns: int) -> Reason | None:
        state = self.state
        notional = exact(plan.cost, plan.terms.scale.notional_exp)
        limit = breached(state, self.manager, route, notional, now_ns)
        if limit is None:
            limit = off_band(state, route, plan, now_ns)
        if limit is not None:
            self._refusals.limit(limit, route, notional, now_ns)
            return Reason.RISK_LIMIT
        busy = self.manager.busy
        if route.buy in busy or route.sell in busy:
            return Reason.PAIR_IN_FLIGHT
        if not state.budget.try_enter(route.venues, route.group, self.manager.hedges_held, now_ns):
            return Reason.RATE_BUDGET
        return None

    def close_episodes(self, now_ns: int) -> None:
        self._keep(self.episodes.close_due(now_ns))
        known = [due_ns for due_ns in (self.episodes.next_close_ns(), self.blockers.next_ns()) if due_ns is not None]
        due_ns = min(known, default=None)
        if due_ns is not None and not now_ns < self._wake_ns <= due_ns:
            self._wake_ns = due_ns
            self.state.out.timer(EpisodesTimer(), due_ns)

    def finish(self, now_ns: int) -> None:
        self._keep(self.episodes.close_all(now_ns))

    def why_not(self, route: Route) -> Reason | None:
        return self.blockers.refusal(route) or self.episodes.reason(route)

    def blocked(self, symbol: str, now_ns: int) -> Iterator[tuple[Route, Reason | None]]:
        return ((route, self.blockers.reason(route, now_ns)) for route in self.routes.of(symbol))

    def take_untraded(self) -> list[OpportunityRecord]:
        """Return and forget the closed opportunities that were not traded (class 2: they are not journalled)."""
        closed, self._closed = self._closed, []
        return closed

    def _keep(self, rows: Iterable[OpportunityRecord]) -> None:
        for row in rows:
            if row.outcome is OpportunityOutcome.TRADED:
                self.state.out.persist(row)
            else:
                self._closed.append(row)
                self.state.tally.opportunities += 1
                self.state.tally.not_taken[row.reason or ""] += 1


def _whole(steps: Generator[None, None, bool]) -> bool:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return bool(end.value)
