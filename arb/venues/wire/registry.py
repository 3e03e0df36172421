"""Which feed reads which venue: the current dialects for live connections, those of the captures for tapes."""

from collections.abc import Mapping
from typing import Protocol

from arb.errors import ConfigError
from arb.market.arena import BookArena
from arb.market.feed import BookFeed, BookSeat
from arb.venues.binance.books import BinanceFeed
from arb.venues.bitget.books import BitgetFeed
from arb.venues.bybit.books import BybitFeed
from arb.venues.gate.books import GateFeed
from arb.venues.gate.tape import GateTapeFeed
from arb.venues.okx.books import OkxFeed
from arb.venues.wire.base import WireFeed

LIVE_VENUES = ("gate", "okx", "bitget", "bybit", "binance")
TAPE_VENUES = ("gate", "gate_futures", "okx", "bitget", "bybit", "binance", "binance_futures")


class FeedMaker(Protocol):
    """Makes the feed of one connection: the plain one below, or a faster one with the same contract."""

    def __call__(self, venue: str, seats: Mapping[str, BookSeat], arena: BookArena) -> BookFeed:
        """Return a feed of `venue` for the books in `seats`, writing into `arena`."""


def live_feed(venue: str, seats: Mapping[str, BookSeat], arena: BookArena) -> BookFeed:
    """Return the plain feed of a venue's spot books; raises `ConfigError` for a venue without one."""
    if venue == "gate":
        return GateFeed(seats, arena)
    if venue == "okx":
        return OkxFeed(venue, seats, arena)
    if venue == "bitget":
        return BitgetFeed(venue, seats, arena)
    if venue == "bybit":
        return BybitFeed(seats, arena)
    if venue == "binance":
        return BinanceFeed(seats, arena)
    raise ConfigError(f"no book feed for venue {venue!r}; there are {', '.join(LIVE_VENUES)}")


def tape_feed(venue: str, seats: Mapping[str, BookSeat] | None = None, arena: BookArena | None = None) -> WireFeed:
    """Return a feed that rebuilds whatever books a tape of this dialect holds; raises `ConfigError` for others.

    With `arena` the books that have a row in `seats` are written there.
    """
    seats = seats or {}
    if venue in ("gate", "gate_futures"):
        return GateTapeFeed(venue, seats, arena)
    if venue == "okx":
        return OkxFeed(venue, seats, arena, tape=True)
    if venue == "bitget":
        return BitgetFeed(venue, seats, arena, tape=True)
    if venue == "bybit":
        return BybitFeed(seats, arena, tape=True)
    if venue in ("binance", "binance_futures"):
        return BinanceFeed(seats, arena, venue=venue, tape=True)
    raise ConfigError(f"cannot rebuild books of the dialect {venue!r}; there are {', '.join(TAPE_VENUES)}")
