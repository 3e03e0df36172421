"""Our time is the venues': set by what most of them agree on, before the first entry either way, afterwards forward only."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_S, ManualClock, SystemClock
from arb.core.messages.events import AnyEvent, ClockAnchored, ClockMeasured, ClockSuspected
from arb.errors import CheckFailed, VenueUnreachable
from arb.live.anchoring import APART_MAX_NS, NEAR_NS, Agreed, Anchor, agreed
from tests.virtual import START_NS, a_clock, run_virtual

HOUR_NS, DAY_NS = 3600 * NS_PER_S, 86_400 * NS_PER_S


def measured(**offsets_s: float) -> list[ClockMeasured]:
    """Return how far venues' clocks are ahead of ours."""
    return [ClockMeasured(venue=venue, offset_ns=int(s * NS_PER_S), error_ns=1) for venue, s in offsets_s.items()]


class Host:
    """A run's clock on a virtual loop, whose host is `ahead_ns` of true time."""

    def __init__(self, ahead_ns: int = 0) -> None:
        self.true = a_clock()
        self.stood_ns = 0
        self.clock = SystemClock(lambda: self.true.wall_ns() + ahead_ns, lambda: self.true.wall_ns() - self.stood_ns)
        self.anchor = Anchor(self.clock, self.clock.shift)

    def ahead_ns(self) -> int:
        return self.clock.wall_ns() - self.true.wall_ns()

    def measured(self, *venues: str, skew_ns: int = 0) -> list[ClockMeasured]:
        """Return what venues with right clocks (but for the skew of the last one) say now."""
        skews = dict.fromkeys(venues, 0) | {venues[-1]: skew_ns}
        return [ClockMeasured(venue=v, offset_ns=skew - self.ahead_ns(), error_ns=1) for v, skew in skews.items()]


