"""Venues that never were: a random book with every state it ever had, and its frames in each venue's dialect.

The states are plain dicts of decimal text, kept by id: what a feed shows as live under an id must equal the state of
that id. Nothing here is shared with the code under test.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from arb.market.arena import BookArena
from arb.market.feed import BookSeat, FrameResult
from arb.market.scale import Scale
from arb.venues.binance.books import BinanceFeed
from arb.venues.bitget.books import BitgetFeed
from arb.venues.books.plain.base import WireFeed
from arb.venues.bybit.books import BybitFeed
from arb.venues.gate.books import GateFeed
from arb.venues.okx.books import OkxFeed

SCALE = Scale(2, 4)
NOW_NS = 1_700_000_000_000_000_000
NOW_MS = NOW_NS // 1_000_000

Side = dict[str, str]
Change = list[list[str]]


@dataclass
class Truth:
    """A book that changes at random and remembers every state."""

    rng: random.Random
    id: int = 1000
    single_steps: bool = False
    bids: Side = field(default_factory=dict)
    asks: Side = field(default_factory=dict)
    states: dict[int, tuple[Side, Side]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for _ in range(5):
            self._alter(self.bids, 9000, 9099)
            self._alter(self.asks, 9100, 9199)
        self.remember()

    def remember(self) -> None:
        self.states[self.id] = (dict(self.bids), dict(self.asks))

    def step(self) -> tuple[int, int, Change, Change]:
        """Change the book; return the id before, the id after, and the changes."""
        before = self.id
        bids = [self._alter(self.bids, 9000, 9099) for _ in range(self.rng.randrange(4))]
        asks = [self._alter(self.asks, 9100, 9199) for _ in range(self.rng.randrange(4))]
        self.id += 1 if self.single_steps else self.rng.choice((1, 1, 1, 4))
        self.remember()
        return before, self.id, bids, asks

    def _alter(self, side: Side, low: int, high: int) -> list[str]:
        price = f"{Decimal(self.rng.randint(low, high)) / 100:.2f}"
        size = self.rng.choice(("0", "0.0", "1", "2.50", f"{self.rng.randint(0, 9)}.{self.rng.randint(1, 9999):04d}"))
        if Decimal(size) == 0:
            side.pop(price, None)
        else:
            side[price] = size
        return [price, size]

    def levels(self, id: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return the state of `id` as the arena must show it."""
        bids, asks = self.states[id]
        return _scaled(bids, -1), _scaled(asks, 1)

    def sides(self) -> tuple[Change, Change]:
        """Return the whole book as wire levels, best first."""
        bids = sorted(([p, s] for p, s in self.bids.items()), key=lambda level: -Decimal(level[0]))
        asks = sorted(([p, s] for p, s in self.asks.items()), key=lambda level: Decimal(level[0]))
        return bids, asks


def _scaled(side: Side, sign: int) -> list[tuple[int, int]]:
    levels = [(int(Decimal(p) * 100), int(Decimal(s) * 10_000)) for p, s in side.items()]
    return sorted(levels, key=lambda level: sign * level[0])


@dataclass
class Dialect:
    """How one venue tells a book, and the live feed that listens."""

    name: str
    symbol: str
    make: Callable[[BookArena], WireFeed]
    whole: Callable[[Truth], str]
    change: Callable[[int, int, Change, Change], str]
    fetched: bool = False
    quote: Callable[[int, Side, Side], str] | None = None
    single_steps: bool = False

    def send_whole(self, feed: WireFeed, truth: Truth) -> FrameResult:
        """Give the feed a clean snapshot by the way this venue has."""
        if self.fetched:
            return feed.on_snapshot(self.symbol, NOW_NS, self.whole(truth))
        return feed.on_frame(NOW_NS, self.whole(truth))


def _json(document: object) -> str:
    return json.dumps(document, separators=(",", ":"))


