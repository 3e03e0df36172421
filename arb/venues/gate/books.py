"""Gate's public spot books (Gate WebSocket v4, order book channels).

`spot.obu` ("Order Book V2") begins with the whole book, and each later frame continues it by `U == id + 1` exactly. After a
gap the feed unsubscribes, waits for the answer, and subscribes again. Where that channel is not served (Gate's EU entity),
`spot.order_book_update` is used. Its changes follow a snapshot fetched over REST (`arb.venues.books.plain.chain`); newer
servers push the snapshot first, as `full`. A feed subscribes to one of the two channels and reads both.

The send time of a frame is its `time_ms`, or else the time of the change (`t`). Frames of 2021 have neither, only `time` in
whole seconds. Then the beginning of the second counts, so that a book may look older than it is, but never younger.
"""

from collections.abc import Mapping, Sequence
from typing import NoReturn
from urllib.parse import parse_qs, urlsplit

import msgspec

from arb.errors import require
from arb.market.arena import BookArena, BookState
from arb.market.book import ExactLevels
from arb.market.feed import NOTHING, BookSeat, FrameResult, NoticeKind, ResyncBy
from arb.venues.books.compiled.layout import GATE_OBU, GATE_UPDATES
from arb.venues.books.plain.base import (
    DECODE_ERRORS,
    MILLIS_MAX,
    NS_PER_MS,
    Millis,
    Pair,
    Requests,
    Sequence64,
    decode_problem,
)
from arb.venues.books.plain.chain import ChainFeed, Rule
from arb.venues.books.plain.slot import BookSlot, Delta

OBU, UPDATES = "obu", "order_book_update"
LEVELS = (50, 400)
UPDATE_INTERVAL, UPDATE_LEVELS = "100ms", 100
"""Of `order_book_update`: with a push every 100 ms it shows the best 100 levels a side, with one every 20 ms only 20. The
snapshot has as many; deeper ones may be from a cache, and nothing keeps their further levels up to date.
"""
_SECONDS_MAX = MILLIS_MAX // 1000
_NULL = msgspec.Raw(b"null")


class _Error(msgspec.Struct):
    """The answer to a refused request; its shape is the venue's own, so nothing of it is taken for granted."""

    code: int | str | None = None
    message: str = ""


class GateFrame(msgspec.Struct):
    """The envelope of every frame; `result` is read by channel in a second step."""

    channel: str = ""
    event: str = ""
    type: str = ""
    time: int | float | None = None
    id: int | str | None = None
    time_ms: Millis = 0
    error: msgspec.Raw = _NULL
    payload: msgspec.Raw = _NULL
    result: msgspec.Raw = _NULL


class _Obu(msgspec.Struct):
    s: str
    u: Sequence64
    U: Sequence64 | None = None
    full: bool = False
    b: list[Pair] | None = None
    a: list[Pair] | None = None


class Update(msgspec.Struct):
    """A change by `order_book_update`: ids `U` to `u`, changed at `t`, absolute sizes; `full`: the whole book."""

    s: str
    U: Sequence64
    u: Sequence64
    t: Millis = 0
    b: list[Pair] | None = None
    a: list[Pair] | None = None
    full: bool = False


class Snapshot(msgspec.Struct):
    """A fetched book; `current`: when it was made, ms on the venue's clock."""

    id: Sequence64
    bids: list[Pair]
    asks: list[Pair]
    current: int | float = 0


class _Named(msgspec.Struct):
    s: str = ""


class _System(msgspec.Struct):
    type: str = ""


_frame = msgspec.json.Decoder(GateFrame).decode
_obu = msgspec.json.Decoder(_Obu).decode
_update = msgspec.json.Decoder(Update).decode
_snapshot = msgspec.json.Decoder(Snapshot).decode
_named = msgspec.json.Decoder(_Named).decode
_system = msgspec.json.Decoder(_System).decode
_error = msgspec.json.Decoder(_Error).decode
_streams = msgspec.json.Decoder(list[str]).decode


