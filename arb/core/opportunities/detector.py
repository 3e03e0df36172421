"""Detection: from changed rows to marked symbols, and from marked symbols to pairs or coded refusals.

`mark` runs per frame and only compares best quotes. `act` runs when nothing more waits on the sockets: it sizes every route
of the marked symbols, keeps the episodes, and checks the routes with an edge, best first; the answer is either a plan to open
or the first reason of the fixed order that stands against it. Where many symbols are marked at once, those whose best quotes
promise most come first, and only a few at a time: a pair leaves before the next symbol is judged, and what comes meanwhile is
read.
"""

import heapq
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice

from arb.clock import NS_PER_MS
from arb.core.incidents import IncidentKind
from arb.core.opportunities.alternatives import Considered
from arb.core.opportunities.episodes import Edge, Episode, Episodes, Route
from arb.core.opportunities.leg_costs import BPS, MILLI
from arb.core.opportunities.obstacles import TOKENS_PER_VENUE, Obstacles, Refused
from arb.core.opportunities.standing import StandingEdges
from arb.core.orders.manager import OrderManager
from arb.core.pricing.depth import Depth
from arb.core.pricing.partial import worst_partial_ok
from arb.core.pricing.plan import Plan
from arb.core.pricing.spread import episode as episode_plan
from arb.core.pricing.spread import evaluate, least_edge
from arb.core.pricing.terms import EdgeLimits, PairTerms, VenueTerms
from arb.core.reasons import Reason
from arb.core.records import OpportunityOutcome, OpportunityRecord
from arb.core.risk.limits import DAILY_NOTIONAL, breached, report_day_spent
from arb.core.state import IDS_PER_RUN, EngineState
from arb.core.timers import EpisodesTimer
from arb.market.numbers import exact, to_e8

JUDGED_MAX = 8
"""Symbols judged at one drain: a few milliseconds."""
Judged = tuple[Route, Plan, Plan | Reason, int | None]
"""A route with an edge, the best trade there, the answer, and the id of the pair that was opened, if one was."""
Sides = tuple[dict[str, Depth], dict[str, Depth]]
"""Asks and bids by venue."""


