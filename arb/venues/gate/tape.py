"""Gate's frames as tapes hold them: those of `GateFeed`, perpetuals, and best-bid/offer frames (Gate WebSocket v4).

Levels of perpetuals are `{"p", "s"}` with a JSON number of contracts, and are kept in contracts. `*.book_ticker`
confirms the book: where its id is the book's, both sides must agree. Live code reads none of it.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from arb.market.arena import BookArena, BookState
from arb.market.feed import BookSeat, FrameResult
from arb.market.scale import Scale
from arb.venues.books.plain.base import DECODE_ERRORS, Pair, Sequence64
from arb.venues.books.plain.bbo_check import BboCheck
from arb.venues.books.plain.slot import BookSlot
from arb.venues.gate.books import GateFeed, GateFrame, Snapshot, Update


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


class _FuturesSnapshot(msgspec.Struct):
    id: Sequence64
    bids: list[_Contracts]
    asks: list[_Contracts]
    current: Decimal = Decimal(0)


_futures_update = msgspec.json.Decoder(_FuturesUpdate).decode
_ticker = msgspec.json.Decoder(_Ticker).decode
_futures_snapshot = msgspec.json.Decoder(_FuturesSnapshot).decode


class GateTapeFeed(GateFeed):
    """The books of Gate tapes, of spot or of perpetuals, from any channel."""

    def __init__(
        self,
        venue: str = "gate",
        seats: Mapping[str, BookSeat] | None = None,
        arena: BookArena | None = None,
        *,
        tape: bool = True,
    ) -> None:
        super().__init__(seats or {}, arena, venue=venue, tape=tape)
        self._bbo_checks: dict[str, BboCheck] = {}

    def retire_book(self, native_symbol: str) -> None:
        """Forget a book and the quotes that were to confirm it; raises `InvariantError` for one that has no seat."""
        super().retire_book(native_symbol)
        self._bbo_checks.pop(native_symbol, None)

    def rescale_book(self, native_symbol: str, scale: Scale, at_ns: int) -> None:
        """Put a book on a finer scale, and forget the quotes on the old one that were to confirm it."""
        super().rescale_book(native_symbol, scale, at_ns)
        self._bbo_checks.pop(native_symbol, None)

    def _unlisted(self, kind: str, frame: GateFrame, received_ns: int) -> FrameResult:
        return self._ticker(frame) if kind == "book_ticker" else super()._unlisted(kind, frame, received_ns)

    def _compiled_as(self, slot: BookSlot) -> tuple[int, str]:
        # A book with a BBO check is read plainly from the start: each change is compared with the quotes.
        return (0, "") if slot.native_symbol in self._bbo_checks else super()._compiled_as(slot)

    def _read_update(self, frame: GateFrame) -> Update:
        if self._market == "spot":
            return super()._read_update(frame)
        try:
            update = _futures_update(frame.result)
        except DECODE_ERRORS as error:
            self._refuse_result(frame, error)
        return Update(update.s, update.U, update.u, 0, _pairs(update.b), _pairs(update.a), update.full)

    def _read_snapshot(self, raw: bytes | str) -> Snapshot:
        if self._market == "spot":
            return super()._read_snapshot(raw)
        body = _futures_snapshot(raw)
        # `current` is milliseconds on spot and seconds on futures (5.2).
        return Snapshot(body.id, _pairs(body.bids), _pairs(body.asks), int(body.current * 1000))

    def _lives(self, slot: BookSlot, sequence: int, event_ns: int, received_ns: int, levels: int) -> FrameResult:
        result = super()._lives(slot, sequence, event_ns, received_ns, levels)
        bbo_check = self._bbo_checks.get(slot.native_symbol)
        if bbo_check is not None and slot.state is BookState.LIVE:
            held, failed = bbo_check.reached(slot)
            self._counts.checks_held += held
            self._counts.checks_failed += failed
        return result

    def _ticker(self, frame: GateFrame) -> FrameResult:
        try:
            ticker = _ticker(frame.result)
        except DECODE_ERRORS as error:
            self._refuse_result(frame, error)
        slot = self._known(ticker.s)
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
        bbo_check = self._bbo_checks.setdefault(ticker.s, BboCheck())
        verdict = bbo_check.check(ticker.u, quote, slot)
        self._counts.checks_held += verdict is True
        self._counts.checks_failed += verdict is False
        return self._other()


def _pairs(levels: list[_Contracts] | None) -> list[Pair]:
    return [(level.p, format(level.s, "f")) for level in levels or ()]
