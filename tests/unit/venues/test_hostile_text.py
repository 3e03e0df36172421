"""Whatever a venue, or somebody in between, writes into its frames and answers: an unreadable field, never an exception.

One value of a documented frame or answer is replaced by the raw text of a hostile one: numbers of absurd size or length, wrong
types, depths, lengths, characters that are no text.
"""

import contextlib
import json
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import OutcomeUnknown
from arb.errors import VenueProtocolError
from arb.market.arena import BookArena
from arb.market.order import Role, Side, TimeInForce
from arb.venues.bitget.dialect import BitgetDialect
from arb.venues.bitget.unified import UnifiedDialect
from arb.venues.gate.dialect import GateDialect
from arb.venues.kit.answers import answered
from arb.venues.kit.dialect import TradeDialect
from arb.venues.kit.fields import Fields
from arb.venues.kit.rules.outcome import decode_body, judge_read, judge_write
from arb.venues.okx.dialect import OkxDialect
from arb.venues.transport.http import HttpAnswer
from tests.builders import read_whole
from tests.unit.venues.books.plain import dialects
from tests.unit.venues.kit import private_frames

NOW_NS = 1_700_000_000_500_000_000
MARK = '"<here>"'
HOSTILE = (
    "1e99999999999999999999",
    "-1e99999999999999999999",
    "1e-99999999999999999999",
    '"1e99999999999999999999"',
    '"1e999999"',
    '"-1e-999999"',
    "1E400",
    "1." + "1" * 1500,
    '"1.' + "1" * 1500 + '"',
    "9" * 60,
    "9" * 4200,
    "9" * 5000,
    "18446744073709551616",
    "-9223372036854775809",
    "1605176741763." + "9" * 40,
    "NaN",
    '"NaN"',
    '"sNaN"',
    '"-Infinity"',
    '"0x10"',
    '"1_000"',
    '"\\u0661\\u0662"',
    '"\\u0000"',
    '"a\\u0000b\\r\\n[error] all is lost\\u001b[31m"',
    '"\\ud800"',
    '"' + "a" * 100_000 + '"',
    '"-0"',
    "-0.0",
    '""',
    '" "',
    "null",
    "true",
    "[]",
    "{}",
    "[[[]]]",
    '{"a":{"b":[null]}}',
    "[" * 900 + "]" * 900,
    "[" * 100_000,
    '"unfinished',
    "\x00",
)


def places(value: Any) -> Iterator[Any]:
    """Yield copies of a document, each with another of its values replaced by the mark."""
    yield "<here>"
    if isinstance(value, dict):
        for key, item in value.items():
            for changed in places(item):
                yield {**value, key: changed}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            for changed in places(item):
                yield [*value[:index], changed, *value[index + 1 :]]


def texts(document: Any) -> list[str]:
    return [json.dumps(changed) for changed in places(document)]


GATE_PAIR = {
    "id": "BTC_USDT",
    "base": "BTC",
    "quote": "USDT",
    "precision": 2,
    "amount_precision": 6,
    "min_base_amount": "0.0001",
    "min_quote_amount": "1",
    "max_base_amount": "100",
    "up_rate": "0.1",
    "down_rate": "0.1",
    "trade_status": "tradable",
}
OKX_FILL = {
    "instId": "BTC-USDT",
    "tradeId": "1",
    "ordId": "2",
    "clOrdId": "a",
    "side": "buy",
    "fillPx": "50000",
    "fillSz": "0.1",
    "fee": "-0.0001",
    "feeCcy": "BTC",
    "execType": "T",
    "ts": "1654084334977",
    "fillTime": "1654084334977",
    "billId": "9",
}
OKX_INSTRUMENT = {
    "instType": "SPOT",
    "instId": "BTC-USDT",
    "baseCcy": "BTC",
    "quoteCcy": "USDT",
    "tickSz": "0.1",
    "lotSz": "0.00000001",
    "minSz": "0.00001",
    "maxLmtSz": "9999",
    "maxLmtAmt": "1000000",
    "state": "live",
    "instIdCode": 1,
    "groupId": "1",
}
BITGET_ORDER = {
    "symbol": "BTCUSDT",
    "orderId": "1",
    "clientOid": "a",
    "price": "50010",
    "size": "0.2",
    "orderType": "limit",
    "side": "buy",
    "status": "cancelled",
    "priceAvg": "49995",
    "baseVolume": "0.15",
    "uTime": "1695797773286",
}
BITGET_SYMBOL = {
    "symbol": "BTCUSDT",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "minTradeAmount": "0",
    "maxTradeAmount": "0",
    "pricePrecision": "2",
    "quantityPrecision": "6",
    "quotePrecision": "8",
    "status": "online",
    "minTradeUSDT": "1",
    "buyLimitPriceRatio": "0.05",
    "sellLimitPriceRatio": "0.04",
}

