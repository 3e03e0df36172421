"""The last check before a signature."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_S, ManualClock
from arb.errors import ConfigError, VenueRejected
from arb.venues.kit.rules.guard import OrderClaim, SigningGuard, SigningRefused, to_decimal, value_of

MINUTE_NS = 60 * NS_PER_S


def a_guard(clock: ManualClock | None = None, **changes: Any) -> SigningGuard:
    settings: dict[str, Any] = {
        "venue": "gate",
        "hosts": ["api.gateio.ws", "127.0.0.1"],
        "symbols": ["BTC/USDT"],
        "max_order_value_quote": Decimal(1000),
        "max_orders_per_minute": 3,
    }
    return SigningGuard(clock=clock or ManualClock(0), **settings | changes)


def claim(value: str | None = "10", symbol: str = "BTC/USDT") -> OrderClaim:
    return OrderClaim(symbol, None if value is None else Decimal(value))


@pytest.mark.parametrize(
    "changes",
    [{"hosts": []}, {"max_order_value_quote": Decimal(0)}, {"max_orders_per_minute": 0}],
)
def test_a_guard_that_guards_nothing_is_a_config_error(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        a_guard(**changes)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.gateio.ws.example/api/v4",
        "https://api.gateio.ws@example.com/api/v4",
        "https://example.com/api.gateio.ws",
        "https://example.com#@api.gateio.ws",
        "http://api.gateio.ws/api/v4",
        "ws://api.gateio.ws/ws/v4/",
        "//api.gateio.ws/api/v4",
        "/api/v4",
        "",
    ],
)
def test_a_strange_or_unencrypted_host_is_refused(url: str) -> None:
    with pytest.raises(SigningRefused) as refused:
        a_guard().check_host(url)
    assert refused.value.code == "guard_host"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.gateio.ws/api/v4",
        "https://API.gateio.ws:443/x",
        "wss://api.gateio.ws/ws/v4/",
        "http://127.0.0.1:8080/api/v4",
        "ws://127.0.0.1:8080/ws/v4/",
    ],
)
def test_an_allowed_host_passes_unencrypted_only_on_this_machine(url: str) -> None:
    guard = a_guard()
    guard.check_host(url)
    guard.check_host(url)


@pytest.mark.parametrize(
    ("refused_claim", "code"),
    [
        (claim(symbol="ETH/USDT"), "guard_symbol"),
        (claim(symbol="BTC_USDT"), "guard_symbol"),
        (claim("1000.00000001"), "guard_value"),
        (claim("0"), "guard_value"),
        (claim("-5"), "guard_value"),
        (claim("NaN"), "guard_value"),
        (claim("Infinity"), "guard_value"),
        (claim(None), "guard_value"),
    ],
)
def test_one_bad_order_refuses_the_batch_and_counts_none_of_it(refused_claim: OrderClaim, code: str) -> None:
    guard = a_guard()
    with pytest.raises(SigningRefused) as refused:
        guard.admit([claim(), refused_claim])
    assert refused.value.code == code
    guard.admit([claim("1000")] * 3)


def test_a_refusal_is_certain_for_whoever_counts_outcomes() -> None:
    assert issubclass(SigningRefused, VenueRejected)


def test_the_minute_slides() -> None:
    clock = ManualClock(0)
    guard = a_guard(clock)
    guard.admit([claim()])
    clock.advance(30 * NS_PER_S)
    guard.admit([claim()] * 2)
    clock.advance(30 * NS_PER_S - 1)
    with pytest.raises(SigningRefused) as refused:
        guard.admit([claim()])
    assert refused.value.code == "guard_rate"
    clock.advance(1)
    guard.admit([claim()])
    with pytest.raises(SigningRefused):
        guard.admit([claim()])


@given(
    steps=st.lists(st.tuples(st.integers(0, 90), st.integers(1, 4)), max_size=40),
    maximum=st.integers(1, 6),
)
def test_no_minute_ever_holds_more_orders_than_allowed(steps: list[tuple[int, int]], maximum: int) -> None:
    clock = ManualClock(0)
    guard = a_guard(clock, max_orders_per_minute=maximum)
    admitted: list[int] = []
    for wait_s, orders in steps:
        clock.advance(wait_s * NS_PER_S)
        now_ns = clock.monotonic_ns()
        fits = sum(now_ns - at_ns < MINUTE_NS for at_ns in admitted) + orders <= maximum
        try:
            guard.admit([claim()] * orders)
        except SigningRefused:
            assert not fits
        else:
            assert fits
            admitted += [now_ns] * orders


def test_values_are_exact_and_floats_have_none() -> None:
    assert value_of("0.00000001", Decimal("12345678901234567890.12345678")) == Decimal("123456789012.3456789012345678")
    assert value_of(0.1, "1") is None
    assert value_of("1", None) is None
    assert [to_decimal(value) for value in (True, "x", 1.5, None)] == [None] * 4


@pytest.mark.parametrize(("size", "price"), [("sNaN", "1"), ("1", "sNaN"), ("Infinity", "0"), ("0", "-Infinity")])
def test_numbers_without_a_product_have_no_value(size: str, price: str) -> None:
    assert value_of(size, price) is None
