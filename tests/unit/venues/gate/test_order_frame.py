"""Frames of Gate's order socket: the text that is signed is the text that is sent."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import ccxt
import pytest

from arb.clock import NS_PER_S
from arb.venues.gate.client import Gate
from arb.venues.kit.call import Call
from arb.venues.kit.rules.guard import SigningRefused

MakeGate = Callable[..., Gate]
NOW_S = 1_700_000_000
ORDER = {
    "text": "t-arb-1",
    "currency_pair": "BTC_USDT",
    "type": "limit",
    "side": "buy",
    "amount": "0.001",
    "price": "30000",
}

BATCHED = {
    "symbol": "BTC/USDT",
    "type": "limit",
    "side": "buy",
    "amount": "1",
    "price": "1",
    "params": {"clientOrderId": "a"},
}


def a_call(expires_ns: int | None = None, **changes: Any) -> Call:
    params = ORDER | changes
    return Call(scope="", api=("private", "spot"), method="POST", path="orders", params=params, expires_ns=expires_ns)


def test_an_order_over_the_websocket_passes_the_guard_too(make_gate: MakeGate) -> None:
    with pytest.raises(SigningRefused) as refused:
        make_gate(symbols={"ETH/USDT"}).order_frame("1", "spot.order_place", a_call())
    assert refused.value.code == "guard_symbol"


@pytest.mark.parametrize("channel", ["futures.order_place", "spot.order_amend", "spot.order_cancel_cp"])
def test_other_channels_are_not_signed(make_gate: MakeGate, channel: str) -> None:
    with pytest.raises(SigningRefused, match=channel.replace(".", r"\.")):
        make_gate().order_frame("1", channel, a_call())


@pytest.mark.parametrize("method", ["create_order_ws", "edit_order_ws"])
def test_ccxts_own_methods_place_nothing_over_the_websocket(make_gate: MakeGate, method: str) -> None:
    with pytest.raises(ccxt.NotSupported):
        asyncio.run(getattr(make_gate(), method)("BTC/USDT", "limit", "buy", "0.001", "30000", {}))


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("create_orders_ws", ([BATCHED],)),
        ("cancel_order_ws", ("7", "BTC/USDT")),
        ("authenticate", ("wss://api.gateio.ws/ws/v4/", "spot")),
    ],
)
def test_nothing_that_ccxt_would_sign_itself_leaves_over_the_websocket(
    make_gate: MakeGate, method: str, given: tuple[Any, ...]
) -> None:
    gate = make_gate()

    async def run() -> None:
        gate.asyncio_loop = asyncio.get_running_loop()
        await getattr(gate, method)(*given)

    with pytest.raises(ccxt.NotSupported):
        asyncio.run(run())


def test_a_foreign_host_gets_no_websocket(make_gate: MakeGate) -> None:
    with pytest.raises(SigningRefused, match="allow-list"):
        make_gate().client("wss://api.gateio.ws.example/ws/v4/")


def test_a_login_signs_an_empty_parameter_and_sends_none(make_gate: MakeGate) -> None:
    frame = json.loads(make_gate().order_frame("L1", "spot.login", None))
    assert frame == {
        "time": NOW_S,
        "channel": "spot.login",
        "event": "api",
        "payload": {
            "req_id": "L1",
            "api_key": "key",
            "signature": (
                "fda6efd05e40791f1059365daecc597f520349bd009ecaa64454e137d73a181e"
                "6bcdeb466148db04b38adfc8800a2e46ab4e4ac02eee77a8a2a2ece43d6d720c"
            ),
            "timestamp": str(NOW_S),
        },
    }


def test_an_order_is_sent_as_the_very_text_that_was_signed_and_can_expire(make_gate: MakeGate) -> None:
    text = make_gate().order_frame("1", "spot.order_place", a_call((NOW_S + 2) * NS_PER_S))
    payload = json.loads(text)["payload"]
    req_param = text[text.index('"req_param":') + len('"req_param":') : -2]
    assert json.loads(req_param) == payload["req_param"] == ORDER
    signed = f"api\nspot.order_place\n{req_param}\n{NOW_S}"
    assert payload["signature"] == hmac.new(b"secret", signed.encode(), hashlib.sha512).hexdigest()
    assert payload["req_header"] == {"x-gate-exptime": str((NOW_S + 2) * 1000)}


def test_an_order_that_has_expired_is_not_signed(make_gate: MakeGate) -> None:
    with pytest.raises(SigningRefused, match="expired"):
        make_gate().order_frame("1", "spot.order_place", a_call(NOW_S * NS_PER_S))
