"""Bybit as a value: API v5, spot, on a unified account. Numbers from Bybit API v5, "Connect" and "Rate limit rules"."""

from decimal import Decimal
from typing import TYPE_CHECKING

from arb.clock import Clock
from arb.errors import ConfigError
from arb.venues.bybit.currencies import CURRENCIES
from arb.venues.bybit.outcomes import POLICY, RIGHTS
from arb.venues.kit.endpoints import GLOBAL, Credentials, Environment, Site, VenueEndpoint
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

NAME = "bybit"
EU = "eu"


def _books() -> FeedClass:
    from arb.venues.bybit.books import BybitFeed

    return BybitFeed


def _make_dialect() -> "KeyedDialect":
    from arb.venues.bybit.dialect import BybitDialect

    return BybitDialect(has_key=True)


def _make_trading(site: Site, credentials: Credentials, clock: Clock, guard: "SigningGuard") -> TradingParts:
    from arb.venues.bybit.private import BybitPrivate
    from arb.venues.bybit.signing import GuardedBybit
    from arb.venues.bybit.trade import BybitTrade

    if site.region == EU and credentials.key:
        raise ConfigError(
            "[venues.bybit] region 'eu': Bybit's EU site gives keys only to third-party applications on its list, which arb is "
            "not on: set enabled = false there, or trade on paper"
        )
    client = GuardedBybit(clock, guard, {"apiKey": credentials.key, "secret": credentials.secret}, site.headers)
    client.urls["api"].update(public=site.endpoint.rest, private=site.endpoint.rest)
    dialect = BybitTrade(has_key=bool(credentials.key))
    private = BybitPrivate(credentials.key, credentials.secret, dialect.symbols)
    return TradingParts(dialect, private, client, enforces_expiry=False)


def _site(environment: Environment, region: str, rest: str, ws: str, ws_private: str | None = None) -> Site:
    endpoint = VenueEndpoint(rest=rest, ws_public=f"{ws}/v5/public/spot", ws_private=f"{ws_private or ws}/v5/private")
    return Site(environment=environment, region=region, endpoint=endpoint)


SPEC = VenueSpec(
    name=NAME,
    title="Bybit API v5",
    code_word="`retCode`",
    products=(Product.SPOT,),
    sites=(
        _site(Environment.PRODUCTION, GLOBAL, "https://api.bybit.com", "wss://stream.bybit.com"),
        # The EEA, Turkey, Kazakhstan, Georgia and Indonesia: the hosts of their accounts ("Integration Guidance", "Connect").
        _site(Environment.PRODUCTION, EU, "https://api.bybit.eu", "wss://stream.bybit.eu"),
        _site(Environment.PRODUCTION, "tr", "https://api.bybit.tr", "wss://stream.bybit.tr"),
        _site(Environment.PRODUCTION, "kz", "https://api.bybit.kz", "wss://stream.bybit.kz"),
        _site(Environment.PRODUCTION, "ge", "https://api.bybitgeorgia.ge", "wss://stream.bybitgeorgia.ge"),
        _site(Environment.PRODUCTION, "id", "https://api.bybit.id", "wss://stream.bybit.id"),
        _site(Environment.TESTNET, GLOBAL, "https://api-testnet.bybit.com", "wss://stream-testnet.bybit.com"),
        # Demo trading has production's prices, from production's stream; its private stream is a separate one.
        _site(
            Environment.DEMO,
            GLOBAL,
            "https://api-demo.bybit.com",
            "wss://stream.bybit.com",
            "wss://stream-demo.bybit.com",
        ),
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
    used_by_default=False,
    trading=Trading(
        # A little below the documented limits per user, endpoint and second: create, cancel and each order of a batch 20;
        # `realtime`, `history` and executions 50; by address 600 in 5 s over all, which these cannot reach for long. One
        # placement in reserve, see `gate/spec.py`.
        pacing=PacingLimits(
            place=Budget(9, 500, 1),
            cancel=Budget(9, 500),
            cancel_batch=Budget(18, 1000),
            read=Budget(5, 500),
            reads={
                "GET v5/order/realtime": Budget(20, 500),
                "GET v5/order/history": Budget(20, 500),
                "GET v5/execution/list": Budget(20, 500),
                "GET v5/account/wallet-balance": Budget(10, 500),
                "GET v5/account/transaction-log": Budget(10, 500),
                "GET v5/account/fee-rate": Budget(4, 1000),
                "GET v5/account/user-setting-config": Budget(4, 1000),
                "GET v5/asset/coin/query-info": Budget(4, 1000),
                "GET v5/user/query-api": Budget(4, 500),
            },
            place_per_symbol=False,
        ),
        rights=RIGHTS,
        enforces_expiry=False,  # the window is checked at the door, and no wait behind it is bounded
        make=_make_trading,
        has_passphrase=False,
    ),
)
