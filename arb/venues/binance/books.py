"""Binance's public books, spot and USDT perpetuals: numbered changes and a fetched snapshot ("How to manage a local
order book correctly").

Frames are wrapped as `{"stream": "btcusdt@depth@100ms", "data": {...}}`. `@bookTicker` frames check a book. Where a frame
has the id of the book, best price and size must agree on both sides; otherwise the book is lost. The send time of a frame
is its `E`; a spot snapshot has none.

A fetched snapshot ends at its limit; levels beyond are unknown. Its weight is 5 for 100 levels, 25 for 500 and 50 for 1000;
an address may use 6000 per minute. The first request of a book is for 100 levels. When the price moves beyond them, the
next request is for 500, and then for 1000. Few books need that: BTC/USDT, the densest, moved beyond 100 levels in one and a
half minutes, but not beyond 500 in three (capture of 2024-08-08).

Answers carry only a request's number, so requests to unsubscribe have negative numbers. The heartbeat asks for a property
of the connection. The transport answers the venue's own pings, which do not show whether frames still arrive.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, quote, urlsplit

import msgspec

from arb.market.arena import BookArena, BookState
from arb.market.feed import NOTHING, BookSeat, FrameResult, NoticeKind
from arb.market.scale import Scale
from arb.venues.books.compiled.layout import BINANCE
from arb.venues.books.plain.base import (
    DECODE_ERRORS,
    NS_PER_MS,
    Millis,
    Pair,
    Requests,
    Sequence64,
    batches,
    decode_problem,
)
from arb.venues.books.plain.bbo_check import BboCheck
from arb.venues.books.plain.chain import ChainFeed, Rule
from arb.venues.books.plain.slot import BookSlot, Delta

_LIMITS = (100, 500, 1000)
"""The levels per side of a spot snapshot; a book that needs more gets the next number."""
_SHARES = {100: 1, 500: 5, 1000: 10}
"""The weight of each, in units of a snapshot of 100 levels."""
_PERPETUAL_LIMIT = 1000
_BOOKS_PER_REQUEST = 30
"""Each book has two streams, and the venue silently ignores a message beyond 4096 bytes (binance-connector-rust#27)."""
_PING = 0
_SHUTDOWN = "!serverShutdown"


class _Error(msgspec.Struct):
    code: int | str | None = None
    msg: str = ""


class _Frame(msgspec.Struct):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")
    id: int | str | None = None
    error: _Error | None = None
    code: int | None = None
    msg: str = ""


class _Depth(msgspec.Struct):
    s: str
    E: Millis
    U: Sequence64
    u: Sequence64
    b: list[Pair]
    a: list[Pair]
    pu: Sequence64 | None = None


class _Ticker(msgspec.Struct):
    s: str
    u: Sequence64
    b: str
    B: str
    a: str
    A: str


class _Snapshot(msgspec.Struct):
    lastUpdateId: Sequence64
    bids: list[Pair]
    asks: list[Pair]
    E: Millis = 0


_frame = msgspec.json.Decoder(_Frame).decode
_depth = msgspec.json.Decoder(_Depth).decode
_ticker = msgspec.json.Decoder(_Ticker).decode
_snapshot = msgspec.json.Decoder(_Snapshot).decode


class BinanceFeed(ChainFeed):
    """The books of Binance; `venue` is `binance` (spot) or `binance_futures` (USDT perpetuals), whose chains differ."""

    def __init__(
        self,
        seats: Mapping[str, BookSeat],
        arena: BookArena | None,
        *,
        venue: str = "binance",
        tape: bool = False,
    ) -> None:
        super().__init__(venue, seats, arena, tape=tape)
        self._perpetual = venue == "binance_futures"
        self.rule = Rule.PERPETUAL if self._perpetual else Rule.SPOT
        self._limit = _PERPETUAL_LIMIT if self._perpetual else _LIMITS[0]
        self._deeper: dict[str, int] = {}
        self._subscribing = Requests()
        self._leaving = Requests()
        self._bbo_checks: dict[str, BboCheck] = {}

        self.shape = 0 if self._perpetual else BINANCE

    def retire_book(self, native_symbol: str) -> None:
        super().retire_book(native_symbol)
        self._bbo_checks.pop(native_symbol, None)
        self._deeper.pop(native_symbol, None)

    def rescale_book(self, native_symbol: str, scale: Scale, at_ns: int) -> None:
        super().rescale_book(native_symbol, scale, at_ns)
        self._bbo_checks.pop(native_symbol, None)

    def subscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        return tuple(
            _request("SUBSCRIBE", batch, self._subscribing.number(batch))
            for batch in batches(native_symbols, _BOOKS_PER_REQUEST)
        )

    def unsubscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        return tuple(
            _request("UNSUBSCRIBE", batch, -self._leaving.number(batch))
            for batch in batches(native_symbols, _BOOKS_PER_REQUEST)
        )

    def ping_message(self, now_s: int) -> str:
        return f'{{"method":"GET_PROPERTY","params":["combined"],"id":{_PING}}}'

    def snapshot_share(self, native_symbol: str) -> int:
        return 1 if self._perpetual else _SHARES[self._limit_of(native_symbol)]

    def _path(self, native_symbol: str) -> str:
        root = "/fapi/v1/depth" if self._perpetual else "/api/v3/depth"
        # Some symbols have letters that are not ASCII.
        return f"{root}?symbol={quote(native_symbol)}&limit={self._limit_of(native_symbol)}"

    def _limit_of(self, native_symbol: str) -> int:
        return _PERPETUAL_LIMIT if self._perpetual else self._deeper.get(native_symbol, _LIMITS[0])

    def _used_up(self, slot: BookSlot, at_ns: int) -> FrameResult:
        """Lose the book, and fetch more levels the next time."""
        if not self._perpetual:
            limit = self._limit_of(slot.native_symbol)
            self._deeper[slot.native_symbol] = next((each for each in _LIMITS if each > limit), limit)
        return super()._used_up(slot, at_ns)

    def on_http(self, received_ns: int, url: str, raw: bytes | str) -> FrameResult:
        """Apply a tape's HTTP body if it is a book's snapshot; any other address changes nothing."""
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        native_symbol = (query.get("symbol") or [""])[0].upper()
        if not parts.path.endswith("/depth") or not native_symbol:
            return self._other()
        limit = (query.get("limit") or [""])[0]
        self._limit = int(limit) if limit.isascii() and limit.isdigit() and len(limit) <= 5 else _LIMITS[-1]
        return self.on_snapshot(native_symbol, received_ns, raw)

    def _frame(self, received_ns: int, raw: bytes | str) -> FrameResult:
        try:
            frame = _frame(raw)
        except DECODE_ERRORS as error:
            self._refuse(None, *decode_problem(error))
        name, _, kind = frame.stream.partition("@")
        if kind == "depth" or kind.startswith("depth@"):
            return self._changed(frame, name.upper(), received_ns)
        if kind == "bookTicker":
            return self._quoted(frame, name.upper(), received_ns)
        if frame.stream == _SHUTDOWN:
            return self._notice(NoticeKind.UPGRADE)
        return self._other() if frame.stream else self._answer(frame)

    def _changed(self, frame: _Frame, native_symbol: str, received_ns: int) -> FrameResult:
        slot = self._slot(native_symbol)
        if slot is None:
            return self._other()
        self._counts.book_frames += 1
        try:
            depth = _depth(frame.data)
        except DECODE_ERRORS as error:
            self._refuse(native_symbol, *decode_problem(error, "data"))
        if depth.u < depth.U:
            self._refuse(native_symbol, "data.u", f"{depth.u} below U {depth.U}")
        if self._perpetual and depth.pu is None:
            self._refuse(native_symbol, "data.pu", "missing in a perpetual's change")
        bids = self._levels(slot, depth.b, "data.b")
        asks = self._levels(slot, depth.a, "data.a")
        previous = -1 if depth.pu is None else depth.pu
        delta = Delta(depth.U, depth.u, previous, depth.E * NS_PER_MS, bids, asks)
        result = self._change(slot, delta, received_ns)
        return self._bbo_checked(slot, result, received_ns)

    def _snapshot_body(self, slot: BookSlot, received_ns: int, raw: bytes | str) -> FrameResult:
        try:
            body = _snapshot(raw)
        except DECODE_ERRORS as error:
            self._refuse(slot.native_symbol, *decode_problem(error))
        sides = self._levels(slot, body.bids, "bids"), self._levels(slot, body.asks, "asks")
        result = self._join(slot, body.lastUpdateId, body.E * NS_PER_MS, received_ns, sides, self._limit)
        return self._bbo_checked(slot, result, received_ns)

    def _quoted(self, frame: _Frame, native_symbol: str, received_ns: int) -> FrameResult:
        slot = self._known(native_symbol)
        if slot is None and not self._tape:
            return self._other()
        # A tape's quote may precede the first frame of its book: it is kept for a check, but makes no book.
        prices, sizes = (slot.prices, slot.sizes) if slot is not None else self._tape_numbers()
        try:
            ticker = _ticker(frame.data)
            quote = prices[ticker.b], sizes[ticker.B], prices[ticker.a], sizes[ticker.A]
        except DECODE_ERRORS as error:
            self._refuse(native_symbol, *decode_problem(error, "data"))
        except ValueError as error:
            self._refuse(native_symbol, "data", str(error))
        if self.on_levels is not None:
            self.on_levels(native_symbol, [quote[:2], quote[2:]])
        self._counts.other += 1
        bbo_check = self._bbo_checks.setdefault(native_symbol, BboCheck())
        held = bbo_check.check(ticker.u, quote, slot)
        self._counts.checks_held += held is True
        self._counts.checks_failed += held is False
        if slot is not None and held is False:
            return self._lose(slot, received_ns, f"best bid and offer at {ticker.u} disagree with the book")
        return NOTHING

    def _bbo_checked(self, slot: BookSlot, result: FrameResult, received_ns: int) -> FrameResult:
        """Check the quotes that preceded the book's change, and only then pass the book to compiled code."""
        if slot.state is not BookState.LIVE:
            return result
        bbo_check = self._bbo_checks.setdefault(slot.native_symbol, BboCheck())
        sequence = slot.sequence
        held, failed = bbo_check.reached(slot)
        self._counts.checks_held += held
        self._counts.checks_failed += failed
        if failed:
            return self._lose(slot, received_ns, f"best bid and offer at {sequence} disagree with the book")
        slot.ahead = bbo_check.ahead
        super()._settled(slot)
        return result

    def _settled(self, slot: BookSlot) -> None:
        """Do not pass the book to compiled code yet: `_bbo_checked` does so after the check of its quotes."""

    def _compiled_as(self, slot: BookSlot) -> tuple[int, str]:
        return (0 if self._perpetual else BINANCE), slot.native_symbol.lower()

    def _answer(self, frame: _Frame) -> FrameResult:
        number = frame.id if isinstance(frame.id, int) else None
        leaves = number is not None and number < 0
        symbols = self._leaving.answered(-number) if number and leaves else self._subscribing.answered(number)
        if frame.error is not None:
            return self._notice(NoticeKind.REFUSED, symbols, frame.error.code, frame.error.msg)
        if frame.code is not None:
            return self._notice(NoticeKind.REFUSED, symbols, frame.code, frame.msg)
        if number is None:
            return self._other()
        if number == _PING:
            return self._notice(NoticeKind.PONG)
        return self._notice(NoticeKind.UNSUBSCRIBED if leaves else NoticeKind.SUBSCRIBED, symbols)


def _request(method: str, native_symbols: Sequence[str], number: int) -> str:
    streams = [f"{symbol.lower()}@{kind}" for symbol in native_symbols for kind in ("depth@100ms", "bookTicker")]
    return msgspec.json.encode({"method": method, "params": streams, "id": number}).decode()
