"""Binance's public streams: `/stream` with wrapped frames, and `/ws/STREAM` with raw ones.

Source: `web-socket-streams.md`. Names are of lower-case symbols: a name that the venue does not know is acknowledged and
never served. A connection lives a day, and takes five messages a second. Books begin without a snapshot.
"""

from typing import Any
from urllib.parse import parse_qsl

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.binance import wire
from arb.sandbox.binance.candles import INTERVALS, streamed_candle
from arb.sandbox.binance.session import BinanceSession
from arb.sandbox.binance.spec import ROOT
from arb.sandbox.binance.wire import Json, encode, ms, native
from arb.sandbox.candle_feed import CandleFeed
from arb.sandbox.candles import Candle, Span
from arb.sandbox.exchange import SimExchange
from arb.sandbox.market import BookUpdate, daily_figures
from arb.sandbox.values import Event, PublicTrade
from arb.sandbox.wire import Venue

STREAMS_MAX = 1024
MESSAGES_A_SECOND = 5
WHOLE = 5000
"""As deep as a diff stream reaches: the depth of the deepest snapshot."""
_DIFFS = {"depth": (WHOLE, NS_PER_S), "depth@100ms": (WHOLE, 100 * NS_PER_MS)}
_PARTS = {
    f"depth{depth}{suffix}": (depth, interval_ns)
    for depth in (5, 10, 20)
    for suffix, interval_ns in (("", NS_PER_S), ("@100ms", 100 * NS_PER_MS))
}
_QUOTES = {"bookTicker": (1, 10 * NS_PER_MS), "ticker": (2, NS_PER_S), "miniTicker": (2, NS_PER_S)}
BOOKS = _DIFFS | _PARTS | _QUOTES
"""By stream: the depth and the interval of the book that paces it."""
TRADES = ("trade", "aggTrade")


