"""What tells a demo from production stands in every request and every handshake: else a key goes to the wrong world."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest

from arb.core.messages.commands import CancelOrder
from arb.core.messages.events import OrderRejected
from arb.errors import VenueError
from arb.market.arena import BookArena
from arb.venues.build import GatewayLimits, build_gateway
from arb.venues.kit.endpoints import Credentials, OrderEntry, Site
from arb.venues.kit.gateway import VenueGateway
from arb.venues.kit.public_side import PublicSide
from arb.venues.kit.spec import VenueSpec
from arb.venues.transport.address import Origin
from arb.venues.transport.http import Connection, HttpAnswer, NeverSent, WriteTransport
from arb.venues.transport.network import NO_HEADERS, Socket, SocketEnded
from arb.venues.transport.request import HttpRequest, Outgoing, request_of
from tests.unit.venues.accounts import ACCOUNTS
from tests.unit.venues.books.plain.dialects import seats
from tests.unit.venues.test_hostile_text import ORDER
from tests.virtual import START_NS, a_clock, run_virtual

MARK = {"x-which-world": "play"}


class Nowhere:
    """A network that keeps what was to leave, and lets nothing out."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        self.dialled: list[tuple[str, dict[str, str]]] = []

    def http(self) -> WriteTransport:
        return self

    def write(self, request: Outgoing, timeout_s: float) -> Awaitable[HttpAnswer]:
        return self.send(request_of(request), timeout_s)

    def standing(self, origin: Origin) -> "Connection":
        return Standing(self, origin)

    async def dial(self, url: str, headers: Mapping[str, str] = NO_HEADERS) -> Socket:
        self.dialled.append((url, dict(headers)))
        raise SocketEnded("nowhere")

    def send(self, request: HttpRequest, timeout_s: float) -> Awaitable[HttpAnswer]:
        self.requests.append(request)
        return self._never()

    async def _never(self) -> HttpAnswer:
        raise NeverSent("nowhere")

    async def close(self) -> None:
        """Nothing is held."""


class Standing:
    """A connection of that network."""

    def __init__(self, network: Nowhere, origin: Origin) -> None:
        self.network, self.origin = network, origin

    def write(self, data: bytes) -> bool:
        self.network.requests.append(request_of(Outgoing(self.origin, data)))
        return True

    async def answer(self, sent_ns: int, timeout_s: float) -> HttpAnswer:
        raise NeverSent("nowhere")


def marked(spec: VenueSpec) -> Site:
    return msgspec.structs.replace(spec.production, headers=MARK)


def told(
    spec: VenueSpec,
    story: Callable[[VenueGateway], Coroutine[Any, Any, None]],
    *,
    entry: OrderEntry = OrderEntry.REST,
    site: Site | None = None,
) -> Nowhere:
    """Tell a story of a gateway that reaches nobody; return what was to leave."""
    network, clock = Nowhere(), a_clock()
    gateway = build_gateway(
        spec,
        site or marked(spec),
        Credentials(key="key", secret="secret", passphrase="phrase"),
        clock=clock,
        rng=random.Random(1),
        limits=GatewayLimits(symbols=("BTC/USDT",)),
        network=network,
        entry=entry,
    )

    async def whole() -> None:
        gateway._dialect.learn({gateway._dialect.native_symbol("BTC/USDT"): "BTC/USDT"})
        await story(gateway)

    run_virtual(whole(), clock)
    return network


async def talk(gateway: VenueGateway) -> None:
    """Ask and write in every way there is."""
    order = msgspec.structs.replace(ORDER, venue=gateway.venue, size=Decimal("0.01"), expires_ns=START_NS + 10**15)
    cancel = CancelOrder(cause=1, venue=gateway.venue, symbol="BTC/USDT", client_order_id="arb1", venue_order_id="7")
    departure = gateway.prepare(order)
    assert not isinstance(departure, OrderRejected)
    departure.leave()
    await departure.answer()
    await gateway.place(order)
    await gateway.cancel(cancel)
    await gateway.cancel_many([cancel, cancel])
    for asking in (gateway.measure_clock(), gateway.balances(), gateway.instruments(("BTC/USDT",))):
        with pytest.raises(VenueError):
            await asking


@pytest.mark.parametrize("spec", ACCOUNTS, ids=lambda spec: spec.name)
def test_every_request_has_the_headers_of_its_site(spec: VenueSpec) -> None:
    requests = told(spec, talk).requests
    assert {request.method for request in requests} >= {"GET", "POST"} and len(requests) >= 7
    assert any("key" not in request.headers.values() for request in requests)  # public ones, too
    for request in requests:
        assert request.headers["x-which-world"] == "play"


