"""The Gate client's REST door: what leaves, and what may not."""

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import ccxt
import pytest
from freezegun import freeze_time

from arb.clock import NS_PER_MS, NS_PER_S, ManualClock, SystemClock
from arb.errors import ConfigError
from arb.venues.gate.client import Gate
from arb.venues.kit.call import Call
from arb.venues.kit.rules.guard import SigningGuard, SigningRefused

MakeGate = Callable[..., Gate]
NOW_S = 1_700_000_000
IOC = {"timeInForce": "IOC", "clientOrderId": "arb-1"}
DONE = {
    "id": "7",
    "text": "t-arb-1",
    "currency_pair": "BTC_USDT",
    "type": "limit",
    "side": "buy",
    "account": "spot",
    "status": "closed",
    "finish_as": "filled",
    "amount": "0.001",
    "left": "0",
    "price": "30000",
    "filled_amount": "0.001",
    "filled_total": "30",
    "avg_deal_price": "30000",
    "fee": "0.000001",
    "fee_currency": "BTC",
    "create_time_ms": 1_700_000_000_123,
}


def expected_signature(method: str, url: str, body: bytes, timestamp: str) -> str:
    parts = urlsplit(url)
    text = f"{method}\n{parts.path}\n{parts.query}\n{hashlib.sha512(body).hexdigest()}\n{timestamp}"
    return hmac.new(b"secret", text.encode(), hashlib.sha512).hexdigest()


def place(gate: Gate, **params: Any) -> Any:
    order = gate.create_order("BTC/USDT", "limit", "buy", Decimal("0.001"), Decimal("30000"), {**IOC, **params})
    return asyncio.run(order)


def an_order(expires_ns: int) -> Call:
    params = {"text": "t-a", "currency_pair": "BTC_USDT", "type": "limit", "side": "buy", "amount": "1", "price": "1"}
    return Call(scope="", api=("private", "spot"), method="POST", path="orders", params=params, expires_ns=expires_ns)


def test_an_amendment_is_not_signed(make_gate: MakeGate, session: Any) -> None:
    with pytest.raises(SigningRefused) as refused:
        asyncio.run(make_gate().edit_order("7", "BTC/USDT", "limit", "buy", "0.002", "29999", {}))
    assert (refused.value.code, session.sent) == ("guard_endpoint", [])


