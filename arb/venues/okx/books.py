"""OKX's public books (API v5, "Order book channel"): a pushed snapshot, then changes chained by `prevSeqId` == last
`seqId`.

Special cases of the chain: equal ids with empty sides are a keep-alive; after maintenance one change has `seqId` below
`prevSeqId`, and is good when its `prevSeqId` matches. Everything else that does not match is a gap. `checksum` is 0 on
today's feeds, which means none; a present, non-zero one is verified. Frames of before `seqId` existed are read from
tapes only, where only the checksum vouches for them; a live feed refuses them.

`bbo-tbt` (best bid and offer, every 10 ms) confirms a book that states no checksum. The documents number changes by
channel and do not state that the ids of the two are comparable, so a book's BBO check is believed once it has proved
itself (`arb/venues/books/plain/bbo_check.py`). Each book has its own proof, so that one wrong check does not dismiss
those of other books. Only `books` decides whether a book is live: the BBO check is a further subscription, and may be
refused, silent or unreadable.

OKX states no send time: `ts` is when the book was generated. For a change that is as good as a send time; for the snapshot
of a quiet book it may be seconds old. So a snapshot and a keep-alive have no `event_ns`.
"""

from collections.abc import Sequence

import msgspec

from arb.market.arena import NO_SEQUENCE, BookState
from arb.market.book import Quote, to_levels
from arb.market.feed import NOTHING, BookSeat, FrameResult, Notice, NoticeKind
from arb.market.scale import Scale
from arb.masking import clean
from arb.venues.books.compiled.layout import OKX
from arb.venues.books.plain.base import DECODE_ERRORS, FrameError, Sequence64, decode_problem
from arb.venues.books.plain.bbo_check import PROVEN, begin_hearing, hear, heard
from arb.venues.books.plain.pushed import Arg, PushedFeed, PushedFrame, remember_texts
from arb.venues.books.plain.slot import BookSlot

_DEPTHS = {"books": 400, "books-l2-tbt": 400, "books50-l2-tbt": 50}
_BBO_CHECK = "bbo-tbt"
_UPGRADE_CODE = "64008"


class _Book(msgspec.Struct):
    bids: list[list[str]]
    asks: list[list[str]]
    ts: str
    seqId: Sequence64 | None = None
    prevSeqId: int | None = None
    checksum: int | None = None


class _Best(msgspec.Struct):
    bids: list[list[str]]
    asks: list[list[str]]
    seqId: Sequence64


_books = msgspec.json.Decoder(list[_Book]).decode
_bests = msgspec.json.Decoder(list[_Best]).decode