hostile = st.sampled_from(HOSTILE)


def harmless(found: Any) -> bool:
    """Return whether every text in it may be stored and shown anywhere: printable, and of bounded length."""
    if isinstance(found, str):
        return found.isprintable() and len(found) < 2000
    if isinstance(found, dict):
        return all(harmless(key) and harmless(value) for key, value in found.items())
    if isinstance(found, (list, tuple)):
        return all(map(harmless, found))
    return not isinstance(found, msgspec.Struct) or harmless(msgspec.to_builtins(found))


PRIVATE = [
    (venue, text)
    for venue, frames in {
        "gate": [
            private_frames.gate_frame("spot.orders", private_frames.GATE_ORDER),
            private_frames.gate_frame("spot.usertrades", private_frames.GATE_FILL),
            private_frames.gate_frame("spot.balances", private_frames.GATE_BALANCE),
            private_frames.gate_frame("spot.orders", event="subscribe", error={"code": 1, "message": "m"}),
        ],
        "okx": [
            private_frames.okx_frame("orders", private_frames.OKX_ORDER),
            private_frames.okx_frame("account", private_frames.OKX_ACCOUNT),
            json.dumps({"event": "error", "code": "60012", "msg": "m", "arg": {"channel": "orders"}}).encode(),
        ],
        "bitget": [
            private_frames.bitget_frame("orders", private_frames.BITGET_ORDER),
            private_frames.bitget_frame("fill", private_frames.BITGET_FILL),
            private_frames.bitget_frame("account", private_frames.BITGET_BALANCE),
            json.dumps({"event": "login", "code": 0, "msg": ""}).encode(),
        ],
        "bitget unified": [
            private_frames.unified_frame("order", private_frames.UNIFIED_ORDER),
            private_frames.unified_frame("fill", private_frames.UNIFIED_FILL),
            private_frames.unified_frame("account", private_frames.UNIFIED_ACCOUNT),
        ],
    }.items()
    for frame in frames
    for text in texts(json.loads(frame))
]


@given(st.sampled_from(PRIVATE), hostile)
def test_a_hostile_value_in_a_private_frame_is_an_unreadable_field(case: tuple[str, str], value: str) -> None:
    venue, text = case
    raw = text.replace(MARK, value).encode("utf-8", "surrogatepass")
    frame = private_frames.MAKERS[venue]().on_frame(NOW_NS, NOW_NS, raw)
    assert harmless(frame.events) and harmless([str(error) for error in frame.errors])


ORDER = PlaceOrder(
    cause=0,
    venue="gate",
    symbol="BTC/USDT",
    client_order_id=private_frames.CLIENT_ID,
    role=Role.ENTRY,
    side=Side.BUY,
    tif=TimeInForce.IOC,
    price=Decimal("50010"),
    size=Decimal("0.2"),
    expires_ns=NOW_NS,
)
DIALECTS: dict[str, Callable[[], TradeDialect]] = {
    "gate": GateDialect,
    "okx": OkxDialect,
    "bitget": BitgetDialect,
    "bitget unified": UnifiedDialect,
}
KEY_CALLS = {venue: len(make().key_calls()) for venue, make in DIALECTS.items()}


def okx(*rows: Any, code: str = "0") -> dict[str, Any]:
    return {"code": code, "msg": "m", "data": list(rows)}


def bitget(data: Any, code: str = "00000") -> dict[str, Any]:
    return {"code": code, "msg": "m", "requestTime": 1, "data": data}