def gate_frame(result: dict[str, object], time_ms: int = NOW_MS) -> str:
    return _json(
        {"channel": "spot.obu", "time": time_ms // 1000, "time_ms": time_ms, "event": "update", "result": result}
    )


def gate_whole(truth: Truth) -> str:
    bids, asks = truth.sides()
    return gate_frame({"t": NOW_MS, "full": True, "s": "ob.BTC_USDT.50", "u": truth.id, "b": bids, "a": asks})


def gate_change(before: int, after: int, bids: Change, asks: Change) -> str:
    return gate_frame({"t": NOW_MS, "s": "ob.BTC_USDT.50", "U": before + 1, "u": after, "b": bids, "a": asks})


def updates_frame(before: int, after: int, bids: Change, asks: Change) -> str:
    """Return a change as Gate's EU entity sends it."""
    result = {"t": NOW_MS - 2, "e": "depthUpdate", "E": NOW_MS // 1000, "s": "BTC_USDT", "U": before + 1, "u": after}
    return _json(
        {
            "channel": "spot.order_book_update",
            "time": NOW_MS // 1000,
            "time_ms": NOW_MS,
            "event": "update",
            "result": {**result, "l": "100", "b": bids, "a": asks},
        }
    )


def updates_whole(truth: Truth) -> str:
    """Return the snapshot that is fetched beside it."""
    bids, asks = truth.sides()
    return _json({"id": truth.id, "current": NOW_MS, "update": NOW_MS - 900, "asks": asks, "bids": bids})


def gate_eu_feed(arena: BookArena) -> GateFeed:
    """Return Gate's reader as it is used at the EU entity."""
    feed = GateFeed(seats("BTC_USDT"), arena)
    feed.choose_channel("order_book_update")
    return feed


def okx_frame(action: str, before: int, after: int, bids: Change, asks: Change, **more: object) -> str:
    book = {
        "asks": [[*level, "0", "1"] for level in asks],
        "bids": [[*level, "0", "1"] for level in bids],
        "ts": str(NOW_MS),
        "checksum": 0,
        "prevSeqId": before,
        "seqId": after,
        **more,
    }
    return _json({"arg": {"channel": "books", "instId": "BTC-USDT"}, "action": action, "data": [book]})


def okx_quote(at: int, bids: Side, asks: Side, **more: object) -> str:
    """Return the best quotes of a state of the book, as `bbo-tbt` tells them beside its changes."""
    bid = [max(bids.items(), key=lambda level: Decimal(level[0]))] if bids else []
    ask = [min(asks.items(), key=lambda level: Decimal(level[0]))] if asks else []
    best = {
        "asks": [[*level, "0", "4"] for level in ask],
        "bids": [[*level, "0", "2"] for level in bid],
        "ts": str(NOW_MS),
        "seqId": at,
        **more,
    }
    return _json({"arg": {"channel": "bbo-tbt", "instId": "BTC-USDT"}, "data": [best]})


def bitget_frame(action: str, before: int, after: int, bids: Change, asks: Change, **more: object) -> str:
    book = {"asks": asks, "bids": bids, "seq": after, "pseq": before, "ts": str(NOW_MS - 3), **more}
    arg = {"instType": "SPOT", "channel": "books", "instId": "BTCUSDT"}
    return _json({"action": action, "arg": arg, "data": [book], "ts": NOW_MS})


def bybit_frame(kind: str, after: int, bids: Change, asks: Change) -> str:
    data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": after, "seq": 7 * after}
    return _json({"topic": "orderbook.50.BTCUSDT", "type": kind, "ts": NOW_MS, "data": data, "cts": NOW_MS - 5})


def binance_frame(first: int, last: int, bids: Change, asks: Change) -> str:
    data = {"e": "depthUpdate", "E": NOW_MS, "s": "BTCUSDT", "U": first, "u": last, "b": bids, "a": asks}
    return _json({"stream": "btcusdt@depth@100ms", "data": data})


def binance_quote(at: int, bids: Side, asks: Side) -> str:
    """Return the best quotes of a state of the book, as they come beside its changes."""
    bid = max(bids.items(), key=lambda level: Decimal(level[0]), default=("0.00000000", "0.00000000"))
    ask = min(asks.items(), key=lambda level: Decimal(level[0]), default=("0.00000000", "0.00000000"))
    data = {"u": at, "s": "BTCUSDT", "b": bid[0], "B": bid[1], "a": ask[0], "A": ask[1]}
    return _json({"stream": "btcusdt@bookTicker", "data": data})


def binance_whole(truth: Truth) -> str:
    bids, asks = truth.sides()
    return _json({"lastUpdateId": truth.id, "bids": bids, "asks": asks})


def seats(symbol: str) -> dict[str, BookSeat]:
    return {symbol: BookSeat(0, SCALE)}


GATE = Dialect("gate", "BTC_USDT", lambda arena: GateFeed(seats("BTC_USDT"), arena), gate_whole, gate_change)
OKX = Dialect(
    "okx",
    "BTC-USDT",
    lambda arena: OkxFeed("okx", seats("BTC-USDT"), arena),
    lambda truth: okx_frame("snapshot", -1, truth.id, *truth.sides()),
    lambda before, after, bids, asks: okx_frame("update", before, after, bids, asks),
    quote=okx_quote,
)
BITGET = Dialect(
    "bitget",
    "BTCUSDT",
    lambda arena: BitgetFeed("bitget", seats("BTCUSDT"), arena),
    lambda truth: bitget_frame("snapshot", 0, truth.id, *truth.sides()),
    lambda before, after, bids, asks: bitget_frame("update", before, after, bids, asks),
)
BINANCE = Dialect(
    "binance",
    "BTCUSDT",
    lambda arena: BinanceFeed(seats("BTCUSDT"), arena),
    binance_whole,
    lambda before, after, bids, asks: binance_frame(before + 1, after, bids, asks),
    fetched=True,
    quote=binance_quote,
)
BYBIT = Dialect(
    "bybit",
    "BTCUSDT",
    lambda arena: BybitFeed(seats("BTCUSDT"), arena),
    lambda truth: bybit_frame("snapshot", truth.id, *truth.sides()),
    lambda before, after, bids, asks: bybit_frame("delta", after, bids, asks),
    single_steps=True,
)
GATE_EU = Dialect("gate", "BTC_USDT", gate_eu_feed, updates_whole, updates_frame, fetched=True)
DIALECTS = (GATE, GATE_EU, OKX, BITGET, BINANCE, BYBIT)
