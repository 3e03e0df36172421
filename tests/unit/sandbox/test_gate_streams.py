"""Gate v4's websockets as clients meet them: channels, private pushes, order entry."""

import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any

import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.gate.trade import literal_req_param
from tests.unit.sandbox.bench import Bench, Stream
from tests.unit.sandbox.gate import PAIR, PRIVATE, PUBLIC, gate_bench, gate_order, place


@pytest.fixture
def gate() -> Bench:
    """Return Gate with a still book."""
    return gate_bench()


def hmac_hex(gate: Bench, text: str) -> str:
    """Sign as a client of Gate does."""
    return hmac.new(gate.exchange.profile.secret.encode(), text.encode(), hashlib.sha512).hexdigest()


def subscribe(gate: Bench, stream: Stream, channel: str, payload: list[str], *, private: bool = False) -> list[Any]:
    """Send a subscription and return what arrives within a second."""
    now_s = gate.now_ns // NS_PER_S
    frame: dict[str, Any] = {"time": now_s, "channel": channel, "event": "subscribe", "payload": payload}
    if private:
        sign = hmac_hex(gate, f"channel={channel}&event=subscribe&time={now_s}")
        frame["auth"] = {"method": "api_key", "KEY": gate.exchange.profile.key, "SIGN": sign}
    return stream.send(frame)


def test_a_list_with_one_unknown_pair_fails_as_a_whole(gate: Bench) -> None:
    stream = gate.open("/ws/v4/")
    [answer] = subscribe(gate, stream, "spot.book_ticker", [PAIR, "NO_PAIR"])
    assert (answer["error"]["code"], answer["result"]) == (2, {"status": "fail"})
    gate.set_book([("59000", "1")], [("60010", "1")])
    assert stream.wait() == []


def test_obu_starts_full_continues_without_gap_and_may_not_be_doubled(gate: Bench) -> None:
    stream = gate.open("/ws/v4/")
    ack, full = subscribe(gate, stream, "spot.obu", [f"ob.{PAIR}.50"])
    assert ack["result"] == {"status": "success"}
    assert full["result"]["full"] is True
    assert full["result"]["b"] == [["60000.0", "1.00000"], ["59990.0", "1.00000"]]
    gate.set_book([("60000", "2"), ("59990", "1")], [("60020", "1")])
    [delta] = stream.wait()
    assert delta["result"]["U"] == full["result"]["u"] + 1
    assert delta["result"]["b"] == [["60000.0", "2.00000"]]
    assert delta["result"]["a"] == [["60010.0", "0"]]
    [doubled] = subscribe(gate, stream, "spot.obu", [f"ob.{PAIR}.50"])
    assert doubled["error"]["message"] == f"Alert sub ob.{PAIR}.50"
    stream.send({"time": 1, "channel": "spot.obu", "event": "unsubscribe", "payload": [f"ob.{PAIR}.50"]})
    gate.set_book([("60000", "3")], [("60020", "1")])
    assert stream.wait() == []
    assert len(subscribe(gate, stream, "spot.obu", [f"ob.{PAIR}.50"])) == 2


def test_order_book_update_joins_a_rest_snapshot(gate: Bench) -> None:
    stream = gate.open("/ws/v4/")
    subscribe(gate, stream, "spot.order_book_update", [PAIR, "100ms"])
    snapshot = gate.ask(PUBLIC, "order_book", params={"currency_pair": PAIR, "with_id": "true", "limit": "100"})[1]
    gate.set_book([("60000", "2"), ("59990", "1")], [("60010", "1"), ("60020", "1")])
    [update] = stream.wait()
    assert update["result"]["U"] <= snapshot["id"] + 1 <= update["result"]["u"]


