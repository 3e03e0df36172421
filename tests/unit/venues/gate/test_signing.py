"""The double hash, judged by the examples printed in Gate's documents and by plain hashlib."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.venues.gate.signing import (
    EMPTY_BODY_SHA512,
    Signer,
    api_signature,
    channel_auth,
    rest_headers,
)

VECTORS = Path(__file__).resolve().parents[3] / "data" / "gate-signing-vectors.json"
ORDER = '{"currency_pair":"BTC_USDT","side":"buy","amount":"0.001","price":"30000","text":"t-1"}'


def by_hand(secret: str, method: str, path: str, query: str, body: bytes, timestamp: str) -> tuple[str, str, str]:
    digest = hashlib.sha512(body).hexdigest()
    text = "\n".join([method, path, query, digest, timestamp])
    return digest, text, hmac.new(secret.encode(), text.encode(), hashlib.sha512).hexdigest()


def test_the_documents_example_of_a_query() -> None:
    query = "contract=BTC_USD&status=finished&limit=50"
    signed = Signer("secret").request("GET", "/api/v4/futures/orders", query, b"", "1541993715")
    assert signed.body_sha512 == (
        "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
        "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
    )
    assert signed.signature == (
        "55f84ea195d6fe57ce62464daaa7c3c02fa9d1dde954e4c898289c9a2407a3d6"
        "fb3faf24deff16790d726b66ac9f74526668b13bd01029199cc4fcc522418b8a"
    )


def test_the_documents_example_of_a_body() -> None:
    body = b'{"contract":"BTC_USD","type":"limit","size":100,"price":6800,"time_in_force":"gtc"}'
    signed = Signer("secret").request("POST", "/api/v4/futures/orders", "", body, "1541993715")
    assert signed.signature == (
        "eae42da914a590ddf727473aff25fc87d50b64783941061f47a3fdb92742541f"
        "c4c2c14017581b4199a1418d54471c269c03a38d788d802e2c306c37636389f0"
    )


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "timestamp"),
    [
        ("GET", "/api/v4/spot/accounts", "", b"", "1700000000"),
        ("GET", "/api/v4/spot/my_trades", "currency_pair=BTC_USDT&limit=1000", b"", "1700000000"),
        ("GET", "/api/v4/spot/my_trades", "limit=1000&currency_pair=BTC_USDT", b"", "1700000000"),
        ("GET", "/api/v4/account/stp_groups", "name=Größe-龙虾 one/a", b"", "1700000000.5"),
        ("POST", "/api/v4/spot/orders", "", ORDER.encode(), "1700000000"),
        ("POST", "/api/v4/futures/usdt/positions/BTC_USDT/leverage", "leverage=0", b"", "1700000000"),
        ("PATCH", "/api/v4/spot/orders/1", "currency_pair=BTC_USDT", b'{"price":"1"}', "1700000000"),
        ("POST", "/api/v4/account/stp_groups", "", '{"name":"Größe 🚀"}'.encode(), "1700000000"),
    ],
)
@pytest.mark.parametrize("secret", ["secret", "0f" * 32, "x" * 128, "y" * 129, "ключ"])
def test_every_part_is_hashed_as_given(
    secret: str, method: str, path: str, query: str, body: bytes, timestamp: str
) -> None:
    assert tuple(Signer(secret).request(method, path, query, body, timestamp)) == by_hand(
        secret, method, path, query, body, timestamp
    )


@given(secret=st.text(st.characters(exclude_categories=["Cs"])), text=st.text(st.characters(exclude_categories=["Cs"])))
def test_hashing_the_pads_once_changes_no_signature(secret: str, text: str) -> None:
    expected = hmac.new(secret.encode(), text.encode(), hashlib.sha512).hexdigest()
    signer = Signer(secret)
    assert [signer.signature(text), signer.signature(text)] == [expected, expected]


@given(st.binary(max_size=400))
def test_the_body_hash_is_sha512_of_the_bytes_sent(body: bytes) -> None:
    assert Signer("s").request("POST", "/", "", body, "1").body_sha512 == hashlib.sha512(body).hexdigest()


def test_no_body_hashes_the_empty_string() -> None:
    signed = Signer("s").request("GET", "/", "", b"", "1")
    assert signed.body_sha512 == EMPTY_BODY_SHA512 == hashlib.sha512(b"").hexdigest()


def test_the_five_lines_have_no_trailing_newline() -> None:
    signed = Signer("s").request("GET", "/api/v4/x", "a=1", b"", "17")
    assert signed.string_to_sign == f"GET\n/api/v4/x\na=1\n{EMPTY_BODY_SHA512}\n17"


def test_the_secret_is_in_no_representation_of_the_signer() -> None:
    assert "hunter2" not in repr(Signer("hunter2"))


def test_headers_carry_the_timestamp_that_was_signed() -> None:
    headers = rest_headers("key", "signature", "1700000000")
    assert (headers["KEY"], headers["SIGN"], headers["Timestamp"]) == ("key", "signature", "1700000000")


def test_a_private_channel_is_signed_with_the_frames_own_time() -> None:
    auth = channel_auth(Signer("secret"), "key", "spot.orders", "subscribe", 1_700_000_000)
    assert auth == {
        "method": "api_key",
        "KEY": "key",
        "SIGN": "0dc17b76097b2726573e30bde2a792ce238bbd452f414d949a5f71d5bf1dd50e"
        "8e8166a762af6614f0228360882c6e35df2ac39ed0eba1be8b02d9ca1ec9c6c9",
    }


@pytest.mark.parametrize(
    ("channel", "req_param", "expected"),
    [
        (
            "spot.login",
            "",
            (
                "fda6efd05e40791f1059365daecc597f520349bd009ecaa64454e137d73a181e"
                "6bcdeb466148db04b38adfc8800a2e46ab4e4ac02eee77a8a2a2ece43d6d720c"
            ),
        ),
        (
            "spot.login",
            "{}",
            (
                "03cd3c385a7f3b5002acb584da5556d0b47b19b8430534b567283f5f56d6016f"
                "341e3bd9aa8565c8fdd81c0d5c76afe725c4ca712083f9823069d0f5ccf69226"
            ),
        ),
        (
            "futures.login",
            "",
            (
                "f39035057b3528fc2c5aff4b9cfa9f43673c88d3ff823c55468608173205809999a8b45d7ed898eb"
                "f49c15a4f6e5131de175ded143be5eeb58431f600e1d4085"
            ),
        ),
    ],
)
def test_the_websocket_login_has_known_signatures(channel: str, req_param: str, expected: str) -> None:
    assert api_signature(Signer("secret"), channel, req_param, 1_700_000_000) == expected


def test_a_websocket_order_is_signed_over_its_literal_json() -> None:
    text = f"api\nspot.order_place\n{ORDER}\n1700000000"
    expected = hmac.new(b"secret", text.encode(), hashlib.sha512).hexdigest()
    assert api_signature(Signer("secret"), "spot.order_place", ORDER, 1_700_000_000) == expected


def test_every_reference_vector_byte_for_byte() -> None:
    vectors = json.loads(VECTORS.read_text())
    for vector in vectors:
        signed = Signer(vector["secret"]).request(
            vector["method"],
            vector["path"],
            vector["query"],
            vector["body"].encode(),
            vector["timestamp"],
        )
        expected = (vector["body_sha512"], vector["string_to_sign"], vector["signature"])
        assert tuple(signed) == expected, vector["name"]
    assert len(vectors) >= 29
