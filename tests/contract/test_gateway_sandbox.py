"""One suite for every gateway, over real sockets against the sandbox: what an order becomes, and how it is found again.

The sandbox's own ledger is the judge of what really happened.
"""

import asyncio
import random
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.commands import CancelOrder, PlaceOrder
from arb.core.messages.events import (
    AnyEvent,
    CancelAnswered,
    OrderAccepted,
    OrderFilled,
    OrderQueried,
    OrderRejected,
    OrderUpdated,
    OutcomeUnknown,
    PrivateUp,
)
from arb.errors import VenueAuthError, VenueError
from arb.market.instrument import FeeIn
from arb.market.order import Outcome, Role, Side, TimeInForce
from arb.venues.build import GatewayLimits, build_gateway
from arb.venues.kit.base import PlaceAnswer
from arb.venues.kit.endpoints import sandbox_access
from arb.venues.kit.gateway import VenueGateway
from arb.venues.registry import spec_of
from tests.contract.conftest import Sandbox
from tests.contract.gateway_bench import (
    ACCOUNTS,
    CALM,
    CLOCK,
    FAST,
    Bench,
    an_account,
    an_order,
    ended,
    place_and_look,
    query,
    told,
)
from tests.contract.stock_clients import SYMBOL

BATCHES = ("gate", "okx", "bitget", "bybit")
"""The venues that cancel several orders with one request."""


@pytest.fixture(params=ACCOUNTS)
def bench(request: pytest.FixtureRequest, sandbox: Sandbox) -> Any:
    """A venue with a fresh two-level book and no faults, and an account of the kind asked for."""
    with an_account(request.param, sandbox) as venue:
        yield Bench(venue, sandbox, mode=request.param.partition(" ")[2])


# Failures first.


def test_an_order_the_balance_does_not_cover_is_rejected_and_does_not_exist(bench: Bench) -> None:
    order = an_order("50000", "9000")

    answer = bench.run(lambda gateway: gateway.place(order))

    assert isinstance(answer, OrderRejected)
    assert answer.code in ("BALANCE_NOT_ENOUGH", "51008", "43012", "25202", "170131", "-2010 funds")
    assert 0 < answer.sent_ns <= answer.acked_ns
    assert not [row for row in bench.orders(order.client_order_id) if row["status"] != "rejected"]


def test_an_order_below_the_smallest_size_is_rejected(bench: Bench) -> None:
    order = an_order("1", "0.000001")

    answer = bench.run(lambda gateway: gateway.place(order))

    assert isinstance(answer, OrderRejected)
    assert answer.sent_ns > 0


def test_an_order_that_arrives_after_its_expiry_is_rejected(bench: Bench) -> None:
    bench.fault("delayed_request", "place", param=300)  # later than it may arrive, however quick the way is

    async def story(gateway: VenueGateway) -> tuple[bool | None, PlaceOrder, PlaceAnswer]:
        while True:
            order = an_order("50010", "0.01", expires_ns=CLOCK.wall_ns() + 200 * NS_PER_MS)
            answer = await gateway.place(order)
            if isinstance(answer, OrderAccepted) or answer.sent_ns:
                return gateway.expiry_proved, order, answer
            # Something held us up until it had expired: it was not sent at all.

    documented, order, answer = bench.run(story)

    if bench.mode == "unified":  # then nothing is concluded from an expiry, and the venue takes the order
        assert documented is False
        assert isinstance(answer, OrderAccepted)
        return
    # Bybit checks it at its door only, and Binance before an engine whose own delay nothing bounds.
    assert (documented is False) is (bench.venue in ("bybit", "binance"))
    assert isinstance(answer, OrderRejected)
    assert answer.sent_ns > 0
    assert not bench.fills(order.client_order_id)


def test_an_order_already_expired_is_not_sent_at_all(bench: Bench) -> None:
    order = an_order("50010", "0.01", expires_ns=CLOCK.wall_ns() - 1)

    answer = bench.run(lambda gateway: gateway.place(order))

    assert isinstance(answer, OrderRejected)
    assert (answer.code, answer.sent_ns) == ("expired", 0)
    assert not bench.orders(order.client_order_id)


def test_an_order_beyond_the_guard_is_not_sent_at_all(bench: Bench) -> None:
    order = an_order("50010", "0.01", symbol="SOL/USDT")

    answer = bench.run(lambda gateway: gateway.place(order))

    assert isinstance(answer, OrderRejected)
    assert (answer.code, answer.sent_ns) == ("guard_symbol", 0)


