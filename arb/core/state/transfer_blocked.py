"""Whether a pair's coins could be moved back: a route on which a wallet is closed is refused, capped, or traded anyway.

A premium behind a closed wallet is the largest edge of all, and persists: no one can transfer it away. Each pair there turns
our holdings into more of the asset that cannot be moved, until one venue has only base and the other only quote. When the
wallet opens the price falls. So such a route is refused unless the user configures otherwise. Capped, a pair may pay a tenth
of the ordinary, as at a venue on probation. A wallet that no list shows blocks nothing.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from arb.core.messages.reasons import Reason
from arb.core.messages.settings import Trapped
from arb.market.route import Route
from arb.market.symbol import Symbol
from arb.market.wallets import Refill, Wallets, WayState

TRAPPED_SHARE = Decimal("0.1")
"""Of the ordinary size, for a pair on a trapped route under `trapped = "cap"`."""
_WHOLE = Decimal(1)


class TransferBlocks:
    def __init__(self, rule: Trapped, wallets: Wallets | None = None) -> None:
        self.wallets = Wallets() if wallets is None else wallets
        self._rule = rule
        self._found: dict[Route, Refill] = {}
        self._closed: dict[Route, bool] = {}

    def refill(self, route: Route) -> Refill:
        if route not in self._found:
            self._found[route] = self.wallets.refill(route.group, *route.venues)
        return self._found[route]

    def refused(self, route: Route) -> bool:
        return self._rule is Trapped.REFUSE and self._is_closed(route)

    def share(self, route: Route) -> Decimal:
        return TRAPPED_SHARE if self._rule is Trapped.CAP and self._is_closed(route) else _WHOLE

    def lines(self, route: Route) -> tuple[str, ...]:
        """Return both ways of a route as sentences; none where no list shows either."""
        known = any(
            self.wallets.of(venue, asset) for venue in route.venues for asset in Symbol.of(route.group).base_and_quote
        )
        return tuple(self.refill(route).lines()) if known else ()

    def rows(self, routes: Iterable[Route]) -> list[dict[str, Any]]:
        return [
            {
                "symbol": route.group,
                "venues": list(route.venues),
                "asset": way.asset,
                "because": way.because,
                "reason": str(Reason.WALLET_CLOSED) if self._rule is Trapped.REFUSE else str(self._rule),
            }
            for route in routes
            for way in self.refill(route)
            if way.state is WayState.CLOSED
        ]

    def renew(self) -> None:
        self._found.clear()
        self._closed.clear()

    def _is_closed(self, route: Route) -> bool:
        closed = self._closed.get(route)
        if closed is None:
            closed = self._closed[route] = self.refill(route).state is WayState.CLOSED
        return closed
