"""Shared by OKX and Bitget: frames of `arg`, `action` and `data`, books that begin with a pushed snapshot.

A frame is `{"arg": {"instType"?, "channel", "instId"}, "action": "snapshot" | "update", "data": [book, ...]}`. Requests
are `{"op": "subscribe", "args": [...]}`, and answers `{"event": ...}`. The heartbeat is the bare text `ping`, answered
`pong`.

Both used to send a checksum with every book, and may send it again: a CRC-32 as a signed 32-bit number. Its text has the
best 25 levels, interleaved bid, ask, bid, ask, as `price:size`, colon-joined, in the venue's own spelling. When the shorter
side ends, the other continues. It held on all 4,569 OKX and 318 Bitget frames of the captures.
"""

from abc import abstractmethod
from collections.abc import Sequence
from itertools import chain, zip_longest
from zlib import crc32

import msgspec

from arb.market.book import ExactLevels
from arb.market.feed import FrameResult, NoticeKind
from arb.masking import clean
from arb.venues.books.plain.base import DECODE_ERRORS, MILLIS_MAX, NS_PER_MS, WireFeed, batches, decode_problem
from arb.venues.books.plain.slot import BookSlot

ARGS_PER_REQUEST = 50


class Arg(msgspec.Struct):
    channel: str = ""
    instId: str = ""
    instType: str = ""


class PushedFrame(msgspec.Struct):
    """The envelope of every frame that is not bare text."""

    arg: Arg | None = None
    action: str = ""
    event: str = ""
    code: int | str | None = None
    msg: str | None = None
    ts: int | str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")


_frame = msgspec.json.Decoder(PushedFrame).decode


class PushedFeed(WireFeed):
    """A feed of this shape; the dialect names the channels of books and reads their `data`."""

    def ping_message(self, now_s: int) -> str:
        return "ping"

    def subscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        return self._requests("subscribe", [self._arg(symbol) for symbol in native_symbols])

    def unsubscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        return self._requests("unsubscribe", [self._arg(symbol) for symbol in native_symbols])

    def _requests(self, op: str, args: Sequence[dict[str, str]]) -> tuple[str, ...]:
        return tuple(
            msgspec.json.encode({"op": op, "args": batch}).decode() for batch in batches(args, ARGS_PER_REQUEST)
        )

    @abstractmethod
    def _arg(self, native_symbol: str) -> dict[str, str]: ...

    @abstractmethod
    def _is_book(self, arg: Arg) -> bool: ...

    @abstractmethod
    def _book(self, frame: PushedFrame, arg: Arg, received_ns: int) -> FrameResult: ...

    def _frame(self, received_ns: int, raw: bytes | str) -> FrameResult:
        if len(raw) == 4 and raw in (b"pong", "pong"):
            return self._notice(NoticeKind.PONG)
        try:
            frame = _frame(raw)
        except DECODE_ERRORS as error:
            self._refuse(None, *decode_problem(error))
        arg = frame.arg
        if frame.event:
            return self._answer(frame, arg)
        if arg is None or not self._is_book(arg):
            return self._besides(frame, arg, received_ns)
        return self._book(frame, arg, received_ns)

    def _besides(self, frame: PushedFrame, arg: Arg | None, received_ns: int) -> FrameResult:
        return self._other()

    def _answer(self, frame: PushedFrame, arg: Arg | None) -> FrameResult:
        symbols = (arg.instId,) if arg is not None and arg.instId and self._is_book(arg) else ()
        if frame.event == "subscribe":
            return self._notice(NoticeKind.SUBSCRIBED, symbols)
        if frame.event == "unsubscribe":
            return self._notice(NoticeKind.UNSUBSCRIBED, symbols)
        if frame.event == "error":
            return self._notice(NoticeKind.REFUSED, symbols, frame.code, frame.msg or "")
        return self._control()

    def _holds(self, slot: BookSlot, stated: int | None) -> bool:
        """Return whether a stated checksum holds; none, 0, or one that began after the snapshot cannot be judged."""
        if not stated or slot.texts is None:
            return True
        held = checksum(slot) == stated
        self._counts.checks_held += held
        self._counts.checks_failed += not held
        return held

    def _millis_ns(self, native_symbol: str, field: str, millis: int | str | None) -> int:
        """Return in ns an instant that the venue states in milliseconds (number or text), or 0 when it states none."""
        if millis is None or millis == "":
            return 0
        text = str(millis)
        if not (text.isascii() and text.isdigit() and len(text) <= 13 and int(text) <= MILLIS_MAX):
            self._refuse(native_symbol, field, f"no instant in milliseconds: {clean(text, 40)!r}")
        return int(text) * NS_PER_MS


_LEVELS = 25


def remember_texts(
    slot: BookSlot, bids: ExactLevels, asks: ExactLevels, raw_bids: list[list[str]], raw_asks: list[list[str]]
) -> None:
    """Keep the spelling of levels just applied; after a snapshot of a book that carries no checksum, do nothing."""
    if slot.texts is None:
        return
    for texts, levels, raw in ((slot.texts[0], bids, raw_bids), (slot.texts[1], asks, raw_asks)):
        texts.update((price, f"{level[0]}:{level[1]}") for (price, _), level in zip(levels, raw, strict=True))


def checksum(slot: BookSlot) -> int:
    """Return the checksum of the present book; the slot must have remembered its texts since the snapshot."""
    bid_texts, ask_texts = slot.texts or ({}, {})
    bids = (bid_texts[price] for price in slot.book.best_bids(_LEVELS)[0])
    asks = (ask_texts[price] for price in slot.book.best_asks(_LEVELS)[0])
    interleaved = chain.from_iterable(zip_longest(bids, asks))
    crc = crc32(":".join(text for text in interleaved if text is not None).encode())
    return crc - (1 << 32) if crc >= 1 << 31 else crc
