"""Put a venue together: addresses, account, guard, signer, pacing, streams. The only place that knows all the parts."""

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from arb.clock import Clock
from arb.errors import ConfigError
from arb.market.feed import BookFeed
from arb.venues.base import EventListener, FrameListener
from arb.venues.bitget.dialect import BitgetDialect
from arb.venues.bitget.private import BitgetPrivate
from arb.venues.dialect import TradeDialect
from arb.venues.endpoints import Credentials, OrderEntry, VenueEndpoint, account_id
from arb.venues.feed import SocketFeed
from arb.venues.gate.client import Gate
from arb.venues.gate.dialect import GateDialect
from arb.venues.gate.order_socket import GateOrderSocket
from arb.venues.gate.private import GatePrivate
from arb.venues.gateway import CcxtGateway, GatewayTiming
from arb.venues.guarded import GuardedBitget, GuardedOkx
from arb.venues.okx.dialect import OkxDialect
from arb.venues.okx.order_socket import OkxOrderSocket
from arb.venues.okx.private import OkxPrivate
from arb.venues.order_socket import OrderSocket, SocketDialect
from arb.venues.private import PrivateStream
from arb.venues.rules.guard import SigningGuard, SigningRefused
from arb.venues.rules.pacing import DEFAULT_PACING, Pacer, PacingLimits
from arb.venues.transport.connection import ConnectionTiming
from arb.venues.transport.wires import RealWires, Wires
from arb.venues.wire.private import PrivateDialect
from arb.venues.writes import RestWrites, Signer, SocketWrites, Writes

VENUES = ("gate", "okx", "bitget")

# At most so often a message of ours: Bitget cuts off who sends more than 10 a second, the others are more patient.
_STREAM_TIMING = {
    "gate": ConnectionTiming(),
    "okx": ConnectionTiming(send_gap_s=0.02),
    "bitget": ConnectionTiming(send_gap_s=0.15),
}


class GatewayLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the guard next to the signer allows, how the venue is paced, and how long it is waited for.

    `hosts` may be sent signed requests; `symbols` may be traded; amounts are in quote.
    """

    hosts: tuple[str, ...]
    symbols: tuple[str, ...]
    max_order_value_quote: Decimal = Decimal(5000)
    max_orders_per_minute: int = 600
    pacing: PacingLimits | None = None
    timing: GatewayTiming = GatewayTiming()


def build_gateway(
    venue: str,
    endpoint: VenueEndpoint,
    credentials: Credentials,
    *,
    clock: Clock,
    rng: random.Random,
    limits: GatewayLimits,
    sandbox_id: str | None = None,
    wires: Wires | None = None,
    entry: OrderEntry = OrderEntry.REST,
) -> CcxtGateway:
    """Return the gateway of one account; raises `ConfigError` for a venue without an adapter or without a passphrase, and
    for orders over a websocket at one that has no adapter for it."""
    wires = RealWires(clock) if wires is None else wires
    guard = SigningGuard(
        venue=venue,
        hosts=limits.hosts,
        symbols=limits.symbols,
        max_order_value_quote=limits.max_order_value_quote,
        max_orders_per_minute=limits.max_orders_per_minute,
        clock=clock,
    )
    dialect, private, signer = _parts(venue, endpoint, credentials, clock, guard)
    signer.timeout_on_exit = 0  # ccxt's own session, whose sockets this would wait for, is never opened
    stream = PrivateStream(
        endpoint.ws_private,
        private,
        clock=clock,
        rng=rng,
        offset_ns=lambda: signer.server_offset_ns,
        timing=_STREAM_TIMING[venue],
        wires=wires,
    )
    transport = wires.http()
    rest = RestWrites(venue, signer, transport)
    writes: Writes = rest
    if entry is OrderEntry.WEBSOCKET:
        _check_order_host(guard, endpoint.ws_private)
        socket = OrderSocket(
            endpoint.ws_private,
            _order_words(venue, endpoint, credentials, dialect, signer),
            clock=clock,
            rng=rng,
            offset_ns=lambda: signer.server_offset_ns,
            wires=wires,
        )
        writes = SocketWrites(rest, socket)
    return CcxtGateway(
        dialect=dialect,
        signer=signer,
        transport=transport,
        writes=writes,
        private=stream,
        pacer=Pacer(limits.pacing or DEFAULT_PACING[venue], clock),
        clock=clock,
        rng=rng,
        account_id=account_id(venue, credentials, sandbox_id),
        timing=limits.timing,
    )


def build_feed(
    venue: str,
    endpoint: VenueEndpoint,
    native_symbols: Sequence[str],
    dialect: BookFeed,
    *,
    clock: Clock,
    rng: random.Random,
    on_frame: FrameListener,
    emit: EventListener,
    wires: Wires | None = None,
    connection: str = "",
) -> SocketFeed:
    """Return a public feed of one venue; `dialect` is the engine's own `BookFeed`, asked here only for its messages.

    `connection` is the name of the one it keeps up, by default the venue's first.
    """
    return SocketFeed(
        endpoint.ws_public,
        dialect,
        native_symbols,
        clock=clock,
        rng=rng,
        on_frame=on_frame,
        emit=emit,
        timing=_STREAM_TIMING.get(venue),
        wires=wires,
        connection=connection,
    )


def _parts(
    venue: str, endpoint: VenueEndpoint, credentials: Credentials, clock: Clock, guard: SigningGuard
) -> tuple[TradeDialect, PrivateDialect, Signer]:
    key, secret = credentials.key, credentials.secret
    if venue == "gate":
        gate = Gate(
            clock=clock,
            guard=guard,
            api_key=key,
            secret=secret,
            rest_url=endpoint.rest,
            ws_url=endpoint.ws_private,
        )
        return GateDialect(key), GatePrivate(key, secret), gate
    if venue not in VENUES:
        raise ConfigError(f"no adapter for venue {venue!r}; there are {', '.join(VENUES)}")
    if credentials.passphrase is None:
        raise ConfigError(f"{venue}: the key has a passphrase, and it is not given")
    config = {"apiKey": key, "secret": secret, "password": credentials.passphrase}
    if venue == "okx":
        okx = GuardedOkx(clock, guard, config)
        okx.urls["api"]["rest"] = endpoint.rest
        return OkxDialect(), OkxPrivate(key, secret, credentials.passphrase), okx
    bitget = GuardedBitget(clock, guard, config)
    _point_at(bitget.urls["api"], endpoint.rest)
    dialect = BitgetDialect()
    return dialect, BitgetPrivate(key, secret, credentials.passphrase, dialect.symbols), bitget


def _order_words(
    venue: str, endpoint: VenueEndpoint, credentials: Credentials, dialect: TradeDialect, signer: Signer
) -> SocketDialect:
    if isinstance(signer, Gate):
        return GateOrderSocket(signer, endpoint.ws_private)
    if isinstance(signer, GuardedOkx) and isinstance(dialect, OkxDialect):
        key, secret, passphrase = credentials.key, credentials.secret, credentials.passphrase or ""
        return OkxOrderSocket(signer, dialect, endpoint.ws_private, key, secret, passphrase)
    raise ConfigError(
        f"{venue}: orders go over REST only: set [venues.{venue}] order_entry to {OrderEntry.REST.value!r}"
    )


def _check_order_host(guard: SigningGuard, url: str) -> None:
    """Raise `ConfigError` unless orders may be sent to the websocket's host; once it runs there is nobody to mend it."""
    try:
        guard.check_host(url)
    except SigningRefused as refused:
        text = f"[venues.{guard.venue}] hosts: {refused}: add the host of {url}, or set order_entry to 'rest'"
        raise ConfigError(text) from refused


def _point_at(addresses: dict[str, Any], root: str) -> None:
    # One root for every product; the websockets of ccxt are not used.
    for product, address in addresses.items():
        if isinstance(address, str):
            addresses[product] = root
