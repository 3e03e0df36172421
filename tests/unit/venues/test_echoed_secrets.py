"""A venue that echoes keys, passphrases and signatures: nothing that leaves an adapter, or is printed of it, holds them."""

import base64
import hashlib
import json
import random
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from arb.clock import SystemClock
from arb.errors import VenueError
from arb.masking import SECRETS
from arb.venues.build import GatewayLimits, build_gateway
from arb.venues.kit.answers import answered
from arb.venues.kit.endpoints import Credentials
from arb.venues.kit.gateway import VenueGateway
from arb.venues.kit.rules.outcome import decode_body, error_of, judge_read, judge_write
from arb.venues.kit.spec import VenueSpec
from arb.venues.kit.writes import ReadyFrame
from arb.venues.transport.http import HttpAnswer
from arb.venues.transport.request import Outgoing
from tests.unit.venues.accounts import ACCOUNTS
from tests.unit.venues.kit import private_frames
from tests.unit.venues.kit.test_order_socket_dialects import gate as gate_socket
from tests.unit.venues.kit.test_order_socket_dialects import okx as okx_socket
from tests.unit.venues.test_hostile_text import DIALECTS, MARK, NOW_NS, ORDER, PRIVATE, READS, reader_of

PLANTED = ("d7c2b1e0-55aa-4bcd-9f01-3e5f7a9b1c2d", "a3f1c95d2e7b4068a3f1c95d2e7b4068", 'Hun"ter/22\\ + zwölf')
SIGNATURES = (
    base64.b64encode(hashlib.sha256(b"8").digest()).decode(),
    hashlib.sha512(b"echo").hexdigest(),
)


def pieces(secret: str) -> tuple[str, ...]:
    """Return what would show a secret, whatever escapes stand elsewhere in it: every run of eight letters and digits."""
    runs = "".join(char if char.isascii() and char.isalnum() else " " for char in secret).split()
    return tuple(run[n : n + 8] for run in runs for n in range(len(run) - 7)) or ("Hun", "ter/22", "zw")


SHOWN = tuple(piece for secret in (*PLANTED, *SIGNATURES, "hunter22+horses") for piece in pieces(secret))


def echoes(secret: str) -> list[str]:
    """Return JSON values in which a venue may send it back."""
    every_char = '"' + "".join(f"\\u{ord(char):04x}" for char in secret) + '"'
    return [
        json.dumps(f"Invalid key {secret}, try again"),
        json.dumps(json.dumps({"key": secret})),
        json.dumps({"message": secret}),
        json.dumps("x" * 980 + secret),
        json.dumps(secret).replace("/", "\\/"),
        every_char,
    ]


ECHOED = [value for secret in (*PLANTED, *SIGNATURES) for value in echoes(secret)]


def assert_clean(found: Any) -> None:
    text = found if isinstance(found, str) else msgspec.json.encode(found, enc_hook=repr).decode()
    shown = [piece for piece in SHOWN if piece in text]
    assert not shown, f"{shown[0]} in {text[:500]}"


@pytest.fixture(autouse=True, scope="module")
def _registered() -> None:
    SECRETS.hide(PLANTED)


@pytest.mark.thorough
@pytest.mark.parametrize("venue", sorted(private_frames.MAKERS))
def test_no_event_of_a_private_stream_holds_one(venue: str) -> None:
    for text in (text for name, text in PRIVATE if name == venue):
        for value in ECHOED:
            frame = private_frames.MAKERS[venue]().on_frame(NOW_NS, NOW_NS, text.replace(MARK, value).encode())
            assert_clean([frame.events, frame.refused, [str(one) for one in (*frame.errors, *frame.foreign)]])


@pytest.mark.thorough
@pytest.mark.parametrize(("venue", "name"), sorted({case[:2] for case in READS}))
def test_no_answer_read_holds_one(venue: str, name: str) -> None:
    for text in (text for *case, text in READS if case == [venue, name]):
        for value in ECHOED:
            for status in (200, 400, 503):
                assert_no_echo(venue, name, text, value, status)


def assert_no_echo(venue: str, name: str, text: str, value: str, status: int) -> None:
    raw = text.replace(MARK, value).encode()
    dialect = DIALECTS[venue]()
    dialect.learn({"BTCUSDT": "BTC/USDT"})
    answer = HttpAnswer(status, {}, raw, NOW_NS, NOW_NS)
    read, written = judge_read(dialect.policy, answer, NOW_NS), judge_write(dialect.policy, answer, NOW_NS)
    assert_clean([(verdict.code, verdict.message, str(error_of(venue, verdict))) for verdict in (read, written)])
    assert_clean(answered(dialect, ORDER, answer, written))
    body = decode_body(raw)
    if name == "key_facts" and not (isinstance(body, list) and len(body) == (3 if venue == "gate" else 1)):
        return
    try:
        found = reader_of(dialect, name)(body)
    except VenueError as error:
        assert_clean(str(error))
    else:
        assert_clean(found)


