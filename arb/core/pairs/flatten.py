"""Flattening: bring everything our own trading left uneven back to flat, then stay halted until the user resumes.

Own orders only: what rests of ours is cancelled, open pairs are mended as always, and what closed pairs carried unhedged, or
left as dust that has become a legal order, is traded away by pairs of kind `flatten` and `dust`. One order at a time per
symbol, never larger than brings the imbalance nearer to zero, so that exposure does not rise. The account's other holdings,
and other people's orders, are none of its business.
"""

from arb.clock import NS_PER_MS
from arb.core.incidents import IncidentKind, Severity
from arb.core.opportunities.opener import open_residual_pair
from arb.core.orders.manager import OrderManager
from arb.core.pairs.closing import Closer
from arb.core.records import PairKind
from arb.core.state import EngineState
from arb.core.timers import FlattenTimer, PairTimer
from arb.market.symbol import Symbol

RETRY_MS = 250
DUST_TRIES = 3


class Flattener:
    """Carries out `arb flatten`."""

    def __init__(self, state: EngineState, manager: OrderManager, closer: Closer) -> None:
        self.state = state
        self.manager = manager
        self.closer = closer
        self._tried: dict[str, int] = {}

    def begin(self, reason: str, now_ns: int) -> None:
        """Open nothing any more, cancel what rests of ours, and begin to trade the rest away."""
        self._tried.clear()
        if self.state.control.flatten():
            self.state.out.persist(self.state.control.record(now_ns, reason))
            self.state.incident(IncidentKind.FLATTENING, reason, now_ns)
        for order in self.manager.resting():
            self.manager.cancel(order)

    def advance(self, now_ns: int) -> None:
        """Do what can be done now; end when nothing of ours is left, or nothing that a venue would take."""
        if not self.state.control.flattening or not any(
            venue_state.snapshot_taken for venue_state in self.state.venues.values()
        ):
            return  # before the accounts are looked through nothing can be traded, and the rules are not all known
        trading = {pair.plan.symbol for pair in self.manager.open.values()}
        residuals = self.state.residuals
        waits = [self._trade_carried(symbol, now_ns) for symbol in residuals.carried_symbols() if symbol not in trading]
        trading = {pair.plan.symbol for pair in self.manager.open.values()}
        waits += [self._trade_dust(symbol, now_ns) for symbol in residuals.symbols() if symbol not in trading]
        if self.manager.open:
            return
        if any(waits):
            self.state.out.timer(FlattenTimer(), now_ns + RETRY_MS * NS_PER_MS)
        else:
            self._end(now_ns)

    def _trade_carried(self, symbol: str, now_ns: int) -> bool:
        """Open a pair for what is carried of a symbol; return whether it has to wait for a usable book."""
        size = self.state.residuals.carried(symbol).size
        venue = self.closer.venue_for(symbol, size, now_ns)
        if venue is None:
            return self._waits(symbol)
        left = self.state.residuals.take_carried(symbol)
        open_residual_pair(self.state, self.manager, PairKind.FLATTEN, symbol, venue, left, now_ns)
        self.closer.keep_residuals()
        self.state.out.timer(PairTimer(self.manager.busy[venue, symbol]), now_ns)
        return False

    def _trade_dust(self, symbol: str, now_ns: int) -> bool:
        """Sell, or buy back, what is pooled of a symbol where that is legal, a few times at most; return as above."""
        if self._tried.get(symbol, 0) >= DUST_TRIES:
            return False
        if not self.closer.sell_dust(symbol, now_ns):
            return self._waits(symbol, dust=True)
        self._tried[symbol] = self._tried.get(symbol, 0) + 1
        self.state.out.timer(PairTimer(max(self.manager.open)), now_ns)
        return False

    def _waits(self, symbol: str, *, dust: bool = False) -> bool:
        # Legal somewhere, or nobody can tell while no book stands: then a usable book is worth waiting for.
        residuals, state = self.state.residuals, self.state
        size = residuals.pooled(symbol).size if dust else residuals.carried(symbol).size
        venues = state.venues_of(symbol)
        blind = not dust and all(state.books.mid(venue, symbol) is None for venue in venues)
        return bool(venues) and (blind or any(self.closer.legal_at(venue, symbol, size) for venue in venues))

    def _end(self, now_ns: int) -> None:
        residuals = self.state.residuals
        left = [
            f"{held.size} {symbol}"
            for symbol in residuals.carried_symbols()
            if (held := residuals.carried(symbol)).size
        ]
        for pair in self.manager.stranded.values():
            symbol = pair.plan.symbol
            left.append(f"{pair.imbalance(Symbol.of(symbol).base)} {symbol} (pair {pair.id}, not traded now)")
        text = f"flat; no venue takes what is left: {', '.join(left)}" if left else "flat"
        self.state.control.flattened()
        self.state.out.persist(self.state.control.record(now_ns, text))
        self.state.incident(IncidentKind.FLATTENED, text, now_ns, severity=Severity.CRITICAL if left else Severity.INFO)
