"""The loop of a run: its turns are counted under their causes, and it can poll instead of wait."""

import asyncio
import random
import socket
import threading
from collections.abc import Callable, Coroutine
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, NS_PER_S, NS_PER_US, SystemClock
from arb.measured_loop import (
    BUSY_PERCENT,
    IDLE_PERCENT,
    IDLE_WORK,
    OTHER,
    WAKING_UP,
    IdlePace,
    Turns,
    measured_loop,
)

CLOCK = SystemClock()


def run(
    work: Callable[[], Coroutine[Any, Any, Any]], turns: Turns, *, spin: bool = False, percent: int = IDLE_PERCENT
) -> Any:
    with asyncio.Runner(loop_factory=measured_loop(CLOCK, turns, spin=spin, idle_percent=percent)) as runner:
        return runner.run(work())


def busy(ns: int) -> None:
    """Hold up the loop for so long."""
    until_ns = CLOCK.monotonic_ns() + ns
    while CLOCK.monotonic_ns() < until_ns:
        pass


def test_a_turn_is_counted_under_what_ran_in_it() -> None:
    turns = Turns()

    async def job() -> str:
        for _ in range(3):
            busy(2 * NS_PER_MS)
            await asyncio.sleep(0.001)
        return "done"

    async def work() -> None:
        assert await turns.named("the job", job()) == "done"
        busy(2 * NS_PER_MS)

    run(work, turns)
    summary = {row["cause"]: row for row in turns.summary()}
    assert summary["the job"]["turns"] >= 3
    assert summary["the job"]["p50_us"] >= 2000
    assert summary["the job"]["max_us"] >= summary["the job"]["p50_us"]
    assert summary[OTHER]["turns"] >= 1
    assert WAKING_UP in summary


def test_what_was_counted_before_it_begins_is_forgotten() -> None:
    turns = Turns()
    turns.took("the start", 10**9)
    turns.begin()
    assert turns.summary() == []


@pytest.mark.parametrize("error", [KeyError("a bug"), asyncio.CancelledError()])
def test_named_work_ends_as_it_would_without_a_name(error: BaseException) -> None:
    turns, seen = Turns(), []

    async def breaks() -> None:
        try:
            await asyncio.sleep(0)
            raise error
        finally:
            seen.append("cleared up")

    async def work() -> None:
        with pytest.raises(type(error)):
            await turns.named("the job", breaks())

    run(work, turns)
    assert seen == ["cleared up"]


def test_named_work_can_be_cancelled_while_it_waits() -> None:
    turns, seen = Turns(), []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def work() -> None:
        async def job() -> None:
            await turns.named("the job", waits())

        task = asyncio.create_task(job())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(work, turns)
    assert seen == ["cancelled"]


@pytest.mark.parametrize("spin", [False, True])
def test_timers_sockets_and_other_threads_wake_it_whether_it_waits_or_polls(spin: bool) -> None:
    async def work() -> list[str]:
        loop, seen = asyncio.get_running_loop(), []
        ours, theirs = socket.socketpair()
        readable, called = asyncio.Event(), asyncio.Event()
        loop.add_reader(ours, readable.set)
        await asyncio.sleep(0.002)
        seen.append("timer")
        theirs.send(b"x")
        await readable.wait()
        loop.remove_reader(ours)
        seen.append("socket")
        thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(called.set))
        thread.start()
        await called.wait()
        seen.append("thread")
        thread.join()
        ours.close()
        theirs.close()
        return seen

    assert run(work, Turns(), spin=spin) == ["timer", "socket", "thread"]


class Idle:
    """Idle work in rounds of three parts, each of which holds the loop up for `part_ns`."""

    def __init__(self, part_ns: int) -> None:
        self.part_ns, self.parts, self.rounds = part_ns, 0, 0
        self.at: Callable[[], object] = int

    def __call__(self) -> bool:
        busy(self.part_ns)
        self.parts += 1
        self.at()
        self.rounds += self.parts % 3 == 0
        return self.parts % 3 == 0


