"""OKX's public books (API v5, "Order book channel"): a pushed snapshot, then changes chained by `prevSeqId` == last `seqId`.

Special cases of the chain: equal ids with empty sides are a keep-alive; after maintenance one change has `seqId` below
`prevSeqId`, and is good when its `prevSeqId` matches. Everything else that does not match is a gap. `checksum` is
0 on today's feeds, which means none; a present, non-zero one is verified. Frames of before `seqId` existed are read
from tapes only, where the checksum alone vouches for them; a live feed refuses them.

OKX states no send time: `ts` is when the book was generated, which for a change is as good as its sending, but for the
snapshot of a quiet book may lie seconds back. So a snapshot and a keep-alive state no `event_ns`.
"""

import msgspec

from arb.market.arena import NO_SEQUENCE, BookState
from arb.market.feed import FrameResult, NoticeKind
from arb.masking import clean
from arb.venues.compiled.layout import OKX
from arb.venues.wire.base import DECODE_ERRORS, Sequence64, decode_problem
from arb.venues.wire.pushed import Arg, PushedFeed, PushedFrame, remember_texts
from arb.venues.wire.slot import BookSlot

_DEPTHS = {"books": 400, "books-l2-tbt": 400, "books50-l2-tbt": 50}
_UPGRADE_CODE = "64008"


class _Book(msgspec.Struct):
    bids: list[list[str]]
    asks: list[list[str]]
    ts: str
    seqId: Sequence64 | None = None
    prevSeqId: int | None = None
    checksum: int | None = None


_books = msgspec.json.Decoder(list[_Book]).decode


class OkxFeed(PushedFeed):
    """The books of OKX; `channel` live is `books`, 400 levels every 100 ms, open to all."""

    channel = "books"
    shape = OKX

    def _arg(self, native_symbol: str) -> dict[str, str]:
        return {"channel": self.channel, "instId": native_symbol}

    def _is_book(self, arg: Arg) -> bool:
        return arg.channel in _DEPTHS if self._tape else arg.channel == self.channel

    def _answer(self, frame: PushedFrame, arg: Arg | None) -> FrameResult:
        if frame.event == "notice" and str(frame.code) == _UPGRADE_CODE:
            return self._notice(NoticeKind.UPGRADE, (), frame.code, frame.msg or "")
        return super()._answer(frame, arg)

    def _book(self, frame: PushedFrame, arg: Arg, received_ns: int) -> FrameResult:
        slot = self._slot(arg.instId)
        if slot is None:
            return self._other()
        if slot.stream is None:
            slot.stream = arg.channel
        if slot.stream != arg.channel:
            return self._other()
        self._counts.book_frames += 1
        try:
            books = _books(frame.data)
        except DECODE_ERRORS as error:
            self._refuse(arg.instId, *decode_problem(error, "data"))
        if len(books) != 1:
            self._refuse(arg.instId, "data", f"{len(books)} books in one frame")
        if frame.action not in ("snapshot", "update"):
            self._refuse(arg.instId, "action", f"neither snapshot nor update: {clean(frame.action, 40)!r}")
        return self._take(slot, books[0], frame.action == "snapshot", received_ns)

    def _take(self, slot: BookSlot, book: _Book, snapshot: bool, received_ns: int) -> FrameResult:
        sequence = self._sequence_of(slot, book, snapshot)
        ts_ns = self._millis_ns(slot.native_symbol, "data[0].ts", book.ts)
        bids = self._levels(slot, book.bids, "data[0].bids")
        asks = self._levels(slot, book.asks, "data[0].asks")
        if snapshot:
            self._counts.snapshots += 1
            slot.book.depth_max = _DEPTHS[slot.stream or self.channel]
            slot.book.replace(bids, asks)
            slot.texts = ({}, {}) if book.checksum else None
        else:
            if slot.state is not BookState.LIVE:
                return self._ignored(slot, received_ns)
            if book.seqId is not None and book.prevSeqId != slot.sequence:
                cause = f"gap: have {slot.sequence}, got {book.prevSeqId}->{book.seqId}"
                return self._gap(slot, received_ns, cause)
            if book.seqId is not None and book.seqId == book.prevSeqId and (bids or asks):
                self._refuse(slot.native_symbol, "data[0].seqId", "a change under the id of its predecessor")
            slot.book.apply(bids, asks)
        remember_texts(slot, bids, asks, book.bids, book.asks)
        if not self._holds(slot, book.checksum):
            return self._lose(slot, received_ns, "the checksum does not hold")
        # What changes nothing, a keep-alive or a snapshot of a quiet book, may carry the time of the last change.
        event_ns = ts_ns if not snapshot and (bids or asks) else 0
        return self._lives(slot, sequence, event_ns, received_ns, len(bids) + len(asks))

    def _compiled_as(self, slot: BookSlot) -> tuple[int, str]:
        return (OKX if slot.stream == "books" else 0), slot.native_symbol

    def _sequence_of(self, slot: BookSlot, book: _Book, snapshot: bool) -> int:
        """Return the id of a frame; refuse one without, unless it comes from a tape and a checksum stands in."""
        if book.seqId is not None:
            if snapshot and book.prevSeqId not in (-1, None):
                self._refuse(slot.native_symbol, "data[0].prevSeqId", f"{book.prevSeqId} in a snapshot, not -1")
            return book.seqId
        if not self._tape or not book.checksum:
            self._refuse(slot.native_symbol, "data[0].seqId", "missing (the retired dialect that has only checksums)")
        return NO_SEQUENCE
