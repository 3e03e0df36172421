"""The small tasks that never end, over hours of virtual time."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from arb.core.events import AnyEvent, ClockMeasured, HaltAsked
from arb.errors import StoreError, VenueUnreachable
from arb.live.control import HALT_POLL_S, remove_halt_file, write_halt_file
from arb.live.keepers import CLOCK_EVERY_S, CLOCK_RETRY_S, keep_clock, keep_synced, poll_halt_file
from tests.virtual import a_clock, run_virtual


def for_seconds(seconds: float, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Let a task that never ends live for so long."""

    async def main() -> None:
        try:
            async with asyncio.timeout(seconds):
                await job()
        except TimeoutError:
            return

    run_virtual(main(), a_clock())


class Gateway:
    """A venue whose clock cannot be read now and then."""

    venue = "gate"

    def __init__(self, *good: bool) -> None:
        self.good = list(good)
        self.asked = 0

    async def measure_clock(self) -> ClockMeasured:
        self.asked += 1
        if self.good and not self.good.pop(0):
            raise VenueUnreachable("gate", "no route")
        return ClockMeasured(venue="gate", offset_ns=1, error_ns=1)


def test_a_clock_that_cannot_be_read_is_asked_again_soon() -> None:
    told: list[AnyEvent] = []
    gateway = Gateway(True, False, False, True)
    for_seconds(CLOCK_EVERY_S + 2 * CLOCK_RETRY_S + 1, lambda: keep_clock(gateway, told.append))  # type: ignore[arg-type]
    assert (gateway.asked, len(told)) == (4, 2)


def test_clocks_are_compared_again_and_again() -> None:
    told: list[AnyEvent] = []
    for_seconds(10 * CLOCK_EVERY_S + 1, lambda: keep_clock(Gateway(), told.append))  # type: ignore[arg-type]
    assert len(told) == 11


def test_the_halt_file_is_seen_within_one_look_and_told_once(tmp_path: Path) -> None:
    journal = tmp_path / "a.journal.sqlite"
    told: list[AnyEvent] = []

    async def work() -> None:
        task = asyncio.create_task(poll_halt_file(journal, told.append))
        await asyncio.sleep(10 * HALT_POLL_S)
        assert not told
        write_halt_file(journal, "first")
        await asyncio.sleep(1.5 * HALT_POLL_S)
        assert told == [HaltAsked(reason="first")]
        await asyncio.sleep(10 * HALT_POLL_S)
        assert len(told) == 1
        write_halt_file(journal, "second")
        await asyncio.sleep(1.5 * HALT_POLL_S)
        remove_halt_file(journal)
        await asyncio.sleep(1.5 * HALT_POLL_S)
        write_halt_file(journal, "second")
        await asyncio.sleep(1.5 * HALT_POLL_S)
        assert told == [HaltAsked(reason="first"), HaltAsked(reason="second"), HaltAsked(reason="second")]
        task.cancel()

    run_virtual(work(), a_clock())


def test_a_disk_that_does_not_sync_is_complained_of_once_until_it_does_again() -> None:
    complaints: list[str] = []
    answers = [True, False, False, True, False]
    done = asyncio.Event()

    def sync() -> None:
        if answers and not answers.pop(0):
            raise StoreError("slow disk")

    def complain(cause: str) -> None:
        complaints.append(cause)
        if not answers:
            done.set()

    async def work() -> None:
        task = asyncio.create_task(keep_synced(sync, complain))
        await done.wait()
        task.cancel()

    asyncio.run(work())  # in real time, because a thread takes part
    assert complaints == ["slow disk", "slow disk"]