@pytest.mark.parametrize("spin", [False, True])
def test_idle_work_is_done_while_nothing_is_ready_and_is_measured_by_its_parts(spin: bool) -> None:
    turns, idle = Turns(), Idle(100_000)
    turns.idle_work = idle

    async def work() -> None:
        while idle.rounds < 2:  # noqa: ASYNC110 - a loop is idle between timers
            await asyncio.sleep(0.01)

    run(work, turns, spin=spin)
    (row,) = (row for row in turns.summary() if row["cause"] == IDLE_WORK)
    assert row["turns"] == idle.parts


class Forgotten:
    """Idle work in rounds of one part, which take `took_ns`, a quarter of that right after another: caches forget quickly."""

    def __init__(self, took_ns: int) -> None:
        self.took_ns, self.worked_ns, self.ended_ns = took_ns, 0, CLOCK.monotonic_ns() + NS_PER_S  # the first is quick

    def __call__(self) -> bool:
        rested = CLOCK.monotonic_ns() - self.ended_ns > NS_PER_MS // 10
        took_ns = self.took_ns if rested else self.took_ns // 4
        busy(took_ns)
        self.worked_ns += took_ns
        self.ended_ns = CLOCK.monotonic_ns()
        return True


@pytest.mark.parametrize("percent", [3, IDLE_PERCENT])
@pytest.mark.parametrize("took_us", [240, 450, 600])
def test_idle_work_takes_little_of_a_loop_that_waits(took_us: int, percent: int) -> None:
    """However far the rest that its share leaves is from whole milliseconds, which are all that can be waited for."""
    turns, idle = Turns(), Forgotten(took_us * NS_PER_US)
    turns.idle_work = idle

    async def work() -> None:
        await asyncio.sleep(0.5)

    began_ns = CLOCK.monotonic_ns()
    run(work, turns, percent=percent)
    passed_ns = CLOCK.monotonic_ns() - began_ns
    # By what its rounds take at least, since a machine may stand still within one; and one round before its pause is known, and
    # one in fifty that follows at once.
    assert idle.worked_ns <= passed_ns * percent / 100 * 51 / 50 + 2 * idle.took_ns


def rounds_where(caches_keep_ns: float, *, seed: int = 0) -> tuple[float, float]:
    """Return the median of what rounds take, in times of the quick ones, and the share of a processor that they take.

    What a round touches is gone from the caches after so long, little by little, and then takes four times as long.
    """
    pace, rng, rest_ns, quick_ns = IdlePace(lambda: 0.5), random.Random(seed), 0, 250_000
    taken, rested = list[int](), list[int]()
    for _ in range(3_000):
        cold = min(1.0, rest_ns / caches_keep_ns)
        taken.append(int(quick_ns * (1 + 3 * cold) * rng.uniform(1, 1.2) * (3 if rng.random() < 0.03 else 1)))
        rest_ns = pace.rest_ns(taken[-1], complete=True)
        rested.append(rest_ns)
    taken, rested = taken[500:], rested[500:]
    return median(taken) / quick_ns, sum(taken) / (sum(taken) + sum(rested))


def test_where_caches_forget_within_milliseconds_idle_work_comes_as_often_as_it_may() -> None:
    slower, share = rounds_where(10 * NS_PER_MS)
    assert slower < 2, "after the rest that a tenth of a processor leaves they would take almost four times as long"
    assert 0.2 < share < (IDLE_PERCENT + 2) / 100


def test_where_caches_keep_what_they_hold_idle_work_is_seldom() -> None:
    _, share = rounds_where(10**9)
    assert share < 0.03


