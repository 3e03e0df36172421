"""What is traded where, and the books that follow from it, as the venues' specs make them."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from arb.core.books import Books
from arb.core.settings import Timing
from arb.errors import ConfigError
from arb.market.arena import BookArena
from arb.market.feed import BookFeed, BookSeat, split_books, venue_of
from arb.market.instrument import Instrument
from arb.market.scale import Scale, common_scale
from arb.venues.registry import spec_of


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


Connections = Mapping[str, Sequence[str]]
"""What each public connection carries: native symbols, by the connection's name."""


def connections_of(universe: Universe, *, limited: bool = True) -> dict[str, tuple[str, ...]]:
    """Share the books out among public connections, as many as the venues' limits ask for; not `limited`: one a venue."""
    shared: dict[str, tuple[str, ...]] = {}
    for venue in sorted({venue for venue, _ in universe.rows}):
        natives = tuple(i.native_symbol for i in universe.instruments if i.venue == venue)
        limit = spec_of(venue).connections.books_per_connection if limited else 0
        shared |= split_books(venue, natives, limit or None)
    return shared


def books_of(universe: Universe, timing: Timing, connections: Connections | None = None) -> Books:
    """Return the arena and the protocol sides of the public feeds, each as its venue's spec makes it.

    Without `connections` the books are shared out as the venues' limits ask for.
    """
    arena = BookArena(len(universe.rows))
    seats = {
        (i.venue, i.native_symbol): BookSeat(universe.rows[i.venue, i.symbol], universe.scales[i.symbol])
        for i in universe.instruments
    }
    feeds: dict[str, BookFeed] = {}
    for name, natives in (connections_of(universe) if connections is None else connections).items():
        venue = venue_of(name)
        feeds[name] = spec_of(venue).make_books({native: seats[venue, native] for native in natives}, arena)
    return Books(arena, universe.rows, universe.scales, feeds, timing)
