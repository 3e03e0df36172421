"""Detection: from changed rows to marked symbols, and from marked symbols to pairs or coded refusals.

`mark` runs per frame and only compares best quotes. `act` runs when nothing more waits on the sockets: it sizes every route
of the marked symbols, keeps the episodes, and checks the routes with an edge, best first; the answer is either a plan to open
or the first reason of the fixed order that stands against it.
"""

from collections.abc import Iterable, Mapping, Sequence

from arb.clock import NS_PER_MS
from arb.core.accounts.fees import unsupported
from arb.core.incidents import IncidentKind
from arb.core.opportunities.alternatives import Considered
from arb.core.opportunities.episodes import Edge, Episode, Episodes, Route
from arb.core.opportunities.opener import open_pair
from arb.core.opportunities.standing import StandingEdges
from arb.core.orders.manager import OrderManager
from arb.core.pricing.depth import Depth
from arb.core.pricing.partial import worst_partial_ok
from arb.core.pricing.plan import Plan
from arb.core.pricing.spread import episode as episode_plan
from arb.core.pricing.spread import evaluate, least_edge
from arb.core.pricing.terms import EdgeLimits, Funds, PairTerms, VenueTerms
from arb.core.reasons import Reason
from arb.core.records import OpportunityOutcome, OpportunityRecord
from arb.core.risk.limits import breached
from arb.core.state import IDS_PER_RUN, EngineState
from arb.core.timers import EpisodesTimer
from arb.market.numbers import exact, to_e8
from arb.market.symbol import Symbol

