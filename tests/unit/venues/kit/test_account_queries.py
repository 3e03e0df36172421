"""Looking for an order: nothing found means something only when every page was read and every fill ascribed."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from arb.core.messages.commands import QueryOrder
from arb.errors import VenueRejected, VenueUnreachable
from arb.venues.bitget.dialect import BitgetDialect
from arb.venues.gate.dialect import GateDialect
from arb.venues.kit.account_queries import OrderQuery
from arb.venues.kit.call import Call
from arb.venues.kit.dialect import TradeDialect
from arb.venues.okx.dialect import OkxDialect

CLIENT_ID = "arb000000001000000b00"
Answer = Callable[[Call], Any]


def look(dialect: TradeDialect, answer: Answer, venue_order_id: str | None = None) -> tuple[OrderQuery, list[Call]]:
    calls: list[Call] = []

    async def ask(call: Call) -> tuple[Any, int]:
        calls.append(call)
        return answer(call), 77

    command = QueryOrder(
        cause=1,
        venue=dialect.venue,
        symbol="BTC/USDT",
        client_order_id=CLIENT_ID,
        venue_order_id=venue_order_id,
        since_ns=0,
        attempt=1,
    )
    found = OrderQuery(dialect, command, 1_700_000_000_000, ask)
    asyncio.run(found.run())
    return found, calls


def gate_order(number: int, client_id: str = CLIENT_ID, **changes: str) -> dict[str, Any]:
    return {
        "id": str(number),
        "text": f"t-{client_id}",
        "currency_pair": "BTC_USDT",
        "status": "closed",
        "type": "limit",
        "side": "buy",
        "amount": "0.2",
        "left": "0",
        "filled_amount": "0.2",
        "filled_total": "10000",
        "avg_deal_price": "50000",
        "price": "50010",
        "finish_as": "filled",
        "update_time_ms": 1700000000123,
        **changes,
    }


def gate_fill(number: int, order: int, client_id: str | None = CLIENT_ID, **changes: str) -> dict[str, Any]:
    return {
        "id": str(number),
        "create_time_ms": "1700000000123.4567",
        "currency_pair": "BTC_USDT",
        "side": "buy",
        "role": "taker",
        "amount": "0.1",
        "price": "50000",
        "order_id": str(order),
        "fee": "0.0001",
        "fee_currency": "BTC",
        "point_fee": "0",
        "gt_fee": "0",
        "text": "apiv4" if client_id is None else f"t-{client_id}",
        **changes,
    }


class GateLists:
    """Answers as Gate does, page by page."""

    def __init__(self, opened: list[Any], finished: list[Any], fills: list[Any]) -> None:
        self.lists = {"open": opened, "finished": finished, "my_trades": fills}

    def __call__(self, call: Call) -> Any:
        if call.path == "orders/{order_id}":
            for order in self.lists["open"] + self.lists["finished"]:
                if order["id"] == call.params["order_id"]:
                    return order
            raise VenueRejected("gate", "none", code="ORDER_NOT_FOUND")
        rows = self.lists["my_trades" if call.path == "my_trades" else call.params["status"]]
        rows = [row for row in rows if row.get("order_id") in (call.params.get("order_id"), row.get("order_id"))]
        first = (call.params["page"] - 1) * call.params["limit"]
        return rows[first : first + call.params["limit"]]


def test_an_error_on_any_page_means_that_nothing_was_proved() -> None:
    for broken in ("open", "finished", "my_trades"):
        lists = GateLists([], [], [])

        def answer(call: Call, broken: str = broken, lists: GateLists = lists) -> Any:
            if broken in (call.params.get("status"), call.path):
                raise VenueUnreachable("gate", "no answer")
            return lists(call)

        found, _ = look(GateDialect(), answer)
        assert (found.complete, found.report, found.fills) == (False, None, ())
        assert found.cause == "gate: no answer"


def test_a_row_that_cannot_be_read_means_that_nothing_was_proved() -> None:
    found, _ = look(GateDialect(), GateLists([], [gate_order(1, left="soon", filled_amount="")], []))

    assert not found.complete


def test_gate_reads_open_before_ended_before_fills() -> None:
    found, calls = look(GateDialect(), GateLists([], [], []))

    assert found.complete
    assert [(call.path, call.params.get("status")) for call in calls] == [
        ("orders", "open"),
        ("orders", "finished"),
        ("my_trades", None),
    ]
    assert calls[1].params["from"] == calls[2].params["from"] == "1700000000"


def test_gate_reads_every_page() -> None:
    others = [gate_order(number, f"foreign{number}") for number in range(2500)]
    found, calls = look(GateDialect(), GateLists(others[:100], [*others, gate_order(9999)], []))

    assert found.complete
    assert found.report is not None
    assert found.report.venue_order_id == "9999"
    pages = [call.params["page"] for call in calls if call.params.get("status") == "finished"]
    assert pages == [1, 2, 3]


def test_gate_finds_fills_by_text_even_when_no_list_shows_the_order() -> None:
    found, _ = look(GateDialect(), GateLists([], [], [gate_fill(5, 9999), gate_fill(6, 1, "foreign")]))

    assert found.complete
    assert found.report is None
    assert [fill.trade_id for fill in found.fills] == ["5"]
    assert found.fills[0].received_ns == 77
    assert found.fills[0].event_ns == 1_700_000_000_123_456_700


def test_a_fill_without_our_name_is_ascribed_by_its_orders_number() -> None:
    # The list of ended orders lags: the order shows only when asked for by its number.
    hidden = gate_order(9999)

    def answer(call: Call) -> Any:
        lists = GateLists([], [], [gate_fill(5, 9999, None)])
        return hidden if call.path == "orders/{order_id}" else lists(call)

    found, _ = look(GateDialect(), answer)
    assert found.complete
    assert found.report is not None
    assert [fill.trade_id for fill in found.fills] == ["5"]


def test_a_fill_that_cannot_be_ascribed_to_any_order_leaves_the_query_incomplete() -> None:
    found, _ = look(GateDialect(), GateLists([], [], [gate_fill(5, 9999, None)]))

    assert not found.complete
    assert "9999" in str(found.cause)


def test_by_number_one_question_for_the_order_and_one_for_its_fills_is_enough() -> None:
    found, calls = look(GateDialect(), GateLists([], [gate_order(9999)], [gate_fill(5, 9999)]), "9999")

    assert found.complete
    assert [call.path for call in calls] == ["orders/{order_id}", "my_trades"]
    assert calls[1].params["order_id"] == "9999"


def test_an_answer_about_another_order_is_not_taken() -> None:
    found, _ = look(GateDialect(), lambda call: gate_order(9999, "somebodyelse"), "9999")

    assert not found.complete
    assert found.report is None


def okx_body(*rows: Any) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": list(rows)}


def okx_order(**changes: str) -> dict[str, Any]:
    return {
        "instId": "BTC-USDT",
        "ordId": "9999",
        "clOrdId": CLIENT_ID,
        "state": "canceled",
        "side": "buy",
        "px": "50010",
        "sz": "0.2",
        "accFillSz": "0.1",
        "avgPx": "50000",
        "cancelSource": "14",
        "uTime": "1700000000123",
        **changes,
    }


def test_okx_is_asked_by_our_own_id_first_and_the_lists_are_read_only_when_that_finds_nothing() -> None:
    def by_id(call: Call) -> Any:
        return okx_body(okx_order()) if call.path == "trade/order" else okx_body()

    found, calls = look(OkxDialect(), by_id)
    assert found.complete
    assert found.report is not None
    assert (str(found.report.filled), found.report.is_open, found.report.finish_reason) == ("0.1", False, "canceled 14")
    assert [call.path for call in calls] == ["trade/order", "trade/fills"]

    def nothing(call: Call) -> Any:
        if call.path == "trade/order":
            raise VenueRejected("okx", "none", code="51603")
        return okx_body()

    found, calls = look(OkxDialect(), nothing)
    assert (found.complete, found.report) == (True, None)
    assert [call.path for call in calls] == [
        "trade/order",
        "trade/orders-pending",
        "trade/orders-history",
        "trade/fills",
    ]


def test_a_refusal_that_does_not_say_there_is_no_order_proves_nothing() -> None:
    def refused(call: Call) -> Any:
        raise VenueRejected("okx", "no", code="51000")

    found, _ = look(OkxDialect(), refused)
    assert not found.complete


def test_okx_pages_follow_the_last_row() -> None:
    fills = [
        {
            "instId": "BTC-USDT",
            "ordId": "9999",
            "clOrdId": CLIENT_ID,
            "tradeId": str(number),
            "billId": str(10_000 - number),
            "fillPx": "50000",
            "fillSz": "0.001",
            "side": "buy",
            "fee": "-0.000001",
            "feeCcy": "BTC",
            "execType": "T",
            "ts": "1700000000123",
        }
        for number in range(150)
    ]

    def answer(call: Call) -> Any:
        if call.path == "trade/order":
            return okx_body(okx_order())
        after = int(call.params.get("after", 10**9))
        return okx_body(*[row for row in fills if int(row["billId"]) < after][:100])

    found, calls = look(OkxDialect(), answer)
    assert len(found.fills) == 150
    assert [call.params.get("after") for call in calls if call.path == "trade/fills"] == [None, "9901"]
    assert str(found.fills[0].fee) == "0.000001"


def test_bitget_fills_carry_no_name_and_are_ascribed_by_number() -> None:
    dialect = BitgetDialect()
    dialect.learn({"BTCUSDT": "BTC/USDT"})
    order = {
        "symbol": "BTCUSDT",
        "orderId": "9999",
        "clientOid": CLIENT_ID,
        "price": "50010",
        "size": "0.2",
        "orderType": "limit",
        "side": "buy",
        "status": "cancelled",
        "priceAvg": "50000",
        "baseVolume": "0.1",
        "uTime": "1700000000123",
    }
    fill = {
        "symbol": "BTCUSDT",
        "orderId": "9999",
        "tradeId": "5",
        "side": "buy",
        "priceAvg": "50000",
        "size": "0.1",
        "feeDetail": {"feeCoin": "BTC", "totalFee": "-0.0001"},
        "tradeScope": "taker",
        "uTime": "1700000000123",
    }

    def answer(call: Call) -> Any:
        if call.path.endswith("orderInfo"):
            return {"code": "00000", "data": [order] if call.params.get("orderId") == "9999" else []}
        return {"code": "00000", "data": [fill] if call.path.endswith("fills") else []}

    found, _ = look(dialect, answer)

    assert found.complete
    assert found.report is not None
    [only] = found.fills
    assert (only.trade_id, str(only.fee), only.fee_currency, only.symbol) == ("5", "0.0001", "BTC", "BTC/USDT")
    assert msgspec.structs.replace(only, fee_currency="BTC") == only
