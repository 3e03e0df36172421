"""ccxt's own methods on our clients, over real sockets against the sandbox: signatures, guard, expiry, errors."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt
import pytest

from arb.clock import NS_PER_S, SystemClock
from arb.sandbox.server import SandboxServer
from arb.venues.bitget.signing import GuardedBitget
from arb.venues.gate.client import Gate
from arb.venues.kit.rules.guard import SigningGuard
from arb.venues.okx.signing import GuardedOkx

BIDS = [["50000", "0.5"], ["49990", "2"]]
ASKS = [["50010", "0.02"], ["50020", "1"]]
PATIENCE_S = 60.0
LONGEST_ID = "x" * 28


class Scene:
    """A static sandbox with one known book per venue, and our clients in front of it."""

    def __init__(self, info: dict[str, Any], http: aiohttp.ClientSession) -> None:
        self.info = info
        self.clock = SystemClock()
        self._http = http
        self.clients: list[Any] = []

    def guard(self, venue: str) -> SigningGuard:
        return SigningGuard(
            venue=venue,
            hosts={"127.0.0.1"},
            symbols={"BTC/USDT"},
            max_order_value_quote=Decimal(5000),
            max_orders_per_minute=100,
            clock=self.clock,
        )

    def gate(self, **changes: Any) -> Gate:
        account: dict[str, Any] = self.info["venues"]["gate"]
        credentials = {"api_key": account["key"], "secret": account["secret"]}
        addresses = {"rest_url": account["rest"], "ws_url": account["ws"]}
        gate = Gate(clock=self.clock, guard=self.guard("gate"), **(credentials | addresses | changes))
        gate.timeout_on_exit = 0
        self.clients.append(gate)
        return gate

    def okx(self) -> GuardedOkx:
        account = self.info["venues"]["okx"]
        okx = GuardedOkx(self.clock, self.guard("okx"), credentials_of(account))
        okx.urls["api"] |= {"rest": account["rest"], "ws": account["ws_public"].removesuffix("/public")}
        self.clients.append(okx)
        return okx

    def bitget(self) -> GuardedBitget:
        account = self.info["venues"]["bitget"]
        bitget = GuardedBitget(self.clock, self.guard("bitget"), credentials_of(account))
        api = bitget.urls["api"]
        api |= {product: account["rest"] for product, address in api.items() if isinstance(address, str)}
        self.clients.append(bitget)
        return bitget

    async def admin(self, path: str, **body: Any) -> None:
        async with self._http.post(f"{self.info['admin']}/{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()


def credentials_of(account: dict[str, str]) -> dict[str, Any]:
    return {"apiKey": account["key"], "secret": account["secret"], "password": account["passphrase"]}


def play(act: Callable[[Scene], Awaitable[None]]) -> None:
    """Run one scene on a sandbox of its own."""

    async def run() -> None:
        server = SandboxServer(SystemClock(), port=0, seed=7, static=True, faults=[])
        info: dict[str, Any] = await server.start()
        try:
            async with aiohttp.ClientSession() as http:
                scene = Scene(info, http)
                for venue in info["venues"]:
                    await scene.admin("book", venue=venue, symbol="BTC/USDT", bids=BIDS, asks=ASKS)
                try:
                    await act(scene)
                finally:
                    for client in scene.clients:
                        client.timeout_on_exit = 0
                        await client.close()
        finally:
            await server.stop()

    asyncio.run(run())


async def buy(client: Any, size: str, price: str, client_order_id: str, **params: Any) -> Any:
    given = {"timeInForce": "IOC", "clientOrderId": client_order_id, **params}
    return await client.create_order("BTC/USDT", "limit", "buy", Decimal(size), Decimal(price), given)


def test_a_wrong_secret_is_an_authentication_error() -> None:
    async def act(scene: Scene) -> None:
        with pytest.raises(ccxt.AuthenticationError) as caught:
            await scene.gate(secret="wrong").fetch_balance()
        assert caught.value.venue_label == "INVALID_SIGNATURE"

    play(act)


@pytest.mark.parametrize("offset_s", [-61, 90])  # what is ahead of time on a slow machine is less so when it arrives
def test_a_clock_more_than_a_minute_off_says_so_and_nothing_else(offset_s: int) -> None:
    async def act(scene: Scene) -> None:
        gate = scene.gate()
        gate.server_offset_ns = offset_s * NS_PER_S
        with pytest.raises(ccxt.InvalidNonce) as caught:
            await gate.fetch_balance()
        assert caught.value.venue_label == "REQUEST_EXPIRED"

    play(act)


def test_a_request_that_arrives_after_its_expiry_places_nothing() -> None:
    async def act(scene: Scene) -> None:
        gate = scene.gate()
        await gate.load_markets()
        gate.server_offset_ns = -2 * NS_PER_S  # we believe the venue to be behind: the expiry we send has passed there
        with pytest.raises(ccxt.BaseError):
            await buy(gate, "0.01", "50010", "arb-late")
        gate.server_offset_ns = 0
        assert await gate.fetch_my_trades("BTC/USDT") == []

    play(act)


def test_a_part_filled_ioc_is_reported_the_same_by_answer_and_history() -> None:
    async def act(scene: Scene) -> None:
        gate = scene.gate()
        await gate.load_markets()
        before = await gate.fetch_balance()
        order = await buy(gate, "0.03", "50010", LONGEST_ID)
        reported = (order["filled"], order["remaining"], order["clientOrderId"])
        assert reported == ("0.02", "0.01", "t-" + LONGEST_ID)
        (listed,) = await gate.fetch_my_trades("BTC/USDT")
        assert (listed["order"], listed["amount"], listed["price"]) == (order["id"], "0.02", "50010")
        assert listed["fee"] in order["fees"]
        after = await gate.fetch_balance()
        gained = Decimal(after["BTC"]["total"]) - Decimal(before["BTC"]["total"])
        assert gained == Decimal("0.02") - Decimal(listed["fee"]["cost"])
        assert Decimal(before["USDT"]["total"]) - Decimal(after["USDT"]["total"]) == Decimal("1000.2")

    play(act)


def test_every_order_of_a_batch_is_placed_under_its_own_id() -> None:
    async def act(scene: Scene) -> None:
        order = {"symbol": "BTC/USDT", "type": "limit", "side": "buy", "amount": "0.01"}
        cheap = {**order, "price": "49000", "params": {"clientOrderId": "arb-1"}}
        dear = {**order, "price": "50020", "params": {"clientOrderId": "arb-2", "timeInForce": "IOC"}}
        answers = await scene.gate().create_orders([cheap, dear])
        assert [(one["clientOrderId"], one["filled"]) for one in answers] == [("t-arb-1", "0"), ("t-arb-2", "0.01")]

    play(act)


def test_an_ioc_that_meets_nothing_fills_nothing() -> None:
    async def act(scene: Scene) -> None:
        order = await buy(scene.gate(), "0.03", "50000", "arb-1")
        assert Decimal(order["filled"]) == Decimal(order["cost"]) == 0

    play(act)


def test_a_resting_order_is_found_and_cancelled_by_our_own_id() -> None:
    async def act(scene: Scene) -> None:
        gate = scene.gate()
        placed = await buy(gate, "0.01", "49000", "trade-1", timeInForce="GTC")
        assert placed["status"] == "open"
        found = await gate.fetch_order("", "BTC/USDT", {"clientOrderId": "trade-1"})
        assert (found["id"], found["clientOrderId"]) == (placed["id"], "t-trade-1")
        cancelled = await gate.cancel_order("", "BTC/USDT", {"clientOrderId": "trade-1"})
        assert (cancelled["status"], cancelled["filled"]) == ("canceled", "0")

    play(act)


@pytest.mark.parametrize(
    ("fault", "kind"), [("http_500", ccxt.ExchangeNotAvailable), ("http_429", ccxt.RateLimitExceeded)]
)
def test_a_venues_trouble_is_read_as_what_it_is(fault: str, kind: type[Exception]) -> None:
    async def act(scene: Scene) -> None:
        gate = scene.gate()
        await gate.load_markets()
        await scene.admin("fault", venue="gate", fault=fault, on="place", count=1)
        with pytest.raises(kind):
            await buy(gate, "0.01", "50010", "arb-1")

    play(act)


@pytest.mark.parametrize("venue", ["okx", "bitget"])
def test_the_guarded_clients_trade_and_read_their_own_fills_back(venue: str) -> None:
    async def act(scene: Scene) -> None:
        client = scene.okx() if venue == "okx" else scene.bitget()
        await client.load_markets()
        order = await buy(client, "0.01", "50010", "arb1")
        fetched = await client.fetch_order(order["id"], "BTC/USDT")
        assert Decimal(fetched["filled"]) == Decimal("0.01")
        (trade,) = await client.fetch_my_trades("BTC/USDT")
        assert (trade["order"], Decimal(trade["amount"]), Decimal(trade["price"])) == (
            order["id"],
            Decimal("0.01"),
            Decimal(50010),
        )

    play(act)
