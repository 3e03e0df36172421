"""The loop without real time, and the deaths of what runs on it."""

import asyncio

import pytest

from arb.clock import NS_PER_S, ManualClock
from arb.virtual_loop import VirtualLoop
from proofs.faultsim.faults import Killed, Life, Point

START_NS = 1_700_000_000 * NS_PER_S


class Nothing:
    """An outside where nothing ever happens."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def run_until(self, deadline_ns: int | None) -> None:
        """Let the time pass."""
        if deadline_ns is None:
            raise RuntimeError("this would never end")
        self._clock.advance_to(deadline_ns)


class Letter(Nothing):
    """An outside from which one thing arrives."""

    def __init__(self, clock: ManualClock, at_ns: int, arrived: asyncio.Event) -> None:
        super().__init__(clock)
        self._at_ns, self._arrived = at_ns, arrived

    def run_until(self, deadline_ns: int | None) -> None:
        """Let the time pass, at most to the arrival."""
        if self._clock.wall_ns() < self._at_ns and (deadline_ns is None or self._at_ns <= deadline_ns):
            self._clock.advance_to(self._at_ns)
            self._arrived.set()
        else:
            super().run_until(deadline_ns)


def test_an_hour_of_sleep_is_an_hour_on_the_clock_and_sleepers_wake_in_order() -> None:
    clock, woken = ManualClock(START_NS), list[tuple[str, int]]()

    async def sleep(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append((name, clock.wall_ns() - START_NS))

    async def all_of_them() -> None:
        await asyncio.gather(sleep("late", 3600), sleep("early", 0.001), sleep("middle", 60))

    loop = VirtualLoop(clock, Nothing(clock))
    loop.run_until_complete(all_of_them())
    loop.close()
    assert woken == [("early", 10**6), ("middle", 60 * NS_PER_S), ("late", 3600 * NS_PER_S)]


def test_an_arrival_is_heard_at_its_instant_and_not_at_the_next_timer() -> None:
    clock = ManualClock(START_NS)

    async def listen() -> int:
        async with asyncio.timeout(10):
            await arrived.wait()
        return clock.wall_ns() - START_NS

    arrived = asyncio.Event()
    loop = VirtualLoop(clock, Letter(clock, START_NS + 4_321, arrived))
    assert loop.run_until_complete(listen()) == 4_321
    loop.close()


def test_waiting_for_nothing_is_an_error_and_no_hang() -> None:
    clock = ManualClock(START_NS)
    loop = VirtualLoop(clock, Nothing(clock))
    with pytest.raises(RuntimeError, match="never end"):
        loop.run_until_complete(asyncio.Event().wait())
    loop.close()


@pytest.fixture(name="life")
def a_life() -> Life:
    clock = ManualClock(START_NS)
    return Life(VirtualLoop(clock, Nothing(clock)))


def test_death_comes_at_its_point_at_its_count_and_is_told_once(life: Life) -> None:
    told: list[str] = []
    life.kill_at(Point.AFTER_COMMIT, 2, lambda: told.append("dead"))
    life.passes(Point.BEFORE_COMMIT)
    life.passes(Point.AFTER_COMMIT)
    assert life.alive
    with pytest.raises(Killed):
        life.passes(Point.AFTER_COMMIT)
    life.end()
    assert told == ["dead"] and not life.alive


def test_the_dead_pass_no_door(life: Life) -> None:
    life.end()
    for point in Point:
        with pytest.raises(Killed):
            life.passes(point)


def test_a_pardon_lifts_the_doom(life: Life) -> None:
    life.kill_at(Point.BEFORE_REQUEST, 1, lambda: None)
    life.cancel_kill()
    life.passes(Point.BEFORE_REQUEST)
    assert life.alive
