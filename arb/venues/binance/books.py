"""Binance's public books, spot and USDT perpetuals: numbered changes and a fetched snapshot
("How to manage a local order book correctly").

Frames are wrapped as `{"stream": "btcusdt@depth@100ms", "data": {...}}`. `@bookTicker` frames bear witness: where their
id is the book's, price and size must agree on both sides, else the book is not to be trusted. A fetched snapshot is cut
to its limit; what lies beyond is unknown. The send time of a frame is its `E`; a spot snapshot has none.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

import msgspec

from arb.market.arena import BookArena, BookState
from arb.market.feed import NOTHING, BookSeat, FrameResult, NoticeKind
from arb.market.scale import Scale
from arb.venues.wire.base import DECODE_ERRORS, NS_PER_MS, Millis, Pair, Requests, Sequence64, batches, decode_problem
from arb.venues.wire.chain import ChainFeed, Rule, TickerWitness
from arb.venues.wire.slot import BookSlot, Delta

_SNAPSHOT_LIMIT = 1000
_STREAMS_PER_REQUEST = 100


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
        self._limit = _SNAPSHOT_LIMIT
        self._requests = Requests()
        self._witnesses: dict[str, TickerWitness] = {}

    def retire_book(self, native_symbol: str) -> None:
        """Forget a book and the quotes that were to witness it; raises `InvariantError` for one that has no seat."""
        super().retire_book(native_symbol)
        self._witnesses.pop(native_symbol, None)

    def rescale_book(self, native_symbol: str, scale: Scale, at_ns: int) -> None:
        """Put a book on a finer scale, and forget the quotes on the old one that were to witness it."""
        super().rescale_book(native_symbol, scale, at_ns)
        self._witnesses.pop(native_symbol, None)

    def subscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        """Return the requests that subscribe to the books and their witnesses."""
        return self._request("SUBSCRIBE", native_symbols)

    def unsubscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        """Return the requests that end the subscriptions."""
        return self._request("UNSUBSCRIBE", native_symbols)

    def _path(self, native_symbol: str) -> str:
        root = "/fapi/v1/depth" if self._perpetual else "/api/v3/depth"
        return f"{root}?symbol={native_symbol}&limit={self._limit}"

    def on_http(self, received_ns: int, url: str, raw: bytes | str) -> FrameResult:
        """Apply a tape's HTTP body if it is a book's snapshot; any other address changes nothing."""
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        native_symbol = (query.get("symbol") or [""])[0].upper()
        if not parts.path.endswith("/depth") or not native_symbol:
            return self._other()
        limit = (query.get("limit") or [""])[0]
        self._limit = int(limit) if limit.isascii() and limit.isdigit() and len(limit) <= 5 else _SNAPSHOT_LIMIT
        return self.on_snapshot(native_symbol, received_ns, raw)

    def _request(self, method: str, native_symbols: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            msgspec.json.encode(
                {
                    "method": method,
                    "params": [f"{s.lower()}@{kind}" for s in batch for kind in ("depth@100ms", "bookTicker")],
                    "id": self._requests.number(batch),
                }
            ).decode()
            for batch in batches(native_symbols, _STREAMS_PER_REQUEST)
        )

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
        return self._other() if frame.stream else self._answer(frame)

    def _changed(self, frame: _Frame, native_symbol: str, received_ns: int) -> FrameResult:
        slot = self._slot(native_symbol)
        if slot is None:
            return self._other()
        self.counts.book_frames += 1
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
        return self._witnessed(slot, result, received_ns)

    def _snapshot_body(self, slot: BookSlot, received_ns: int, raw: bytes | str) -> FrameResult:
        try:
            body = _snapshot(raw)
        except DECODE_ERRORS as error:
            self._refuse(slot.native_symbol, *decode_problem(error))
        sides = self._levels(slot, body.bids, "bids"), self._levels(slot, body.asks, "asks")
        result = self._join(slot, body.lastUpdateId, body.E * NS_PER_MS, received_ns, sides, self._limit)
        return self._witnessed(slot, result, received_ns)

    def _quoted(self, frame: _Frame, native_symbol: str, received_ns: int) -> FrameResult:
        slot = self._slots.get(native_symbol)
        if slot is None and not self._tape:
            return self._other()
        # A tape's quote may come before the first frame of its book: a witness waits, but does not make a book.
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
        self.counts.other += 1
        witness = self._witnesses.setdefault(native_symbol, TickerWitness())
        held = witness.check(ticker.u, quote, slot)
        self.counts.checks_held += held is True
        self.counts.checks_failed += held is False
        if slot is not None and held is False:
            return self._lose(slot, received_ns, f"best bid and offer at {ticker.u} disagree with the book")
        return NOTHING

    def _witnessed(self, slot: BookSlot, result: FrameResult, received_ns: int) -> FrameResult:
        """Let the quotes that came before the book's change speak."""
        witness = self._witnesses.get(slot.native_symbol)
        if witness is None or slot.state is not BookState.LIVE:
            return result
        sequence = slot.sequence
        held, failed = witness.reached(slot)
        self.counts.checks_held += held
        self.counts.checks_failed += failed
        if failed:
            return self._lose(slot, received_ns, f"best bid and offer at {sequence} disagree with the book")
        return result

    def _answer(self, frame: _Frame) -> FrameResult:
        symbols = self._requests.answered(frame.id)
        if frame.error is not None:
            return self._notice(NoticeKind.REFUSED, symbols, frame.error.code, frame.error.msg)
        if frame.code is not None:
            return self._notice(NoticeKind.REFUSED, symbols, frame.code, frame.msg)
        return self._notice(NoticeKind.SUBSCRIBED, symbols) if frame.id is not None else self._other()
