"""Whole books between two frames, written down so that a recording may continue in a self-contained file.

A checkpoint has a book's levels as decimals and its place in the venue's sequence; a feed that takes it continues the
book. The venue's own spelling, needed for a checksum, is not in it: checksums count again from the next snapshot on.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from arb.market.arena import NO_SEQUENCE, BookState
from arb.market.book import ExactLevels
from arb.market.feed import NOTHING, FrameResult
from arb.market.numbers import exact, plain
from arb.venues.books.plain.base import TAPE_SCALE, FrameError, Pair, WireFeed
from arb.venues.books.plain.slot import BookSlot, Delta

StateText = Literal["waiting", "live", "gap", "crossed"]
_TEXT_OF: dict[BookState, StateText] = {
    BookState.WAITING: "waiting",
    BookState.LIVE: "live",
    BookState.GAP: "gap",
    BookState.CROSSED: "crossed",
}
_STATE_OF = {text: state for state, text in _TEXT_OF.items()}


class KeptChange(msgspec.Struct, frozen=True, array_like=True):
    """A change that waits for the snapshot it follows: ids `first` to `last` after `previous` (-1: not stated), sent at
    `event_ns`, and the levels that it sets."""

    first: int
    last: int
    previous: int
    event_ns: int
    bids: list[Pair]
    asks: list[Pair]


class BookCheckpoint(msgspec.Struct, frozen=True, kw_only=True, tag="BookAnchored"):
    """One book: levels as (price, size), best first; none where it is not live. `sequence`: the id of its last change.

    `stream`: which of the venue's streams it is built from, by the dialect's own name; `depth_max`: levels kept a side, 0:
    all. For a book that is lost, `sequence` is the least that a fetched snapshot must reach, and `kept` has the changes that
    wait for it.
    """

    native_symbol: str
    state: StateText
    sequence: str | None
    stream: str | None
    depth_max: int
    bids: list[Pair]
    asks: list[Pair]
    kept: list[KeptChange] | msgspec.UnsetType = msgspec.UNSET


class BookCopy(msgspec.Struct, frozen=True):
    """A quick copy of a book; `anchor` makes texts of it, which takes longer."""

    native_symbol: str
    state: BookState
    sequence: int
    stream: str | None
    depth_max: int
    levels: tuple[ExactLevels, ExactLevels]
    kept: tuple[Delta, ...] = ()

    def anchor(self) -> BookCheckpoint:
        bids, asks = self.levels
        return BookCheckpoint(
            native_symbol=self.native_symbol,
            state=_TEXT_OF[self.state],
            sequence=None if self.sequence == NO_SEQUENCE else str(self.sequence),
            stream=self.stream,
            depth_max=self.depth_max,
            bids=level_texts(bids),
            asks=level_texts(asks),
            kept=[_kept(change) for change in self.kept] or msgspec.UNSET,
        )


def copies_of(feed: WireFeed) -> Iterator[BookCopy]:
    for slot in feed.books():
        book = slot.book
        depth = max(len(book.bids), len(book.asks))
        reached = slot.sequence if slot.state is BookState.LIVE else slot.floor
        levels, kept = book.levels(depth), tuple(slot.pending)
        yield BookCopy(slot.native_symbol, slot.state, reached, slot.stream, book.depth_max, levels, kept)


def take_checkpoint(feed: WireFeed, anchor: BookCheckpoint, received_ns: int) -> FrameResult:
    """Set a book to a checkpoint; never raises for any content. The result has no send time, as the last change may be old."""
    slot = feed._slot(anchor.native_symbol)
    if slot is None:
        return NOTHING
    state = _STATE_OF[anchor.state]
    feed._empty(slot, BookState.WAITING if state is BookState.LIVE else state, received_ns)
    slot.stream = anchor.stream
    slot.book.depth_max = anchor.depth_max
    try:
        bids = feed._levels(slot, anchor.bids, "bids")
        asks = feed._levels(slot, anchor.asks, "asks")
        sequence = _sequence(feed, anchor)
        kept = [_change(feed, slot, change) for change in anchor.kept or ()]
    except FrameError as error:
        return feed._unreadable(error, received_ns)
    if state is not BookState.LIVE:
        slot.floor = sequence
        slot.pending.extend(kept)
        return FrameResult(rows=(slot.row,))
    slot.book.replace(bids, asks)
    return feed._lives(slot, sequence, 0, received_ns, len(bids) + len(asks))


def _kept(change: Delta) -> KeptChange:
    levels = level_texts(change.bids), level_texts(change.asks)
    return KeptChange(change.first, change.last, change.previous, change.event_ns, *levels)


def _change(feed: WireFeed, slot: BookSlot, kept: KeptChange) -> Delta:
    levels = feed._levels(slot, kept.bids, "kept.bids"), feed._levels(slot, kept.asks, "kept.asks")
    return Delta(kept.first, kept.last, kept.previous, kept.event_ns, *levels)


def level_texts(levels: ExactLevels) -> list[Pair]:
    return [(_text(int(price), TAPE_SCALE.price_exp), _text(int(size), TAPE_SCALE.size_exp)) for price, size in levels]


def _text(number: int, exp: int) -> str:
    return plain(exact(number, exp))


def _sequence(feed: WireFeed, anchor: BookCheckpoint) -> int:
    if anchor.sequence is None:
        return NO_SEQUENCE
    if not (anchor.sequence.isascii() and anchor.sequence.isdigit() and len(anchor.sequence) <= 18):
        feed._refuse(anchor.native_symbol, "sequence", "no number of at most 18 digits")
    return int(anchor.sequence)
