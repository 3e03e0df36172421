"""Binance's public streams and its websocket API, as the sandbox plays them in virtual time."""

import base64
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.binance.spec import ROOT
from arb.sandbox.candles import DAY_NS
from arb.sandbox.faults import KINDS, Fault
from tests.unit.sandbox.bench import Bench, Stream
from tests.unit.sandbox.binance import (
    ASKS,
    BIDS,
    IOC,
    ORDER,
    ask,
    binance_bench,
    by_socket,
    place,
    subscribed,
)

API = f"{ROOT}/ws-api/v3"


@pytest.fixture
def binance() -> Bench:
    return binance_bench()


def asked(bench: Bench, stream: Stream, method: str, **params: Any) -> dict[str, Any]:
    """Send a signed request over a websocket and return its answer."""
    [answer] = [frame for frame in stream.send(by_socket(bench, method, **params)) if "id" in frame]
    found: dict[str, Any] = answer
    return found


def events(frames: list[Any], kind: str) -> list[dict[str, Any]]:
    return [frame["event"] for frame in frames if frame.get("event", {}).get("e") == kind]


# -- public streams ----------------------------------------------------------------------------------------------------


def test_a_diff_stream_has_no_snapshot_and_each_frame_follows_the_one_before(binance: Bench) -> None:
    stream = binance.open(f"{ROOT}/stream")
    assert stream.send({"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": 1}) == [
        {"result": None, "id": 1}
    ]

    snapshot = binance.ask(["public"], "depth", params={"symbol": "BTCUSDT"})[1]
    frames: list[Any] = []
    for size in ("0.1", "0.2"):
        binance.set_book([("50001", size), ("49990", "2")], ASKS)
        frames += stream.wait()

    assert {frame["stream"] for frame in frames} == {"btcusdt@depth@100ms"}
    first, second = [frame["data"] for frame in frames]
    assert (first["e"], first["s"], first["b"]) == (
        "depthUpdate",
        "BTCUSDT",
        [["50001.00", "0.10000"], ["50000.00", "0"]],
    )
    assert first["U"] <= snapshot["lastUpdateId"] + 1 <= first["u"]
    assert second["U"] == first["u"] + 1


@pytest.mark.parametrize(
    ("path", "is_wrapped"), [("/stream?streams=btcusdt@bookTicker", True), ("/ws/btcusdt@bookTicker", False)]
)
def test_an_address_may_name_streams_and_tells_their_form(binance: Bench, path: str, is_wrapped: bool) -> None:
    stream = binance.open(ROOT + path)

    [frame] = stream.wait()

    assert ("stream" in frame) is is_wrapped
    quote = frame["data"] if is_wrapped else frame
    assert quote == {"u": quote["u"], "s": "BTCUSDT", "b": "50000.00", "B": "0.50000", "a": "50010.00", "A": "0.02000"}


def test_part_of_a_book_comes_whole_and_trades_tickers_and_candles_follow_an_order(binance: Bench) -> None:
    names = [f"btcusdt@{kind}" for kind in ("depth5@100ms", "trade", "aggTrade", "ticker", "miniTicker", "kline_1m")]
    stream = binance.open(f"{ROOT}/stream")
    stream.send({"method": "SUBSCRIBE", "params": names, "id": "a"})
    place(binance, **IOC)
    found = {frame["stream"]: frame["data"] for frame in stream.wait(2 * NS_PER_S)}

    assert found["btcusdt@depth5@100ms"]["asks"] == [["50010.00", "0.01000"], ["50020.00", "1.00000"]]
    assert (found["btcusdt@trade"]["p"], found["btcusdt@trade"]["m"]) == ("50010.00000000", False)
    assert found["btcusdt@aggTrade"]["q"] == "0.01000000"
    assert (found["btcusdt@ticker"]["c"], found["btcusdt@ticker"]["b"]) == ("50010.00000000", "50000.00")
    assert found["btcusdt@miniTicker"].keys() == {"e", "E", "s", "c", "o", "h", "l", "v", "q"}
    assert found["btcusdt@kline_1m"]["k"]["c"] == "50010.00000000"


