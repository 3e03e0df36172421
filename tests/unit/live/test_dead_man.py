"""The dead-man switch: armed only while something of ours rests, renewed in time, disarmed afterwards."""

import asyncio
import itertools
from collections.abc import Callable

from arb.clock import NS_PER_S
from arb.errors import VenueUnreachable
from arb.live.dead_man import DeadManSwitch
from tests.unit.live.test_executor import FakeGateway
from tests.virtual import START_NS, a_clock, run_virtual


class Switched(FakeGateway):
    """A venue with a switch that remembers what it was told and when."""

    def __init__(self, *, has_one: bool = True) -> None:
        super().__init__("gate", [])
        self.clock = a_clock()
        self.told: list[tuple[float, int]] = []
        self.has_one = has_one
        self.broken: Callable[[float], bool] = lambda at_s: False

    async def arm_dead_man(self, timeout_s: int) -> bool:
        at_s = (self.clock.wall_ns() - START_NS) / NS_PER_S
        if self.broken(at_s):
            raise VenueUnreachable("gate", "no answer")
        self.told.append((round(at_s, 2), timeout_s))
        return self.has_one


def watched(
    gateway: Switched, rests: Callable[[float], bool], for_s: float, timeout_s: int = 15
) -> list[tuple[float, int]]:
    """Run the switch for a while; `rests` tells for each second whether something of ours is in the book."""

    def resting() -> bool:
        return rests((gateway.clock.wall_ns() - START_NS) / NS_PER_S)

    async def story() -> None:
        task = asyncio.create_task(DeadManSwitch(gateway, resting, gateway.clock, timeout_s).run())
        await asyncio.sleep(for_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtual(story(), gateway.clock)
    return gateway.told


def test_nothing_that_rests_arms_nothing() -> None:
    assert watched(Switched(), lambda at_s: False, 100) == []


def test_it_is_armed_renewed_before_half_its_time_and_disarmed() -> None:
    told = watched(Switched(), lambda at_s: 10 <= at_s < 40, 100)
    armed = [at_s for at_s, timeout_s in told if timeout_s == 15]
    assert 10 <= armed[0] <= 10.5
    assert all(later - earlier < 7.5 for earlier, later in itertools.pairwise(armed))
    assert told[-1][1] == 0
    assert 40 <= told[-1][0] <= 40.5


def test_a_venue_that_does_not_answer_is_told_again_in_time() -> None:
    gateway = Switched()
    gateway.broken = lambda at_s: 5 <= at_s < 8
    told = watched(gateway, lambda at_s: True, 30)
    armed = [at_s for at_s, _ in told]
    assert all(later - earlier < 15 for earlier, later in itertools.pairwise(armed))
    assert armed[-1] > 20


def test_a_venue_without_a_switch_is_asked_once() -> None:
    assert len(watched(Switched(has_one=False), lambda at_s: True, 100)) == 1


def test_times_beyond_what_venues_take_are_brought_within() -> None:
    assert {timeout_s for _, timeout_s in watched(Switched(), lambda at_s: True, 3, timeout_s=1)} == {10}
    assert {timeout_s for _, timeout_s in watched(Switched(), lambda at_s: True, 3, timeout_s=9999)} == {120}