def test_a_sale_that_nothing_values_is_not_sent_at_all(bench: Bench) -> None:
    order = an_order("50000", "0.01", side=Side.SELL)

    async def sell(gateway: VenueGateway) -> PlaceAnswer:
        gateway.value_sales(lambda _: None)
        return await gateway.place(order)

    answer = bench.run(sell)

    assert isinstance(answer, OrderRejected)
    assert (answer.code, answer.sent_ns) == ("guard_reference", 0)
    assert not bench.orders(order.client_order_id)


def test_a_lost_acknowledgement_is_unknown_and_a_query_finds_order_and_fills(bench: Bench) -> None:
    order = an_order("50010", "0.4")
    bench.fault("lost_ack", "place")
    bench.timing = FAST

    answer, looked = place_and_look(bench, order)

    assert isinstance(answer, OutcomeUnknown)
    assert looked.complete
    assert looked.report is not None
    assert looked.report.filled == Decimal("0.4")
    assert told(looked.fills) == bench.fills(order.client_order_id)
    assert len(looked.fills) == 2


def test_an_order_that_never_arrived_is_unknown_and_a_query_is_complete_and_empty(bench: Bench) -> None:
    order = an_order("50010", "0.4")
    bench.fault("lost_request", "place")
    bench.timing = FAST

    async def story(gateway: VenueGateway) -> tuple[PlaceAnswer, OrderQueried]:
        return await gateway.place(order), await gateway.query_order(query(order))

    answer, looked = bench.run(story)

    assert isinstance(answer, OutcomeUnknown)
    assert (looked.complete, looked.report, looked.fills, looked.cause) == (True, None, (), None)
    assert not bench.orders(order.client_order_id)


def test_a_query_that_could_not_read_everything_does_not_claim_to(bench: Bench) -> None:
    order = an_order("50010", "0.4")

    async def story(gateway: VenueGateway) -> OrderQueried:
        bench.fault("http_500", "query", count=50)
        return await gateway.query_order(query(order))

    looked = bench.run(story)

    assert not looked.complete
    assert looked.cause


@pytest.mark.parametrize(("fault", "expected"), [("http_500", OutcomeUnknown), ("http_429", OrderRejected)])
def test_a_server_error_is_unknown_and_a_rate_limit_a_refusal(
    bench: Bench, fault: str, expected: type[PlaceAnswer]
) -> None:
    order = an_order("50010", "0.1")
    bench.fault(fault, "place")

    answer = bench.run(lambda gateway: gateway.place(order))

    assert isinstance(answer, expected)


@pytest.mark.parametrize("fault", ["http_502_html", "http_503_maintenance", "malformed_json"])
def test_a_page_or_cut_json_instead_of_an_answer_is_unknown(bench: Bench, fault: str) -> None:
    order = an_order("50010", "0.1")
    bench.fault(fault, "place")

    answer = bench.run(lambda gateway: gateway.place(order))

    assert isinstance(answer, OutcomeUnknown)


def test_a_good_key_passes_the_check(bench: Bench) -> None:
    facts = bench.run(lambda gateway: gateway.check_key())

    assert facts.can_trade is not False
    assert not facts.can_withdraw


def test_a_key_that_is_refused_stops_the_start(bench: Bench) -> None:
    async def story() -> None:
        gateway = bench.gateway(secret="wrong")
        try:
            await gateway.check_key()
        finally:
            await gateway.close()

    with pytest.raises(VenueAuthError):
        asyncio.run(story())


def test_a_venue_that_is_not_there_is_never_sent_to(bench: Bench) -> None:
    order = an_order("50010", "0.1")

    async def story() -> PlaceAnswer:
        site, own = sandbox_access(bench.venue, bench.sandbox.info["venues"][bench.venue])
        nowhere = site.endpoint.rest.replace(site.endpoint.rest.split(":")[2].split("/")[0], "9")
        gateway = build_gateway(
            spec_of(bench.venue),
            msgspec.structs.replace(site, endpoint=msgspec.structs.replace(site.endpoint, rest=nowhere)),
            own,
            clock=CLOCK,
            rng=random.Random(1),
            limits=GatewayLimits(symbols=(SYMBOL,), max_order_value_quote=Decimal(10**6)),
        )
        try:
            return await gateway.place(order)
        finally:
            await gateway.close()

    answer = asyncio.run(story())
    assert isinstance(answer, OrderRejected)
    assert (answer.code, answer.sent_ns) == ("not_sent", 0)


