"""What the contract suite of the gateways stands on: a gateway per venue, orders, and the sandbox's truth about them."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from arb.clock import NS_PER_S, SystemClock
from arb.core.messages.commands import CancelOrder, PlaceOrder, QueryOrder
from arb.core.messages.events import AnyEvent, OrderQueried
from arb.market.fill import Fill
from arb.market.ids import ClientOrderId
from arb.market.order import Role, Side, TimeInForce
from arb.venues.build import GatewayLimits, build_gateway
from arb.venues.kit.base import PlaceAnswer
from arb.venues.kit.endpoints import Credentials, Environment, OrderEntry, sandbox_access
from arb.venues.kit.gateway import VenueGateway
from arb.venues.kit.public_reader import GatewayTiming
from arb.venues.kit.rules.key_rights import KeyPolicy
from arb.venues.registry import spec_of
from tests.contract.conftest import Sandbox
from tests.contract.stock_clients import SYMBOL, VENUES

ACCOUNTS = (*VENUES, "bitget unified")
"""The venues, each with its usual kind of account, and what other kinds they have."""
Result = TypeVar("Result")
CLOCK = SystemClock()
BIDS = [["49990", "0.5"], ["49980", "1"]]
ASKS = [["50000", "0.3"], ["50010", "0.2"]]
NUMBERS = itertools.count(1)
NONCE = random.SystemRandom().getrandbits(48)
CALM = GatewayTiming(place_timeout_s=60.0, cancel_timeout_s=60.0, read_timeout_s=60.0)
"""For what is answered, however long this machine stands still meanwhile."""
FAST = GatewayTiming(place_timeout_s=1.5, cancel_timeout_s=1.5, read_timeout_s=60.0)
"""For a test that waits for a write's time-out."""


@contextmanager
def an_account(account: str, sandbox: Sandbox) -> Iterator[str]:
    """Yield the venue of one of `ACCOUNTS`, whose account there is of that kind meanwhile, with a fresh book and no faults."""
    venue, _, mode = account.partition(" ")
    sandbox.admin("DELETE", "/faults")
    if mode:
        sandbox.admin("POST", "/account", {"venue": venue, "mode": mode})
    sandbox.refill(venue)
    sandbox.admin("POST", "/book", {"venue": venue, "symbol": SYMBOL, "bids": BIDS, "asks": ASKS})
    try:
        yield venue
    finally:
        sandbox.admin("DELETE", "/faults")
        if mode:
            sandbox.admin("POST", "/account", {"venue": venue, "mode": "classic"})