@pytest.mark.parametrize("spec", ACCOUNTS, ids=lambda spec: spec.name)
def test_production_has_no_header_of_another_world(spec: VenueSpec) -> None:
    for request in told(spec, talk, site=spec.production).requests:
        for site in spec.sites:
            assert not set(site.headers) & set(request.headers)


KNOWN_HEADERS = {
    "gate": {"KEY", "SIGN", "Timestamp", "X-Gate-Exptime", "Accept", "Content-Type"},
    "okx": {
        "OK-ACCESS-KEY",
        "OK-ACCESS-PASSPHRASE",
        "OK-ACCESS-SIGN",
        "OK-ACCESS-TIMESTAMP",
        "expTime",
        "Content-Type",
    },
    "bitget": {"ACCESS-KEY", "ACCESS-PASSPHRASE", "ACCESS-SIGN", "ACCESS-TIMESTAMP", "Content-Type"},
    "bybit": {"X-BAPI-API-KEY", "X-BAPI-RECV-WINDOW", "X-BAPI-SIGN", "X-BAPI-TIMESTAMP", "Content-Type"},
    "binance": {"X-MBX-APIKEY", "Content-Type"},
}
CARRIER = {"Host", "Content-Length", "Connection", "Accept-Encoding", "User-Agent", "Accept"}
KNOWN_FIELDS = {
    "gate": {"text", "currency_pair", "type", "account", "side", "amount", "price", "time_in_force", "id"},
    "okx": {"instId", "tdMode", "clOrdId", "ordId", "side", "ordType", "px", "sz"},
    "bitget": {
        *("symbol", "side", "orderType", "force", "price", "size", "clientOid", "orderId", "batchMode", "orderList"),
        *("requestTime", "receiveWindow", "category", "qty", "timeInForce"),
    },
    "bybit": {
        *("category", "symbol", "side", "orderType", "qty", "price", "timeInForce", "orderLinkId", "isLeverage"),
        *("orderId", "request"),
    },
    "binance": {
        *("symbol", "side", "type", "timeInForce", "quantity", "price", "newClientOrderId", "newOrderRespType"),
        *("timestamp", "recvWindow", "signature"),
    },
}


ID_FIELDS = ("text", "clOrdId", "clientOid", "orderLinkId", "newClientOrderId")


def fields_of(body: str | None) -> Any:
    if not body:
        return []
    return msgspec.json.decode(body) if body.startswith(("{", "[")) else dict(parse_qsl(body))


@pytest.mark.parametrize("spec", ACCOUNTS, ids=lambda spec: spec.name)
def test_no_request_names_a_broker_or_the_library_that_made_it(spec: VenueSpec) -> None:
    # ccxt would send X-Gate-Channel-Id, OKX's `tag` with an id that begins with its own, and X-CHANNEL-API-CODE.
    for request in told(spec, talk, site=spec.production).requests:
        assert {name.lower() for name in request.headers} <= {n.lower() for n in KNOWN_HEADERS[spec.name] | CARRIER}
        assert "ccxt" not in repr(request).lower()
        body = fields_of(request.body)
        for item in body if isinstance(body, list) else [body]:
            assert set(item) <= KNOWN_FIELDS[spec.name]
            ids = {name: item[name] for name in ID_FIELDS if name in item}
            assert set(ids.values()) <= {"t-arb1", "arb1", ORDER.client_order_id, f"t-{ORDER.client_order_id}"}


@pytest.mark.parametrize("spec", ACCOUNTS, ids=lambda spec: spec.name)
def test_every_handshake_has_the_headers_of_its_site(spec: VenueSpec) -> None:
    entry = OrderEntry.REST
    if spec.trading.make_order_socket is not None:
        entry = OrderEntry.WEBSOCKET

    async def streams(gateway: VenueGateway) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(gateway.run_private(lambda event: None), 1.0)

    dialled = told(spec, streams, entry=entry).dialled
    assert len(dialled) >= (2 if entry is OrderEntry.WEBSOCKET else 1)
    assert all(headers == MARK for _, headers in dialled)


@pytest.mark.parametrize("spec", ACCOUNTS, ids=lambda spec: spec.name)
def test_the_handshake_of_public_data_has_them_too(spec: VenueSpec) -> None:
    network, clock = Nowhere(), a_clock()
    feed = PublicSide(spec, marked(spec), clock=clock, rng=random.Random(1), network=network).feed(
        ("X",),
        spec.make_books(seats("X"), BookArena(1)),
        on_frame=lambda name, at, raw, url="": None,
        emit=lambda event: None,
    )

    async def whole() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(feed.run(), 1.0)

    run_virtual(whole(), clock)
    assert (marked(spec).endpoint.ws_public, MARK) in network.dialled
