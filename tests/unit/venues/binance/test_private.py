"""Binance's user data: its documented and recorded events, and what of them is ours."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.core.messages.events import AssetBalance, BalancesReported, OrderFilled, OrderUpdated
from arb.market.fill import Liquidity
from arb.venues.binance.private import BinancePrivate
from arb.venues.binance.signing import sealer_of
from arb.venues.kit.fields import Symbols
from arb.venues.kit.private_dialect import PrivateFrame
from arb.venues.registry import spec_of
from tests.support.recorded import answers

NOW_NS = 1_700_000_000_500_000_000


def a_stream() -> BinancePrivate:
    symbols = Symbols()
    symbols.learn({f"{base}{quote}": f"{base}/{quote}" for base, quote in PAIRS})
    return BinancePrivate("key", sealer_of("secret"), symbols)


PAIRS = [("BTC", "USDT"), ("ETH", "USDT"), ("ETH", "BTC"), ("BNB", "BTC"), ("BTC", "USD")]


def read(frame: Any) -> PrivateFrame:
    raw = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
    return a_stream().on_frame(NOW_NS, NOW_NS, raw)


EXECUTED: dict[str, Any] = {
    "e": "executionReport",
    "s": "BTCUSDT",
    "c": "arb1",
    "C": "",
    "S": "BUY",
    "o": "LIMIT",
    "f": "IOC",
    "q": "1.00000000",
    "p": "2500.00000000",
    "x": "TRADE",
    "X": "PARTIALLY_FILLED",
    "r": "NONE",
    "i": 1234567890,
    "l": "0.50000000",
    "z": "0.60000000",
    "L": "2499.50000000",
    "n": "0.00050000",
    "N": "BTC",
    "T": 1759347763167,
    "t": 98765432,
    "m": False,
    "Z": "1499.70000000",
}


def executed(**changes: Any) -> PrivateFrame:
    return read({"subscriptionId": 0, "event": EXECUTED | changes})


# What cannot be used.


def test_a_refused_subscription_ends_the_connection() -> None:
    answer = {"id": 1, "status": 400, "error": {"code": -2035, "msg": "User Data Stream subscription already active."}}
    frame = read(answer)
    assert frame.refused == "-2035 User Data Stream subscription already active." and not frame.ready


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"event":', b'{"event":{"e":"executionReport"}}'])
def test_a_frame_that_cannot_be_read_is_reported(raw: bytes) -> None:
    frame = read(raw)
    assert frame.errors and not frame.events


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"x": "CALCULATED"}, "x"),
        ({"x": ""}, "x"),
        ({"t": -1}, "t"),
        ({"N": None}, "N"),
        ({"l": "0"}, "l"),
        ({"n": "fee"}, "n"),
    ],
)
def test_a_trade_that_cannot_be_read_is_queried_by_its_field(changes: dict[str, Any], field: str) -> None:
    frame = executed(**changes)
    assert f"field '{field}'" in str(frame.errors[0]) and not frame.events


@pytest.mark.parametrize(
    ("changes", "field"), [({"X": "LOST"}, "X"), ({"z": "2"}, "z"), ({"z": "0"}, "z"), ({"q": None}, "q")]
)
def test_a_trade_is_kept_though_the_state_of_its_order_cannot_be_read(changes: dict[str, Any], field: str) -> None:
    frame = executed(**changes)
    assert f"field '{field}'" in str(frame.errors[0])
    assert [type(event) for event in frame.events] == [OrderFilled]


def test_an_order_in_another_symbol_is_foreign() -> None:
    frame = executed(s="NEWUSDT")
    assert (len(frame.foreign), frame.events, frame.errors) == (1, (), ())


# The subscription.


def test_one_request_subscribes_and_is_signed_by_the_order_of_its_parameters_names() -> None:
    [text] = a_stream().greetings(NOW_NS)
    request = json.loads(text)
    params = request["params"]
    assert (request["method"], params["timestamp"]) == ("userDataStream.subscribe.signature", NOW_NS // 10**6)
    signed = f"apiKey=key&timestamp={NOW_NS // 10**6}"
    assert params == {
        "apiKey": "key",
        "timestamp": NOW_NS // 10**6,
        "signature": sealer_of("secret").seal(signed.encode()),
    }


def test_the_documents_websocket_example_is_signed_alike() -> None:
    key, secret = (
        "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
        "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j",
    )
    text = (
        f"apiKey={key}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT&timeInForce=GTC"
        "&timestamp=1645423376532&type=LIMIT"
    )
    documented = "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"
    assert sealer_of(secret).seal(text.encode()) == documented


def test_no_login_is_asked_for_and_no_listen_key() -> None:
    """`session.logon` refuses HMAC keys, and listen keys ended in February 2026."""
    stream = a_stream()
    sent = [*stream.greetings(NOW_NS), stream.ping(NOW_NS)]
    assert [json.loads(text)["method"] for text in sent if text] == ["userDataStream.subscribe.signature", "ping"]


def test_the_stream_is_ready_with_its_subscription_and_not_with_a_ping() -> None:
    assert not read({"id": 2, "status": 200, "result": {}, "rateLimits": []}).ready
    assert read({"id": 1, "status": 200, "result": {"subscriptionId": 0}}).ready


@pytest.mark.parametrize("kind", ["serverShutdown", "eventStreamTerminated"])
def test_an_announced_end_opens_the_next_connection_first(kind: str) -> None:
    assert read({"event": {"e": kind, "E": 1770123456789}}).closing


def test_a_connection_is_renewed_before_the_venue_ends_it_after_a_day() -> None:
    assert spec_of("binance").stream.lifetime_s == 86_400


# What is ours.


@pytest.mark.parametrize(
    "wrap", [lambda e: {"subscriptionId": 7, "event": e}, lambda e: {"stream": "k", "data": e}, dict]
)
def test_an_event_is_read_in_its_envelope_and_bare(wrap: Any) -> None:
    frame = read(wrap(EXECUTED))
    assert [type(event) for event in frame.events] == [OrderFilled, OrderUpdated] and not frame.errors


def test_a_trade_is_a_fill_and_a_state() -> None:
    filled, updated = executed().events
    assert isinstance(filled, OrderFilled) and isinstance(updated, OrderUpdated)
    fill, report = filled.fill, updated.report
    assert (fill.trade_id, fill.venue_order_id, fill.client_order_id) == ("98765432", "1234567890", "arb1")
    assert (fill.size, fill.price, fill.fee, fill.fee_currency) == (
        Decimal("0.5"),
        Decimal("2499.5"),
        Decimal("0.0005"),
        "BTC",
    )
    assert fill.liquidity is Liquidity.TAKER
    assert (report.filled, report.avg_price, report.is_open) == (Decimal("0.6"), Decimal("2499.5"), True)


@pytest.mark.parametrize(
    ("changes", "fee", "currency"),
    [
        ({"n": "0.00002", "N": "BNB"}, "0.00002", "BNB"),
        ({"n": "0", "N": None}, "0", "BTC"),
        ({"n": "0", "N": None, "S": "SELL"}, "0", "USDT"),
    ],
)
def test_the_asset_of_a_fee_is_each_trades_own(changes: dict[str, Any], fee: str, currency: str) -> None:
    event = executed(**changes).events[0]
    assert isinstance(event, OrderFilled)
    assert (event.fill.fee, event.fill.fee_currency) == (Decimal(fee), currency)


@pytest.mark.parametrize(
    ("changes", "ours"),
    [
        ({"x": "CANCELED", "X": "CANCELED", "c": "cancelMyOrder1", "C": "arb1"}, "arb1"),
        ({"x": "CANCELED", "X": "CANCELED", "c": "arb1", "C": ""}, "arb1"),
        ({"x": "EXPIRED", "X": "EXPIRED", "C": "null"}, "arb1"),
        ({"x": "NEW", "X": "NEW", "c": "", "l": "0", "z": "0", "t": -1}, None),
    ],
)
def test_a_cancelled_order_goes_by_its_own_id_and_not_by_that_of_the_cancel(
    changes: dict[str, Any], ours: str | None
) -> None:
    [event] = executed(**changes).events
    assert isinstance(event, OrderUpdated) and event.report.client_order_id == ours


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("UNFILLED_IOC_QUANTITY_EXPIRED", "EXPIRED UNFILLED_IOC_QUANTITY_EXPIRED"),
        ("EXECUTION_RULE_PRICE_RANGE_EXCEEDED", "EXPIRED EXECUTION_RULE_PRICE_RANGE_EXCEEDED"),
        (None, "EXPIRED"),
    ],
)
def test_an_expired_rest_keeps_its_fills_and_its_reason(reason: str | None, said: str) -> None:
    [event] = executed(x="EXPIRED", X="EXPIRED", l="0", t=-1, n="0", N=None, eR=reason).events
    assert isinstance(event, OrderUpdated)
    assert (event.report.filled, event.report.is_open, event.report.finish_reason) == (Decimal("0.6"), False, said)


def test_an_order_stopped_as_a_self_trade_has_ended() -> None:
    [event] = executed(x="TRADE_PREVENTION", X="EXPIRED_IN_MATCH", t=-1).events
    assert isinstance(event, OrderUpdated) and not event.report.is_open


# Recorded and documented events.
REPORT: list[type] = [OrderUpdated]
TRADED: list[type] = [OrderFilled, OrderUpdated]
RECORDED: dict[str, list[type]] = {
    "user.executionReport--canceled-limit-gtc-execution_report_canceled": REPORT,
    "user.executionReport--canceled-limit-gtc-spot_execution_report_canceled": REPORT,
    "user.executionReport--expired-limit-gtd-spot_execution_report_expired": REPORT,
    "user.executionReport--expired-limit-ioc-execution_report_expired": REPORT,
    "user.executionReport--new-limit-gtc-gct": REPORT,
    "user.executionReport--new-limit-gtc-order-update-payload": REPORT,
    "user.executionReport--new-stop_loss_limit-gtc-execution_report_stop_loss": REPORT,
    "user.executionReport--trade-filled-limit-gtc-execution_report_trade": TRADED,
    "user.executionReport--trade-filled-limit-gtc-spot_execution_report_binance_us": TRADED,
    "user.executionReport--trade-partially_filled-limit-gtc-spot_execution_report_custom_client_i": TRADED,
    "user.executionReport--trade-partially_filled-limit-gtc-spot_execution_report_empty_client_id": TRADED,
    "user.outboundAccountPosition--account-update-outboundaccountposition-is-sent-any-time-an-a": [BalancesReported],
    "user.outboundAccountPosition--gct": [BalancesReported],
    "user.balanceUpdate--balance-update-payload": [],
    "user.balanceUpdate--gct": [],
    "user.externalLockUpdate--external-lock-update-payload": [],
    "user.listStatus--gct": [],
    "user.listStatus--order-reject-reason-payload": [],
    "wsapi.userDataStream.subscribe.signature--subscribe-to-user-data-stream-through-signature-subscription": [],
}


@pytest.mark.parametrize("door", ["ws", "further/ws"])
def test_recorded_frames_are_read(repo_root: Path, door: str) -> None:
    found = {answer.name.rpartition("/")[2]: answer.raw for answer in answers(repo_root, "binance", door)}
    of_ours = found.keys() & RECORDED.keys()
    assert len(of_ours) >= 4
    for name in of_ours:
        frame = read(found[name])
        assert ([type(event) for event in frame.events], frame.errors) == (RECORDED[name], ()), name


def test_the_recorded_balances_are_the_whole_of_each_asset(repo_root: Path) -> None:
    found = {answer.name.rpartition("/")[2]: answer.raw for answer in answers(repo_root, "binance", "further/ws")}
    [event] = read(found["user.outboundAccountPosition--gct"]).events
    assert isinstance(event, BalancesReported) and not event.complete
    assert event.balances["BTC"] == AssetBalance(Decimal("0.00225109"), Decimal("0.00123"))


def test_a_documented_event_of_an_unknown_kind_is_a_reason_to_query(repo_root: Path) -> None:
    found = {answer.name.rpartition("/")[2]: answer.raw for answer in answers(repo_root, "binance", "ws")}
    frame = read(found["user.executionReport--calculated-filled-limit-gtc-spot_execution_report_calculated"])
    assert "CALCULATED" in str(frame.errors[0]) and not frame.events
