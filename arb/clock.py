"""Time and chance: the only module that may ask the operating system for either.

Everything else takes a `Clock` (and a `random.Random`), so that the fault simulation, the tests and a replay can set
the time. All instants are integer nanoseconds since the Unix epoch, UTC.
"""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_S


def utc_text(ns: int) -> str:
    """Return an instant as people read it, in UTC, rounded down to the millisecond: `2026-11-23 14:30:00.250`."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ns // NS_PER_MS)
    return at.isoformat(" ", "milliseconds").removesuffix("+00:00")


class Clock(Protocol):
    """Two kinds of time that must not be mixed up."""

    def wall_ns(self) -> int:
        """Return nanoseconds since the Unix epoch, UTC. Never steps back within one process."""

    def monotonic_ns(self) -> int:
        """Return nanoseconds since an arbitrary instant; only differences mean anything."""


def _steady() -> Callable[[], int]:
    """Return the reader of the system's steady clock: if possible the one that runs while the machine is suspended."""
    boottime: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic_ns if boottime is None else partial(time.clock_gettime_ns, boottime)


class SystemClock:
    """Read the operating system's clocks: `wall` (ns since the epoch, UTC) and a steady one, which is never set.

    The wall time is read once, at construction, and carried forward by the steady clock: a step of the system clock
    (NTP, an operator) can then neither make a book look fresh nor an order look expired. A run moves it to the venues'
    time (`live/anchoring.py`), and nothing else moves it.
    """

    def __init__(self, wall: Callable[[], int] | None = None, steady: Callable[[], int] | None = None) -> None:
        self._steady = _steady() if steady is None else steady
        self._lead_ns = (time.time_ns() if wall is None else wall()) - self._steady()

    def wall_ns(self) -> int:
        return self._lead_ns + self._steady()

    def shift(self, by_ns: int) -> None:
        """Move the wall time by `by_ns`; back (below zero) only before anything was stamped with it."""
        self._lead_ns += by_ns

    def monotonic_ns(self) -> int:
        return self._steady()


class ProcessorClock(SystemClock):
    """Give the wall time, and as monotonic time this thread's time on a processor: for measuring, nothing else.

    On a busy machine work takes as much of it as on an idle one.
    """

    def monotonic_ns(self) -> int:
        return time.thread_time_ns()


class ManualClock:
    """Keep its time until moved by a call: the clock of tests, replay and fault simulation."""

    def __init__(self, wall_ns: int) -> None:
        self._wall_ns = wall_ns

    def wall_ns(self) -> int:
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
