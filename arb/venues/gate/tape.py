"""Gate's older book dialects, as tapes hold them: `*.order_book_update` with fetched snapshots (Gate WebSocket v4).

Spot levels are `[price, size]` text; perpetual ones are `{"p", "s"}` with a JSON number of contracts, and are kept in
contracts. `*.book_ticker` bears witness: where its id is the book's, both sides must agree. Live code reads none of it.
"""

from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import msgspec

from arb.market.arena import BookArena, BookState
from arb.market.book import ExactLevels
from arb.market.feed import NOTHING, BookSeat, FrameResult, ResyncBy
from arb.market.scale import Scale
from arb.venues.gate.books import GateFeed, GateFrame, sent_ns
from arb.venues.wire.base import (
    DECODE_ERRORS,
    NS_PER_MS,
    BookSlot,
    Delta,
    Pair,
    Sequence64,
    decode_problem,
)
from arb.venues.wire.chain import ChainFeed, Rule, TickerWitness

_V1_DEPTH = 100


class _Update(msgspec.Struct):
    s: str
    U: Sequence64
    u: Sequence64
    b: list[Pair] | None = None
    a: list[Pair] | None = None
    full: bool = False


class _Contracts(msgspec.Struct):
    """A level of a perpetual: price and a number of contracts, which is a JSON number or a string."""

    p: str
    s: Decimal


class _FuturesUpdate(msgspec.Struct):
    s: str
    U: Sequence64
    u: Sequence64
    b: list[_Contracts] | None = None
    a: list[_Contracts] | None = None
    full: bool = False


class _Ticker(msgspec.Struct):
    s: str
    u: Sequence64
    b: str = ""
    B: Decimal = Decimal(0)
    a: str = ""
    A: Decimal = Decimal(0)


class _Snapshot(msgspec.Struct):
    id: Sequence64
    bids: list[Pair]
    asks: list[Pair]
    current: Decimal = Decimal(0)


class _FuturesSnapshot(msgspec.Struct):
    id: Sequence64
    bids: list[_Contracts]
    asks: list[_Contracts]
    current: Decimal = Decimal(0)


_update = msgspec.json.Decoder(_Update).decode
_futures_update = msgspec.json.Decoder(_FuturesUpdate).decode
_ticker = msgspec.json.Decoder(_Ticker).decode
_snapshot = msgspec.json.Decoder(_Snapshot).decode
_futures_snapshot = msgspec.json.Decoder(_FuturesSnapshot).decode


class GateTapeFeed(ChainFeed, GateFeed):
    """The books of Gate tapes: what `GateFeed` reads, and the older channels with fetched snapshots."""

    rule = Rule.OVERLAP
    resync_by = ResyncBy.FETCH

    def __init__(
        self, venue: str = "gate", seats: Mapping[str, BookSeat] | None = None, arena: BookArena | None = None
    ) -> None:
        super().__init__(seats or {}, arena, venue=venue, tape=True)
        self._witnesses: dict[str, TickerWitness] = {}

    def retire_book(self, native_symbol: str) -> None:
        """Forget a book and the quotes that were to witness it; raises `InvariantError` for one that has no seat."""
        super().retire_book(native_symbol)
        self._witnesses.pop(native_symbol, None)

    def rescale_book(self, native_symbol: str, scale: Scale, at_ns: int) -> None:
        """Put a book on a finer scale, and forget the quotes on the old one that were to witness it."""
        super().rescale_book(native_symbol, scale, at_ns)
        self._witnesses.pop(native_symbol, None)

    def on_http(self, received_ns: int, url: str, raw: bytes | str) -> FrameResult:
        """Apply the body of an order book request; any other address changes nothing."""
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        native_symbol = (query.get("currency_pair") or query.get("contract") or [""])[0]
        if not parts.path.endswith("/order_book") or "with_id" not in query or not native_symbol:
            return self._other()
        return self.on_snapshot(native_symbol, received_ns, raw)

    def _unlisted(self, kind: str, frame: GateFrame, received_ns: int) -> FrameResult:
        if kind == "order_book_update":
            return self._update(frame, received_ns)
        if kind == "book_ticker":
            return self._ticker(frame)
        return super()._unlisted(kind, frame, received_ns)

    def _update(self, frame: GateFrame, received_ns: int) -> FrameResult:
        spot = self._market == "spot"
        try:
            update = _update(frame.result) if spot else _futures_update(frame.result)
        except DECODE_ERRORS as error:
            self._refuse_result(frame, error)
        slot = self._slot(update.s)
        if slot is None or not self._same_stream(slot, "order_book_update"):
            return self._other()
        self.counts.book_frames += 1
        bids, asks = self._sides(slot, update.b or [], update.a or [], ("result.b", "result.a"))
        if update.u < update.U:
            self._refuse(update.s, "result.u", f"{update.u} below U {update.U}")
        slot.book.depth_max = _V1_DEPTH
        if update.full:
            result = self._replace(slot, update.u, sent_ns(frame), received_ns, bids, asks)
        else:
            delta = Delta(update.U, update.u, -1, sent_ns(frame), bids, asks)
            result = self._change(slot, delta, received_ns)
        self._bear_witness(slot)
        return result

    def _snapshot_body(self, slot: BookSlot, received_ns: int, raw: bytes | str) -> FrameResult:
        try:
            body = _snapshot(raw) if self._market == "spot" else _futures_snapshot(raw)
        except DECODE_ERRORS as error:
            self._refuse(slot.native_symbol, *decode_problem(error))
        if not self._same_stream(slot, "order_book_update"):
            return NOTHING
        sides = self._sides(slot, body.bids, body.asks, ("bids", "asks"))
        # `current` is milliseconds on spot and seconds on futures (5.2).
        millis = body.current if self._market == "spot" else body.current * 1000
        slot.book.depth_max = _V1_DEPTH
        result = self._join(slot, body.id, int(millis) * NS_PER_MS, received_ns, sides)
        self._bear_witness(slot)
        return result

    def _sides(
        self, slot: BookSlot, bids: list[Pair] | list[_Contracts], asks: list[Pair] | list[_Contracts], fields: Pair
    ) -> tuple[ExactLevels, ExactLevels]:
        pairs = [
            [level if isinstance(level, tuple) else (level.p, format(level.s, "f")) for level in side]
            for side in (bids, asks)
        ]
        return self._levels(slot, pairs[0], fields[0]), self._levels(slot, pairs[1], fields[1])

    def _ticker(self, frame: GateFrame) -> FrameResult:
        try:
            ticker = _ticker(frame.result)
        except DECODE_ERRORS as error:
            self._refuse_result(frame, error)
        slot = self._slots.get(ticker.s)
        prices, sizes = (slot.prices, slot.sizes) if slot is not None else self._tape_numbers()
        try:
            quote = (
                prices[ticker.b or "0"],
                sizes[format(ticker.B, "f")],
                prices[ticker.a or "0"],
                sizes[format(ticker.A, "f")],
            )
        except ValueError as error:
            self._refuse(ticker.s, "result", str(error))
        if self.on_levels is not None:
            self.on_levels(ticker.s, [quote[:2], quote[2:]])
        witness = self._witnesses.setdefault(ticker.s, TickerWitness())
        verdict = witness.check(ticker.u, quote, slot)
        self.counts.checks_held += verdict is True
        self.counts.checks_failed += verdict is False
        return self._other()

    def _bear_witness(self, slot: BookSlot) -> None:
        witness = self._witnesses.get(slot.native_symbol)
        if witness is not None and slot.state is BookState.LIVE:
            held, failed = witness.reached(slot)
            self.counts.checks_held += held
            self.counts.checks_failed += failed
