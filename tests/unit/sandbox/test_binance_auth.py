"""The proof of identity that the sandbox's Binance asks for: signatures, times and rights."""

import base64
import json
from dataclasses import replace
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from arb.clock import NS_PER_MS
from arb.sandbox.admin import Admin
from arb.sandbox.binance.auth import check_identity, signed_text
from arb.sandbox.binance.spec import ROOT
from arb.sandbox.wire import HttpRequest
from tests.unit.sandbox.bench import Bench
from tests.unit.sandbox.binance import ORDER, ask, binance_bench, place, signed, stamped


@pytest.fixture
def binance() -> Bench:
    return binance_bench()


def refusal(binance: Bench, request: HttpRequest) -> tuple[int, int]:
    status, answer = binance.send(request)
    return status, answer["code"]


@pytest.mark.parametrize(
    ("key", "spoilt", "expected"),
    [
        ("", "", (401, -2014)),
        ("not a key", "", (401, -2014)),
        ("unknown", "", (401, -2015)),
        (None, "0", (400, -1022)),
        (None, "&symbol=BTCUSDT", (400, -1022)),  # the signature is the last of its part
    ],
)
def test_a_request_without_the_proof_of_identity_is_refused(
    binance: Bench, key: str | None, spoilt: str, expected: tuple[int, int]
) -> None:
    request = signed(binance, "GET", "/api/v3/account", stamped(binance))
    headers = request.headers if key is None else {"x-mbx-apikey": key}

    changed = HttpRequest("GET", request.path, request.query + spoilt, headers, b"")

    assert refusal(binance, changed) == expected


@pytest.mark.parametrize("last", ["query", "body"])
def test_query_and_body_are_signed_together_as_they_were_sent(binance: Bench, last: str) -> None:
    query = stamped(binance, symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC")
    body = "quantity=0.01&price=49000&newClientOrderId=a%3Ab"

    status, answer = binance.send(signed(binance, "POST", "/api/v3/order", query, body, last=last))

    assert (status, answer["clientOrderId"]) == (200, "a:b")


def test_what_is_signed_before_it_is_percent_encoded_is_refused(binance: Bench) -> None:
    plain = stamped(binance, symbol="BTCUSDT") + "&origClientOrderId=a:b"
    request = signed(binance, "GET", "/api/v3/order", plain)
    encoded = HttpRequest("GET", request.path, request.query.replace(":", "%3A"), request.headers, b"")
    raw = signed(binance, "GET", "/api/v3/order", stamped(binance) + "&symbol=\N{FULLWIDTH DIGIT ONE}")

    assert refusal(binance, request) == (400, -2013)
    assert refusal(binance, encoded) == refusal(binance, raw) == (400, -1022)


def test_the_documents_example_of_a_signature_is_taken(binance: Bench) -> None:
    """The keys and the signature of `rest-api.md`, "HMAC Keys"."""
    profile = replace(
        binance.exchange.profile,
        key="vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
        secret="NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j",
    )
    sent = (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
    )
    seal = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"

    for signature in (seal, seal.upper()):
        check_identity(profile, profile.key, *signed_text(f"{sent}&signature={signature}", ""))


@pytest.mark.parametrize(
    ("ago_ms", "window", "code"),
    [
        (-1000, None, -1021),
        (-900, None, -2013),
        (5100, None, -1021),
        (5100, "6000.5", -2013),
        (0, "60000.001", -1131),
        (0, "1.0001", -1102),
        (0, "x", -1102),
    ],
)
def test_a_request_is_taken_within_its_window(binance: Bench, ago_ms: int, window: str | None, code: int) -> None:
    more = {} if window is None else {"recvWindow": window}
    query = stamped(binance, ago_ms=ago_ms, symbol="BTCUSDT", orderId="1", **more)

    assert refusal(binance, signed(binance, "GET", "/api/v3/order", query)) == (400, code)


def test_a_timestamp_may_count_microseconds(binance: Bench) -> None:
    query = f"symbol=BTCUSDT&orderId=1&timestamp={binance.now_ns // 1000}"

    assert refusal(binance, signed(binance, "GET", "/api/v3/order", query)) == (400, -2013)


def counts(binance: Bench) -> list[int]:
    return [row["count"] for row in ask(binance, "rateLimit/order")[1]]


def test_a_request_late_at_the_engine_counts_as_an_order_and_one_late_at_the_door_does_not(binance: Bench) -> None:
    assert ask(binance, "order", "POST", **ORDER, timestamp=binance.now_ns // NS_PER_MS - 11_000)[1]["code"] == -1021
    assert counts(binance) == [0, 0]

    binance.fault("delayed_request", "place")
    late = ask(binance, "order", "POST", **ORDER, recvWindow=1000)[1]

    assert (late["code"], counts(binance)) == (-1021, [1, 1])
    assert binance.exchange.open_orders() == []


def test_an_ed25519_key_signs_in_place_of_a_secret(binance: Bench) -> None:
    own = Ed25519PrivateKey.generate()
    pem = own.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    admin = Admin(binance.world, {"venues": {"binance": {}}})
    status, given = admin.handle(
        "POST", "/key", json.dumps({"venue": "binance", "public_key": pem}).encode(), binance.now_ns
    )
    assert status == 200
    query = stamped(binance)
    seal = quote(base64.b64encode(own.sign(query.encode())), safe="")

    def account(signature: str) -> HttpRequest:
        sent = f"{query}&signature={signature}"
        return HttpRequest("GET", f"{ROOT}/api/v3/account", sent, {"x-mbx-apikey": str(given["key"])}, b"")

    assert binance.send(account(seal))[0] == 200
    assert refusal(binance, account(seal.swapcase())) == (400, -1022)
    assert refusal(binance, signed(binance, "GET", "/api/v3/account", query)) == (400, -1022)


@pytest.mark.parametrize("path", ["asset/transfer", "capital/withdraw/apply"])
def test_a_key_that_trades_moves_no_funds(binance: Bench, path: str) -> None:
    assert ask(binance, f"sapi/{path}", "POST", asset="USDT")[1]["code"] == -2015


def test_a_key_that_only_reads_places_nothing(binance: Bench) -> None:
    object.__setattr__(binance.exchange.holder, "rights", ("enableReading",))

    assert place(binance)["code"] == -2015
    rights = ask(binance, "sapi/account/apiRestrictions")[1]
    assert (rights["enableReading"], rights["enableSpotAndMarginTrading"], rights["ipRestrict"]) == (True, False, True)
