"""Questions about an order and an account of Binance, whose histories are by symbol, by day, and late."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from arb.core.messages.commands import QueryOrder
from arb.core.messages.events import AccountSnapshotTaken
from arb.errors import VenueRejected
from arb.venues.kit.account_queries import AccountSnapshot, OrderQuery
from arb.venues.kit.call import Call
from arb.venues.kit.dialect import DAY_MS
from tests.unit.venues.binance.test_trade import NOW_MS, a_dialect, placed

TRADE = {
    "symbol": "BTCUSDT",
    "id": 56,
    "orderId": 28,
    "price": "3998.25",
    "qty": "6",
    "commission": "0.006",
    "commissionAsset": "BNB",
    "time": NOW_MS,
    "isBuyer": True,
    "isMaker": False,
}


class Venue:
    """Answers by path; `by_id` is the answer to a question for one order, None where it is not found."""

    def __init__(self, by_id: dict[str, Any] | None = None, **lists: list[Any]) -> None:
        self.by_id, self.lists = by_id, lists
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def ask(self, call: Call) -> tuple[Any, int]:
        self.asked.append((call.path, call.params))
        if call.path != "order":
            return self.lists.get(call.path, []), 1
        if self.by_id is None:
            raise VenueRejected("binance", "-2013 Order does not exist.", code="-2013")
        return self.by_id, 1

    def query(self, number: str | None = None, days: int = 0) -> OrderQuery:
        command = QueryOrder(
            cause=0,
            venue="binance",
            symbol="BTC/USDT",
            client_order_id="arb1",
            venue_order_id=number,
            since_ns=0,
            attempt=1,
        )
        found = OrderQuery(a_dialect(), command, NOW_MS - days * DAY_MS, self.ask, now_ms=NOW_MS)
        asyncio.run(found.run())
        return found

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


def test_an_order_that_is_not_found_by_its_id_is_looked_for_in_all_lists() -> None:
    venue = Venue()
    found = venue.query()
    assert found.complete and found.report is None and found.fills == ()
    assert venue.paths == ["order", "openOrders", "allOrders", "myTrades"]


def test_an_order_that_only_its_trades_show_is_found_by_their_number() -> None:
    """The lists are from a database that lags behind the matching engine."""
    venue = Venue(myTrades=[TRADE])
    answers = [None, placed()]

    async def ask(call: Call) -> tuple[Any, int]:
        if call.path == "order":
            venue.by_id = answers.pop(0)
        return await Venue.ask(venue, call)

    command = QueryOrder(
        cause=0,
        venue="binance",
        symbol="BTC/USDT",
        client_order_id="arb1",
        venue_order_id=None,
        since_ns=0,
        attempt=1,
    )
    found = OrderQuery(a_dialect(), command, NOW_MS, ask, now_ms=NOW_MS)
    asyncio.run(found.run())
    assert found.report is not None and found.report.venue_order_id == "28"
    assert [fill.trade_id for fill in found.fills] == ["56"]


def test_a_found_order_has_the_trades_of_its_number_with_their_fees() -> None:
    venue = Venue(placed(), myTrades=[TRADE])
    found = venue.query()
    assert venue.asked[1] == ("myTrades", {"symbol": "BTCUSDT", "orderId": "28", "limit": 1000})
    [fill] = found.fills
    assert found.complete and (fill.fee_currency, fill.size) == ("BNB", Decimal(6))


def test_an_order_of_another_id_is_not_taken_for_ours() -> None:
    found = Venue(placed(clientOrderId="other")).query("28")
    assert not found.complete and found.report is None and "asked for order arb1" in str(found.cause)


@pytest.mark.parametrize(("days", "complete"), [(89, True), (91, False)])
def test_lists_prove_nothing_absent_beyond_90_days(days: int, complete: bool) -> None:
    assert Venue().query(days=days).complete is complete


def snapshot(venue: Venue, *symbols: str) -> AccountSnapshotTaken:
    dialect = a_dialect()
    dialect.learn({"ETHUSDT": "ETH/USDT"})
    return asyncio.run(AccountSnapshot(dialect, symbols, (NOW_MS - 3_600_000, NOW_MS), venue.ask).run(1))


def test_an_account_is_read_symbol_by_symbol_and_never_by_the_dear_question_for_all() -> None:
    venue = Venue(allOrders=[placed()], myTrades=[TRADE])
    taken = snapshot(venue, "BTC/USDT", "ETH/USDT")
    assert taken.complete and [order.venue_order_id for order in taken.orders] == ["28"]
    assert {params["symbol"] for path, params in venue.asked if path == "openOrders"} == {"BTCUSDT", "ETHUSDT"}


def test_changes_of_balances_are_not_all_listed_and_the_snapshot_reports_so() -> None:
    taken = snapshot(Venue(), "BTC/USDT")
    assert taken.complete and not taken.transfers_complete and "deposits" in str(taken.cause)