# Successes.


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("price", "size", "filled"),
    [("50000", "0.2", "0.2"), ("50010", "0.4", "0.4"), ("50000", "0.4", "0.3"), ("49995", "0.4", "0")],
)
def test_an_ioc_buy_fills_whole_in_part_or_not_at_all(bench: Bench, price: str, size: str, filled: str) -> None:
    order = an_order(price, size)

    answer, looked = place_and_look(bench, order)

    assert isinstance(answer, OrderAccepted)
    assert answer.report is not None
    assert looked.report is not None
    assert looked.report.filled == sum((fill.size for fill in looked.fills), Decimal(0)) == Decimal(filled)
    assert looked.report.venue_order_id == answer.report.venue_order_id
    assert told(looked.fills) == bench.fills(order.client_order_id)
    assert all(fill.fee_currency == "BTC" for fill in looked.fills)


def test_an_ioc_sell_pays_its_fee_in_quote(bench: Bench) -> None:
    order = an_order("49980", "0.6", Side.SELL)

    _, looked = place_and_look(bench, order)

    assert looked.report is not None
    assert looked.report.filled == Decimal("0.6")
    assert told(looked.fills) == bench.fills(order.client_order_id)
    assert {fill.fee_currency for fill in looked.fills} == {"USDT"}


def test_an_order_is_found_by_the_venues_number_too(bench: Bench) -> None:
    order = an_order("50000", "0.1")

    async def story(gateway: VenueGateway) -> OrderQueried:
        looked = await place_then_end(gateway, order)
        assert looked.report is not None
        return await gateway.query_order(query(order, looked.report.venue_order_id))

    again = bench.run(story)
    assert again.complete
    assert told(again.fills) == bench.fills(order.client_order_id)


async def place_then_end(gateway: VenueGateway, order: PlaceOrder) -> OrderQueried:
    await gateway.place(order)
    return await ended(gateway, order)


def test_a_resting_order_is_found_open_and_can_be_cancelled(bench: Bench) -> None:
    order = an_order("49000", "0.1", tif=TimeInForce.GTC)

    async def story(gateway: VenueGateway) -> tuple[OrderQueried, Outcome, OrderQueried]:
        await gateway.place(order)
        resting = await gateway.query_order(query(order))
        cancel = CancelOrder(
            cause=1, venue=bench.venue, symbol=SYMBOL, client_order_id=order.client_order_id, venue_order_id=None
        )
        answer = await gateway.cancel(cancel)
        return resting, answer.outcome, await ended(gateway, order)

    resting, outcome, gone = bench.run(story)

    assert resting.report is not None
    assert resting.report.is_open
    assert outcome is Outcome.ACCEPTED
    assert gone.report is not None
    assert gone.report.filled == 0


