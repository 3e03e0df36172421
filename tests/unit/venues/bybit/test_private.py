"""Bybit's private topics: its documented and recorded frames, and what of them is ours."""

import hashlib
import hmac
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.core.messages.events import BalancesReported, OrderFilled, OrderUpdated
from arb.market.fill import Liquidity
from arb.venues.bybit.private import BybitPrivate
from arb.venues.kit.fields import Symbols
from arb.venues.kit.private_dialect import PrivateFrame
from tests.support.recorded import answers

NOW_NS = 1_700_000_000_500_000_000


def a_stream() -> BybitPrivate:
    symbols = Symbols()
    symbols.learn({"BTCUSDT": "BTC/USDT", "FLOWUSDT": "FLOW/USDT", "APEXUSDT": "APEX/USDT"})
    return BybitPrivate("key", "secret", symbols)


def read(frame: Any, stream: BybitPrivate | None = None) -> PrivateFrame:
    raw = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
    return (stream or a_stream()).on_frame(NOW_NS, NOW_NS, raw)


def pushed(topic: str, *rows: dict[str, Any]) -> PrivateFrame:
    return read({"id": "1", "topic": topic, "creationTime": 1, "data": list(rows)})


EXECUTION = {
    "category": "spot",
    "symbol": "BTCUSDT",
    "orderId": "1552",
    "orderLinkId": "arb000000001000000b00",
    "side": "Buy",
    "execId": "2100",
    "execPrice": "32635.00",
    "execQty": "0.000306",
    "execFee": "0.000000306",
    "feeCurrency": "BTC",
    "execType": "Trade",
    "execTime": "1699764599837",
    "isMaker": False,
    "extraFees": "",
}
ORDER = {
    "category": "spot",
    "symbol": "BTCUSDT",
    "orderId": "1552",
    "orderLinkId": "arb000000001000000b00",
    "side": "Buy",
    "orderStatus": "PartiallyFilledCanceled",
    "rejectReason": "EC_CancelForNoFullFill",
    "price": "32640",
    "qty": "0.001",
    "cumExecQty": "0.000306",
    "avgPrice": "32635",
    "orderType": "Limit",
    "updatedTime": "1699764599841",
}


# What cannot be used.


@pytest.mark.parametrize("op", ["auth", "subscribe"])
def test_a_refused_login_or_subscription_ends_the_connection(op: str) -> None:
    frame = read({"success": False, "ret_msg": "Params Error", "op": op, "conn_id": "c"})
    assert frame.refused == f"{op}: Params Error" and not frame.ready and not frame.send


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"topic":', b'{"topic":"order.spot","data":{}}', b'{"topic":7,"data":[7]}']
)
def test_a_frame_that_cannot_be_read_is_reported(raw: bytes) -> None:
    frame = read(raw)
    assert frame.errors or frame == PrivateFrame()
    assert not frame.events


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"orderStatus": "Vanished"}, "orderStatus"),
        ({"cumExecQty": "0"}, "cumExecQty"),
        ({"cumExecQty": "0.002"}, "cumExecQty"),
        ({"qty": ""}, "qty"),
        ({"orderId": ""}, "orderId"),
    ],
)
def test_an_order_that_contradicts_itself_is_refused_by_its_field(changes: dict[str, str], field: str) -> None:
    frame = pushed("order.spot", ORDER | changes)
    assert field in str(frame.errors[0]) and not frame.events


@pytest.mark.parametrize("topic", ["order.spot", "execution.spot"])
def test_rows_of_other_categories_and_symbols_are_foreign(topic: str) -> None:
    row = ORDER if topic == "order.spot" else EXECUTION
    frame = pushed(topic, row | {"category": "linear"}, row | {"symbol": "NEWUSDT"}, row)
    assert (len(frame.foreign), len(frame.events), frame.errors) == (2, 1, ())


def test_an_execution_that_is_no_trade_is_no_fill() -> None:
    frame = pushed("execution.spot", EXECUTION | {"execType": "CorporateAction", "execPrice": ""})
    assert frame == PrivateFrame()


# Login and subscription.


