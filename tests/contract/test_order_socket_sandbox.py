"""Orders over the venues' websockets, over real sockets against the sandbox: the same outcomes as over REST, and its own.

The sandbox's own ledger is the judge of what really happened.
"""

import asyncio
import time
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from arb.clock import NS_PER_MS
from arb.core.messages.commands import CancelOrder, PlaceOrder
from arb.core.messages.events import (
    CancelAnswered,
    OrderAccepted,
    OrderFilled,
    OrderQueried,
    OrderRejected,
    OutcomeUnknown,
    PrivateUp,
    TroubleReported,
)
from arb.market.order import Outcome, Role, Side, TimeInForce
from arb.venues.kit.base import PlaceAnswer
from arb.venues.kit.endpoints import OrderEntry
from arb.venues.kit.gateway import VenueGateway
from arb.venues.kit.order_socket import OrderSocket
from tests.contract.conftest import Sandbox
from tests.contract.gateway_bench import (
    ASKS,
    BIDS,
    CALM,
    CLOCK,
    FAST,
    Bench,
    an_order,
    ended,
    place_and_look,
    query,
    told,
)
from tests.contract.stock_clients import SYMBOL

VENUES = ("gate", "okx")


@pytest.fixture(params=VENUES)
def bench(request: pytest.FixtureRequest, sandbox: Sandbox) -> Any:
    """A venue with a fresh two-level book, no faults, and orders over its websocket."""
    sandbox.admin("DELETE", "/faults")
    body = {"venue": request.param, "symbol": SYMBOL, "bids": BIDS, "asks": ASKS}
    sandbox.admin("POST", "/book", body)
    yield Bench(request.param, sandbox, OrderEntry.WEBSOCKET)
    sandbox.admin("DELETE", "/faults")


def socket_of(gateway: VenueGateway) -> OrderSocket:
    assert gateway.order_socket is not None
    return gateway.order_socket


# Failures first.


def test_a_lost_result_is_unknown_though_the_venue_said_received_and_a_query_finds_all(bench: Bench) -> None:
    order = an_order("50010", "0.4")
    bench.fault("lost_ack", "place")
    bench.timing = FAST

    answer, looked = place_and_look(bench, order)

    assert isinstance(answer, OutcomeUnknown)
    assert ("(received)" in answer.cause) == (bench.venue == "gate")  # the receipt is no outcome
    assert looked.report is not None and looked.report.filled == Decimal("0.4")
    assert told(looked.fills) == bench.fills(order.client_order_id)


def test_a_request_that_is_lost_after_its_receipt_is_unknown_and_absent(bench: Bench) -> None:
    order = an_order("50010", "0.4")
    bench.fault("lost_request", "place")
    bench.timing = FAST

    async def story(gateway: VenueGateway) -> tuple[PlaceAnswer, OrderQueried]:
        return await gateway.place(order), await gateway.query_order(query(order))

    answer, looked = bench.run(story)

    assert isinstance(answer, OutcomeUnknown)
    assert (looked.complete, looked.report) == (True, None)
    assert not bench.orders(order.client_order_id)
    # Gate's receipt proved the connection alive; where not a byte came it is not trusted with another order.
    dropped = [event for event in bench.events if isinstance(event, TroubleReported)]
    assert len(dropped) == (bench.venue != "gate")


def test_a_connection_lost_after_sending_is_unknown_and_the_order_is_not_sent_again(bench: Bench) -> None:
    order, after = an_order("50010", "0.2"), an_order("50010", "0.1")
    bench.fault("ws_disconnect", "place")

    async def story(gateway: VenueGateway) -> tuple[PlaceAnswer, PlaceAnswer, OrderQueried]:
        first = await gateway.place(order)
        second = await gateway.place(after)  # at once: the socket is down, so over REST
        await asyncio.wait_for(socket_of(gateway).logged_in.wait(), 60)
        return first, second, await ended(gateway, order)

    first, second, looked = bench.run(story)

    assert isinstance(first, OutcomeUnknown)
    assert "order socket ended" in first.cause
    assert isinstance(second, OrderAccepted)
    assert looked.report is not None and looked.report.filled == Decimal("0.2")
    assert len(bench.orders(order.client_order_id)) == 1
    assert requests_of(bench, order) == 1
    assert [event.kind for event in bench.events if isinstance(event, TroubleReported)] == ["order_socket"]


