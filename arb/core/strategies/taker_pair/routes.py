"""The routes of every symbol: where a pair may buy and sell it, the terms there, and whether best quotes cross.

A route is between two venues that list the symbol, have a known fee, and have books. Its terms are computed once, and again
when rules, fees or the set of books change. After a change of a venue's health they are renewed at the next judgement.
"""

import math
from collections.abc import Iterable, Sequence

from arb.core.pricing.terms import PairTerms, VenueTerms
from arb.core.state.engine_state import EngineState
from arb.market.instrument import FeeIn
from arb.market.route import Key, Route


class Routes:
    def __init__(self, state: EngineState) -> None:
        self.state = state
        self.terms: dict[Route, PairTerms] = {}
        self._of: dict[str, list[Route]] = {}
        self._by_book: dict[Key, list[Route]] = {}
        # The proceeds of a sale and the cost of a purchase, per unit, by symbol and venue: the floats only rank.
        self._keeps: dict[str, dict[str, tuple[float, float]]] = {}
        # Symbols whose terms hold limits from before a change of a venue's health, or the ramp; and the ramp's step
        # then.
        self._old_limits: set[str] = set()
        self._ramp_cap = state.ramp_cap

    def of(self, symbol: str) -> Sequence[Route]:
        return self._of.get(symbol, ())

    def venues(self, symbol: str) -> Iterable[str]:
        return self._keeps.get(symbol, ())

    def rebuild(self, symbol: str) -> list[Route]:
        """Make a symbol's routes and their terms from the instruments and books known now; return those it had before."""
        state = self.state
        before = self._forget(symbol)
        listed = [(venue, VenueTerms.of(state.instruments[venue, symbol])) for venue in state.quoted_at(symbol)]
        routes = self._of[symbol] = list[Route]()
        self._keeps[symbol] = {venue: (1 - float(of.taker_fee), 1 + float(of.taker_fee)) for venue, of in listed}
        for buy_venue, buy in listed:
            self._by_book[buy_venue, symbol] = []
            for sell_venue, sell in listed:
                if buy_venue != sell_venue:
                    route = Route.of(symbol, buy_venue, sell_venue)
                    self.terms[route] = PairTerms(state.books.scales[symbol], buy, sell, state.edge_limits(route))
                    routes.append(route)
        known = dict(listed)
        for venue in state.venues_of(symbol):
            state.books.set_terms(venue, symbol, *_to_rank(known.get(venue)))
        for route in routes:
            for key in route:
                self._by_book[key].append(route)
        return before

    def _forget(self, symbol: str) -> list[Route]:
        routes = self._of.pop(symbol, [])
        for route in routes:
            del self.terms[route]
        for key in {key for route in routes for key in route}:
            del self._by_book[key]
        self._old_limits.discard(symbol)
        return routes

    def health_changed(self, symbols: Iterable[str]) -> None:
        """Have the terms of `symbols` hold other limits from their next judgement on; quotes cross as they did."""
        self._old_limits.update(symbols)

    def renew_limits(self, symbol: str) -> None:
        """Put the limits that hold now into the terms of a symbol that is about to be judged."""
        if self._ramp_cap != self.state.ramp_cap:
            self._ramp_cap = self.state.ramp_cap
            self._old_limits.update(self._of)
        if symbol in self._old_limits:
            self._old_limits.discard(symbol)
            for route in self.of(symbol):
                terms = self.terms[route]
                self.terms[route] = PairTerms(terms.scale, terms.buy, terms.sell, self.state.edge_limits(route))

    def crosses(self, venue: str, symbol: str) -> bool:
        """Return whether a route from or to this book crosses; every venue's quotes are read once for its two routes."""
        best = self.state.books.best
        quotes = {venue: best(venue, symbol)}
        for route in self._by_book.get((venue, symbol), ()):
            (buy_venue, _), (sell_venue, _) = route
            other = sell_venue if buy_venue == venue else buy_venue
            if other not in quotes:
                quotes[other] = best(other, symbol)
            ask, bid = quotes[buy_venue][1], quotes[sell_venue][0]
            if ask is not None and bid is not None and self.terms[route].crosses(ask, bid):
                return True
        return False

    def promise(self, symbol: str) -> float:
        """Return the most that a unit of quote could become by a small trade at the best quotes of any two venues."""
        best, highest, lowest = self.state.books.best, 0.0, math.inf
        for venue, (kept, cost) in self._keeps.get(symbol, {}).items():
            bid, ask = best(venue, symbol)
            if bid is not None:
                highest = max(highest, bid * kept)
            if ask is not None:
                lowest = min(lowest, ask * cost)
        return highest / lowest


def _to_rank(terms: VenueTerms | None) -> tuple[float, float]:
    """Return the proceeds of a unit sold and the cost of one bought at a venue, so that quotes cross as in `PairTerms`."""
    if terms is None:
        return 0, math.inf
    fee = float(terms.taker_fee)
    return 1 - fee, (1 / (1 - fee) if terms.buy_fee_in is FeeIn.BASE else 1 + fee)
