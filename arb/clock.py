"""Time and chance: the only module that may ask the operating system for either.

Everything else is handed a `Clock` (and a `random.Random`), so that the fault simulation, the tests and a replay
can decide what time it is. All instants are integer nanoseconds since the Unix epoch, UTC.
"""

import random
import time
from typing import Protocol

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class Clock(Protocol):
    """Tell the time, in two senses that must not be mixed up."""

    def wall_ns(self) -> int:
        """Return nanoseconds since the Unix epoch, UTC. Never steps back within one process."""

    def monotonic_ns(self) -> int:
        """Return nanoseconds since an arbitrary instant; only differences mean anything."""


class SystemClock:
    """Read the operating system's clocks.

    The wall time is read once, at construction, and carried forward by the monotonic clock: a step of the
    system clock (NTP, an operator, a virtual machine resumed) can then neither make a book look fresh nor an
    order look expired. What drifts away from the venues is measured against each venue and corrected there.
    """

    def __init__(self) -> None:
        self._anchor_ns = time.time_ns() - time.monotonic_ns()

    def wall_ns(self) -> int:
        """Return nanoseconds since the Unix epoch, UTC."""
        return self._anchor_ns + time.monotonic_ns()

    def not_before(self, instant_ns: int) -> int:
        """Go on from `instant_ns` if the system's clock stands before it; return by how much that put this one forward.

        What was written down then would otherwise lie in the future of what is written now.
        """
        behind_ns = max(0, instant_ns - self.wall_ns())
        self._anchor_ns += behind_ns
        return behind_ns

    def monotonic_ns(self) -> int:
        """Return nanoseconds of the operating system's monotonic clock."""
        return time.monotonic_ns()


class ProcessorClock(SystemClock):
    """Tell the wall time, and as monotonic time what this thread has spent on a processor: for measuring, nothing else.

    On a busy machine work takes as much of it as on an idle one.
    """

    def monotonic_ns(self) -> int:
        """Return nanoseconds of processor time."""
        return time.thread_time_ns()


class ManualClock:
    """Stand still until moved by a call: the clock of tests, replay and fault simulation."""

    def __init__(self, wall_ns: int) -> None:
        self._wall_ns = wall_ns

    def wall_ns(self) -> int:
        """Return the instant last set."""
        return self._wall_ns

    def monotonic_ns(self) -> int:
        """Return the same instant: a manual clock has one time axis."""
        return self._wall_ns

    def advance(self, delta_ns: int) -> None:
        """Move forward by `delta_ns` nanoseconds (>= 0)."""
        if delta_ns < 0:
            raise ValueError(f"a clock cannot go back: {delta_ns} ns")
        self._wall_ns += delta_ns

    def advance_to(self, wall_ns: int) -> None:
        """Move forward to `wall_ns`; an instant already past changes nothing."""
        self._wall_ns = max(self._wall_ns, wall_ns)


def system_random() -> random.Random:
    """Return a generator seeded by the operating system, for the one place that draws a seed or a nonce."""
    return random.SystemRandom()
