"""Funds that have run dry: a venue's quote, or a base that pairs of this run have sold there, below the smallest order."""

from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.messages.reasons import Reason
from arb.core.pricing.plan import Plan
from arb.core.pricing.spread import evaluate
from arb.core.pricing.terms import Funds
from arb.core.state.engine_state import EngineState
from arb.market.numbers import plain
from arb.market.route import Route
from arb.market.symbol import Symbol


class DryFunds:
    """Reports each (venue, asset) once when it runs dry, and once when a pair trades it again."""

    def __init__(self, state: EngineState) -> None:
        self._state = state
        self._sold: set[tuple[str, str]] = set()
        self._dry: set[tuple[str, str]] = set()

    def opened(self, route: Route, now_ns: int) -> None:
        buy_venue, sell_venue = route.venues
        base, quote = Symbol.of(route.group).base_and_quote
        self._sold.add((sell_venue, base))
        for venue, asset in self._dry & {(buy_venue, quote), (sell_venue, base)}:
            self._dry.discard((venue, asset))
            text = f"{asset} at {venue} pays for pairs again"
            self._state.incident(IncidentKind.FUNDS_SHORT, text, now_ns, severity=Severity.INFO, venue=venue)

    def refused(self, route: Route, best: Plan, funds: Funds, now_ns: int) -> None:
        """Find which funds are too small for any size on a route; funds held by open pairs will return."""
        symbol, (buy_venue, sell_venue) = route.group, route.venues
        base, quote = Symbol.of(symbol).base_and_quote
        sides = self._state.books.sides(route)
        for venue, asset, alone in (
            (buy_venue, quote, Funds(quote=funds.quote)),
            (sell_venue, base, Funds(base=funds.base)),
        ):
            if (
                (venue, asset) in self._dry
                or (asset == base and (venue, asset) not in self._sold)
                or self._state.inventory.reserved(venue, asset)
            ):
                continue
            answer = evaluate(best.terms, *sides, alone)
            if not isinstance(answer, Plan) and answer.reason is Reason.INSUFFICIENT_BALANCE:
                self._dry.add((venue, asset))
                free = plain(self._state.inventory.free(venue, asset))
                text = f"{asset} at {venue} has run dry: {free} free is too little for any pair in {symbol}"
                self._state.incident(IncidentKind.FUNDS_SHORT, text, now_ns, venue=venue)
