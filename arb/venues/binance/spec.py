"""Binance as a value: public spot data only. Numbers from Binance spot, "WebSocket Streams", "General information"."""

from decimal import Decimal
from typing import TYPE_CHECKING

from arb.venues.binance.currencies import CURRENCIES
from arb.venues.binance.outcomes import POLICY
from arb.venues.kit.endpoints import Environment, Site, VenueEndpoint
from arb.venues.kit.rules.pacing import Budget
from arb.venues.kit.spec import ConnectionLimits, CurrencyKey, FeedClass, Product, Reading, TapeDialect, VenueSpec
from arb.venues.kit.tickers import TickerForm
from arb.venues.transport.address import ConnectionTiming

if TYPE_CHECKING:
    from arb.venues.kit.dialect import KeyedDialect

NAME = "binance"
FUTURES = "binance_futures"
"""The name of recorded USDT-margined perpetuals."""


def _books() -> FeedClass:
    from arb.venues.binance.books import BinanceFeed

    return BinanceFeed


def _make_dialect(has_key: bool) -> "KeyedDialect":
    from arb.venues.binance.dialect import BinanceDialect

    return BinanceDialect(has_key=has_key)


def _site(environment: Environment, rest: str, ws: str) -> Site:
    return Site(environment=environment, endpoint=VenueEndpoint(rest=rest, ws_public=f"{ws}/stream"))


SPEC = VenueSpec(
    name=NAME,
    title="Binance spot",
    products=(Product.SPOT,),
    sites=(
        _site(Environment.PRODUCTION, "https://api.binance.com", "wss://stream.binance.com:9443"),
        _site(Environment.TESTNET, "https://testnet.binance.vision", "wss://stream.testnet.binance.vision"),
        _site(Environment.DEMO, "https://demo-api.binance.com", "wss://demo-stream.binance.com"),
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
        path="api/v3/ticker/24hr",
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
    reading=Reading(pace=Budget(2, 500), make=_make_dialect),
    # Binance wallet, "All Coins' Information": weight 10 of the 12,000 that an address has in a minute under `/sapi`, which are
    # counted apart from `/api`; "Get API Key Permission": weight 1. Test networks have no `/sapi`.
    currency_key=CurrencyKey(
        questions=frozenset(
            {("public", "api/v3/time"), ("sapi", "account/apiRestrictions"), ("sapi", "capital/config/getall")}
        ),
        roots={"public": "", "sapi": "/sapi/v1"},
        pace=Budget(4, 1000),
        make=_make_dialect,
    ),
)