def test_an_unknown_name_is_acknowledged_and_never_served(binance: Bench) -> None:
    stream = binance.open(f"{ROOT}/stream")

    assert stream.send({"method": "SUBSCRIBE", "params": ["BTCUSDT@depth", "noneusdt@trade"], "id": 1}) == [
        {"result": None, "id": 1}
    ]
    assert stream.send({"method": "LIST_SUBSCRIPTIONS", "id": 2})[0]["result"] == ["BTCUSDT@depth", "noneusdt@trade"]
    binance.set_book([("50001", "1")], ASKS)
    assert stream.wait() == []


@pytest.mark.parametrize(
    ("frame", "code"), [("gibberish", 3), ({"method": "SHOUT", "id": 1}, 2), ({"method": "SUBSCRIBE", "id": [1]}, 2)]
)
def test_a_wrong_frame_is_refused_and_the_connection_stays(binance: Bench, frame: Any, code: int) -> None:
    stream = binance.open(f"{ROOT}/stream")

    [answer] = stream.send(frame)

    assert (answer["error"]["code"], stream.closed) == (code, False)


def test_a_stream_that_ended_is_sent_no_more(binance: Bench) -> None:
    stream = binance.open(f"{ROOT}/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker")
    stream.wait()
    stream.send({"method": "UNSUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": 1})

    binance.set_book([("50001", "1")], ASKS)

    assert {frame["stream"] for frame in stream.wait()} == {"btcusdt@bookTicker"}


def test_more_than_five_messages_in_a_second_end_the_connection(binance: Bench) -> None:
    stream = binance.open(f"{ROOT}/stream")
    for _ in range(6):
        binance.world.receive(stream.session_id, '{"method":"LIST_SUBSCRIPTIONS","id":1}', binance.now_ns)

    assert len(stream.wait()) == 5
    assert stream.closed


@pytest.mark.parametrize("path", [f"{ROOT}/stream", API])
def test_a_connection_lives_a_day(binance: Bench, path: str) -> None:
    stream = binance.open(path)

    stream.wait(DAY_NS - NS_PER_S)
    assert not stream.closed
    stream.wait(2 * NS_PER_S)
    assert stream.closed


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (f"{ROOT}/stream", lambda event: {"stream": "!serverShutdown", "data": event}),
        (f"{ROOT}/ws/btcusdt@trade", lambda event: event),
        (API, lambda event: {"event": event}),
    ],
)
def test_a_shutdown_is_announced_before_the_connection_ends(binance: Bench, path: str, said: Any) -> None:
    stream = binance.open(path)
    ends = Fault(1, "ws_disconnect", KINDS["ws_disconnect"], "stream", None, 1, None, 5000)
    binance.venue.board.add(ends)
    binance.venue.disturbance.begin(ends)

    [frame] = stream.wait()

    assert frame == said({"e": "serverShutdown", "E": (binance.now_ns - NS_PER_S) // NS_PER_MS})
    assert not stream.closed
    stream.wait(5 * NS_PER_S)
    assert stream.closed


# -- the websocket API -------------------------------------------------------------------------------------------------


def test_a_ping_is_answered_with_the_limits_unless_they_are_unwanted(binance: Bench) -> None:
    stream = binance.open(API)

    [answer] = stream.send({"id": None, "method": "v3/ping"})
    [bare] = stream.send({"id": 7, "method": "ping", "params": {"returnRateLimits": False}})

    assert (answer["id"], answer["status"], answer["result"]) == (None, 200, {})
    assert [(row["rateLimitType"], row["count"]) for row in answer["rateLimits"]] == [
        *[("ORDERS", 0), ("ORDERS", 0)],
        ("REQUEST_WEIGHT", 3),  # the connection weighs 2
    ]
    assert bare == {"id": 7, "status": 200, "result": {}}


@pytest.mark.parametrize(
    ("frame", "code"),
    [("gibberish", -1135), ({"id": 1, "params": []}, -1135), ({"id": 1, "method": "shout"}, -1020)],
)
def test_a_wrong_request_is_refused_and_the_connection_stays(binance: Bench, frame: Any, code: int) -> None:
    stream = binance.open(API)

    frame = frame if isinstance(frame, str) or frame.get("params") != [] else frame | {"params": [1]}
    [answer] = stream.send(frame)

    assert (answer["status"], answer["error"]["code"], stream.closed) == (400, code, False)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"secret": "other"}, 400, -1022),
        ({"apiKey": "other"}, 401, -2015),
        ({"timestamp": 1}, 400, -1021),
        ({"recvWindow": 60_001}, 400, -1131),
    ],
)
def test_a_user_data_stream_wants_the_proof_of_identity(
    binance: Bench, changes: dict[str, Any], status: int, code: int
) -> None:
    answer = asked(binance, binance.open(API), "userDataStream.subscribe.signature", **changes)

    assert (answer["status"], answer["error"]["code"]) == (status, code)


