"""Comparing clocks: the quickest question counts, and none during which our own clock was set."""

from collections.abc import Callable

import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from arb.errors import VenueError
from arb.venues.kit.rules.clock_offset import DRIFT_PPM, SAMPLES, Offset, OffsetEstimate, measure
from arb.venues.transport.http import HttpAnswer
from tests.virtual import START_NS, a_clock, run_virtual


class SettableClock:
    """A clock whose wall time somebody may set; its monotonic time goes on as ever."""

    def __init__(self) -> None:
        self.monotonic = START_NS
        self.set_by_ns = 0

    def wall_ns(self) -> int:
        return self.monotonic + self.set_by_ns

    def monotonic_ns(self) -> int:
        return self.monotonic


class Venue:
    """Answers after `trips_ms`, one for each question, with a clock that is `ahead_ms` of true time.

    `meanwhile` is called while each question is under way, with its number from 1.
    """

    def __init__(
        self, *trips_ms: int, ahead_ms: int = 0, meanwhile: Callable[[int], None] = lambda number: None
    ) -> None:
        self.clock = SettableClock()
        self.trips_ms = trips_ms
        self.ahead_ms = ahead_ms
        self.meanwhile = meanwhile
        self.asked = 0

    async def ask(self) -> tuple[int, HttpAnswer]:
        trip_ns = self.trips_ms[self.asked] * NS_PER_MS
        self.asked += 1
        sent_ns = self.clock.wall_ns()
        self.clock.monotonic += trip_ns // 2
        told_ms = self.clock.monotonic // NS_PER_MS + self.ahead_ms
        self.meanwhile(self.asked)
        self.clock.monotonic += trip_ns - trip_ns // 2
        return told_ms, HttpAnswer(200, {}, b"", sent_ns, self.clock.wall_ns())

    def measured(self) -> Offset:
        return run_virtual(measure("gate", self.clock, self.ask), a_clock())


def test_the_quickest_question_counts_and_half_its_trip_is_the_error() -> None:
    found = Venue(40, 10, 20, ahead_ms=1500).measured()

    assert abs(found.offset_ns - 1500 * NS_PER_MS) <= found.error_ns
    assert found.error_ns == 5 * NS_PER_MS + NS_PER_MS // 2


@pytest.mark.parametrize("step_s", [-5, -0.01, 0.01, 5])
def test_a_question_during_which_our_clock_was_set_does_not_count(step_s: float) -> None:
    def set_clock(number: int) -> None:
        if number == 1:
            venue.clock.set_by_ns = int(step_s * NS_PER_S)

    venue = Venue(10, 20, 30, meanwhile=set_clock)
    found = venue.measured()

    assert found.error_ns == 10 * NS_PER_MS + NS_PER_MS // 2
    assert abs(found.offset_ns + venue.clock.set_by_ns) <= found.error_ns


def test_a_question_from_before_our_clock_was_set_does_not_count_either() -> None:
    def set_clock(number: int) -> None:
        if number == 2:
            venue.clock.set_by_ns = -5 * NS_PER_S

    venue = Venue(10, 20, 30, meanwhile=set_clock)
    found = venue.measured()

    assert abs(found.offset_ns - 5 * NS_PER_S) <= found.error_ns
    assert found.error_ns == 15 * NS_PER_MS + NS_PER_MS // 2


def test_a_clock_that_is_only_slewed_is_measured_as_ever() -> None:
    def slew(number: int) -> None:
        venue.clock.set_by_ns += NS_PER_MS // 2

    venue = Venue(10, 20, 30, meanwhile=slew)

    assert venue.measured().error_ns < 10 * NS_PER_MS


def test_nothing_is_measured_when_our_clock_was_set_during_the_last_question() -> None:
    def set_clock(number: int) -> None:
        if number == SAMPLES:
            venue.clock.set_by_ns = -5 * NS_PER_S

    venue = Venue(10, 20, 30, meanwhile=set_clock)

    with pytest.raises(VenueError, match="our own clock was set") as caught:
        venue.measured()
    assert caught.value.code == "clock_set"


def ms(value: float) -> int:
    return int(value * NS_PER_MS)


def test_a_slow_answer_does_not_replace_what_a_quick_one_has_shown() -> None:
    clock = SettableClock()
    estimate = OffsetEstimate(clock)
    estimate.take(Offset(ms(100), ms(1)))
    clock.monotonic += 1000 * NS_PER_S

    better = estimate.take(Offset(ms(160), ms(80)))

    assert better == Offset(ms(100), ms(1) + 1000 * NS_PER_S * DRIFT_PPM // 1_000_000)


def test_errors_grow_with_age_until_the_new_measurement_is_the_closer_one() -> None:
    clock = SettableClock()
    estimate = OffsetEstimate(clock)
    estimate.take(Offset(ms(100), ms(1)))
    for _ in range(2):  # what a kept one has won before does not make it younger
        clock.monotonic += 1000 * NS_PER_S
        found = estimate.take(Offset(ms(110), ms(45)))
    assert found == Offset(ms(110), ms(45))


def test_a_measurement_that_contradicts_the_kept_one_replaces_it() -> None:
    estimate = OffsetEstimate(SettableClock())
    estimate.take(Offset(ms(100), ms(1)))
    assert estimate.take(Offset(ms(500), ms(80))) == Offset(ms(500), ms(80))


@pytest.mark.parametrize("cause", ["our clock was set", "the venue called a request out of time"])
def test_after_this_the_next_measurement_counts_whatever_it_is(cause: str) -> None:
    clock = SettableClock()
    estimate = OffsetEstimate(clock)
    estimate.take(Offset(ms(100), ms(1)))
    if cause == "our clock was set":
        clock.set_by_ns = ms(20)
    else:
        estimate.forget()
    assert estimate.take(Offset(ms(110), ms(80))) == Offset(ms(110), ms(80))


def test_a_clock_of_ours_that_is_slewed_adds_what_it_was_moved_by_to_the_error() -> None:
    clock = SettableClock()
    estimate = OffsetEstimate(clock)
    estimate.take(Offset(ms(100), ms(1)))
    clock.set_by_ns = ms(-3)
    assert estimate.take(Offset(ms(110), ms(80))) == Offset(ms(100), ms(4))
