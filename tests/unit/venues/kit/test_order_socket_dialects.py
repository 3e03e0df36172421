"""The venues' frames on their order sockets, in the shapes of their documents; and what a batch says of each order."""

import json
from typing import Any

import pytest

from arb.clock import NS_PER_MS
from arb.core.messages.commands import CancelOrder
from arb.errors import VenueProtocolError
from arb.market.order import Outcome
from arb.venues.bitget.dialect import BitgetDialect
from arb.venues.gate.dialect import GateDialect
from arb.venues.gate.order_socket import GateOrderSocket
from arb.venues.gate.outcomes import POLICY as GATE
from arb.venues.kit.call import Call
from arb.venues.kit.dialect import TradeDialect
from arb.venues.kit.order_socket import NOTHING
from arb.venues.kit.rules.guard import SigningRefused
from arb.venues.kit.rules.outcome import VenueReply, Verdict, item_of
from arb.venues.okx.dialect import OkxDialect
from arb.venues.okx.order_socket import OkxOrderSocket

ORDER = Call(
    scope="place X", api=("private",), method="POST", path="trade/order", params={"instId": "BTC-USDT", "sz": "1"}
)


def gate(message: Any) -> Any:
    words = GateOrderSocket(signer=None, url="ws://x/")  # type: ignore[arg-type]
    return words.on_frame(message if isinstance(message, bytes) else json.dumps(message).encode())


def result(**changes: Any) -> dict[str, Any]:
    """Return a result as documented: the receipt's twin, without `ack`."""
    header = {"response_time": "1681195121639", "status": "200", "channel": "spot.order_place", "event": "api"}
    answer = {"request_id": "r7", "header": header, "data": {"result": {"id": "1", "amount": "0.10"}}}
    return answer | changes


def test_gates_receipt_says_received_and_never_more() -> None:
    for data in ({"result": {"req_id": "r7"}}, {"errs": {"label": "INVALID_KEY", "message": ""}}, {}):
        frame = gate(result(ack=True, data=data))
        assert (frame.received, frame.answer) == ("r7", None)


@pytest.mark.parametrize("more", [{}, {"ack": False}])
def test_gates_result_is_the_answer_word_for_word(more: dict[str, Any]) -> None:
    answer = gate(result(**more)).answer
    assert (answer.request_id, answer.status, json.loads(answer.body)) == ("r7", 200, {"id": "1", "amount": "0.10"})


def test_gates_refusal_has_the_form_it_has_over_rest() -> None:
    header = {"status": "400"}
    answer = gate(result(header=header, data={"errs": {"label": "BALANCE_NOT_ENOUGH", "message": "no"}})).answer
    assert (answer.status, json.loads(answer.body)["label"]) == (400, "BALANCE_NOT_ENOUGH")


def test_a_gate_connection_that_is_not_logged_in_any_more_is_of_no_use() -> None:
    frame = gate(
        result(header={"status": "401"}, data={"errs": {"label": "AUTHENTICATION_FAILED", "message": "Not login"}})
    )
    assert frame.answer.status == 401
    assert "Not login" in frame.useless


@pytest.mark.parametrize(
    ("told", "headers"),
    [
        ({"x_gate_ratelimit_limit": 10, "x_gate_ratelimit_requests_remain": 3}, ("10", "3", None)),
        ({"x_gate_ratelimit_limit": 10}, ("10", "0", None)),  # a zero is left out
        ({"x_gate_ratelimit_requests_remain": 3, "x_gat_ratelimit_reset_timestamp": 5}, (None, "3", "5")),
        ({"x_gate_ratelimit_reset_timestamp": 5}, (None, None, "5")),
        ({}, (None, None, None)),
    ],
)
def test_what_gate_reports_the_limit_is_read_by_both_spellings(told: dict[str, Any], headers: tuple[Any, ...]) -> None:
    names = ("limit", "requests-remain", "reset-timestamp")
    answer = gate(result(header={"status": "200"} | told)).answer
    assert tuple(answer.headers.get(f"x-gate-ratelimit-{name}") for name in names) == headers


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        {"request_id": ["r7"]},
        {"request_id": "r7"},
        result(header={"status": "20"}),
        result(data=7),
    ],
)
def test_what_gate_sends_and_nobody_can_read_is_an_error(broken: Any) -> None:
    with pytest.raises(VenueProtocolError):
        gate(broken)


def test_gates_pongs_pass_and_its_closing_notices_end_the_use() -> None:
    assert gate({"time": 1, "channel": "spot.pong", "event": "", "result": None}) == NOTHING
    for shutdown in ({"type": "upgrade"}, {"event": "upgrade"}, {"event": "update", "result": {"type": "upgrade"}}):
        assert gate(shutdown).useless


def test_gates_login_is_taken_or_refused() -> None:
    login = result(request_id="login")
    assert gate(login).ready
    refused = gate(login | {"header": {"status": "401"}, "data": {"errs": {"label": "INVALID_KEY", "message": "x"}}})
    assert "INVALID_KEY" in refused.useless and not refused.ready


