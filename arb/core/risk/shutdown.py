"""The end of a run in order: first every pair, then the venues' last word on every balance.

A venue may fill what it has called cancelled, and the news of that may be lost; only a balance that differs tells of it then.
So a run does not end before each account was compared once more, after its last pair had closed. What that shows (a late fill)
is mended like anything else. A run that is to end as soon as it has begun first looks through every account all the same: what
the process before it has left there is nobody else's to find. A venue that does not answer keeps nobody for longer than
`LAST_WORD_S`.
"""

from arb.clock import NS_PER_S
from arb.core.accounts.balance_reconciler import BalanceReconciler
from arb.core.orders.manager import OrderManager
from arb.core.state import EngineState
from arb.core.timers import LastBalancesTimer

LAST_WORD_S = 10
ASK_AGAIN_S = 1


class Shutdown:
    """Says when a run that was asked to end has ended."""

    def __init__(self, state: EngineState, manager: OrderManager, drift: BalanceReconciler) -> None:
        self._state = state
        self._manager = manager
        self._drift = drift
        self._begun = False
        self._asked_ns: int | None = None
        self._again_ns = 0

    def begin(self) -> None:
        """Begin to wind down."""
        self._begun = True

    def advance(self, now_ns: int) -> None:
        """Look after an event whether all is said; ask the venues once nothing is open."""
        if not self._begun:
            return
        if self._manager.open:
            self._asked_ns = None
            return
        if self._asked_ns is None:
            self._asked_ns, self._again_ns = now_ns, now_ns
        silent = self._silent(self._asked_ns)
        if not silent or now_ns >= self._asked_ns + LAST_WORD_S * NS_PER_S:
            self._state.out.finish()
        elif now_ns >= self._again_ns:
            self._again_ns = now_ns + ASK_AGAIN_S * NS_PER_S
            for venue in silent:
                self._state.out.refresh(venue)
            self._state.out.timer(LastBalancesTimer(), self._again_ns)

    def _silent(self, since_ns: int) -> list[str]:
        """Return the venues that were not looked through, or whose balances have not been found in agreement since."""
        venues = self._state.venues
        return [
            venue for venue in venues if not venues[venue].snapshot_taken or self._drift.agreed_ns(venue) < since_ns
        ]