def test_a_login_is_signed_for_the_moment_and_all_topics_are_asked_for_at_once() -> None:
    stream = a_stream()
    [login] = stream.greetings(NOW_NS)
    key, expires, seal = json.loads(login)["args"]
    assert (key, expires) == ("key", NOW_NS // 10**6 + 10_000)
    assert seal == hmac.new(b"secret", f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()

    logged_in = read({"success": True, "ret_msg": "", "op": "auth", "conn_id": "c"}, stream)
    [subscription] = logged_in.send
    assert json.loads(subscription) == {"op": "subscribe", "args": ["order.spot", "execution.spot", "wallet"]}
    assert not logged_in.ready
    assert read({"success": True, "ret_msg": "", "op": "subscribe", "conn_id": "c"}, stream).ready
    assert read({"op": "pong", "args": ["1"], "conn_id": "c"}, stream) == PrivateFrame()


# What is ours.


def test_several_executions_of_one_message_are_several_fills() -> None:
    frame = pushed("execution.spot", EXECUTION, EXECUTION | {"execId": "2101", "isMaker": True})
    fills = [event.fill for event in frame.events if isinstance(event, OrderFilled)]
    assert [(fill.trade_id, fill.liquidity) for fill in fills] == [("2100", Liquidity.TAKER), ("2101", Liquidity.MAKER)]
    assert {(fill.price, fill.size) for fill in fills} == {(Decimal("32635.00"), Decimal("0.000306"))}


@pytest.mark.parametrize(
    ("changes", "fee", "currency"),
    [
        ({}, "0.000000306", "BTC"),
        ({"feeCurrency": ""}, "0.000000306", "BTC"),
        ({"feeCurrency": "", "side": "Sell", "execFee": "0.01"}, "0.01", "USDT"),
        ({"feeCurrency": "", "execFee": "-0.01"}, "-0.01", "USDT"),
        ({"feeCurrency": "", "side": "Sell", "execFee": "-0.000001"}, "-0.000001", "BTC"),
        ({"feeCurrency": "MNT", "execFee": "0.002"}, "0.002", "MNT"),
        ({"extraFees": [{"feeCoin": "BTC", "feeType": "GST", "fee": "0.000000004"}]}, "0.000000310", "BTC"),
        ({"extraFees": '[{"feeCoin":"BTC","fee":"0.000000004"}]'}, "0.000000310", "BTC"),
        ({"execFee": "0", "extraFees": [{"feeCoin": "USDT", "fee": "0.5"}]}, "0.5", "USDT"),
    ],
)
def test_a_fee_is_read_with_its_coin_and_its_taxes(changes: dict[str, Any], fee: str, currency: str) -> None:
    [event] = pushed("execution.spot", EXECUTION | changes).events
    assert isinstance(event, OrderFilled)
    assert (event.fill.fee, event.fill.fee_currency) == (Decimal(fee), currency)


def test_a_fee_in_two_coins_is_refused_as_one_fill_has_one() -> None:
    frame = pushed("execution.spot", EXECUTION | {"extraFees": [{"feeCoin": "IDR", "fee": "5"}]})
    assert "a fee in 2 coins" in str(frame.errors[0])


@pytest.mark.parametrize(
    ("changes", "is_open", "reason"),
    [
        ({}, False, "PartiallyFilledCanceled EC_CancelForNoFullFill"),
        ({"orderStatus": "Rejected", "rejectReason": "INSUFFICIENT_MARGIN"}, False, "Rejected INSUFFICIENT_MARGIN"),
        ({"orderStatus": "PartiallyFilled", "rejectReason": "EC_NoError"}, True, None),
        ({"orderStatus": "Filled", "cumExecQty": "0.001", "rejectReason": "EC_NoError"}, False, "Filled"),
        (
            {"orderStatus": "Filled", "cumExecQty": "0.001", "rejectReason": "EC_OrigClOrdIDDoesNotExist"},
            False,
            "Filled EC_OrigClOrdIDDoesNotExist",
        ),
    ],
)
def test_an_orders_state_is_kept_with_its_fills(changes: dict[str, str], is_open: bool, reason: str | None) -> None:
    [event] = pushed("order.spot", ORDER | changes).events
    assert isinstance(event, OrderUpdated)
    assert (event.report.is_open, event.report.finish_reason) == (is_open, reason)
    assert event.report.filled == Decimal(changes.get("cumExecQty", "0.000306"))


# Recorded frames of spot, and those that are no spot.
RECORDED: dict[str, list[type]] = {
    "execution--spot-market-buy-fee-in-base-no-feeCurrency-2023": [OrderFilled],
    "order--spot-filled-limit-fok-gct-inline": [OrderUpdated],
    "order--spot-market-sell-filled-fee-usdt-2023": [OrderUpdated],
    "order--spot-market-buy-PartiallyFilledCanceled-is-success-2023": [OrderUpdated],
    "wallet--unified-three-coins-2023": [BalancesReported],
    "wallet--gct": [BalancesReported],
    "wallet--unified-ccxt-handle_balance": [BalancesReported],
    "wallet--wallet": [BalancesReported],
    "auth--private-2023": [],
    "subscribe--private-2023": [],
    "pong--private-2023": [],
}


@pytest.mark.parametrize("door", ["ws", "further/ws"])
def test_recorded_frames_are_read(repo_root: Path, door: str) -> None:
    found = {answer.name.rpartition("/")[2]: answer.raw for answer in answers(repo_root, "bybit", door)}
    of_ours = found.keys() & RECORDED.keys()
    assert of_ours
    for name in of_ours:
        frame = read(found[name])
        assert ([type(event) for event in frame.events], frame.errors) == (RECORDED[name], ()), name


def test_a_partly_filled_order_that_is_rejected_keeps_its_fills(repo_root: Path) -> None:
    found = {answer.name.rpartition("/")[2]: answer.raw for answer in answers(repo_root, "bybit", "ws")}
    frame = json.loads(found["order--spot-rejected-limit-gtc-order_partially_filled_rejected"])
    [event] = read(frame).events
    assert isinstance(event, OrderUpdated)
    assert not event.report.is_open and event.report.filled == Decimal(frame["data"][0]["cumExecQty"]) > 0
