"""OKX as a value: API v5, spot. Numbers from OKX API v5, "Overview" and "Rate limits"."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from arb.clock import Clock
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
from arb.venues.okx.currencies import CURRENCIES
from arb.venues.okx.outcomes import POLICY, RIGHTS
from arb.venues.transport.address import ConnectionTiming

if TYPE_CHECKING:
    from arb.venues.kit.dialect import KeyedDialect
    from arb.venues.kit.order_socket import SocketDialect
    from arb.venues.kit.rules.guard import SigningGuard

NAME = "okx"


def _books() -> FeedClass:
    from arb.venues.okx.books import OkxFeed

    return OkxFeed


def _make_trading(site: Site, credentials: Credentials, clock: Clock, guard: "SigningGuard") -> TradingParts:
    from arb.venues.okx.dialect import OkxDialect
    from arb.venues.okx.private import OkxPrivate
    from arb.venues.okx.signing import GuardedOkx

    client = GuardedOkx(clock, guard, credentials.ccxt_config(NAME), site.headers)
    client.urls["api"]["rest"] = site.endpoint.rest
    private = OkxPrivate(credentials.key, credentials.secret, credentials.phrase(NAME))
    return TradingParts(OkxDialect(has_key=bool(credentials.key)), private, client)


def _make_dialect() -> "KeyedDialect":
    from arb.venues.okx.dialect import OkxDialect

    return OkxDialect(has_key=True)


def _make_order_socket(parts: TradingParts, site: Site, credentials: Credentials) -> "SocketDialect":
    from arb.venues.okx.dialect import OkxDialect
    from arb.venues.okx.order_socket import OkxOrderSocket
    from arb.venues.okx.signing import GuardedOkx

    assert isinstance(parts.signer, GuardedOkx) and isinstance(parts.dialect, OkxDialect)
    key_parts = credentials.key, credentials.secret, credentials.phrase(NAME)
    return OkxOrderSocket(parts.signer, parts.dialect, site.endpoint.ws_private, *key_parts)


def _site(environment: Environment, region: str, rest: str, ws: str, headers: Mapping[str, str] | None = None) -> Site:
    endpoint = VenueEndpoint(rest=rest, ws_public=f"{ws}/public", ws_private=f"{ws}/private")
    return Site(environment=environment, region=region, endpoint=endpoint, headers=headers or {})


_DEMO = {"x-simulated-trading": "1"}
"""Demo trading has production's REST hosts: without this header a demo key is refused there."""

SPEC = VenueSpec(
    name=NAME,
    title="OKX API v5",
    products=(Product.SPOT,),
    sites=(
        _site(Environment.PRODUCTION, GLOBAL, "https://www.okx.com", "wss://ws.okx.com:8443/ws/v5"),
        _site(Environment.PRODUCTION, "eea", "https://eea.okx.com", "wss://wseea.okx.com:8443/ws/v5"),
        _site(Environment.PRODUCTION, "us", "https://us.okx.com", "wss://wsus.okx.com:8443/ws/v5"),
        _site(Environment.DEMO, GLOBAL, "https://www.okx.com", "wss://wspap.okx.com:8443/ws/v5", _DEMO),
        _site(Environment.DEMO, "eea", "https://eea.okx.com", "wss://wseeapap.okx.com:443/ws/v5", _DEMO),
        _site(Environment.DEMO, "us", "https://us.okx.com", "wss://wsuspap.okx.com:443/ws/v5", _DEMO),
    ),
    # 480 requests to subscribe or end an hour: 200 books and their BBO checks take 8, each lost book 2. Should the
    # venue count each channel of a request, they take 400, and 40 lost books remain.
    connections=ConnectionLimits(books_per_connection=200, subscriptions_per_hour=480, connects=3, connects_window_s=1),
    # OKX API v5, "Get tickers": of spot symbols `volCcy24h` is in quote.
    tickers=TickerForm(
        api=("public",),
        path="market/tickers",
        params={"instType": "SPOT"},
        rows=("data",),
        native="instId",
        bid="bidPx",
        bid_size="bidSz",
        ask="askPx",
        ask_size="askSz",
        volume="volCcy24h",
    ),
    outcomes=POLICY,
    public_taker_fee=Decimal("0.001"),  # regular user, level 1, spot; regions differ
    books=_books,
    currencies=CURRENCIES,
    # "Get currencies": 6 a second and user; "Get account configuration": 5 in 2 s.
    currency_key=CurrencyKey(
        questions=frozenset(
            {("public", "public/time"), ("private", "account/config"), ("private", "asset/currencies")}
        ),
        roots={"rest": ""},
        pace=Budget(2, 1000),
        make=_make_dialect,
    ),
    tapes=(TapeDialect(name=NAME, books=_books),),
    stream=ConnectionTiming(send_gap_s=0.02),
    trading=Trading(
        # A little below the documented limits: place, cancel 60/2 s per user and instrument, in batches 300 orders/2 s,
        # all placements of a sub-account 1000/2 s; reads by endpoint. One placement in reserve, see `gate/spec.py`.
        pacing=PacingLimits(
            place=Budget(12, 500, 1),
            cancel=Budget(12, 500),
            read=Budget(9, 1000),
            reads={
                "GET trade/order": Budget(12, 500),
                "GET trade/orders-pending": Budget(12, 500),
                "GET trade/orders-history": Budget(9, 500),
                "GET trade/orders-history-archive": Budget(9, 1000),
                "GET trade/fills": Budget(12, 500),
                "GET trade/fills-history": Budget(4, 1000),
                "GET account/balance": Budget(4, 1000),
                "GET account/bills": Budget(4, 1000),
                "GET account/bills-archive": Budget(2, 1000),
                "GET account/trade-fee": Budget(5, 2000),
                "GET account/config": Budget(2, 1000),
                "GET account/instruments": Budget(9, 1000),
                "GET asset/currencies": Budget(5, 1000),
            },
            cancel_per_symbol=True,
            cancel_batch=Budget(60, 500),
            account=Budget(220, 500, 20),
        ),
        rights=RIGHTS,
        enforces_expiry=True,  # header `expTime`
        make=_make_trading,
        make_order_socket=_make_order_socket,
        socket_enforces_expiry=True,  # `expTime` in the request
    ),
)
