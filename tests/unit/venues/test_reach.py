"""A history that does not reach back to an order proves nothing absent, and the list is asked that reaches furthest."""

import asyncio
from typing import Any

import pytest

from arb.core.messages.commands import QueryOrder
from arb.venues.bitget.dialect import BitgetDialect
from arb.venues.bitget.unified import UnifiedDialect
from arb.venues.gate.dialect import GateDialect
from arb.venues.kit.account_queries import AccountSnapshot, OrderQuery
from arb.venues.kit.call import Call
from arb.venues.kit.dialect import DAY_MS
from arb.venues.okx.dialect import OkxDialect

NOW_MS = 1_760_000_000_000
ORDER = {
    "instId": "BTC-USDT",
    "instType": "SPOT",
    "ordId": "77",
    "clOrdId": "arb1",
    "side": "buy",
    "px": "100",
    "sz": "2",
    "accFillSz": "2",
    "avgPx": "99.5",
    "state": "filled",
    "cTime": "1",
    "uTime": "1",
}


def query(days: float, *rows: Any) -> tuple[OrderQuery, list[str]]:
    """Ask OKX about an order that left days ago, and is among `rows` if it is known; return it with the paths asked."""
    paths: list[str] = []

    async def ask(call: Call) -> tuple[Any, int]:
        paths.append(call.path)
        return {"code": "0", "data": list(rows) if call.path == "trade/order" else []}, 1

    command = QueryOrder(
        cause=0, venue="okx", symbol="BTC/USDT", client_order_id="arb1", venue_order_id=None, since_ns=0, attempt=1
    )
    found = OrderQuery(OkxDialect(), command, NOW_MS - int(days * DAY_MS), ask, now_ms=NOW_MS)
    asyncio.run(found.run())
    return found, paths


@pytest.mark.parametrize(
    ("days", "orders", "fills", "bills"),
    [
        (1, "trade/orders-history", "trade/fills", "account/bills"),
        (3.5, "trade/orders-history", "trade/fills-history", "account/bills"),
        (8, "trade/orders-history-archive", "trade/fills-history", "account/bills-archive"),
    ],
)
def test_okx_is_asked_for_the_list_that_reaches_back(days: float, orders: str, fills: str, bills: str) -> None:
    since_ms, okx = NOW_MS - int(days * DAY_MS), OkxDialect()
    assert okx.ended_orders(None, since_ms, NOW_MS).first.path == orders
    assert okx.fills(None, since_ms, None, NOW_MS).first.path == fills
    assert okx.transfers(since_ms, NOW_MS)[0].first.path == bills


def test_gate_is_given_both_bounds_once_one_would_end_after_seven_days() -> None:
    gate = GateDialect()
    for days, until_ms in ((1, None), (8, NOW_MS + 1000), (40, NOW_MS - 10 * DAY_MS)):
        since_ms = NOW_MS - days * DAY_MS
        for pages in (gate.ended_orders(None, since_ms, NOW_MS), gate.fills(None, since_ms, None, NOW_MS)):
            assert pages.first.params.get("to") == (None if until_ms is None else str(until_ms // 1000))


def test_finding_nothing_beyond_the_reach_is_not_complete() -> None:
    for days, complete in ((3.5, True), (91, False)):
        found, _ = query(days)
        assert (found.complete, found.out_of_reach) == (complete, False)
    assert "reach back 90 days only" in (found.cause or "")


def test_an_order_whose_fills_no_list_shows_any_more_is_out_of_reach() -> None:
    for days, out in ((3.5, False), (91, True)):  # a fill may come late while the list still reaches back
        found, _ = query(days, ORDER)
        assert found.report is not None and found.out_of_reach is out and found.complete is not out


@pytest.mark.parametrize("dialect", [OkxDialect(), GateDialect(), BitgetDialect(), UnifiedDialect()])
def test_a_snapshot_from_before_the_reach_is_not_complete(dialect: Any) -> None:
    async def ask(call: Call) -> tuple[Any, int]:
        return [] if dialect.venue == "gate" else {
            "code": "0",
            "data": [] if dialect.venue == "okx" else {"list": []},
        }, 1

    for more_ms, complete in ((0, True), (1, False)):
        since_ms = NOW_MS - max(dialect.reach) - more_ms
        found = asyncio.run(AccountSnapshot(dialect, (), (since_ms, NOW_MS), ask).run(1))
        assert (found.complete, "reach back" in (found.cause or "")) == (complete, not complete)
