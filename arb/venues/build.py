"""Put a venue's parts together by its spec: account, guard, signer, pacing, streams."""

import random
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import partial

import msgspec

from arb.clock import Clock
from arb.core.books.books import Books
from arb.core.state.budget import ROOM_OF_AN_ENTRY, PlaceRate
from arb.core.state.engine_state import VenueProfile
from arb.errors import ConfigError
from arb.venues.kit.base import EventListener, FrameListener, MarketFeed
from arb.venues.kit.dialect import PublicDialect
from arb.venues.kit.endpoints import Credentials, Environment, OrderEntry, Site, account_id
from arb.venues.kit.gateway import AccountParts, VenueGateway
from arb.venues.kit.keyed_list import KeyedList, ListClient
from arb.venues.kit.order_socket import OrderSocket
from arb.venues.kit.private import PrivateStream
from arb.venues.kit.public_reader import GatewayTiming, PublicReader
from arb.venues.kit.public_side import PublicSide
from arb.venues.kit.request_maker import RequestMaker
from arb.venues.kit.rules.guard import SigningGuard, SigningRefused
from arb.venues.kit.rules.key_rights import KeyPolicy
from arb.venues.kit.rules.pacing import AddressAllowance, Pacer, PacingLimits
from arb.venues.kit.spec import TradingMaker, TradingParts, VenueSpec
from arb.venues.paper.source import PublicSource
from arb.venues.registry import spec_of
from arb.venues.transport.address import Address
from arb.venues.transport.http import HttpTransport
from arb.venues.transport.network import Network, SiteNetwork, SystemNetwork

NO_KEY = Credentials(key="", secret="", passphrase="")
"""The credentials of a client that reads public data."""
NOBODY_ELSE: Mapping[str, AddressAllowance] = {}
PACING_MARGIN_MS = 50
"""The pacer's window begins when an order is sent and not when it is decided: the engine allows a little more."""


class GatewayLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of the guard next to the signer, the venue's pace, and how long an answer is awaited.

    `symbols` may be traded; amounts are in quote. `key`: the user's confirmations and permissions for the key.
    """

    symbols: tuple[str, ...]
    max_order_value_quote: Decimal = Decimal(5000)
    max_orders_per_minute: int = 1200
    key: KeyPolicy = KeyPolicy()
    pacing: PacingLimits | None = None
    timing: GatewayTiming = GatewayTiming()


def build_gateway(
    spec: VenueSpec,
    site: Site,
    credentials: Credentials,
    *,
    clock: Clock,
    rng: random.Random,
    limits: GatewayLimits,
    sandbox_id: str | None = None,
    network: Network | None = None,
    entry: OrderEntry = OrderEntry.REST,
    expiry_proved: bool = False,
    address: AddressAllowance | None = None,
) -> VenueGateway:
    """Return the gateway of one account; `address`: shared with the venue's public connections, where requests weigh.

    Raises `ConfigError` for a key without its passphrase, and for orders over a websocket where the venue takes none.
    """
    network = SiteNetwork(SystemNetwork(clock) if network is None else network, site.headers)
    guard = _guard(spec, site, limits, clock)

    def account_of(make: TradingMaker) -> AccountParts:
        return spoken(make(site, credentials, clock, guard))

    def spoken(parts: TradingParts) -> AccountParts:
        signer = parts.signer
        signer.timeout_on_exit = 0  # ccxt's own session, whose sockets this would wait for, is never opened
        stream = PrivateStream(
            _guarded(spec.private_address(_private_site(site, parts.ws_private), network.http), guard),
            parts.private,
            clock=clock,
            rng=rng,
            offset_ns=lambda: signer.server_offset_ns,
            timing=spec.stream,
            network=network,
        )
        return AccountParts(parts.dialect, signer, stream, parts.enforces_expiry)

    parts = spec.trading.make(site, credentials, clock, guard)
    order_socket = None
    if entry is OrderEntry.WEBSOCKET:
        order_socket = _order_socket(spec, parts, site, credentials, guard, clock, rng, network)
    return VenueGateway(
        account=spoken(parts),
        others={code: partial(account_of, make) for code, make in spec.trading.other_accounts.items()},
        transport=network.http(),
        order_socket=order_socket,
        pacer=Pacer(
            limits.pacing or spec.trading.pacing,
            clock,
            (address or AddressAllowance(spec.weight_per_minute, clock)) if spec.weight_per_minute else None,
        ),
        clock=clock,
        rng=rng,
        account_id=account_id(spec.name, credentials, sandbox_id),
        sandbox_id=sandbox_id,
        timing=limits.timing,
        key_policy=key_policy(site, limits.key),
        expiry_proved=expiry_proved or None,
    )


def build_paper_source(
    spec: VenueSpec,
    site: Site,
    taker_fee: Decimal,
    *,
    clock: Clock,
    rng: random.Random,
    network: Network | None = None,
    address: AddressAllowance | None = None,
    list_key: Credentials | None = None,
) -> PublicSource:
    """Return the reader of a venue without a key; `address`: shared with the venue's public connections.

    Its signer is given no key, and its guard no symbol: a signed request cannot be made. With a `list_key` only the
    currency list is asked for, by a separate client (`arb.venues.kit.keyed_list`).
    """
    network = SystemNetwork(clock) if network is None else network
    keyed = None if list_key is None else _keyed_list(spec, site, list_key, clock, rng, network, address)
    parts = spec.trading.make(site, NO_KEY, clock, _guard(spec, site, GatewayLimits(symbols=()), clock))
    parts.signer.timeout_on_exit = 0
    transport = network.http()
    reader = _reader(spec, parts.dialect, parts.signer, transport, spec.trading.pacing, clock, rng, address)
    return PublicSource(reader, parts.signer, transport, taker_fee, keyed)


def _keyed_list(
    spec: VenueSpec,
    site: Site,
    credentials: Credentials,
    clock: Clock,
    rng: random.Random,
    network: Network,
    address: AddressAllowance | None,
) -> KeyedList:
    asked = spec.currency_key
    assert asked is not None, f"{spec.name} shows its currency list without a key"
    guard = _guard(spec, site, GatewayLimits(symbols=()), clock)
    client = ListClient(clock, site, credentials, guard, asked)
    dialect, transport = asked.make(), network.http()
    reader = _reader(spec, dialect, client, transport, PacingLimits.of_reads(asked.pace), clock, rng, address)
    return KeyedList(dialect, reader, transport, site)


def _reader(
    spec: VenueSpec,
    dialect: PublicDialect,
    client: RequestMaker,
    transport: HttpTransport,
    pacing: PacingLimits,
    clock: Clock,
    rng: random.Random,
    address: AddressAllowance | None,
) -> PublicReader:
    pacer = Pacer(pacing, clock, address or AddressAllowance(spec.weight_per_minute, clock))
    return PublicReader(dialect, client, transport, pacer, clock, rng, GatewayTiming())


def address_allowances(venues: Iterable[str], clock: Clock) -> dict[str, AddressAllowance]:
    """Return the address allowances shared by all readers of these venues' public data."""
    return {venue: AddressAllowance(spec_of(venue).weight_per_minute, clock) for venue in venues}


def build_feeds(
    sites: Mapping[str, Site],
    books: Books,
    on_frame: FrameListener,
    emit: EventListener,
    *,
    clock: Clock,
    rng: random.Random,
    network: Network | None = None,
    addresses: Mapping[str, AddressAllowance] = NOBODY_ELSE,
) -> dict[str, MarketFeed]:
    """Return the public connections, by their names, each for the books that it carries; `addresses`: see `PublicSide`."""
    sides = {
        venue: PublicSide(
            spec_of(venue), sites[venue], clock=clock, rng=rng, network=network, address=addresses.get(venue)
        )
        for venue in dict.fromkeys(connection.venue for connection in books.connections.values())
    }
    feeds: dict[str, MarketFeed] = {
        name: sides[connection.venue].feed(
            tuple(connection.rows.values()), connection.feed, on_frame=on_frame, emit=emit, connection=name
        )
        for name, connection in books.connections.items()
    }
    for side in sides.values():
        side.announce()
    return feeds


