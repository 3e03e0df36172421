"""The pace of resyncs: at once, then ever later, never more than the venue allows, and forgotten once the book stays."""

from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_S
from arb.venues.kit.resyncs import DELAY_MAX_S, HOUR_NS, STEADY_S, ResyncPace


def begun(pace: ResyncPace, seconds: int, native: str = "BTC_USDT") -> list[int]:
    """Lose a book again as soon as it was asked for; return the seconds at which it was."""
    found = []
    for second in range(seconds):
        pace.ask(native, second * NS_PER_S)
        found += [second for _ in pace.due(second * NS_PER_S)]
    return found


def test_a_book_that_cannot_be_read_is_asked_for_ever_later() -> None:
    assert begun(ResyncPace(0), 60) == [0, 1, 3, 7, 15, 31]  # it was 60, one with every answer of the venue
    assert begun(ResyncPace(0), 400) == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363]


def test_a_book_that_stayed_is_asked_for_at_once_again() -> None:
    pace = ResyncPace(0)
    begun(pace, 60)
    later_ns = (63 + DELAY_MAX_S + STEADY_S) * NS_PER_S
    pace.ask("BTC_USDT", later_ns)
    assert pace.due(later_ns) == ["BTC_USDT"]


def test_one_book_does_not_delay_another() -> None:
    pace = ResyncPace(0)
    begun(pace, 30)
    pace.ask("ETH_USDT", 30 * NS_PER_S)
    assert pace.due(30 * NS_PER_S) == ["ETH_USDT"]


def test_a_new_connection_forgets_what_waits_and_remembers_what_failed() -> None:
    pace = ResyncPace(0)
    assert begun(pace, 3) == [0, 1]
    pace.lost_connection()
    assert pace.due(10 * NS_PER_S) == []
    pace.ask("BTC_USDT", 2 * NS_PER_S)
    assert (pace.due(2 * NS_PER_S), pace.due(5 * NS_PER_S)) == ([], ["BTC_USDT"])


@given(
    st.integers(2, 12),
    st.lists(st.tuples(st.sampled_from("ABCDEFGH"), st.integers(0, 900)), max_size=80),
)
def test_no_hour_has_more_requests_than_the_venue_allows(per_hour: int, losses: list[tuple[str, int]]) -> None:
    pace, now_ns, sent = ResyncPace(per_hour), 0, []
    for native, wait_s in losses:
        now_ns += wait_s * NS_PER_S
        pace.ask(native, now_ns)
        for _ in pace.due(now_ns):
            pace.sent(2, now_ns)
            sent += [now_ns] * 2
    for at_ns in sent:
        assert sum(at_ns - HOUR_NS < other <= at_ns for other in sent) <= per_hour
