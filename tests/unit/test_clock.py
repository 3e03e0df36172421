"""The clock of a run: it goes on from what was written down last, and never steps back."""

import time

from arb.clock import NS_PER_S, SystemClock


def test_a_system_clock_that_was_set_back_since_the_last_entry_goes_on_from_that_entry() -> None:
    clock = SystemClock()
    written_ns = clock.wall_ns() + 3600 * NS_PER_S
    behind_ns = clock.not_before(written_ns)
    assert 3599 * NS_PER_S < behind_ns <= 3600 * NS_PER_S
    first_ns = clock.wall_ns()
    assert written_ns <= first_ns <= clock.wall_ns() < written_ns + 60 * NS_PER_S


def test_a_clock_past_the_last_entry_is_left_as_it_is() -> None:
    clock = SystemClock()
    assert clock.not_before(time.time_ns() - NS_PER_S) == 0
    assert abs(clock.wall_ns() - time.time_ns()) < NS_PER_S
