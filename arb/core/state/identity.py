"""Whether a route buys and sells one coin, for one quote: the proof by the table of coins, and the rule for the rest.

A ticker that is another coin at the other venue shows the best of all edges. The loss when it is sold is the whole pair. So a
route of coins that are *different* is refused in every run that asks for identities. An *unproved* route is refused too, or
marked: its pairs are counted and summed separately. A repair at a third venue always needs the proof. Sandboxes and tapes ask
for none, for their coins are made up.
"""

from collections.abc import Iterable

from arb.core.messages.settings import CoinRule
from arb.market.coins import Coin, CoinOverride, CoinTable, Verdict
from arb.market.route import Route
from arb.market.symbol import Symbol


class RouteIdentities:
    """Judges routes by a run's rule; None: the run asks for no identities."""

    def __init__(self, rule: CoinRule | None) -> None:
        self._rule = rule
        self._table = CoinTable(() if rule is None else rule.coins, () if rule is None else rule.overrides)
        self._found: dict[Route, Verdict] = {}

    @property
    def overrides(self) -> tuple[CoinOverride, ...]:
        return () if self._rule is None else self._rule.overrides

    def renew(self, listed: Iterable[Coin]) -> dict[Route, tuple[Verdict, Verdict]]:
        """Use the venues' present lists; return the routes whose verdict changed: before, and now."""
        if self._rule is None:
            return {}
        self._table = CoinTable((*self._rule.coins, *listed), self._rule.overrides)
        before, self._found = self._found, {}
        now = {route: self._verdict(route) for route in before}
        return {route: (verdict, now[route]) for route, verdict in before.items() if now[route] is not verdict}

    def refused(self, route: Route) -> bool:
        found = self.of(route)
        refuses = self._rule is not None and self._rule.refuse_unproved
        return found is Verdict.DIFFERENT or (found is Verdict.UNPROVED and refuses)

    def mark(self, route: Route) -> str | None:
        """Return the objection to a route's coins being the same at both venues, or None; its earnings are shown apart then."""
        found = self.of(route)
        return None if found in (None, Verdict.SAME) else str(found)

    def repairs(self, symbol: str, venue: str, pair_venues: Iterable[str]) -> bool:
        """Return whether a pair at `pair_venues` may be repaired at `venue`: the coins there are proved to be the same."""
        return venue in pair_venues or all(self.mark(Route.of(symbol, venue, other)) is None for other in pair_venues)

    def of(self, route: Route) -> Verdict | None:
        """Return the verdict on a route's base and quote together, the worse of the two; None without a check."""
        if self._rule is None:
            return None
        return self._verdict(route)

    def _verdict(self, route: Route) -> Verdict:
        if route not in self._found:
            found = [self._table.sameness(asset, *route.venues) for asset in Symbol.of(route.group).base_and_quote]
            self._found[route] = max(found, key=list(Verdict).index)
        return self._found[route]
