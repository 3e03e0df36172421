"""Three hundred symbols at each venue, under its documented limits: what a start reads, and who waits for whom meanwhile.

Gateways as they are, the sandbox's venues without sockets, virtual time: a second is a second whatever the machine does.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from arb.clock import NS_PER_S, ManualClock
from arb.core.messages.commands import QueryOrder, SnapshotAccount
from arb.core.messages.events import AccountSnapshotTaken
from arb.market.instrument import Instrument
from arb.sandbox.profiles import listed_symbols
from arb.sandbox.server import first_line
from arb.sandbox.world import SimWorld
from arb.venues.build import GatewayLimits, build_gateway
from arb.venues.kit.endpoints import sandbox_access
from arb.venues.kit.gateway import VenueGateway
from arb.venues.registry import spec_of
from arb.venues.transport.http import HttpAnswer
from arb.venues.transport.request import HttpRequest
from arb.virtual_loop import VirtualLoop
from proofs.faultsim.faults import Life
from proofs.faultsim.network import MemoryNetwork, MemoryTransport, Network

SYMBOLS = listed_symbols(300)
START_NS = 1_700_000_000 * NS_PER_S
BY_SYMBOL_ONLY = ("all-trade-rate", "unfilled-orders", "history-orders", "spot/trade/fills")


class Stubborn(MemoryTransport):
    """A venue that answers no question about all symbols at once: Bitget's documents are of two minds about some."""

    async def _ask(self, request: HttpRequest, timeout_s: float) -> HttpAnswer:
        if any(path in request.url for path in BY_SYMBOL_ONLY) and "symbol=" not in request.url:
            body = b'{"code":"400172","msg":"Parameter verification failed symbol","requestTime":0,"data":null}'
            await asyncio.sleep(0.1)
            now_ns = self._network.clock.wall_ns()
            return HttpAnswer(400, {}, body, now_ns, now_ns)
        return await super()._ask(request, timeout_s)


class StubbornNetwork(MemoryNetwork):
    def http(self) -> MemoryTransport:
        return Stubborn(self._network, self._life, self._clock)


def at(venue: str, story: Callable[[VenueGateway, ManualClock], Awaitable[Any]], *, stubborn: bool = False) -> Any:
    """Run a story on a started gateway of a venue that lists all of `SYMBOLS`; books stand still."""
    clock = ManualClock(START_NS)
    world = SimWorld(3, START_NS, static=True, symbol_count=len(SYMBOLS), rungs=3, with_ceiling=False)
    network = Network(world, clock, random.Random(5))
    announced: dict[str, Any] = first_line(world, 1)
    loop = VirtualLoop(clock, network)
    asyncio.set_event_loop(loop)
    life = Life(loop)
    site, credentials = sandbox_access(venue, announced["venues"][venue])

    async def whole() -> Any:
        gateway = build_gateway(
            spec_of(venue),
            site,
            credentials,
            clock=clock,
            rng=random.Random(7),
            limits=GatewayLimits(symbols=SYMBOLS, max_order_value_quote=Decimal(10**9)),
            sandbox_id=str(announced["sandbox_id"]),
            network=(StubbornNetwork if stubborn else MemoryNetwork)(network, life, clock),
        )
        await gateway.start()
        return await story(gateway, clock)

    try:
        return loop.run_until_complete(whole())
    finally:
        loop.close()
        asyncio.set_event_loop(None)


def snapshot_of_all(venue: str) -> SnapshotAccount:
    return SnapshotAccount(cause=0, venue=venue, symbols=SYMBOLS, since_ns=START_NS)


async def brought_up(
    gateway: VenueGateway, clock: ManualClock
) -> tuple[float, tuple[Instrument, ...], AccountSnapshotTaken]:
    """Read what a start reads; return how many seconds that took since the story's beginning, too."""
    instruments = await gateway.instruments(SYMBOLS)
    snapshot = await gateway.snapshot_account(snapshot_of_all(gateway.venue))
    return (clock.wall_ns() - START_NS) / NS_PER_S, instruments, snapshot


@pytest.mark.parametrize("venue", ["gate", "okx", "bitget"])
def test_three_hundred_symbols_are_read_within_seconds_with_their_fees_and_a_whole_snapshot(venue: str) -> None:
    seconds, instruments, snapshot = at(venue, brought_up)

    assert [i.symbol for i in instruments if i.taker_fee is None] == []
    assert len(instruments) == len(SYMBOLS)
    assert snapshot.complete, snapshot.cause
    assert seconds < 5


def test_a_venue_that_answers_for_single_symbols_only_is_asked_for_one_after_the_other() -> None:
    seconds, instruments, snapshot = at("bitget", brought_up, stubborn=True)

    assert [i.symbol for i in instruments if i.taker_fee is None] == []
    assert snapshot.complete, snapshot.cause
    assert seconds < 250  # five lists of 300 symbols at 8 a second


def test_a_query_about_an_order_does_not_wait_behind_a_snapshot_that_takes_long() -> None:
    async def story(gateway: VenueGateway, clock: ManualClock) -> tuple[float, bool]:
        await gateway.instruments(())
        snapshot = asyncio.create_task(gateway.snapshot_account(snapshot_of_all("bitget")))
        await asyncio.sleep(20)
        asked_ns = clock.wall_ns()
        query = QueryOrder(
            cause=0,
            venue="bitget",
            symbol="BTC/USDT",
            client_order_id="arb-none",
            venue_order_id=None,
            since_ns=START_NS,
            attempt=1,
        )
        found = await gateway.query_order(query)
        waited_s = (clock.wall_ns() - asked_ns) / NS_PER_S
        still_under_way = not snapshot.done()
        assert (await snapshot).complete
        return waited_s, found.complete and still_under_way

    waited_s, so = at("bitget", story, stubborn=True)
    assert so
    assert waited_s < 3  # four questions, each of which waits for a slot at most
