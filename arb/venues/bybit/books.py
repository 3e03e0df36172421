"""Bybit's public books, v5 ("Orderbook" stream): a pushed snapshot, then changes whose `u` rises by exactly 1.

A snapshot replaces the book at any time; `u` = 1 means that the service restarted and is a snapshot for any `type`. The
send time of a frame is its `ts` (`cts` is the matching engine's). No checksum.
"""

from collections.abc import Mapping, Sequence

import msgspec

from arb.market.arena import BookArena, BookState
from arb.market.feed import BookSeat, FrameResult, NoticeKind
from arb.masking import clean
from arb.venues.books.compiled.layout import BYBIT
from arb.venues.books.plain.base import (
    DECODE_ERRORS,
    NS_PER_MS,
    Millis,
    Pair,
    Requests,
    Sequence64,
    WireFeed,
    batches,
    decode_problem,
)
from arb.venues.books.plain.slot import BookSlot

_ARGS_PER_REQUEST = 10
_RESTARTED = 1


class _Frame(msgspec.Struct):
    topic: str = ""
    type: str = ""
    ts: Millis = 0
    op: str = ""
    req_id: str = ""
    success: bool | None = None
    ret_msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Book(msgspec.Struct):
    s: str
    b: list[Pair]
    a: list[Pair]
    u: Sequence64


_frame = msgspec.json.Decoder(_Frame).decode
_book = msgspec.json.Decoder(_Book).decode


class BybitFeed(WireFeed):
    """The books of Bybit; `level` is one of the depths the market offers (50, 200, 1000; linear and spot alike)."""

    shape = BYBIT

    def __init__(
        self,
        seats: Mapping[str, BookSeat],
        arena: BookArena | None,
        *,
        venue: str = "bybit",
        level: int = 50,
        tape: bool = False,
    ) -> None:
        super().__init__(venue, seats, arena, tape=tape)
        self._level = level
        self._requests = Requests()

    def subscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        """Return the requests that subscribe to the books, at most ten topics each (the spot limit)."""
        return self._request("subscribe", native_symbols)

    def unsubscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        return self._request("unsubscribe", native_symbols)

    def ping_message(self, now_s: int) -> str:
        """Return the application ping, due every 20 s."""
        return '{"op":"ping"}'

    def _request(self, op: str, native_symbols: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            msgspec.json.encode(
                {
                    "op": op,
                    "req_id": str(self._requests.number(batch)),
                    "args": [f"orderbook.{self._level}.{symbol}" for symbol in batch],
                }
            ).decode()
            for batch in batches(native_symbols, _ARGS_PER_REQUEST)
        )

    def _frame(self, received_ns: int, raw: bytes | str) -> FrameResult:
        try:
            frame = _frame(raw)
        except DECODE_ERRORS as error:
            self._refuse(None, *decode_problem(error))
        channel, _, rest = frame.topic.partition(".")
        if channel == "orderbook":
            level, _, native_symbol = rest.partition(".")
            return self._orderbook(frame, native_symbol, level, received_ns)
        return self._other() if frame.topic else self._answer(frame)

    def _orderbook(self, frame: _Frame, native_symbol: str, level: str, received_ns: int) -> FrameResult:
        slot = self._slot(native_symbol)
        if slot is None:
            return self._other()
        if slot.stream is None:
            slot.stream = level if self._tape else str(self._level)
        if slot.stream != level:
            return self._other()
        self._counts.book_frames += 1
        try:
            book = _book(frame.data)
        except DECODE_ERRORS as error:
            self._refuse(native_symbol, *decode_problem(error, "data"))
        if frame.type not in ("snapshot", "delta"):
            self._refuse(native_symbol, "type", f"neither snapshot nor delta: {clean(frame.type, 40)!r}")
        bids = self._levels(slot, book.b, "data.b")
        asks = self._levels(slot, book.a, "data.a")
        if frame.type == "snapshot" or book.u == _RESTARTED:
            self._counts.snapshots += 1
            slot.book.replace(bids, asks)
        else:
            if slot.state is not BookState.LIVE:
                return self._ignored(slot, received_ns)
            if book.u != slot.sequence + 1:
                return self._gap(slot, received_ns, f"gap: have {slot.sequence}, got {book.u}")
            slot.book.apply(bids, asks)
        return self._lives(slot, book.u, frame.ts * NS_PER_MS, received_ns, len(bids) + len(asks))

    def _compiled_as(self, slot: BookSlot) -> tuple[int, str]:
        return BYBIT, f"orderbook.{slot.stream}.{slot.native_symbol}"

    def _answer(self, frame: _Frame) -> FrameResult:
        symbols = self._requests.answered(frame.req_id)
        if frame.op == "pong" or (frame.op == "ping" and frame.ret_msg == "pong"):
            return self._notice(NoticeKind.PONG)
        if frame.success is False:
            return self._notice(NoticeKind.REFUSED, symbols, frame.op, frame.ret_msg)
        if frame.op == "subscribe":
            return self._notice(NoticeKind.SUBSCRIBED, symbols)
        if frame.op == "unsubscribe":
            return self._notice(NoticeKind.UNSUBSCRIBED, symbols)
        return self._other()