def test_the_median_of_those_that_agree_counts() -> None:
    found = agreed(measured(gate=0.5, okx=0.1, bitget=60, bybit=0.4))
    assert found == Agreed(NS_PER_S * 4 // 10, ("bybit", "gate", "okx"))


def test_of_groups_of_one_size_the_nearest_to_our_clock_counts() -> None:
    assert agreed(measured(gate=-3600, okx=0.2)) == Agreed(NS_PER_S // 5, ("okx",))


def test_without_a_venue_nothing_is_agreed_on() -> None:
    assert agreed([]) is None


@given(st.lists(st.integers(-10 * NS_PER_S, 10 * NS_PER_S), min_size=1, max_size=5))
def test_what_is_agreed_on_lies_within_a_second_of_every_clock_that_agrees_and_no_larger_group_exists(
    offsets: list[int],
) -> None:
    clocks = {f"v{n}": offset for n, offset in enumerate(offsets)}
    found = agreed(ClockMeasured(venue=venue, offset_ns=offset, error_ns=0) for venue, offset in clocks.items())
    assert found is not None
    assert all(abs(clocks[venue] - found.offset_ns) <= NEAR_NS for venue in found.venues)
    largest = max(sum(0 <= other - first <= NEAR_NS for other in offsets) for first in offsets)
    assert len(found.venues) == largest


@pytest.mark.parametrize("ahead_ns", [HOUR_NS, -HOUR_NS, 30 * NS_PER_S, -NS_PER_S // 5, DAY_NS])
def test_before_the_first_entry_our_clock_is_put_on_the_venues_time(ahead_ns: int) -> None:
    host = Host(ahead_ns)
    *said, gate, okx = host.anchor.begin(host.measured("gate", "okx"), 0, must=False)
    assert host.ahead_ns() == 0
    assert [gate, okx] == host.measured("gate", "okx")
    assert len(said) == (abs(ahead_ns) > NEAR_NS)
    assert all((event.shifted_ns, event.left_ns) == (-ahead_ns, 0) for event in said)  # type: ignore[union-attr]


@pytest.mark.parametrize("ahead_ns", [365 * DAY_NS, -365 * DAY_NS, DAY_NS + NS_PER_S])
def test_a_clock_more_than_a_day_off_ends_the_start_unless_something_is_open(ahead_ns: int) -> None:
    host = Host(ahead_ns)
    with pytest.raises(CheckFailed, match="set it right"):
        host.anchor.begin(host.measured("gate", "okx"), 0, must=False)
    assert host.ahead_ns() == ahead_ns
    assert isinstance(host.anchor.begin(host.measured("gate", "okx"), 0, must=True)[0], ClockAnchored)
    assert host.ahead_ns() == 0


def test_time_goes_on_from_the_journals_last_entry_where_that_is_a_second_ahead_at_most() -> None:
    host = Host()
    events = host.anchor.begin(host.measured("gate", "okx"), START_NS + NEAR_NS, must=False)
    assert host.ahead_ns() == NEAR_NS
    assert events == host.measured("gate", "okx")


@pytest.mark.parametrize("ahead_ns", [NEAR_NS + 1, HOUR_NS, 365 * DAY_NS])
def test_a_journal_further_ahead_moves_nothing_and_is_an_incident(ahead_ns: int) -> None:
    host = Host()
    event = host.anchor.begin(host.measured("gate", "okx"), START_NS + ahead_ns, must=False)[0]
    assert host.ahead_ns() == 0
    assert isinstance(event, ClockAnchored)
    assert "journal" in event.text


def test_the_time_of_a_tape_is_not_moved() -> None:
    anchor = Anchor(ManualClock(START_NS), None)
    clocks = measured(gate=-HOUR_NS / NS_PER_S)
    assert anchor.begin(clocks, START_NS + HOUR_NS, must=False) == clocks


class Gateway:
    """A venue whose clock is right, but for its `skew_ns`; None: it does not answer."""

    def __init__(self, venue: str, host: Host, skew_ns: int | None = 0) -> None:
        self.venue, self.host, self.skew_ns = venue, host, skew_ns
        self.asked = 0

    async def measure_clock(self) -> ClockMeasured:
        self.asked += 1
        if self.skew_ns is None:
            raise VenueUnreachable(self.venue, "no route")
        return ClockMeasured(venue=self.venue, offset_ns=self.skew_ns - self.host.ahead_ns(), error_ns=1)


def kept(host: Host, gateways: list[Gateway], first: ClockMeasured, *, times: int = 1) -> list[AnyEvent]:
    """Let the clock be kept for a while in which one venue is found off; return what the engine is told."""
    told: list[AnyEvent] = []

    async def main() -> None:
        for turn in range(times):
            asyncio.get_running_loop().call_later(2 * turn, host.anchor.take, first, told.append)
        try:
            async with asyncio.timeout(10):
                await host.anchor.keep(gateways, told.append)  # type: ignore[arg-type]
        except TimeoutError:
            return

    run_virtual(main(), host.true)
    return told


def after_a_stop(*skews_ns: int | None) -> tuple[Host, list[AnyEvent]]:
    """Return a host that stood still for an hour, and what is told when the first venue is found an hour ahead."""
    host = Host()
    host.stood_ns = HOUR_NS
    gateways = [Gateway(f"v{number}", host, skew_ns) for number, skew_ns in enumerate(skews_ns)]
    return host, kept(host, gateways, ClockMeasured(venue="v0", offset_ns=HOUR_NS, error_ns=1))


def test_a_host_that_stood_still_is_put_forward_once_all_venues_were_compared() -> None:
    host, told = after_a_stop(0, 0, 0)
    assert host.ahead_ns() == 0
    assert told == [
        ClockSuspected(venue="v0"),
        ClockAnchored(shifted_ns=HOUR_NS, left_ns=0, text=told[1].text),  # type: ignore[union-attr]
        *(ClockMeasured(venue=f"v{number}", offset_ns=0, error_ns=1) for number in range(3)),
    ]


@pytest.mark.parametrize("skews_ns", [(0, -HOUR_NS), (0, None), (0, None, None), (0, HOUR_NS, -HOUR_NS)])
def test_while_it_lasts_no_more_than_half_of_all_venues_move_nothing(skews_ns: tuple[int | None, ...]) -> None:
    host, told = after_a_stop(*skews_ns)
    assert host.ahead_ns() == -HOUR_NS
    assert not any(isinstance(event, ClockAnchored) for event in told)
    assert ClockMeasured(venue="v0", offset_ns=HOUR_NS, error_ns=1) in told


def test_a_clock_that_turns_out_to_be_ahead_never_goes_back_and_that_is_said_once() -> None:
    host = Host(5 * NS_PER_S)
    gateways = [Gateway("gate", host), Gateway("okx", host)]
    heard = kept(host, gateways, host.measured("gate")[0], times=3)
    told = [event for event in heard if isinstance(event, ClockAnchored)]
    assert [(event.shifted_ns, event.left_ns) for event in told] == [(0, -5 * NS_PER_S)]
    assert host.ahead_ns() == 5 * NS_PER_S


def test_a_venue_that_is_off_alone_moves_nothing_and_is_asked_with_the_others() -> None:
    host = Host()
    gateways = [Gateway("gate", host), Gateway("okx", host), Gateway("bitget", host, 90 * NS_PER_S)]
    told = kept(host, gateways, host.measured("gate", "bitget", skew_ns=90 * NS_PER_S)[-1])
    assert [type(event) for event in told] == [ClockSuspected] + [ClockMeasured] * 3
    assert host.ahead_ns() == 0


def test_a_difference_within_a_second_asks_nobody() -> None:
    host = Host(NEAR_NS)
    gateway = Gateway("gate", host)
    assert kept(host, [gateway], host.measured("gate")[0]) == host.measured("gate")
    assert (gateway.asked, APART_MAX_NS) == (0, DAY_NS)


def test_what_was_measured_of_a_venue_that_does_not_answer_again_is_handed_on() -> None:
    host = Host()
    first = ClockMeasured(venue="gate", offset_ns=90 * NS_PER_S, error_ns=1)
    told = kept(host, [Gateway("gate", host, None), Gateway("okx", host), Gateway("bitget", host)], first)
    assert first in told
