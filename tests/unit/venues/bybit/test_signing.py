"""Bybit's requests: stock ccxt signs the same, and only what the user allowed is signed at all."""

from decimal import Decimal
from typing import Any

import ccxt.async_support as stock
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, ManualClock
from arb.venues.bybit.signing import GuardedBybit
from arb.venues.kit.call import Call
from arb.venues.kit.rules.guard import SigningGuard, SigningRefused

NOW_MS = 1_700_000_000_123
KEY = {"apiKey": "key", "secret": "secret"}
ORDER: dict[str, Any] = {
    "category": "spot",
    "symbol": "BTCUSDT",
    "side": "Buy",
    "orderType": "Limit",
    "qty": "0.01",
    "price": "30000",
    "timeInForce": "IOC",
    "orderLinkId": "arb1",
    "isLeverage": 0,
}


def a_venue(**changes: Any) -> GuardedBybit:
    clock = ManualClock(NOW_MS * NS_PER_MS)
    limits: dict[str, Any] = {
        "hosts": ["api.bybit.com"],
        "symbols": ["BTC/USDT"],
        "max_order_value_quote": Decimal(1000),
        "max_orders_per_minute": 10**6,
    }
    guard = SigningGuard(venue="bybit", clock=clock, **limits | changes)
    guard.value_sales(lambda _: Decimal(30_000))
    return GuardedBybit(clock, guard, dict(KEY))


def a_call(method: str, path: str, params: dict[str, Any], expires_ms: int | None = None, api: str = "private") -> Call:
    expires_ns = None if expires_ms is None else expires_ms * NS_PER_MS
    return Call(scope="", api=(api,), method=method, path=path, params=params, expires_ns=expires_ns)


def placed(params: dict[str, Any]) -> Call:
    return a_call("POST", "v5/order/create", params)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"symbol": "ETHUSDT"}, "guard_symbol"),
        ({"qty": "0.04"}, "guard_value"),
        ({"price": None}, "guard_value"),
        ({"qty": "0.04", "price": "1", "side": "Sell"}, "guard_value"),
        ({"category": "linear"}, "guard_parameter"),
        ({"orderType": "Market"}, "guard_parameter"),
        ({"isLeverage": 1}, "guard_parameter"),
        ({"rpiTakerAccess": True}, "guard_parameter"),
        ({"stopLoss": "1"}, "guard_parameter"),
    ],
)
def test_orders_the_user_did_not_allow_are_not_signed(change: dict[str, Any], code: str) -> None:
    with pytest.raises(SigningRefused) as refused:
        a_venue().signed(placed(ORDER | change))
    assert refused.value.code == code


@pytest.mark.parametrize(
    "path",
    [
        "v5/asset/withdraw/create",
        "v5/asset/transfer/inter-transfer",
        "v5/order/amend",
        "v5/account/set-limit-px-action",
    ],
)
def test_any_other_write_is_not_signed(path: str) -> None:
    with pytest.raises(SigningRefused) as refused:
        a_venue().signed(a_call("POST", path, {}))
    assert refused.value.code == "guard_endpoint"


def test_another_host_gets_no_key() -> None:
    with pytest.raises(SigningRefused, match="allow-list"):
        a_venue(hosts=["example.com"]).signed(a_call("GET", "v5/account/info", {}))


def test_an_order_that_has_expired_is_not_signed() -> None:
    with pytest.raises(SigningRefused) as refused:
        a_venue().signed(a_call("POST", "v5/order/create", ORDER, NOW_MS))
    assert refused.value.code == "guard_expired"


def by_stock(call: Call, window: str = "5000") -> dict[str, Any]:
    """Return what an unmodified ccxt client signs, with its clock stopped at ours."""
    client = stock.bybit(dict(KEY) | {"options": {"recvWindow": window}})
    client.milliseconds = client.nonce = lambda: NOW_MS
    return client.sign(call.path, list(call.api), call.method, dict(call.params))  # type: ignore[no-any-return]


def agree(call: Call, window: str = "5000") -> None:
    request, judge = a_venue().signed(call), by_stock(call, window)
    assert (request.url, request.method, request.body) == (judge["url"].rstrip("?"), judge["method"], judge["body"])
    headers = dict(judge["headers"] or {})
    headers.pop("Referer", None)  # ccxt's broker tag, which is none of ours
    if call.method == "GET":
        headers.pop("Content-Type", None)  # of no body
    assert request.headers == headers


@given(text=st.text("0123456789ABCxyz-_", max_size=36))
def test_an_order_is_signed_as_stock_ccxt_signs_it(text: str) -> None:
    agree(placed(ORDER | {"orderLinkId": text}))


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("v5/order/cancel", {"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "arb1"}),
        ("v5/order/cancel-batch", {"category": "spot", "request": [{"symbol": "BTCUSDT", "orderId": "1"}] * 2}),
    ],
)
def test_cancels_are_signed_as_stock_ccxt_signs_them(path: str, params: dict[str, Any]) -> None:
    agree(a_call("POST", path, params))


@pytest.mark.parametrize(
    "params", [{}, {"category": "spot", "orderLinkId": "arb1"}, {"cursor": "21963%3A1%2C14954%3A1"}]
)
@pytest.mark.parametrize(("api", "path"), [("private", "v5/order/realtime"), ("public", "v5/market/time")])
def test_questions_are_signed_as_stock_ccxt_signs_them(api: str, path: str, params: dict[str, str]) -> None:
    agree(a_call("GET", path, params, api=api))


@pytest.mark.parametrize("left_ms", [1, 900, 20_000])
def test_the_window_of_an_order_is_the_time_left_and_is_signed(left_ms: int) -> None:
    call = a_call("POST", "v5/order/create", ORDER, NOW_MS + left_ms)
    agree(call, str(left_ms))


def test_what_would_end_a_request_early_is_escaped() -> None:
    request = a_venue().signed(a_call("GET", "v5/order/realtime", {"cursor": "a b&c=d#e\r\nf"}))
    assert request.url.endswith("?cursor=a%20b%26c%3Dd%23e%0D%0Af")