def test_an_order_delayed_beyond_its_expiry_is_refused_by_okx_and_executed_by_gate_which_had_received_it(
    bench: Bench,
) -> None:
    bench.fault("delayed_request", "place", param=3000)
    bench.timing = FAST

    async def story(gateway: VenueGateway) -> tuple[PlaceOrder, PlaceAnswer, OrderQueried]:
        while True:
            order = an_order("50010", "0.1", expires_ns=CLOCK.wall_ns() + 2500 * NS_PER_MS)
            answer = await gateway.place(order)
            if not isinstance(answer, OrderRejected) or answer.sent_ns:
                break
            # Something held us up until it had expired: it was not sent at all.
        await asyncio.to_thread(until_recorded, bench, order)
        return order, answer, await gateway.query_order(query(order))

    order, answer, looked = bench.run(story)

    assert isinstance(answer, OutcomeUnknown)
    taken = [row for row in bench.orders(order.client_order_id) if row["status"] != "rejected"]
    assert len(taken) == (bench.venue == "gate")
    assert looked.complete and (looked.report is not None) == (bench.venue == "gate")


def test_an_answer_that_comes_too_late_changes_nothing(bench: Bench) -> None:
    order, after = an_order("50000", "0.1"), an_order("50010", "0.1")
    bench.fault("slow", "place", param=3500)
    bench.timing = msgspec.structs.replace(FAST, place_timeout_s=3.0)  # the second order's too

    async def story(gateway: VenueGateway) -> tuple[PlaceAnswer, PlaceAnswer, int]:
        first, second = await gateway.place(order), await gateway.place(after)
        await asyncio.sleep(1.0)  # real time: until the late answer has come
        return first, second, socket_of(gateway).under_way

    first, second, under_way = bench.run(story)

    assert isinstance(first, OutcomeUnknown)
    assert isinstance(second, OrderAccepted) and second.client_order_id == after.client_order_id
    assert under_way == 0


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("http_500", OutcomeUnknown),
        ("http_502_html", OutcomeUnknown),
        ("http_503_maintenance", OutcomeUnknown),
        ("malformed_json", OutcomeUnknown),
        ("http_429", OrderRejected),
        ("reject_balance", OrderRejected),
    ],
)
def test_the_venues_message_mean_what_they_mean_over_rest(
    bench: Bench, fault: str, expected: type[PlaceAnswer]
) -> None:
    order = an_order("50010", "0.1")
    bench.fault(fault, "place")
    bench.timing = FAST if expected is OutcomeUnknown else CALM  # some of these cannot be read as anybody's answer

    answer = bench.run(lambda gateway: gateway.place(order))

    assert isinstance(answer, expected)
    if fault == "http_429":
        assert isinstance(answer, OrderRejected) and answer.code in ("TOO_MANY_REQUESTS", "50011")


def test_an_order_the_balance_does_not_cover_is_rejected(bench: Bench) -> None:
    answer = bench.run(lambda gateway: gateway.place(an_order("50000", "9000")))

    assert isinstance(answer, OrderRejected)
    assert answer.code in ("BALANCE_NOT_ENOUGH", "51008")
    assert 0 < answer.sent_ns <= answer.acked_ns


def test_an_order_beyond_the_guard_is_not_sent_at_all(bench: Bench) -> None:
    order = an_order("50010", "0.01", symbol="SOL/USDT")

    answer = bench.run(lambda gateway: gateway.place(order))

    assert isinstance(answer, OrderRejected)
    assert (answer.code, answer.sent_ns) == ("guard_symbol", 0)
    assert requests_of(bench, order) == 0


def test_a_sale_that_nothing_values_is_not_sent_at_all(bench: Bench) -> None:
    order = an_order("50000", "0.01", side=Side.SELL)

    async def sell(gateway: VenueGateway) -> PlaceAnswer:
        gateway.value_sales(lambda _: None)
        return await gateway.place(order)

    answer = bench.run(sell)

    assert isinstance(answer, OrderRejected)
    assert (answer.code, answer.sent_ns) == ("guard_reference", 0)
    assert requests_of(bench, order) == 0


def test_a_refused_login_leaves_orders_to_rest(bench: Bench) -> None:
    async def story() -> tuple[bool, PlaceAnswer]:
        gateway = bench.gateway()
        await gateway.instruments(())
        bench.fault("key_revoked", "any", seconds=60)
        streams = asyncio.create_task(gateway.run_private(bench.events.append))
        logged_in = asyncio.ensure_future(socket_of(gateway).logged_in.wait())
        await asyncio.wait([logged_in], timeout=60 if bench.venue == "gate" else 0.5)  # real time: until it was refused
        logged_in.cancel()
        was_up = socket_of(gateway).up
        bench.sandbox.admin("DELETE", "/faults")
        try:
            return was_up, await gateway.place(an_order("50010", "0.1"))
        finally:
            streams.cancel()
            await asyncio.gather(streams, return_exceptions=True)
            await gateway.close()

    was_up, answer = asyncio.run(story())

    assert was_up is (bench.venue == "gate")  # whose sandbox revokes requests, not logins
    assert isinstance(answer, OrderAccepted)


# Successes.


