"""The venues' currency lists during a run: which coin is which, and whose wallets are open.

Both decide by route where pairs may open (`state/identity.py`, `state/transfer_blocked.py`). A list is an event, so a replay
decides with the knowledge of its time. Each change makes one incident per list.
"""

from collections.abc import Callable, Iterable

from arb.core.messages.events import CurrenciesListed
from arb.core.messages.incidents import IncidentKind, Severity, some
from arb.core.state.engine_state import EngineState
from arb.core.trades.strategy import HealthChanged
from arb.market.coins import Coin
from arb.market.symbol import Symbol
from arb.market.wallets import CurrencyChain


class Currencies:
    def __init__(self, state: EngineState, notify: Callable[[HealthChanged], None]) -> None:
        """`notify` passes a change on to the strategies."""
        self._state = state
        self._notify = notify

    def begin(self, now_ns: int) -> None:
        for override in self._state.identities.overrides:
            text = f"[coins] {override.line()}: by the settings, despite the venues' lists"
            self._state.incident(IncidentKind.COIN_OVERRIDE, text, now_ns)

    def on_listed(self, event: CurrenciesListed) -> None:
        state, wallets = self._state, self._state.trapped.wallets
        before = {asset: wallets.of(event.venue, asset) for asset in event.assets}
        coins_before = wallets.coins()
        wallets.take(event.venue, event.assets, event.chains)
        state.trapped.renew()
        self._report_wallets(event, before)
        coins = wallets.coins()
        if coins != coins_before:
            self._report_coins(event, coins)
        assets = set(event.assets)
        symbols = {symbol for _, symbol in state.instruments if not assets.isdisjoint(Symbol.of(symbol).base_and_quote)}
        self._notify(HealthChanged(tuple(sorted(symbols))))

    def _report_wallets(self, event: CurrenciesListed, before: dict[str, tuple[CurrencyChain, ...]]) -> None:
        """Raise an incident where an asset can be taken out, or brought in, on no chain any more, or on one again."""
        found: list[str] = []
        closes = False
        for way, flag in (("withdrawals", "withdrawal"), ("deposits", "deposit")):
            now = {asset: _closed(self._state.trapped.wallets.of(event.venue, asset), flag) for asset in event.assets}
            closed = [asset for asset, is_closed in now.items() if is_closed and not _closed(before[asset], flag)]
            opened = [asset for asset, is_closed in now.items() if not is_closed and _closed(before[asset], flag)]
            closes = closes or bool(closed)
            found += [f"{way} closed: {some(closed)}"] if closed else []
            found += [f"{way} open again: {some(opened)}"] if opened else []
        if found:
            severity = Severity.WARNING if closes else Severity.INFO
            text = f"{event.venue}: {'; '.join(found)}"
            state = self._state
            state.incident(IncidentKind.WALLET_CLOSED, text, event.t_ns, severity=severity, venue=event.venue)

    def _report_coins(self, event: CurrenciesListed, coins: Iterable[Coin]) -> None:
        changed = self._state.identities.renew(coins)
        lines = {
            f"{route.group} between {' and '.join(sorted(route.venues))}: {now} (was {was})"
            for route, (was, now) in changed.items()
        }
        if lines:
            text = f"by the currency list of {event.venue}: {some(sorted(lines), '; ')}"
            self._state.incident(
                IncidentKind.COINS_CHANGED, text, event.t_ns, severity=Severity.INFO, venue=event.venue
            )


def _closed(chains: tuple[CurrencyChain, ...], flag: str) -> bool:
    return bool(chains) and all(getattr(chain, flag) is False for chain in chains)
