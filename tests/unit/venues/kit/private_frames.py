"""Documented frames of the private channels, and how to wrap rows into frames."""

import json
from collections.abc import Callable
from typing import Any

from arb.venues.bitget.private import BitgetPrivate, UnifiedPrivate
from arb.venues.gate.private import GatePrivate
from arb.venues.kit.fields import Symbols
from arb.venues.kit.private_dialect import PrivateDialect
from arb.venues.okx.private import OkxPrivate

NOW_NS = 1_700_000_000_500_000_000
CLIENT_ID = "arb000000001000000b00"


def gate() -> GatePrivate:
    return GatePrivate("key", "secret")


def okx() -> OkxPrivate:
    return OkxPrivate("key", "secret", "phrase")


def bitget() -> BitgetPrivate:
    symbols = Symbols()
    symbols.learn({"BTCUSDT": "BTC/USDT"})
    return BitgetPrivate("key", "secret", "phrase", symbols)


def unified() -> UnifiedPrivate:
    symbols = Symbols()
    symbols.learn({"BTCUSDT": "BTC/USDT"})
    return UnifiedPrivate("key", "secret", "phrase", symbols)


MAKERS: dict[str, Callable[[], PrivateDialect]] = {
    "gate": gate,
    "okx": okx,
    "bitget": bitget,
    "bitget unified": unified,
}

GATE_ORDER = {
    "id": "30784435",
    "user": 123456,
    "text": f"t-{CLIENT_ID}",
    "create_time": "1605175506",
    "create_time_ms": "1605175506123",
    "update_time": "1605175506",
    "update_time_ms": "1605175506123",
    "event": "finish",
    "currency_pair": "BTC_USDT",
    "type": "limit",
    "account": "spot",
    "side": "sell",
    "amount": "1",
    "price": "10001",
    "time_in_force": "ioc",
    "left": "0.4",
    "filled_total": "6001.2",
    "filled_amount": "0.6",
    "avg_deal_price": "10002",
    "fee": "6.0012",
    "fee_currency": "USDT",
    "point_fee": "0",
    "gt_fee": "0",
    "finish_as": "ioc",
}
GATE_FILL = {
    "id": 5736713,
    "user_id": 1000001,
    "order_id": "30784428",
    "currency_pair": "BTC_USDT",
    "create_time": 1605176741,
    "create_time_ms": "1605176741763.123456",
    "side": "sell",
    "amount": "0.50000000",
    "role": "taker",
    "price": "10000.00000000",
    "fee": "0.002",
    "fee_currency": "USDT",
    "point_fee": "0",
    "gt_fee": "0",
    "text": "apiv4",
}
GATE_BALANCE = {
    "timestamp": "1605248616",
    "timestamp_ms": "1605248616763",
    "user": "1000001",
    "currency": "USDT",
    "change": "100",
    "total": "1032.99",
    "available": "1000.5",
    "freeze": "32.49",
    "change_type": "order-create",
}
OKX_ORDER = {
    "instType": "SPOT",
    "instId": "BTC-USDT",
    "ordId": "312269865356374016",
    "clOrdId": CLIENT_ID,
    "px": "50010",
    "sz": "0.2",
    "ordType": "ioc",
    "side": "buy",
    "fillPx": "50000",
    "tradeId": "242589207",
    "fillSz": "0.1",
    "fillTime": "1654084334977",
    "fillFee": "-0.0001",
    "fillFeeCcy": "BTC",
    "execType": "T",
    "accFillSz": "0.1",
    "avgPx": "50000",
    "state": "partially_filled",
    "cancelSource": "",
    "uTime": "1654084334977",
}
OKX_ACCOUNT = {
    "uTime": "1705564223311",
    "totalEq": "100",
    "details": [{"ccy": "USDT", "availBal": "4834.3", "frozenBal": "165.7", "cashBal": "5000"}],
}
BITGET_ORDER = {
    "instId": "BTCUSDT",
    "orderId": "1",
    "clientOid": CLIENT_ID,
    "price": "50010",
    "size": "0.2",
    "orderType": "limit",
    "force": "ioc",
    "side": "buy",
    "fillPrice": "50000",
    "tradeId": "7",
    "baseVolume": "0.1",
    "fillTime": "1695797773286",
    "fillFee": "-0.0001",
    "fillFeeCoin": "BTC",
    "accBaseVolume": "0.15",
    "priceAvg": "49995",
    "status": "cancelled",
    "uTime": "1695797773286",
}
BITGET_FILL = {
    "orderId": "1",
    "tradeId": "7",
    "symbol": "BTCUSDT",
    "orderType": "limit",
    "side": "buy",
    "priceAvg": "50000",
    "size": "0.1",
    "amount": "5000",
    "tradeScope": "taker",
    "feeDetail": [{"feeCoin": "BTC", "deduction": "no", "totalDeductionFee": "0", "totalFee": "-0.0001"}],
    "cTime": "1695797773286",
    "uTime": "1695797773286",
}
BITGET_BALANCE = {"coin": "USDT", "available": "10.5", "frozen": "2", "locked": "1", "uTime": "1695713887792"}