class GateFeed(ChainFeed):
    """The live books of Gate spot; `level` of `spot.obu` is 50 (a push every 20 ms) or 400 (every 100 ms)."""

    rule = Rule.OVERLAP
    shape = GATE_OBU
    resync_by = ResyncBy.RESUBSCRIBE

    def __init__(
        self,
        seats: Mapping[str, BookSeat],
        arena: BookArena | None,
        *,
        venue: str = "gate",
        level: int = 50,
        tape: bool = False,
    ) -> None:
        super().__init__(venue, seats, arena, tape=tape)
        self._market = "futures" if venue == "gate_futures" else "spot"
        self._level = level
        self._channel = OBU
        self._requests = Requests()

    def choose_channel(self, channel: str) -> None:
        """Ask for books by `obu` (""), or by `order_book_update`; raises `InvariantError` for any other."""
        require(channel in ("", OBU, UPDATES), f"{self.venue} has no channel {channel!r} of books")
        self._channel = channel or OBU
        self.resync_by = ResyncBy.FETCH if channel == UPDATES else ResyncBy.RESUBSCRIBE

    def _path(self, native_symbol: str) -> str | None:
        if self._channel != UPDATES:
            return None
        return f"/spot/order_book?currency_pair={native_symbol}&limit={UPDATE_LEVELS}&with_id=true"

    def on_http(self, received_ns: int, url: str, raw: bytes | str) -> FrameResult:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        native_symbol = (query.get("currency_pair") or query.get("contract") or [""])[0]
        if not parts.path.endswith("/order_book") or "with_id" not in query or not native_symbol:
            return self._other()
        return self.on_snapshot(native_symbol, received_ns, raw)

    def subscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        """Return one request per book: a list is refused as a whole when one of its names is unknown (4.2)."""
        return tuple(self._request("subscribe", native_symbol, now_s) for native_symbol in native_symbols)

    def unsubscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        """Return one request per book; a second subscription before the answer is an error (5.4)."""
        return tuple(self._request("unsubscribe", native_symbol, now_s) for native_symbol in native_symbols)

    def ping_message(self, now_s: int) -> str:
        """Return the application ping, which also resets the server's idle timer (4.5)."""
        return _encode({"time": now_s, "channel": f"{self._market}.ping"})

    def _request(self, event: str, native_symbol: str, now_s: int) -> str:
        updates = self._channel == UPDATES
        return _encode(
            {
                "time": now_s,
                "id": self._requests.number((native_symbol,)),
                "channel": f"{self._market}.{self._channel}",
                "event": event,
                "payload": [native_symbol, UPDATE_INTERVAL] if updates else [f"ob.{native_symbol}.{self._level}"],
            }
        )

    def _frame(self, received_ns: int, raw: bytes | str) -> FrameResult:
        try:
            frame = _frame(raw)
        except DECODE_ERRORS as error:
            self._refuse(None, *decode_problem(error))
        market, _, kind = frame.channel.partition(".")
        if market != self._market or frame.event not in ("update", "all", ""):
            return self._answer(frame, market)
        if kind == OBU:
            return self._obu(frame, received_ns)
        if kind == "pong" or frame.error != _NULL or frame.type:
            return self._answer(frame, market)
        return self._unlisted(kind, frame, received_ns)

    def _unlisted(self, kind: str, frame: GateFrame, received_ns: int) -> FrameResult:
        if kind == UPDATES:
            return self._updated(frame, received_ns)
        if kind == "system" and _type_of(frame.result) == "upgrade":
            return self._notice(NoticeKind.UPGRADE)
        return self._other()

    def _answer(self, frame: GateFrame, market: str) -> FrameResult:
        """Handle a frame that is no market data: answers, pongs, errors, and an upgrade notice in its three shapes."""
        updates = frame.channel == f"{market}.{UPDATES}"
        symbols = self._requests.answered(frame.id) or _symbols_of(frame.payload, updates=updates)
        if "upgrade" in (frame.type, frame.event):
            return self._notice(NoticeKind.UPGRADE)
        if frame.error != _NULL:
            return self._notice(NoticeKind.REFUSED, symbols, *_refusal(frame.error))
        if frame.channel == f"{market}.pong":
            return self._notice(NoticeKind.PONG)
        if frame.event == "subscribe":
            return self._notice(NoticeKind.SUBSCRIBED, symbols)
        if frame.event == "unsubscribe":
            return self._notice(NoticeKind.UNSUBSCRIBED, symbols)
        return self._other()

    def _obu(self, frame: GateFrame, received_ns: int) -> FrameResult:
        if frame.error != _NULL:
            return self._answer(frame, self._market)
        try:
            obu = _obu(frame.result)
        except DECODE_ERRORS as error:
            self._refuse_result(frame, error)
        native_symbol, level = _stream(obu.s)
        slot = self._slot(native_symbol)
        if slot is None or not level or not self._same_stream(slot, obu.s):
            return self._other()
        self._counts.book_frames += 1
        bids = self._levels(slot, obu.b or [], "result.b")
        asks = self._levels(slot, obu.a or [], "result.a")
        if obu.full:
            if obu.b is None or obu.a is None:
                self._refuse(native_symbol, "result.b" if obu.b is None else "result.a", "missing in a whole book")
            slot.book.depth_max = level
            slot.book.replace(bids, asks)
            self._counts.snapshots += 1
        else:
            if slot.state is not BookState.LIVE:
                return self._ignored(slot, received_ns)
            if obu.U is None:
                self._refuse(native_symbol, "result.U", "missing in a change")
            if slot.sequence + 1 != obu.U or obu.u < obu.U:
                return self._gap(slot, received_ns, f"gap: have {slot.sequence}, got {obu.U}..{obu.u}")
            slot.book.apply(bids, asks)
        # A whole book carries the time of its last change, which for a quiet one may be 40 s ago.
        event_ns = 0 if obu.full else sent_ns(frame)
        return self._lives(slot, obu.u, event_ns, received_ns, len(bids) + len(asks))

    def _updated(self, frame: GateFrame, received_ns: int) -> FrameResult:
        update = self._read_update(frame)
        slot = self._slot(update.s)
        if slot is None or not self._same_stream(slot, UPDATES):
            return self._other()
        self._counts.book_frames += 1
        bids = self._levels(slot, update.b or [], "result.b")
        asks = self._levels(slot, update.a or [], "result.a")
        if update.u < update.U:
            self._refuse(update.s, "result.u", f"{update.u} below U {update.U}")
        slot.book.depth_max = UPDATE_LEVELS
        if update.full:
            return self._replace(slot, update.u, 0, received_ns, bids, asks)  # as of `obu`
        event_ns = update.t * NS_PER_MS if update.t and not frame.time_ms else sent_ns(frame)
        return self._change(slot, Delta(update.U, update.u, -1, event_ns, bids, asks), received_ns)

    def _read_update(self, frame: GateFrame) -> Update:
        try:
            return _update(frame.result)
        except DECODE_ERRORS as error:
            self._refuse_result(frame, error)

    def _snapshot_body(self, slot: BookSlot, received_ns: int, raw: bytes | str) -> FrameResult:
        try:
            body = self._read_snapshot(raw)
        except DECODE_ERRORS as error:
            self._refuse(slot.native_symbol, *decode_problem(error))
        if not self._same_stream(slot, UPDATES):
            return NOTHING
        sides: tuple[ExactLevels, ExactLevels]
        sides = self._levels(slot, body.bids, "bids"), self._levels(slot, body.asks, "asks")
        slot.book.depth_max = UPDATE_LEVELS
        event_ns = int(body.current) * NS_PER_MS if 0 < body.current <= MILLIS_MAX else 0
        return self._join(slot, body.id, event_ns, received_ns, sides)

    def _read_snapshot(self, raw: bytes | str) -> Snapshot:
        return _snapshot(raw)

    def _resync_of(self, slot: BookSlot) -> ResyncBy:
        return self.resync_by if slot.stream is None else _BY[slot.stream == UPDATES]

    def _compiled_as(self, slot: BookSlot) -> tuple[int, str]:
        if self._market != "spot" or slot.stream is None:
            return 0, ""
        return (GATE_UPDATES, slot.native_symbol) if slot.stream == UPDATES else (GATE_OBU, slot.stream)

    def _same_stream(self, slot: BookSlot, stream: str) -> bool:
        """Return whether this is the stream the book is built from: another depth of it is another book."""
        if slot.stream is None:
            slot.stream = stream if self._tape or stream == UPDATES else f"ob.{slot.native_symbol}.{self._level}"
        return slot.stream == stream

    def _refuse_result(self, frame: GateFrame, error: Exception) -> NoReturn:
        """Refuse a result, naming the book if at least its name can be read."""
        try:
            name = _named(frame.result).s
        except DECODE_ERRORS:
            name = ""
        self._refuse(_stream(name)[0] or name or None, *decode_problem(error, "result"))