class Detector:
    """The strategy of this project (`core/strategy.py`): finds edges and decides which to take."""

    def __init__(self, state: EngineState, manager: OrderManager) -> None:
        self.state = state
        self.manager = manager
        self.episodes = Episodes(0, 0, 0)
        self.standing = StandingEdges(lambda route: state.limits_at(*route).max_edge_bps)
        self.obstacles = Obstacles(state, manager)
        self._closed: list[OpportunityRecord] = []
        self._terms: dict[Route, PairTerms] = {}
        self._routes: dict[str, list[Route]] = {}
        self._by_book: dict[tuple[str, str], list[Route]] = {}
        self._marked: set[str] = set()
        self._watched: set[str] = set()
        # Marked symbols of which a book was about to change when they were looked at: judged once the others have been.
        self._awaiting: set[str] = set()
        self.unfinished = False
        """Whether the last `act` left marked symbols for the next one, which need not wait for anything."""
        # What the marked symbols that the last drains left over promise.
        self._promised: dict[str, float] = {}
        # What is left of a sale, and what a purchase costs, per unit, by symbol: the floats only rank.
        self._keeps: dict[str, list[tuple[str, float, float]]] = {}
        # Symbols whose terms hold limits of before a venue's health changed.
        self._old_limits: set[str] = set()
        # When the timer that closes episodes is set for; one that comes too early asks for the next.
        self._wake_ns = 0
        # Routes that ended while an episode of theirs was open.
        self._ended: list[Route] = []
        # Whether an event has passed since obstacles were compared.
        self._state_changed = False

    def start(self) -> None:
        """Begin the episodes of a run; the run's id must be known."""
        state = self.state
        first = state.run_id * IDS_PER_RUN + 1
        self.episodes = Episodes(state.run_id, first, state.timing.close_after_ms * NS_PER_MS)

    def rules_changed(self, symbol: str) -> None:
        """Rebuild a symbol's routes and their terms from the instruments and books known now; have it judged again."""
        state = self.state
        before = self._forget(symbol)
        listed = [
            (venue, VenueTerms.of(instrument))
            for venue in state.venues_of(symbol)
            if state.books.has(venue, symbol)
            and (instrument := state.instruments[venue, symbol]).taker_fee is not None
            and instrument.tradable
        ]
        self._routes[symbol] = []
        self._old_limits.discard(symbol)
        self._keeps[symbol] = [(venue, 1 - float(of.taker_fee), 1 + float(of.taker_fee)) for venue, of in listed]
        for buy_venue, buy in listed:
            self._by_book[buy_venue, symbol] = []
            for sell_venue, sell in listed:
                if buy_venue != sell_venue:
                    route = (symbol, buy_venue, sell_venue)
                    self._terms[route] = PairTerms(state.books.scales[symbol], buy, sell, self._limits(route))
                    self._routes[symbol].append(route)
        for route in self._routes[symbol]:
            self._by_book[route[1], symbol].append(route)
            self._by_book[route[2], symbol].append(route)
        self._ended += [route for route in before if route not in self._terms and self.episodes.is_open(route)]
        self._marked.add(symbol)

    def health_changed(self, symbols: Iterable[str]) -> None:
        """Have the terms of `symbols` hold other limits from their next judgement on; quotes cross as they did."""
        self._old_limits.update(symbols)
        self.mark_all()

    def _limits(self, route: Route) -> EdgeLimits:
        return EdgeLimits.of(self.state.limits_at(*route), self.state.health.share(route[1:]))

    def _forget(self, symbol: str) -> list[Route]:
        """Forget what was worked out for a symbol; return the routes it had."""
        routes = self._routes.pop(symbol, [])
        for route in routes:
            del self._terms[route]
            self.obstacles.forget(route)
        for venue in {venue for _, *venues in routes for venue in venues}:
            del self._by_book[venue, symbol]
        return routes

    def mark(self, rows: Iterable[int]) -> None:
        """Mark the symbols of changed rows whose best quotes cross after fees, or whose episodes may have ended."""
        books = self.state.books
        for row in rows:
            key = books.keys.get(row)
            if key is None:
                continue  # its book was retired meanwhile
            venue, symbol = key
            if symbol in self._marked:
                self._promised.pop(symbol, None)
                continue
            if symbol in self._watched or self._any_crosses(venue, symbol):
                self._marked.add(symbol)

    def mark_all(self) -> None:
        """Mark every symbol, after something other than a frame has changed."""
        self._marked.update(self._watched)

    @property
    def marked(self) -> bool:
        """Return whether there is anything to act on."""
        return bool(self._marked or self._awaiting) or (self._state_changed and bool(self.obstacles))

    def waits_for(self, unread: Collection[str]) -> bool:
        """Return whether every crossing route of a few marked symbols has a book on one of these connections."""
        books = self.state.books
        for symbol in islice(self._marked, JUDGED_MAX):
            for route in self._routes.get(symbol, ()):
                _, buy_venue, sell_venue = route
                if books.carried_by(unread, buy_venue, symbol) or books.carried_by(unread, sell_venue, symbol):
                    continue
                ask, bid = books.best(buy_venue, symbol)[1], books.best(sell_venue, symbol)[0]
                if ask is not None and bid is not None and self._terms[route].crosses(ask, bid):
                    return False
        return True

    def state_changed(self) -> None:
        """Have the obstacles of refused routes compared: at the next `act`, once for all events until then."""
        self._state_changed = True

    def _any_crosses(self, venue: str, symbol: str) -> bool:
        """Return whether a route from or to this book crosses; every venue's quotes are read once for its two routes."""
        best = self.state.books.best
        quotes = {venue: best(venue, symbol)}
        for route in self._by_book.get((venue, symbol), ()):
            _, buy_venue, sell_venue = route
            other = sell_venue if buy_venue == venue else buy_venue
            if other not in quotes:
                quotes[other] = best(other, symbol)
            ask, bid = quotes[buy_venue][1], quotes[sell_venue][0]
            if ask is not None and bid is not None and self._terms[route].crosses(ask, bid):
                return True
        return False

    def act(self, now_ns: int) -> None:
        """Judge the most promising marked symbols, on the books as they stand, until a pair opens."""
        if self._state_changed:
            self._state_changed = False
            self._marked.update(symbol for symbol, *_ in self.obstacles.freed(now_ns))
        if not self.unfinished:
            self._marked |= self._awaiting
            self._awaiting.clear()
        ended, self._ended = self._ended, []
        for route in ended:
            self.episodes.miss(route, now_ns)
        for symbol in self._best_marked():
            self._marked.discard(symbol)
            self._awaiting.discard(symbol)
            self._promised.pop(symbol, None)
            if self._act_on(symbol, now_ns):
                break
        self.unfinished = bool(self._marked)
        self.close_episodes(now_ns)

    def _best_marked(self) -> list[str]:
        """Return the marked symbols to judge now, the most promising first."""
        if len(self._marked) <= 1:
            return list(self._marked)
        for symbol in self._marked:
            if symbol not in self._promised:
                self._promised[symbol] = self._promise(symbol)
        return heapq.nsmallest(JUDGED_MAX, self._marked, key=lambda symbol: (-self._promised[symbol], symbol))

    def _promise(self, symbol: str) -> float:
        """Return what a unit of quote could become at most if a little were traded at the best quotes of any two venues."""
        best, highest, lowest = self.state.books.best, 0.0, math.inf
        for venue, kept, cost in self._keeps.get(symbol, ()):
            bid, ask = best(venue, symbol)
            if bid is not None:
                highest = max(highest, bid * kept)
            if ask is not None:
                lowest = min(lowest, ask * cost)
        return highest / lowest

    def close_episodes(self, now_ns: int) -> None:
        """Close the episodes whose edge is gone; ask to be woken for the next, and for obstacles that end by themselves."""
        self._keep(self.episodes.close_due(now_ns))
        known = [due_ns for due_ns in (self.episodes.next_close_ns(), self.obstacles.next_ns()) if due_ns is not None]
        due_ns = min(known, default=None)
        if due_ns is not None and not now_ns < self._wake_ns <= due_ns:
            self._wake_ns = due_ns
            self.state.out.timer(EpisodesTimer(), due_ns)

    def finish(self, now_ns: int) -> None:
        """Close every episode, at the end of a run."""
        self._keep(self.episodes.close_all(now_ns))

    def take_untraded(self) -> list[OpportunityRecord]:
        """Hand over the closed opportunities that nobody traded (class 2: they are not journalled)."""
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

    def _act_on(self, symbol: str, now_ns: int) -> bool:
        """Judge a symbol; return whether a pair was opened."""
        state = self.state
        if symbol in self._old_limits:
            self._old_limits.discard(symbol)
            for route in self._routes.get(symbol, ()):
                terms = self._terms[route]
                self._terms[route] = PairTerms(terms.scale, terms.buy, terms.sell, self._limits(route))
        asks: dict[str, Depth] = {}
        bids: dict[str, Depth] = {}
        found: list[tuple[int, Route, Plan]] = []
        passed: dict[Route, Reason] = {}
        refused: dict[Route, Refused | None] = {}
        for route in self._routes.get(symbol, ()):
            _, buy_venue, sell_venue = route
            refused[route] = self.obstacles.forget(route)
            if not (state.books.is_live(buy_venue, symbol) and state.books.is_live(sell_venue, symbol)):
                self.episodes.miss(route, now_ns)
                continue
            if state.books.impacted(buy_venue, symbol) or state.books.impacted(sell_venue, symbol):
                passed[route] = Reason.OWN_IMPACT
                self.obstacles.keep(route, Reason.OWN_IMPACT, refused[route], now_ns)
                continue
            if state.books.awaited(buy_venue, symbol) or state.books.awaited(sell_venue, symbol):
                passed[route] = Reason.FEED_BACKLOG
                self._awaiting.add(symbol)  # to be judged at the next drain
                continue
            buy_side = asks.get(buy_venue) or asks.setdefault(buy_venue, state.books.asks(buy_venue, symbol))
            sell_side = bids.get(sell_venue) or bids.setdefault(sell_venue, state.books.bids(sell_venue, symbol))
            if self.standing.follows(route):
                self._follow(route, buy_side, sell_side, now_ns)
            plan = episode_plan(self._terms[route], buy_side, sell_side)
            if plan is None:
                self.episodes.miss(route, now_ns)
            else:
                cost = plan.paid * int(state.leg_costs.bps(route, now_ns) * MILLI) // (BPS * MILLI)
                found.append((cost - plan.net, route, plan))
        found.sort(key=lambda item: item[:2])
        judged = [
            (route, plan, *self._consider(route, plan, asks[route[1]], bids[route[2]], now_ns))
            for _, route, plan in found
        ]
        for route, _, answer, pair_id in judged:
            if isinstance(answer, Reason):
                self.obstacles.keep(route, answer, refused[route], now_ns)
            if pair_id is not None:
                self._note(pair_id, route, judged, (asks, bids), passed, now_ns)
                self._expect_eaten(route, [other for other, *_ in judged], (asks, bids), now_ns)
        is_open = any(self.episodes.is_open(route) for route in self._routes.get(symbol, ()))
        if self.standing.follows_any(symbol, now_ns) or is_open:
            self._watched.add(symbol)
        else:
            self._watched.discard(symbol)
        return any(pair_id is not None for *_, pair_id in judged)

    def _follow(self, route: Route, asks: Depth, bids: Depth, now_ns: int) -> None:
        """Note the edge of a route that pairs of ours should have eaten, where its books can be believed."""
        books, (symbol, *venues) = self.state.books, route
        if any(books.unusable(venue, symbol, now_ns) for venue in venues) or books.skewed(*route):
            return
        edge = least_edge(self._terms[route], asks, bids)
        if edge is not None:
            self.standing.seen(route, edge)

    def _expect_eaten(self, taken: Route, routes: Sequence[Route], sides: Sides, now_ns: int) -> None:
        """Note the edges of the routes with an edge that share the asks or the bids that a pair takes."""
        asks, bids = sides
        for route in routes:
            _, buy_venue, sell_venue = route
            if buy_venue == taken[1] or sell_venue == taken[2]:
                edge = least_edge(self._terms[route], asks[buy_venue], bids[sell_venue])
                if edge is not None:
                    self.standing.opened(route, edge, now_ns)

    def _consider(
        self, route: Route, best: Plan, asks: Depth, bids: Depth, now_ns: int
    ) -> tuple[Plan | Reason, int | None]:
        """Check a route with an edge; return the answer, and the id of the pair if one was opened."""
        edge = _edge(best)
        episode = self.episodes.see(route, edge, now_ns)
        answer = self._check(route, asks, bids, now_ns)
        if isinstance(answer, Reason):
            self.episodes.judge(episode, answer, now_ns)
            return answer, None
        return answer, self._open(route, answer, episode, now_ns)

    def _open(self, route: Route, plan: Plan, episode: Episode, now_ns: int) -> int:
        if not episode.traded:
            self.state.tally.opportunities += 1
        self.state.out.persist(self.episodes.traded(route, episode, now_ns))
        return self.manager.open_pair(route, plan.view(), self._terms[route], episode.id, now_ns).id

    def _note(
        self,
        pair_id: int,
        taken: Route,
        judged: Sequence[Judged],
        sides: Sides,
        passed: Mapping[Route, Reason],
        now_ns: int,
    ) -> None:
        """Keep the alternatives to a pair that opened; their rows are worked out at the next event."""
        asks, bids = sides
        answers = {route: (best, answer) for route, best, answer, _ in judged}
        considered: list[Considered] = []
        for route in self._routes[taken[0]]:
            symbol, buy_venue, sell_venue = route
            best, answer = answers.get(route, (None, None))
            if best is None and route in passed:
                answer = passed[route]
            elif best is None:
                books = self.state.books
                dead = [venue for venue in (buy_venue, sell_venue) if not books.is_live(venue, symbol)]
                answer = (books.unusable(dead[0], symbol, now_ns) or Reason.GAPPED_BOOK) if dead else None
            terms, buy, sell = self._terms[route], asks.get(buy_venue), bids.get(sell_venue)
            leg_cost = self.state.leg_costs.bps(route, now_ns)
            considered.append(Considered(route, terms, best, answer, buy, sell, leg_cost))
        self.state.alternatives.opened(pair_id, now_ns, taken, considered)

    def _check(self, route: Route, asks: Depth, bids: Depth, now_ns: int) -> Plan | Reason:
        """Return the plan to open, or the first reason that stands against it."""
        before = self.obstacles.reason(route, now_ns)
        if before is not None:
            return before
        leg_cost = self.state.leg_costs.bps(route, now_ns)
        answer = evaluate(self._terms[route], asks, bids, self.obstacles.funds(route), leg_cost)
        reason = None if isinstance(answer, Plan) else answer.reason
        if self.standing.stands(route) and (reason is None or reason.rank > Reason.EDGE_IMPLAUSIBLE.rank):
            self._pause(route, now_ns)
            return Reason.EDGE_IMPLAUSIBLE
        if not isinstance(answer, Plan):
            return answer.reason
        if not worst_partial_ok(answer, asks, bids, leg_loss_max_bps=self.state.policy.leg_loss_max_bps):
            return Reason.UNHEDGEABLE_PARTIAL
        return self._limit_reason(route, answer, now_ns) or answer

    def _pause(self, route: Route, now_ns: int) -> None:
        """Raise an incident when a standing edge is refused for the first time."""
        if self.standing.pause(route):
            symbol, buy_venue, sell_venue = route
            text = (
                f"{symbol}: the edge of buying at {buy_venue} and selling at {sell_venue} stands though two pairs should have"
                " eaten it: nothing opens there until it has fallen below half; check that both list the same coin"
            )
            self.state.incident(IncidentKind.EDGE_IMPLAUSIBLE, text, now_ns)

    def _limit_reason(self, route: Route, plan: Plan, now_ns: int) -> Reason | None:
        state, (symbol, *venues) = self.state, route
        notional = exact(plan.cost, plan.terms.scale.notional_exp)
        limit = breached(state, self.manager, route, notional, now_ns)
        if limit is not None:
            if limit == DAILY_NOTIONAL:
                report_day_spent(state, now_ns)
            return Reason.RISK_LIMIT
        if any((venue, symbol) in self.manager.busy for venue in venues):
            return Reason.PAIR_IN_FLIGHT
        if not state.budget.try_take(tuple(venues), symbol, TOKENS_PER_VENUE, now_ns):
            return Reason.RATE_BUDGET
        return None


def _edge(plan: Plan) -> Edge:
    scale = plan.terms.scale
    return Edge(
        buy_size=exact(plan.buy_size, scale.size_exp),
        sell_size=exact(plan.sell_size, scale.size_exp),
        net_e8=to_e8(exact(plan.net, plan.terms.amount_exp)),
        edge_bps=plan.edge_bps(),
        gross_edge_bps=plan.gross_edge_bps(),
    )