def test_whole_books_tickers_and_trades_are_sent(gate: Bench) -> None:
    stream = gate.open("/ws/v4/")
    _, whole = subscribe(gate, stream, "spot.order_book", [PAIR, "5", "100ms"])
    assert whole["result"]["asks"][0] == ["60010.0", "1.00000"]
    _, best = subscribe(gate, stream, "spot.book_ticker", [PAIR])
    assert (best["result"]["b"], best["result"]["A"]) == ("60000.0", "1.00000")
    _, ticker = subscribe(gate, stream, "spot.tickers", [PAIR])
    assert ticker["result"]["lowest_ask"] == "60010.0"
    subscribe(gate, stream, "spot.trades", [PAIR])
    place(gate, price="60010", amount="0.1", time_in_force="ioc")
    trades = [frame["result"] for frame in stream.wait() if frame["channel"] == "spot.trades"]
    assert [(trade["side"], trade["amount"], trade["price"]) for trade in trades] == [("buy", "0.1", "60010")]


def test_private_channels_need_a_signature_in_the_frame(gate: Bench) -> None:
    stream = gate.open("/ws/v4/")
    [answer] = subscribe(gate, stream, "spot.orders", ["!all"])
    assert answer["error"]["code"] == 4
    [ack] = subscribe(gate, stream, "spot.orders", ["!all"], private=True)
    assert ack["result"] == {"status": "success"}


@pytest.mark.parametrize("suffix", ["", "_v2"])
def test_an_ioc_is_reported_as_put_fill_finish_and_balances(gate: Bench, suffix: str) -> None:
    stream = gate.open("/ws/v4/")
    for channel in (f"spot.orders{suffix}", f"spot.usertrades{suffix}"):
        subscribe(gate, stream, channel, ["!all"], private=True)
    subscribe(gate, stream, "spot.balances", [], private=True)
    _, body = place(gate, price="60010", amount="0.5", time_in_force="ioc")
    frames = stream.wait()
    orders = [f["result"][0] for f in frames if f["channel"] == f"spot.orders{suffix}"]
    assert [row["event"] for row in orders] == ["put", "finish"]
    assert (orders[-1]["id"], orders[-1]["finish_as"], orders[-1]["left"]) == (body["id"], "filled", "0")
    [fill] = [f["result"][0] for f in frames if f["channel"] == f"spot.usertrades{suffix}"]
    assert (fill["order_id"], fill["text"], fill["fee"], fill["fee_currency"]) == (
        body["id"],
        "t-one",
        "0.00045",
        "BTC",
    )
    last = {f["result"][0]["currency"]: f["result"][0] for f in frames if f["channel"] == "spot.balances"}
    assert Decimal(last["BTC"]["available"]) == gate.exchange.balances()["BTC"].free


def log_in(gate: Bench, stream: Stream) -> Any:
    """Log a connection in for order entry."""
    now_s = gate.now_ns // NS_PER_S
    payload = {"req_id": "L", "api_key": gate.exchange.profile.key, "timestamp": str(now_s), "req_param": {}}
    payload["signature"] = hmac_hex(gate, f"api\nspot.login\n{{}}\n{now_s}")
    [answer] = stream.send({"time": now_s, "channel": "spot.login", "event": "api", "payload": payload})
    return answer


def api(stream: Stream, channel: str, param: Any, **more: Any) -> list[Any]:
    """Send an order frame."""
    payload = {"req_id": "R", "req_param": param, **more}
    return stream.send({"time": 1, "channel": channel, "event": "api", "payload": payload})


def test_order_entry_needs_a_login(gate: Bench) -> None:
    stream = gate.open("/ws/v4/")
    [answer] = api(stream, "spot.order_place", gate_order())
    assert (answer["header"]["status"], answer["data"]["errs"]["label"]) == ("401", "AUTHENTICATION_FAILED")
    assert gate.exchange.orders == {}


