"""Back-off: bounded, jittered, and obedient to what the venue says."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.venues.transport.retry import READS, RECONNECTS, Backoff, Trouble, next_delay_s, venue_retry_after_s

NOW_S = 1_700_000_000
NOW_NS = NOW_S * 10**9


def delay(attempt: int, trouble: Trouble = Trouble.UNREACHABLE, elapsed_s: float = 0.0, **more: float) -> float | None:
    return next_delay_s(READS, attempt, trouble, elapsed_s, random.Random(1), more.get("retry_after_s"))


@pytest.mark.parametrize("trouble", [Trouble.REFUSED, Trouble.AUTH, Trouble.CLOCK])
def test_what_asking_again_cannot_change_is_not_asked_again(trouble: Trouble) -> None:
    assert delay(1, trouble) is None


def test_attempts_and_time_are_bounded() -> None:
    assert READS.attempts_max is not None
    assert READS.total_s is not None
    assert delay(READS.attempts_max - 1) is not None
    assert delay(READS.attempts_max) is None
    assert delay(1, elapsed_s=READS.total_s + 1) is None


def test_the_venues_own_delay_wins_unless_it_does_not_fit() -> None:
    assert delay(1, Trouble.BUSY, retry_after_s=4.5) == 4.5
    assert delay(1, Trouble.BUSY, retry_after_s=1000.0) is None


@given(st.floats(0, 0.5), st.integers(1, 4), st.integers())
def test_the_venues_own_delay_never_undercuts_the_draw(told_s: float, attempt: int, seed: int) -> None:
    drawn = next_delay_s(READS, attempt, Trouble.BUSY, 0.0, random.Random(seed))
    found = next_delay_s(READS, attempt, Trouble.BUSY, 0.0, random.Random(seed), told_s)

    assert drawn is not None
    assert found == max(drawn, told_s)


def test_reconnects_never_end_and_never_overflow() -> None:
    rng = random.Random(2)
    for attempt in (1, 10, 10_000, 10**9):
        found = next_delay_s(RECONNECTS, attempt, Trouble.UNREACHABLE, 1e9, rng)
        assert found is not None
        assert 0 <= found <= RECONNECTS.cap_s


def test_attempts_count_from_one() -> None:
    with pytest.raises(ValueError):
        delay(0)


@given(st.integers(1, 30), st.floats(0.001, 5), st.floats(1, 4), st.floats(0.1, 60), st.integers())
def test_a_draw_lies_between_nothing_and_the_exponential_ceiling(
    attempt: int, first_s: float, factor: float, cap_s: float, seed: int
) -> None:
    policy = Backoff(first_s=first_s, factor=factor, cap_s=cap_s, attempts_max=None, total_s=None)

    found = next_delay_s(policy, attempt, Trouble.FAULT, 0.0, random.Random(seed))

    assert found is not None
    assert 0 <= found <= min(cap_s, first_s * factor ** (attempt - 1)) + 1e-9


def test_jitter_spreads_those_who_failed_together() -> None:
    draws = {next_delay_s(READS, 4, Trouble.BUSY, 0.0, random.Random(seed)) for seed in range(50)}
    assert len(draws) == 50


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "0"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "9" * 40}, None),
        ({"retry-after": "99999"}, 600.0),
        ({"x-gate-ratelimit-reset-timestamp": str(NOW_S + 2)}, 2.0),
        ({"x-gate-ratelimit-reset-timestamp": str((NOW_S + 2) * 1000)}, 2.0),
        ({"x-gate-ratelimit-reset-timestamp": str(NOW_S - 2)}, None),
        ({"x-gate-ratelimit-reset-timestamp": str(NOW_S)}, None),
        ({"retry-after": "0", "x-gate-ratelimit-reset-timestamp": str(NOW_S + 2)}, 2.0),
        ({"x-gate-ratelimit-reset-timestamp": "soon"}, None),
        ({"retry-after": "1", "x-gate-ratelimit-reset-timestamp": str(NOW_S + 9)}, 1.0),
    ],
)
def test_the_venues_headers_are_read_in_seconds_or_milliseconds(headers: dict[str, str], seconds: float | None) -> None:
    assert venue_retry_after_s(headers, NOW_NS) == seconds
