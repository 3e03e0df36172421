"""Looking through an account: what its lists do not show, because histories lag, is looked up by number."""

import asyncio
from typing import Any

from arb.core.messages.events import AccountSnapshotTaken
from arb.venues.gate.dialect import GateDialect
from arb.venues.kit.account_queries import DETAILS_MAX, AccountSnapshot
from arb.venues.kit.call import Call
from tests.unit.venues.kit.test_account_queries import GateLists, gate_fill, gate_order


class LaggingGate(GateLists):
    """Gate with an account: its history of ended orders is behind, but it answers for each by its number."""

    def __init__(self, listed: list[Any], fills: list[Any], unlisted: list[Any]) -> None:
        super().__init__([], listed, fills)
        self.unlisted = {order["id"]: order for order in unlisted}
        self.asked: list[str] = []

    def __call__(self, call: Call) -> Any:
        if call.path == "account_book":
            return []
        if call.path == "orders/{order_id}":
            self.asked.append(call.params["order_id"])
            if call.params["order_id"] in self.unlisted:
                return self.unlisted[call.params["order_id"]]
        return super().__call__(call)


def snapshot_taken(answer: LaggingGate) -> AccountSnapshotTaken:
    async def ask(call: Call) -> tuple[Any, int]:
        return answer(call), 77

    dialect = GateDialect()
    dialect.learn({"BTC_USDT": "BTC/USDT"})
    span_ms = (1_700_000_000_000, 1_700_000_060_000)
    return asyncio.run(AccountSnapshot(dialect, ("BTC/USDT",), span_ms, ask).run(5))


def test_an_order_of_ours_that_only_its_fill_reports_is_queried() -> None:
    gate = LaggingGate([], [gate_fill(1, 11)], [gate_order(11)])
    found = snapshot_taken(gate)
    assert found.complete
    assert [order.venue_order_id for order in found.orders] == ["11"]
    assert gate.asked == ["11"]


def test_an_order_whose_fill_names_nobody_is_queried() -> None:
    gate = LaggingGate([], [gate_fill(1, 11, None)], [gate_order(11)])
    assert [order.venue_order_id for order in snapshot_taken(gate).orders] == ["11"]


def test_orders_that_are_listed_and_foreign_ones_that_are_named_are_not_queried() -> None:
    foreign = [gate_fill(number, number, "by-hand") for number in range(100, 101 + DETAILS_MAX)]
    gate = LaggingGate([gate_order(11)], [gate_fill(1, 11), *foreign], [])
    assert snapshot_taken(gate).complete
    assert gate.asked == []


def test_an_order_that_is_not_found_by_its_number_either_spoils_nothing() -> None:
    found = snapshot_taken(LaggingGate([], [gate_fill(1, 11)], []))
    assert found.complete
    assert (found.orders, len(found.fills)) == ((), 1)


def test_more_such_orders_than_can_be_queried_make_the_query_incomplete() -> None:
    fills = [gate_fill(number, number) for number in range(100, 101 + DETAILS_MAX)]
    assert not snapshot_taken(LaggingGate([], fills, [])).complete
