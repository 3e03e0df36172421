"""The event loop of a run: asyncio's own, whose turns are measured, and which polls instead of waiting where it may.

A turn lasts from one poll of the selector to the next: any event that arrives meanwhile waits for its end. Each is
counted under the last cause that was noted in it. Measuring costs about a microsecond a turn.
"""

import asyncio
import logging
import math
import os
import selectors
import types
from collections.abc import Callable, Coroutine, Generator, Mapping
from typing import Any, TypeVar

from arb.clock import NS_PER_MS, NS_PER_S, NS_PER_US, Clock
from arb.durations import Durations

OTHER = "other"
WAKING_UP = "waking up"
"""Not a turn, but by how much the loop woke up late: because of the system, or another thread."""
IDLE_WORK = "idle work"
"""Not a turn, but a part of the idle work."""
IDLE_PERCENT = 25
"""How much of a processor idle work may take where the loop waits; where it polls, it has all there is."""
BUSY_PERCENT = 4
"""At most so much while others want the machine's processors, of which all are taken."""
_EARLY_NS = NS_PER_MS // 2
"""How much too early idle work may begin: epoll waits whole milliseconds, rounded up, and it would be late by up to one."""

T = TypeVar("T")
Ready = list[tuple[selectors.SelectorKey, int]]
IdleWork = Callable[[], bool]
"""Does the next part of some work, quickly, and returns whether a round of it is complete."""

log = logging.getLogger(__name__)


