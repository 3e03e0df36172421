"""Bitget as a value: API v2, spot on a classic account. Numbers from Bitget API v2 ("Websocket API", "Rate limit")."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from arb.clock import Clock
from arb.venues.bitget.outcomes import POLICY, RIGHTS
from arb.venues.endpoints import ConnectionTiming, Credentials, Environment, Site, VenueEndpoint
from arb.venues.rules.pacing import Budget, PacingLimits
from arb.venues.spec import (
    ConnectionLimits,
    Product,
    TapeDialect,
    Trading,
    TradingParts,
    VenueSpec,
)

if TYPE_CHECKING:
    from arb.market.arena import BookArena
    from arb.market.feed import BookFeed, BookSeat
    from arb.venues.rules.guard import SigningGuard
    from arb.venues.wire.base import WireFeed

NAME = "bitget"


def _make_books(seats: "Mapping[str, BookSeat]", arena: "BookArena") -> "BookFeed":
    from arb.venues.bitget.books import BitgetFeed

    return BitgetFeed(NAME, seats, arena)


def _make_tape(seats: "Mapping[str, BookSeat]", arena: "BookArena | None") -> "WireFeed":
    from arb.venues.bitget.books import BitgetFeed

    return BitgetFeed(NAME, seats, arena, tape=True)


def _make_trading(site: Site, credentials: Credentials, clock: Clock, guard: "SigningGuard") -> TradingParts:
    from arb.venues.bitget.dialect import BitgetDialect
    from arb.venues.bitget.private import BitgetPrivate
    from arb.venues.bitget.signing import GuardedBitget

    client = GuardedBitget(clock, guard, credentials.ccxt_config(NAME), site.headers)
    addresses = client.urls["api"]  # one root for every product; the websockets of ccxt are not used
    for product, address in addresses.items():
        if isinstance(address, str):
            addresses[product] = site.endpoint.rest
    dialect = BitgetDialect()
    private = BitgetPrivate(credentials.key, credentials.secret, credentials.phrase(NAME), dialect.symbols)
    return TradingParts(dialect, private, client)


SPEC = VenueSpec(
    name=NAME,
    title="Bitget API v2",
    products=(Product.SPOT,),
    sites=(
        Site(
            environment=Environment.PRODUCTION,
            endpoint=VenueEndpoint(
                rest="https://api.bitget.com",
                ws_public="wss://ws.bitget.com/v2/ws/public",
                ws_private="wss://ws.bitget.com/v2/ws/private",
            ),
        ),
        Site(
            environment=Environment.DEMO,
            endpoint=VenueEndpoint(
                rest="https://api.bitget.com",
                ws_public="wss://wspap.bitget.com/v2/ws/public",
                ws_private="wss://wspap.bitget.com/v2/ws/private",
            ),
            headers={"paptrading": "1"},
        ),
    ),
    # 1000 channels a connection, fewer than 50 advised; who sends more than 10 messages a second, pings included, is cut off.
    connections=ConnectionLimits(
        books_per_connection=50, messages_per_s=10, subscriptions_per_hour=240, connects=300, connects_window_s=300
    ),
    outcomes=POLICY,
    make_books=_make_books,
    tapes=(TapeDialect(name=NAME, make=_make_tape),),
    stream=ConnectionTiming(send_gap_s=0.15, lifetime_s=24 * 3600),
    trading=Trading(
        # A little below the 10/s per user and endpoint that are documented, `account/info` 1/s. One placement in reserve, see
        # `gate/spec.py`.
        pacing=PacingLimits(
            place=Budget(4, 500, 1),
            cancel=Budget(4, 500),
            read=Budget(4, 500),
            cancel_batch=Budget(4, 500),
            reads={"GET spot/account/info": Budget(1, 1100)},
            place_per_symbol=False,
        ),
        rights=RIGHTS,
        public_taker_fee=Decimal(
            "0.002"
        ),  # the dearer of the `takerFeeRate` that the listing has for spot; most pairs 0.1 %
        enforces_expiry=True,  # `receiveWindow` in the body
        make=_make_trading,
    ),
)
