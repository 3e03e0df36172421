"""Flatten (`arb flatten`): trade all base that our pairs left unhedged back to flat, then stay halted until `arb resume`.

Our resting orders are cancelled. Open pairs are repaired at the cheapest venue, even under the policy `hold`. Pairs of kind
`flatten` trade carried base away, and pairs of kind `dust` the dust that is a legal order by now. Each symbol has one order at
a time, and only one that reduces the imbalance, so exposure never rises. A pair that a late fill reopens after the end is
repaired as the settings say. Other holdings of the account and foreign orders are
not touched.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal

from arb.clock import NS_PER_MS
from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.messages.recovery_records import HaltRequest
from arb.core.messages.timers import FlattenTimer, PairTimer
from arb.core.state.engine_state import EngineState
from arb.core.trades.opening import TradeManager
from arb.core.trades.strategy import Proposal, ResidualExit, Stepwise, StrategyEvent
from arb.market.symbol import Symbol

RETRY_MS = 250
DUST_TRIES = 3


class Flattener(Stepwise):
    def __init__(
        self, state: EngineState, manager: TradeManager, legal_at: Callable[[str, str, Decimal, int], bool]
    ) -> None:
        """`legal_at(venue, symbol, size, now_ns)`: whether a venue takes an order that brings `size` base nearer to flat."""
        self.state = state
        self.manager = manager
        self._legal_at = legal_at
        self._tried: Counter[str] = Counter()

    def begin(self, reason: str, now_ns: int, asked: HaltRequest | None) -> None:
        """Stop opening pairs, cancel our resting orders, and begin to trade residuals away."""
        self._tried.clear()
        if self.state.control.flatten(asked):
            self.state.out.persist(self.state.control.record(now_ns, reason))
            self.state.incident(IncidentKind.FLATTENING, reason, now_ns)
        for order in self.manager.resting():
            self.manager.cancel(order)

    def steps(self, now_ns: int) -> Iterator[Proposal]:
        """Propose the possible exits; end when no base of our pairs is unhedged, or no venue takes the rest as an order."""
        if not any(venue_state.snapshot_taken for venue_state in self.state.venues.values()):
            return  # before the first account snapshot nothing can be traded, and the venues' rules are not all known
        waits = False
        for dust in (False, True):
            for symbol in self._symbols(dust=dust):
                yield ResidualExit(symbol, dust)
                if self.answer.trade_id is None:
                    waits = self._waits(symbol, now_ns, dust=dust) or waits
                else:
                    if dust:
                        self._tried[symbol] += 1
                    self.state.out.timer(PairTimer(self.answer.trade_id), now_ns)
        if self.manager.open:
            return
        if waits:
            self.state.out.timer(FlattenTimer(), now_ns + RETRY_MS * NS_PER_MS)
        else:
            self._end(now_ns)

    def take_event(self, event: StrategyEvent) -> None:
        """Take no event: the exits follow from the present residuals."""

    def _symbols(self, *, dust: bool) -> list[str]:
        """Return the symbols with such a residual in which no pair is open; dust is tried `DUST_TRIES` times at most."""
        residuals, skipped = self.state.residuals, {pair.plan.symbol for pair in self.manager.open.values()}
        if dust:
            skipped.update(symbol for symbol, tries in self._tried.items() if tries >= DUST_TRIES)
        symbols = residuals.dust_symbols() if dust else residuals.carried_symbols()
        return [symbol for symbol in symbols if symbol not in skipped]

    def _waits(self, symbol: str, now_ns: int, *, dust: bool) -> bool:
        """Return whether an exit that was not possible has to wait for a usable book.

        That is worth while where some venue would take an order, or while no book shows whether one would.
        """
        state = self.state
        size = (state.residuals.dust if dust else state.residuals.carried)(symbol).size
        venues = state.venues_of(symbol)
        no_book = not dust and all(state.books.mid(venue, symbol) is None for venue in venues)
        return bool(venues) and (no_book or any(self._legal_at(venue, symbol, size, now_ns) for venue in venues))

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
