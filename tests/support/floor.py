"""An engine whose books are built from frames, as a run's are: Gate and OKX, several symbols, several connections."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from arb.clock import NS_PER_MS
from arb.core.books.books import Books
from arb.core.messages.settings import Limits, Timing
from arb.market.arena import BookArena
from arb.market.feed import BookFeed, BookSeat, FrameResult, split_books
from arb.market.instrument import Instrument
from arb.market.scale import Scale
from arb.venues.registry import spec_of
from tests.builders import Bench, D, an_instrument

BTC, ETH = "BTC/USDT", "ETH/USDT"
TRANSIT_MS = 20
"""How long every frame was on its way."""
_JOINTS = {"gate": "_", "okx": "-", "bitget": ""}
BIG = Limits(min_net_quote=D(0), min_edge_bps=D(1))


def native(venue: str, symbol: str) -> str:
    """Return a venue's own name of a symbol."""
    return symbol.replace("/", _JOINTS[venue])


def listed(venues: Iterable[str] = ("gate", "okx"), symbols: Iterable[str] = (BTC, ETH)) -> list[Instrument]:
    """Return the rules of every symbol at every venue, all alike."""
    symbols = tuple(symbols)
    return [an_instrument(venue, symbol, native_symbol=native(venue, symbol)) for venue in venues for symbol in symbols]


class BookFrames:
    """Makes the frames of one book; a change continues the frame before, a whole book begins anew."""

    def __init__(self, venue: str, native_symbol: str, first_id: int = 100) -> None:
        self.venue = venue
        self.native_symbol = native_symbol
        self._id = first_id

    def whole(self, bids: str, asks: str, sent_ns: int) -> bytes:
        """Return a whole book, levels as in `99.9x5 99.8x1`."""
        return self._frame(_levels(bids), _levels(asks), sent_ns // NS_PER_MS, whole=True)

    def change(self, bids: str, asks: str, sent_ns: int) -> bytes:
        """Return a change; a size of 0 takes a level away."""
        return self._frame(_levels(bids), _levels(asks), sent_ns // NS_PER_MS, whole=False)

    def best(self, bid: str, ask: str, sent_ns: int) -> bytes:
        """Return OKX's best bid and offer as they were after the frame before."""
        sides = {"asks": [[*_levels(ask)[0], "0", "1"]], "bids": [[*_levels(bid)[0], "0", "1"]]}
        best = {**sides, "ts": str(sent_ns // NS_PER_MS), "seqId": self._id}
        return json.dumps({"arg": {"channel": "bbo-tbt", "instId": self.native_symbol}, "data": [best]}).encode()

    def skip(self) -> None:
        """Lose a frame."""
        self._id += 5

    def _frame(self, bids: list[list[str]], asks: list[list[str]], sent_ms: int, *, whole: bool) -> bytes:
        before, self._id = self._id, self._id + 5
        frame: dict[str, Any]
        if self.venue == "gate":
            result: dict[str, Any] = {"s": f"ob.{self.native_symbol}.50", "b": bids, "a": asks, "u": self._id}
            result |= {"full": True} if whole else {"U": before + 1}
            frame = {"channel": "spot.obu", "event": "update", "time_ms": sent_ms, "result": result}
        elif self.venue == "okx":
            sides = {"bids": [[*level, "0", "1"] for level in bids], "asks": [[*level, "0", "1"] for level in asks]}
            data = sides | {"ts": str(sent_ms), "seqId": self._id, "prevSeqId": -1 if whole else before}
            arg = {"channel": "books", "instId": self.native_symbol}
            frame = {"arg": arg, "action": "snapshot" if whole else "update", "data": [data]}
        else:
            data = {"bids": bids, "asks": asks, "ts": str(sent_ms), "seq": self._id, "pseq": 0 if whole else before}
            arg = {"instType": "SPOT", "channel": "books", "instId": self.native_symbol}
            frame = {"arg": arg, "action": "snapshot" if whole else "update", "data": [data], "ts": sent_ms}
        return json.dumps(frame).encode()


class Floor(Bench):
    """A bench with real feeds. `per_connection`: how many books one connection of a venue carries; `spare`: free rows."""

    def __init__(
        self,
        *,
        instruments: Iterable[Instrument] | None = None,
        per_connection: Mapping[str, int] | None = None,
        spare: int = 0,
        timing: Timing | None = None,
        limits: Limits = BIG,
        venues: Iterable[str] = ("gate", "okx"),
    ) -> None:
        self._per_connection = per_connection or {}
        self._spare = spare
        self.frames: dict[tuple[str, str], BookFrames] = {}
        funds = dict.fromkeys(("USDT", "BTC", "ETH", "SOL", "DOGE"), "100000")
        super().__init__(
            venues=venues,
            instruments=listed(tuple(venues)) if instruments is None else instruments,
            timing=timing,
            limits=limits,
            balances=funds,
        )

    def make_books(self, listed: list[Instrument], rows: dict[tuple[str, str], int], scales: dict[str, Scale]) -> Books:
        """Return books with the feeds of a run."""
        arena = BookArena(len(rows), 20, spare=self._spare)
        feeds: dict[str, BookFeed] = {}
        for venue in self.venues:
            seats = {
                i.native_symbol: BookSeat(rows[venue, i.symbol], scales[i.symbol]) for i in listed if i.venue == venue
            }
            for name, natives in split_books(venue, tuple(seats), self._per_connection.get(venue)).items():
                feeds[name] = spec_of(venue).make_books({one: seats[one] for one in natives}, arena)
        return Books(arena, rows, scales, feeds, self.timing)

    def frames_of(self, venue: str, symbol: str) -> BookFrames:
        """Return what makes the frames of a book."""
        return self.frames.setdefault((venue, symbol), BookFrames(venue, native(venue, symbol)))

    def whole(self, venue: str, symbol: str, bids: str, asks: str) -> FrameResult:
        """Send a whole book by the connection that carries it."""
        raw = self.frames_of(venue, symbol).whole(bids, asks, self.now_ns - TRANSIT_MS * NS_PER_MS)
        return self.send(self.books.connection_of(venue, symbol), raw)

    def change(self, venue: str, symbol: str, bids: str, asks: str) -> FrameResult:
        """Send a change of a book by the connection that carries it."""
        raw = self.frames_of(venue, symbol).change(bids, asks, self.now_ns - TRANSIT_MS * NS_PER_MS)
        return self.send(self.books.connection_of(venue, symbol), raw)

    def send(self, connection: str, raw: bytes) -> FrameResult:
        """Hand the engine a frame, received now."""
        return self.engine.on_frame(connection, self.now_ns, raw)


def _levels(text: str) -> list[list[str]]:
    return [level.split("x") for level in text.split()]
