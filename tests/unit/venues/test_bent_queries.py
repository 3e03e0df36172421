"""An order that is there is never found not to be there because of an answer with something wrong in it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from arb.market.order import Outcome
from arb.venues.bitget.dialect import BitgetDialect
from arb.venues.gate.dialect import GateDialect
from arb.venues.kit.account_queries import OrderQuery
from arb.venues.kit.call import Call
from arb.venues.kit.dialect import TradeDialect
from arb.venues.kit.rules.outcome import error_of, judge_read
from arb.venues.okx.dialect import OkxDialect
from arb.venues.transport.http import HttpAnswer
from tests.support.bent import each_bent, is_lacking
from tests.unit.venues.kit.test_account_queries import CLIENT_ID, gate_fill, gate_order, look
from tests.unit.venues.test_recorded_records import money

OKX_ORDER = {
    "instId": "BTC-USDT",
    "ordId": "7",
    "clOrdId": CLIENT_ID,
    "side": "buy",
    "sz": "0.2",
    "px": "50010",
    "accFillSz": "0.1",
    "avgPx": "50000",
    "state": "canceled",
    "cancelSource": "14",
    "uTime": "1700000000123",
}
OKX_FILL = {
    "instId": "BTC-USDT",
    "ordId": "7",
    "clOrdId": CLIENT_ID,
    "tradeId": "9",
    "billId": "11",
    "side": "buy",
    "fillPx": "50000",
    "fillSz": "0.1",
    "fee": "-0.0001",
    "feeCcy": "BTC",
    "execType": "T",
    "ts": "1700000000123",
}
BITGET_ORDER = {
    "symbol": "BTCUSDT",
    "orderId": "7",
    "clientOid": CLIENT_ID,
    "side": "buy",
    "orderType": "limit",
    "size": "0.2",
    "price": "50010",
    "baseVolume": "0.1",
    "priceAvg": "50000",
    "status": "cancelled",
    "uTime": "1700000000123",
}
BITGET_FILL = {
    "symbol": "BTCUSDT",
    "orderId": "7",
    "tradeId": "9",
    "side": "buy",
    "priceAvg": "50000",
    "size": "0.1",
    "tradeScope": "taker",
    "feeDetail": {"feeCoin": "BTC", "totalFee": "-0.0001"},
    "uTime": "1700000000123",
}
OUR_ID = ("text", "clOrdId", "clientOid")
"""Without it an order is somebody else's, as far as lists go: the balance is then the BBO check that is left."""


def okx(*rows: Any, code: str = "0") -> dict[str, Any]:
    return {"code": code, "msg": "", "data": list(rows)}


def bitget(*rows: Any, code: str = "00000") -> dict[str, Any]:
    return {"code": code, "msg": "words", "requestTime": 1, "data": list(rows) if code == "00000" else None}


def a_bitget() -> BitgetDialect:
    dialect = BitgetDialect()
    dialect.learn({"BTCUSDT": "BTC/USDT"})
    return dialect


GATE_PARTLY = gate_order(7, left="0.1", filled_amount="0.1", status="cancelled", finish_as="ioc")
WORLDS: dict[str, tuple[Callable[[], TradeDialect], dict[str, Any]]] = {
    "gate": (GateDialect, {"open": [], "finished": [GATE_PARTLY], "my_trades": [gate_fill(9, 7)]}),
    "okx": (
        OkxDialect,
        {
            "trade/order": okx(code="51603"),
            "trade/orders-pending": okx(),
            "trade/orders-history": okx(OKX_ORDER),
            "trade/fills": okx(OKX_FILL),
        },
    ),
    "okx by its id": (OkxDialect, {"trade/order": okx(OKX_ORDER), "trade/fills": okx(OKX_FILL)}),
    "bitget": (
        a_bitget,
        {
            "v2/spot/trade/orderInfo": bitget(code="43001"),
            "v2/spot/trade/unfilled-orders": bitget(),
            "v2/spot/trade/history-orders": bitget(BITGET_ORDER),
            "v2/spot/trade/fills": bitget(BITGET_FILL),
        },
    ),
    "bitget by its id": (
        a_bitget,
        {"v2/spot/trade/orderInfo": bitget(BITGET_ORDER), "v2/spot/trade/fills": bitget(BITGET_FILL)},
    ),
}
"""Of an order that was cancelled with half of it filled: what each list of the venue says."""


def asked(name: str, changed: dict[str, Any]) -> OrderQuery:
    """Return what a query finds; every answer is judged on its bytes first, as a reader does."""
    make, world = WORLDS[name]
    dialect = make()

    def answer(call: Call) -> Any:
        answers = world | changed
        body = answers[call.path if call.path in answers else call.params["status"]]
        verdict = judge_read(dialect.policy, HttpAnswer(200, {}, json.dumps(body).encode(), 1, 2), 3)
        if verdict.outcome is not Outcome.ACCEPTED:
            raise error_of(dialect.venue, verdict)
        return verdict.body

    return look(dialect, answer)[0]


@pytest.mark.parametrize("name", WORLDS)
def test_a_query_of_bent_answers_finds_the_order_or_is_not_complete(name: str) -> None:
    whole = asked(name, {})
    assert whole.complete and whole.report is not None and len(whole.fills) == 1
    done = 0
    for place, body in WORLDS[name][1].items():
        for path, bent in each_bent(body):
            is_empty = (bent if isinstance(bent, list) else bent.get("data")) == []
            if path.rpartition(".")[2] in OUR_ID or is_empty:
                continue
            query = asked(name, {place: bent})
            if query.complete:
                done += 1
                assert query.report is not None, (place, path, bent)
                if is_lacking(bent, path):
                    assert (query.report.size, query.report.filled) == (whole.report.size, whole.report.filled)
                    assert {*map(money, query.fills)} <= {*map(money, whole.fills)}, (place, path)
    assert done > 20
