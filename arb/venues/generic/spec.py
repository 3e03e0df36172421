"""The exchanges a generic feed can read, and the names of their books on tapes.

Such a venue is named `generic:EXCHANGE` everywhere, after the class of `ccxt.pro`: its frames are ours and not the
exchange's own, so a tape of these is never taken for one of those. It has no `VenueSpec`, and so no rules, no fee, no
account and no seat in the engine's books: no order can result from it.
"""

import importlib.util
import pkgutil
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from arb.venues.kit.spec import TapeDialect

if TYPE_CHECKING:
    from arb.market.arena import BookArena
    from arb.market.feed import BookSeat
    from arb.venues.books.plain.base import WireFeed

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
    return TapeDialect(name=venue, make=partial(_books, venue), display_only=True)


def _books(venue: str, seats: "Mapping[str, BookSeat]", arena: "BookArena | None") -> "WireFeed":
    from arb.venues.generic.books import GenericBooks

    return GenericBooks(venue, seats, arena)
