"""The exchanges a generic feed can read, and the names of their books on tapes.

Such a venue is named `generic:EXCHANGE` everywhere, after the class of `ccxt.pro`. Its frames are written by arb, so this
name keeps its tapes apart from tapes of the exchange's own frames. It has no `VenueSpec`, and so no rules, no fee, no
account and no seat in the engine's books: no order can result from it.
"""

import importlib.util
import pkgutil

from arb.venues.kit.spec import FeedClass, TapeDialect

MARK = "generic:"


def exchange_names() -> frozenset[str]:
    """Return the names of all exchange classes of `ccxt.pro`, of which none is loaded for it."""
    package = importlib.util.find_spec("ccxt.pro")
    places = None if package is None else package.submodule_search_locations
    return frozenset(found.name for found in pkgutil.iter_modules(places or ()) if not found.ispkg)


def venue_named(exchange: str) -> str:
    return MARK + exchange


def generic_dialect(venue: str) -> TapeDialect | None:
    if not venue.startswith(MARK):
        return None
    return TapeDialect(name=venue, books=_books, display_only=True)


def _books() -> FeedClass:
    from arb.venues.generic.books import GenericBooks

    return GenericBooks
