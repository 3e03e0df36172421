"""Detection: from changed rows to marked symbols, and from marked symbols to proposals or coded refusals.

`on_quotes` runs per frame and only compares best quotes. `steps` runs when the sockets are drained: it checks the routes of the
marked symbols that have an edge, best first. The answer is a plan to open, or the first blocking reason of the fixed order.
Where a pair opens, its orders leave before the work continues: the other routes of that symbol, with that pair counted, and the
bookkeeping of episodes, blockers and books. Then new frames are read.
"""

from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from arb.clock import NS_PER_MS
from arb.core.messages.events import Event, FeedDown, RunStarted
from arb.core.messages.incidents import IncidentKind
from arb.core.messages.reasons import Reason
from arb.core.messages.records import OpportunityOutcome, OpportunityRecord
from arb.core.pricing.partial import worst_partial_ok
from arb.core.pricing.plan import Plan
from arb.core.pricing.spread import answer_of, evaluate, least_edge
from arb.core.risk.blockers import Blockers
from arb.core.risk.dry_funds import DryFunds
from arb.core.state.engine_state import EngineState
from arb.core.strategies.taker_pair.candidates import Candidates, Crossing
from arb.core.strategies.taker_pair.dirty_symbols import DirtySymbols
from arb.core.strategies.taker_pair.episodes import Episode, Episodes
from arb.core.strategies.taker_pair.persistent_edge import PersistentEdges
from arb.core.strategies.taker_pair.refused import Refused, RefusedRoutes
from arb.core.strategies.taker_pair.routes import Routes
from arb.core.trades.strategy import (
    AT_ONCE,
    NEVER,
    ONCE_READ,
    HealthChanged,
    PairOpening,
    Proposal,
    RulesChanged,
    RunEnding,
    Stepwise,
    StrategyEvent,
    Woken,
)
from arb.core.trades.table import TradeTable
from arb.market.ids import IDS_PER_RUN
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