REFUSED_LOGINS = {
    "gate": '{"request_id":"login","header":{"status":"401"},"data":{"errs":{"label":"INVALID_KEY","message":"<here>"}}}',
    "gate, an order": '{"request_id":"r7","header":{"status":"401"},"data":{"errs":{"label":"<here>","message":"m"}}}',
    "gate, a status": '{"request_id":"r7","header":{"status":"<here>"}}',
    "okx": '{"event":"error","code":"60009","msg":"<here>"}',
    "okx, a code": '{"event":"login","code":"<here>","msg":"m"}',
}


@pytest.mark.parametrize("case", sorted(REFUSED_LOGINS))
def test_no_refusal_of_an_order_socket_holds_one(case: str) -> None:
    for value in ECHOED:
        raw = REFUSED_LOGINS[case].replace(MARK, value).encode()
        try:
            frame = gate_socket(raw) if case.startswith("gate") else okx_socket().on_frame(raw)
        except VenueError as error:
            assert_clean(str(error))
        else:
            assert_clean([frame.useless, frame.received])


def gate_echo(*, ack: bool, key: str, signature: str) -> dict[str, Any]:
    """Return what Gate answers to an order on its websocket: the request comes back, its key and signature with it."""
    asked = {"req_id": "r7", "api_key": key, "timestamp": "1729492408", "signature": signature, "text": ""}
    header = {"status": "200", "channel": "spot.order_place", "event": "api", "req_header": asked}
    result = asked | {"req_header": {"X-Gate-Channel-Id": key}, "req_param": {"text": "t-7", "price": "10"}}
    return {"header": header, "data": {"result": result}, "request_id": "r7", "ack": ack}


@pytest.mark.parametrize("signature", SIGNATURES)
def test_nothing_is_kept_of_an_order_that_gates_socket_sends_back_with_its_key(signature: str) -> None:
    key = PLANTED[1]
    receipt = gate_socket(gate_echo(ack=True, key=key, signature=signature))
    assert receipt.received == "r7" and receipt.answer is None
    assert_clean([receipt.received, receipt.useless])
    result = gate_socket(gate_echo(ack=False, key=key, signature=signature)).answer
    assert result is not None and key.encode() in result.body, "the whole answer is there to be judged"
    dialect = DIALECTS["gate"]()
    answer = HttpAnswer(result.status, result.headers, result.body, NOW_NS, NOW_NS)
    verdict = judge_write(dialect.policy, answer, NOW_NS)
    assert_clean([verdict.code, verdict.message, str(error_of("gate", verdict))])
    assert_clean(answered(dialect, ORDER, answer, verdict))
    assert_clean(result.headers)
    login = gate_echo(ack=False, key=key, signature=signature) | {"request_id": "login"}
    assert gate_socket(login).ready
    login["header"]["status"] = "401"
    assert_clean(gate_socket(login).useless)


def gateway(spec: VenueSpec) -> VenueGateway:
    key, secret, _ = PLANTED
    return build_gateway(
        spec,
        spec.production,
        Credentials(key=key, secret=secret, passphrase="hunter22+horses"),
        clock=SystemClock(),
        rng=random.Random(1),
        limits=GatewayLimits(symbols=("BTC/USDT",)),
    )


@pytest.mark.parametrize("spec", ACCOUNTS, ids=lambda spec: spec.name)
def test_nothing_that_is_printed_of_a_request_a_gateway_or_a_client_shows_one(spec: VenueSpec) -> None:
    built = gateway(spec)
    dialect, signer = built._dialect, built._signer
    dialect.learn({dialect.native_symbol("BTC/USDT"): "BTC/USDT"})
    order = msgspec.structs.replace(
        ORDER, venue=spec.name, size=Decimal("0.01"), expires_ns=2 * SystemClock().wall_ns()
    )
    call = dialect.place(order)
    request, form = signer.signed(call), built._writes.form(order)
    ready = built._writes.order(form, order, SystemClock().wall_ns(), SystemClock().monotonic_ns())
    assert isinstance(ready, Outgoing)
    assert PLANTED[0].encode() in ready.data
    shown = [
        built,
        dialect,
        signer,
        request,
        ready,
        form,
        call,
        built._private,
        ReadyFrame("r1", str(request.headers), lambda: ready),
    ]
    for one in shown:
        for text in (repr(one), str(one), f"{one!a}"):
            assert_clean(text)
    assert_clean(repr(Credentials(key=PLANTED[0], secret=PLANTED[1], passphrase=PLANTED[2])))
