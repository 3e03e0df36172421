"""Binance as a value: spot. Numbers from Binance spot, "WebSocket Streams", "REST API" and "WebSocket API"."""

from decimal import Decimal
from typing import TYPE_CHECKING

from arb.clock import Clock
from arb.venues.binance.currencies import CURRENCIES
from arb.venues.binance.outcomes import POLICY, RIGHTS
from arb.venues.kit.endpoints import Credentials, Environment, Site, VenueEndpoint
from arb.venues.kit.rules.pacing import Budget, PacingLimits
from arb.venues.kit.spec import (
    ConnectionLimits,
    CurrencyKey,
    FeedClass,
    Product,
    TapeDialect,
    Trading,
    TradingParts,
    VenueSpec,
)
from arb.venues.kit.tickers import TickerForm
from arb.venues.transport.address import ConnectionTiming

if TYPE_CHECKING:
    from arb.venues.kit.dialect import KeyedDialect
    from arb.venues.kit.rules.guard import SigningGuard

NAME = "binance"
FUTURES = "binance_futures"
"""The name of recorded USDT-margined perpetuals."""
_API = "/api/v3"
ROOTS = {"public": _API, "sapi": "/sapi/v1"}
"""The part of an address between host and path, by ccxt's name of the API."""


def _books() -> FeedClass:
    from arb.venues.binance.books import BinanceFeed

    return BinanceFeed


def _make_dialect() -> "KeyedDialect":
    from arb.venues.binance.dialect import BinanceDialect

    return BinanceDialect(has_key=True)


def _make_trading(site: Site, credentials: Credentials, clock: Clock, guard: "SigningGuard") -> TradingParts:
    from arb.venues.binance.private import BinancePrivate
    from arb.venues.binance.signing import GuardedBinance, sealer_of
    from arb.venues.binance.trade import BinanceTrade

    key, secret = credentials.key, credentials.secret
    sealer = sealer_of(secret)
    client = GuardedBinance(clock, guard, {"apiKey": key, "secret": secret}, sealer, site.headers)
    client.urls["api"].update({api: site.endpoint.rest + root for api, root in (*ROOTS.items(), ("private", _API))})
    dialect = BinanceTrade(has_key=bool(key), has_wallet=site.environment is Environment.PRODUCTION)
    return TradingParts(dialect, BinancePrivate(key, sealer, dialect.symbols), client, enforces_expiry=False)


def _site(environment: Environment, rest: str, ws: str, ws_api: str) -> Site:
    endpoint = VenueEndpoint(rest=rest, ws_public=f"{ws}/stream", ws_private=f"{ws_api}/ws-api/v3")
    return Site(environment=environment, endpoint=endpoint)


SPEC = VenueSpec(
    name=NAME,
    title="Binance spot",
    products=(Product.SPOT,),
    sites=(
        _site(
            Environment.PRODUCTION,
            "https://api.binance.com",
            "wss://stream.binance.com:9443",
            "wss://ws-api.binance.com:443",
        ),
        _site(
            Environment.TESTNET,
            "https://testnet.binance.vision",
            "wss://stream.testnet.binance.vision",
            "wss://ws-api.testnet.binance.vision",
        ),
        _site(
            Environment.DEMO,
            "https://demo-api.binance.com",
            "wss://demo-stream.binance.com",
            "wss://demo-ws-api.binance.com",
        ),
    ),
    # 1024 streams a connection, two for each book. Pongs count among the 5 messages a second, so we send fewer.
    connections=ConnectionLimits(books_per_connection=200, messages_per_s=5, connects=300, connects_window_s=300),
    stream=ConnectionTiming(heartbeat_s=10.0, silence_s=25.0, send_gap_s=0.3, lifetime_s=24 * 3600),
    weight_per_minute=6000,
    # One of 100 levels weighs 5, so that they take three quarters of the 6000 an address has in a minute. Nothing else bounds
    # how fast they may follow one another, and books that are lost together are to be back soon.
    snapshots=Budget(900, 60_000),
    # Binance spot, "24hr ticker price change statistics": weight 80 of 6000 a minute for all symbols.
    tickers=TickerForm(
        api=("public",),
        path="ticker/24hr",
        native="symbol",
        bid="bidPrice",
        bid_size="bidQty",
        ask="askPrice",
        ask_size="askQty",
        volume="quoteVolume",
    ),
    outcomes=POLICY,
    public_taker_fee=Decimal("0.001"),  # regular user, spot, without BNB
    books=_books,
    currencies=CURRENCIES,
    tapes=(TapeDialect(name=NAME, books=_books), TapeDialect(name=FUTURES, books=_books)),
    # Binance wallet, "All Coins' Information": weight 10 of the 12,000 that an address has in a minute under `/sapi`, which are
    # counted apart from `/api`; "Get API Key Permission": weight 1. Test networks have no `/sapi`.
    currency_key=CurrencyKey(
        questions=frozenset(
            {("public", "time"), ("sapi", "account/apiRestrictions"), ("sapi", "capital/config/getall")}
        ),
        roots=ROOTS,
        pace=Budget(4, 1000),
        make=_make_dialect,
    ),
    used_by_default=False,
    trading=Trading(
        # "Unfilled Order Count": 50 orders in 10 s and 160,000 a day by the documents' examples, in fixed intervals of the
        # venue's clock; five pieces may arrive in one of 10 s. A fill gives its order back, which nothing here counts on.
        # Of the 6000 that requests may weigh in a minute each kind's pace takes at most two fifths; all wait at nine tenths;
        # orders and cancels that succeed weigh nothing. One placement in reserve, see `gate/spec.py`.
        pacing=PacingLimits(
            place=Budget(9, 2500, 1),
            cancel=Budget(20, 1000),
            read=Budget(2, 500),
            reads={
                "GET order": Budget(5, 500),  # weight 4
                "GET openOrders": Budget(1, 500),  # 6, of all symbols 80
                "GET allOrders": Budget(1, 500),  # 20
                "GET myTrades": Budget(1, 500),  # 20, of one order 5
                "GET account": Budget(1, 1000),  # 20
                "GET account/commission": Budget(1, 500),  # 20
            },
            counted=(Budget(45, 10_000, of=50), Budget(144_000, 86_400_000, of=160_000)),
            place_per_symbol=False,
        ),
        rights=RIGHTS,
        enforces_expiry=False,  # the window is checked before the engine, and no wait inside it is bounded
        make=_make_trading,
        has_passphrase=False,
    ),
)