class OkxFeed(PushedFeed):
    """The books of OKX; `channel` live is `books`, 400 levels every 100 ms, open to all."""

    channel = "books"
    shape = OKX
    _said = False
    """Whether a missing or dismissed BBO check was logged: only the first one is, the others may be hundreds."""

    def rescale_book(self, native_symbol: str, scale: Scale, at_ns: int) -> None:
        """Put a book on a finer scale, and forget the quotes on the old one that it has not reached."""
        super().rescale_book(native_symbol, scale, at_ns)
        slot = self._slots[native_symbol]
        if slot.ahead is not None:
            slot.ahead.clear()

    def bbo_messages(self, native_symbols: Sequence[str], now_s: int, *, end: bool = False) -> tuple[str, ...]:
        args = [{"channel": _BBO_CHECK, "instId": native_symbol} for native_symbol in native_symbols]
        return self._requests("unsubscribe" if end else "subscribe", args)

    def _add(self, native_symbol: str, seat: BookSeat) -> BookSlot:
        slot = super()._add(native_symbol, seat)
        begin_hearing(slot)
        return slot

    def _empty(self, slot: BookSlot, state: BookState, at_ns: int) -> None:
        super()._empty(slot, state, at_ns)
        begin_hearing(slot)

    def _arg(self, native_symbol: str) -> dict[str, str]:
        return {"channel": self.channel, "instId": native_symbol}

    def _is_book(self, arg: Arg) -> bool:
        return arg.channel in _DEPTHS if self._tape else arg.channel == self.channel

    def _answer(self, frame: PushedFrame, arg: Arg | None) -> FrameResult:
        if frame.event == "notice" and str(frame.code) == _UPGRADE_CODE:
            return self._notice(NoticeKind.UPGRADE, (), frame.code, frame.msg or "")
        if frame.event == "error" and _BBO_CHECK in (frame.msg or ""):
            cause = clean(f"{frame.code} {frame.msg}")
            return self._unchecked(self._control(), f"refused the best quotes that confirm books: {cause}")
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
        result = self._take(slot, books[0], frame.action == "snapshot", received_ns)
        return self._bbo_checked(slot, result, received_ns)

    def _bbo_checked(self, slot: BookSlot, result: FrameResult, received_ns: int) -> FrameResult:
        """Check the quotes that preceded the book's change, and only then pass the book to compiled code."""
        if slot.state is not BookState.LIVE:
            return result
        held, failed = heard(slot)
        self._counts.checks_held += held
        self._counts.checks_failed += failed
        if failed:
            result = self._contradicted(slot, slot.sequence, result, received_ns)
        if slot.state is BookState.LIVE:
            super()._settled(slot)
        return result

    def _settled(self, slot: BookSlot) -> None:
        """Do not pass the book to compiled code yet: `_bbo_checked` does so after the check of its quotes."""

    def _besides(self, frame: PushedFrame, arg: Arg | None, received_ns: int) -> FrameResult:
        slot = None if arg is None or arg.channel != _BBO_CHECK else self._known(arg.instId)
        if slot is None:
            return self._other()
        try:
            sequence, quote = self._best(slot, frame.data)
        except FrameError as error:
            self._counts.malformed += 1
            error.__traceback__ = error.__context__ = None
            return FrameResult(error=error)
        self._counts.other += 1
        agreed = hear(slot, sequence, quote)
        self._counts.checks_held += agreed is True
        self._counts.checks_failed += agreed is False
        return self._contradicted(slot, sequence, NOTHING, received_ns) if agreed is False else NOTHING

    def _best(self, slot: BookSlot, raw: msgspec.Raw) -> tuple[int, Quote]:
        """Read the id of best quotes, and the quotes; 0 on a side that is empty."""
        native_symbol = slot.native_symbol
        try:
            bests = _bests(raw)
            if len(bests) != 1 or max(len(bests[0].bids), len(bests[0].asks)) > 1:
                self._refuse(native_symbol, "data", "not one best level a side")
            bids, asks = (to_levels(side, slot.prices, slot.sizes) for side in (bests[0].bids, bests[0].asks))
        except DECODE_ERRORS as error:
            self._refuse(native_symbol, *decode_problem(error, "data"))
        except (ValueError, IndexError) as error:
            self._refuse(native_symbol, "data[0]", str(error))
        if self.on_levels is not None:
            self.on_levels(native_symbol, [*bids, *asks])
        (bid, bid_size), (ask, ask_size) = [*bids, (0, 0)][0], [*asks, (0, 0)][0]
        return bests[0].seqId, (bid, bid_size, ask, ask_size)

    def _contradicted(self, slot: BookSlot, sequence: int, result: FrameResult, received_ns: int) -> FrameResult:
        """Lose a book whose BBO check is believed, and dismiss one that is not."""
        if slot.agreed >= PROVEN:
            return self._lose(slot, received_ns, f"best bid and offer at {sequence} disagree with the book")
        slot.ahead = None
        return self._unchecked(
            result,
            f"{_BBO_CHECK} at {sequence} disagrees with the book of {slot.native_symbol} after it agreed {slot.agreed} times: "
            "it is not used as a BBO check until the book's next snapshot",
        )

    def _unchecked(self, result: FrameResult, text: str) -> FrameResult:
        """Log the first BBO check that fails; books continue without."""
        if self._said:
            return result
        self._said = True
        return msgspec.structs.replace(result, notice=Notice(NoticeKind.UNCHECKED, text=text))

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
        if sequence < slot.sequence:
            begin_hearing(slot)  # the ids have restarted
        remember_texts(slot, bids, asks, book.bids, book.asks)
        if not self._holds(slot, book.checksum):
            return self._lose(slot, received_ns, "the checksum does not hold")
        # A frame without changes, a keep-alive or a snapshot of a quiet book, may carry the time of the last change.
        event_ns = ts_ns if not snapshot and (bids or asks) else 0
        return self._lives(slot, sequence, event_ns, received_ns, len(bids) + len(asks))

    def _compiled_as(self, slot: BookSlot) -> tuple[int, str]:
        return (OKX if slot.stream == "books" else 0), slot.native_symbol

    def _sequence_of(self, slot: BookSlot, book: _Book, snapshot: bool) -> int:
        """Return the id of a frame; refuse one without, unless it is from a tape and has a checksum."""
        if book.seqId is not None:
            if snapshot and book.prevSeqId not in (-1, None):
                self._refuse(slot.native_symbol, "data[0].prevSeqId", f"{book.prevSeqId} in a snapshot, not -1")
            return book.seqId
        if not self._tape or not book.checksum:
            self._refuse(slot.native_symbol, "data[0].seqId", "missing (the retired dialect that has only checksums)")
        return NO_SEQUENCE
