"""Requests of OKX and Bitget: stock ccxt signs the same, to the byte (url, body, headers), but for its broker tag."""

from decimal import Decimal
from typing import Any

import ccxt.async_support as stock
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, ManualClock
from arb.venues.bitget.signing import GuardedBitget, GuardedUnifiedBitget
from arb.venues.kit.call import Call
from arb.venues.kit.header_client import HeaderClient
from arb.venues.kit.rules.guard import SigningGuard, SigningRefused
from arb.venues.okx.signing import GuardedOkx

NOW_MS = 1_700_000_000_123
OKX = {"instId": "BTC-USDT", "tdMode": "cash", "clOrdId": "arb1", "side": "buy", "ordType": "ioc", "px": "3", "sz": "1"}
BITGET = {
    "symbol": "BTCUSDT",
    "side": "buy",
    "orderType": "limit",
    "force": "ioc",
    "price": "3",
    "size": "1",
    "clientOid": "arb1",
}
UNIFIED = {
    "category": "SPOT",
    "symbol": "BTCUSDT",
    "side": "buy",
    "orderType": "limit",
    "timeInForce": "ioc",
    "price": "3",
    "qty": "1",
    "clientOid": "arb1",
}
CASES: list[tuple[type[HeaderClient], str, tuple[str, ...], dict[str, Any]]] = [
    (GuardedOkx, "trade/order", ("private",), OKX),
    (GuardedBitget, "v2/spot/trade/place-order", ("private", "spot"), BITGET),
    (GuardedUnifiedBitget, "v3/trade/place-order", ("private", "uta"), UNIFIED),
]
KEY = {"apiKey": "key", "secret": "secret", "password": "phrase"}


def a_venue(kind: type[HeaderClient], per_minute: int = 10**6) -> HeaderClient:
    clock = ManualClock(NOW_MS * NS_PER_MS)
    guard = SigningGuard(
        venue="v",
        hosts=["www.okx.com", "api.bitget.com"],
        symbols=["BTC/USDT"],
        max_order_value_quote=Decimal(1_000_000),
        max_orders_per_minute=per_minute,
        clock=clock,
    )
    guard.value_sales(lambda _: Decimal(3))
    return kind(clock, guard, dict(KEY))


def by_stock(kind: type[HeaderClient], call: Call) -> dict[str, Any]:
    """Return what an unmodified ccxt client signs, with its clock stopped at ours."""
    client = (stock.okx if kind is GuardedOkx else stock.bitget)(dict(KEY))
    client.milliseconds = client.nonce = lambda: NOW_MS
    params: Any = [dict(item) for item in call.items] or dict(call.params)
    return client.sign(call.path, list(call.api), call.method, params)  # type: ignore[no-any-return]


def agree(kind: type[HeaderClient], call: Call) -> None:
    request, judge = VENUES[kind].signed(call), by_stock(kind, call)
    assert (request.url, request.method, request.body) == (judge["url"], judge["method"], judge["body"])
    headers = dict(judge["headers"] or {})
    headers.pop("X-CHANNEL-API-CODE", None)  # ccxt's broker tag, which is none of ours
    assert request.headers == headers


VENUES = {kind: a_venue(kind) for kind in (GuardedOkx, GuardedBitget, GuardedUnifiedBitget)}


def a_post(path: str, api: tuple[str, ...], params: Any) -> Call:
    batch = isinstance(params, list)
    return Call(
        scope="",
        api=api,
        method="POST",
        path=path,
        params={} if batch else params,
        items=tuple(params) if batch else (),
    )


@pytest.mark.parametrize(("kind", "path", "api", "order"), CASES)
@given(text=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8))
def test_an_order_is_signed_as_stock_ccxt_signs_it(
    kind: type[HeaderClient], path: str, api: tuple[str, ...], order: dict[str, Any], text: str
) -> None:
    agree(kind, a_post(path, api, order | {"clOrdId" if "clOrdId" in order else "clientOid": text}))