def sent_ns(frame: GateFrame) -> int:
    """Return when the venue sent a frame, ns UTC on its clock, or 0 when not stated."""
    if frame.time_ms:
        return frame.time_ms * NS_PER_MS
    return int(frame.time) * 1000 * NS_PER_MS if frame.time and 0 < frame.time < _SECONDS_MAX else 0


def _stream(name: str) -> tuple[str, int]:
    """Return (pair, level) of a stream name `ob.PAIR.LEVEL`, or ("", 0) for anything else."""
    prefix, _, rest = name.partition(".")
    native_symbol, _, level = rest.rpartition(".")
    if prefix != "ob" or not level.isascii() or not level.isdigit() or len(level) > 4:
        return "", 0
    return native_symbol, int(level)


_BY = {True: ResyncBy.FETCH, False: ResyncBy.RESUBSCRIBE}


def _symbols_of(payload: msgspec.Raw, *, updates: bool) -> tuple[str, ...]:
    try:
        names = _streams(payload)
    except DECODE_ERRORS:
        return ()
    if updates:  # [pair, interval]
        return tuple(names[:1])
    return tuple(symbol for symbol, _ in map(_stream, names) if symbol)


def _refusal(error: msgspec.Raw) -> tuple[str, str]:
    """Return the venue's code and message, or all it sent when that has another shape."""
    try:
        refusal = _error(error)
    except DECODE_ERRORS:
        return "", bytes(error).decode(errors="replace")
    return "" if refusal.code is None else str(refusal.code), refusal.message


def _type_of(result: msgspec.Raw) -> str:
    try:
        return _system(result).type
    except DECODE_ERRORS:
        return ""


def _encode(request: dict[str, object]) -> str:
    return msgspec.json.encode(request).decode()
