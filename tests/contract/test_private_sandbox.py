"""The private streams of all venues against the sandbox's disturbances: foreign orders, doubles, garbage, losses."""

import asyncio
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from arb.clock import NS_PER_S, SystemClock
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import AnyEvent, OrderFilled, OrderUpdated, PrivateDown, PrivateUp
from arb.market.ids import ClientOrderId, decode
from arb.market.order import Role, Side, TimeInForce
from arb.venues.build import GatewayLimits, build_gateway
from arb.venues.kit.endpoints import sandbox_access
from arb.venues.registry import spec_of
from tests.contract.conftest import Sandbox
from tests.contract.gateway_bench import ACCOUNTS, an_account
from tests.contract.stock_clients import SYMBOL

CLOCK = SystemClock()
NONCE = random.SystemRandom().getrandbits(48)


class Watch:
    """A gateway whose private stream is running, and what it told."""

    def __init__(self, venue: str, sandbox: Sandbox) -> None:
        site, credentials = sandbox_access(venue, sandbox.info["venues"][venue])
        self.venue = venue
        self.sandbox = sandbox
        self.events: list[AnyEvent] = []
        self.changed = asyncio.Event()
        self._number = 0
        limits = GatewayLimits(symbols=(SYMBOL,), max_order_value_quote=Decimal(10**6))
        self.gateway = build_gateway(
            spec_of(venue), site, credentials, clock=CLOCK, rng=random.Random(5), limits=limits
        )
        self.gateway.value_sales(lambda _: Decimal(50_000))

    def hear(self, event: AnyEvent) -> None:
        """Take one event of the stream."""
        self.events.append(event)
        self.changed.set()

    def count(self, kind: type) -> int:
        """Return how many events of a kind were heard."""
        return sum(isinstance(event, kind) for event in self.events)

    async def until(self, met: Callable[[], bool]) -> None:
        """Wait until something the stream tells makes `met` true."""
        async with asyncio.timeout(60):
            while not met():
                self.changed.clear()
                await self.changed.wait()

    async def fault(self, name: str, **more: Any) -> None:
        """Start a fault at this venue."""
        body = {"venue": self.venue, "fault": name, "on": "stream", **more}
        assert (await asyncio.to_thread(self.sandbox.admin, "POST", "/fault", body))["applied"]

    async def buy(self) -> str:
        """Buy across both levels of the book and return the order's client id."""
        self._number += 1
        order = PlaceOrder(
            cause=1,
            venue=self.venue,
            symbol=SYMBOL,
            client_order_id=ClientOrderId(NONCE, CLOCK.wall_ns() // 1000 % 62**6, "buy", self._number).encode(),
            role=Role.ENTRY,
            side=Side.BUY,
            tif=TimeInForce.IOC,
            price=Decimal(50010),
            size=Decimal("0.4"),
            expires_ns=CLOCK.wall_ns() + 10 * NS_PER_S,
        )
        await self.gateway.place(order)
        return order.client_order_id


@pytest.fixture(params=ACCOUNTS)
def run(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Callable[[Any], Watch]]:
    """Run a story around a private stream that is up."""

    def run_story(story: Any) -> Watch:
        async def whole() -> Watch:
            watch = Watch(venue, sandbox)
            if venue != request.param:
                await watch.gateway.check_key()
            await watch.gateway.instruments(())
            task = asyncio.create_task(watch.gateway.run_private(watch.hear))
            try:
                await watch.until(lambda: watch.count(PrivateUp) == 1)
                await story(watch)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await watch.gateway.close()
            return watch

        return asyncio.run(whole())

    with an_account(request.param, sandbox) as venue:
        yield run_story


def test_a_foreign_order_is_reported_as_foreign_and_disturbs_nothing(run: Callable[[Any], Watch]) -> None:
    async def story(watch: Watch) -> None:
        await watch.fault("foreign_order", on="any", symbol=SYMBOL, count=1)
        await watch.until(lambda: watch.count(OrderFilled) >= 1)
        await watch.buy()
        await watch.until(lambda: watch.count(OrderFilled) >= 2)

    watch = run(story)
    fills = [event.fill for event in watch.events if isinstance(event, OrderFilled)]
    assert fills[0].client_order_id is None or decode(fills[0].client_order_id) is None
    assert watch.count(PrivateDown) == 0


def test_a_fill_reported_twice_has_the_same_key_twice(run: Callable[[Any], Watch]) -> None:
    async def story(watch: Watch) -> None:
        await watch.fault("duplicate_fill_event", count=2)  # Bitget tells a fill on two channels
        await watch.buy()
        await watch.until(lambda: watch.count(OrderFilled) >= 3)

    watch = run(story)
    keys = [event.fill.key for event in watch.events if isinstance(event, OrderFilled)]
    assert len(keys) >= 3
    assert len(set(keys)) == 2


@pytest.mark.parametrize("fault", ["ws_garbage", "ws_disconnect"])
def test_garbage_and_losses_are_reported_and_the_stream_comes_back(run: Callable[[Any], Watch], fault: str) -> None:
    async def story(watch: Watch) -> None:
        await watch.fault(fault, count=1)
        await watch.buy()
        await watch.until(lambda: watch.count(PrivateDown) >= 1)
        await watch.until(lambda: watch.count(PrivateUp) >= 2)
        heard = watch.count(OrderUpdated)
        await watch.buy()
        await watch.until(lambda: watch.count(OrderUpdated) > heard)

    run(story)
