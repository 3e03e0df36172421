"""What a venue allows an address: when it says that there is no more, nobody of us asks, whatever and by whatever pacer."""

import asyncio
import json

import pytest

from arb.clock import NS_PER_S
from arb.venues.binance.outcomes import POLICY as BINANCE
from arb.venues.bybit.outcomes import POLICY as BYBIT
from arb.venues.kit.rules.outcome import OutcomePolicy, judge_read
from arb.venues.kit.rules.pacing import AddressAllowance, Budget, Pacer, PacingLimits, Priority
from arb.venues.transport.http import HttpAnswer
from arb.venues.transport.retry import BAN_MAX_S, Trouble
from tests.virtual import START_NS, a_clock, run_virtual

LIMITS = PacingLimits.of_reads(Budget(10, 1000))
TOO_MUCH = json.dumps({"code": -1003, "msg": "Too much request weight used"}).encode()
BANNED = json.dumps({"code": -1003, "msg": "Way too much request weight used; IP banned until 1659146400000."}).encode()


class Bench:
    """Two pacers at one address, as the snapshots and the questions of one venue have."""

    def __init__(self, weight: int = 6000) -> None:
        self.clock = a_clock()
        address = AddressAllowance(weight, self.clock)
        self.snapshots, self.questions = (Pacer(LIMITS, self.clock, address) for _ in range(2))

    def hears(self, policy: OutcomePolicy, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Take an answer to a snapshot's request."""
        now_ns = self.clock.wall_ns()
        verdict = judge_read(policy, HttpAnswer(status, headers, body, now_ns, now_ns), now_ns)
        self.snapshots.obey("snapshots", verdict, headers, now_ns)

    def waited_s(self, pacer: Pacer, timeout_s: float | None = None) -> float | None:
        """Return how long another question waits; None where it is told not to."""

        async def story() -> bool:
            return await pacer.wait("GET time", Priority.READ, timeout_s)

        before_ns = self.clock.monotonic_ns()
        allowed = run_virtual(story(), self.clock)
        return (self.clock.monotonic_ns() - before_ns) / NS_PER_S if allowed else None


@pytest.mark.parametrize(
    ("status", "body", "seconds"), [(429, TOO_MUCH, 7.0), (418, BANNED, 1200.0), (418, b"", 120.0)]
)
def test_a_refusal_of_one_request_stops_all_for_as_long_as_it_says(status: int, body: bytes, seconds: float) -> None:
    bench = Bench()
    bench.hears(BINANCE, status, body, {"retry-after": str(int(seconds))})
    assert bench.waited_s(bench.questions, timeout_s=1.0) is None
    assert bench.waited_s(bench.questions) == pytest.approx(seconds, abs=0.1)


def test_a_ban_may_last_for_days_and_no_longer() -> None:
    for asked_s, obeyed_s in ((2 * 86_400, 2 * 86_400), (30 * 86_400, BAN_MAX_S)):
        answer = HttpAnswer(418, {"retry-after": str(asked_s)}, BANNED, 0, 0)
        assert judge_read(BINANCE, answer, 0).retry_after_s == obeyed_s


def test_with_nine_tenths_of_the_minutes_weight_used_the_next_minute_is_waited_for() -> None:
    bench = Bench()
    rest_s = 60 - START_NS // NS_PER_S % 60
    bench.hears(BINANCE, 200, b"{}", {"x-mbx-used-weight-1m": "5399"})
    assert bench.waited_s(bench.questions) == 0
    bench.hears(BINANCE, 200, b"{}", {"x-mbx-used-weight-1m": "5400"})
    assert bench.waited_s(bench.questions) == pytest.approx(rest_s, abs=0.1)


def test_what_counts_no_weight_is_not_stopped_by_a_header_of_that_name() -> None:
    bench = Bench(weight=0)
    bench.hears(BINANCE, 200, b"{}", {"x-mbx-used-weight-1m": "99999"})
    assert bench.waited_s(bench.questions) == 0


def test_bybit_shuts_an_address_out_for_ten_minutes_and_a_page_about_residence_does_not() -> None:
    bench = Bench(weight=0)
    page = HttpAnswer(403, {}, b"<html>The request could not be satisfied: your country</html>", 0, 0)
    assert judge_read(BYBIT, page, 0).trouble is Trouble.FAULT
    bench.hears(BYBIT, 403, b"403, Access too frequent", {})
    assert bench.waited_s(bench.questions) == pytest.approx(600, abs=0.1)


def test_who_waits_for_a_slot_already_is_stopped_too() -> None:
    bench = Bench()

    async def story() -> int:
        waiting = [asyncio.create_task(bench.snapshots.wait("snapshots", Priority.READ, None)) for _ in range(11)]
        await asyncio.sleep(0.5)
        bench.hears(BINANCE, 429, TOO_MUCH, {"retry-after": "30"})
        await asyncio.gather(*waiting)
        return bench.clock.wall_ns() - START_NS

    assert run_virtual(story(), bench.clock) / NS_PER_S >= 30


def test_a_longer_refusal_that_comes_while_one_waits_is_waited_for_too() -> None:
    bench = Bench()

    async def story() -> int:
        waiting = asyncio.create_task(bench.questions.wait("GET time", Priority.READ, None))
        await asyncio.sleep(2)
        bench.hears(BINANCE, 429, TOO_MUCH, {"retry-after": "60"})
        assert await waiting
        return bench.clock.wall_ns() - START_NS

    bench.hears(BINANCE, 429, TOO_MUCH, {"retry-after": "5"})
    assert run_virtual(story(), bench.clock) / NS_PER_S == pytest.approx(62, abs=0.1)
