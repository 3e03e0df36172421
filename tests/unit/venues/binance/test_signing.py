"""Binance's requests: the document's examples and stock ccxt sign the same, and only what the user allowed is signed at all."""

from base64 import b64decode
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import ccxt.async_support as stock
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, ManualClock
from arb.errors import ConfigError
from arb.venues.binance.signing import GuardedBinance, query_text, sealer_of
from arb.venues.binance.trade import BinanceTrade
from arb.venues.kit.call import Call, RequestError
from arb.venues.kit.order_form import OrderForms
from arb.venues.kit.rules.guard import SigningGuard, SigningRefused
from arb.venues.transport.request import render
from tests.unit.venues.test_dialects import an_order

NOW_MS = 1_499_827_319_559
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
WIDE = "\uff11\uff12\uff13\uff14\uff15\uff16"
"""The document's symbol of characters beyond ASCII."""
ORDER: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "IOC",
    "quantity": "0.01",
    "price": "30000",
    "newClientOrderId": "arb1",
    "newOrderRespType": "FULL",
}


def pem(key: Any, encryption: KeySerializationEncryption | None = None) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    return text.decode()


ED25519 = pem(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def a_venue(secret: str = SECRET, **changes: Any) -> GuardedBinance:
    clock = ManualClock(NOW_MS * NS_PER_MS)
    limits: dict[str, Any] = {
        "hosts": ["api.binance.com"],
        "symbols": ["BTC/USDT"],
        "max_order_value_quote": Decimal(1000),
        "max_orders_per_minute": 10**6,
    }
    guard = SigningGuard(venue="binance", clock=clock, **limits | changes)
    guard.value_sales(lambda _: Decimal(30_000))
    return GuardedBinance(clock, guard, {"apiKey": KEY, "secret": secret}, sealer_of(secret))


def a_call(method: str, path: str, params: dict[str, Any], expires_ms: int | None = None, api: str = "private") -> Call:
    expires_ns = None if expires_ms is None else expires_ms * NS_PER_MS
    return Call(scope="", api=(api,), method=method, path=path, params=params, expires_ns=expires_ns)


def placed(params: dict[str, Any]) -> Call:
    return a_call("POST", "order", params)


# What is refused, first.


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"symbol": "ETHUSDT"}, "guard_symbol"),
        ({"quantity": "0.04"}, "guard_value"),
        ({"price": None}, "guard_value"),
        ({"quantity": 0.01}, "guard_value"),
        ({"quantity": "0.04", "price": "1", "side": "SELL"}, "guard_value"),
        ({"type": "MARKET"}, "guard_parameter"),
        ({"quoteOrderQty": "10"}, "guard_parameter"),
        ({"newOrderRespType": "ACK"}, "guard_parameter"),
        ({"pegPriceType": "PRIMARY_PEG"}, "guard_parameter"),
        ({"stopPrice": "1"}, "guard_parameter"),
    ],
)
def test_orders_the_user_did_not_allow_are_not_signed(change: dict[str, Any], code: str) -> None:
    with pytest.raises(SigningRefused) as refused:
        a_venue().signed(placed(ORDER | change))
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("method", "path", "api"),
    [
        ("POST", "capital/withdraw/apply", "sapi"),
        ("POST", "asset/transfer", "sapi"),
        ("POST", "order", "sapi"),
        ("POST", "order", "fapiPrivate"),
        ("POST", "order", "public"),
        ("DELETE", "openOrders", "private"),
        ("POST", "order/cancelReplace", "private"),
        ("PUT", "order/amend/keepPriority", "private"),
        ("POST", "sor/order", "private"),
    ],
)
def test_any_other_write_is_not_signed(method: str, path: str, api: str) -> None:
    with pytest.raises(SigningRefused) as refused:
        a_venue(hosts=["api.binance.com", "fapi.binance.com"]).signed(a_call(method, path, {}, api=api))
    assert refused.value.code == "guard_endpoint"


def test_another_host_gets_no_key() -> None:
    with pytest.raises(SigningRefused, match="allow-list"):
        a_venue(hosts=["example.com"]).signed(a_call("GET", "account", {}))


def test_an_order_that_has_expired_is_not_signed() -> None:
    with pytest.raises(SigningRefused) as refused:
        a_venue().signed(a_call("POST", "order", ORDER, NOW_MS))
    assert refused.value.code == "guard_expired"


