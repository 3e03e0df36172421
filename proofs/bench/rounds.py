"""How things are measured: rounds that alternate between contenders, and the rows that come of them.

Absolute times drift with the machine and its neighbours, ratios inside one run hardly do. So every contender works in every
round, in an order that moves on by one, and medians over the rounds are compared. Rounds are many and batches short (about a
millisecond), so that most of them pass between two interruptions by other processes. Work of one thread that waits for nothing
is measured in processor time, all else in wall time (`suite.py` says which is which).
"""

import gc
from collections.abc import Callable, Iterable, Mapping
from statistics import median

import msgspec

from arb.clock import NS_PER_S, NS_PER_US, Clock

Contender = Callable[[], int]
"""Does one batch of work and returns how many operations that were."""

ROUNDS = 151
NOT_INSTALLED = "not installed"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. `ratio` says how many times better than the baseline, unless `target` is an upper bound.

    `baseline` and `ratio` are None where there is nothing to compare with; `note` says why. `met` is None without target.
    """

    name: str
    value: float
    unit: str
    baseline: float | None
    ratio: float | None
    against: str = ""
    target: str = ""
    met: bool | None = None
    note: str = ""


class Effort(msgspec.Struct, frozen=True):
    """How much is measured: `rounds` batches of each contender, each `share` times as large as usual."""

    rounds: int = ROUNDS
    share: float = 1.0

    def count(self, usual: int) -> int:
        """Return the size of a batch that usually has `usual` operations, at least 2."""
        return max(2, int(usual * self.share))


def alternate(clock: Clock, contenders: Mapping[str, Contender], rounds: int) -> dict[str, float]:
    """Return the median time of one operation in ns, by contender."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    settle()
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            work = contenders[name]
            began_ns = clock.monotonic_ns()
            operations = work()
            taken[name].append((clock.monotonic_ns() - began_ns) / operations)
    return {name: median(times) for name, times in taken.items()}


def settle() -> None:
    """Take what was built so far out of the garbage collector's sight: it is not what is measured."""
    gc.collect()
    gc.freeze()


def quantile(values: Iterable[float], share: float) -> float:
    """Return the value below which `share` (0 .. 1) of the values lie, the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def time_row(
    name: str,
    ours_ns: float,
    theirs_ns: float | None,
    *,
    against: str = "",
    at_least: float | None = None,
    note: str = "",
) -> Row:
    """Return the row of a time in us, less being better; `theirs_ns` None means that the peer is not installed."""
    ratio = None if theirs_ns is None else theirs_ns / ours_ns
    return Row(
        name=name,
        value=_rounded(ours_ns / NS_PER_US),
        unit="us",
        baseline=None if theirs_ns is None else _rounded(theirs_ns / NS_PER_US),
        ratio=None if ratio is None else _rounded(ratio),
        against=against,
        target="" if at_least is None else f">= {at_least:g}",
        met=None if at_least is None or ratio is None else ratio >= at_least,
        note=note or (NOT_INSTALLED if theirs_ns is None and against else ""),
    )


def rate_row(
    name: str,
    unit: str,
    ours_ns: float,
    theirs_ns: float | None,
    *,
    against: str = "",
    at_least: float | None = None,
    at_least_rate: float | None = None,
    note: str = "",
) -> Row:
    """Return the row of a rate per second, more being better, from the ns one operation takes.

    The target is a ratio (`at_least`) or a rate (`at_least_rate`).
    """
    rate = NS_PER_S / ours_ns
    ratio = None if theirs_ns is None else theirs_ns / ours_ns
    target, met = "", None
    if at_least_rate is not None:
        target, met = f">= {at_least_rate:,.0f} {unit}", rate >= at_least_rate
    elif at_least is not None:
        target, met = f">= {at_least:g}", None if ratio is None else ratio >= at_least
    return Row(
        name=name,
        value=_rounded(rate),
        unit=unit,
        baseline=None if theirs_ns is None else _rounded(NS_PER_S / theirs_ns),
        ratio=None if ratio is None else _rounded(ratio),
        against=against,
        target=target,
        met=met,
        note=note or (NOT_INSTALLED if theirs_ns is None and against else ""),
    )


def tail_row(name: str, times_ns: list[float], *, at_most: float | None = None) -> Row:
    """Return the row of a tail: the 99th percentile against the median of the same operation."""
    p50, p99, p999 = (quantile(times_ns, share) / NS_PER_US for share in (0.5, 0.99, 0.999))
    return Row(
        name=name,
        value=_rounded(p99),
        unit="us",
        baseline=_rounded(p50),
        ratio=_rounded(p99 / p50),
        against="its own median",
        target="" if at_most is None else f"<= {at_most:g}",
        met=None if at_most is None else p99 <= at_most * p50,
        note=f"p99.9 {_rounded(p999):g} us",
    )


def absent_row(name: str, unit: str, against: str, what: str) -> Row:
    """Return the row of something that cannot be measured here because `what` is not installed."""
    return Row(
        name=name, value=0.0, unit=unit, baseline=None, ratio=None, against=against, note=f"{what}: {NOT_INSTALLED}"
    )


def _rounded(value: float) -> float:
    return float(f"{value:.4g}") if abs(value) < 1000 else float(round(value))
