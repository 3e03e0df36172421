"""Warm-ups: whole openings, of which nothing can leave, and which change nothing of a run, wherever they fall in it."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import getcontext
from itertools import permutations
from typing import Any

import pytest

from arb.clock import NS_PER_S, Clock, ManualClock
from arb.live.warmup import LATEST_NS, DeadLine, Nowhere, Warmup
from arb.store.journal.intents import intents_of
from arb.venues.books.compiled.loading import is_available
from arb.venues.books.compiled.plans import CompiledPlans
from arb.venues.registry import SPECS
from arb.venues.transport.address import Origin
from arb.venues.transport.http import AnswerLost, NeverSent
from arb.venues.transport.network import SocketEnded
from arb.venues.transport.request import HttpRequest, Outgoing
from proofs.faultsim.disk import Files, temporary_files
from proofs.faultsim.plan import make_plan
from proofs.faultsim.world import Simulation
from tests.virtual import a_clock, run_virtual

VENUES = tuple(spec.name for spec in SPECS)
ROUTES = len(list(permutations(VENUES, 2)))
NOW_NS = 1_800_000_000 * NS_PER_S
ORIGIN = Origin("warm-up.invalid", 443, True, "warm-up.invalid")


def a_warmup(clock: Clock | None = None) -> Warmup:
    """Make one whose time stands still, so that no leg is too late because this machine did."""
    return Warmup(VENUES, ManualClock(NOW_NS) if clock is None else clock, random.Random(1))


def opening(warmup: Warmup) -> int:
    """Run one opening; return how many parts it had."""
    parts = 1
    while not warmup.step():
        parts += 1
    return parts


def test_every_opening_decides_on_a_pair_and_makes_both_its_orders_ready() -> None:
    warmup = a_warmup()
    for count in range(1, 20 * ROUTES):
        parts = opening(warmup)
        assert (warmup.opened, warmup.written) == (count, 2 * count)
        assert parts >= 10, "no part is much of the whole"


@pytest.mark.parametrize("at", [2, 7, 12, 20, 24])
def test_an_opening_that_the_machine_held_up_until_its_orders_had_expired_is_dropped_and_the_next_is_whole(
    at: int,
) -> None:
    clock = ManualClock(NOW_NS)
    warmup = a_warmup(clock)
    complete = [warmup.step() for _ in range(at)]
    clock.advance(10 * NS_PER_S)
    if not complete[-1]:
        opening(warmup)
    before = warmup.opened, warmup.written
    opening(warmup)
    assert (warmup.opened, warmup.written) == (before[0] + 1, before[1] + 2)
    assert warmup.written == 2 * warmup.opened


def test_an_opening_goes_from_a_websockets_frame_through_the_runner_to_a_connection() -> None:
    warmup, passed = a_warmup(), set[str]()
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, _: passed.add(frame.f_code.co_qualname) if event == "call" else None)
    try:
        opening(warmup)
    finally:
        sys.setprofile(before)
    way = ["FrameReader.take", "Runner.on_frame", "Runner.on_read", "Runner._pump", "Runner._take", "Engine.begin",
           "Runner._send", "Placing.enter", "Placing._leave", "DeadLine.write"]  # fmt: skip
    assert [step for step in way if step not in passed] == []


@pytest.mark.skipif(not is_available(), reason="compiled code cannot be had here")
def test_compiled_code_finds_the_plans_of_a_warmup_where_it_does_in_the_run() -> None:
    warmup = Warmup(VENUES, ManualClock(NOW_NS), random.Random(1), compiled=True)
    assert isinstance(warmup._engine.state.books.find_plan, CompiledPlans)
    for _ in range(ROUTES):
        opening(warmup)
    assert warmup.opened == ROUTES


def test_when_time_is_over_it_begins_anew() -> None:
    warmup = a_warmup(ManualClock(LATEST_NS - 2 * 10**9))
    for _ in range(3 * ROUTES):
        opening(warmup)
    assert warmup.opened == 3 * ROUTES


def test_nothing_of_it_reaches_a_socket_or_a_file() -> None:
    warmup = a_warmup()
    seen: list[str] = []
    with audited(seen):
        for _ in range(3 * ROUTES):
            opening(warmup)
    assert warmup.written == 6 * ROUTES
    assert not seen


_LISTENERS: list[list[str]] = []


def _on_audit(event: str, _: tuple[Any, ...]) -> None:
    if _LISTENERS and event.startswith(("socket.", "open", "os.", "subprocess.", "sqlite3.")):
        _LISTENERS[-1].append(event)


@contextmanager
def audited(seen: list[str]) -> Iterator[None]:
    """Note what the interpreter reports of sockets, files and processes."""
    if not hasattr(sys, "_arb_audited"):
        sys.addaudithook(_on_audit)  # for good: there is no way to take one away
        sys._arb_audited = True  # type: ignore[attr-defined]
    _LISTENERS.append(seen)
    try:
        yield
    finally:
        _LISTENERS.pop()


def test_its_network_takes_nothing_and_answers_nothing() -> None:
    async def work() -> None:
        nowhere = Nowhere()
        assert nowhere.http().standing(ORIGIN).write(b"POST / HTTP/1.1\r\n\r\n") is False
        with pytest.raises(NeverSent):
            await nowhere.http().write(Outgoing(ORIGIN, b""), 1)
        with pytest.raises(NeverSent):
            await nowhere.http().send(HttpRequest("GET", "https://warm-up.invalid/", {}), 1)
        with pytest.raises(SocketEnded):
            await nowhere.dial("wss://warm-up.invalid/")
        with pytest.raises(AnswerLost):
            await DeadLine().answer(0, 1)
        await nowhere.close()

    run_virtual(work(), a_clock())


def test_it_leaves_the_arithmetic_of_whoever_calls_it_as_it_was() -> None:
    warmup, before = a_warmup(), getcontext().copy()
    for _ in range(12):
        warmup.step()
        assert repr(getcontext()) == repr(before)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [68_000_000, 68_000_001])
def test_a_run_writes_the_same_byte_for_byte_with_a_warmup_between_any_of_its_calls(seed: int) -> None:
    with temporary_files() as files:
        alone = written(seed, files)
    warmup = a_warmup()
    with temporary_files() as files, stepping(warmup, every=97):
        beside = written(seed, files)
    assert warmup.opened > 100 and warmup.written >= 2 * warmup.opened
    assert beside == alone


def written(seed: int, files: Files) -> tuple[bytes, bytes]:
    """Simulate a seed; return the journal and the intents that its engine has left."""
    Simulation(make_plan(seed), files).run()
    return files.journal.read_bytes(), intents_of(files.journal).read_bytes()


@contextmanager
def stepping(warmup: Warmup, every: int) -> Iterator[None]:
    """Do a step of the warm-up at every so many calls of Python functions, whatever they are in the middle of."""
    calls = 0

    def on_call(_frame: object, event: str, _: object) -> None:
        nonlocal calls
        if event == "call":
            calls += 1
            if calls % every == 0:
                warmup.step()

    before = sys.getprofile()
    sys.setprofile(on_call)
    try:
        yield
    finally:
        sys.setprofile(before)