class Turns:
    """How long the turns of a loop took, by cause; the code that runs in the present turn sets `cause`."""

    def __init__(self) -> None:
        self.cause = OTHER
        self.idle_work: IdleWork | None = None
        """Work done a part at a time while the loop is idle; None: nothing."""
        self._taken: dict[str, Durations] = {}

    @property
    def taken(self) -> Mapping[str, Durations]:
        """Return how long turns took so far, by cause."""
        return self._taken

    def begin(self) -> None:
        """Forget the counts so far: a start is no part of the measurement."""
        self._taken.clear()

    def ended(self, ns: int) -> None:
        cause, self.cause = self.cause, OTHER
        self.took(cause, ns)

    def took(self, cause: str, ns: int) -> None:
        taken = self._taken.get(cause)
        if taken is None:
            taken = self._taken[cause] = Durations()
        taken.add(ns)

    @types.coroutine
    def named(self, cause: str, work: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """Do some work whose turns are counted under `cause`."""
        steps: Any = work.__await__()
        step, given = steps.send, None
        while True:
            self.cause = cause
            try:
                awaited = step(given)
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                step, given = steps.send, (yield awaited)
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as error:  # a cancellation, or an error of the awaited work: its own business
                step, given = steps.throw, error

    def summary(self) -> list[dict[str, Any]]:
        """Return a row for each cause: count, seconds in all, p50, p99 and longest in us; the longest in all first."""
        rows: list[dict[str, Any]] = []
        for cause, taken in sorted(self._taken.items(), key=lambda item: -item[1].total_ns):
            p50, p99 = (ns // NS_PER_US for ns in taken.quantiles_ns(0.5, 0.99))
            total_s, longest = round(taken.total_ns / NS_PER_S, 3), taken.max_ns // NS_PER_US
            row = {"cause": cause, "turns": taken.count, "s": total_s}
            rows.append(row | {"p50_us": p50, "p99_us": p99, "max_us": longest})
        return rows


def machine_load() -> float:
    """Return how many threads want each processor, in the mean of the last minute; 0 where the system does not report it."""
    if not hasattr(os, "getloadavg"):
        return 0.0
    return os.getloadavg()[0] / (os.cpu_count() or 1)


class IdlePace:
    """How long idle work rests between two rounds: as long as the processor's caches keep the data of a round.

    A round after too long a rest finds them empty and takes two to four times as long; one after a short rest was
    hardly needed. So the rest grows while rounds take about as long as one that follows another at once, and shrinks
    while they do not. How long caches keep data depends on the machine and its neighbours: two milliseconds, or
    seconds. Where more threads want to run than the machine has processors, idle work yields: it would hinder others,
    and an interrupted round does not measure caches.
    """

    SLOW = 1.5
    """From how many times the quick rounds on a round counts as one that found the caches empty."""
    REST_NS_MIN, REST_NS_MAX = NS_PER_MS // 2, 20 * NS_PER_MS
    _GROWS, _SHRINKS = 1.1, 0.6
    _AT_ONCE_EVERY, _FORGETS = 50, 1.05
    """Every so many rounds one follows at once; by how much the quickest of those may become slower each time."""

    def __init__(self, load: Callable[[], float], percent: int = IDLE_PERCENT) -> None:
        """`load` returns how many threads want each processor; idle work takes at most `percent` of one (1 .. 99)."""
        self._load = load
        self._percent = self._percent_at_most = percent
        self._rest_ns: float = self.REST_NS_MIN
        self._quick_ns = math.inf
        self._rounds = 0

    def rest_ns(self, took_ns: int, *, complete: bool) -> int:
        """Return how long to rest after a round, or after a part of one, which does not measure caches."""
        if complete:
            followed_at_once = self._rounds % self._AT_ONCE_EVERY == 0
            self._rounds += 1
            if followed_at_once:
                self._percent = min(self._percent_at_most, BUSY_PERCENT if self._load() > 1 else IDLE_PERCENT)
                self._quick_ns = min(self._quick_ns * self._FORGETS, took_ns)
            else:
                change = self._SHRINKS if took_ns > self._quick_ns * self.SLOW else self._GROWS
                self._rest_ns = min(max(self._rest_ns * change, self.REST_NS_MIN), self.REST_NS_MAX)
            if self._rounds % self._AT_ONCE_EVERY == 0:
                return 0
        return max(int(self._rest_ns), took_ns * (100 - self._percent) // self._percent)


class _MeasuredSelector(selectors.DefaultSelector):
    def __init__(self, clock: Clock, turns: Turns, *, spin: bool, idle_percent: int) -> None:
        super().__init__()
        self._clock = clock
        self._turns = turns
        self._spin = spin
        self._pace = IdlePace(machine_load, idle_percent)
        self._work_ns = 0  # when idle work may continue
        self._began_ns = clock.monotonic_ns()

    def select(self, timeout: float | None = None) -> Ready:
        """Return the ready sockets, at the latest after `timeout` seconds."""
        now_ns = self._clock.monotonic_ns()
        self._turns.ended(now_ns - self._began_ns)
        if (timeout is None or timeout > 0) and (self._spin or self._turns.idle_work is not None):
            ready = self._idle(math.inf if timeout is None else now_ns + timeout * NS_PER_S, now_ns)
        else:
            ready = super().select(timeout)
        self._began_ns = self._clock.monotonic_ns()
        if timeout and timeout > 0 and not ready:
            # epoll waits whole milliseconds, and asyncio rounds up.
            late_ns = self._began_ns - now_ns - math.ceil(timeout * 1e3) * NS_PER_MS
            self._turns.took(WAKING_UP, max(0, late_ns))
        return ready

    def _idle(self, until_ns: float, now_ns: int) -> Ready:
        """Return the ready sockets, at the latest at `until_ns`; do as much idle work as possible meanwhile.

        A polling loop does not release the processor; other threads run between two polls.
        """
        while True:
            idle_work = self._turns.idle_work
            work_ns = self._work_ns - _EARLY_NS
            next_ns = until_ns if idle_work is None else min(until_ns, work_ns)
            wait_ns = 0 if self._spin else max(0, next_ns - now_ns)
            ready = super().select(None if wait_ns == math.inf else wait_ns / NS_PER_S)
            now_ns = self._clock.monotonic_ns()
            if idle_work is not None and not ready and work_ns <= now_ns < until_ns:
                ready, began_ns = self._round(idle_work, until_ns), now_ns
                now_ns = self._clock.monotonic_ns()
                if not self._spin:
                    took_ns, complete = now_ns - began_ns, not ready and now_ns < until_ns
                    early_ns = max(0, self._work_ns - began_ns)  # which the next one makes up for
                    self._work_ns = now_ns + self._pace.rest_ns(took_ns, complete=complete) + early_ns
            if ready or now_ns >= until_ns:
                return ready

    def _round(self, idle_work: IdleWork, until_ns: float) -> Ready:
        """Do idle work until a round of it is complete, something is ready, or it is time; return the ready sockets."""
        while True:
            began_ns = self._clock.monotonic_ns()
            try:
                is_complete = idle_work()
            except Exception:  # the top of unawaited work: without it everything continues, but slower
                log.exception("idle work ends")
                self._turns.idle_work, is_complete = None, True
            now_ns = self._clock.monotonic_ns()
            self._turns.took(IDLE_WORK, now_ns - began_ns)
            ready = super().select(0)
            if ready or is_complete or now_ns >= until_ns:
                return ready


def in_turn(*works: IdleWork) -> IdleWork:
    """Return idle work that does rounds of several works in turn; its own round is complete with that of the last."""
    left = list(works)

    def work() -> bool:
        if not left[0]():
            return False
        left.append(left.pop(0))
        return left[0] is works[0]

    return work


def measured_loop(
    clock: Clock, turns: Turns, *, spin: bool = False, idle_percent: int = IDLE_PERCENT
) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return the maker of such a loop; `spin`: it polls and takes a processor for itself.

    `idle_percent`: how much of a processor idle work may take where the loop waits.
    """
    return lambda: asyncio.SelectorEventLoop(_MeasuredSelector(clock, turns, spin=spin, idle_percent=idle_percent))
