"""Binance as a value: public spot data only. Numbers from Binance spot, "WebSocket Streams", "General information"."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from arb.venues.binance.outcomes import POLICY
from arb.venues.endpoints import VenueEndpoint
from arb.venues.spec import ConnectionLimits, Environment, Product, Site, TapeDialect, VenueSpec

if TYPE_CHECKING:
    from arb.market.arena import BookArena
    from arb.market.feed import BookFeed, BookSeat
    from arb.venues.wire.base import WireFeed

NAME = "binance"
FUTURES = "binance_futures"
"""The name of recorded USDT-margined perpetuals."""


def _make_books(seats: "Mapping[str, BookSeat]", arena: "BookArena") -> "BookFeed":
    from arb.venues.binance.books import BinanceFeed

    return BinanceFeed(seats, arena)


def _make_tape(seats: "Mapping[str, BookSeat]", arena: "BookArena | None") -> "WireFeed":
    from arb.venues.binance.books import BinanceFeed

    return BinanceFeed(seats, arena, venue=NAME, tape=True)


def _make_futures_tape(seats: "Mapping[str, BookSeat]", arena: "BookArena | None") -> "WireFeed":
    from arb.venues.binance.books import BinanceFeed

    return BinanceFeed(seats, arena, venue=FUTURES, tape=True)


SPEC = VenueSpec(
    name=NAME,
    title="Binance spot",
    products=(Product.SPOT,),
    sites=(
        Site(
            environment=Environment.PRODUCTION,
            endpoint=VenueEndpoint(
                rest="https://api.binance.com",
                ws_public="wss://stream.binance.com:9443/stream",
                ws_private="wss://ws-api.binance.com:443/ws-api/v3",
            ),
        ),
        Site(
            environment=Environment.TESTNET,
            endpoint=VenueEndpoint(
                rest="https://testnet.binance.vision",
                ws_public="wss://stream.testnet.binance.vision/stream",
                ws_private="wss://ws-api.testnet.binance.vision/ws-api/v3",
            ),
        ),
    ),
    # 1024 streams a connection; but each book is fetched once (weight 50 of 6000 a minute), 120 a minute at most.
    connections=ConnectionLimits(books_per_connection=200, messages_per_s=5, connects=300, connects_window_s=300),
    outcomes=POLICY,
    make_books=_make_books,
    tapes=(TapeDialect(name=NAME, make=_make_tape), TapeDialect(name=FUTURES, make=_make_futures_tape)),
)
