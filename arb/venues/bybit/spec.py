"""Bybit as a value: API v5, public spot data only. Numbers from Bybit API v5, "Connect" and "Rate limit rules"."""

from decimal import Decimal
from typing import TYPE_CHECKING

from arb.venues.bybit.currencies import CURRENCIES
from arb.venues.bybit.outcomes import POLICY
from arb.venues.kit.endpoints import GLOBAL, Environment, Site, VenueEndpoint
from arb.venues.kit.rules.pacing import Budget
from arb.venues.kit.spec import ConnectionLimits, CurrencyKey, FeedClass, Product, Reading, TapeDialect, VenueSpec
from arb.venues.kit.tickers import TickerForm
from arb.venues.transport.address import ConnectionTiming

if TYPE_CHECKING:
    from arb.venues.kit.dialect import KeyedDialect

NAME = "bybit"


def _books() -> FeedClass:
    from arb.venues.bybit.books import BybitFeed

    return BybitFeed


def _make_dialect(has_key: bool) -> "KeyedDialect":
    from arb.venues.bybit.dialect import BybitDialect

    return BybitDialect(has_key=has_key)


def _site(environment: Environment, region: str, rest: str, ws: str) -> Site:
    endpoint = VenueEndpoint(rest=rest, ws_public=f"{ws}/v5/public/spot")
    return Site(environment=environment, region=region, endpoint=endpoint)


SPEC = VenueSpec(
    name=NAME,
    title="Bybit API v5",
    code_word="`retCode`",
    products=(Product.SPOT,),
    sites=(
        _site(Environment.PRODUCTION, GLOBAL, "https://api.bybit.com", "wss://stream.bybit.com"),
        # The EEA, Turkey, Kazakhstan, Georgia and Indonesia: the hosts of their accounts ("Integration Guidance", "Connect").
        _site(Environment.PRODUCTION, "eu", "https://api.bybit.eu", "wss://stream.bybit.eu"),
        _site(Environment.PRODUCTION, "tr", "https://api.bybit.tr", "wss://stream.bybit.tr"),
        _site(Environment.PRODUCTION, "kz", "https://api.bybit.kz", "wss://stream.bybit.kz"),
        _site(Environment.PRODUCTION, "ge", "https://api.bybitgeorgia.ge", "wss://stream.bybitgeorgia.ge"),
        _site(Environment.PRODUCTION, "id", "https://api.bybit.id", "wss://stream.bybit.id"),
        _site(Environment.TESTNET, GLOBAL, "https://api-testnet.bybit.com", "wss://stream-testnet.bybit.com"),
        # Demo trading has production's prices, from production's stream.
        _site(Environment.DEMO, GLOBAL, "https://api-demo.bybit.com", "wss://stream.bybit.com"),
    ),
    # The topics of one connection may be 21,000 characters long, those of 200 books are a quarter of that.
    connections=ConnectionLimits(books_per_connection=200, connects=500, connects_window_s=300),
    stream=ConnectionTiming(heartbeat_s=10.0, silence_s=25.0, send_gap_s=0.02),
    # Bybit API v5, "Get Tickers": `turnover24h` is in quote.
    tickers=TickerForm(
        api=("public",),
        path="v5/market/tickers",
        params={"category": "spot"},
        rows=("result", "list"),
        native="symbol",
        bid="bid1Price",
        bid_size="bid1Size",
        ask="ask1Price",
        ask_size="ask1Size",
        volume="turnover24h",
    ),
    outcomes=POLICY,
    public_taker_fee=Decimal("0.001"),  # VIP 0, spot
    books=_books,
    currencies=CURRENCIES,
    # Inverse perpetuals, quoted in USD, count their sizes in contracts.
    tapes=(TapeDialect(name=NAME, books=_books, contracts_quotes=frozenset({"USD"})),),
    # 600 requests per 5 s and address, over all endpoints; who goes beyond gets HTTP 403 and waits for ten minutes.
    reading=Reading(pace=Budget(5, 500), make=_make_dialect),
    # Bybit API v5, "Get Coin Info": 5 a second and user; "Get API Key Information": 10.
    currency_key=CurrencyKey(
        questions=frozenset(
            {
                ("public", "v5/market/time"),
                ("private", "v5/user/query-api"),
                ("private", "v5/asset/coin/query-info"),
            }
        ),
        roots={"public": "", "private": ""},
        pace=Budget(4, 1000),
        make=_make_dialect,
    ),
)