class Okx:
    """Signer and numbers of an OKX socket; refuses what it is given a refusal for."""

    guard: Any = None

    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal
        self.admitted: list[tuple[str, Call]] = []

    def admit(self, way: str, call: Call) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.admitted.append((way, call))

    def venue_ms_text(self, instant_ns: int) -> str:
        return str(instant_ns // NS_PER_MS)

    def number_of(self, native_symbol: str) -> int | None:
        return {"BTC-USDT": 17}.get(native_symbol)


def okx(signer: Okx | None = None) -> OkxOrderSocket:
    part: Any = signer or Okx()
    return OkxOrderSocket(part, part, "ws://x/", "k", "s", "p")


def test_an_okx_order_names_its_instrument_by_number_after_the_guard_saw_its_name() -> None:
    signer = Okx()
    timed = Call(
        scope=ORDER.scope, api=(), method="POST", path=ORDER.path, params=ORDER.params, expires_ns=99 * NS_PER_MS
    )
    frame = okx(signer).frame("r1", timed)
    assert frame is not None
    assert json.loads(frame) == {"id": "r1", "op": "order", "args": [{"instIdCode": 17, "sz": "1"}], "expTime": "99"}
    assert signer.admitted == [("WS", timed)]


def test_an_instrument_whose_number_is_not_known_and_other_calls_have_no_frame() -> None:
    other = Call(scope="", api=(), method="POST", path="trade/order", params={"instId": "ETH-USDT"})
    assert okx().frame("r1", other) is None
    assert okx().frame("r1", Call(scope="", api=(), method="POST", path="trade/cancel-all-after", params={})) is None


def test_what_the_guard_refuses_is_not_written() -> None:
    refusal = SigningRefused("okx", "no", code="guard_value")
    with pytest.raises(SigningRefused):
        okx(Okx(refusal)).frame("r1", ORDER)


def test_okx_answers_under_the_id_and_its_errors_name_no_request() -> None:
    raw = b'{"id":"r1","op":"order","data":[{"ordId":"1","sCode":"0"}],"code":"0","msg":""}'
    answer = okx().on_frame(raw).answer
    assert answer is not None and (answer.request_id, answer.status, answer.body) == ("r1", 200, raw)
    assert okx().on_frame(b"pong") == NOTHING
    assert okx().on_frame(b'{"event":"login","code":"0","msg":""}').ready
    for useless in (
        b'{"event":"error","code":"60012","msg":"Illegal"}',
        b'{"event":"notice","code":"64008","msg":"bye"}',
    ):
        assert okx().on_frame(useless).useless
    for broken in (b"{", b"", b"[]", b'{"id":7}'):
        with pytest.raises(VenueProtocolError):
            okx().on_frame(broken)


# What a batch says of each order.


def cancels(count: int) -> list[CancelOrder]:
    return [
        CancelOrder(
            cause=1, venue="", symbol="BTC/USDT", client_order_id=f"arb{n}", venue_order_id=str(n) if n % 2 else None
        )
        for n in range(count)
    ]


@pytest.mark.parametrize(("dialect", "most"), [(GateDialect(), 20), (OkxDialect(), 20), (BitgetDialect(), 50)])
def test_no_batch_is_larger_than_the_venue_takes_and_none_is_forgotten(dialect: TradeDialect, most: int) -> None:
    wanted = cancels(2 * most + 1)
    batches = dialect.cancel_many(wanted)
    assert [len(batch.commands) for batch in batches] == [most, most, 1]
    assert [command for batch in batches for command in batch.commands] == wanted
    assert dialect.cancel_many([]) == ()


def test_each_venue_reports_each_order_in_its_own_way() -> None:
    gate_rows = [
        {"id": "t-arb0", "text": "t-arb0", "succeeded": True, "label": "", "message": ""},
        {"id": "1", "text": "t-arb1", "succeeded": False, "label": "ORDER_CLOSED", "message": "m"},
        {"id": "2", "text": "apiv4"},  # neither yes nor no
    ]
    told = GateDialect().cancelled(gate_rows)
    assert (told["arb0"].code, told["1"].code, told["arb1"].code) == (None, "ORDER_CLOSED", "ORDER_CLOSED")
    assert item_of(GATE, told["2"], Verdict(outcome=Outcome.ACCEPTED))[0] is Outcome.UNKNOWN
    okx_rows = [{"ordId": "", "clOrdId": "arb0", "sCode": "0"}, {"ordId": "1", "clOrdId": "", "sCode": "51402"}]
    assert OkxDialect().cancelled({"data": okx_rows}) == {"arb0": VenueReply(None, ""), "1": VenueReply("51402", "")}
    data = {
        "successList": [{"orderId": "1", "clientOid": "arb1"}],
        "failureList": [{"clientOid": "arb2", "errorCode": "43001"}],
    }
    assert {name: reply.code for name, reply in BitgetDialect().cancelled({"data": data}).items()} == {
        "1": None,
        "arb1": None,
        "arb2": "43001",
    }


@pytest.mark.parametrize(
    ("reply", "whole", "expected"),
    [
        (VenueReply(None, ""), Outcome.UNKNOWN, Outcome.ACCEPTED),
        (VenueReply("ORDER_CLOSED", ""), Outcome.ACCEPTED, Outcome.REJECTED),
        (VenueReply("NEVER_HEARD_OF", ""), Outcome.ACCEPTED, Outcome.UNKNOWN),
        (None, Outcome.ACCEPTED, Outcome.UNKNOWN),  # a 200 that does not mention the order
        (None, Outcome.UNKNOWN, Outcome.UNKNOWN),
        (None, Outcome.REJECTED, Outcome.REJECTED),
    ],
)
def test_an_order_of_a_batch_has_its_own_outcome(reply: VenueReply | None, whole: Outcome, expected: Outcome) -> None:
    assert item_of(GATE, reply, Verdict(outcome=whole, code="x"))[0] is expected
