"""Bybit's websocket dialect: the part shared by both addresses, and `/v5/public/spot`.

Source: the venue's API v5, "Connect", and each topic's page. A request names up to ten topics, and all of them start or
none. Its answer repeats `req_id`, not the topics. `u` of a book rises by one with each frame.
"""

from abc import abstractmethod
from typing import Any, ClassVar

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.bybit import wire
from arb.sandbox.bybit.auth import BybitRefusal
from arb.sandbox.bybit.candles import INTERVALS, streamed_candle
from arb.sandbox.bybit.params import find_symbol
from arb.sandbox.bybit.wire import Json, encode, native
from arb.sandbox.candle_feed import CandleFeed
from arb.sandbox.candles import Candle, Span
from arb.sandbox.exchange import SimExchange
from arb.sandbox.market import BookUpdate, daily_figures
from arb.sandbox.values import Event, PublicTrade
from arb.sandbox.wire import CommandSession, Venue

ARGS_MAX = 10
BOOKS = {
    "1": (1, 10 * NS_PER_MS),
    "50": (50, 20 * NS_PER_MS),
    "200": (200, 200 * NS_PER_MS),
    "1000": (1000, 200 * NS_PER_MS),
}
"""Depth and interval of the books of spot."""
TICKER_STREAM = (2, 50 * NS_PER_MS)
"""Which book stream paces the tickers."""


def text(message: object) -> str:
    return encode(message).decode()


class BybitSession(CommandSession):
    """Shared by both kinds of session: commands, acknowledgements, refusals, pings."""

    idle_ns: ClassVar[int] = 600 * NS_PER_S
    pushes_keep_alive: ClassVar[bool] = True
    pong: ClassVar[str]
    """The `op` of the answer to a ping."""

    def __init__(self, venue: Venue, path: str, exchange: SimExchange) -> None:
        super().__init__(venue, path)
        self.exchange = exchange
        self.topics: set[str] = set()

    @abstractmethod
    def check(self, topic: str) -> None:
        """Raise `BybitRefusal` unless a topic may start here."""

    @abstractmethod
    def start(self, topic: str, now_ns: int) -> None:
        """Push the first frames of a topic."""

    def stop(self, topic: str) -> None:
        """End a topic."""

    def command(self, message: dict[str, Any], now_ns: int) -> None:
        op = str(message.get("op") or "")
        if op == "ping":
            pong = {"success": True, "ret_msg": "pong", "conn_id": self._connection(), "op": self.pong}
            self.answer(text(pong | _asked(message)), now_ns)
            return
        args = message.get("args")
        try:
            self.obey(op, args if isinstance(args, list) else [], message, now_ns)
        except BybitRefusal as refusal:
            self._reply(message, now_ns, success=False, said=refusal.message)

    def garbled(self, text: str, now_ns: int) -> None:
        self._reply({}, now_ns, success=False, said="error:invalid request")

    def obey(self, op: str, args: list[Any], message: Json, now_ns: int) -> None:
        """Obey a command with its arguments; raises `BybitRefusal`."""
        topics = [str(arg) for arg in args]
        if op not in ("subscribe", "unsubscribe"):
            raise BybitRefusal("", f"error:unknown op,{op}")
        if not topics or len(topics) > ARGS_MAX:
            raise BybitRefusal("", "args size >10" if topics else "error:args is empty")
        if op == "subscribe":
            for topic in topics:
                self.check(topic)
                if topic in self.topics:
                    raise BybitRefusal("", f"error:already subscribed,topic:{topic}")
        self.confirm(message, now_ns)
        for topic in topics:
            if op == "subscribe":
                self.topics.add(topic)
                self.start(topic, now_ns)
            elif topic in self.topics:
                self.topics.discard(topic)
                self.stop(topic)

    def confirm(self, message: Json, now_ns: int) -> None:
        self._reply(message, now_ns, success=True, said="")

    def _reply(self, message: Json, now_ns: int, *, success: bool, said: str) -> None:
        frame = {"success": success, "ret_msg": said, "conn_id": self._connection(), **_asked(message)}
        self.answer(text(frame | {"op": str(message.get("op") or "")}), now_ns)

    def _connection(self) -> str:
        return f"sandbox-{self.id:08x}"


def _asked(message: Json) -> Json:
    return {"req_id": str(message["req_id"])} if message.get("req_id") else {}


def no_such_topic(topic: str) -> BybitRefusal:
    return BybitRefusal("", f"error:handler not found,topic:{topic}")


