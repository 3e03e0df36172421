"""What the OKX side of the sandbox accepts as proof of identity. ccxt's own signer is the judge of the good case."""

from typing import Any
from urllib.parse import urlsplit

import ccxt
import pytest

from arb.sandbox.okx.auth import OkxRefusal, check_expiry, check_login, check_request
from arb.sandbox.values import VenueProfile

PROFILE = VenueProfile("okx", "key", "secret", "pass phrase", 1, "base", (), {}, 0, 0)
NOW_MS = 1_700_000_000_123


def signed_by_ccxt(path: str, method: str, params: Any, at_ms: int = NOW_MS, **changed: str) -> dict[str, Any]:
    """Return the arguments of `check_request` as ccxt would send them at `at_ms`."""
    settings = {"apiKey": "key", "secret": "secret", "password": "pass phrase"} | changed
    client = ccxt.okx(settings)
    client.milliseconds = lambda: at_ms
    request = client.sign(path, ["private"], method, params)
    address = urlsplit(request["url"])
    return {
        "headers": {name.lower(): value for name, value in request["headers"].items()},
        "method": method,
        "path": address.path + (f"?{address.query}" if address.query else ""),
        "body": (request["body"] or "").encode(),
    }


def code_of(**arguments: Any) -> str:
    """Return the code of the refusal, which must happen with HTTP 401."""
    with pytest.raises(OkxRefusal) as refusal:
        check_request(PROFILE, now_ms=NOW_MS, **arguments)
    assert refusal.value.status == 401
    return refusal.value.code


def test_a_request_signed_by_a_stock_client_is_accepted() -> None:
    for arguments in (
        signed_by_ccxt("account/balance", "GET", {}),
        signed_by_ccxt("trade/order", "GET", {"instId": "BTC-USDT", "clOrdId": "a b,c"}),
        signed_by_ccxt("trade/cancel-order", "POST", {"instId": "BTC-USDT", "ordId": "1"}),
        signed_by_ccxt("trade/batch-orders", "POST", [{"instId": "BTC-USDT", "sz": "1"}]),
    ):
        check_request(PROFILE, now_ms=NOW_MS, **arguments)


@pytest.mark.parametrize("missing", ["ok-access-key", "ok-access-passphrase", "ok-access-sign", "ok-access-timestamp"])
def test_each_header_is_needed_and_has_its_own_code(missing: str) -> None:
    arguments = signed_by_ccxt("account/balance", "GET", {})
    del arguments["headers"][missing]

    codes = {"key": "50103", "passphrase": "50104", "sign": "50106", "timestamp": "50107"}
    assert code_of(**arguments) == codes[missing.removeprefix("ok-access-")]


def test_another_client_is_refused_by_key_passphrase_and_signature() -> None:
    assert code_of(**signed_by_ccxt("account/balance", "GET", {}, apiKey="other")) == "50111"
    assert code_of(**signed_by_ccxt("account/balance", "GET", {}, password="other")) == "50105"
    assert code_of(**signed_by_ccxt("account/balance", "GET", {}, secret="other")) == "50113"


@pytest.mark.parametrize("part", ["method", "path", "body"])
def test_any_change_on_the_way_breaks_the_signature(part: str) -> None:
    arguments = signed_by_ccxt("trade/cancel-order", "POST", {"instId": "BTC-USDT", "ordId": "1"})
    arguments[part] = arguments[part] + (b" " if part == "body" else "x")

    assert code_of(**arguments) == "50113"


@pytest.mark.parametrize("age_ms", [30_001, -30_001])
def test_a_timestamp_outside_the_window_has_expired(age_ms: int) -> None:
    assert code_of(**signed_by_ccxt("account/balance", "GET", {}, at_ms=NOW_MS - age_ms)) == "50102"


@pytest.mark.parametrize("timestamp", ["1700000000", "2023-11-14T22:13:20.123", "yesterday"])
def test_only_iso_text_in_utc_is_a_timestamp(timestamp: str) -> None:
    arguments = signed_by_ccxt("account/balance", "GET", {})
    arguments["headers"]["ok-access-timestamp"] = timestamp

    assert code_of(**arguments) == "50112"


def test_an_order_that_arrives_after_its_expiry_is_refused() -> None:
    check_expiry(None, NOW_MS)
    check_expiry(str(NOW_MS), NOW_MS)
    with pytest.raises(OkxRefusal) as late:
        check_expiry(str(NOW_MS - 1), NOW_MS)
    with pytest.raises(OkxRefusal) as unreadable:
        check_expiry("soon", NOW_MS)

    assert (late.value.code, unreadable.value.code) == ("50036", "51000")


def test_a_login_is_accepted_only_with_all_four_parts_right() -> None:
    # HMAC-SHA256 of "1700000000GET/users/self/verify" with key "secret", computed with OpenSSL
    good = {
        "apiKey": "key",
        "passphrase": "pass phrase",
        "timestamp": "1700000000",
        "sign": "lhmJXK08fk9SI1ZwFXKFRrPtzfbNOwC+D1xMJJ/1KZg=",
    }
    check_login(PROFILE, good, NOW_MS)

    wrong = {"apiKey": "60005", "passphrase": "60024", "sign": "60007"}
    for part, code in wrong.items():
        with pytest.raises(OkxRefusal) as refusal:
            check_login(PROFILE, good | {part: "other"}, NOW_MS)
        assert refusal.value.code == code
    for timestamp, code in (("soon", "60004"), ("1690000000", "60006")):
        with pytest.raises(OkxRefusal) as refusal:
            check_login(PROFILE, good | {"timestamp": timestamp}, NOW_MS)
        assert refusal.value.code == code