UNIFIED_ORDER = {
    "category": "spot",
    "symbol": "BTCUSDT",
    "orderId": "1",
    "clientOid": CLIENT_ID,
    "price": "50010",
    "qty": "0.2",
    "amount": "0",
    "holdMode": "one_way_mode",
    "orderType": "limit",
    "timeInForce": "ioc",
    "side": "buy",
    "reduceOnly": "no",
    "cumExecQty": "0.15",
    "cumExecValue": "7499.25",
    "avgPrice": "49995",
    "orderStatus": "cancelled",
    "cancelReason": "ioc_not_full_cancel",
    "feeDetail": [{"feeCoin": "BTC", "fee": "0.00009"}],
    "createdTime": "1742367838101",
    "updatedTime": "1742367838115",
    "stpMode": "none",
}
UNIFIED_FILL = {
    "symbol": "BTCUSDT",
    "orderType": "limit",
    "updatedTime": "1736378720623",
    "side": "buy",
    "orderId": "1",
    "execPnl": "0",
    "feeDetail": [{"feeCoin": "BTC", "fee": "0.0001"}],
    "execTime": "1736378720623",
    "tradeScope": "taker",
    "execId": "7",
    "execLinkId": "7",
    "execPrice": "50000",
    "execValue": "5000",
    "category": "spot",
    "execQty": "0.1",
    "clientOid": CLIENT_ID,
}
UNIFIED_ACCOUNT = {
    "totalEquity": "100",
    "coin": [
        {
            "debts": "0",
            "balance": "13.5",
            "available": "10.5",
            "borrow": "0",
            "locked": "3",
            "equity": "13.5",
            "coin": "USDT",
            "usdValue": "13.5",
        }
    ],
}


def gate_frame(channel: str, *rows: Any, event: str = "update", **more: Any) -> bytes:
    frame = {"time": 1700000000, "time_ms": 1700000000123, "channel": channel, "event": event}
    return json.dumps({**frame, "result": list(rows), **more}).encode()


def okx_frame(channel: str, *rows: Any) -> bytes:
    return json.dumps({"arg": {"channel": channel, "instType": "SPOT", "uid": "1"}, "data": list(rows)}).encode()


def bitget_frame(channel: str, *rows: Any) -> bytes:
    arg = {"instType": "SPOT", "channel": channel, "instId": "default"}
    return json.dumps({"action": "snapshot", "arg": arg, "data": list(rows), "ts": 1695797773370}).encode()


def unified_frame(topic: str, *rows: Any) -> bytes:
    arg = {"instType": "UTA", "topic": topic}
    return json.dumps({"action": "snapshot", "arg": arg, "data": list(rows), "ts": 1695797773370}).encode()


DATA: list[tuple[str, Any, dict[str, Any], list[str]]] = [
    ("gate", lambda row: gate_frame("spot.orders", row), GATE_ORDER, ["id", "currency_pair", "side", "amount"]),
    (
        "gate",
        lambda row: gate_frame("spot.usertrades", row),
        GATE_FILL,
        ["id", "order_id", "currency_pair", "side", "amount", "price"],
    ),
    ("gate", lambda row: gate_frame("spot.balances", row), GATE_BALANCE, ["currency", "available"]),
    (
        "okx",
        lambda row: okx_frame("orders", row),
        OKX_ORDER,
        ["instId", "ordId", "side", "sz", "state", "fillPx", "fillFee", "fillFeeCcy"],
    ),
    ("okx", lambda row: okx_frame("account", row), OKX_ACCOUNT, []),
    (
        "bitget",
        lambda row: bitget_frame("orders", row),
        BITGET_ORDER,
        ["instId", "orderId", "side", "size", "status"],
    ),
    (
        "bitget",
        lambda row: bitget_frame("fill", row),
        BITGET_FILL,
        ["orderId", "tradeId", "symbol", "side", "priceAvg", "size"],
    ),
    ("bitget", lambda row: bitget_frame("account", row), BITGET_BALANCE, ["coin", "available"]),
    (
        "bitget unified",
        lambda row: unified_frame("order", row),
        UNIFIED_ORDER,
        ["category", "symbol", "orderId", "side", "qty", "orderStatus"],
    ),
    (
        "bitget unified",
        lambda row: unified_frame("fill", row),
        UNIFIED_FILL,
        ["category", "symbol", "orderId", "execId", "side", "execPrice", "execQty"],
    ),
    ("bitget unified", lambda row: unified_frame("account", row), UNIFIED_ACCOUNT, []),
]
NAMES = {"id", "ordId", "orderId", "order_id", "tradeId", "instId", "symbol", "currency_pair"} | {
    "fillFeeCcy",
    "currency",
    "coin",
    "execId",
    "category",
}
NEVER: list[Any] = [None, "", [1], {"a": 1}, True]
NO_NUMBERS: list[Any] = ["soon", "NaN", "1e999999999", "1e-999999", 10**60, "9" * 100]
CASES = [
    (venue, wrap, row, field, value)
    for venue, wrap, row, fields in DATA
    for field in fields
    for value in (NEVER if field in NAMES else NEVER + NO_NUMBERS)  # any text is a name
]