class BinanceStreams(BinanceSession):
    def __init__(self, venue: Venue, path: str, exchange: SimExchange) -> None:
        super().__init__(venue, path)
        self.exchange = exchange
        self._is_combined = path.startswith(f"{ROOT}/stream")
        self._names: dict[str, tuple[str, str] | None] = {}
        """By stream, as named: its symbol and kind; None for one that the venue does not know."""
        self._candles = CandleFeed(self, self._push_candle)
        self._second, self._count = 0, 0

    # -- in --------------------------------------------------------------------------------------------------------

    def opened(self, query: str, now_ns: int) -> None:
        """Start the streams that the address names."""
        named = dict(parse_qsl(query)).get("streams", "") or self.path.removeprefix(f"{ROOT}/ws").strip("/")
        self._start([] if self._is_combined and "streams" not in query else named.split("/"), now_ns)

    def command(self, message: dict[str, Any], now_ns: int) -> None:
        self._count = self._count + 1 if now_ns // NS_PER_S == self._second else 1
        self._second = now_ns // NS_PER_S
        if self._count > MESSAGES_A_SECOND:
            self.close(now_ns)
            return
        method, params, number = message.get("method"), message.get("params"), message.get("id")
        if not isinstance(number, int | str | None) or isinstance(number, bool):
            self._refuse("Invalid request: request ID must be an unsigned integer", None, now_ns)
            return
        names = [str(name) for name in params] if isinstance(params, list) else []
        result: object = None
        if method == "SUBSCRIBE" and len({*self._names, *names}) <= STREAMS_MAX:
            self.say({"result": None, "id": number}, now_ns)
            self._start(names, now_ns)
            return
        if method == "UNSUBSCRIBE":
            self._stop(names)
        elif method == "LIST_SUBSCRIPTIONS":
            result = list(self._names)
        elif method == "GET_PROPERTY":
            result = self._is_combined
        elif method == "SET_PROPERTY" and len(params or ()) == 2 and isinstance(params, list):
            self._is_combined = params[1] is True
        else:
            known = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"
            self._refuse(f"Invalid request: unknown variant {method}, expected one of {known}", number, now_ns)
            return
        self.say({"result": result, "id": number}, now_ns)

    def garbled(self, now_ns: int) -> None:
        self.say({"error": {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}}, now_ns)

    def _refuse(self, said: str, number: object, now_ns: int) -> None:
        self.say({"error": {"code": 2, "msg": said}, "id": number}, now_ns)

    # -- subscriptions ---------------------------------------------------------------------------------------------

    def _start(self, names: list[str], now_ns: int) -> None:
        for name in names:
            known = None if name in self._names else self._find(name)
            self._names.setdefault(name, known)
            if known is None:
                continue
            symbol, kind = known
            if kind in BOOKS:
                self.subscribe_book(symbol, *BOOKS[kind], now_ns)
            if kind in _QUOTES:  # a quote confirms the stream of a still book, too
                self._push_quote(symbol, kind, now_ns)
            elif kind.startswith("kline_"):
                span = INTERVALS[kind.removeprefix("kline_")]
                self._candles.subscribe(symbol, span, now_ns)
                self._candles.push_present(symbol, span, now_ns)

    def _stop(self, names: list[str]) -> None:
        for name in names:
            known = self._names.pop(name, None)
            if known is None:
                continue
            symbol, kind = known
            if kind in BOOKS and not any(BOOKS.get(other) == BOOKS[kind] for _, other in self._known(symbol)):
                self.unsubscribe_book(symbol, *BOOKS[kind])
            elif kind.startswith("kline_"):
                self._candles.unsubscribe(symbol, INTERVALS[kind.removeprefix("kline_")])

    def _find(self, name: str) -> tuple[str, str] | None:
        spelling, _, kind = name.partition("@")
        symbol = next((one for one in self.exchange.instruments if native(one).lower() == spelling), None)
        is_served = kind in BOOKS or kind in TRADES or kind.removeprefix("kline_") in INTERVALS
        return None if symbol is None or not is_served else (symbol, kind)

    def _known(self, symbol: str) -> list[tuple[str, str]]:
        """Return the names of a symbol's streams, each with its kind."""
        return [(name, known[1]) for name, known in self._names.items() if known is not None and known[0] == symbol]

    # -- out -------------------------------------------------------------------------------------------------------

    def on_book(self, update: BookUpdate) -> None:
        for name, kind in self._known(update.symbol):
            if BOOKS.get(kind) != (update.depth, update.interval_ns):
                continue
            if kind in _QUOTES:
                self._push_quote(update.symbol, kind, self.venue.now_ns)
            elif kind in _DIFFS:
                self._push(name, _diff(update), "book", update.symbol)
            else:
                view = self.exchange.snapshot(update.symbol, update.depth)
                data = {"lastUpdateId": view.update_id, "bids": view.bids, "asks": view.asks}
                self._push(name, data, "book", update.symbol)

    def on_event(self, event: Event) -> None:
        if not isinstance(event, PublicTrade):
            return
        for name, kind in self._known(event.symbol):
            if kind in TRADES:
                self._push(name, wire.streamed_trade(event, kind), "trade", event.symbol)
        self._candles.on_trade(event)

    def _push_quote(self, symbol: str, kind: str, now_ns: int) -> None:
        if kind == "bookTicker":
            view = self.exchange.snapshot(symbol, 1)
            row = wire.book_ticker(symbol, view.bids, view.asks)
            sizes = {"b": row["bidPrice"], "B": row["bidQty"], "a": row["askPrice"], "A": row["askQty"]}
            data = {"u": view.update_id, "s": native(symbol)} | sizes
        else:
            figures = daily_figures(self.exchange.market(symbol), now_ns)
            data = wire.streamed_ticker(figures, symbol, now_ns, is_short=kind == "miniTicker")
        for name, other in self._known(symbol):
            if other == kind:
                self._push(name, data, "ticker", symbol)

    def _push_candle(self, symbol: str, span: Span, candle: Candle, is_over: bool, now_ns: int) -> None:
        interval = next(name for name, of in INTERVALS.items() if of == span)
        head = {"e": "kline", "E": ms(now_ns), "s": native(symbol)}
        data = head | {"k": {"s": native(symbol), **streamed_candle(candle, span, interval, is_over)}}
        self._push(f"{native(symbol).lower()}@kline_{interval}", data, "ticker", symbol)

    def wrapped(self, event: Json) -> Json:
        return self._framed("!serverShutdown", event)

    def _framed(self, name: str, data: Json) -> Json:
        return {"stream": name, "data": data} if self._is_combined else data

    def _push(self, name: str, data: Json, kind: str, symbol: str) -> None:
        self.push(encode(self._framed(name, data)).decode(), kind, symbol, self.venue.now_ns)


def _diff(update: BookUpdate) -> Json:
    head = {"e": "depthUpdate", "E": ms(update.ns), "s": native(update.symbol)}
    return head | {"U": update.first_id, "u": update.last_id, "b": update.bids, "a": update.asks}
