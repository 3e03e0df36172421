"""What is traded where, and the books and public connections that follow from it, as the venues' specs make them."""

import random
from collections.abc import Iterable, Mapping

import msgspec

from arb.clock import Clock
from arb.core.books import Books
from arb.core.settings import Timing
from arb.errors import ConfigError
from arb.market.arena import BookArena
from arb.market.feed import BookFeed
from arb.market.instrument import Instrument
from arb.market.scale import Scale, common_scale
from arb.venues.base import EventListener, FrameListener, MarketFeed
from arb.venues.build import build_feed
from arb.venues.endpoints import VenueEndpoint
from arb.venues.registry import spec_of
from arb.venues.transport.wires import Wires
from arb.venues.wire.base import BookSeat


class Universe(msgspec.Struct, frozen=True):
    """What is traded where: the rules, a scale per symbol, an arena row per book."""

    instruments: tuple[Instrument, ...]
    scales: dict[str, Scale]
    rows: dict[tuple[str, str], int]


def universe_of(instruments: Iterable[Instrument]) -> Universe:
    """Return scales and rows for the symbols that at least two venues list; raises `ConfigError` when there is none."""
    listed = tuple(instruments)
    venues_of: dict[str, int] = {}
    for instrument in listed:
        venues_of[instrument.symbol] = venues_of.get(instrument.symbol, 0) + 1
    shared = tuple(instrument for instrument in listed if venues_of[instrument.symbol] >= 2)
    if not shared:
        raise ConfigError("[run] symbols: no symbol is listed at two enabled venues: choose others")
    scales = {
        symbol: common_scale(
            [i.tick for i in shared if i.symbol == symbol], [i.lot for i in shared if i.symbol == symbol]
        )
        for symbol in sorted({i.symbol for i in shared})
    }
    return Universe(shared, scales, {(i.venue, i.symbol): row for row, i in enumerate(shared)})


def books_of(universe: Universe, timing: Timing) -> Books:
    """Return the arena and the protocol sides of the public feeds, each as its venue's spec makes it."""
    arena = BookArena(len(universe.rows))
    feeds: dict[str, BookFeed] = {}
    for venue in sorted({venue for venue, _ in universe.rows}):
        seats = {
            i.native_symbol: BookSeat(universe.rows[venue, i.symbol], universe.scales[i.symbol])
            for i in universe.instruments
            if i.venue == venue
        }
        feeds[venue] = spec_of(venue).make_books(seats, arena)
    return Books(arena, universe.rows, universe.scales, feeds, timing)


def feeds_of(
    endpoints: Mapping[str, VenueEndpoint],
    books: Books,
    universe: Universe,
    on_frame: FrameListener,
    emit: EventListener,
    *,
    clock: Clock,
    rng: random.Random,
    wires: Wires | None = None,
) -> dict[str, MarketFeed]:
    """Return a public connection for every venue with books."""
    return {
        venue: build_feed(
            spec_of(venue),
            endpoints[venue],
            [i.native_symbol for i in universe.instruments if i.venue == venue],
            feed,
            clock=clock,
            rng=rng,
            on_frame=on_frame,
            emit=emit,
            wires=wires,
        )
        for venue, feed in books.feeds.items()
    }