def test_only_one_user_data_stream_is_active_on_a_connection_and_its_end_is_told(binance: Bench) -> None:
    stream = subscribed(binance)
    again = asked(binance, stream, "userDataStream.subscribe.signature")
    [ended, answer] = stream.send({"id": 1, "method": "userDataStream.unsubscribe"})
    [none] = stream.send({"id": 2, "method": "userDataStream.unsubscribe"})

    assert again["error"]["code"] == -2035
    assert ended == {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": ended["event"]["E"]}}
    assert (answer["result"], none["error"]["code"]) == ({}, -2036)
    assert asked(binance, stream, "userDataStream.subscribe.signature")["result"] == {"subscriptionId": 1}


def test_a_logon_is_for_ed25519_keys_and_requests_after_it_are_not_signed(binance: Bench) -> None:
    stream, own = binance.open(API), Ed25519PrivateKey.generate()
    refused = asked(binance, stream, "session.logon")
    pem = own.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    profile = binance.exchange.profile = replace(binance.exchange.profile, public_key=pem)
    stamp = binance.now_ns // NS_PER_MS
    seal = base64.b64encode(own.sign(f"apiKey={profile.key}&timestamp={stamp}".encode())).decode()

    unsigned = {"method": "account.status", "params": {"timestamp": stamp}}
    [before] = stream.send({"id": 1} | unsigned)
    params = {"apiKey": profile.key, "timestamp": stamp, "signature": seal}
    [logged_on] = stream.send({"id": 2, "method": "session.logon", "params": params})
    [after] = stream.send({"id": 3} | unsigned)
    [user] = stream.send({"id": 4, "method": "userDataStream.subscribe"})
    frames = stream.send({"id": 5, "method": "session.logout"})
    [logged_out] = stream.send({"id": 6} | unsigned)

    assert refused["error"] == {"code": -4056, "msg": "HMAC_SHA256 API key is not supported."}
    assert (before["status"], logged_out["status"]) == (400, 400)
    assert (logged_on["result"]["apiKey"], after["status"]) == (profile.key, 200)
    assert user["result"] == {"subscriptionId": 0}
    assert [frame.get("event", {}).get("e") for frame in frames] == ["eventStreamTerminated", None]


def test_orders_may_come_by_the_socket_and_share_all_limits(binance: Bench) -> None:
    stream = binance.open(API)
    wanted = ORDER | {"newClientOrderId": "mine"}

    placed = asked(binance, stream, "order.place", **wanted)
    again = asked(binance, stream, "order.place", **wanted)
    shown = asked(binance, stream, "order.status", symbol="BTCUSDT", origClientOrderId="mine")
    ended = asked(binance, stream, "order.cancel", symbol="BTCUSDT", orderId=placed["result"]["orderId"])

    assert (placed["status"], placed["result"]["status"]) == (200, "NEW")
    assert placed["rateLimits"][0]["count"] == 1
    assert (again["status"], again["error"]["code"]) == (400, -2010)
    assert (shown["result"]["clientOrderId"], ended["result"]["status"]) == ("mine", "CANCELED")
    assert binance.venue.records[-1].over == "websocket"


# -- events ------------------------------------------------------------------------------------------------------------


def test_an_order_is_told_from_new_to_filled_with_each_trade_once(binance: Bench) -> None:
    stream = subscribed(binance)
    answer = place(binance, **IOC | {"quantity": "0.05", "newClientOrderId": "leg"})
    frames = stream.wait()

    reports = events(frames, "executionReport")
    assert {(row["i"], row["c"], row["C"], row["S"], row["f"]) for row in reports} == {
        (answer["orderId"], "leg", "", "BUY", "IOC")
    }
    assert [(row["x"], row["X"]) for row in reports] == [
        ("NEW", "NEW"),
        ("TRADE", "PARTIALLY_FILLED"),
        ("TRADE", "FILLED"),
    ]
    assert [(row["t"], row["l"], row["n"], row["N"]) for row in reports[1:]] == [
        (fill["tradeId"], fill["qty"], fill["commission"], fill["commissionAsset"]) for fill in answer["fills"]
    ]
    assert (reports[0]["t"], reports[0]["n"], reports[0]["N"]) == (-1, "0", None)
    assert Decimal(reports[-1]["Z"]) == Decimal(answer["cummulativeQuoteQty"])
    assert len({row["I"] for row in reports}) == 3
    assert not any(row["m"] for row in reports)
    [position] = events(frames, "outboundAccountPosition")
    held = binance.exchange.account.balances
    assert {row["a"]: Decimal(row["f"]) for row in position["B"]} == {
        asset: held[asset].free for asset in ("BTC", "USDT")
    }


def test_a_cancel_is_told_under_its_own_id_and_an_expiry_with_its_reason(binance: Bench) -> None:
    stream = subscribed(binance)
    resting = place(binance, newClientOrderId="mine")["orderId"]
    ask(binance, "order", "DELETE", symbol="BTCUSDT", orderId=resting, newClientOrderId="ending")
    place(binance, timeInForce="IOC", newClientOrderId="leg")

    reports = [row for row in events(stream.wait(), "executionReport") if row["x"] != "NEW"]
    assert [(row["x"], row["X"], row["c"], row["C"], row.get("eR")) for row in reports] == [
        ("CANCELED", "CANCELED", "ending", "mine", None),
        ("EXPIRED", "EXPIRED", "leg", "", "UNFILLED_IOC_QUANTITY_EXPIRED"),
    ]


def test_a_prevented_self_trade_is_told(binance: Bench) -> None:
    stream = subscribed(binance)
    place(binance, side="SELL", price="50005", newClientOrderId="mine")
    place(binance, **IOC | {"newClientOrderId": "leg"})

    [reported] = [row for row in events(stream.wait(), "executionReport") if row["x"] == "TRADE_PREVENTION"]
    assert (reported["c"], reported["X"], reported["A"], reported["B"]) == (
        "mine",
        "EXPIRED_IN_MATCH",
        "0.01000000",
        "0.01000000",
    )


def test_a_deposit_is_told_as_a_change_and_as_a_position(binance: Bench) -> None:
    stream = subscribed(binance)
    binance.exchange.transfer("USDT", binance.exchange.account.balance("USDT").free + 5, binance.now_ns)
    frames = stream.wait()

    [change], [position] = events(frames, "balanceUpdate"), events(frames, "outboundAccountPosition")
    assert (change["a"], change["d"]) == ("USDT", "5.00000000")
    assert position["B"] == [{"a": "USDT", "f": "400005.00000000", "l": "0.00000000"}]


def test_nothing_is_told_without_a_subscription(binance: Bench) -> None:
    stream = binance.open(API)
    place(binance, **IOC)

    assert stream.wait() == []


def test_books_are_the_same_by_every_way(binance: Bench) -> None:
    stream = binance.open(API)
    [answer] = stream.send({"id": 1, "method": "depth", "params": {"symbol": "BTCUSDT", "limit": 5}})

    assert [[Decimal(price), Decimal(size)] for price, size in answer["result"]["bids"]] == [
        [Decimal(price), Decimal(size)] for price, size in BIDS
    ]
