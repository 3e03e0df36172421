"""Pacing against a venue whose limits are enforced: whoever keeps to them is never refused, whoever is refused slows down.

The sandbox counts as the venues document it: Gate placements per market, OKX per instrument, Bitget per user.
"""

import asyncio
import time
from typing import Any

import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import OrderAccepted, OrderRejected
from arb.market.order import Role
from arb.venues.kit.base import PlaceAnswer
from arb.venues.kit.endpoints import OrderEntry
from arb.venues.kit.gateway import VenueGateway
from tests.contract.conftest import Sandbox
from tests.contract.gateway_bench import ASKS, BIDS, CLOCK, Bench, an_order

WAYS = (
    ("gate", OrderEntry.REST, "SOL/USDT"),
    ("gate", OrderEntry.WEBSOCKET, "NOVA/USDT"),
    ("okx", OrderEntry.WEBSOCKET, "SOL/USDT"),
    ("bitget", OrderEntry.REST, "SOL/USDT"),
)
"""How orders go, and a market where nobody else's placements are counted."""
OUR_WINDOW_NS, VENUES_WINDOW_NS = 500 * NS_PER_MS, NS_PER_S
"""The shortest window of ours, and Gate's."""
BURST = {"gate": 13, "okx": 65, "bitget": 13}
"""More than the venue takes within its own window."""


def named(way: tuple[str, OrderEntry, str]) -> str:
    return f"{way[0]} {way[1]}"


@pytest.fixture(params=WAYS, ids=named)
def bench(request: pytest.FixtureRequest, sandbox: Sandbox) -> Any:
    """A venue with a fresh book and no faults."""
    venue, entry, symbol = request.param
    sandbox.admin("DELETE", "/faults")
    sandbox.admin("POST", "/book", {"venue": venue, "symbol": symbol, "bids": BIDS, "asks": ASKS})
    if venue == "bitget":  # it counts all placements of a user together: those of the test before, too
        time.sleep(1.2 * VENUES_WINDOW_NS / NS_PER_S)
    yield Bench(venue, sandbox, entry, symbol)
    sandbox.admin("DELETE", "/faults")


def entries(bench: Bench, count: int) -> list[PlaceOrder]:
    return [an_order("49000", "1", symbol=bench.symbol) for _ in range(count)]


def repairs(bench: Bench, count: int) -> list[PlaceOrder]:
    return [an_order("49000", "1", symbol=bench.symbol, role=Role.HEDGE) for _ in range(count)]


def statuses(bench: Bench, orders: list[PlaceOrder]) -> list[int]:
    """Return what the venue answered to these orders, in the order of their arrival."""
    names = {name for order in orders for name in (order.client_order_id, f"t-{order.client_order_id}")}
    rows = bench.sandbox.admin("GET", "/ledger")[bench.venue]["requests"]
    return [row["http_status"] for row in rows if row["kind"] == "place" and row["client_id"] in names]


def test_a_burst_of_repairs_waits_its_turn_and_the_venue_refuses_none(bench: Bench) -> None:
    orders = repairs(bench, BURST[bench.venue])

    async def story(gateway: VenueGateway) -> tuple[list[PlaceAnswer], int]:
        began_ns = CLOCK.monotonic_ns()
        answers = await asyncio.gather(*(gateway.place(order) for order in orders))
        return answers, CLOCK.monotonic_ns() - began_ns

    answers, took_ns = bench.run(story)

    assert all(isinstance(answer, OrderAccepted) for answer in answers), answers
    assert 429 not in statuses(bench, orders)
    assert took_ns > NS_PER_S  # so they were held back


