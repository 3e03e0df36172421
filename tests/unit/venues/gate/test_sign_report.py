"""`arb sign gate`: the double hash shown step by step."""

import hashlib
from typing import Any

import pytest

from arb.clock import ManualClock
from arb.errors import ConfigError
from arb.venues.gate.signing import sign_report

ENVIRON = {"GATE_API_KEY": "key", "GATE_API_SECRET": "secret"}


def report(method: str = "GET", path: str = "/api/v4/spot/accounts", **given: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {"environ": ENVIRON, "clock": ManualClock(1_700_000_000_999_999_999), **given}
    return sign_report(method, path, **settings)


@pytest.mark.parametrize("missing", ["GATE_API_KEY", "GATE_API_SECRET"])
def test_a_missing_credential_is_named(missing: str) -> None:
    with pytest.raises(ConfigError, match=f"{missing} is not set"):
        report(environ={**ENVIRON, missing: ""})


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("FETCH", "/api/v4/spot/accounts", ""),
        ("GET", "/spot/accounts", ""),
        ("GET", "/api/v44/spot/accounts", ""),
        ("GET", "https://api.gateio.ws/api/v4/spot/accounts", ""),
        ("GET", "/api/v4/spot/accounts?currency=BTC", ""),
        ("GET", "/api/v4/spot/accounts", "?currency=BTC"),
    ],
)
def test_what_cannot_be_a_request_is_refused(method: str, path: str, query: str) -> None:
    with pytest.raises(ConfigError):
        report(method, path, query=query)


def test_the_documents_example() -> None:
    query = "contract=BTC_USD&status=finished&limit=50"
    shown = report("get", "/api/v4/futures/orders", query=query, timestamp="1541993715")
    assert list(shown) == ["body_sha512", "string_to_sign", "signature", "headers"]
    assert shown["string_to_sign"].split("\n") == [
        "GET",
        "/api/v4/futures/orders",
        query,
        hashlib.sha512(b"").hexdigest(),
        "1541993715",
    ]
    assert shown["signature"].startswith("55f84ea195d6fe57ce62464daaa7c3c0")
    assert shown["headers"]["SIGN"] == shown["signature"]
    assert shown["headers"]["KEY"] == "key"


def test_body_query_and_timestamp_are_taken_literally() -> None:
    body = '{"price": "30000", "name": "Größe"} '
    shown = report("POST", "/api/v4/spot/orders", query="a=%2C&b= ", body=body, timestamp=" 1.50")
    assert shown["body_sha512"] == hashlib.sha512(body.encode()).hexdigest()
    assert "\na=%2C&b= \n" in shown["string_to_sign"]
    assert shown["headers"]["Timestamp"] == " 1.50"


def test_without_a_timestamp_the_clocks_whole_seconds_are_signed() -> None:
    assert report()["headers"]["Timestamp"] == "1700000000"


def test_bytes_that_are_no_text_are_hashed_as_they_were_typed() -> None:
    typed = b"\xff\xfe".decode("utf-8", "surrogateescape")
    assert report("POST", body=typed)["body_sha512"] == hashlib.sha512(b"\xff\xfe").hexdigest()


def test_the_secret_is_nowhere_in_the_report() -> None:
    assert "hunter2" not in str(report(environ={**ENVIRON, "GATE_API_SECRET": "hunter2"}))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v4/withdrawals"),
        ("DELETE", "/api/v4/withdrawals/1"),
        ("POST", "/api/v4/withdrawals/push"),
        ("POST", "/api/v4/wallet/transfers"),
        ("POST", "/api/v4/wallet/sub_account_transfers"),
        ("POST", "/api/v4/wallet/small_balance"),
        ("POST", "/api/v4/sub_accounts/1/keys"),
        ("POST", "/api/v4/margin/transfer"),
        ("POST", "/api/v4/spot/../withdrawals"),
        ("POST", "/api/v4/spot/%2e%2e/withdrawals"),
        ("POST", "/api/v4//withdrawals"),
        ("POST", "/api/v4/spot/orders\n/api/v4/withdrawals"),
        ("PUT", "/api/v4/spotty"),
        ("POST", "/api/v4"),
    ],
)
def test_what_may_move_funds_out_is_signed_when_that_is_said_and_not_before(method: str, path: str) -> None:
    with pytest.raises(ConfigError, match=r"is not signed: it may withdraw or transfer.*give --any"):
        report(method, path)
    assert report(method, path, any_write=True)["signature"]


def test_questions_and_what_trades_are_signed_without_a_word() -> None:
    for path in ("/api/v4/wallet/withdrawals", "/api/v4/wallet/sub_account_transfers", "/api/v4/withdrawals"):
        assert report("GET", path)["signature"]
    for method, path in (
        ("POST", "/api/v4/spot/batch_orders"),
        ("PATCH", "/api/v4/spot/orders/12345"),
        ("POST", "/api/v4/futures/usdt/positions/BTC_USDT/leverage"),
        ("POST", "/api/v4/account/stp_groups"),
    ):
        assert report(method, path)["signature"]
