"""What a gateway does with a venue's word on its limits: headers, and the penalty for a low fill ratio."""

import pytest

from arb.core.events import OrderAccepted, OrderRejected
from arb.market.order import Role
from arb.venues.pacing import FILL_RATIO_STOP_S
from tests.unit.venues.test_gateway import DONE, Bench


def limited(code: str) -> tuple[int, bytes, dict[str, str]]:
    text = f'{{"label":"TOO_MANY_REQUESTS","message":"Request Rate limit Exceeded ({code})"}}'
    return 429, text.encode(), {"retry-after": "0"}


@pytest.mark.parametrize("code", ["212", "312"])
def test_a_low_fill_ratio_is_told_and_stops_entries_of_every_symbol_but_not_repairs(code: str) -> None:
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


def test_when_the_venue_has_no_requests_left_for_us_nothing_more_is_sent_into_its_limit() -> None:
    bench = Bench((201, DONE, {"x-gate-ratelimit-requests-remain": "0"}))
    assert isinstance(bench.place(), OrderAccepted)
    refused = bench.place()
    assert isinstance(refused, OrderRejected) and refused.code == "rate_budget"
    assert len(bench.transport.sent) == 1