def in_rows(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a reader of the rows of an answer, wherever the venue puts them."""

    def read_rows(body: Any) -> None:
        rows = body.get("data") if isinstance(body, dict) else body
        for row in rows if isinstance(rows, list) else []:
            read(row)

    return read_rows


OKX_CONFIG = {
    "uid": "5",
    "mainUid": "6",
    "ip": "1.2.3.4",
    "perm": "read_only,trade",
    "acctLv": "1",
    "type": "1",
    "level": "Lv1",
    "feeType": "0",
    "acctStpMode": "cancel_maker",
    "autoLoan": False,
    "enableSpotBorrow": False,
}
Answers = dict[str, list[tuple[str, Any]]]
ANSWERS: Answers = {
    "gate": [
        ("report", [{**private_frames.GATE_ORDER, "status": "closed"}]),
        ("order_in", {**private_frames.GATE_ORDER, "status": "open"}),
        ("fill", [private_frames.GATE_FILL]),
        ("transfer", [{"id": "w1", "currency": "BTC", "amount": "1", "status": "DONE", "timestamp": "1605176741"}]),
        ("cancelled", [{"id": "1", "text": "t-a", "succeeded": False, "label": "L", "message": "m"}]),
        ("clock_ms", {"server_time": 1605176741763}),
        ("balances_in", [{"currency": "BTC", "available": "1", "locked": "0"}]),
        ("listed", [GATE_PAIR]),
        ("fees_in", {"taker_fee": "0.002", "maker_fee": "0.002", "debit_fee": 3, "gt_discount": False}),
        ("fees_listed", {"BTC_USDT": {"taker_fee": "0.002", "maker_fee": "0.002", "debit_fee": 3}}),
        (
            "key_facts",
            [
                [{"key": "a*b", "state": 1, "perms": [{"name": "spot", "read_only": False}]}],
                {"user_id": 1, "ip_whitelist": [], "currency_pairs": ["BTC_USDT"], "tier": 0, "key": {"mode": 1}},
                {"mode": "single_currency"},
            ],
        ),
    ],
    "okx": [
        ("report", okx(private_frames.OKX_ORDER)),
        ("order_in", okx(private_frames.OKX_ORDER)),
        ("fill", okx(OKX_FILL)),
        ("transfer", okx({"ccy": "BTC", "amt": "1", "state": "2", "ts": "1605176741763", "wdId": "5", "fee": "0.1"})),
        ("cancelled", okx({"ordId": "1", "clOrdId": "a", "sCode": "51400", "sMsg": "m"})),
        ("clock_ms", okx({"ts": "1605176741763"})),
        ("balances_in", okx({"details": [{"ccy": "BTC", "availBal": "1", "frozenBal": "0"}]})),
        ("listed", okx(OKX_INSTRUMENT)),
        ("fees_in", okx({"taker": "-0.001", "maker": "-0.0008"})),
        ("fees_listed", okx({"feeGroup": [{"groupId": "1", "taker": "-0.001", "maker": "-0.0008"}]})),
        ("key_facts", [okx(OKX_CONFIG)]),
    ],
    "bitget": [
        ("report", bitget([BITGET_ORDER])),
        ("order_in", bitget([BITGET_ORDER])),
        ("fill", bitget([private_frames.BITGET_FILL])),
        (
            "transfer",
            bitget([{"orderId": "5", "coin": "BTC", "size": "1", "status": "success", "cTime": "1605176741763"}]),
        ),
        (
            "cancelled",
            bitget({"successList": [{"orderId": "1"}], "failureList": [{"clientOid": "a", "errorCode": "1"}]}),
        ),
        ("clock_ms", bitget({"serverTime": "1605176741763"})),
        ("balances_in", bitget([{"coin": "BTC", "available": "1", "frozen": "0", "locked": "0"}])),
        ("listed", bitget([BITGET_SYMBOL])),
        ("fees_in", bitget({"takerFeeRate": "0.001", "makerFeeRate": "0.001"})),
        ("fees_listed", bitget([{"symbol": "BTCUSDT", "takerFeeRate": "0.001", "makerFeeRate": "0.001"}])),
        ("key_facts", [bitget({"userId": "5", "ips": "", "authorities": ["stow"]})]),
    ],
    "bitget unified": [
        ("report", bitget([private_frames.UNIFIED_ORDER])),
        ("order_in", bitget(private_frames.UNIFIED_ORDER)),
        ("fill", bitget([private_frames.UNIFIED_FILL])),
        (
            "transfer",
            bitget([{"category": "OTHER", "id": "5", "coin": "BTC", "type": "TRANSFER_IN", "amount": "1", "ts": "1"}]),
        ),
        ("cancelled", bitget([{"orderId": "1"}, {"clientOid": "a", "code": "25204", "msg": "m"}])),
        ("balances_in", bitget({"assets": [{"coin": "BTC", "available": "1", "locked": "0"}]})),
        ("fees_in", bitget({"takerFeeRate": "0.001", "makerFeeRate": "0.001"})),
        ("fees_listed", bitget([{"symbol": "BTCUSDT", "takerFeeRate": "0.001", "makerFeeRate": "0.001"}])),
        (
            "key_facts",
            [
                bitget({"userId": "5", "ips": "", "permType": "read-and-write", "permissions": ["uta_trade"]}),
                bitget({"uid": "5", "accountMode": "unified"}),
            ],
        ),
    ],
}


def reader_of(dialect: TradeDialect, name: str) -> Callable[[Any], Any]:
    match name:
        case "report" | "transfer":
            return in_rows(getattr(dialect, name))
        case "fill":
            return in_rows(lambda row: dialect.fill(row, NOW_NS))
        case "fees_listed":
            read_whole(dialect.listed(dict(ANSWERS[dialect.venue])["listed"]))  # with the groups of OKX
            return lambda body: dialect.fees_listed(body, ("BTC/USDT",))
        case "key_facts":
            return lambda bodies: dialect.key_facts(tuple(bodies)) if isinstance(bodies, list) else None
    read: Callable[[Any], Any] = getattr(dialect, name)
    return read


READS = [(venue, name, text) for venue, answers in ANSWERS.items() for name, body in answers for text in texts(body)]


@given(st.sampled_from(READS), hostile, st.sampled_from((200, 400, 429, 503)))
def test_a_hostile_value_in_an_answer_is_an_unreadable_field(
    case: tuple[str, str, str], value: str, status: int
) -> None:
    venue, name, text = case
    raw = text.replace(MARK, value).encode("utf-8", "surrogatepass")
    dialect = DIALECTS[venue]()
    dialect.learn({"BTCUSDT": "BTC/USDT"})
    judge_read(dialect.policy, HttpAnswer(status, {}, raw, NOW_NS, NOW_NS), NOW_NS)
    try:
        body = decode_body(raw)
    except ValueError:
        return
    # A number of keys or bodies that does not fit what was asked cannot come: each body is the answer to one question.
    if name == "key_facts" and not (isinstance(body, list) and len(body) == KEY_CALLS[venue]):
        return
    with contextlib.suppress(VenueProtocolError):
        reader_of(dialect, name)(body)


PLACED: dict[str, Any] = {
    "gate": {**private_frames.GATE_ORDER, "status": "closed", "label": "L", "message": "m"},
    "okx": okx({"ordId": "1", "clOrdId": "a", "sCode": "0", "sMsg": ""}),
    "bitget": bitget({"orderId": "1", "clientOid": "a"}),
    "bitget unified": bitget({"orderId": "1", "clientOid": "a"}),
}
WRITES = [(venue, text) for venue, body in PLACED.items() for text in texts(body)]


@given(st.sampled_from(WRITES), hostile, st.sampled_from((200, 201, 400, 403, 429, 500)), st.sampled_from(HOSTILE))
def test_a_hostile_answer_to_an_order_is_never_an_exception(
    case: tuple[str, str], value: str, status: int, header: str
) -> None:
    venue, text = case
    raw = text.replace(MARK, value).encode("utf-8", "surrogatepass")
    headers = {"retry-after": header, "x-gate-ratelimit-reset-timestamp": header}
    answer = HttpAnswer(status, headers, raw, NOW_NS, NOW_NS)
    dialect = DIALECTS[venue]()
    verdict = judge_write(dialect.policy, answer, NOW_NS)
    found = answered(dialect, ORDER, answer, verdict)
    assert harmless(found)
    if status >= 500:
        assert isinstance(found, OutcomeUnknown)


PUBLIC = [
    (dialect, text)
    for dialect in dialects.DIALECTS
    for text in texts(json.loads(dialect.whole(dialects.Truth(random.Random(1)))))
]


@given(st.sampled_from(PUBLIC), hostile)
def test_a_hostile_value_in_a_book_is_an_unreadable_frame(case: tuple[dialects.Dialect, str], value: str) -> None:
    dialect, text = case
    feed = dialect.make(BookArena(1))
    dialect.send_whole(feed, dialects.Truth(random.Random(1)))
    raw = text.replace(MARK, value)
    if dialect.fetched:
        feed.on_snapshot(dialect.symbol, NOW_NS, raw)
    else:
        feed.on_frame(NOW_NS, raw)


@pytest.mark.parametrize("instant_ms", ["9223372036854.775808", "99999999999999"])
def test_an_instant_that_64_bits_cannot_hold_is_an_unreadable_field(instant_ms: str) -> None:
    fields = Fields("gate", "a fill", {"last": "9223372036854.775807", "beyond": instant_ms})
    assert fields.ms_ns("last") == 2**63 - 1
    with pytest.raises(VenueProtocolError, match="no instant"):
        fields.ms_ns("beyond")
