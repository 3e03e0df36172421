"""Private streams: documented frames become events; a frame that cannot be read names its field and never raises."""

import base64
import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.core.messages.events import BalancesReported, OrderFilled, OrderUpdated
from arb.market.fill import Fill, FillSource, Liquidity
from arb.market.order import OrderReport, Side
from arb.venues.gate.signing import Signer
from arb.venues.kit.private_dialect import UNREAD_MAX, PrivateDialect, PrivateFrame
from tests.unit.venues.kit.private_frames import (
    BITGET_BALANCE,
    BITGET_FILL,
    BITGET_ORDER,
    CASES,
    CLIENT_ID,
    DATA,
    GATE_BALANCE,
    GATE_FILL,
    GATE_ORDER,
    MAKERS,
    NOW_NS,
    OKX_ACCOUNT,
    OKX_ORDER,
    UNIFIED_ACCOUNT,
    UNIFIED_FILL,
    UNIFIED_ORDER,
    bitget,
    bitget_frame,
    gate,
    gate_frame,
    okx,
    okx_frame,
    unified,
    unified_frame,
)


def read(dialect: PrivateDialect, raw: bytes) -> PrivateFrame:
    return dialect.on_frame(99, NOW_NS, raw)


def fills(frame: PrivateFrame) -> list[Fill]:
    return [event.fill for event in frame.events if isinstance(event, OrderFilled)]


def reports(frame: PrivateFrame) -> list[OrderReport]:
    return [event.report for event in frame.events if isinstance(event, OrderUpdated)]


@pytest.mark.parametrize(("venue", "wrap", "row", "field", "value"), CASES)
def test_a_field_that_cannot_be_read_is_named(
    venue: str, wrap: Any, row: dict[str, Any], field: str, value: Any
) -> None:
    frame = read(MAKERS[venue](), wrap({**row, field: value}))

    assert len(frame.errors) == 1
    assert field in str(frame.errors[0]) or field in ("left",)


@pytest.mark.parametrize(("venue", "wrap", "row"), [case[:3] for case in DATA])
def test_one_bad_row_does_not_hide_its_neighbours(venue: str, wrap: Any, row: dict[str, Any]) -> None:
    dialect = MAKERS[venue]()
    good = read(dialect, wrap(row))
    whole = json.loads(wrap(row))
    key = "result" if venue == "gate" else "data"
    whole[key] = [17, row]

    frame = read(dialect, json.dumps(whole).encode())

    assert good.events
    assert not good.errors
    assert frame.errors
    if "details" not in row:  # OKX's account comes in one piece
        assert frame.events == good.events


@pytest.mark.parametrize(("venue", "wrap", "row"), [case[:3] for case in DATA if "details" not in case[2]])
def test_a_frame_of_many_bad_rows_is_not_read_to_its_end(venue: str, wrap: Any, row: dict[str, Any]) -> None:
    key = "result" if venue == "gate" else "data"
    whole = json.loads(wrap(row))

    def read_with(bad: int) -> PrivateFrame:
        whole[key] = [{}] * bad + [row]
        return read(MAKERS[venue](), json.dumps(whole).encode())

    assert (len(read_with(UNREAD_MAX - 1).errors), bool(read_with(UNREAD_MAX - 1).events)) == (UNREAD_MAX - 1, True)
    for bad in (UNREAD_MAX, 100 * UNREAD_MAX):
        assert (len(read_with(bad).errors), read_with(bad).events) == (UNREAD_MAX, ())


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"17", b"null", b'"x"', b"\xff", b"[" * 100_000, b'{"arg":5}'])
@pytest.mark.parametrize("venue", MAKERS)
def test_garbage_is_an_error_or_nothing_but_never_an_exception(venue: str, raw: bytes) -> None:
    frame = read(MAKERS[venue](), raw)

    assert not frame.events
    assert frame.errors or raw == b'{"arg":5}'


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(DATA), st.data())
def test_no_mutation_of_a_frame_raises(case: tuple[str, Any, dict[str, Any], Any], data: st.DataObject) -> None:
    venue, wrap, row, _ = case
    raw = bytearray(wrap(row))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))

    read(MAKERS[venue](), bytes(raw))


