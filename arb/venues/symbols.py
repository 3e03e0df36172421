"""From a venue's spelling of a symbol to ours, `BASE/QUOTE`; what cannot be told apart into the two is not guessed."""

from arb.errors import VenueProtocolError
from arb.market.symbol import Symbol


class UnknownSymbol(VenueProtocolError):
    """A symbol whose base and quote nobody knows. It is none of those we trade, so whatever is said of it is a stranger's."""

    def __init__(self, venue: str, native: str) -> None:
        super().__init__(venue, f"symbol {native[:40]!r}: its base and quote are not known")
        self.native = native


def parted(venue: str, native: str, mark: str) -> str:
    """Return `BASE/QUOTE` of a symbol that writes `mark` between the two; raise `UnknownSymbol`."""
    base, _, quote = native.partition(mark)
    if mark in quote:
        raise UnknownSymbol(venue, native)
    try:
        return str(Symbol(base, quote))
    except ValueError:
        raise UnknownSymbol(venue, native) from None