@pytest.mark.parametrize(("size", "filled"), [("0.2", "0.2"), ("0.4", "0.3")])
def test_an_ioc_fills_whole_or_in_part_and_goes_over_the_socket(bench: Bench, size: str, filled: str) -> None:
    order = an_order("50000", size)

    async def story(gateway: VenueGateway) -> tuple[PlaceAnswer, int, OrderQueried]:
        return await gateway.place(order), socket_of(gateway).passed_by, await ended(gateway, order)

    answer, passed_by, looked = bench.run(story)

    assert isinstance(answer, OrderAccepted)
    assert passed_by == 0
    assert looked.report is not None and looked.report.filled == Decimal(filled)
    assert told(looked.fills) == bench.fills(order.client_order_id)


def test_a_fill_reported_before_the_answer_is_the_same_fill(bench: Bench) -> None:
    order = an_order("50000", "0.1")
    bench.fault("slow", "place", param=300)  # the private stream tells first

    async def story(gateway: VenueGateway) -> tuple[list[Any], PlaceAnswer]:
        await bench.told_of(PrivateUp)
        answer = await gateway.place(order)
        await bench.told_of(OrderFilled)
        await ended(gateway, order)
        return [event for event in bench.events if isinstance(event, OrderFilled)], answer

    fills, answer = bench.run(story)

    assert isinstance(answer, OrderAccepted)
    assert [fill.fill.size for fill in fills] == [Decimal("0.1")]


def test_both_answers_of_many_orders_at_once_find_their_own(bench: Bench) -> None:
    orders = [an_order("49000", "0.001", role=Role.HEDGE) for _ in range(6)]

    async def story(gateway: VenueGateway) -> list[PlaceAnswer]:
        return await asyncio.gather(*(gateway.place(order) for order in orders))

    answers = bench.run(story)

    assert [answer.client_order_id for answer in answers] == [order.client_order_id for order in orders]
    numbers = [
        answer.report.venue_order_id for answer in answers if isinstance(answer, OrderAccepted) and answer.report
    ]
    assert numbers == [bench.orders(order.client_order_id)[0]["id"] for order in orders]


def test_a_resting_order_is_cancelled_over_the_socket_once(bench: Bench) -> None:
    order = an_order("49000", "0.1", tif=TimeInForce.GTC)

    async def story(gateway: VenueGateway) -> tuple[CancelAnswered, CancelAnswered]:
        await gateway.place(order)
        cancel = CancelOrder(
            cause=1, venue=bench.venue, symbol=SYMBOL, client_order_id=order.client_order_id, venue_order_id=None
        )
        first, second = await gateway.cancel(cancel), await gateway.cancel(cancel)
        assert socket_of(gateway).passed_by == 0
        return first, second

    first, second = bench.run(story)

    assert (first.outcome, second.outcome) == (Outcome.ACCEPTED, Outcome.REJECTED)
    assert bench.orders(order.client_order_id)[0]["status"] == "cancelled"


def test_several_orders_are_cancelled_with_one_frame(bench: Bench) -> None:
    orders = [an_order("49000", "0.01", tif=TimeInForce.GTC, role=Role.HEDGE) for _ in range(3)]
    wanted = [*orders, an_order("49000", "0.01")]

    async def story(gateway: VenueGateway) -> tuple[CancelAnswered, ...]:
        for order in orders:
            await gateway.place(order)
        cancels = [
            CancelOrder(cause=1, venue="", symbol=SYMBOL, client_order_id=order.client_order_id, venue_order_id=None)
            for order in wanted
        ]
        answers = await gateway.cancel_many(cancels)
        assert socket_of(gateway).passed_by == 0
        return answers

    answers = bench.run(story)

    assert [answer.outcome for answer in answers] == [Outcome.ACCEPTED] * 3 + [Outcome.REJECTED]
    assert {bench.orders(order.client_order_id)[0]["status"] for order in orders} == {"cancelled"}


def test_an_entry_leaves_in_the_call_that_sends_it(bench: Bench) -> None:
    order = an_order("50000", "0.1", Side.BUY)

    async def story(gateway: VenueGateway) -> PlaceAnswer:
        departure = gateway.prepare(order)
        assert not isinstance(departure, OrderRejected)
        departure.leave()
        # The ledger is asked without a turn of the loop: whatever arrives had left before.
        assert any(bench.fills(order.client_order_id) for _ in range(100))
        return await departure.answer()

    assert isinstance(bench.run(story), OrderAccepted)


def until_recorded(bench: Bench, order: PlaceOrder) -> None:
    """Wait until an order that is on its way was executed or refused."""
    for _ in range(1200):
        if requests_of(bench, order):
            return
        time.sleep(0.05)
    raise AssertionError("it never arrived")


def requests_of(bench: Bench, order: PlaceOrder) -> int:
    """Return how often the venue was asked to place this order."""
    rows = bench.sandbox.admin("GET", "/ledger")[bench.venue]["requests"]
    mine = (order.client_order_id, f"t-{order.client_order_id}")
    return sum(row["kind"] == "place" and row["client_id"] in mine for row in rows)
