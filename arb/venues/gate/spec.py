"""Gate.io as a value: APIv4, spot. Numbers from Gate APIv4, "Frequency limit rule" and "Spot WebSocket v4"."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from arb.clock import Clock
from arb.venues.gate.currencies import CURRENCIES
from arb.venues.gate.outcomes import POLICY, RIGHTS
from arb.venues.kit.endpoints import GLOBAL, Credentials, Environment, Site, VenueEndpoint
from arb.venues.kit.rules.pacing import Budget, PacingLimits
from arb.venues.kit.spec import (
    ConnectionLimits,
    FeedClass,
    Product,
    SignatureHelp,
    TapeDialect,
    Trading,
    TradingParts,
    VenueSpec,
)
from arb.venues.kit.tickers import TickerForm

if TYPE_CHECKING:
    from arb.venues.kit.order_socket import SocketDialect
    from arb.venues.kit.rules.guard import SigningGuard

NAME = "gate"
FUTURES = "gate_futures"
"""The name of recorded perpetuals: read, never traded."""


def _books() -> FeedClass:
    from arb.venues.gate.books import GateFeed

    return GateFeed


def _tape_books() -> FeedClass:
    from arb.venues.gate.tape import GateTapeFeed

    return GateTapeFeed


def _make_trading(site: Site, credentials: Credentials, clock: Clock, guard: "SigningGuard") -> TradingParts:
    from arb.venues.gate.client import Gate
    from arb.venues.gate.dialect import GateDialect
    from arb.venues.gate.private import GatePrivate

    key, secret = credentials.key, credentials.secret
    client = Gate(
        clock=clock,
        guard=guard,
        api_key=key,
        secret=secret,
        rest_url=site.endpoint.rest,
        ws_url=site.endpoint.ws_private,
        site_headers=site.headers,
    )
    dialect = GateDialect(key)
    return TradingParts(dialect, GatePrivate(key, secret, dialect.account), client)


def _make_order_socket(parts: TradingParts, site: Site, credentials: Credentials) -> "SocketDialect":
    from arb.venues.gate.client import Gate
    from arb.venues.gate.order_socket import GateOrderSocket

    assert isinstance(parts.signer, Gate)
    return GateOrderSocket(parts.signer, site.endpoint.ws_private)


def _sign_report(method: str, path: str, **more: Any) -> dict[str, Any]:
    from arb.venues.gate.signing import sign_report

    return sign_report(method, path, **more)


def _site(environment: Environment, rest: str, ws: str, *, region: str = GLOBAL, channel: str = "") -> Site:
    endpoint = VenueEndpoint(rest=rest, ws_public=ws, ws_private=ws)
    return Site(environment=environment, region=region, endpoint=endpoint, channel=channel)


SPEC = VenueSpec(
    name=NAME,
    title="Gate APIv4",
    code_word="label",
    signature=SignatureHelp(
        _sign_report,
        "Sign one Gate request; PATH is the whole path with /api/v4.\n\n"
        "The key and the secret are read from GATE_API_KEY and GATE_API_SECRET. Reads and orders are signed; withdrawals, "
        "transfers and all other writes only with --any.",
    ),
    products=(Product.SPOT,),
    sites=(
        _site(Environment.PRODUCTION, "https://api.gateio.ws/api/v4", "wss://api.gateio.ws/ws/v4/"),
        # `spot.obu` is not served there.
        _site(
            Environment.PRODUCTION,
            "https://api.gateeu.com/api/v4",
            "wss://api.gateeu.com/ws/v4/",
            region="eu",
            channel="order_book_update",
        ),
        _site(Environment.TESTNET, "https://api-testnet.gateapi.io/api/v4", "wss://ws-testnet.gate.com/v4/ws/spot"),
    ),
    # 300 connections an address. How many books one may carry is not documented; bursts of 150 are answered.
    connections=ConnectionLimits(books_per_connection=150),
    # `GET /spot/order_book`, as any public endpoint: 200/10 s and address.
    snapshots=Budget(9, 500, 0, 200),
    # Gate APIv4, "Get currency pair ticker information".
    tickers=TickerForm(
        api=("public", "spot"),
        path="tickers",
        native="currency_pair",
        bid="highest_bid",
        bid_size="highest_size",
        ask="lowest_ask",
        ask_size="lowest_size",
        volume="quote_volume",
    ),
    outcomes=POLICY,
    public_taker_fee=Decimal("0.002"),  # VIP 0, spot, as the listing's own `fee` has it; many pairs are cheaper
    books=_books,
    currencies=CURRENCIES,
    tapes=(
        TapeDialect(name=NAME, books=_tape_books),
        TapeDialect(name=FUTURES, books=_tape_books, contracts=True),
    ),
    trading=Trading(
        # A little below the documented limits, since a burst may arrive closer together than it was sent: spot orders
        # 10/s per user and market, cancels 200/s per user, others 200/10 s each. Placements: the engine keeps a slot
        # for the hedge of every open pair itself; more than one in reserve here would refuse entries that it has let
        # through.
        pacing=PacingLimits(place=Budget(4, 500, 1, 10), cancel=Budget(20, 200, 0, 200), read=Budget(9, 500, 0, 200)),
        rights=RIGHTS,
        enforces_expiry=True,  # header `X-Gate-Exptime`
        make=_make_trading,
        has_passphrase=False,
        make_order_socket=_make_order_socket,
        socket_enforces_expiry=False,  # checked when the frame is received, and not again when it is executed
    ),
)
