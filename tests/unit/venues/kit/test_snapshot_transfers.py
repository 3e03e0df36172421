"""An account snapshot reads the bills: every change of a balance that is no trade, in each venue's own words."""

import asyncio
from typing import Any

import pytest

from arb.core.messages.events import AccountSnapshotTaken, Transfer
from arb.errors import VenueRejected
from arb.venues.bitget.dialect import BitgetDialect
from arb.venues.gate.dialect import GateDialect
from arb.venues.kit.account_queries import AccountSnapshot
from arb.venues.kit.call import Call
from arb.venues.kit.dialect import TradeDialect
from arb.venues.okx.dialect import OkxDialect
from tests.builders import D

NOW_MS = 1_700_000_000_000
DIALECTS = (GateDialect(), OkxDialect(), BitgetDialect())
FIRST: dict[str, tuple[str, dict[str, Any]]] = {
    "gate": ("account_book", {"from": str(NOW_MS // 1000), "page": 1}),
    "okx": ("account/bills", {"begin": str(NOW_MS)}),
    "bitget": ("v2/spot/account/bills", {"startTime": str(NOW_MS)}),
}


def taken(dialect: TradeDialect, pages: list[list[dict[str, Any]]]) -> tuple[AccountSnapshotTaken, list[Call]]:
    """Take a snapshot whose bills come in these pages; returns it and what was asked."""
    calls: list[Call] = []

    async def ask(call: Call) -> tuple[Any, int]:
        calls.append(call)
        rows = pages[len(calls) - 1]
        return rows if dialect.venue == "gate" else {"code": "0", "data": rows}, 77

    return asyncio.run(AccountSnapshot(dialect, (), (NOW_MS, NOW_MS + 60_000), ask).run(1)), calls


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.venue)
def test_bills_are_asked_for_from_the_instant_that_orders_and_fills_are(dialect: TradeDialect) -> None:
    found, [call] = taken(dialect, [[]])
    path, span = FIRST[dialect.venue]
    assert found.transfers_complete
    assert call.path == path
    assert span.items() <= call.params.items()


BILLS: dict[str, list[tuple[dict[str, Any], Transfer | None]]] = {
    "gate": [
        (
            {"id": "9", "time": NOW_MS, "currency": "BTC", "change": "1.03", "balance": "4.5", "type": "margin_in"},
            Transfer("9", "BTC", D("1.03"), NOW_MS * 10**6, "margin_in"),
        ),
        (
            {"id": "8", "time": NOW_MS, "currency": "USDT", "change": "-5", "balance": "4", "type": "withdraw"},
            Transfer("8", "USDT", D(-5), NOW_MS * 10**6, "withdraw"),
        ),
    ],
    "okx": [
        (
            {"billId": "9", "ccy": "USDT", "balChg": "0.00000123", "ts": str(NOW_MS), "type": "381"},
            Transfer("9", "USDT", D("0.00000123"), NOW_MS * 10**6, "interest"),
        ),
        (
            {"billId": "8", "ccy": "BTC", "balChg": "-2", "ts": str(NOW_MS), "type": "1"},
            Transfer("8", "BTC", D(-2), NOW_MS * 10**6, "transfer"),
        ),
        (
            {"billId": "7", "ccy": "BTC", "balChg": "-2", "ts": str(NOW_MS), "type": "4242"},
            Transfer("7", "BTC", D(-2), NOW_MS * 10**6, "bill of type 4242"),
        ),
        ({"billId": "6", "ccy": "BTC", "balChg": "-2", "ts": str(NOW_MS), "type": "2"}, None),
    ],
    "bitget": [
        (
            {
                "billId": "9",
                "coin": "USDT",
                "groupType": "withdraw",
                "businessType": "withdraw",
                "size": "-5",
                "fees": "-0.1",
                "cTime": str(NOW_MS),
            },
            Transfer("9", "USDT", D("-5.1"), NOW_MS * 10**6, "withdraw"),
        ),
        (
            {
                "billId": "8",
                "coin": "USDT",
                "groupType": "transfer",
                "businessType": "transfer_in",
                "size": "200",
                "cTime": str(NOW_MS),
            },
            Transfer("8", "USDT", D(200), NOW_MS * 10**6, "transfer_in"),
        ),
        (
            {
                "billId": "7",
                "coin": "BTC",
                "groupType": "transaction",
                "businessType": "buy",
                "size": "1",
                "fees": "-0.001",
                "cTime": str(NOW_MS),
            },
            None,
        ),
    ],
}


@pytest.mark.parametrize("kind", ["new_order", "cancel_order", "order_fill", "order_fee", "point_fee"])
def test_gates_bills_of_orders_are_left_to_their_fills(kind: str) -> None:
    raw = {"id": "7", "time": NOW_MS, "currency": "BTC", "change": "-1", "balance": "4", "type": kind}
    assert GateDialect().transfer(raw) is None


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.venue)
def test_what_is_no_trade_is_read_with_its_sign_and_fees_and_trades_are_left_to_their_fills(
    dialect: TradeDialect,
) -> None:
    for raw, expected in BILLS[dialect.venue]:
        assert dialect.transfer(raw) == expected, raw


def test_a_full_page_is_followed_by_the_next_by_bill_id() -> None:
    raw, transfer = BILLS["okx"][0]
    full = [raw | {"billId": str(number)} for number in range(200, 100, -1)]
    found, calls = taken(OkxDialect(), [full, [raw]])
    assert transfer is not None
    assert [call.params.get("after") for call in calls] == [None, "101"]
    assert len(found.transfers) == 101
    assert found.transfers_complete


def test_bills_that_a_key_may_not_read_spoil_nothing_else() -> None:
    async def ask(call: Call) -> tuple[Any, int]:
        raise VenueRejected("okx", "no permission", code="50030")

    found = asyncio.run(AccountSnapshot(OkxDialect(), (), (NOW_MS, NOW_MS), ask).run(1))
    assert found.complete
    assert not found.transfers_complete
