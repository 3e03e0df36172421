"""Binance's limits as its answers report them: placements by fixed intervals of its clock, and the weight of an address."""

import json

import pytest

from arb.clock import NS_PER_S
from arb.venues.kit.rules.outcome import judge_write
from arb.venues.kit.rules.pacing import AddressAllowance, Pacer, Priority
from arb.venues.registry import spec_of
from arb.venues.transport.http import HttpAnswer
from tests.virtual import START_NS, a_clock, run_virtual

SPEC = spec_of("binance")
PLACED = json.dumps({"symbol": "BTCUSDT", "orderId": 28}).encode()


class Bench:
    def __init__(self) -> None:
        self.clock = a_clock()
        self.pacer = Pacer(SPEC.trading.pacing, self.clock, AddressAllowance(SPEC.weight_per_minute, self.clock))

    def hear(self, status: int, body: bytes, headers: dict[str, str], scope: str = "place") -> None:
        now_ns = self.clock.wall_ns()
        verdict = judge_write(SPEC.outcomes, HttpAnswer(status, headers, body, now_ns, now_ns), now_ns)
        self.pacer.obey(scope, verdict, headers, now_ns)

    def entry(self) -> bool:
        return self.pacer.try_entry("place", self.clock.monotonic_ns())

    def waited_s(self, scope: str, priority: int) -> float:
        before_ns = self.clock.monotonic_ns()
        assert run_virtual(self.pacer.wait(scope, priority, None), self.clock)
        return (self.clock.monotonic_ns() - before_ns) / NS_PER_S

    def repair_s(self) -> float:
        return self.waited_s("place", Priority.REPAIR)


def refused(code: int) -> bytes:
    return json.dumps({"code": code, "msg": "Too many new orders."}).encode()


def left_s(interval_s: int) -> float:
    return interval_s - START_NS // NS_PER_S % interval_s


@pytest.mark.parametrize(("header", "interval_s", "most"), [("10s", 10, 45), ("1d", 86_400, 144_000)])
def test_entries_end_near_the_venues_own_count_and_repairs_do_not(header: str, interval_s: int, most: int) -> None:
    bench = Bench()
    bench.hear(200, PLACED, {f"x-mbx-order-count-{header}": str(most - 1)})
    assert bench.entry()
    bench.hear(200, PLACED, {f"x-mbx-order-count-{header}": str(most)})
    assert not bench.entry() and bench.repair_s() == 0
    bench.clock.advance(int(left_s(interval_s) * NS_PER_S) + 10 * NS_PER_S)
    assert bench.entry()


@pytest.mark.parametrize(("header", "interval_s", "all_of_them"), [("10s", 10, 50), ("1d", 86_400, 160_000)])
def test_with_all_placements_used_repairs_wait_for_the_next_interval_of_the_venues_clock(
    header: str, interval_s: int, all_of_them: int
) -> None:
    bench = Bench()
    bench.hear(200, PLACED, {f"x-mbx-order-count-{header}": str(all_of_them)})
    assert bench.repair_s() == pytest.approx(left_s(interval_s), abs=0.1)


def test_what_a_fill_gives_back_is_not_counted_on() -> None:
    bench = Bench()
    assert [bench.entry() for _ in range(9)] == [True] * 8 + [False]
    bench.hear(200, PLACED, {"x-mbx-order-count-10s": "3"})
    assert not bench.entry()


def test_as_many_placements_as_the_pace_allows_fit_into_an_interval_however_they_arrive() -> None:
    pace, interval = SPEC.trading.pacing.place, SPEC.trading.pacing.counted[0]
    pieces = interval.window_ms // pace.window_ms + 1  # one of them began before the interval, and was late
    assert pieces * pace.count <= interval.count < interval.of


def test_too_many_orders_stop_orders_for_as_long_as_the_venue_asks_and_no_query_or_cancel() -> None:
    bench = Bench()
    bench.hear(429, refused(-1015), {"retry-after": "7"})
    assert not bench.entry()
    assert bench.waited_s("GET order", Priority.QUERY) == 0 and bench.waited_s("cancel", Priority.CANCEL) == 0
    assert bench.repair_s() == pytest.approx(7, abs=0.1)


@pytest.mark.parametrize("status", [429, 418])
def test_too_much_weight_stops_everything_entries_too_for_as_long_as_the_venue_asks(status: int) -> None:
    bench = Bench()
    bench.hear(status, refused(-1003), {"retry-after": "7"}, "GET order")
    assert not bench.entry()
    assert bench.waited_s("cancel", Priority.CANCEL) == pytest.approx(7, abs=0.1)


def test_the_minutes_weight_stops_questions_and_not_orders_and_cancels_which_weigh_nothing() -> None:
    bench = Bench()
    bench.hear(200, PLACED, {"x-mbx-used-weight-1m": "5400"})
    assert bench.entry() and bench.repair_s() == 0 and bench.waited_s("cancel", Priority.CANCEL) == 0
    assert bench.waited_s("GET order", Priority.QUERY) == pytest.approx(left_s(60), abs=0.1)


def test_a_question_at_its_pace_uses_two_fifths_of_the_weight_at_most() -> None:
    assert SPEC.snapshots is not None
    weights = {"order": 4, "openOrders": 6, "allOrders": 20, "myTrades": 20, "account": 20, "account/commission": 20}
    pacing = SPEC.trading.pacing
    for path, weight in weights.items():
        budget = pacing.of(f"GET {path}")
        assert budget.count * 60_000 / budget.window_ms * weight <= SPEC.weight_per_minute * 2 / 5, path