def test_a_number_that_is_not_exact_is_not_sent() -> None:
    with pytest.raises(RequestError, match="limit: a float cannot be sent"):
        a_venue().signed(a_call("GET", "allOrders", {"limit": 1e3}))


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (pem(rsa.generate_private_key(65537, 2048)), "another kind: make an Ed25519 key"),
        (pem(ed25519.Ed25519PrivateKey.generate(), BestAvailableEncryption(b"p")), "not encrypted"),
        (ED25519.replace("M", "-"), "cannot be read"),
    ],
)
def test_a_private_key_that_cannot_sign_is_refused_in_one_line_without_it(secret: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        sealer_of(secret)
    text = str(refused.value)
    assert "\n" not in text and secret.splitlines()[1][:8] not in text


# The document's examples.


def example(symbol: str) -> dict[str, Any]:
    return {"symbol": symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "0.1"}


@pytest.mark.parametrize(
    ("symbol", "signature"),
    [
        ("LTCBTC", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        (WIDE, "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"),
    ],
)
def test_the_documents_hmac_examples_are_signed_alike_once_percent_encoded(symbol: str, signature: str) -> None:
    """The document writes `timestamp` last; the order of parameters is free, and the signature follows it."""
    text = query_text(example(symbol) | {"recvWindow": 5000, "timestamp": NOW_MS})
    assert text.isascii() and sealer_of(SECRET).seal(text.encode()) == signature


def test_the_signature_is_the_last_parameter_and_signs_all_before_it() -> None:
    body = a_venue().signed(placed(ORDER)).body
    assert body is not None
    text, _, signature = body.rpartition("&signature=")
    assert signature == sealer_of(SECRET).seal(text.encode())
    assert dict(parse_qsl(text)) == ORDER | {"timestamp": str(NOW_MS), "recvWindow": "5000"}


@given(text=st.text("0123456789ABCxyz", min_size=1, max_size=36))
def test_an_ed25519_signature_is_base64_and_percent_encoded(text: str) -> None:
    body = a_venue(ED25519).signed(placed(ORDER | {"newClientOrderId": text})).body
    assert body is not None
    signed, _, signature = body.rpartition("&signature=")
    assert not set("+/=") & set(signature)
    [(_, decoded)] = parse_qsl(f"s={signature}")
    public = load_pem_private_key(ED25519.encode(), None).public_key()
    assert isinstance(public, ed25519.Ed25519PublicKey)
    public.verify(b64decode(decoded), signed.encode())  # raises for a wrong one


def test_an_order_by_a_form_is_signed_by_the_private_key_too() -> None:
    venue, form_of = a_venue(ED25519), BinanceTrade(has_key=True).place
    command = msgspec.structs.replace(
        an_order(), price=Decimal(30_000), size=Decimal("0.01"), expires_ns=(NOW_MS + 900) * NS_PER_MS
    )
    form = OrderForms(form_of, venue.order_form).make(command)
    by_form = venue.order(form, command, venue.wall_clock.wall_ns(), venue.wall_clock.monotonic_ns())
    assert by_form == render(venue.signed(form_of(command))).data


def test_a_private_key_may_be_written_in_one_line() -> None:
    one_line = ED25519.strip().replace("\n", "\\n")
    assert sealer_of(one_line).seal(b"text") == sealer_of(ED25519).seal(b"text")


# Stock ccxt.


def by_stock(call: Call, window: int, secret: str) -> dict[str, Any]:
    """Return what an unmodified ccxt client signs, with its clock stopped at ours."""
    client = stock.binance({"apiKey": KEY, "secret": secret, "options": {"recvWindow": window}})
    client.milliseconds = client.nonce = lambda: NOW_MS
    return client.sign(call.path, list(call.api), call.method, dict(call.params))  # type: ignore[no-any-return]


def agree(call: Call, window: int = 5000, secret: str = SECRET) -> None:
    request, judge = a_venue(secret).signed(call), by_stock(call, window, secret)
    assert (request.url, request.method, request.body) == (judge["url"], judge["method"], judge["body"])
    assert request.headers == (judge["headers"] or {})


@given(text=st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=["Cs"]), max_size=36))
def test_an_order_is_signed_as_stock_ccxt_signs_it(text: str) -> None:
    agree(placed(ORDER | {"newClientOrderId": f"a{text}"}))  # for an empty one it makes its own


def test_an_ed25519_key_signs_as_stock_ccxt_does() -> None:
    agree(placed(ORDER), secret=ED25519.strip())


@pytest.mark.parametrize("named", [{"origClientOrderId": "arb1"}, {"orderId": "28"}])
def test_cancels_are_signed_as_stock_ccxt_signs_them(named: dict[str, str]) -> None:
    agree(a_call("DELETE", "order", {"symbol": "BTCUSDT"} | named))


@pytest.mark.parametrize("params", [{"a": "1"}, {"permissions": '["SPOT","MARGIN"]', "symbol": WIDE}])
@pytest.mark.parametrize(
    ("api", "path"), [("private", "allOrders"), ("public", "exchangeInfo"), ("sapi", "account/apiRestrictions")]
)
def test_questions_are_signed_as_stock_ccxt_signs_them(api: str, path: str, params: dict[str, str]) -> None:
    agree(a_call("GET", path, params, api=api))


@pytest.mark.parametrize(("left_ms", "window"), [(1, 1), (900, 900), (59_999, 59_999), (120_000, 60_000)])
def test_the_window_of_an_order_is_the_time_left_and_no_more_than_the_venue_takes(left_ms: int, window: int) -> None:
    agree(a_call("POST", "order", ORDER, NOW_MS + left_ms), window)
