"""An event loop whose time is a `ManualClock`: with nothing left to run, it jumps to the next timer.

For code that waits but opens no socket: three hours pass in milliseconds, in a fixed order. A loop that has neither work
nor timers would wait for ever, so that is an error.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from arb.clock import NS_PER_S, ManualClock

Result = TypeVar("Result")
START_NS = 1_700_000_000 * NS_PER_S


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting, let the clock pass."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; a wait becomes a jump."""
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("everything waits and no timer is set: this would never end")
            # Rounded up, so that a timer is due when the loop looks again.
            self._clock.advance(-int(-timeout * NS_PER_S // 1))
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module's text."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(_JumpingSelector(clock))
        self._virtual = clock
        self._began_ns = clock.monotonic_ns()

    def time(self) -> float:
        """Return seconds since the loop was made, small enough for a float to hold exactly."""
        return (self._virtual.monotonic_ns() - self._began_ns) / NS_PER_S


def run_virtual(work: Coroutine[Any, Any, Result], clock: ManualClock) -> Result:
    """Run `work` to its end in virtual time."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        return runner.run(work)


def a_clock() -> ManualClock:
    """Return a clock at the beginning of virtual time."""
    return ManualClock(START_NS)
