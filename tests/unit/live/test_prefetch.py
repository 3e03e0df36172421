"""Prefetches: they go through what a decision would read, in parts, and change nothing of a run, wherever they fall in it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from weakref import WeakKeyDictionary

import pytest

from arb.clock import ManualClock
from arb.core.engine import Engine
from arb.core.strategies.taker_pair.detector import LAST_KEPT, Detector
from arb.live.prefetch import OrderPrefetch, Prefetch
from arb.live.warmup import SYMBOL, Warmup
from arb.measured_loop import in_turn
from arb.store.journal.intents import intents_of
from arb.venues.kit.base import OrderGateway
from arb.venues.kit.gateway import VenueGateway
from proofs.faultsim.disk import Files, temporary_files
from proofs.faultsim.plan import make_plan
from proofs.faultsim.world import Simulation
from tests.unit.live.test_warmup import a_warmup, opening

STARTS, GATEWAY_STARTS = Engine.begin.__code__, VenueGateway.start.__code__


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [68_000_002, 68_000_003, 68_000_005])
def test_a_run_writes_the_same_byte_for_byte_with_prefetch_before_any_of_its_events(seed: int) -> None:
    with temporary_files() as files:
        alone = written(seed, files)
    with temporary_files() as files, glancing() as counted:
        beside = written(seed, files)
    assert min(counted) > 100, "whole symbols were gone through between events"
    assert beside == alone


def written(seed: int, files: Files) -> tuple[bytes, bytes]:
    """Simulate a seed; return the journal and the intents that its engine has left."""
    Simulation(make_plan(seed), files).run()
    return files.journal.read_bytes(), intents_of(files.journal).read_bytes()


@contextmanager
def glancing() -> Iterator[list[int]]:
    """Go through some parts before every event that an engine takes; yield the numbers of those that ended a symbol."""
    counted, known = [0, 0], WeakKeyDictionary[Engine, tuple[Prefetch, OrderPrefetch]]()
    gateways: dict[str, OrderGateway] = {}

    def on_call(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is GATEWAY_STARTS:
            gateways[frame.f_locals["self"].venue] = frame.f_locals["self"]
        if event != "call" or frame.f_code is not STARTS:
            return
        engine, now_ns = frame.f_locals["self"], frame.f_locals["event"].t_ns
        if engine not in known:
            known[engine] = Prefetch(engine, ManualClock(now_ns), list), OrderPrefetch(engine, gateways)
        of_state, of_orders = known[engine]
        of_state._clock = ManualClock(now_ns)
        counted[0] += sum(of_state.step() for _ in range(4))
        counted[1] += sum(of_orders.step() for _ in range(4))

    before = sys.getprofile()
    sys.setprofile(on_call)
    try:
        yield counted
    finally:
        sys.setprofile(before)


def test_the_symbols_judged_last_are_gone_through_a_part_at_a_time() -> None:
    warmup = a_warmup()
    prefetch = Prefetch(warmup._engine, warmup._clock, list)
    judged(warmup)[SYMBOL] = None
    parts = 1
    while not prefetch.step():
        parts += 1
    assert parts > len(warmup._venues), "no part is much of the whole"
    opening(warmup)
    assert not prefetch.step(), "and from the beginning again"


def test_of_the_symbols_judged_only_the_last_few_are_remembered() -> None:
    strategy = a_warmup()._engine.strategy
    assert isinstance(strategy, Detector)
    for count in range(3 * LAST_KEPT):
        strategy._conclude(strategy._look(f"X{count % (2 * LAST_KEPT)}/USDT", 1), 1)
    assert list(strategy.judged_last) == [f"X{count}/USDT" for count in range(LAST_KEPT)]


def judged(warmup: Warmup) -> dict[str, None]:
    strategy = warmup._engine.strategy
    assert isinstance(strategy, Detector)
    return strategy.judged_last


def test_an_engine_that_has_judged_nothing_leaves_nothing_to_look_at() -> None:
    warmup = a_warmup()
    judged(warmup).clear()
    prefetch = Prefetch(warmup._engine, warmup._clock, list)
    assert [prefetch.step() for _ in range(3)] == [True] * 3


def test_what_orders_are_written_with_is_gone_through_venue_by_venue_and_counts_no_order() -> None:
    warmup = a_warmup()
    prefetch = OrderPrefetch(warmup._engine, warmup._gateways)
    judged(warmup)[SYMBOL] = None
    assert [prefetch.step() for _ in range(2 * len(warmup._venues) + 2)] == [
        *[False] * len(warmup._venues),
        True,
    ] * 2
    for gateway in warmup._gateways.values():
        assert len(gateway._writes._forms.made) == 2
        assert not gateway._signer.guard._placed_ns


def test_where_nothing_was_judged_no_order_is_looked_at() -> None:
    warmup = a_warmup()
    judged(warmup).clear()
    prefetch = OrderPrefetch(warmup._engine, warmup._gateways)
    assert [prefetch.step() for _ in range(3)] == [True] * 3


def test_works_take_turns_and_are_complete_with_the_last() -> None:
    log: list[str] = []

    def of(name: str, *ends: bool) -> Iterator[bool]:
        while True:
            for end in ends:
                log.append(name)
                yield end

    first, second = of("a", False, True), of("b", True)
    work = in_turn(lambda: next(first), lambda: next(second))
    assert [work() for _ in range(6)] == [False, False, True] * 2
    assert log == ["a", "a", "b"] * 2