class Detector(Stepwise):
    """The strategy of this project (`core/trades/strategy.py`): finds edges and proposes the pairs worth opening."""

    def __init__(self, state: EngineState, orders: TradeTable, blockers: Blockers) -> None:
        self.state = state
        self.blockers = blockers
        self.routes = Routes(state)
        self.marks = DirtySymbols(state.books, self.routes)
        self.episodes = Episodes(0, 0, 0)
        self.standing = PersistentEdges(lambda route: state.limits_on(route).max_edge_bps)
        self.refused = RefusedRoutes(state, orders, blockers)
        self.judged_last: dict[str, None] = {}
        """The symbols judged last, the latest at the end: the next edge is likely there, so their data stays in the caches."""
        self._dry_funds = DryFunds(state)
        # When an episode ends, or a refused route is judged again, without a frame.
        self._due_ns = NEVER
        # Routes that ended while an episode of theirs was open.
        self._ended: list[Route] = []
        # Whether an event has passed since blockers were compared.
        self._state_changed = False
        self._handlers: dict[type, Callable[[Any], None]] = {
            RunStarted: self._on_run_started,
            FeedDown: lambda _: self.marks.add_watched(),
            RulesChanged: lambda event: self._on_rules(event.symbol),
            HealthChanged: self._on_health,
            Woken: lambda event: self._close_episodes(event.t_ns),
            RunEnding: lambda event: self._keep(self.episodes.close_all(event.t_ns)),
        }

    def on_quotes(self, rows: Iterable[int]) -> None:
        """Mark the symbols of changed rows whose best quotes cross after fees, or whose episodes may have ended."""
        self.marks.rows(rows)

    def take_event(self, event: StrategyEvent) -> None:
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)
        if isinstance(event, Event):
            self._state_changed = True  # compare the blockers of refused routes at the next drain, once for all events

    def wake_ns(self, unread: Collection[str] = ()) -> int:
        """Return when a symbol is to be judged, or an episode closed; see `Strategy`.

        With `unread` bytes, marked symbols are due where a crossing route has no book on these connections, of a few of them.
        """
        if unread:
            return ONCE_READ if self._crosses_elsewhere(unread) else self._due_ns
        if self.marks or (self._state_changed and self.refused):
            return AT_ONCE if self.marks.unfinished else ONCE_READ
        return self._due_ns

    def _crosses_elsewhere(self, unread: Collection[str]) -> bool:
        books = self.state.books
        for symbol in self.marks.some():
            for route in self.routes.of(symbol):
                (buy_venue, _), (sell_venue, _) = route
                if books.carried_by(unread, buy_venue, symbol) or books.carried_by(unread, sell_venue, symbol):
                    continue
                ask, bid = books.best(buy_venue, symbol)[1], books.best(sell_venue, symbol)[0]
                if ask is not None and bid is not None and self.routes.terms[route].crosses(ask, bid):
                    return True
        return False

    def explain(self, route: Route) -> Reason | None:
        return self.refused.refusal(route) or self.episodes.reason(route)

    def steps(self, now_ns: int) -> Iterator[Proposal | None]:
        """Judge the most promising marked symbols on the present books, to the end of the one in which a pair opens.

        Then do the bookkeeping. Where a pair opens, its orders have left before the work goes on.
        """
        if self._state_changed:
            self._state_changed = False
            self.marks.add(route.group for route in self.refused.freed(now_ns))
        ended, self._ended = self._ended, []
        for route in ended:
            self.episodes.miss(route, now_ns)
        for symbol in self.marks.best():
            self.marks.take(symbol)
            judgement = self._look(symbol, now_ns)
            yield None
            opened = yield from self._answer_routes(judgement, now_ns)
            self._conclude(judgement, now_ns)
            if opened:
                break
        self._close_episodes(now_ns)

    def _on_run_started(self, event: RunStarted) -> None:
        first = event.run_id * IDS_PER_RUN + 1
        self.episodes = Episodes(event.run_id, first, self.state.timing.close_after_ms * NS_PER_MS)

    def _on_rules(self, symbol: str) -> None:
        """Rebuild a symbol's routes and their terms from the present instruments and books; mark it."""
        before = self.routes.rebuild(symbol)
        for route in before:
            self.refused.forget(route)
        self._ended += [route for route in before if route not in self.routes.terms and self.episodes.is_open(route)]
        self.marks.add((symbol,))

    def _on_health(self, event: HealthChanged) -> None:
        """Have the terms of symbols hold other limits from their next judgement on; quotes cross as they did."""
        self.routes.health_changed(event.symbols)
        self.marks.add_watched()

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
        any_kept, any_open, any_followed = bool(self.refused), len(self.episodes), bool(self.standing)
        terms_of = self.routes.terms
        for route in self.routes.of(symbol):
            (buy_venue, _), (sell_venue, _) = route
            before = self.refused.forget(route) if any_kept else None
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

    def _answer_routes(self, judgement: Judgement, now_ns: int) -> Generator[Proposal | None, None, bool]:
        """Check the routes with an edge, the best first, and propose those to open; return whether a pair opened.

        Each later route is judged with that pair counted.
        """
        any_opened = False
        while (found := judgement.candidates.next()) is not None:
            yield None
            route, best = found
            seen = self.episodes.see(route, best, now_ns)
            answer = yield from self._check(route, best, seen, now_ns)
            pair_id = None
            if isinstance(answer, Plan):
                yield PairOpening(route, answer, seen.id, partial(self._traded, route, seen, now_ns), seen.traded)
                pair_id, answer = self.answer.trade_id, self.answer.reason or answer
            if isinstance(answer, Reason):
                self.episodes.judge(seen, answer, now_ns)
            judgement.judged.append((route, answer, pair_id))
            any_opened = any_opened or pair_id is not None
        return any_opened

    def _traded(self, route: Route, seen: Episode, now_ns: int) -> OpportunityRecord:
        if not seen.traded:
            self.state.tally.opportunities += 1
        return self.episodes.traded(route, seen, now_ns)

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
            self.refused.keep(route, Reason.OWN_IMPACT, judgement.refused.get(route), now_ns, basis)
        for route, answer, pair_id in judgement.judged:
            if isinstance(answer, Reason):
                again = self.episodes.is_traded(route)
                self.refused.keep(route, answer, judgement.refused.get(route), now_ns, again=again)
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
        required_bps = state.required_edge_bps(route)
        if state.bands.skews:
            self.episodes.require(seen, required_bps, now_ns)
        funds = self.refused.funds(route)
        answer = answer_of(best, ask, bid, funds, required_bps)
        if answer is None:
            answer = evaluate(best.terms, *books.sides(route), funds, required_bps, best)
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
        return answer

    def _pause(self, route: Route, now_ns: int) -> None:
        if self.standing.pause(route):
            buy_venue, sell_venue = route.venues
            text = (
                f"{route.group}: the edge of buying at {buy_venue} and selling at {sell_venue} persists though two pairs should"
                " have taken it: nothing opens there until it has fallen below half; check that both list the same coin"
            )
            self.state.incident(IncidentKind.EDGE_IMPLAUSIBLE, text, now_ns)

    def _close_episodes(self, now_ns: int) -> None:
        self._keep(self.episodes.close_due(now_ns))
        due = (self.episodes.next_close_ns(), self.refused.next_ns())
        self._due_ns = min((due_ns for due_ns in due if due_ns is not None), default=NEVER)

    def _keep(self, rows: Iterable[OpportunityRecord]) -> None:
        for row in rows:
            if row.outcome is OpportunityOutcome.TRADED:
                self.state.out.persist(row)
            else:
                self.state.out.untraded.append(row)
                self.state.tally.opportunities += 1
                self.state.tally.not_taken[row.reason or ""] += 1
