"""How the bench measures: everybody works in every round, medians are compared, and what is missing is said."""

from arb.clock import ManualClock
from proofs.bench.rounds import Effort, alternate, quantile, rate_row, tail_row, time_row


class Worker:
    """Takes a given time per operation, in each round another one."""

    def __init__(self, clock: ManualClock, log: list[str], name: str, *times_ns: int) -> None:
        self.clock, self.log, self.name, self.times_ns = clock, log, name, list(times_ns)

    def __call__(self) -> int:
        self.log.append(self.name)
        self.clock.advance(10 * self.times_ns.pop(0))
        return 10


def test_rounds_alternate_and_the_median_round_counts() -> None:
    clock, log = ManualClock(0), list[str]()
    contenders = {"a": Worker(clock, log, "a", 5, 900, 7), "b": Worker(clock, log, "b", 50, 40, 9000)}

    assert alternate(clock, contenders, 3) == {"a": 7, "b": 50}
    assert log == ["a", "b", "b", "a", "a", "b"]


def test_a_peer_that_is_not_installed_is_named_and_nothing_is_made_up() -> None:
    row = time_row("x", 2_000, None, against="somebody", at_least=3)

    assert (row.value, row.unit, row.baseline, row.ratio, row.met) == (2.0, "us", None, None, None)
    assert row.note == "not installed"


def test_a_missed_target_is_told_as_missed() -> None:
    slow, fast = time_row("x", 2_000, 4_000, against="p", at_least=3), time_row("x", 1_000, 4_000, at_least=3)

    assert (slow.ratio, slow.met) == (2.0, False)
    assert (fast.ratio, fast.met) == (4.0, True)


def test_a_rate_is_better_when_it_is_greater() -> None:
    row = rate_row("x", "rows/s", 10_000, 50_000, at_least_rate=80_000)

    assert (row.value, row.baseline, row.ratio) == (100_000, 20_000, 5.0)
    assert (row.target, row.met) == (">= 80,000 rows/s", True)


def test_a_tail_is_measured_by_its_own_median() -> None:
    row = tail_row("x", [1_000.0] * 98 + [9_000.0] * 2, at_most=4)

    assert (row.value, row.baseline, row.ratio, row.met) == (9.0, 1.0, 9.0, False)


def test_a_quantile_is_one_of_the_values() -> None:
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile([3, 1, 2], 1.0) == 3


def test_a_small_share_still_does_some_work() -> None:
    assert Effort(rounds=1, share=0.0001).count(100) == 2
