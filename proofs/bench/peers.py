"""The peers that are libraries of others: found when installed, and driven as their users drive them."""

import contextlib
import importlib
import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

NATIVE_SYMBOL, SYMBOL, STD_SYMBOL = "BTC_USDT", "BTC/USDT", "BTC-USDT"
CCXT_PRO_GATE = "ccxt.pro gate"


def find(name: str) -> Any | None:
    """Import a library; None when it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


class Nobody:
    """The part of a ccxt websocket client that a handler touches, with nobody waiting for the book."""

    def __init__(self) -> None:
        self.subscriptions: dict[str, Any] = {}

    def resolve(self, result: Any, message_hash: str) -> Any:
        """Wake nobody."""
        return result


class CcxtBooks:
    """`ccxt.pro.gate` as its own websocket client drives it: decode the frame, then `handle_message`."""

    def __init__(self, natives: Iterable[str] = (NATIVE_SYMBOL,)) -> None:
        pro = importlib.import_module("ccxt.pro")
        decoder = find("orjson") or importlib.import_module("json")  # ccxt takes orjson where it finds it
        self._decode = decoder.loads
        self._exchange: Any = with_markets(pro.gate(), natives)
        self._client = Nobody()

    def feed(self, frames: Iterable[bytes]) -> None:
        """Apply frames."""
        decode, handle, client = self._decode, self._exchange.handle_message, self._client
        for raw in frames:
            handle(client, decode(raw))

    def best(self) -> tuple[float, float]:
        """Return the best bid and ask of the book, to see that it was kept."""
        book = self._exchange.orderbooks[SYMBOL]
        return book["bids"][0][0], book["asks"][0][0]


class CryptofeedBooks:
    """`cryptofeed`'s Gate feed as its connection drives it, with one callback; its dialect is `order_book_update`."""

    def __init__(self, whole: bytes) -> None:
        exchanges, symbols = map(importlib.import_module, ("cryptofeed.exchanges", "cryptofeed.symbols"))
        types = importlib.import_module("cryptofeed.types")
        gate = exchanges.Gateio
        symbols.Symbols.set(gate.id, {STD_SYMBOL: NATIVE_SYMBOL}, {"instrument_type": {STD_SYMBOL: "spot"}})
        self._feed = gate(symbols=[STD_SYMBOL], channels=["l2_book"], callbacks={"l2_book": _seen})
        self._feed._reset()  # as when it subscribes
        first = json.loads(whole)["result"]
        book = self._feed._l2_book[STD_SYMBOL] = types.OrderBook(gate.id, STD_SYMBOL)
        book.book.bids = {Decimal(price): Decimal(size) for price, size in first["b"]}
        book.book.asks = {Decimal(price): Decimal(size) for price, size in first["a"]}
        self._feed.last_update_id[STD_SYMBOL] = first["u"]

    def feed(self, frames: Iterable[bytes]) -> None:
        """Apply frames in the dialect that it reads (`as_updates`)."""
        handle = self._feed.message_handler
        for raw in frames:
            with contextlib.suppress(StopIteration):  # nothing in it waits
                handle(raw, None, 0.0).send(None)

    def best(self) -> tuple[float, float]:
        """Return the best bid and ask of the book, to see that it was kept."""
        book = self._feed._l2_book[STD_SYMBOL].book
        return float(book.bids.index(0)[0]), float(book.asks.index(0)[0])


async def _seen(book: Any, receipt_timestamp: float) -> None:
    """Look at no book."""


def as_updates(frames: Iterable[bytes], level: int) -> list[bytes]:
    """Return frames of `spot.obu` as the channel `spot.order_book_update` has them."""
    obu, updates = f"ob.{NATIVE_SYMBOL}.{level}".encode(), NATIVE_SYMBOL.encode()
    return [raw.replace(b"spot.obu", b"spot.order_book_update").replace(obu, updates) for raw in frames]


class NautilusBooks:
    """`nautilus_trader`'s book, filled as its adapters do: typed decoding, a delta for each level, one call for all of them."""

    def __init__(self, whole: bytes, decode: Callable[[bytes], Any]) -> None:
        names = ("book", "data", "enums", "identifiers", "objects")
        book, data, enums, identifiers, objects = (importlib.import_module(f"nautilus_trader.model.{n}") for n in names)
        self._decode, self._data, self._enums, self._objects = decode, data, enums, objects
        self._id = identifiers.InstrumentId.from_str(f"{NATIVE_SYMBOL}.GATE")
        self._book = book.OrderBook(self._id, enums.BookType.L2_MBP)
        self.feed([whole])

    def feed(self, frames: Iterable[bytes]) -> None:
        """Apply frames."""
        delta, order = self._data.OrderBookDelta, self._data.BookOrder
        price_of, size_of = self._objects.Price.from_str, self._objects.Quantity.from_str
        update, delete = self._enums.BookAction.UPDATE, self._enums.BookAction.DELETE
        sides = self._enums.OrderSide.BUY, self._enums.OrderSide.SELL
        for raw in frames:
            changed = self._decode(raw).result
            deltas = []
            for side, levels in zip(sides, (changed.b, changed.a), strict=True):
                for price, size in levels:
                    said = order(side, price_of(price), size_of(size), 0)
                    deltas.append(delta(self._id, delete if size == "0" else update, said, 0, changed.u, 0, 0))
            if deltas:
                self._book.apply_deltas(self._data.OrderBookDeltas(self._id, deltas))

    def best(self) -> tuple[float, float]:
        """Return the best bid and ask of the book, to see that it was kept."""
        return float(self._book.best_bid_price()), float(self._book.best_ask_price())


def with_markets(exchange: Any, natives: Iterable[str] = (NATIVE_SYMBOL,)) -> Any:
    """Give a ccxt exchange the markets that are traded, as `load_markets` would."""
    exchange.set_markets([_market(exchange, *native.split("_")) for native in natives])
    return exchange


def _market(exchange: Any, base: str, quote: str) -> Any:
    return exchange.safe_market_structure(
        {
            "id": f"{base}_{quote}",
            "symbol": f"{base}/{quote}",
            "base": base,
            "quote": quote,
            "baseId": base,
            "quoteId": quote,
            "type": "spot",
            "spot": True,
            "active": True,
            "contract": False,
            "precision": {"amount": 0.0001, "price": 0.1},
            "limits": {},
        }
    )