TOKENS_PER_VENUE = 2
"""Placements that a venue must have room for: one for the leg and one for a hedge of it."""
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
        self.standing = StandingEdges(state.limits.max_edge_bps)
        self._closed: list[OpportunityRecord] = []
        self._terms: dict[Route, PairTerms] = {}
        self._routes: dict[str, list[Route]] = {}
        self._by_book: dict[tuple[str, str], list[Route]] = {}
        self._marked: set[str] = set()
        self._watched: set[str] = set()
        # When the timer that closes episodes is set for; one that comes too early asks for the next.
        self._wake_ns = 0
        # Routes that a retired book ended while an episode of theirs was open.
        self._ended: list[Route] = []

    def start(self) -> None:
        """Begin the episodes of a run; the run's id must be known."""
        state = self.state
        first = state.run_id * IDS_PER_RUN + 1
        self.episodes = Episodes(state.run_id, first, state.timing.close_after_ms * NS_PER_MS)

    def rules_changed(self, symbol: str) -> None:
        """Rebuild the terms of a symbol's routes from the instruments and books known now."""
        state = self.state
        listed = [
            (venue, VenueTerms.of(instrument))
            for venue in state.venues_of(symbol)
            if state.books.has(venue, symbol)
            and (instrument := state.instruments[venue, symbol]).taker_fee is not None
            and instrument.tradable
        ]
        self._routes[symbol] = []
        for buy_venue, buy in listed:
            self._by_book[buy_venue, symbol] = []
            for sell_venue, sell in listed:
                if buy_venue != sell_venue:
                    route = (symbol, buy_venue, sell_venue)
                    limits = EdgeLimits.of(state.limits, state.health.share((buy_venue, sell_venue)))
                    self._terms[route] = PairTerms(state.books.scales[symbol], buy, sell, limits)
                    self._routes[symbol].append(route)
        for route in self._routes[symbol]:
            self._by_book[route[1], symbol].append(route)
            self._by_book[route[2], symbol].append(route)

    def books_changed(self, symbol: str) -> None:
        """Forget all that was worked out for a symbol of which a book came or went: its scale may be another now."""
        before = self._routes.pop(symbol, [])
        self._terms = {route: terms for route, terms in self._terms.items() if route[0] != symbol}
        self._by_book = {key: routes for key, routes in self._by_book.items() if key[1] != symbol}
        self.rules_changed(symbol)
        ended = [route for route in before if route not in self._terms and self.episodes.is_open(route)]
        if ended:
            self._ended += ended
            self._marked.add(symbol)  # so that `act` is called, and their episodes end

    def mark(self, rows: Iterable[int]) -> None:
        """Mark the symbols of changed rows whose best quotes cross after fees, or whose episodes may have ended."""
        books = self.state.books
        for row in rows:
            key = books.keys.get(row)
            if key is None:
                continue  # its book was retired meanwhile
            venue, symbol = key
            if symbol in self._marked:
                continue
            if symbol in self._watched or self._any_crosses(venue, symbol):
                self._marked.add(symbol)

    def mark_all(self) -> None:
        """Mark every symbol, after something other than a frame has changed."""
        self._marked.update(self._watched)

    @property
    def marked(self) -> bool:
        """Return whether there is anything to act on."""
        return bool(self._marked)

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
        """Judge every marked symbol once, on the books as they stand."""
        marked, self._marked = sorted(self._marked), set()
        ended, self._ended = self._ended, []
        for route in ended:
            self.episodes.miss(route, now_ns)
        for symbol in marked:
            self._act_on(symbol, now_ns)
        self.close_episodes(now_ns)

    def close_episodes(self, now_ns: int) -> None:
        """Close the episodes whose edge is gone; ask to be woken for the next."""
        self._keep(self.episodes.close_due(now_ns))
        due_ns = self.episodes.next_close_ns()
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

    def _act_on(self, symbol: str, now_ns: int) -> None:
        state = self.state
        asks: dict[str, Depth] = {}
        bids: dict[str, Depth] = {}
        found: list[tuple[int, Route, Plan]] = []
        passed: dict[Route, Reason] = {}
        for route in self._routes.get(symbol, ()):
            _, buy_venue, sell_venue = route
            if not (state.books.is_live(buy_venue, symbol) and state.books.is_live(sell_venue, symbol)):
                self.episodes.miss(route, now_ns)
                continue
            if state.books.impacted(buy_venue, symbol) or state.books.impacted(sell_venue, symbol):
                passed[route] = Reason.OWN_IMPACT
                continue
            if state.books.awaited(buy_venue, symbol) or state.books.awaited(sell_venue, symbol):
                passed[route] = Reason.FEED_BACKLOG
                self._marked.add(symbol)  # to be judged at the next drain
                continue
            buy_side = asks.get(buy_venue) or asks.setdefault(buy_venue, state.books.asks(buy_venue, symbol))
            sell_side = bids.get(sell_venue) or bids.setdefault(sell_venue, state.books.bids(sell_venue, symbol))
            if self.standing.follows(route):
                self._follow(route, buy_side, sell_side, now_ns)
            plan = episode_plan(self._terms[route], buy_side, sell_side)
            if plan is None:
                self.episodes.miss(route, now_ns)
            else:
                found.append((-plan.net, route, plan))
        found.sort(key=lambda item: item[:2])
        judged = [
            (route, plan, *self._consider(route, plan, asks[route[1]], bids[route[2]], now_ns))
            for _, route, plan in found
        ]
        for route, _, _, pair_id in judged:
            if pair_id is not None:
                self._note(pair_id, route, judged, (asks, bids), passed, now_ns)
                self._expect_eaten(route, [other for other, *_ in judged], (asks, bids), now_ns)
        is_open = any(self.episodes.is_open(route) for route in self._routes.get(symbol, ()))
        if self.standing.follows_any(symbol, now_ns) or is_open:
            self._watched.add(symbol)
        else:
            self._watched.discard(symbol)

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
        if not self.episodes.is_open(route):
            self.state.tally.opportunities += 1
        episode = self.episodes.see(route, edge, now_ns)
        answer = self._check(route, asks, bids, now_ns)
        if isinstance(answer, Reason):
            self.state.tally.refusals[answer] += 1
            self.episodes.judge(episode, answer, now_ns)
            return answer, None
        return answer, self._open(route, answer, episode, now_ns)

    def _open(self, route: Route, plan: Plan, episode: Episode, now_ns: int) -> int:
        self.state.out.persist(self.episodes.traded(route, episode, now_ns))
        return open_pair(self.state, self.manager, route, plan.view(), self._terms[route], episode.id, now_ns).id

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
            considered.append(Considered(route, terms, best, answer, buy, sell))
        self.state.alternatives.opened(pair_id, now_ns, taken, considered)

    def _check(self, route: Route, asks: Depth, bids: Depth, now_ns: int) -> Plan | Reason:
        """Return the plan to open, or the first reason that stands against it."""
        before = self._state_reason(route, now_ns)
        if before is not None:
            return before
        answer = evaluate(self._terms[route], asks, bids, self._funds(route))
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

    def _state_reason(self, route: Route, now_ns: int) -> Reason | None:
        state, (symbol, *venues) = self.state, route
        states = [state.venues[venue] for venue in venues]
        if not state.control.opening_allowed or state.control.stopped_by_late(symbol, venues):
            return Reason.HALTED
        if any(not s.private_up or s.paused_until_ns > now_ns or not s.account_id for s in states):
            return Reason.VENUE_HALTED
        if any(state.health.venues[venue].quarantined for venue in venues):
            return Reason.VENUE_HALTED
        if any(max(s.entries_stopped_until_ns, s.held_until_ns) > now_ns for s in states):
            return Reason.VENUE_HALTED
        if any(not s.snapshot_taken for s in states):
            return Reason.VENUE_HALTED
        if any(state.asset_stopped(venue, asset) for venue in venues for asset in Symbol.of(symbol).base_and_quote):
            return Reason.VENUE_HALTED
        if any((venue, symbol) in state.rules_awaited or state.is_barred(venue, symbol) for venue in venues):
            return Reason.INSTRUMENT_HALTED
        if "ledger" in state.store_blocked:
            return Reason.LEDGER_BLOCKED
        if "journal" in state.store_blocked:
            return Reason.JOURNAL_BLOCKED
        worst_ns = state.timing.max_clock_offset_error_ms * NS_PER_MS
        if any(s.offset_ns is None or s.clock_suspected or s.clock_error_ns > worst_ns for s in states):
            return Reason.CLOCK_OFFSET
        unknown = {(o.venue, o.symbol) for o in self.manager.unknown_orders()} | state.lost | {*state.frozen.values()}
        if any((venue, symbol) in unknown for venue in venues):
            return Reason.UNKNOWN_OUTSTANDING
        unusable = [reason for venue in venues if (reason := state.books.unusable(venue, symbol, now_ns))]
        if any(state.books.backlogged(venue, symbol) for venue in venues):
            unusable.append(Reason.FEED_BACKLOG)
        if unusable:
            return min(unusable, key=lambda reason: reason.rank)
        if state.books.skewed(*route):
            return Reason.BOOK_SKEW
        if any((venue, symbol) in state.stopped or unsupported(state.instruments[venue, symbol]) for venue in venues):
            return Reason.FEE_UNKNOWN
        return None

    def _limit_reason(self, route: Route, plan: Plan, now_ns: int) -> Reason | None:
        state, (symbol, *venues) = self.state, route
        notional = exact(plan.cost, plan.terms.scale.notional_exp)
        if breached(state, self.manager, route, notional, now_ns) is not None:
            return Reason.RISK_LIMIT
        if any((venue, symbol) in self.manager.busy for venue in venues):
            return Reason.PAIR_IN_FLIGHT
        if not state.budget.try_take(tuple(venues), symbol, TOKENS_PER_VENUE, now_ns):
            return Reason.RATE_BUDGET
        return None

    def _funds(self, route: Route) -> Funds:
        symbol, buy_venue, sell_venue = route
        base, quote = Symbol.of(symbol).base_and_quote
        inventory = self.state.inventory
        return Funds(quote=inventory.free(buy_venue, quote), base=inventory.free(sell_venue, base))


def _edge(plan: Plan) -> Edge:
    scale = plan.terms.scale
    return Edge(
        buy_size=exact(plan.buy_size, scale.size_exp),
        sell_size=exact(plan.sell_size, scale.size_exp),
        net_e8=to_e8(exact(plan.net, plan.terms.amount_exp)),
        edge_bps=plan.edge_bps(),
        gross_edge_bps=plan.gross_edge_bps(),
    )
