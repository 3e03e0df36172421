"""The frames of a generic feed: whole books in arb's JSON, one to a frame, and notices of lost books.

A frame is `{"symbol", "timestamp", "nonce", "bids", "asks", "polled"}`. Prices and sizes are decimals as text, at most
`DEPTH` levels a side, best first. `timestamp` (Unix ms) and `nonce` are null where ccxt knows none. `polled`: the book was
fetched and not pushed. A frame that has `lost`, the cause, in place of levels means that the book is not available for
now. Each book replaces the one before.
"""

from collections.abc import Sequence

import msgspec

from arb.market.arena import NO_SEQUENCE
from arb.market.feed import FrameResult
from arb.venues.books.plain.base import DECODE_ERRORS, NS_PER_MS, Millis, Pair, Sequence64, WireFeed, decode_problem

DEPTH = 50


class BookFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A book as ccxt had it."""

    symbol: str
    timestamp: Millis | None
    nonce: Sequence64 | None
    bids: list[Pair]
    asks: list[Pair]
    polled: bool


class LostFrame(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    lost: str


class _Named(msgspec.Struct):
    symbol: str
    lost: str | None = None


_named = msgspec.json.Decoder(_Named).decode
_book = msgspec.json.Decoder(BookFrame).decode


class GenericBooks(WireFeed):
    """The books of one generic feed, on the scale of tapes: none has a seat in the engine. Symbols are ccxt's, `BTC/USDT`."""

    def subscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        return ()

    def unsubscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        return ()

    def _frame(self, received_ns: int, raw: bytes | str) -> FrameResult:
        try:
            named = _named(raw)
        except DECODE_ERRORS as error:
            self._refuse(None, *decode_problem(error))
        slot = self._slot(named.symbol)
        if slot is None:
            return self._other()
        self._counts.book_frames += 1
        if named.lost is not None:
            return self._lose(slot, received_ns, named.lost)
        try:
            frame = _book(raw)
        except DECODE_ERRORS as error:
            self._refuse(named.symbol, *decode_problem(error))
        bids, asks = self._levels(slot, frame.bids, "bids"), self._levels(slot, frame.asks, "asks")
        self._counts.snapshots += 1
        slot.book.replace(bids, asks)
        if not slot.book.bids.prices and not slot.book.asks.prices:
            return self._lose(slot, received_ns, "no level on either side")
        sequence = NO_SEQUENCE if frame.nonce is None else frame.nonce
        return self._lives(slot, sequence, (frame.timestamp or 0) * NS_PER_MS, received_ns, len(bids) + len(asks))
