"""What only Bybit does with an order: it ends afterwards, and a restart of the service forgets that it has ended."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from arb.core.messages.events import OrderAccepted, OrderQueried, OrderRejected
from arb.market.order import TimeInForce
from arb.venues.kit.base import PlaceAnswer
from arb.venues.kit.gateway import VenueGateway
from tests.contract.conftest import Sandbox
from tests.contract.gateway_bench import Bench, an_account, an_order, ended, place_and_look, query, told


@pytest.fixture
def bench(sandbox: Sandbox) -> Iterator[Bench]:
    """Bybit with a fresh two-level book and no faults."""
    with an_account("bybit", sandbox) as venue:
        yield Bench(venue, sandbox)


def test_an_order_that_was_taken_in_is_rejected_afterwards_and_has_no_fill(bench: Bench) -> None:
    answer, looked = place_and_look(bench, an_order("50010", "0.1", tif=TimeInForce.POST_ONLY))

    assert isinstance(answer, OrderAccepted)
    assert looked.complete and looked.report is not None and not looked.fills
    assert looked.report.finish_reason == "Rejected EC_PostOnlyWillTakeLiquidity"


@pytest.mark.parametrize(("price", "filled"), [("50010", "0.4"), ("49995", "0")])
def test_after_a_restart_an_ended_order_is_found_in_the_history(bench: Bench, price: str, filled: str) -> None:
    order = an_order(price, "0.4")

    async def story(gateway: VenueGateway) -> OrderQueried:
        await gateway.place(order)
        await ended(gateway, order)
        bench.fault("order_not_found", "query", seconds=60)
        return await gateway.query_order(query(order))

    looked = bench.run(story)

    assert looked.complete and looked.report is not None
    assert (looked.report.is_open, looked.report.filled) == (False, Decimal(filled))
    assert told(looked.fills) == bench.fills(order.client_order_id)


def test_an_order_sent_twice_under_one_id_is_taken_once(bench: Bench) -> None:
    order = an_order("50000", "0.01")

    async def story(gateway: VenueGateway) -> tuple[PlaceAnswer, PlaceAnswer]:
        return await gateway.place(order), await gateway.place(order)

    first, second = bench.run(story)

    assert isinstance(first, OrderAccepted)
    assert not isinstance(second, OrderAccepted | OrderRejected), "the earlier one got through, and is asked for"
    assert len([row for row in bench.orders(order.client_order_id) if row["status"] != "rejected"]) == 1