def test_placing_by_websocket_answers_twice_and_only_the_second_counts(gate: Bench) -> None:
    stream = gate.open("/ws/v4/")
    assert log_in(gate, stream)["data"]["result"]["uid"] == str(gate.exchange.profile.user_id)
    ack, result = api(stream, "spot.order_place", gate_order())
    assert (ack["ack"], result["ack"]) == (True, False)
    placed = result["data"]["result"]
    assert placed["status"] == "open"
    [status] = api(stream, "spot.order_status", {"order_id": placed["id"], "currency_pair": PAIR})
    assert status["data"]["result"]["id"] == placed["id"]
    [cancelled] = api(stream, "spot.order_cancel", {"order_id": placed["id"], "currency_pair": PAIR})
    assert cancelled["data"]["result"]["status"] == "cancelled"
    ack, refused = api(stream, "spot.order_place", gate_order(amount="100"))
    assert (refused["header"]["status"], refused["data"]["errs"]["label"]) == ("400", "BALANCE_NOT_ENOUGH")
    [late] = api(stream, "spot.order_place", gate_order(), req_header={"x-gate-exptime": "1000"})
    assert (late["ack"], late["data"]["errs"]["label"]) == (False, "REQUEST_EXPIRED")


def test_an_expiry_is_looked_at_when_the_frame_is_received_and_not_again(gate: Bench) -> None:
    stream = gate.open("/ws/v4/")
    log_in(gate, stream)
    gate.fault("delayed_request", "place")
    soon = str(gate.now_ns // NS_PER_MS + 100)
    [ack] = api(stream, "spot.order_place", gate_order(), req_header={"x-gate-exptime": soon})
    [result] = stream.wait(3 * NS_PER_S)
    assert (ack["ack"], result["header"]["status"]) == (True, "200")
    assert result["data"]["result"]["create_time_ms"] > int(soon)


def test_the_socket_meters_with_rest_tells_what_is_left_and_leaves_a_zero_out(gate: Bench) -> None:
    stream = gate.open("/ws/v4/")
    log_in(gate, stream)
    gate.world.submit(gate.signed(PRIVATE, "orders", "POST", gate_order()), gate.now_ns)
    for number in range(10):
        payload = {"req_id": f"R{number}", "req_param": gate_order(text=f"t-{number}")}
        frame = {"time": 1, "channel": "spot.order_place", "event": "api", "payload": payload}
        gate.world.receive(stream.session_id, json.dumps(frame), gate.now_ns)
    headers = [answer["header"] for answer in stream.wait() if not answer["ack"]]

    assert sorted(header["status"] for header in headers) == ["200"] * 9 + ["429"]
    left = [header.get("x_gate_ratelimit_requests_remain") for header in headers]
    assert left.count(None) == 2 and set(left) <= {None, 1, 2, 3, 4, 5, 6, 7, 8, 9}
    assert {header["x_gate_ratelimit_limit"] for header in headers} == {10}
    assert all(header["x_gat_ratelimit_reset_timestamp"] for header in headers)


def test_a_batch_of_cancels_by_websocket_answers_for_each_order(gate: Bench) -> None:
    stream = gate.open("/ws/v4/")
    log_in(gate, stream)
    placed = place(gate)[1]
    ids = [{"currency_pair": PAIR, "id": placed["id"]}, {"currency_pair": PAIR, "id": "7"}]
    [answer] = api(stream, "spot.order_cancel_ids", ids)

    assert answer["header"]["status"] == "200"
    assert [(row["succeeded"], row["label"]) for row in answer["data"]["result"]] == [
        (True, ""),
        (False, "ORDER_NOT_FOUND"),
    ]


def test_ping_is_answered_and_garbage_does_not_end_the_connection(gate: Bench) -> None:
    stream = gate.open("/ws/v4/")
    [answer] = stream.send("not json")
    assert answer["error"]["code"] == 1
    [pong] = stream.send({"time": 1, "channel": "spot.ping"})
    assert pong["channel"] == "spot.pong"


def test_the_signed_parameter_is_the_literal_text() -> None:
    assert literal_req_param('{"payload":{"req_param": {"b":1,  "a":2}}}') == '{"b":1,  "a":2}'
    assert literal_req_param('{"payload":{}}') == ""