def test_gate_fills_are_read_exactly_and_those_without_our_name_are_foreign() -> None:
    [fill] = fills(read(gate(), gate_frame("spot.usertrades", GATE_FILL)))

    assert fill == Fill(
        venue="gate",
        symbol="BTC/USDT",
        trade_id="5736713",
        venue_order_id="30784428",
        client_order_id=None,
        side=Side.SELL,
        price=Decimal(10000),
        size=Decimal("0.5"),
        fee=Decimal("0.002"),
        fee_currency="USDT",
        liquidity=Liquidity.TAKER,
        source=FillSource.STREAM,
        event_ns=1_605_176_741_763_123_456,
        received_ns=99,
    )


@pytest.mark.parametrize(
    ("changes", "fee", "currency"),
    [
        ({"fee": "0", "gt_fee": "0.01"}, "0.01", "GT"),
        ({"fee": "0", "point_fee": "1.5"}, "1.5", "POINT"),
        ({"fee": "-0.001"}, "-0.001", "USDT"),
        ({"fee": "0"}, "0", "USDT"),
        ({"fee": "0", "fee_currency": "", "side": "buy"}, "0", "BTC"),
    ],
)
def test_gate_fees_are_read_from_whatever_paid_them(changes: dict[str, str], fee: str, currency: str) -> None:
    [fill] = fills(read(gate(), gate_frame("spot.usertrades", {**GATE_FILL, **changes})))

    assert (fill.fee, fill.fee_currency) == (Decimal(fee), currency)


def test_gate_orders_end_by_their_event_and_keep_what_filled() -> None:
    [ended] = reports(read(gate(), gate_frame("spot.orders", GATE_ORDER)))
    [opened] = reports(read(gate(), gate_frame("spot.orders", {**GATE_ORDER, "event": "put", "finish_as": "open"})))

    assert (ended.client_order_id, ended.filled, ended.is_open, ended.finish_reason) == (
        CLIENT_ID,
        Decimal("0.6"),
        False,
        "ioc",
    )
    assert ended.avg_price == Decimal(10002)
    assert opened.is_open


def test_gate_ends_an_order_whose_reason_it_has_never_heard_of() -> None:
    [ended] = reports(read(gate(), gate_frame("spot.orders", {**GATE_ORDER, "finish_as": "moon_phase"})))

    assert (ended.is_open, ended.finish_reason, ended.filled) == (False, "moon_phase", Decimal("0.6"))


def test_balances_are_reported_as_free_and_locked_and_never_as_complete() -> None:
    frames = [
        read(gate(), gate_frame("spot.balances", GATE_BALANCE)),
        read(okx(), okx_frame("account", OKX_ACCOUNT)),
        read(bitget(), bitget_frame("account", BITGET_BALANCE)),
        read(unified(), unified_frame("account", UNIFIED_ACCOUNT)),
    ]
    seen = []
    for frame in frames:
        [event] = frame.events
        assert isinstance(event, BalancesReported)
        assert not event.complete
        seen.append((event.balances["USDT"].free, event.balances["USDT"].locked))

    assert seen == [
        (Decimal("1000.5"), Decimal("32.49")),
        (Decimal("4834.3"), Decimal("165.7")),
        (Decimal("10.5"), Decimal(3)),
        (Decimal("10.5"), Decimal(3)),
    ]


def test_okx_reports_order_and_fill_in_one_push_and_turns_the_fees_sign() -> None:
    frame = read(okx(), okx_frame("orders", OKX_ORDER))
    [fill], [report] = fills(frame), reports(frame)

    assert (fill.fee, fill.fee_currency, fill.size, fill.trade_id) == (
        Decimal("0.0001"),
        "BTC",
        Decimal("0.1"),
        "242589207",
    )
    assert (report.filled, report.is_open) == (Decimal("0.1"), True)
    assert str(fills(read(okx(), okx_frame("orders", {**OKX_ORDER, "fillFee": "0"})))[0].fee) == "0"
    assert not fills(read(okx(), okx_frame("orders", {**OKX_ORDER, "tradeId": "", "fillSz": "0"})))