class Bench:
    """One venue's gateway, the book it trades on, and the sandbox's truth about it.

    `mode`: the kind of the account, which a gateway learns by asking, "" for the usual one; `timing`: how long a gateway waits.
    """

    def __init__(
        self,
        venue: str,
        sandbox: Sandbox,
        entry: OrderEntry = OrderEntry.REST,
        symbol: str = SYMBOL,
        mode: str = "",
    ) -> None:
        self.timing = CALM
        self.venue = venue
        self.mode = mode
        self.symbol = symbol
        self.sandbox = sandbox
        self.entry = entry
        self.events: list[AnyEvent] = []
        self._known_since = asyncio.Event()

    def gateway(self, secret: str | None = None, policy: KeyPolicy | None = None) -> VenueGateway:
        """Return a fresh gateway; `secret` replaces the sandbox's own, to see a refusal.

        With a `policy` the venue is taken for a real one, whose key has to fit that.
        """
        site, own = sandbox_access(self.venue, self.sandbox.info["venues"][self.venue])
        if policy is not None:
            site = msgspec.structs.replace(site, environment=Environment.PRODUCTION)
        gateway = build_gateway(
            spec_of(self.venue),
            site,
            Credentials(key=own.key, secret=secret or own.secret, passphrase=own.passphrase),
            clock=CLOCK,
            rng=random.Random(7),
            limits=GatewayLimits(
                symbols=(self.symbol, "ETH/USDT", "DOGE/USDT"),
                max_order_value_quote=Decimal(10**9),
                timing=self.timing,
                key=policy or KeyPolicy(),
            ),
            sandbox_id=self.sandbox.info["sandbox_id"],
            entry=self.entry,
        )
        gateway.value_sales(lambda _: Decimal(50_000))
        return gateway

    def run(self, story: Callable[[VenueGateway], Awaitable[Result]]) -> Result:
        """Run one story on a gateway that knows its listing, and whose order socket, if it has one, is up."""

        async def whole() -> Result:
            gateway = self.gateway()
            streams: asyncio.Task[None] | None = None
            try:
                if self.mode:
                    await gateway.check_key()
                await gateway.instruments(())  # learns the listing
                if gateway.order_socket is not None:
                    streams = asyncio.create_task(gateway.run_private(self._hear))
                    await asyncio.wait_for(gateway.order_socket.logged_in.wait(), 60)
                return await story(gateway)
            finally:
                if streams is not None:
                    streams.cancel()
                    await asyncio.gather(streams, return_exceptions=True)
                await gateway.close()

        return asyncio.run(whole())

    def _hear(self, event: AnyEvent) -> None:
        self.events.append(event)
        self._known_since.set()

    async def told_of(self, kind: type[AnyEvent]) -> None:
        """Wait until the streams have told of something of a kind."""
        async with asyncio.timeout(60):
            while not any(isinstance(event, kind) for event in self.events):
                self._known_since.clear()
                await self._known_since.wait()

    def fault(self, name: str, on: str, **more: Any) -> None:
        """Ask for a fault, once unless told otherwise."""
        body = {"venue": self.venue, "fault": name, "on": on, **more}
        assert self.sandbox.admin("POST", "/fault", body)["applied"]

    def orders(self, client_order_id: str) -> list[dict[str, Any]]:
        """Return the orders of that id as the ledger has them."""
        mine = (client_order_id, f"t-{client_order_id}")
        return [order for order in self._ledger()["orders"] if order["client_id"] in mine]

    def fills(self, client_order_id: str) -> set[tuple[str, Decimal, Decimal, Decimal, str]]:
        """Return (trade id, price, size, fee, fee currency) of an order's fills as the ledger has them."""
        numbers = {order["id"] for order in self.orders(client_order_id)}
        return {
            (
                fill["trade_id"],
                Decimal(fill["price"]),
                Decimal(fill["size"]),
                Decimal(fill["fee"]),
                fill["fee_currency"],
            )
            for fill in self._ledger()["fills"]
            if fill["order_id"] in numbers
        }

    def _ledger(self) -> dict[str, Any]:
        part: dict[str, Any] = self.sandbox.admin("GET", "/ledger")[self.venue]
        return part


def an_order(price: str, size: str, side: Side = Side.BUY, **changes: Any) -> PlaceOrder:
    number = next(NUMBERS)
    given: dict[str, Any] = {
        "cause": number,
        "venue": "",
        "symbol": SYMBOL,
        "client_order_id": ClientOrderId(NONCE, number, str(side), 0).encode(),
        "role": Role.ENTRY,
        "side": side,
        "tif": TimeInForce.IOC,
        "price": Decimal(price),
        "size": Decimal(size),
        "expires_ns": CLOCK.wall_ns() + 20 * NS_PER_S,
    }
    return PlaceOrder(**(given | changes))


def query(order: PlaceOrder, venue_order_id: str | None = None) -> QueryOrder:
    return QueryOrder(
        cause=order.cause,
        venue=order.venue,
        symbol=order.symbol,
        client_order_id=order.client_order_id,
        venue_order_id=venue_order_id,
        since_ns=order.expires_ns - 80 * NS_PER_S,
        attempt=1,
    )


def cancel_of(order: PlaceOrder) -> CancelOrder:
    return CancelOrder(
        cause=order.cause,
        venue=order.venue,
        symbol=order.symbol,
        client_order_id=order.client_order_id,
        venue_order_id=None,
    )


def told(fills: list[Fill] | tuple[Fill, ...]) -> set[tuple[str, Decimal, Decimal, Decimal, str]]:
    return {(fill.trade_id, fill.price, fill.size, fill.fee, fill.fee_currency) for fill in fills}


async def ended(gateway: VenueGateway, order: PlaceOrder) -> OrderQueried:
    """Look until the order has ended, as the engine does."""
    for _ in range(20):
        looked = await gateway.query_order(query(order))
        if looked.report is not None and not looked.report.is_open:
            return looked
    raise AssertionError(f"never ended: {looked}")


def place_and_look(bench: Bench, order: PlaceOrder) -> tuple[PlaceAnswer, OrderQueried]:
    async def story(gateway: VenueGateway) -> tuple[PlaceAnswer, OrderQueried]:
        return await gateway.place(order), await ended(gateway, order)

    return bench.run(story)