def test_entries_beyond_the_budget_are_refused_here_and_leave_room_for_a_repair(bench: Bench) -> None:
    async def story(gateway: VenueGateway) -> tuple[list[PlaceOrder], list[PlaceAnswer], PlaceAnswer]:
        while True:
            opening, (repair,) = entries(bench, 15), repairs(bench, 1)
            began_ns = CLOCK.monotonic_ns()
            placing = [asyncio.ensure_future(gateway.place(order)) for order in opening]
            await asyncio.sleep(0)  # each has left or was kept back
            took_ns = CLOCK.monotonic_ns() - began_ns
            answers, repaired = await asyncio.gather(*placing), await gateway.place(repair)
            if took_ns < OUR_WINDOW_NS / 2:
                return [*opening, repair], answers, repaired
            await asyncio.sleep(VENUES_WINDOW_NS / NS_PER_S)  # held up for so long, they had more than one window

    orders, answers, repaired = bench.run(story)

    kept_back = [answer for answer in answers if isinstance(answer, OrderRejected)]
    assert {(answer.code, answer.sent_ns) for answer in kept_back} == {("rate_budget", 0)}
    assert len(answers) - len(kept_back) == {"gate": 3, "okx": 11, "bitget": 8}[bench.venue]
    assert isinstance(repaired, OrderAccepted)
    assert 429 not in statuses(bench, orders)


@pytest.mark.parametrize("bench", WAYS[1:3], ids=named, indirect=True)
def test_after_a_429_entries_stop_a_repair_waits_and_all_goes_on_slower(bench: Bench) -> None:
    (first, entry), (repair,) = entries(bench, 2), repairs(bench, 1)
    bench.fault("http_429", "place")

    async def story(gateway: VenueGateway) -> tuple[PlaceAnswer, PlaceAnswer, PlaceAnswer, int]:
        refused, at_once = await gateway.place(first), await gateway.place(entry)
        repaired = await gateway.place(repair)
        await asyncio.sleep(0.6)  # real time: a window of ours
        more = await asyncio.gather(*(gateway.place(order) for order in entries(bench, 15)))
        return refused, at_once, repaired, sum(isinstance(answer, OrderAccepted) for answer in more)

    refused, at_once, repaired, room = bench.run(story)

    assert isinstance(refused, OrderRejected) and refused.sent_ns > 0
    assert isinstance(at_once, OrderRejected) and (at_once.code, at_once.sent_ns) == ("rate_budget", 0)
    assert isinstance(repaired, OrderAccepted)
    assert room == {"gate": 1, "okx": 5}[bench.venue]  # half the budget, less what is for repairs


@pytest.mark.parametrize(
    ("entry", "market"),
    [(OrderEntry.REST, ("ETH/USDT", "1000", "0.01")), (OrderEntry.WEBSOCKET, ("DOGE/USDT", "0.05", "500"))],
)
def test_what_gate_reports_in_headers_is_obeyed_when_another_program_uses_the_same_allowance(
    sandbox: Sandbox, entry: OrderEntry, market: tuple[str, str, str]
) -> None:
    symbol, price, size = market  # of this test alone, so that nobody else's placements are counted
    ours, theirs = Bench("gate", sandbox, entry), Bench("gate", sandbox)

    def placed(role: Role) -> PlaceOrder:
        return an_order(price, size, symbol=symbol, role=role)

    async def story(gateway: VenueGateway) -> tuple[list[PlaceOrder], list[PlaceAnswer]]:
        others = [theirs.gateway() for _ in range(3)]  # which do not know of each other, either
        try:
            while True:
                began_ns = CLOCK.monotonic_ns()
                await asyncio.gather(*(other.place(placed(Role.HEDGE)) for other in others for _ in range(3)))
                repair, blocked, later = placed(Role.HEDGE), placed(Role.ENTRY), placed(Role.HEDGE)
                answers = [await gateway.place(repair), await gateway.place(blocked)]
                took_ns = CLOCK.monotonic_ns() - began_ns
                answers.append(await gateway.place(later))
                if took_ns < VENUES_WINDOW_NS:
                    return [repair, later], answers
                await asyncio.sleep(VENUES_WINDOW_NS / NS_PER_S)  # held up for so long, the allowance was renewed
        finally:
            await asyncio.gather(*(other.close() for other in others))

    repairs_of_ours, (last, entry_after, waited) = ours.run(story)

    assert isinstance(last, OrderAccepted)  # the tenth of ten
    assert isinstance(entry_after, OrderRejected) and (entry_after.code, entry_after.sent_ns) == ("rate_budget", 0)
    assert isinstance(waited, OrderAccepted)
    assert statuses(ours, repairs_of_ours) == [201 if entry is OrderEntry.REST else 200] * 2
