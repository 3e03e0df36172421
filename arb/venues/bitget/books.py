"""Bitget's public books (Bitget API v2, "Depth channel"): a pushed snapshot, then changes chained by `pseq` == last `seq`.

A `checksum` that is present and not 0 is verified; today's feeds carry none. Frames of API v1 (`instType` `sp` or `mc`,
no `seq`) are read from tapes only, where the checksum vouches for them; a live feed refuses them.

The send time of a frame is its outer `ts`. Frames of v1 have only the inner one, which is taken for changes.
"""

import msgspec

from arb.market.arena import NO_SEQUENCE, BookState
from arb.market.feed import FrameResult
from arb.masking import clean
from arb.venues.books.compiled.layout import BITGET
from arb.venues.books.plain.base import DECODE_ERRORS, Sequence64, decode_problem
from arb.venues.books.plain.pushed import Arg, PushedFeed, PushedFrame, remember_texts
from arb.venues.books.plain.slot import BookSlot


class _Book(msgspec.Struct):
    bids: list[list[str]]
    asks: list[list[str]]
    ts: int | str | None = None
    seq: Sequence64 | None = None
    pseq: Sequence64 | None = None
    checksum: int | None = None


# Not strict: numbers may arrive as text (`"seq":"17"`), and either spelling is exact.
_books = msgspec.json.Decoder(list[_Book], strict=False).decode


class BitgetFeed(PushedFeed):
    """The books of Bitget spot: `books`, the whole depth."""

    inst_type = "SPOT"
    shape = BITGET

    def _arg(self, native_symbol: str) -> dict[str, str]:
        return {"instType": self.inst_type, "channel": "books", "instId": native_symbol}

    def _is_book(self, arg: Arg) -> bool:
        return arg.channel == "books"

    def _book(self, frame: PushedFrame, arg: Arg, received_ns: int) -> FrameResult:
        slot = self._slot(arg.instId)
        if slot is None:
            return self._other()
        if not self._tape and arg.instType.upper() != self.inst_type:
            self._refuse(
                arg.instId, "arg.instType", f"{clean(arg.instType, 40)!r}, not {self.inst_type} (v1 is retired)"
            )
        if slot.stream is None:
            slot.stream = arg.instType.upper()
        if slot.stream != arg.instType.upper():
            return self._other()  # spot and perpetual share their names: the book first met is the one kept
        self._counts.book_frames += 1
        try:
            books = _books(frame.data)
        except DECODE_ERRORS as error:
            self._refuse(arg.instId, *decode_problem(error, "data"))
        if len(books) != 1:
            self._refuse(arg.instId, "data", f"{len(books)} books in one frame")
        if frame.action not in ("snapshot", "update"):
            self._refuse(arg.instId, "action", f"neither snapshot nor update: {clean(frame.action, 40)!r}")
        return self._take(slot, books[0], frame, received_ns)

    def _take(self, slot: BookSlot, book: _Book, frame: PushedFrame, received_ns: int) -> FrameResult:
        snapshot = frame.action == "snapshot"
        sequence = self._sequence_of(slot, book, snapshot)
        event_ns = self._millis_ns(slot.native_symbol, "ts", frame.ts)
        changed_ns = self._millis_ns(slot.native_symbol, "data[0].ts", book.ts)
        bids = self._levels(slot, book.bids, "data[0].bids")
        asks = self._levels(slot, book.asks, "data[0].asks")
        if snapshot:
            self._counts.snapshots += 1
            slot.book.replace(bids, asks)
            slot.texts = ({}, {}) if book.checksum else None
        else:
            if slot.state is not BookState.LIVE:
                return self._ignored(slot, received_ns)
            if book.seq is not None and book.pseq != slot.sequence:
                return self._gap(slot, received_ns, f"gap: have {slot.sequence}, got {book.pseq}->{book.seq}")
            event_ns = event_ns or changed_ns
            slot.book.apply(bids, asks)
        remember_texts(slot, bids, asks, book.bids, book.asks)
        if not self._holds(slot, book.checksum):
            return self._lose(slot, received_ns, "the checksum does not hold")
        return self._lives(slot, sequence, event_ns, received_ns, len(bids) + len(asks))

    def _compiled_as(self, slot: BookSlot) -> tuple[int, str]:
        return (BITGET if slot.stream == "SPOT" else 0), slot.native_symbol

    def _sequence_of(self, slot: BookSlot, book: _Book, snapshot: bool) -> int:
        """Return the id of a frame; refuse one without, unless it is from a tape and has a checksum."""
        if book.seq is not None:
            if not snapshot and book.pseq is None:
                self._refuse(slot.native_symbol, "data[0].pseq", "missing in a change")
            return book.seq
        if not self._tape or not book.checksum:
            self._refuse(slot.native_symbol, "data[0].seq", "missing (the retired dialect that has only checksums)")
        return NO_SEQUENCE