class BybitPublicSession(BybitSession):
    pong: ClassVar[str] = "ping"

    def __init__(self, venue: Venue, path: str, exchange: SimExchange) -> None:
        super().__init__(venue, path, exchange)
        self._updates: dict[tuple[str, str], int] = {}
        """Last `u` sent, by depth and symbol."""
        self._candles = CandleFeed(self, self._push_candle)

    def check(self, topic: str) -> None:
        kind, detail, symbol = _parts(topic)
        known = {"orderbook": detail in BOOKS, "kline": detail in INTERVALS, "tickers": True, "publicTrade": True}
        if not known.get(kind):
            raise no_such_topic(topic)
        if find_symbol(self.exchange, symbol) is None:
            raise BybitRefusal("", f"Invalid symbol :[{topic}]")

    def start(self, topic: str, now_ns: int) -> None:
        kind, detail, spelling = _parts(topic)
        symbol = find_symbol(self.exchange, spelling)
        assert symbol is not None
        if kind == "orderbook":
            full = self.subscribe_book(symbol, *BOOKS[detail], now_ns)
            self._push_book(detail, full, now_ns, snapshot=True)
        elif kind == "tickers":
            self.subscribe_book(symbol, *TICKER_STREAM, now_ns)
            self._push_ticker(symbol, now_ns)
        elif kind == "kline":
            self._candles.subscribe(symbol, INTERVALS[detail], now_ns)
            self._candles.push_present(symbol, INTERVALS[detail], now_ns)

    def stop(self, topic: str) -> None:
        kind, detail, spelling = _parts(topic)
        symbol = find_symbol(self.exchange, spelling)
        if symbol is not None and kind == "kline":
            self._candles.unsubscribe(symbol, INTERVALS[detail])
        elif symbol is not None and kind in ("orderbook", "tickers"):
            self.unsubscribe_book(symbol, *(BOOKS[detail] if detail else TICKER_STREAM))

    def on_book(self, update: BookUpdate) -> None:
        stream, now_ns = (update.depth, update.interval_ns), self.venue.now_ns
        if stream == TICKER_STREAM:
            self._push_ticker(update.symbol, now_ns)
            return
        detail = next(name for name, of in BOOKS.items() if of == stream)
        if detail == "1":  # only ever whole
            view = self.exchange.snapshot(update.symbol, 1)
            update.bids, update.asks = view.bids, view.asks
        self._push_book(detail, update, now_ns, snapshot=detail == "1")

    def on_event(self, event: Event) -> None:
        if not isinstance(event, PublicTrade):
            return
        topic = f"publicTrade.{native(event.symbol)}"
        if topic in self.topics:
            self._push(topic, "snapshot", [wire.streamed_trade(event)], "trade", event.symbol, event.ns)
        self._candles.on_trade(event)

    def _push_book(self, detail: str, update: BookUpdate, now_ns: int, *, snapshot: bool) -> None:
        named = (detail, update.symbol)
        # It never begins at 1, by which the venue announces a restart.
        number = self._updates[named] = self._updates.get(named, update.last_id) + 1
        data = {"s": native(update.symbol), "b": update.bids, "a": update.asks, "u": number, "seq": update.last_id}
        topic, kind = f"orderbook.{detail}.{native(update.symbol)}", "snapshot" if snapshot else "delta"
        self._push(topic, kind, data, "book", update.symbol, now_ns, {"cts": update.ns // NS_PER_MS})

    def _push_ticker(self, symbol: str, now_ns: int) -> None:
        figures = daily_figures(self.exchange.market(symbol), now_ns)
        data = wire.streamed_ticker(figures, symbol)
        self._push(f"tickers.{native(symbol)}", "snapshot", data, "ticker", symbol, now_ns)

    def _push_candle(self, symbol: str, span: Span, candle: Candle, is_over: bool, now_ns: int) -> None:
        interval = next(name for name, of in INTERVALS.items() if of == span)
        data = [streamed_candle(candle, span, interval, is_over, now_ns)]
        self._push(f"kline.{interval}.{native(symbol)}", "snapshot", data, "ticker", symbol, now_ns)

    def _push(
        self, topic: str, kind: str, data: object, of: str, symbol: str, now_ns: int, more: Json | None = None
    ) -> None:
        frame = {"topic": topic, "ts": now_ns // NS_PER_MS, "type": kind, "data": data, **(more or {})}
        self.push(text(frame), of, symbol, now_ns)


def _parts(topic: str) -> tuple[str, str, str]:
    """Return a topic's kind, its depth or interval ("" where it has none), and the symbol in the venue's spelling."""
    kind, _, rest = topic.partition(".")
    detail, _, symbol = rest.rpartition(".")
    return kind, detail, symbol