def venue_profile(
    spec: VenueSpec,
    entry: OrderEntry = OrderEntry.REST,
    max_order_value_quote: Decimal | None = None,
    max_orders_per_minute: int | None = None,
    fee_asset_prices_quote: dict[str, Decimal] | None = None,
) -> VenueProfile:
    trading, pacing = spec.trading, spec.trading.pacing
    by_socket = entry is OrderEntry.WEBSOCKET
    per_symbol = pacing.place_per_symbol
    for_others = 0 if per_symbol else ROOM_OF_AN_ENTRY
    return VenueProfile(
        spec.name,
        PlaceRate(pacing.place.count, pacing.place.window_ms + PACING_MARGIN_MS, per_symbol, for_others),
        enforces_expiry=trading.enforces_expiry and (trading.socket_enforces_expiry or not by_socket),
        max_order_value_quote=max_order_value_quote,
        max_orders_per_minute=max_orders_per_minute,
        fee_asset_prices_quote=fee_asset_prices_quote or {},
    )


def key_policy(site: Site, given: KeyPolicy) -> KeyPolicy:
    """Return the requirements of a key: fewer on a test network or a demo, where nothing real can be withdrawn."""
    if site.environment is Environment.PRODUCTION:
        return given
    return msgspec.structs.replace(given, withdrawal_disabled_confirmed=True, unbound_key_allowed=True)


def _guard(spec: VenueSpec, site: Site, limits: GatewayLimits, clock: Clock) -> SigningGuard:
    return SigningGuard(
        venue=spec.name,
        hosts=site.hosts,
        symbols=limits.symbols,
        max_order_value_quote=limits.max_order_value_quote,
        max_orders_per_minute=limits.max_orders_per_minute,
        clock=clock,
        borrowing_allowed=limits.key.borrowing_allowed,
    )


def _order_socket(
    spec: VenueSpec,
    parts: TradingParts,
    site: Site,
    credentials: Credentials,
    guard: SigningGuard,
    clock: Clock,
    rng: random.Random,
    network: Network,
) -> OrderSocket:
    make = spec.trading.make_order_socket
    if make is None:
        raise ConfigError(
            f"{spec.name}: orders go over REST only: set [venues.{spec.name}] order_entry to {OrderEntry.REST.value!r}"
        )
    _check_order_host(guard, site.endpoint.ws_private)
    return OrderSocket(
        _guarded(spec.private_address(site, network.http), guard),
        make(parts, site, credentials),
        clock=clock,
        rng=rng,
        offset_ns=lambda: parts.signer.server_offset_ns,
        network=network,
    )


def _private_site(site: Site, ws_private: str | None) -> Site:
    if ws_private is None:
        return site
    return msgspec.structs.replace(site, endpoint=msgspec.structs.replace(site.endpoint, ws_private=ws_private))


def _guarded(address: Address, guard: SigningGuard) -> Address:
    """Return an address that the guard allows, or none: every connection there begins with a login (`SigningRefused`)."""

    async def allowed() -> str:
        url = await address()
        guard.check_host(url)
        return url

    return allowed


def _check_order_host(guard: SigningGuard, url: str) -> None:
    """Raise `ConfigError` unless orders may be sent to the websocket's host: a run cannot correct that later."""
    try:
        guard.check_host(url)
    except SigningRefused as refused:
        text = f"[venues.{guard.venue}] hosts: {refused}: add the host of {url}, or set order_entry to 'rest'"
        raise ConfigError(text) from refused
