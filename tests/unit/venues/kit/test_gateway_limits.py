"""What a gateway does with a venue's word on its limits: headers, and the penalty for a low fill ratio."""

import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.events import OrderAccepted, OrderRejected
from arb.errors import VenueBusy
from arb.market.order import Role
from arb.venues.kit.rules.pacing import FILL_RATIO_STOP_S
from tests.unit.venues.kit.test_gateway import DONE, Bench
from tests.virtual import a_clock, run_virtual


def limited(code: str) -> tuple[int, bytes, dict[str, str]]:
    text = f'{{"label":"TOO_MANY_REQUESTS","message":"Request Rate limit Exceeded ({code})"}}'
    return 429, text.encode(), {"retry-after": "0"}


@pytest.mark.parametrize("code", ["212", "312"])
def test_a_low_fill_ratio_is_reported_and_stops_entries_of_every_symbol_but_not_repairs(code: str) -> None:
    bench = Bench(limited(code), DONE)
    answer = bench.place()
    assert isinstance(answer, OrderRejected)
    assert answer.entries_stop_s == FILL_RATIO_STOP_S

    for symbol in ("BTC/USDT", "ETH/USDT"):
        refused = bench.place(symbol=symbol)
        assert isinstance(refused, OrderRejected) and (refused.code, refused.sent_ns) == ("rate_budget", 0)
    assert isinstance(bench.place(role=Role.HEDGE), OrderAccepted)


def test_an_ordinary_limit_is_no_penalty() -> None:
    answer = Bench(limited("211")).place()
    assert isinstance(answer, OrderRejected)
    assert answer.entries_stop_s is None


@pytest.mark.parametrize("reset_s", [-5, 0])
def test_a_limit_whose_reset_is_past_already_still_stops_its_scope_for_a_window(reset_s: int) -> None:
    reset = str(a_clock().wall_ns() // NS_PER_S + reset_s)
    bench = Bench((429, limited("211")[1], {"x-gate-ratelimit-reset-timestamp": reset}), DONE, DONE)
    answer = bench.place()
    assert isinstance(answer, OrderRejected)
    assert answer.retry_after_s is None

    before_ns = bench.clock.wall_ns()
    assert isinstance(bench.place(role=Role.HEDGE), OrderAccepted)
    assert bench.clock.wall_ns() - before_ns >= 490 * NS_PER_MS


def test_reads_that_meet_such_a_limit_back_off() -> None:
    reset = {"x-gate-ratelimit-reset-timestamp": str(a_clock().wall_ns() // NS_PER_S)}
    bench = Bench(*[(429, limited("211")[1], reset)] * 5)
    before_ns = bench.clock.wall_ns()
    with pytest.raises(VenueBusy):
        run_virtual(bench.gateway.balances(), bench.clock)
    assert bench.clock.wall_ns() - before_ns >= 400 * NS_PER_MS


def test_when_the_venue_has_no_requests_left_for_us_nothing_more_is_sent_into_its_limit() -> None:
    bench = Bench((201, DONE, {"x-gate-ratelimit-requests-remain": "0"}))
    assert isinstance(bench.place(), OrderAccepted)
    refused = bench.place()
    assert isinstance(refused, OrderRejected) and refused.code == "rate_budget"
    assert len(bench.transport.sent) == 1
