"""Pacing under virtual time: never above a budget, entries never wait, the urgent first, a limited scope stands still."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, NS_PER_S, ManualClock
from arb.venues.kit.rules.pacing import (
    FILL_RATIO_STOP_S,
    REGAIN_NS,
    Budget,
    Pacer,
    PacingLimits,
    Priority,
    ScopeThrottler,
)
from arb.venues.registry import SPECS
from arb.venues.transport.retry import requests_left
from tests.virtual import START_NS, a_clock, run_virtual

LIMITS = PacingLimits(
    place=Budget(4, 500, 2), cancel=Budget(2, 100), read=Budget(1, 1000), reads={"GET fast": Budget(5, 1000)}
)


def ms(clock: ManualClock) -> int:
    return (clock.wall_ns() - START_NS) // NS_PER_MS


def try_entry(pacer: Pacer, scope: str) -> bool:
    return pacer.try_entry(scope, pacer._clock.monotonic_ns())


def test_an_entry_is_refused_at_once_when_only_the_reserve_is_left() -> None:
    pacer = Pacer(LIMITS, a_clock())

    assert [try_entry(pacer, "place BTC_USDT") for _ in range(3)] == [True, True, False]
    assert try_entry(pacer, "place ETH_USDT")  # another market has a budget of its own


def test_a_repair_gets_the_reserve_that_entries_left() -> None:
    async def story() -> list[bool]:
        clock_ns = clock.wall_ns()
        got = [try_entry(pacer, "place X") for _ in range(3)]
        got += [await pacer.wait("place X", Priority.REPAIR, 1.0) for _ in range(2)]
        assert clock.wall_ns() == clock_ns  # no waiting so far
        return got

    clock = a_clock()
    pacer = Pacer(LIMITS, clock)
    assert run_virtual(story(), clock) == [True, True, False, True, True]


def test_a_repair_waits_for_the_window_and_an_entry_does_not_overtake_it() -> None:
    async def story() -> int:
        for _ in range(4):
            assert await pacer.wait("place X", Priority.REPAIR, 1.0)
        waiting = asyncio.create_task(pacer.wait("place X", Priority.REPAIR, 1.0))
        await asyncio.sleep(0)
        assert not try_entry(pacer, "place X")
        assert await waiting
        return ms(clock)

    clock = a_clock()
    pacer = Pacer(LIMITS, clock)
    assert 500 <= run_virtual(story(), clock) <= 502


def test_the_most_urgent_waiter_goes_first() -> None:
    async def story() -> list[str]:
        order: list[str] = []

        async def wait(name: str, priority: int) -> None:
            assert await scope.acquire(priority)
            order.append(name)

        await scope.acquire()
        waiters = [("read", Priority.READ), ("look", Priority.QUERY), ("repair", Priority.REPAIR), ("cancel", 1)]
        await asyncio.gather(*(wait(*waiter) for waiter in waiters))
        return order

    clock = a_clock()
    scope = ScopeThrottler(Budget(1, 100), clock)
    assert run_virtual(story(), clock) == ["repair", "cancel", "look", "read"]


def test_who_cannot_be_served_in_time_is_reported_without_waiting() -> None:
    async def story() -> tuple[bool, int]:
        await pacer.wait("GET slow", Priority.READ, 1.0)
        return await pacer.wait("GET slow", Priority.READ, 0.5), ms(clock)

    clock = a_clock()
    pacer = Pacer(LIMITS, clock)
    assert run_virtual(story(), clock) == (False, 0)


def test_a_scope_that_was_limited_stands_still_for_as_long_as_the_venue_says() -> None:
    async def story() -> int:
        pacer.limited("place X", 3.0)
        assert not try_entry(pacer, "place X")
        assert try_entry(pacer, "place Y")
        assert not await pacer.wait("place X", Priority.REPAIR, 2.0)
        assert await pacer.wait("place X", Priority.REPAIR, 4.0)
        return ms(clock)

    clock = a_clock()
    pacer = Pacer(LIMITS, clock)
    assert 3000 <= run_virtual(story(), clock) <= 3002


def test_without_a_word_from_the_venue_one_window_is_waited_and_a_longer_pause_is_not_shortened() -> None:
    async def story() -> int:
        pacer.limited("GET fast", 5.0)
        pacer.limited("GET fast", None)
        assert await pacer.wait("GET fast", Priority.READ, 10.0)
        return ms(clock)

    clock = a_clock()
    pacer = Pacer(LIMITS, clock)
    assert 5000 <= run_virtual(story(), clock) <= 5002


def test_a_waiter_who_gives_up_leaves_the_queue() -> None:
    async def story() -> bool:
        await scope.acquire()
        waiting = asyncio.create_task(scope.acquire(Priority.REPAIR))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.sleep(0.2)
        return scope.entry_fits(clock.monotonic_ns())

    clock = a_clock()
    scope = ScopeThrottler(Budget(1, 100), clock)
    assert run_virtual(story(), clock)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 8),
    st.integers(10, 1000),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3)), min_size=1, max_size=40),
)
def test_no_window_ever_holds_more_than_its_budget(count: int, window_ms: int, asks: list[tuple[int, int]]) -> None:
    async def ask(after_ms: int, priority: int) -> None:
        await asyncio.sleep(after_ms / 1000)
        assert await scope.acquire(priority)
        taken.append(clock.wall_ns())

    async def story() -> None:
        await asyncio.gather(*(ask(*one) for one in asks))

    clock = a_clock()
    taken: list[int] = []
    scope = ScopeThrottler(Budget(count, window_ms), clock)
    run_virtual(story(), clock)

    assert len(taken) == len(asks)
    for index in range(len(taken) - count):
        assert taken[index + count] - taken[index] >= window_ms * NS_PER_MS


def test_a_budget_must_leave_something() -> None:
    for count, window_ms, reserve in ((0, 1, 0), (1, 0, 0), (2, 10, 2), (2, 10, -1)):
        with pytest.raises(ValueError):
            Budget(count, window_ms, reserve)


PACING = {spec.name: spec.trading.pacing for spec in SPECS}


def test_the_defaults_stay_below_what_the_venues_document() -> None:
    per_second = {name: limits.place.count * 1000 / limits.place.window_ms for name, limits in PACING.items()}

    assert per_second["gate"] < 10
    assert per_second["okx"] < 30
    assert per_second["bitget"] < 10
    assert all(limits.place.reserve > 0 for limits in PACING.values())


def test_after_a_429_a_scope_goes_on_at_half_its_budget_and_regains_it_slot_by_slot() -> None:
    clock = a_clock()
    scope = ScopeThrottler(Budget(8, 500), clock)

    scope.slow_down()
    assert [scope.try_acquire() for _ in range(5)] == [True] * 4 + [False]
    scope.slow_down()
    scope.slow_down()
    scope.slow_down()
    assert scope.allowed() == 1
    for slots in range(2, 9):
        clock.advance(REGAIN_NS)
        assert scope.allowed() == slots
    clock.advance(REGAIN_NS)
    assert scope.allowed() == 8


def test_a_limited_scope_has_no_room_for_entries_before_repairs_have_enough() -> None:
    clock = a_clock()
    pacer = Pacer(LIMITS, clock)
    pacer.limited("place X", 0.0)

    assert not try_entry(pacer, "place X")  # 2 of 4 slots are left, and 2 are kept for repairs
    clock.advance(REGAIN_NS)
    assert try_entry(pacer, "place X")


def test_who_waits_in_a_slowed_scope_waits_for_the_right_slot() -> None:
    async def story() -> int:
        for _ in range(4):
            assert await pacer.wait("place X", Priority.REPAIR, 1.0)
            await asyncio.sleep(0.05)
        pacer.limited("place X", 0.0)
        assert await pacer.wait("place X", Priority.REPAIR, 2.0)
        return ms(clock)

    clock = a_clock()
    pacer = Pacer(LIMITS, clock)
    # Four slots taken at 0, 50, 100 and 150 ms; two are allowed now: the third must have left its window of 500 ms.
    assert 600 <= run_virtual(story(), clock) <= 602


def test_the_venues_own_count_is_believed() -> None:
    async def story() -> int:
        pacer.note_limits("place X", 5)
        assert try_entry(pacer, "place X")
        pacer.note_limits("place X", 1)
        assert not try_entry(pacer, "place X")
        assert await pacer.wait("place X", Priority.REPAIR, 0.0)
        pacer.note_limits("place X", 0)
        assert not await pacer.wait("place X", Priority.REPAIR, 0.4)
        assert await pacer.wait("place X", Priority.REPAIR, 0.6)
        return ms(clock)

    clock = a_clock()
    pacer = Pacer(LIMITS, clock)
    assert 500 <= run_virtual(story(), clock) <= 502


def test_an_allowance_that_is_used_up_is_waited_for_as_long_as_the_venue_says() -> None:
    async def story() -> int:
        pacer.note_limits("place X", 0, 10, 3.0)
        assert not await pacer.wait("place X", Priority.REPAIR, 2.9)
        assert await pacer.wait("place X", Priority.REPAIR, 3.1)
        return ms(clock)

    clock = a_clock()
    pacer = Pacer(LIMITS, clock)
    assert 3000 <= run_virtual(story(), clock) <= 3002


@pytest.mark.parametrize(
    ("budget", "span_s"), [(Budget(4, 500), 0.5), (Budget(4, 500, 0, 10), 1.25), (Budget(9, 500, 0, 200), 2.0)]
)
def test_when_it_does_not_say_its_own_longer_window_is_waited_but_queries_do_not_stand_still(
    budget: Budget, span_s: float
) -> None:
    clock = a_clock()
    pacer = Pacer(PacingLimits(place=budget, cancel=budget, read=budget), clock)

    async def story() -> int:
        pacer.note_limits("GET orders", 0)
        assert await pacer.wait("GET orders", Priority.QUERY, 10.0)
        return ms(clock)

    assert span_s * 1000 <= run_virtual(story(), clock) <= span_s * 1000 + 2


def test_a_limit_below_the_documented_one_lowers_the_budget_until_the_venue_lifts_it() -> None:
    clock = a_clock()
    pacer = Pacer(PacingLimits(place=Budget(4, 500, 0, 10), cancel=Budget(1, 1), read=Budget(1, 1)), clock)

    def room() -> int:
        clock.advance(NS_PER_S)
        return sum(try_entry(pacer, "place X") for _ in range(10))

    note_limits = {10: 4, 5: 2, 2: 1, 1: 1, 0: 1, 100: 4}
    for limit, count in note_limits.items():
        pacer.note_limits("place X", None, limit)
        assert (limit, room()) == (limit, count)


def test_all_placements_together_keep_to_the_accounts_own_limit_and_leave_repairs_its_reserve() -> None:
    limits = PacingLimits(place=Budget(4, 500), cancel=Budget(9, 500), read=Budget(9, 500), account=Budget(6, 500, 2))
    clock = a_clock()
    pacer = Pacer(limits, clock)

    assert [try_entry(pacer, f"place {symbol}") for symbol in "AAABBCD"] == [True] * 4 + [False] * 3

    async def repairs() -> list[bool]:
        return [await pacer.wait(f"place {symbol}", Priority.REPAIR, 0.1) for symbol in "ABC"]

    assert run_virtual(repairs(), clock) == [True, True, False]


def test_when_all_together_were_too_many_every_symbol_stands_still() -> None:
    limits = PacingLimits(place=Budget(4, 500), cancel=Budget(9, 500), read=Budget(9, 500), account=Budget(6, 500))
    clock = a_clock()
    pacer = Pacer(limits, clock)
    pacer.limited("place A", 1.0, account=True)
    assert not try_entry(pacer, "place B")
    clock.advance(NS_PER_S)
    assert [try_entry(pacer, f"place {symbol}") for symbol in "ABCD"] == [True, True, True, False]  # half of six


def test_a_refused_entry_takes_nothing_from_the_accounts_limit() -> None:
    limits = PacingLimits(place=Budget(1, 500), cancel=Budget(9, 500), read=Budget(9, 500), account=Budget(2, 500))
    pacer = Pacer(limits, a_clock())
    assert [try_entry(pacer, "place A") for _ in range(5)] == [True] + [False] * 4
    assert try_entry(pacer, "place B")


def test_a_low_fill_ratio_stops_entries_everywhere_for_an_hour_and_repairs_keep_the_rate_that_is_left() -> None:
    async def story() -> int:
        pacer.penalised()
        assert not try_entry(pacer, "place X") and not try_entry(pacer, "place Y")
        for number in range(10):
            assert await pacer.wait(f"place {number}", Priority.REPAIR, 11.0)
        waited_ms = ms(clock)
        assert await pacer.wait("cancel", Priority.CANCEL, 0.0)  # cancels are metered apart
        await asyncio.sleep(FILL_RATIO_STOP_S)
        assert try_entry(pacer, "place X")
        return waited_ms

    clock = a_clock()
    pacer = Pacer(LIMITS, clock)
    assert 10_000 <= run_virtual(story(), clock) <= 10_010


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({}, None),
        ({"x-gate-ratelimit-requests-remain": "7"}, 7),
        ({"x-gate-ratelimit-requests-remain": "0"}, 0),
        ({"x-bapi-limit-status": "19"}, 19),
        ({"x-gate-ratelimit-requests-remain": "many"}, None),
    ],
)
def test_the_requests_left_are_read_from_headers(headers: dict[str, str], left: int | None) -> None:
    assert requests_left(headers) == left
