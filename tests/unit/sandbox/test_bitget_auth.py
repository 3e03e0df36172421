"""What the Bitget side of the sandbox accepts as proof of identity. ccxt's own signer is the judge of the good case."""

from typing import Any
from urllib.parse import urlsplit

import ccxt
import pytest

from arb.sandbox.bitget.auth import BitgetRefusal, check_login, check_request
from arb.sandbox.values import VenueProfile

PROFILE = VenueProfile("bitget", "key", "secret", "pass phrase", 1, "quote", (), {}, 0, 0)
NOW_MS = 1_700_000_000_123
GET = ("v2/spot/account/assets", "GET", {"coin": "USDT", "assetType": "all"})
POST = ("v2/spot/trade/cancel-order", "POST", {"symbol": "BTCUSDT", "orderId": "1"})


def signed_by_ccxt(path: str, method: str, params: Any, at_ms: int = NOW_MS, **changed: str) -> dict[str, Any]:
    """Return the arguments of `check_request` as ccxt would send them at `at_ms`."""
    client = ccxt.bitget({"apiKey": "key", "secret": "secret", "password": "pass phrase"} | changed)
    client.milliseconds = lambda: at_ms
    request = client.sign(path, ["private", "spot"], method, params)
    address = urlsplit(request["url"])
    return {
        "headers": {name.lower(): value for name, value in request["headers"].items()},
        "method": method,
        "path": address.path,
        "query": address.query,
        "body": (request["body"] or "").encode(),
    }


def code_of(**arguments: Any) -> str:
    """Return the code of the refusal, which must happen with HTTP 400."""
    with pytest.raises(BitgetRefusal) as refusal:
        check_request(PROFILE, now_ms=NOW_MS, **arguments)
    assert refusal.value.status == 400
    return refusal.value.code


@pytest.mark.parametrize("request_", [GET, POST, ("v2/spot/trade/orderInfo", "GET", {"clientOid": "a b,c#1"})])
def test_a_request_signed_by_a_stock_client_is_accepted(request_: tuple[str, str, Any]) -> None:
    check_request(PROFILE, now_ms=NOW_MS, **signed_by_ccxt(*request_))


def test_the_query_enters_the_signed_text_decoded() -> None:
    arguments = signed_by_ccxt("v2/spot/trade/orderInfo", "GET", {"clientOid": "a b,c"})

    assert arguments["query"] == "clientOid=a%20b%2Cc"
    check_request(PROFILE, now_ms=NOW_MS, **(arguments | {"query": "clientOid=a b,c"}))


@pytest.mark.parametrize(
    ("missing", "code"),
    [
        ("access-key", "40001"),
        ("access-sign", "40003"),
        ("access-timestamp", "40005"),
        ("access-passphrase", "40011"),
    ],
)
def test_each_header_is_needed_and_has_its_own_code(missing: str, code: str) -> None:
    arguments = signed_by_ccxt(*GET)
    del arguments["headers"][missing]

    assert code_of(**arguments) == code


def test_another_client_is_refused_by_key_passphrase_and_signature() -> None:
    assert code_of(**signed_by_ccxt(*GET, apiKey="other")) == "40037"
    assert code_of(**signed_by_ccxt(*GET, password="other")) == "40012"
    assert code_of(**signed_by_ccxt(*GET, secret="other")) == "40009"


@pytest.mark.parametrize("part", ["method", "path", "query", "body"])
def test_any_change_on_the_way_breaks_the_signature(part: str) -> None:
    arguments = signed_by_ccxt(*POST)
    arguments[part] = arguments[part] + (b" " if part == "body" else "x")

    assert code_of(**arguments) == "40009"


@pytest.mark.parametrize("age_ms", [30_001, -30_001])
def test_a_timestamp_outside_the_window_has_expired(age_ms: int) -> None:
    assert code_of(**signed_by_ccxt(*GET, at_ms=NOW_MS - age_ms)) == "40008"


def test_a_login_is_accepted_only_with_all_four_parts_right() -> None:
    # HMAC-SHA256 of "1700000000GET/user/verify" with key "secret", computed with OpenSSL
    good = {
        "apiKey": "key",
        "passphrase": "pass phrase",
        "timestamp": "1700000000",
        "sign": "asp8h2LSGzNFWF9BshQJj0WiZA5uDIWsAk9FCfz2Ilk=",
    }
    check_login(PROFILE, good, NOW_MS)

    for part, wrong, code in (
        ("apiKey", "other", "30011"),
        ("passphrase", "other", "30012"),
        ("timestamp", "soon", "30013"),
        ("timestamp", "1690000000", "30014"),
        ("sign", "other", "30015"),
    ):
        with pytest.raises(BitgetRefusal) as refusal:
            check_login(PROFILE, good | {part: wrong}, NOW_MS)
        assert refusal.value.code == code