# --- what may not leave ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbols": {"ETH/USDT"}}, "guard_symbol"),
        ({"max_order_value_quote": Decimal("29.99")}, "guard_value"),
    ],
)
def test_what_the_user_did_not_allow_is_never_signed(
    make_gate: MakeGate, session: Any, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(SigningRefused) as refused:
        place(make_gate(**changes))
    assert refused.value.code == code
    assert session.sent == []


def test_orders_beyond_the_minutes_maximum_are_not_signed(
    make_gate: MakeGate, session: Any, answer: Any, clock: ManualClock
) -> None:
    gate = make_gate(max_orders_per_minute=1)
    session.answers += [answer(201, DONE), answer(201, DONE)]
    place(gate)
    with pytest.raises(SigningRefused, match="within a minute"):
        place(gate)
    clock.advance(60 * NS_PER_S)
    place(gate)
    assert len(session.sent) == 2


def test_a_foreign_host_gets_no_signature(make_gate: MakeGate, session: Any) -> None:
    gate = make_gate(rest_url="https://api.gateio.ws.example/api/v4")
    with pytest.raises(SigningRefused, match="allow-list"):
        place(gate)
    assert session.sent == []


@pytest.mark.parametrize(
    ("section", "method", "path"),
    [
        ("withdrawals", "POST", "withdrawals"),
        ("wallet", "POST", "transfers"),
        ("spot", "POST", "price_orders"),
        ("futures", "POST", "{settle}/orders"),
        ("margin", "POST", "uni/loans"),
    ],
)
def test_money_moving_and_unbounded_writes_are_not_signed(
    make_gate: MakeGate, section: str, method: str, path: str
) -> None:
    with pytest.raises(SigningRefused) as refused:
        make_gate().sign(path, ["private", section], method, {"settle": "usdt", "amount": "1"})
    assert refused.value.code == "guard_endpoint"


def test_an_order_whose_expiry_has_passed_does_not_leave(make_gate: MakeGate, session: Any) -> None:
    with pytest.raises(SigningRefused, match="expired"):
        make_gate().signed(an_order(expires_ns=NOW_S * NS_PER_S))
    assert session.sent == []


@pytest.mark.parametrize("amount", [0.001, Decimal("0.00015"), Decimal("-0.001"), Decimal("NaN"), "abc", Decimal(0)])
def test_a_size_that_is_no_multiple_of_the_lot_is_refused_not_rounded(make_gate: MakeGate, amount: Any) -> None:
    with pytest.raises(ccxt.InvalidOrder):
        asyncio.run(make_gate().create_order("BTC/USDT", "limit", "buy", amount, "30000", IOC))


@pytest.mark.parametrize("price", [30000.0, Decimal("30000.05"), Decimal("Infinity")])
def test_a_price_off_the_tick_is_refused_not_rounded(make_gate: MakeGate, price: Any) -> None:
    with pytest.raises(ccxt.InvalidOrder):
        asyncio.run(make_gate().create_order("BTC/USDT", "limit", "buy", "0.001", price, IOC))


def test_borrowing_and_triggers_are_refused(make_gate: MakeGate) -> None:
    with pytest.raises(ccxt.InvalidOrder, match="loan"):
        place(make_gate(), auto_borrow=True)
    with pytest.raises(ccxt.NotSupported):
        place(make_gate(), triggerPrice="1")


def test_without_a_key_nothing_private_is_signed(make_gate: MakeGate) -> None:
    with pytest.raises(ccxt.AuthenticationError, match="apiKey"):
        make_gate(api_key="").sign("accounts", ["private", "spot"], "GET", {})


def test_an_address_without_the_api_path_is_a_config_error(make_gate: MakeGate) -> None:
    with pytest.raises(ConfigError, match="/api/v4"):
        make_gate(rest_url="https://api.gateio.ws")


# --- what leaves -------------------------------------------------------------------------------------------------


def test_the_bytes_sent_are_the_bytes_signed(make_gate: MakeGate, session: Any, answer: Any) -> None:
    session.answers.append(answer(201, DONE))
    place(make_gate())
    method, url, body, headers = session.sent[0]
    assert (method, url) == ("POST", "https://api.gateio.ws/api/v4/spot/orders")
    assert json.loads(body) == {
        "currency_pair": "BTC_USDT",
        "type": "limit",
        "account": "spot",
        "side": "buy",
        "amount": "0.001",
        "price": "30000",
        "time_in_force": "ioc",
        "text": "t-arb-1",
    }
    assert headers["SIGN"] == expected_signature(method, url, body, headers["Timestamp"])


def test_a_query_is_sent_exactly_as_signed(make_gate: MakeGate, session: Any, answer: Any) -> None:
    session.answers.append(answer(200, []))
    asyncio.run(make_gate().privateWalletGetFee({"currency_pairs": ["BTC_USDT", "GT_USDT"], "none": None}))
    method, url, body, headers = session.sent[0]
    assert url == "https://api.gateio.ws/api/v4/wallet/fee?currency_pairs=BTC_USDT,GT_USDT"
    assert body is None
    assert headers["SIGN"] == expected_signature(method, url, b"", headers["Timestamp"])


@pytest.mark.parametrize("client_order_id", ["x" * 28, "t-" + "x" * 28, "trade-1"])
def test_the_longest_legal_ids_and_those_beginning_with_t_pass(
    make_gate: MakeGate, session: Any, answer: Any, client_order_id: str
) -> None:
    session.answers.append(answer(201, DONE))
    place(make_gate(), clientOrderId=client_order_id)
    text = json.loads(session.sent[0][2])["text"]
    assert text == "t-" + client_order_id.removeprefix("t-")


def test_the_stock_client_refuses_thirty_characters_and_spoils_a_t() -> None:
    exchange = ccxt.gate()
    exchange.set_markets([exchange.safe_market_structure(MARKET)])
    with pytest.raises(ccxt.BadRequest):
        exchange.create_order_request("BTC/USDT", "limit", "buy", 1, 1, {"clientOrderId": "t-" + "x" * 28})
    spoilt = exchange.create_order_request("BTC/USDT", "limit", "buy", 1, 1, {"clientOrderId": "trade-1"})
    assert spoilt["text"] == "trade-1"


@pytest.mark.parametrize("bad", ["a b", "x" * 29, "größe"])
def test_an_illegal_client_order_id_does_not_leave(make_gate: MakeGate, bad: str) -> None:
    with pytest.raises(ccxt.InvalidOrder, match="client order id"):
        place(make_gate(), clientOrderId=bad)


def test_every_order_of_a_batch_is_counted_and_must_be_named(make_gate: MakeGate, session: Any, answer: Any) -> None:
    gate = make_gate(max_orders_per_minute=2)
    order = {"symbol": "BTC/USDT", "type": "limit", "side": "buy", "amount": "0.001", "price": "30000"}
    with pytest.raises(ccxt.ArgumentsRequired, match="clientOrderId"):
        asyncio.run(gate.create_orders([order]))
    named = [{**order, "params": {"clientOrderId": f"a{number}"}} for number in range(3)]
    with pytest.raises(SigningRefused, match="within a minute"):
        asyncio.run(gate.create_orders(named))
    session.answers.append(answer(200, [{**DONE, "succeeded": True}] * 2))
    asyncio.run(gate.create_orders(named[:2]))
    assert [sorted(sent) for sent in json.loads(session.sent[0][2])] == [
        ["account", "amount", "currency_pair", "price", "side", "text", "type"]
    ] * 2


def test_placing_and_cancelling_carry_an_expiry(make_gate: MakeGate, session: Any, answer: Any) -> None:
    gate = make_gate(order_expiry_ms=1500)
    session.answers += [answer(201, DONE), answer(200, DONE), answer(200, {"server_time": 1})]
    place(gate)
    asyncio.run(gate.cancel_order("7", "BTC/USDT", {"clientOrderId": "arb-1"}))
    asyncio.run(gate.fetch_time())
    expiries = [headers.get("X-Gate-Exptime") for *_, headers in session.sent]
    assert expiries == [str(NOW_S * 1000 + 1500)] * 2 + [None]
    assert session.sent[1][:2] == (
        "DELETE",
        "https://api.gateio.ws/api/v4/spot/orders/t-arb-1?account=spot&currency_pair=BTC_USDT",
    )


def test_the_expiry_of_an_order_is_sent_in_the_venues_time(make_gate: MakeGate) -> None:
    gate = make_gate()
    gate.server_offset_ns = -61 * NS_PER_S
    headers = gate.signed(an_order(expires_ns=NOW_S * NS_PER_S + 900 * NS_PER_MS)).headers
    assert headers["X-Gate-Exptime"] == str((NOW_S - 61) * 1000 + 900)
    assert headers["Timestamp"] == str(NOW_S - 61)


@pytest.mark.parametrize("offset_s", [0, 61, -61])
def test_the_timestamp_follows_the_systems_clock_corrected_by_the_offset(offset_s: int) -> None:
    with freeze_time("2026-11-21 12:00:00.900") as frozen:
        clock = SystemClock(time.time_ns, time.monotonic_ns)  # the clocks that are frozen here
        guard = SigningGuard(
            venue="gate",
            hosts={"api.gateio.ws"},
            symbols=set(),
            max_order_value_quote=Decimal(1),
            max_orders_per_minute=1,
            clock=clock,
        )
        gate = Gate(clock=clock, guard=guard, api_key="key", secret="secret")
        gate.server_offset_ns = offset_s * NS_PER_S
        first = gate.sign("accounts", ["private", "spot"], "GET", {})["headers"]["Timestamp"]
        frozen.tick(61)
        second = gate.sign("accounts", ["private", "spot"], "GET", {})["headers"]["Timestamp"]
    noon = 1_795_262_400
    assert (first, second) == (str(noon + offset_s), str(noon + 61 + offset_s))


def test_no_broker_tag_and_no_secret_leave_or_are_logged(
    make_gate: MakeGate, session: Any, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    session.answers.append(answer(201, DONE))
    with caplog.at_level(logging.DEBUG):
        place(make_gate())
    assert "X-Gate-Channel-Id" not in session.sent[0][3]
    assert session.sent[0][3]["SIGN"] not in caplog.text


MARKET = {
    "id": "BTC_USDT",
    "symbol": "BTC/USDT",
    "base": "BTC",
    "quote": "USDT",
    "type": "spot",
    "spot": True,
    "contract": False,
    "precision": {"amount": 0.0001, "price": 0.1},
}
