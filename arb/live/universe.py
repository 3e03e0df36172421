"""The traded instruments and their books, as the venues' specs make them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from arb.core.books.books import Books
from arb.core.messages.settings import Timing
from arb.errors import ConfigError
from arb.live.fast_books import BooksBy, compared, compile_books
from arb.market.arena import BookArena
from arb.market.feed import BookFeed, BookSeat, split_books, venue_of
from arb.market.instrument import Instrument
from arb.market.scale import Scale, common_scale
from arb.venues.registry import spec_of

Connections = Mapping[str, Sequence[str]]
"""Native symbols by the name of the public connection that carries them."""


class Universe(msgspec.Struct, frozen=True):
    """The traded instruments: the rules, a scale per symbol, an arena row per book.

    `awaited`: the symbols that may be traded at the absent venues, by venue. `spare`: how many more symbols may be added at
    each venue during the run.
    """

    instruments: tuple[Instrument, ...]
    scales: dict[str, Scale]
    rows: dict[tuple[str, str], int]
    awaited: Mapping[str, Sequence[str]] = {}
    spare: int = 0

    @property
    def spare_rows(self) -> int:
        venues = {venue for venue, _ in self.rows} | self.awaited.keys()
        return sum(map(len, self.awaited.values())) + self.spare * len(venues)


def universe_of(
    instruments: Iterable[Instrument], awaited: Mapping[str, Sequence[str]] | None = None, *, spare: int = 0
) -> Universe:
    """Return scales and rows for the symbols that at least two venues list, or may list once they are all there.

    `awaited`: the symbols that may be traded at the absent venues; None: there are none. `spare`: see `Universe`. Raises
    `ConfigError` when there is no such symbol.
    """
    listed, awaited = tuple(instruments), awaited or {}
    venues_of = Counter(instrument.symbol for instrument in listed)
    venues_of.update(symbol for symbols in awaited.values() for symbol in symbols)
    shared = tuple(instrument for instrument in listed if venues_of[instrument.symbol] >= 2)
    if not any(count >= 2 for symbol, count in venues_of.items()):
        raise ConfigError("[run] symbols: no symbol is listed at two enabled venues: choose others")
    scales = {
        symbol: common_scale(
            [i.tick for i in shared if i.symbol == symbol], [i.lot for i in shared if i.symbol == symbol]
        )
        for symbol in sorted({i.symbol for i in shared})
    }
    return Universe(shared, scales, {(i.venue, i.symbol): row for row, i in enumerate(shared)}, awaited, spare)


def joining(
    instruments: Iterable[Instrument], known: Iterable[Instrument], awaited: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Return the connections of a venue that arrives late, with those of its books that another venue has or may have.

    `known`: the listings elsewhere; `awaited`: symbols that venues still absent may list.
    """
    elsewhere = {instrument.symbol for instrument in known} | set(awaited)
    listed = [instrument for instrument in instruments if instrument.symbol in elsewhere]
    return {
        name: natives
        for venue in sorted({instrument.venue for instrument in listed})
        for name, natives in _split(venue, [i.native_symbol for i in listed if i.venue == venue]).items()
    }


def connections_of(universe: Universe, *, limited: bool = True) -> dict[str, tuple[str, ...]]:
    """Share the books out among public connections, as many as the venues' limits require; not `limited`: one a venue.

    An absent venue has as many as it may need, and so has one to which more symbols may be added; they carry nothing yet.
    """
    shared: dict[str, tuple[str, ...]] = {}
    more = tuple(f"{number} more" for number in range(universe.spare))
    for venue in sorted({venue for venue, _ in universe.rows}):
        natives = tuple(i.native_symbol for i in universe.instruments if i.venue == venue)
        if limited and more:
            shared |= dict.fromkeys(_split(venue, (*natives, *more)), ())
        shared |= _split(venue, natives) if limited else split_books(venue, natives, None)
    for venue in sorted(universe.awaited):
        shared |= dict.fromkeys(_split(venue, (*universe.awaited[venue], *more)), ())
    return shared


def _split(venue: str, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    return split_books(venue, names, spec_of(venue).connections.books_per_connection or None)


def books_of(
    universe: Universe, timing: Timing, connections: Connections | None = None, by: BooksBy = BooksBy.PLAIN
) -> Books:
    """Return the arena and the protocol sides of the public feeds, each as its venue's spec makes it, kept as `by` states.

    Without `connections` the books are shared out by the venues' limits.
    """
    arena = BookArena(len(universe.rows), spare=universe.spare_rows)
    seats = {
        (i.venue, i.native_symbol): BookSeat(universe.rows[i.venue, i.symbol], universe.scales[i.symbol])
        for i in universe.instruments
    }
    feeds: dict[str, BookFeed] = {}
    for name, natives in (connections_of(universe) if connections is None else connections).items():
        venue = venue_of(name)
        make = spec_of(venue).make_books
        feed = make({native: seats[venue, native] for native in natives}, arena)
        feeds[name] = compared(name, feed, make, arena, timing) if by is BooksBy.COMPARED else feed
    books = Books(arena, universe.rows, universe.scales, feeds, timing)
    if by is BooksBy.COMPILED:
        compile_books(books)
    return books
