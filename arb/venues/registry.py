"""The list of venues: the only place, besides a venue's own folder, where one is named.

A new venue is a folder with a `spec.py` and a line here (docs/ADDING_A_VENUE.md).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from arb.errors import ConfigError
from arb.venues.binance.spec import SPEC as BINANCE
from arb.venues.bitget.spec import SPEC as BITGET
from arb.venues.bybit.spec import SPEC as BYBIT
from arb.venues.gate.spec import SPEC as GATE
from arb.venues.generic.spec import generic_dialect
from arb.venues.kit.spec import TapeDialect, VenueSpec
from arb.venues.okx.spec import SPEC as OKX

if TYPE_CHECKING:
    from arb.market.arena import BookArena
    from arb.market.feed import BookSeat
    from arb.venues.books.plain.base import WireFeed

SPECS: tuple[VenueSpec, ...] = (GATE, OKX, BITGET, BYBIT, BINANCE)
"""Every venue, in the order in which it is shown and asked."""

TAPES: dict[str, TapeDialect] = {tape.name: tape for spec in SPECS for tape in spec.tapes}
"""Every dialect of recorded frames, by the name that tape lines carry as their `venue`."""


def spec_of(venue: str) -> VenueSpec:
    """Return a venue's spec; raises `ConfigError` for one that has no folder."""
    found = next((spec for spec in SPECS if spec.name == venue), None)
    if found is None:
        raise ConfigError(f"no adapter for venue {venue!r}; there are {', '.join(spec.name for spec in SPECS)}")
    return found


def find_dialect(name: str) -> TapeDialect | None:
    """Return a dialect of recorded frames, that of a generic feed, too; None for one that cannot be read."""
    return TAPES.get(name) or generic_dialect(name)


def tape_dialect(name: str) -> TapeDialect:
    """Return a dialect of recorded frames; raises `ConfigError` for one that cannot be read."""
    found = find_dialect(name)
    if found is None:
        raise ConfigError(f"frames of {name!r} cannot be read here, those of {', '.join(TAPES)} can")
    return found


def tape_feed(name: str, seats: "Mapping[str, BookSeat] | None" = None, arena: "BookArena | None" = None) -> "WireFeed":
    """Return a reader that rebuilds all books of a tape of this dialect; raises `ConfigError` for others.

    With `arena` the books that have a row in `seats` are written there.
    """
    return tape_dialect(name).make(seats or {}, arena)
