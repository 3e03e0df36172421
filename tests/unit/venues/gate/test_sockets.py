"""Gate's signed websocket frames: the text is kept where the socket would take it, and answers are handed in."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import ccxt
import ccxt.pro
import pytest

from arb.clock import NS_PER_S
from arb.venues.gate.client import LIVE_WS_URL, Gate
from arb.venues.rules.guard import SigningRefused

MakeGate = Callable[..., Gate]
NOW_S = 1_700_000_000
DONE = {"id": "7", "text": "t-arb-1", "currency_pair": "BTC_USDT", "status": "closed", "finish_as": "filled"}
ORDER = {"currency_pair": "BTC_USDT", "type": "limit", "side": "buy", "amount": "0.001", "price": "30000"}


class Wire:
    """Take the place of a connected ccxt websocket client's socket: keep what is sent, answer at once."""

    def __init__(self, gate: Gate, answers: Callable[[Any], list[Any]]) -> None:
        self.sent: list[str] = []
        self._answers = answers
        self._gate = gate
        self.client = gate.client(LIVE_WS_URL)
        self.client.connected.resolve(LIVE_WS_URL)
        self.client.send = self._send

    async def _send(self, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        self.sent.append(text)
        for frame in self._answers(json.loads(text)):
            self._gate.handle_message(self.client, frame)


def result(request: Any) -> list[Any]:
    """Answer as Gate does: an acknowledgement, then the result, both with the same request id."""
    payload = request["payload"]
    header = {"status": "200", "channel": request["channel"], "event": "api"}
    frame = {"request_id": payload["req_id"], "header": header}
    return [
        {**frame, "ack": True, "data": {"result": payload}},
        {**frame, "ack": False, "data": {"result": {**DONE, "currency_pair": "BTC_USDT"}}},
    ]


def refusal(label: str, status: str = "400") -> Callable[[Any], list[Any]]:
    def answer(request: Any) -> list[Any]:
        if request["channel"].endswith(".login"):
            return result(request)
        header = {"status": status, "channel": request["channel"], "event": "api"}
        errs = {"label": label, "message": "x"}
        return [{"request_id": request["payload"]["req_id"], "header": header, "data": {"errs": errs}}]

    return answer


def talk(gate: Gate, answers: Callable[[Any], list[Any]], call: Callable[[], Any]) -> tuple[Wire, Any]:
    async def run() -> tuple[Wire, Any]:
        gate.asyncio_loop = asyncio.get_running_loop()
        wire = Wire(gate, answers)
        return wire, await call()

    return asyncio.run(run())


def place(gate: Gate, **params: Any) -> Any:
    given = {"clientOrderId": "arb-1", "timeInForce": "IOC", **params}
    return gate.create_order_ws("BTC/USDT", "limit", "buy", "0.001", "30000", given)


def test_an_order_over_the_websocket_passes_the_guard_too(make_gate: MakeGate) -> None:
    gate = make_gate(symbols={"ETH/USDT"})
    with pytest.raises(SigningRefused) as refused:
        talk(gate, result, lambda: place(gate))
    assert refused.value.code == "guard_symbol"


def test_futures_orders_over_the_websocket_are_not_signed(make_gate: MakeGate) -> None:
    with pytest.raises(SigningRefused, match=r"futures\.order_place"):
        make_gate().api_frame("1", "futures.order_place", {"contract": "BTC_USDT", "size": 1})


def test_a_stranger_gets_no_login(make_gate: MakeGate) -> None:
    gate = make_gate()
    with pytest.raises(SigningRefused, match="allow-list"):
        asyncio.run(gate.request_private("wss://api.gateio.ws.example/ws/v4/", {}, "spot.login"))


def test_a_login_signs_an_empty_parameter_and_sends_none(make_gate: MakeGate) -> None:
    frame = json.loads(make_gate().api_frame("L1", "spot.login", {}))
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
    gate = make_gate()
    wire, order = talk(gate, result, lambda: place(gate, expires_ns=(NOW_S + 2) * NS_PER_S))
    assert [json.loads(text)["channel"] for text in wire.sent] == ["spot.login", "spot.order_place"]
    text = wire.sent[1]
    payload = json.loads(text)["payload"]
    req_param = text[text.index('"req_param":') + len('"req_param":') : -2]
    assert json.loads(req_param) == payload["req_param"]
    signed = f"api\nspot.order_place\n{req_param}\n{NOW_S}"
    assert payload["signature"] == hmac.new(b"secret", signed.encode(), hashlib.sha512).hexdigest()
    assert payload["req_header"] == {"x-gate-exptime": str((NOW_S + 2) * 1000)}
    assert (payload["req_param"]["text"], "expires_ns" in payload["req_param"]) == ("t-arb-1", False)
    assert order["status"] == "closed"


def test_nothing_is_kept_of_an_answered_order(make_gate: MakeGate) -> None:
    gate = make_gate()
    wire, _ = talk(gate, result, lambda: asyncio.gather(place(gate), place(gate)))
    assert set(wire.client.subscriptions) == {"authenticated"}


def test_an_unnamed_order_is_not_sent_and_leaves_no_trace_in_default_parameters(make_gate: MakeGate) -> None:
    gate, defaults = make_gate(), ccxt.pro.gate.create_order_ws.__defaults__[-1]
    defaults.clear()  # a stock client of the same process may have left its own
    with pytest.raises(ccxt.ArgumentsRequired, match="clientOrderId"):
        talk(gate, result, lambda: gate.create_order_ws("BTC/USDT", "limit", "buy", "0.001", "30000"))
    assert defaults == {}


@pytest.mark.parametrize(
    ("label", "status", "kind"),
    [
        ("BALANCE_NOT_ENOUGH", "400", ccxt.InsufficientFunds),
        ("TOO_MANY_REQUESTS", "429", ccxt.RateLimitExceeded),
        ("SOMETHING_NEW", "500", ccxt.ExchangeNotAvailable),
        ("INTERNAL_SERVER_ERROR", "400", ccxt.ExchangeNotAvailable),
        ("SERVER_TIMEOUT", "504", ccxt.RequestTimeout),
    ],
)
def test_a_refusal_frame_reaches_the_caller_as_what_it_is(
    make_gate: MakeGate, label: str, status: str, kind: type[Exception]
) -> None:
    gate = make_gate()
    with pytest.raises(kind) as caught:
        talk(gate, refusal(label, status), lambda: place(gate))
    assert type(caught.value) is kind
    assert caught.value.venue_label == label  # type: ignore[attr-defined]


def test_a_private_channel_is_signed_with_the_venues_time(make_gate: MakeGate) -> None:
    gate = make_gate()
    gate.server_offset_ns = 61 * NS_PER_S
    trade = {"id": "5", "order_id": "7", "currency_pair": "BTC_USDT", "side": "buy", "amount": "0.001", "price": "1"}

    def answers(request: Any) -> list[Any]:
        update = {"channel": request["channel"], "event": "update", "result": [{**trade, "create_time_ms": "1"}]}
        return [{**request, "result": {"status": "success"}}, update]

    wire, trades = talk(gate, answers, lambda: gate.watch_my_trades("BTC/USDT"))
    frame = json.loads(wire.sent[0])
    signed = f"channel=spot.usertrades&event=subscribe&time={NOW_S + 61}"
    assert frame["time"] == NOW_S + 61
    assert frame["auth"]["SIGN"] == hmac.new(b"secret", signed.encode(), hashlib.sha512).hexdigest()
    assert frame["payload"] == ["BTC_USDT"]
    assert trades[0]["amount"] == "0.001"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 3, "message": "server"}, ccxt.ExchangeNotAvailable),
        ({"code": 4, "message": '{"label":"REQUEST_EXPIRED","message":"gap"}\n'}, ccxt.InvalidNonce),
        ({"code": 4, "message": '{"label":"INVALID_KEY","message":"x"}\n'}, ccxt.AuthenticationError),
        ({"code": 4, "message": "{not json"}, ccxt.AuthenticationError),
        ({"code": 2, "message": "unknown currency pair"}, ccxt.BadRequest),
    ],
)
def test_a_failed_subscription_reaches_the_watcher(
    make_gate: MakeGate, error: dict[str, Any], kind: type[Exception]
) -> None:
    gate = make_gate()
    with pytest.raises(kind) as caught:
        talk(
            gate,
            lambda request: [{**request, "error": error, "result": None}],
            lambda: gate.watch_my_trades("BTC/USDT"),
        )
    assert type(caught.value) is kind
