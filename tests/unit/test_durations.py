"""Durations: exact in number and sum, to an eighth in size, and exact at the bounds of a histogram."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, NS_PER_US, ManualClock
from arb.durations import DECIMAL_NS, LAST_NS, Durations, Waiting, bounds_ns
from tests.builders import START_NS


@given(st.lists(st.integers(0, 10**12), min_size=1), st.floats(0, 1))
def test_a_quantile_is_at_most_an_eighth_too_long(taken: list[int], share: float) -> None:
    durations = Durations()
    for ns in taken:
        durations.add(ns)
    (found,) = durations.quantiles_ns(share)
    exact = next(ns for place, ns in enumerate(sorted(taken), 1) if place >= share * len(taken))
    assert exact <= found <= max(exact * 9 / 8, exact + 1)
    assert (durations.count, durations.max_ns, durations.total_ns) == (len(taken), max(taken), sum(taken))


def test_of_nothing_every_quantile_is_zero() -> None:
    assert Durations().quantiles_ns(0.5, 0.99) == [0, 0]


@given(st.lists(st.integers(0, 10**12), min_size=1))
def test_quantiles_rise(taken: list[int]) -> None:
    durations = Durations()
    for ns in taken:
        durations.add(ns)
    found = durations.quantiles_ns(0, 0.1, 0.5, 0.5, 0.99, 1)
    assert all(one <= next_one for one, next_one in pairwise(found))


@given(st.lists(st.integers(0, 2 * LAST_NS) | st.sampled_from(DECIMAL_NS), min_size=1), st.booleans())
def test_a_bound_counts_what_does_not_exceed_it(taken: list[int], own_steps: bool) -> None:
    durations = Durations(DECIMAL_NS) if own_steps else Durations()
    for ns in taken:
        durations.add(ns)
    assert durations.up_to(DECIMAL_NS) == [*(sum(ns <= bound for ns in taken) for bound in DECIMAL_NS), len(taken)]


def test_bounds_are_the_decimal_ones_of_a_range() -> None:
    assert bounds_ns(200 * NS_PER_US, 5 * NS_PER_MS) == (200_000, 500_000, 1_000_000, 2_000_000, 5_000_000)


@pytest.mark.parametrize("fails", [False, True])
def test_work_waits_from_its_oldest_part_until_it_is_done(fails: bool) -> None:
    clock, done = ManualClock(START_NS), Durations()
    waiting = Waiting(clock, done)
    assert (waiting.ns, waiting.take()) == (0, None)
    waiting.begin()
    clock.advance(300)
    waiting.begin()
    since_ns = waiting.take()
    clock.advance(50)
    assert waiting.ns == 0
    waiting.begin()  # more work, while this is being done
    clock.advance(10)
    if fails:
        waiting.give_back(since_ns)
        assert (waiting.ns, done.count) == (360, 0)
    else:
        waiting.end(since_ns)
        assert (waiting.ns, done.count, done.total_ns) == (10, 1, 360)
