"""Configured symbols that cannot be traded, or not everywhere: a start names them, with the nearest listed name.

An absent venue may list anything: nothing is reported that only it could decide.
"""

import contextlib
import difflib
import logging
from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence

import msgspec

from arb.core.messages.events import TroubleReported
from arb.core.messages.incidents import IncidentKind
from arb.errors import ConfigError
from arb.market.instrument import Instrument
from arb.market.symbol import Symbol
from arb.venues.kit.base import EventListener, OrderGateway

log = logging.getLogger(__name__)

NEAR = 5
"""How many near names of an asset are checked."""


class Untraded(msgspec.Struct, frozen=True):
    """A symbol that cannot be traded, or is suspended at a venue; `kind` is that of the incident."""

    kind: IncidentKind
    symbol: str
    venue: str
    text: str


class UntradedSymbols:
    def __init__(self, symbols: Mapping[str, Sequence[str]], gateways: Mapping[str, OrderGateway]) -> None:
        self._symbols = symbols
        self._gateways = gateways
        self._said: set[tuple[str, ...]] = set()

    def say(self, instruments: Iterable[Instrument], absent: Container[str], listener: EventListener) -> None:
        """Report the new messages; `instruments` is the listing of the venues that are not `absent`."""
        for found in self._found(instruments, absent):
            about = found.kind, found.symbol, found.venue
            if about not in self._said:
                self._said.add(about)
                log.warning("%s", found.text)
                listener(TroubleReported(kind=found.kind, text=found.text))

    @contextlib.contextmanager
    def explained(self, instruments: Iterable[Instrument], absent: Container[str]) -> Iterator[None]:
        """Add to a `ConfigError` which symbols cannot be traded, and the names that may have been meant."""
        try:
            yield
        except ConfigError as error:
            causes = "; ".join(found.text for found in self._found(instruments, absent))
            raise ConfigError(f"{error}: {causes}" if causes else str(error)) from None

    def _found(self, instruments: Iterable[Instrument], absent: Container[str]) -> Iterator[Untraded]:
        listed = {venue: gateway.listed for venue, gateway in self._gateways.items() if venue not in absent}
        return untraded(self._symbols, listed, instruments)


def untraded(
    symbols: Mapping[str, Sequence[str]], listed: Mapping[str, Collection[str]], instruments: Iterable[Instrument]
) -> Iterator[Untraded]:
    """Yield the symbols that no venue lists, or only one, and those that a venue has suspended.

    `symbols`: those that may be traded at each venue; `listed`: the whole listings of those that answer; `instruments`: their
    listings of `symbols`.
    """
    suspended = {(instrument.venue, instrument.symbol) for instrument in instruments if not instrument.tradable}
    for symbol in dict.fromkeys(symbol for mine in symbols.values() for symbol in mine):
        wanted = [venue for venue, mine in symbols.items() if symbol in mine]
        silent = [venue for venue in wanted if venue not in listed]
        listing = [venue for venue in wanted if symbol in listed.get(venue, ())]
        if len(listing) + len(silent) < 2:
            yield Untraded(IncidentKind.UNLISTED, symbol, "", _unlisted(symbol, wanted, listing, silent, listed))
        for venue in listing:
            if (venue, symbol) in suspended:
                text = f"{symbol} is listed at {venue} and suspended there: nothing opens in it there until the venue trades it"
                yield Untraded(IncidentKind.SUSPENDED, symbol, venue, text)


def _unlisted(
    symbol: str, wanted: list[str], listing: list[str], silent: list[str], listed: Mapping[str, Collection[str]]
) -> str:
    others = [venue for venue in wanted if venue not in (*listing, *silent)]
    waits = f" ({_and(silent)} does not answer, and would be the only one)" if silent else ""
    if not listing:
        nearest = nearest_listed(symbol, listed)
        verb = "list" if len(others) > 1 else "lists"
        return f"{symbol}: {_and(others)} {verb} no such symbol{waits}: it is not traded{nearest}"
    if not others:
        return f"{symbol} may be traded only at {listing[0]} ([venues] symbols): a pair needs two venues, so it is not traded"
    return (
        f"{symbol} is listed only at {listing[0]}, not at {_and(others)}: a pair needs two venues, so it is not traded"
    )


def nearest_listed(symbol: str, listed: Mapping[str, Collection[str]]) -> str:
    """Return a question with the nearest name that two venues list, or else one; empty where none is near.

    Base and quote must both be near: all symbols of one quote look much alike as a whole. Listings are in capitals.
    """
    counts = Counter(name for names in listed.values() for name in names)
    known = {name: parts for name in counts if (parts := _assets(name)) is not None}
    symbol = symbol.upper()
    base, quote = Symbol.of(symbol).base_and_quote
    for least in (2, 1):
        among = {name: parts for name, parts in known.items() if counts[name] >= least}
        bases = difflib.get_close_matches(base, {base for base, _ in among.values()}, n=NEAR)
        quotes = difflib.get_close_matches(quote, {quote for _, quote in among.values()}, n=NEAR)
        near = [name for name, parts in among.items() if parts[0] in bases and parts[1] in quotes]
        for nearest in difflib.get_close_matches(symbol, near, n=1, cutoff=0):
            return f": did you mean {nearest!r}?"
    return ""


def _assets(name: str) -> tuple[str, str] | None:
    """Return base and quote of a name in a listing, None where it is spelt as no symbol is."""
    try:
        return Symbol.of(name).base_and_quote
    except ValueError:
        return None


def _and(venues: Sequence[str]) -> str:
    return " and ".join(venues) if len(venues) < 3 else f"{', '.join(venues[:-1])} and {venues[-1]}"
