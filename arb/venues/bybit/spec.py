"""Bybit as a value: API v5, public spot data only. Numbers from Bybit API v5 ("Connect", "Rate limit rules")."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from arb.venues.bybit.outcomes import POLICY
from arb.venues.endpoints import VenueEndpoint
from arb.venues.spec import ConnectionLimits, Environment, Product, Site, TapeDialect, VenueSpec

if TYPE_CHECKING:
    from arb.market.arena import BookArena
    from arb.market.feed import BookFeed, BookSeat
    from arb.venues.wire.base import WireFeed

NAME = "bybit"


def _make_books(seats: "Mapping[str, BookSeat]", arena: "BookArena") -> "BookFeed":
    from arb.venues.bybit.books import BybitFeed

    return BybitFeed(seats, arena)


def _make_tape(seats: "Mapping[str, BookSeat]", arena: "BookArena | None") -> "WireFeed":
    from arb.venues.bybit.books import BybitFeed

    return BybitFeed(seats, arena, tape=True)


SPEC = VenueSpec(
    name=NAME,
    title="Bybit API v5",
    code_word="`retCode`",
    products=(Product.SPOT,),
    sites=(
        Site(
            environment=Environment.PRODUCTION,
            endpoint=VenueEndpoint(
                rest="https://api.bybit.com",
                ws_public="wss://stream.bybit.com/v5/public/spot",
                ws_private="wss://stream.bybit.com/v5/private",
            ),
        ),
        Site(
            environment=Environment.TESTNET,
            endpoint=VenueEndpoint(
                rest="https://api-testnet.bybit.com",
                ws_public="wss://stream-testnet.bybit.com/v5/public/spot",
                ws_private="wss://stream-testnet.bybit.com/v5/private",
            ),
        ),
    ),
    connections=ConnectionLimits(books_per_connection=200, connects=500, connects_window_s=300),
    outcomes=POLICY,
    make_books=_make_books,
    # Inverse perpetuals, quoted in USD, count their sizes in contracts.
    tapes=(TapeDialect(name=NAME, make=_make_tape, contracts_quotes=frozenset({"USD"})),),
)
