"""How OKX answers the commands of a websocket: each argument for itself, under the id of the request."""

import hashlib
from typing import Any

import pytest

from tests.unit.sandbox.bench import Bench, Stream

PRIVATE, PUBLIC = "/ws/v5/private", "/ws/v5/public"
BOOK = {"channel": "books", "instId": "BTC-USDT"}


@pytest.fixture
def okx() -> Bench:
    return Bench("okx", small=True)


def answers(stream: Stream, message: dict[str, Any]) -> list[dict[str, Any]]:
    """Send a command and return what is no data."""
    return [frame for frame in stream.send(message) if "event" in frame]


def test_one_bad_argument_drops_none_of_the_others(okx: Bench) -> None:
    wrong = {"channel": "books", "instId": "NONE-USDT"}
    trades = {"channel": "trades", "instId": "BTC-USDT"}

    events = answers(okx.open(PUBLIC), {"op": "subscribe", "args": [BOOK, wrong, trades]})

    assert [(event["event"], event.get("arg")) for event in events] == [
        ("subscribe", BOOK),
        ("error", None),
        ("subscribe", trades),
    ]
    assert events[1]["code"] == "60018"


@pytest.mark.parametrize("op", ["subscribe", "unsubscribe"])
def test_the_id_of_a_request_is_repeated_in_every_answer_to_it(okx: Bench, op: str) -> None:
    stream = okx.open(PUBLIC)

    events = answers(stream, {"id": "a1", "op": op, "args": [BOOK, {"channel": "none"}]})
    unnamed = answers(stream, {"op": "subscribe", "args": [BOOK]})

    assert {event.get("id") for event in events} == {"a1"}
    assert ["id" in event for event in unnamed] == [False]


def test_refusals_repeat_the_id_and_text_that_is_no_command_has_none(okx: Bench) -> None:
    stream = okx.open(PUBLIC)

    [unknown] = answers(stream, {"id": "a1", "op": "dance", "args": [{}]})
    [login] = answers(stream, {"id": "a2", "op": "login", "args": [{}]})
    [bare] = answers(stream, {"id": "a3", "op": "subscribe"})
    [garbage] = [frame for frame in stream.send("{}}") if isinstance(frame, dict)]

    assert [unknown["id"], login["id"], bare["id"]] == ["a1", "a2", "a3"]
    assert "id" not in garbage


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_instrument_counts_as_none_given(okx: Bench, empty: str | None) -> None:
    private = okx.open(PRIVATE)
    signer = okx.signer
    stamp = str(signer.seconds())
    sign = signer.hmac(f"{stamp}GET/users/self/verify".encode(), signer.secret.encode(), hashlib.sha256, "base64")
    login = {"apiKey": signer.apiKey, "passphrase": signer.password, "timestamp": stamp, "sign": sign}
    private.send({"op": "login", "args": [login]})

    [orders] = answers(
        private, {"op": "subscribe", "args": [{"channel": "orders", "instType": "ANY", "instId": empty}]}
    )
    [books] = answers(okx.open(PUBLIC), {"op": "subscribe", "args": [{"channel": "books", "instId": empty}]})

    assert orders["event"] == "subscribe"
    assert (books["code"], "None" in books["msg"]) == ("60018", False)