def resting_and_gone(gateway: VenueGateway, count: int) -> tuple[list[PlaceOrder], list[CancelOrder]]:
    """Return `count` orders that rest, and cancels for them and, in the middle, for one that never was."""
    orders = [an_order("49000", "0.01", tif=TimeInForce.GTC, role=Role.HEDGE) for _ in range(count)]
    wanted = [*orders[: count // 2], an_order("49000", "0.01"), *orders[count // 2 :]]
    return orders, [
        CancelOrder(
            cause=1, venue=gateway.venue, symbol=SYMBOL, client_order_id=order.client_order_id, venue_order_id=None
        )
        for order in wanted
    ]


def test_several_orders_are_cancelled_with_one_request_where_there_is_one_and_each_is_answered_for_itself(
    bench: Bench,
) -> None:
    async def story(gateway: VenueGateway) -> tuple[list[CancelOrder], tuple[CancelAnswered, ...]]:
        orders, cancels = resting_and_gone(gateway, 4)
        placed = [await gateway.place(order) for order in orders]
        [first, *_] = [answer.report for answer in placed if isinstance(answer, OrderAccepted) and answer.report]
        # One by the venue's number, the others by our own.
        cancels[0] = msgspec.structs.replace(cancels[0], venue_order_id=first.venue_order_id)
        return cancels, await gateway.cancel_many(cancels)

    cancels, answers = bench.run(story)

    assert [answer.client_order_id for answer in answers] == [cancel.client_order_id for cancel in cancels]
    assert [answer.outcome for answer in answers] == [Outcome.ACCEPTED] * 2 + [Outcome.REJECTED] + [
        Outcome.ACCEPTED
    ] * 2
    assert answers[2].code in ("CLIENT_ID_NOT_FOUND", "51400", "43001", "25204", "170213", "-2011 gone")
    for cancel in cancels[:2] + cancels[3:]:
        assert bench.orders(cancel.client_order_id)[0]["status"] == "cancelled"
    names = {name for cancel in cancels for name in (cancel.client_order_id, f"t-{cancel.client_order_id}")}
    asked = [row for row in bench.sandbox.admin("GET", "/ledger")[bench.venue]["requests"] if row["kind"] == "cancel"]
    if bench.venue in BATCHES:
        assert len({row["ts_ms"] for row in asked if row["client_id"] in names}) == 1  # in one request


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("fault", "outcome"), [("lost_ack", Outcome.UNKNOWN), ("http_500", Outcome.UNKNOWN), ("http_429", Outcome.REJECTED)]
)
def test_a_batch_that_fails_as_a_whole_fails_for_each(bench: Bench, fault: str, outcome: Outcome) -> None:
    bench.timing = FAST if fault == "lost_ack" else CALM

    async def story(gateway: VenueGateway) -> tuple[CancelAnswered, ...]:
        orders, cancels = resting_and_gone(gateway, 2)
        for order in orders:
            await gateway.place(order)
        bench.fault(fault, "cancel", count=1 if bench.venue in BATCHES else len(cancels))
        answers = await gateway.cancel_many(cancels)
        await gateway.cancel_many(cancels)
        return answers

    assert {answer.outcome for answer in bench.run(story)} == {outcome}


def test_the_private_stream_reports_the_same_fills_as_the_ledger(bench: Bench) -> None:
    order = an_order("50010", "0.4")
    events: list[AnyEvent] = []

    async def story(gateway: VenueGateway) -> None:
        up, done = asyncio.Event(), asyncio.Event()

        def listen(event: AnyEvent) -> None:
            events.append(event)
            if isinstance(event, PrivateUp):
                up.set()
            updates = [e.report for e in events if isinstance(e, OrderUpdated)]
            is_ended = any(not r.is_open and r.client_order_id == order.client_order_id for r in updates)
            if is_ended and sum(isinstance(e, OrderFilled) for e in events) >= 2:
                done.set()

        stream = asyncio.create_task(gateway.run_private(listen))
        async with asyncio.timeout(60):
            await up.wait()
            await gateway.place(order)
            await done.wait()
        stream.cancel()
        await asyncio.gather(stream, return_exceptions=True)

    bench.run(story)
    [number] = {row["id"] for row in bench.orders(order.client_order_id)}
    fills = [e.fill for e in events if isinstance(e, OrderFilled) and e.fill.venue_order_id == number]
    assert told(fills) == bench.fills(order.client_order_id)


def test_balances_rules_fees_and_clock_are_the_venues_own(bench: Bench) -> None:
    async def story(gateway: VenueGateway) -> Any:
        instruments = await gateway.instruments((SYMBOL, "ETH/USDT", "NOPE/USDT"))
        return instruments, await gateway.balances(), await gateway.measure_clock(), gateway.account_id

    instruments, balances, clock, account_id = bench.run(story)
    ledger = bench.sandbox.admin("GET", "/ledger")[bench.venue]["balances"]

    assert [instrument.symbol for instrument in instruments] == [SYMBOL, "ETH/USDT"]
    for instrument in instruments:
        assert instrument.taker_fee is not None
        assert instrument.taker_fee > 0
        assert instrument.buy_fee_in is FeeIn.BASE
        assert instrument.tradable
        assert instrument.tick > 0 < instrument.lot
    assert balances.complete
    for asset, balance in balances.balances.items():
        assert (balance.free, balance.locked) == (Decimal(ledger[asset]["free"]), Decimal(ledger[asset]["locked"]))
    assert abs(clock.offset_ns) <= clock.error_ns  # the venue's clock is ours
    assert 0 < clock.error_ns < 60 * NS_PER_S
    assert account_id.startswith(f"{bench.venue}-")
    assert account_id.endswith(bench.sandbox.info["sandbox_id"])


def test_a_read_survives_a_passing_fault(bench: Bench) -> None:
    async def story(gateway: VenueGateway) -> bool:
        bench.fault("http_500", "query")
        return (await gateway.balances()).complete

    assert bench.run(story)


def test_a_read_gives_up_on_a_lasting_fault(bench: Bench) -> None:
    async def story(gateway: VenueGateway) -> None:
        bench.fault("http_500", "query", count=100)
        with pytest.raises(VenueError):
            await gateway.balances()

    bench.run(story)
