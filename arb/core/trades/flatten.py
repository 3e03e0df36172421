"""Flatten (`arb flatten`): trade all base that our pairs left unhedged back to flat, then stay halted until `arb resume`.

Our resting orders are cancelled. Open pairs are repaired at the cheapest venue, even under the policy `hold`. Pairs of kind
`flatten` trade carried base away, and pairs of kind `dust` the dust that is a legal order by now. Each symbol has one order at
a time, and only one that reduces the imbalance, so exposure never rises. Other holdings of the account and foreign orders are
not touched.
"""

from arb.clock import NS_PER_MS
from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.messages.timers import FlattenTimer, PairTimer
from arb.core.state.engine_state import EngineState
from arb.core.trades.closing import Closer
from arb.core.trades.opening import TradeManager
from arb.market.symbol import Symbol

RETRY_MS = 250
DUST_TRIES = 3


class Flattener:
    def __init__(self, state: EngineState, manager: TradeManager, closer: Closer) -> None:
        self.state = state
        self.manager = manager
        self.closer = closer
        self._tried: dict[str, int] = {}

    def begin(self, reason: str, now_ns: int) -> None:
        """Stop opening pairs, cancel our resting orders, and begin to trade residuals away."""
        self._tried.clear()
        if self.state.control.flatten():
            self.state.out.persist(self.state.control.record(now_ns, reason))
            self.state.incident(IncidentKind.FLATTENING, reason, now_ns)
        for order in self.manager.resting():
            self.manager.cancel(order)

    def advance(self, now_ns: int) -> None:
        """Send the possible orders; end when no base of our pairs is unhedged, or no venue takes the rest as an order."""
        if not self.state.control.flattening or not any(
            venue_state.snapshot_taken for venue_state in self.state.venues.values()
        ):
            return  # before the first account snapshot nothing can be traded, and the venues' rules are not all known
        trading = {pair.plan.symbol for pair in self.manager.open.values()}
        residuals = self.state.residuals
        waits = [self._trade_carried(symbol, now_ns) for symbol in residuals.carried_symbols() if symbol not in trading]
        trading = {pair.plan.symbol for pair in self.manager.open.values()}
        waits += [self._trade_dust(symbol, now_ns) for symbol in residuals.dust_symbols() if symbol not in trading]
        if self.manager.open:
            return
        if any(waits):
            self.state.out.timer(FlattenTimer(), now_ns + RETRY_MS * NS_PER_MS)
        else:
            self._end(now_ns)

    def _trade_carried(self, symbol: str, now_ns: int) -> bool:
        """Open a pair for the carried base of a symbol; return whether that has to wait for a usable book."""
        pair = self.closer.trade_carried(symbol, now_ns)
        if pair is None:
            return self._waits(symbol, now_ns)
        self.state.out.timer(PairTimer(pair.id), now_ns)
        return False

    def _trade_dust(self, symbol: str, now_ns: int) -> bool:
        """Open a pair for the dust of a symbol where that is a legal order, `DUST_TRIES` times at most; return as above."""
        if self._tried.get(symbol, 0) >= DUST_TRIES:
            return False
        pair = self.closer.trade_dust(symbol, now_ns)
        if pair is None:
            return self._waits(symbol, now_ns, dust=True)
        self._tried[symbol] = self._tried.get(symbol, 0) + 1
        self.state.out.timer(PairTimer(pair.id), now_ns)
        return False

    def _waits(self, symbol: str, now_ns: int, *, dust: bool = False) -> bool:
        # A usable book is worth waiting for where some venue would take an order, or while no book shows whether one would.
        residuals, state = self.state.residuals, self.state
        size = residuals.dust(symbol).size if dust else residuals.carried(symbol).size
        venues = state.venues_of(symbol)
        no_book = not dust and all(state.books.mid(venue, symbol) is None for venue in venues)
        return bool(venues) and (no_book or any(self.closer.legal_at(venue, symbol, size, now_ns) for venue in venues))

    def _end(self, now_ns: int) -> None:
        residuals = self.state.residuals
        unhedged = [
            f"{held.size} {symbol}"
            for symbol in residuals.carried_symbols()
            if (held := residuals.carried(symbol)).size
        ]
        for pair in self.manager.stranded.values():
            symbol = pair.plan.symbol
            unhedged.append(f"{pair.imbalance(Symbol.of(symbol).base)} {symbol} (pair {pair.id}, not traded now)")
        text = f"flat; no venue takes what is still unhedged: {', '.join(unhedged)}" if unhedged else "flat"
        self.state.control.flattened()
        self.state.out.persist(self.state.control.record(now_ns, text))
        self.state.incident(
            IncidentKind.FLATTENED, text, now_ns, severity=Severity.CRITICAL if unhedged else Severity.INFO
        )
