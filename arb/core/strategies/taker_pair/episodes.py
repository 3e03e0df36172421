"""Opportunity episodes: how long an edge lived, its best value, and its outcome.

An episode of a route opens when the net of its best trade, ignoring thresholds and balances, is above
zero. It closes once that has been at or below zero (or the books unusable) for `close_after_ms`. Its outcome is `traded` when
a pair was opened in it; otherwise its reason is the one at its best instant. An edge that only a passing state of the books or
of our own orders blocked `vanished` before it could be judged; every other one was `refused`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from arb.core.messages.reasons import Reason
from arb.core.messages.records import OpportunityOutcome, OpportunityRecord
from arb.core.pricing.plan import Plan
from arb.market.numbers import exact
from arb.market.route import Route
from arb.market.symbol import Symbol

PASSING = frozenset(
    {
        Reason.STALE_BOOK,
        Reason.FEED_LAG,
        Reason.FEED_BACKLOG,
        Reason.BOOK_SKEW,
        Reason.OWN_IMPACT,
        Reason.PAIR_IN_FLIGHT,
        Reason.GAPPED_BOOK,
        Reason.CROSSED_BOOK,
    }
)


@dataclass(slots=True, eq=False, repr=False)
class Episode:
    """One open episode; `best`: the best trade of all its instants, ignoring thresholds and balances."""

    id: int
    best: Plan
    best_net_e8: int
    opened_ns: int
    best_ns: int
    ticks: int = 0
    traded: bool = False
    reason: Reason | None = None
    required_edge_bps: Decimal | None = None
    nonpositive_ns: int | None = None


class Episodes:
    def __init__(self, run_id: int, first_id: int, close_after_ns: int) -> None:
        self._run_id = run_id
        self._next_id = first_id
        self._close_after_ns = close_after_ns
        self._open: dict[Route, Episode] = {}
        self.closed_count = 0

    def is_open(self, route: Route) -> bool:
        return route in self._open

    def is_traded(self, route: Route) -> bool:
        """Return whether the edge of a route is open and was traded."""
        return route in self._open and self._open[route].traded

    def reason(self, route: Route) -> Reason | None:
        """Return why the edge of a route was not taken at its best instant; None where no episode is open, or it was taken."""
        episode = self._open.get(route)
        return None if episode is None else episode.reason

    def __len__(self) -> int:
        return len(self._open)

    def see(self, route: Route, best: Plan, now_ns: int) -> Episode:
        """Note an edge above zero, and the best trade there; opens an episode when none is open."""
        episode = self._open.get(route)
        net_e8 = best.net_e8()
        if episode is None:
            episode = self._open[route] = Episode(self._next_id, best, net_e8, now_ns, now_ns)
            self._next_id += 1
        elif net_e8 > episode.best_net_e8:
            episode.best, episode.best_net_e8, episode.best_ns = best, net_e8, now_ns
            episode.reason = episode.required_edge_bps = None
        episode.ticks += 1
        episode.nonpositive_ns = None
        return episode

    def judge(self, episode: Episode, reason: Reason, now_ns: int) -> None:
        """Record why the edge was not taken just now; only the reason at the best instant is kept."""
        if episode.best_ns == now_ns or episode.reason is None:
            episode.reason = reason

    def require(self, episode: Episode, edge_bps: Decimal, now_ns: int) -> None:
        """Record the edge required just now; only the value at the best instant is kept."""
        if episode.best_ns == now_ns or episode.required_edge_bps is None:
            episode.required_edge_bps = edge_bps

    def miss(self, route: Route, now_ns: int) -> None:
        """Record that the route has no edge now, or that its books cannot be used."""
        episode = self._open.get(route)
        if episode is not None and episode.nonpositive_ns is None:
            episode.nonpositive_ns = now_ns

    def next_close_ns(self) -> int | None:
        due = [e.nonpositive_ns + self._close_after_ns for e in self._open.values() if e.nonpositive_ns is not None]
        return min(due, default=None)

    def close_due(self, now_ns: int) -> Iterator[OpportunityRecord]:
        """Close the episodes whose edge has been gone for long enough; yield their rows."""
        for route, episode in list(self._open.items()):
            if episode.nonpositive_ns is not None and now_ns - episode.nonpositive_ns >= self._close_after_ns:
                yield self._close(route, episode, episode.nonpositive_ns)

    def close_all(self, now_ns: int) -> Iterator[OpportunityRecord]:
        for route, episode in list(self._open.items()):
            yield self._close(route, episode, episode.nonpositive_ns or now_ns)

    def traded(self, route: Route, episode: Episode, now_ns: int) -> OpportunityRecord:
        """Mark an episode as traded and return its present row, so that the pair can refer to it."""
        episode.traded = True
        return self._row(route, episode, now_ns)

    def _close(self, route: Route, episode: Episode, closed_ns: int) -> OpportunityRecord:
        del self._open[route]
        self.closed_count += 1
        return self._row(route, episode, closed_ns)

    def _row(self, route: Route, episode: Episode, closed_ns: int) -> OpportunityRecord:
        symbol, (buy_venue, sell_venue) = route.group, route.venues
        best, scale = episode.best, episode.best.terms.scale
        reason = None if episode.traded else (episode.reason or Reason.FEED_BACKLOG)
        if episode.traded:
            outcome = OpportunityOutcome.TRADED
        elif reason in PASSING:
            outcome = OpportunityOutcome.VANISHED
        else:
            outcome = OpportunityOutcome.REFUSED
        return OpportunityRecord(
            id=episode.id,
            run_id=self._run_id,
            symbol=symbol,
            quote=Symbol.of(symbol).quote,
            buy_venue=buy_venue,
            sell_venue=sell_venue,
            opened_ns=episode.opened_ns,
            best_ns=episode.best_ns,
            closed_ns=max(closed_ns, episode.best_ns),
            best_buy_size=exact(best.buy_size, scale.size_exp),
            best_sell_size=exact(best.sell_size, scale.size_exp),
            best_net_e8=episode.best_net_e8,
            best_edge_bps=best.edge_bps(),
            best_gross_edge_bps=best.gross_edge_bps(),
            ticks=episode.ticks,
            outcome=outcome,
            required_edge_bps=episode.required_edge_bps,
            reason=None if reason is None else str(reason),
        )
