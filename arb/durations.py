"""How long things took: counted in fixed steps, for quantiles and for histograms. To count one costs some 0.15 us.

The steps for quantiles are at most an eighth apart. They hold 1, 2 and 5 of every power of ten, so that a histogram with such
bounds is exact. One that needs no quantiles has its own bounds as steps, which are found sooner.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from arb.clock import NS_PER_S, Clock

LAST_NS = 1_000 * NS_PER_S
"""Longer durations are counted together."""
DECIMAL_NS = tuple(lead * 10**power for power in range(13) for lead in (1, 2, 5) if lead * 10**power <= LAST_NS)
"""The bounds that histograms may have: 1 ns, 2 ns, 5 ns, 10 ns and so on up to `LAST_NS`."""


def _steps() -> tuple[int, ...]:
    steps = [1]
    for bound in DECIMAL_NS:
        while steps[-1] < bound:
            steps.append(min(bound, max(steps[-1] + 1, steps[-1] * 9 // 8)))
    return tuple(steps)


STEPS_NS = _steps()


def bounds_ns(first_ns: int, last_ns: int) -> tuple[int, ...]:
    """Return the bounds from `first_ns` to `last_ns`, three in every power of ten."""
    return tuple(bound for bound in DECIMAL_NS if first_ns <= bound <= last_ns)


class Durations:
    """Durations >= 0 in ns. One thread counts; any thread may read."""

    __slots__ = ("_counts", "_steps_ns", "max_ns", "total_ns")

    def __init__(self, steps_ns: Sequence[int] = STEPS_NS) -> None:
        """Count between `steps_ns`, which rise."""
        self.total_ns = 0
        self.max_ns = 0
        self._steps_ns = steps_ns
        self._counts = [0] * (len(steps_ns) + 1)

    def add(self, ns: int) -> None:
        self._counts[bisect_left(self._steps_ns, ns)] += 1
        self.total_ns += ns
        if ns > self.max_ns:
            self.max_ns = ns

    @property
    def count(self) -> int:
        return sum(self._counts)

    def up_to(self, bounds: Sequence[int]) -> list[int]:
        """Return how many durations do not exceed each of `bounds`, all of them steps; at the end how many there are."""
        sums = list(accumulate(self._counts))
        return [*(sums[bisect_left(self._steps_ns, bound)] for bound in bounds), sums[-1]]

    def quantiles_ns(self, *shares: float) -> list[int]:
        """Return durations that these shares (0 .. 1) of all do not exceed, a step too long at most; 0 for none."""
        sums = list(accumulate(self._counts))
        steps = (*self._steps_ns, self.max_ns)
        return [
            min(self.max_ns, steps[bisect_left(sums, max(1, share * sums[-1]))]) if sums[-1] else 0 for share in shares
        ]


class Waiting:
    """How long work waits until it is done; the caller's lock guards it."""

    def __init__(self, clock: Clock, done: Durations) -> None:
        """`done` counts, for each piece of work, how long its oldest part waited."""
        self._clock = clock
        self._done = done
        self._since_ns: int | None = None

    @property
    def ns(self) -> int:
        """Return how long the oldest work has waited until now; 0 while none waits."""
        since_ns = self._since_ns
        return 0 if since_ns is None else self._clock.monotonic_ns() - since_ns

    def begin(self) -> None:
        """Note that work waits from now on, if none does yet."""
        if self._since_ns is None:
            self._since_ns = self._clock.monotonic_ns()

    def take(self) -> int | None:
        """Return since when the waiting work, which is done next, waits; None for none."""
        since_ns, self._since_ns = self._since_ns, None
        return since_ns

    def give_back(self, since_ns: int | None) -> None:
        """Let work that failed wait on."""
        self._since_ns = self._since_ns if since_ns is None else since_ns

    def end(self, since_ns: int | None) -> None:
        """Count work that is done."""
        if since_ns is not None:
            self._done.add(self._clock.monotonic_ns() - since_ns)
