"""Bitget as a value: spot, on a classic account (API v2) or a unified one (API v3), as all new ones are since May 2026.

The venue's answer at the start shows which one a key belongs to. Public data are those of API v2 for both.

Numbers from Bitget API v2 ("Websocket API", "Rate limit"); those of v3, where they are smaller, by their own pages.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from arb.clock import Clock
from arb.venues.bitget.currencies import CURRENCIES
from arb.venues.bitget.outcomes import POLICY, RIGHTS
from arb.venues.kit.endpoints import Credentials, Environment, Site, VenueEndpoint
from arb.venues.kit.rules.pacing import Budget, PacingLimits
from arb.venues.kit.spec import ConnectionLimits, FeedClass, Product, TapeDialect, Trading, TradingParts, VenueSpec
from arb.venues.kit.tickers import TickerForm
from arb.venues.transport.address import ConnectionTiming

if TYPE_CHECKING:
    from arb.venues.bitget.signing import GuardedBitget
    from arb.venues.kit.rules.guard import SigningGuard

NAME = "bitget"


def _books() -> FeedClass:
    from arb.venues.bitget.books import BitgetFeed

    return BitgetFeed


def _make_trading(site: Site, credentials: Credentials, clock: Clock, guard: "SigningGuard") -> TradingParts:
    from arb.venues.bitget.dialect import BitgetDialect
    from arb.venues.bitget.private import BitgetPrivate
    from arb.venues.bitget.signing import GuardedBitget

    client = _reached(GuardedBitget(clock, guard, credentials.ccxt_config(NAME), site.headers), site)
    dialect = BitgetDialect()
    private = BitgetPrivate(credentials.key, credentials.secret, credentials.phrase(NAME), dialect.symbols)
    return TradingParts(dialect, private, client)


def _make_unified(site: Site, credentials: Credentials, clock: Clock, guard: "SigningGuard") -> TradingParts:
    from arb.venues.bitget.private import UnifiedPrivate
    from arb.venues.bitget.signing import GuardedUnifiedBitget
    from arb.venues.bitget.unified import UnifiedDialect

    client = _reached(GuardedUnifiedBitget(clock, guard, credentials.ccxt_config(NAME), site.headers), site)
    dialect = UnifiedDialect()
    private = UnifiedPrivate(credentials.key, credentials.secret, credentials.phrase(NAME), dialect.symbols)
    # The same host, one path over. Its REST placement documents no `receiveWindow`.
    ws_private = site.endpoint.ws_private.replace("/v2/ws/", "/v3/ws/")
    return TradingParts(dialect, private, client, ws_private=ws_private, enforces_expiry=False)


def _reached(client: "GuardedBitget", site: Site) -> "GuardedBitget":
    """Point a client at a site: one root for every product; the websockets of ccxt are not used."""
    addresses = client.urls["api"]
    for product, address in addresses.items():
        if isinstance(address, str):
            addresses[product] = site.endpoint.rest
    return client


def _site(environment: Environment, ws: str, headers: Mapping[str, str] | None = None) -> Site:
    endpoint = VenueEndpoint(rest="https://api.bitget.com", ws_public=f"{ws}/public", ws_private=f"{ws}/private")
    return Site(environment=environment, endpoint=endpoint, headers=headers or {})


SPEC = VenueSpec(
    name=NAME,
    title="Bitget API v2 and, for unified accounts, v3",
    products=(Product.SPOT,),
    sites=(
        _site(Environment.PRODUCTION, "wss://ws.bitget.com/v2/ws"),
        _site(Environment.DEMO, "wss://wspap.bitget.com/v2/ws", {"paptrading": "1"}),
    ),
    # 1000 channels a connection, fewer than 50 advised; who sends more than 10 messages a second, pings included, is cut off.
    connections=ConnectionLimits(
        books_per_connection=50, messages_per_s=10, subscriptions_per_hour=240, connects=300, connects_window_s=300
    ),
    # Bitget API v2, "Get Ticker Information".
    tickers=TickerForm(
        api=("public", "spot"),
        path="v2/spot/market/tickers",
        rows=("data",),
        native="symbol",
        bid="bidPr",
        bid_size="bidSz",
        ask="askPr",
        ask_size="askSz",
        volume="quoteVolume",
    ),
    outcomes=POLICY,
    public_taker_fee=Decimal("0.002"),  # the dearer `takerFeeRate` that the listing has for spot; most pairs 0.1 %
    books=_books,
    currencies=CURRENCIES,
    tapes=(TapeDialect(name=NAME, books=_books),),
    stream=ConnectionTiming(send_gap_s=0.15, lifetime_s=24 * 3600),
    trading=Trading(
        # Below the 10/s per user and endpoint that are documented, `account/info` 1/s. One placement in reserve, see
        # `gate/spec.py`. Bursts reach the venue closer together than they were sent: the window is 0.1 s longer than
        # the venue's.
        pacing=PacingLimits(
            place=Budget(9, 1100, 1),
            cancel=Budget(4, 500),
            read=Budget(4, 500),
            cancel_batch=Budget(2, 500),  # v3: 5/s, where v2 has 10
            reads={
                "GET spot/account/info": Budget(1, 1100),
                "GET spot/public/coins": Budget(3, 1100),
                "GET account/fee-rate": Budget(1, 400),
                "GET account/all-fee-rate": Budget(1, 400),
            },
            place_per_symbol=False,
        ),
        rights=RIGHTS,
        enforces_expiry=True,  # of a classic account: `receiveWindow` in the body
        make=_make_trading,
        # "You are in Unified Account mode, and the Classic Account API is not supported", and the other way round.
        other_accounts={"40085": _make_unified, "40084": _make_trading, "25245": _make_trading},
    ),
)