def test_idle_work_that_is_slow_at_the_start_alone_is_soon_as_often_as_it_may_be() -> None:
    pace = IdlePace(lambda: 0.5)
    rests = [pace.rest_ns(10 * NS_PER_MS, complete=True) for _ in range(60)]  # a busy machine
    rests = [pace.rest_ns(NS_PER_MS // 4, complete=True) for _ in range(3_000)]
    assert max(rests) == IdlePace.REST_NS_MAX


def test_idle_work_that_becomes_more_is_not_taken_for_cold_for_ever() -> None:
    pace = IdlePace(lambda: 0.5)
    for took_ns in (NS_PER_MS // 4, NS_PER_MS // 2):
        rests = [pace.rest_ns(took_ns, complete=True) for _ in range(3_000)]
        assert max(rests[-100:]) == IdlePace.REST_NS_MAX


@pytest.mark.parametrize("most", [3, IDLE_PERCENT])
def test_idle_work_gives_way_where_others_want_every_processor_and_comes_back_when_they_do_not(most: int) -> None:
    loads = iter([0.9, 1.1, 0.9])
    pace = IdlePace(lambda: next(loads), most)
    rests = [pace.rest_ns(10 * NS_PER_MS, complete=True) for _ in range(150)]
    for begin, percent in ((0, most), (50, min(most, BUSY_PERCENT)), (100, most)):
        *within, at_once = rests[begin : begin + 50]
        assert set(within) == {10 * NS_PER_MS * (100 - percent) // percent} and at_once == 0


def test_a_part_of_a_round_says_nothing_about_caches() -> None:
    pace = IdlePace(lambda: 0.5)
    before_ns = [pace.rest_ns(NS_PER_MS // 4, complete=True) for _ in range(10)][-1]
    assert {pace.rest_ns(0, complete=False) for _ in range(200)} == {before_ns}


@given(st.lists(st.tuples(st.integers(0, 10**9), st.booleans()), max_size=200))
def test_idle_work_never_rests_for_longer_than_its_bound_or_its_share_asks(rounds: list[tuple[int, bool]]) -> None:
    pace = IdlePace(lambda: 0.5)
    for took_ns, complete in rounds:
        share_ns = took_ns * (100 - IDLE_PERCENT) // IDLE_PERCENT
        rest_ns = pace.rest_ns(took_ns, complete=complete)
        assert rest_ns <= max(IdlePace.REST_NS_MAX, share_ns)
        assert complete or rest_ns >= share_ns, "only a whole round is followed at once"


@pytest.mark.parametrize("spin", [False, True])
def test_what_becomes_ready_during_a_part_is_taken_before_the_next_one(spin: bool) -> None:
    turns, idle = Turns(), Idle(0)

    async def work() -> None:
        loop, (ours, theirs) = asyncio.get_running_loop(), socket.socketpair()
        read = loop.create_future()

        def take() -> None:
            loop.remove_reader(theirs)
            read.set_result(idle.parts)

        def write() -> None:
            idle.at = int
            sent.append(idle.parts)
            ours.send(b"x")

        sent: list[int] = []
        loop.add_reader(theirs, take)
        idle.at = write
        turns.idle_work = idle
        with ours, theirs:
            assert await read == sent[0], "not another part after the bytes came"

    run(work, turns, spin=spin)


@pytest.mark.parametrize("spin", [False, True])
def test_timers_come_first_and_a_loop_with_something_to_do_does_no_idle_work(spin: bool) -> None:
    turns, idle = Turns(), Idle(0)

    async def work() -> None:
        for _ in range(100):
            await asyncio.sleep(0)

    turns.idle_work = idle
    run(work, turns, spin=spin)
    assert idle.parts == 0


@pytest.mark.parametrize("spin", [False, True])
def test_idle_work_that_breaks_is_done_no_more_and_the_loop_goes_on(spin: bool) -> None:
    turns, seen = Turns(), list[str]()

    def breaks() -> bool:
        seen.append("broke")
        raise KeyError("a bug")

    turns.idle_work = breaks
    run(lambda: asyncio.sleep(0.02), turns, spin=spin)
    assert seen == ["broke"]
    assert turns.idle_work is None