@pytest.mark.parametrize(
    ("deduction", "coin", "written", "fee"),
    [("yes", "BGB", "0.0015", "0.0015"), ("no", "USDT", "-0.0074", "0.0074"), ("no", "USDT", "0.0118", "-0.0118")],
    ids=["paid in BGB", "paid", "a rebate"],
)
def test_bitget_writes_a_fee_in_bgb_above_zero_and_any_other_below(
    deduction: str, coin: str, written: str, fee: str
) -> None:
    """As accounts have reported it (ccxt#21530): what was paid in BGB would pass for a rebate."""
    detail = {"deduction": deduction, "feeCoin": coin, "totalDeductionFee": "0", "totalFee": written}
    [fill] = fills(read(bitget(), bitget_frame("fill", BITGET_FILL | {"feeDetail": [detail]})))
    assert (fill.fee, fill.fee_currency) == (Decimal(fee), coin)


def test_bitget_reports_fills_by_number_and_orders_by_name() -> None:
    [fill] = fills(read(bitget(), bitget_frame("fill", BITGET_FILL)))
    [report] = reports(read(bitget(), bitget_frame("orders", BITGET_ORDER)))

    assert (fill.client_order_id, fill.venue_order_id, fill.fee) == (None, "1", Decimal("0.0001"))
    assert (report.client_order_id, report.venue_order_id) == (CLIENT_ID, "1")
    assert (report.filled, report.is_open) == (Decimal("0.15"), False)


def test_bitget_reports_fills_of_a_unified_account_by_name_and_their_fees_as_charged() -> None:
    [fill] = fills(read(unified(), unified_frame("fill", UNIFIED_FILL)))
    [report] = reports(read(unified(), unified_frame("order", UNIFIED_ORDER)))

    assert (fill.client_order_id, fill.venue_order_id, fill.trade_id) == (CLIENT_ID, "1", "7")
    assert (fill.fee, fill.fee_currency, fill.liquidity) == (Decimal("0.0001"), "BTC", Liquidity.TAKER)
    assert (report.client_order_id, report.venue_order_id) == (CLIENT_ID, "1")
    assert (report.filled, report.avg_price, report.is_open) == (Decimal("0.15"), Decimal(49995), False)
    assert report.finish_reason == "ioc_not_full_cancel"


@pytest.mark.parametrize(
    ("detail", "fee", "coin"),
    [
        ([{"feeCoin": "BTC", "fee": "-0.0001"}], "-0.0001", "BTC"),  # a rebate
        ({"feeCoin": "BGB", "fee": "0.2"}, "0.2", "BGB"),
        ('[{"feeCoin":"BTC","fee":0.00000000089}]', "8.9E-10", "BTC"),
        ([{"feeCoin": "BTC", "fee": "0.1"}, {"feeCoin": "BTC", "fee": "0.2"}], "0.3", "BTC"),
        ([{"feeCoin": "BGB", "fee": "0"}, {"feeCoin": "BTC", "fee": "0.2"}], "0.2", "BTC"),
        ([{"feeCoin": "USDT", "fee": "0"}], "0", "USDT"),
    ],
)
def test_a_fee_of_a_unified_account_is_read_in_every_form_it_was_seen_in(detail: Any, fee: str, coin: str) -> None:
    [fill] = fills(read(unified(), unified_frame("fill", UNIFIED_FILL | {"feeDetail": detail})))
    assert (fill.fee, fill.fee_currency) == (Decimal(fee), coin)


@pytest.mark.parametrize(
    "detail",
    [
        "soon",
        17,
        True,
        [17],
        [{"fee": "0.1"}],
        [{"feeCoin": "BTC", "fee": "much"}],
        [{"feeCoin": "BTC", "fee": "0.1"}, {"feeCoin": "BGB", "fee": "0.1"}],
        [{"feeCoin": "BTC", "fee": "0"}, {"feeCoin": "BGB", "fee": "0"}],
        [{"feeCoin": "", "fee": ""}],
        [{"feeCoin": None, "fee": None}],
        [],
        "",
        None,
    ],
)
def test_a_fee_that_cannot_be_told_is_an_unreadable_fill(detail: Any) -> None:
    frame = read(unified(), unified_frame("fill", UNIFIED_FILL | {"feeDetail": detail}))
    assert (frame.events, len(frame.errors)) == ((), 1)


