"""An asyncio event loop without real time: when nothing can run, it lets the simulated outside run.

The loop's clock is a `ManualClock`. Instead of waiting on sockets it asks the *outside* (venues and network, or a tape)
to run until something arrives or our next timer is due; either way the clock jumps. A minute passes in milliseconds,
always in the same order.
"""

import asyncio
import selectors
from typing import Protocol

from arb.clock import NS_PER_S, ManualClock


class Outside(Protocol):
    """The simulated world, which runs while the process under simulation waits."""

    def run_until(self, deadline_ns: int | None) -> None:
        """Move the clock to the next arrival, or to `deadline_ns` when nothing arrives before; None: no deadline."""


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting, let the outside run. No descriptor is ever ready, for nothing here uses one."""

    def __init__(self, clock: ManualClock, outside: Outside) -> None:
        super().__init__()
        self._clock = clock
        self._outside = outside

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            self._outside.run_until(None)
        elif timeout > 0:
            # Rounded up, so that a timer is due when the loop checks again.
            self._outside.run_until(self._clock.monotonic_ns() - int(-timeout * NS_PER_S // 1))
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: ManualClock, outside: Outside) -> None:
        super().__init__(_JumpingSelector(clock, outside))
        self._virtual = clock
        self._began_ns = clock.monotonic_ns()

    def time(self) -> float:
        """Return seconds since the loop was made: small numbers, which a float holds exactly enough."""
        return (self._virtual.monotonic_ns() - self._began_ns) / NS_PER_S

    def wakes(self) -> bool:
        """Return whether something could run now, so that the outside has to let it."""
        ready: object = self._ready  # type: ignore[attr-defined]  # asyncio's own queue of what is to run
        return bool(ready)
