"""The look through a whole account and the dead-man switch, over real sockets on every venue of the sandbox."""

from decimal import Decimal
from typing import Any

import pytest

from arb.clock import NS_PER_S
from arb.core.messages.commands import CancelOrder, PlaceOrder, SnapshotAccount
from arb.core.messages.events import AccountSnapshotTaken
from arb.errors import VenueError
from arb.market.ids import decode
from arb.market.order import Side, TimeInForce
from arb.venues.kit.gateway import VenueGateway
from tests.contract.gateway_bench import CLOCK, Bench, an_order, ended
from tests.contract.stock_clients import SYMBOL
from tests.contract.test_gateway_sandbox import bench

__all__ = ["bench"]


def snapshot_account(
    bench: Bench, since_s: int = 60, symbols: tuple[str, ...] = (SYMBOL, "ETH/USDT")
) -> SnapshotAccount:
    """Return the command to look through an account."""
    return SnapshotAccount(cause=1, venue=bench.venue, symbols=symbols, since_ns=CLOCK.wall_ns() - since_s * NS_PER_S)


def looked(bench: Bench, **more: Any) -> AccountSnapshotTaken:
    """Look through the account now."""
    return bench.run(lambda gateway: gateway.snapshot_account(snapshot_account(bench, **more)))


def a_cancel(order: PlaceOrder) -> CancelOrder:
    return CancelOrder(cause=1, venue="", symbol=SYMBOL, client_order_id=order.client_order_id, venue_order_id=None)


def free(bench: Bench, asset: str) -> Decimal:
    """Return what is free at the venue, by its own ledger."""
    return Decimal(bench._ledger()["balances"][asset]["free"])


def test_a_query_that_cannot_be_completed_says_so_and_why(bench: Bench) -> None:
    async def story(gateway: VenueGateway) -> AccountSnapshotTaken:
        bench.fault("http_500", "query", count=200)
        return await gateway.snapshot_account(snapshot_account(bench))

    found = bench.run(story)
    assert not found.complete
    assert not found.transfers_complete
    assert found.cause


def test_orders_open_and_ended_and_their_fills_are_all_found_and_named(bench: Bench) -> None:
    taking, resting = an_order("50010", "0.4"), an_order("48000", "0.1", tif=TimeInForce.GTC)

    async def story(gateway: VenueGateway) -> AccountSnapshotTaken:
        await gateway.place(taking)
        await gateway.place(resting)
        await ended(gateway, taking)
        found = await gateway.snapshot_account(snapshot_account(bench))
        await gateway.cancel(a_cancel(resting))  # the sandbox is shared: what rests stands in the books of other tests
        return found

    found = bench.run(story)
    assert found.complete
    told = {order.client_order_id: order for order in found.orders}
    assert told[taking.client_order_id].filled == Decimal("0.4")
    assert not told[taking.client_order_id].is_open
    assert told[resting.client_order_id].is_open
    number = told[taking.client_order_id].venue_order_id
    mine = [fill for fill in found.fills if fill.venue_order_id == number]
    assert {(f.trade_id, f.price, f.size, f.fee, f.fee_currency) for f in mine} == bench.fills(taking.client_order_id)


def test_a_foreign_order_is_found_and_its_name_is_not_ours(bench: Bench) -> None:
    before = {order["id"] for order in bench._ledger()["orders"]}
    bench.fault("foreign_order", "any", symbol=SYMBOL, param="300")
    found = looked(bench)
    by_hand = {order["id"] for order in bench._ledger()["orders"] if order["id"] not in before}
    stock_venues = {order.venue_order_id for order in found.orders if decode(order.client_order_id or "") is None}
    assert by_hand
    assert by_hand <= stock_venues
    assert by_hand <= {fill.venue_order_id for fill in found.fills}


def test_what_moves_a_balance_from_outside_is_found_by_its_bills_with_its_sign(bench: Bench) -> None:
    before = free(bench, "USDT")
    for amount in (before + 123, before + 100):
        bench.sandbox.admin("POST", "/balance", {"venue": bench.venue, "asset": "USDT", "free": str(amount)})
    found = looked(bench)
    bench.sandbox.admin("POST", "/balance", {"venue": bench.venue, "asset": "USDT", "free": str(before)})
    if bench.venue == "binance":  # no list of it holds them all, and the snapshot claims none
        assert (found.complete, found.transfers_complete, found.transfers) == (True, False, ())
        return
    assert found.transfers_complete
    assert [transfer.amount for transfer in found.transfers if transfer.asset == "USDT"][-2:] == [123, -23]
    assert len({transfer.transfer_id for transfer in found.transfers}) == len(found.transfers)
    assert all(abs(transfer.event_ns - CLOCK.wall_ns()) < 120 * NS_PER_S for transfer in found.transfers)


def test_what_happened_before_the_span_is_not_reported(bench: Bench) -> None:
    order = an_order("50000", "0.1", Side.BUY)

    async def story(gateway: VenueGateway) -> AccountSnapshotTaken:
        await gateway.place(order)
        await ended(gateway, order)
        return await gateway.snapshot_account(snapshot_account(bench, since_s=-30))

    found = bench.run(story)
    assert found.complete
    assert not found.fills


WITHOUT_SWITCH = {("bitget", ""), ("bybit", ""), ("binance", "")}


def test_the_dead_man_switch_is_armed_and_disarmed_where_there_is_one(bench: Bench) -> None:
    async def story(gateway: VenueGateway) -> tuple[bool, bool]:
        return await gateway.arm_dead_man(15), await gateway.arm_dead_man(0)

    assert bench.run(story) == ((bench.venue, bench.mode) not in WITHOUT_SWITCH,) * 2


def test_a_switch_that_cannot_be_reported_is_an_error(bench: Bench) -> None:
    if (bench.venue, bench.mode) in WITHOUT_SWITCH:
        pytest.skip("knows no such switch")

    async def story(gateway: VenueGateway) -> None:
        bench.fault("http_500", "any", count=50)
        with pytest.raises(VenueError):
            await gateway.arm_dead_man(15)

    bench.run(story)