@pytest.mark.parametrize("category", ["usdt-futures", "USDT-FUTURES", "MARGIN", "coin-futures", "SPOTS"])
@pytest.mark.parametrize(("topic", "row"), [("order", UNIFIED_ORDER), ("fill", UNIFIED_FILL)])
def test_what_a_unified_account_trades_elsewhere_under_the_name_of_a_spot_symbol_is_foreign(
    category: str, topic: str, row: dict[str, Any]
) -> None:
    frame = read(unified(), unified_frame(topic, row | {"category": category}, row | {"category": "SPOT"}))
    assert (len(frame.events), frame.errors) == (1, ())
    assert [unknown.native for unknown in frame.foreign] == [f"{category} BTCUSDT"]


def test_a_refused_login_of_a_unified_account_is_an_error_event_with_a_code_that_is_a_number() -> None:
    assert "30015" in str(read(unified(), b'{"event":"error","code":30015,"msg":"Invalid sign"}').refused)
    assert read(unified(), b'{"event":"login","code":0,"connId":"0aa7"}').send


@pytest.mark.parametrize(("venue", "wrap", "row"), [case[:3] for case in DATA])
def test_the_same_frame_again_reports_the_same_again(venue: str, wrap: Any, row: dict[str, Any]) -> None:
    dialect = MAKERS[venue]()

    assert read(dialect, wrap(row)).events == read(dialect, wrap(row)).events


def test_gate_signs_each_subscription_and_is_ready_with_the_last_answer() -> None:
    dialect = gate()
    messages = [json.loads(text) for text in dialect.greetings(NOW_NS)]

    assert [message["channel"] for message in messages] == ["spot.orders", "spot.usertrades", "spot.balances"]
    for message in messages:
        text = f"channel={message['channel']}&event=subscribe&time=1700000000"
        assert message["auth"] == {"method": "api_key", "KEY": "key", "SIGN": Signer("secret").signature(text)}
    assert [message.get("payload") for message in messages] == [["!all"], ["!all"], None]
    answers = [
        read(dialect, gate_frame(message["channel"], event="subscribe", error=None)).ready for message in messages
    ]
    assert answers == [False, False, True]
    assert not read(dialect, gate_frame("spot.balances", event="subscribe")).ready  # an answer again


def test_gate_names_a_refusal_and_a_closing_notice() -> None:
    refused = gate_frame("spot.orders", event="subscribe", error={"code": 4, "message": "INVALID_KEY"})

    assert "INVALID_KEY" in str(read(gate(), refused).refused)
    for shutdown in (b'{"type":"upgrade"}', b'{"event":"upgrade"}', b'{"result":{"type":"upgrade"}}'):
        assert read(gate(), shutdown).closing


@pytest.mark.parametrize(
    ("venue", "path"), [("okx", "/users/self/verify"), ("bitget", "/user/verify"), ("bitget unified", "/user/verify")]
)
def test_okx_and_bitget_log_in_then_subscribe(venue: str, path: str) -> None:
    dialect = MAKERS[venue]()
    [login] = [json.loads(text) for text in dialect.greetings(NOW_NS)]
    sign = base64.b64encode(hmac.new(b"secret", f"1700000000GET{path}".encode(), hashlib.sha256).digest()).decode()

    assert login == {
        "op": "login",
        "args": [{"apiKey": "key", "passphrase": "phrase", "timestamp": "1700000000", "sign": sign}],
    }
    [subscribe] = read(dialect, b'{"event":"login","code":"0","msg":""}').send
    arguments = json.loads(subscribe)["args"]
    answers = [
        read(dialect, json.dumps({"event": "subscribe", "arg": argument}).encode()).ready for argument in arguments
    ]
    assert answers == [False] * (len(arguments) - 1) + [True]
    assert read(dialect, b"pong") == PrivateFrame()
    assert "60009" in str(read(dialect, b'{"event":"error","code":"60009","msg":"Login failed."}').refused)


def test_okx_reports_no_balance_of_a_frame_in_which_one_account_cannot_be_read() -> None:
    frame = read(okx(), okx_frame("account", OKX_ACCOUNT, {"details": None}))
    assert not frame.events and frame.errors


def test_okx_announces_that_it_closes() -> None:
    assert read(okx(), b'{"event":"notice","code":"64008","msg":"upgrade"}').closing