@pytest.mark.parametrize(
    ("kind", "path", "api", "params"),
    [
        (GuardedOkx, "trade/cancel-order", ("private",), {"instId": "BTC-USDT", "clOrdId": "arb1"}),
        (GuardedOkx, "trade/cancel-batch-orders", ("private",), [{"instId": "BTC-USDT", "ordId": "1"}] * 2),
        (GuardedOkx, "trade/cancel-all-after", ("private",), {"timeOut": "30"}),
        (GuardedBitget, "v2/spot/trade/cancel-order", ("private", "spot"), {"symbol": "BTCUSDT", "clientOid": "arb1"}),
        (
            GuardedBitget,
            "v2/spot/trade/batch-cancel-order",
            ("private", "spot"),
            {"batchMode": "multiple", "orderList": [{"symbol": "BTCUSDT", "orderId": "1"}]},
        ),
        (GuardedUnifiedBitget, "v3/trade/cancel-order", ("private", "uta"), {"category": "SPOT", "clientOid": "arb1"}),
        (GuardedUnifiedBitget, "v3/trade/cancel-batch", ("private", "uta"), [{"category": "SPOT", "orderId": "1"}] * 2),
        (GuardedUnifiedBitget, "v3/trade/countdown-cancel-all", ("private", "uta"), {"countdown": "30"}),
    ],
)
def test_cancels_are_signed_as_stock_ccxt_signs_them(
    kind: type[HeaderClient], path: str, api: tuple[str, ...], params: Any
) -> None:
    agree(kind, a_post(path, api, params))


@pytest.mark.parametrize(
    ("kind", "path", "api"),
    [
        (GuardedOkx, "trade/fills", ("private",)),
        (GuardedOkx, "public/time", ("public",)),
        (GuardedBitget, "v2/spot/trade/fills", ("private", "spot")),
        (GuardedBitget, "v2/public/time", ("public", "common")),
        (GuardedUnifiedBitget, "v3/trade/fills", ("private", "uta")),
        (GuardedUnifiedBitget, "v2/public/time", ("public", "common")),
    ],
)
@pytest.mark.parametrize("params", [{}, {"after": "7", "instId": "BTC-USDT"}, {"a": "x y", "b": "\u20ac&="}])
def test_questions_are_signed_as_stock_ccxt_signs_them(
    kind: type[HeaderClient], path: str, api: tuple[str, ...], params: dict[str, str]
) -> None:
    agree(kind, Call(scope="", api=api, method="GET", path=path, params=params))


@pytest.mark.parametrize(("kind", "path", "api", "order"), CASES)
def test_orders_are_counted(kind: type[HeaderClient], path: str, api: tuple[str, ...], order: dict[str, Any]) -> None:
    venue = a_venue(kind, per_minute=10)
    for _ in range(10):
        venue.signed(a_post(path, api, order))
    with pytest.raises(SigningRefused) as refused:
        venue.signed(a_post(path, api, order))
    assert refused.value.code == "guard_rate"


def test_an_expiry_leaves_in_okxs_own_time_and_is_not_signed() -> None:
    venue = a_venue(GuardedOkx)
    plain = a_post("trade/order", ("private",), OKX)
    timed = Call(
        scope="", api=plain.api, method="POST", path=plain.path, params=OKX, expires_ns=(NOW_MS + 900) * NS_PER_MS
    )
    assert venue.signed(timed).headers == venue.signed(plain).headers | {"expTime": str(NOW_MS + 900)}
    venue.server_offset_ns = 61_000 * NS_PER_MS
    assert venue.signed(timed).headers["expTime"] == str(NOW_MS + 61_900)


def a_timed_bitget_order(expires_ms: int) -> Call:
    return Call(
        scope="",
        api=("private", "spot"),
        method="POST",
        path="v2/spot/trade/place-order",
        params=BITGET,
        expires_ns=expires_ms * NS_PER_MS,
    )


@pytest.mark.parametrize(("lives_ms", "window"), [(1, "1"), (900, "900"), (60_000, "60000"), (90_000, "60000")])
@pytest.mark.parametrize("offset_ms", [0, 250, -250])
def test_an_expiry_leaves_in_bitgets_signed_body_as_a_window_on_its_clock(
    lives_ms: int, window: str, offset_ms: int
) -> None:
    venue = a_venue(GuardedBitget)
    venue.server_offset_ns = offset_ms * NS_PER_MS
    request = venue.signed(a_timed_bitget_order(NOW_MS + lives_ms))

    sent_ms = str(NOW_MS + offset_ms)
    timed = a_post("v2/spot/trade/place-order", ("private", "spot"), {})
    judge = stock.bitget(dict(KEY))
    judge.milliseconds = judge.nonce = lambda: NOW_MS + offset_ms
    body = BITGET | {"requestTime": sent_ms, "receiveWindow": window}
    signed = judge.sign(timed.path, list(timed.api), "POST", body)
    signed["headers"].pop("X-CHANNEL-API-CODE", None)  # ccxt's broker tag, which is none of ours
    assert (request.body, request.headers) == (signed["body"], signed["headers"])


def test_a_bitget_order_that_has_expired_is_not_signed() -> None:
    with pytest.raises(SigningRefused) as refused:
        a_venue(GuardedBitget).signed(a_timed_bitget_order(NOW_MS))
    assert refused.value.code == "guard_expired"
