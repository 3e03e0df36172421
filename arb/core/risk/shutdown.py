"""The end of a run in order: every pair ends, contradictions of venues are settled, then every balance is compared once more.

A venue may fill an order that it has reported cancelled, and that report may be lost; only a differing balance shows it then.
So before a run ends, each account is compared once more after its last pair has closed. A late fill found then is repaired as
usual. A run that is to end as soon as it has begun still takes a snapshot of every account first. No later process will search
for the orders and fills of the previous one there. A venue that does not answer delays the end by `LAST_BALANCES_S` seconds at
most.
"""

from collections.abc import Callable

from arb.clock import NS_PER_S
from arb.core.messages.timers import LastBalancesTimer
from arb.core.state.blocks import Source
from arb.core.state.engine_state import EngineState
from arb.core.trades.table import TradeTable

LAST_BALANCES_S = 10
ASK_AGAIN_S = 1


class Shutdown:
    """Decides when a run that was asked to end has ended."""

    def __init__(self, state: EngineState, orders: TradeTable, agreed_ns: Callable[[str], int]) -> None:
        """`agreed_ns(venue)`: when its balances were last found in agreement, 0 for never."""
        self._state = state
        self._orders = orders
        self._agreed_ns = agreed_ns
        self.begun = False
        self._asked_ns: int | None = None
        self._again_ns = 0

    def begin(self) -> None:
        self.begun = True

    def advance(self, now_ns: int) -> None:
        """End a run whose shutdown has begun, once every account was compared; ask for balances once nothing is open."""
        if self._orders.open or self._state.blocks.of(Source.FROZEN):
            self._asked_ns = None
            return
        if self._asked_ns is None:
            self._asked_ns, self._again_ns = now_ns, now_ns
        silent = self._silent(self._asked_ns)
        if not silent or now_ns >= self._asked_ns + LAST_BALANCES_S * NS_PER_S:
            self._state.out.finish()
        elif now_ns >= self._again_ns:
            self._again_ns = now_ns + ASK_AGAIN_S * NS_PER_S
            for venue in silent:
                self._state.out.refresh(venue)
            self._state.out.timer(LastBalancesTimer(), self._again_ns)

    def _silent(self, since_ns: int) -> list[str]:
        """Return the venues without an account snapshot, or whose balances have not been found in agreement since."""
        venues = self._state.venues
        return [
            venue
            for venue, known in venues.items()
            if known.absent is None and (not known.snapshot_taken or self._agreed_ns(venue) < since_ns)
        ]
