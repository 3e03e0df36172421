"""The effect of one line of a tape on its connection's books and on rules, shared by all replays."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from arb.core.messages.events import (
    FeedDown,
    FeedUp,
    InstrumentListed,
    InstrumentUnlisted,
    SymbolsChosen,
    VenueArrived,
    VenueListed,
)
from arb.core.messages.records import tag_of
from arb.errors import StoreError
from arb.market.feed import NOTHING, FrameResult
from arb.market.instrument import Instrument
from arb.store.tapes.line import TapeLine
from arb.venues.books.plain.base import WireFeed
from arb.venues.books.plain.checkpoints import BookCheckpoint, take_checkpoint
from arb.venues.registry import TAPES

T = TypeVar("T")


class _Event(msgspec.Struct, frozen=True):
    type: str = ""
    venue: str = ""
    connection: str = ""


_DOWN, _UP, _ANCHORED = tag_of(FeedDown), tag_of(FeedUp), tag_of(BookCheckpoint)
_LISTED = tag_of(InstrumentListed)
_LISTS = (tag_of(VenueListed), tag_of(VenueArrived), tag_of(SymbolsChosen), tag_of(InstrumentUnlisted))
_decode = msgspec.json.Decoder(_Event).decode
_anchor = msgspec.json.Decoder(BookCheckpoint).decode
_listed = msgspec.json.Decoder(InstrumentListed).decode
_Lists = VenueListed | VenueArrived | SymbolsChosen | InstrumentUnlisted
_lists: Callable[[str], _Lists] = msgspec.json.Decoder(_Lists).decode
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


def origin_of(line: TapeLine) -> str:
    """Return the connection whose books a line concerns; "" for an event that concerns none.

    An anchor is on the line of its connection; an event of a connection made or lost names it.
    """
    if line.kind != "event":
        return line.origin
    event = _event_of(line)
    if event.type == _ANCHORED:
        return line.origin
    return (event.connection or event.venue) if _ends_books(line, event) else ""


def rules_of(line: TapeLine) -> Instrument | None:
    """Return the rules that a recording has in a line; None for any other.

    Raises `StoreError` for rules that cannot be read, or are of a venue that is not known here.
    """
    if line.kind != "event" or _event_of(line).type != _LISTED:
        return None
    instrument = _read(line, _listed).instrument
    if instrument.venue not in TAPES:
        raise StoreError(
            f"the rules at t {line.t:.3f} are of {instrument.venue!r}, a venue that this arb does not know"
        )
    return instrument


def rules_in(line: TapeLine, known: Mapping[tuple[str, str], Instrument]) -> tuple[Instrument, ...]:
    """Return the rules that hold from a line of a run's tape on; none for a line without rules.

    `known`: those before it, by venue and symbol; a delisted symbol is not tradable. Raises `StoreError` as `rules_of`.
    """
    if (rules := rules_of(line)) is not None:
        return (rules,)
    if _event_of(line).type not in _LISTS:
        return ()
    event = _read(line, _lists)
    if isinstance(event, InstrumentUnlisted):
        gone = known.get((event.venue, event.symbol))
        return () if gone is None else (msgspec.structs.replace(gone, tradable=False),)
    return event.instruments


def _read(line: TapeLine, decode: Callable[[str], T]) -> T:
    try:
        return decode(line.raw)
    except _UNREADABLE as error:
        raise StoreError(f"the rules at t {line.t:.3f} cannot be read: {error}") from None


def _event_of(line: TapeLine) -> _Event:
    try:
        return _decode(line.raw)
    except _UNREADABLE:
        return _Event()


def _ends_books(line: TapeLine, event: _Event) -> bool:
    """Return whether books wait for snapshots from here on: no book survives a connection.

    A recording records where each connection begins. On the tape of a run that event waited in the queue, and frames of the
    connection may precede it.
    """
    return event.type == _DOWN or (event.type == _UP and line.seq is None)


def take_line(feed: WireFeed, line: TapeLine, received_ns: int | None = None) -> FrameResult:
    """Apply a line of a connection to its feed, as received when it was, or at `received_ns`."""
    at_ns = line.received_ns if received_ns is None else received_ns
    if line.kind == "ws":
        return feed.on_frame(at_ns, line.raw)
    if line.kind == "http":
        return feed.on_http(at_ns, line.url, line.raw)
    if _ends_books(line, _event_of(line)):
        return feed.on_disconnect(at_ns)
    try:
        return take_checkpoint(feed, _anchor(line.raw), at_ns)
    except _UNREADABLE:
        return NOTHING
