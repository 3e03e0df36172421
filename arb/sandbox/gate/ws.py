"""Gate's websocket v4 for spot: market channels, private channels with per-frame auth, and order entry.

Written from Gate's "Spot WebSocket v4" pages. A subscription list is atomic. Private channels are signed frame by frame.
`spot.obu` begins with a full frame and may not be subscribed twice. `spot.order_place` answers twice.
"""

import json
from collections.abc import Callable

from arb.clock import NS_PER_MS
from arb.sandbox.candle_feed import CandleFeed
from arb.sandbox.candles import Candle, Span
from arb.sandbox.exact import ZERO, plain
from arb.sandbox.gate.account import is_unified
from arb.sandbox.gate.auth import GateError, check_channel
from arb.sandbox.gate.candles import candle_event, span_of
from arb.sandbox.gate.fields import (
    Json,
    fill_event_json,
    millis,
    order_event_json,
    pair_of,
    seconds,
    symbol_of,
    ticker_json,
)
from arb.sandbox.gate.routes import public_trade_json
from arb.sandbox.gate.trade import GateTrading, Limits
from arb.sandbox.market import BookUpdate
from arb.sandbox.values import BalanceChanged, Event, OrderChanged, OrderFilled, PublicTrade
from arb.sandbox.wire import Session, Venue, is_shallow

_OBU_INTERVALS = {50: 20 * NS_PER_MS, 400: 100 * NS_PER_MS}
_INTERVALS = {"10ms": 10 * NS_PER_MS, "20ms": 20 * NS_PER_MS, "100ms": 100 * NS_PER_MS, "1000ms": 1000 * NS_PER_MS}
_UPDATE_DEPTH = {"20ms": 20, "100ms": 100}
_BOOK_LEVELS = ("5", "10", "20", "30", "50", "100")
_PRIVATE = ("spot.orders", "spot.orders_v2", "spot.usertrades", "spot.usertrades_v2", "spot.balances")

BookKey = tuple[str, int, int]


class GateSession(Session):
    def __init__(self, venue: Venue, path: str, dialect: Limits) -> None:
        super().__init__(venue, path)
        self.exchange = venue.exchange
        self._pairs: dict[str, set[str]] = {}
        """Symbols subscribed per channel; `*` means all."""
        self._books: dict[BookKey, dict[str, str]] = {}
        """The channel of each book stream (`spot.obu ob.BTC_USDT.50`)."""
        self.trading = GateTrading(self, dialect)
        self._candles = CandleFeed(self, self._push_candle)
        self._subscribers: dict[str, Callable[[list[str], int], None]] = {
            "spot.obu": self._subscribe_obu,
            "spot.order_book_update": self._subscribe_update,
            "spot.order_book": self._subscribe_book,
            "spot.book_ticker": self._subscribe_book_ticker,
            "spot.tickers": self._subscribe_tickers,
            "spot.candlesticks": self._subscribe_candles,
        }

    # -- in --------------------------------------------------------------------------------------------------------

    def receive(self, text: str, now_ns: int) -> None:
        try:
            frame = json.loads(text) if is_shallow(text) else None
        except ValueError:
            frame = None
        if not isinstance(frame, dict):
            self._fail({}, 1, "invalid request body", now_ns)
            return
        channel, event = str(frame.get("channel", "")), str(frame.get("event", ""))
        if channel == "spot.ping":
            self._reply({"channel": "spot.pong", "event": "", "result": None}, now_ns)
        elif event == "api":
            self.trading.receive(channel, frame, text, now_ns)
        elif event in ("subscribe", "unsubscribe"):
            self._change(channel, event, frame, now_ns)
        else:
            self._fail(frame, 2, f"unknown event {event}", now_ns)

    def _change(self, channel: str, event: str, frame: Json, now_ns: int) -> None:
        payload = frame.get("payload")
        items = [str(item) for item in payload] if isinstance(payload, list) else []
        try:
            if channel in _PRIVATE:
                check_channel(
                    frame.get("auth"), channel, event, str(frame.get("time", "")), self.exchange.profile, now_ns
                )
            self._check_items(channel, items)
        except GateError as error:
            code = 4 if error.status in (401, 403) else 2
            message = json.dumps({"label": error.label, "message": error.message}) if code == 4 else error.message
            self._fail(frame, code, message, now_ns)
            return
        if event == "subscribe" and channel == "spot.obu" and self._is_doubled(items):
            self._fail(frame, 2, f"Alert sub {items[0]}", now_ns)
            return
        ack: Json = {"channel": channel, "event": event, "payload": items, "result": {"status": "success"}}
        self._reply({**_echo(frame), **ack}, now_ns)
        if event == "subscribe":
            self._subscribe(channel, items, now_ns)
        else:
            self._unsubscribe(channel, items)

    def _check_items(self, channel: str, items: list[str]) -> None:
        """Judge a whole payload before anything of it takes effect; raises `GateError`."""
        if channel == "spot.balances":
            return
        if channel in ("spot.order_book_update", "spot.order_book"):
            pairs, rest = items[:1], items[1:]
            if channel == "spot.order_book_update":
                good = rest in (["20ms"], ["100ms"])
            else:
                good = len(rest) == 2 and rest[0] in _BOOK_LEVELS and rest[1] in _INTERVALS
            if not good:
                raise GateError(400, "INVALID_PARAM_VALUE", f"invalid payload {items}")
        elif channel == "spot.obu":
            pairs = [_obu_pair(item) for item in items]
        elif channel == "spot.candlesticks":
            pairs = items[1:]
            span_of(items[0] if items else "")
            if len(pairs) != 1:
                raise GateError(400, "INVALID_PARAM_VALUE", f"invalid payload {items}")
        elif channel in (*_PRIVATE, "spot.trades", "spot.tickers", "spot.book_ticker"):
            pairs = [item for item in items if item != "!all"]
        else:
            raise GateError(400, "INVALID_PARAM_VALUE", f"unknown channel {channel}")
        if not items:
            raise GateError(400, "INVALID_PARAM_VALUE", "payload is required")
        for pair in pairs:
            if symbol_of(pair) not in self.exchange.markets:
                raise GateError(400, "INVALID_PARAM_VALUE", f"unknown currency pair {pair}")

    def _is_doubled(self, items: list[str]) -> bool:
        streams = {stream for feeds in self._books.values() for stream in feeds}
        return any(f"spot.obu {item}" in streams for item in items)

    # -- subscriptions ---------------------------------------------------------------------------------------------

    def _subscribe(self, channel: str, items: list[str], now_ns: int) -> None:
        subscribe = self._subscribers.get(channel)
        if subscribe is not None:
            subscribe(items, now_ns)
            return
        symbols = {"*" if item == "!all" else symbol_of(item) for item in items}
        self._pairs.setdefault(channel, set()).update(symbols or {"*"})

    def _unsubscribe(self, channel: str, items: list[str]) -> None:
        joined = " ".join(items)
        for key, feeds in list(self._books.items()):
            for stream in [s for s, c in feeds.items() if c == channel]:
                name = stream.split(" ", 1)[1]
                if name in items or name == joined:
                    del feeds[stream]
            if not feeds:
                del self._books[key]
                self.unsubscribe_book(*key)
        if channel == "spot.candlesticks":
            self._candles.unsubscribe(symbol_of(items[1]), span_of(items[0]))
        symbols = {"*" if item == "!all" else symbol_of(item) for item in items}
        self._pairs.get(channel, set()).difference_update(symbols or {"*"})

    def _join(self, channel: str, name: str, key: BookKey, now_ns: int) -> BookUpdate:
        self._books.setdefault(key, {})[f"{channel} {name}"] = channel
        return self.subscribe_book(*key, now_ns)

    def _subscribe_obu(self, items: list[str], now_ns: int) -> None:
        for item in items:
            depth = int(item.rsplit(".", 1)[1])
            update = self._join("spot.obu", item, (symbol_of(_obu_pair(item)), depth, _OBU_INTERVALS[depth]), now_ns)
            self._push_frame("spot.obu", _obu_result(update), "book", update.symbol, update.ns, now_ns)

    def _subscribe_update(self, items: list[str], now_ns: int) -> None:
        key = (symbol_of(items[0]), _UPDATE_DEPTH[items[1]], _INTERVALS[items[1]])
        self._join("spot.order_book_update", " ".join(items), key, now_ns)

    def _subscribe_book(self, items: list[str], now_ns: int) -> None:
        key = (symbol_of(items[0]), int(items[1]), _INTERVALS[items[2]])
        self._join("spot.order_book", " ".join(items), key, now_ns)
        self._push_book(key[0], key[1], now_ns)

    def _subscribe_book_ticker(self, items: list[str], now_ns: int) -> None:
        for item in items:
            self._join("spot.book_ticker", item, (symbol_of(item), 1, _INTERVALS["10ms"]), now_ns)
            self._push_book_ticker(symbol_of(item), now_ns)

    def _subscribe_tickers(self, items: list[str], now_ns: int) -> None:
        for item in items:
            self._join("spot.tickers", item, (symbol_of(item), 1, _INTERVALS["1000ms"]), now_ns)
            self._push_ticker(symbol_of(item), now_ns)

    def _subscribe_candles(self, items: list[str], now_ns: int) -> None:
        wanted = symbol_of(items[1]), span_of(items[0])
        self._candles.subscribe(*wanted, now_ns)
        self._candles.push_present(*wanted, now_ns)

    # -- out -------------------------------------------------------------------------------------------------------

    def on_book(self, update: BookUpdate) -> None:
        key = (update.symbol, update.depth, update.interval_ns)
        for channel in set(self._books.get(key, {}).values()):
            if channel == "spot.obu":
                self._push_shared("spot.obu", update, _obu_result)
            elif channel == "spot.order_book_update":
                self._push_shared("spot.order_book_update", update, _update_result)
            elif channel == "spot.order_book":
                self._push_book(update.symbol, update.depth, update.ns)
            elif channel == "spot.book_ticker":
                self._push_book_ticker(update.symbol, update.ns)
            elif channel == "spot.tickers":
                self._push_ticker(update.symbol, update.ns)

    def _push_shared(self, channel: str, update: BookUpdate, result: Callable[[BookUpdate], Json]) -> None:
        text = update.texts.get(channel)
        if text is None:
            text = update.texts[channel] = _frame(channel, result(update), update.ns)
        self.push(text, "book", update.symbol, update.ns)

    def _push_frame(self, channel: str, result: object, kind: str, symbol: str | None, ns: int, now_ns: int) -> None:
        lane = channel if channel in _PRIVATE else ""
        self.push(_frame(channel, result, max(ns, now_ns)), kind, symbol, now_ns, lane)

    def _push_book(self, symbol: str, depth: int, now_ns: int) -> None:
        view = self.exchange.snapshot(symbol, depth)
        result: Json = {
            "t": millis(view.ns),
            "lastUpdateId": view.update_id,
            "s": pair_of(symbol),
            "l": str(depth),
            "bids": view.bids,
            "asks": view.asks,
        }
        self._push_frame("spot.order_book", result, "book", symbol, view.ns, now_ns)

    def _push_book_ticker(self, symbol: str, now_ns: int) -> None:
        view = self.exchange.snapshot(symbol, 1)
        bid = view.bids[0] if view.bids else ["", "0"]
        ask = view.asks[0] if view.asks else ["", "0"]
        result: Json = {"t": millis(view.ns), "u": view.update_id, "s": pair_of(symbol)}
        result.update({"b": bid[0], "B": bid[1], "a": ask[0], "A": ask[1]})
        self._push_frame("spot.book_ticker", result, "ticker", symbol, view.ns, now_ns)

    def _push_ticker(self, symbol: str, now_ns: int) -> None:
        self._push_frame("spot.tickers", ticker_json(self.exchange, symbol), "ticker", symbol, now_ns, now_ns)

    def on_event(self, event: Event) -> None:
        if isinstance(event, PublicTrade):
            self._candles.on_trade(event)
            if self._wants("spot.trades", event.symbol):
                row = public_trade_json(event)
                row["id"] = event.trade_id
                row["create_time"] = seconds(event.ns)
                self._push_frame("spot.trades", row, "trade", event.symbol, event.ns, event.ns)
        elif isinstance(event, OrderChanged):
            for channel in self._wanting("spot.orders", event.order.symbol):
                row = order_event_json(event.order, event.what, self.exchange.profile.user_id)
                self._push_frame(channel, [row], "order", event.order.symbol, event.ns, event.ns)
        elif isinstance(event, OrderFilled):
            for channel in self._wanting("spot.usertrades", event.fill.symbol):
                row = fill_event_json(event.fill, self.exchange)
                self._push_frame(channel, [row], "fill", event.fill.symbol, event.ns, event.ns)
        elif self._wants("spot.balances", "*"):
            self._push_frame("spot.balances", [self._balance_json(event)], "balance", None, event.ns, event.ns)

    def _push_candle(self, symbol: str, span: Span, candle: Candle, is_over: bool, now_ns: int) -> None:
        result = candle_event(symbol, span, candle, is_over)
        self._push_frame("spot.candlesticks", result, "trade", symbol, now_ns, now_ns)

    def _balance_json(self, event: BalanceChanged) -> Json:
        # A unified account's funds are not in the spot account.
        free, locked = (ZERO, ZERO) if is_unified(self.exchange) else (event.free, event.locked)
        return {
            "timestamp": str(seconds(event.ns)),
            "timestamp_ms": str(millis(event.ns)),
            "user": str(self.exchange.profile.user_id),
            "currency": event.asset,
            "change": plain(event.change),
            "total": plain(free + locked),
            "available": plain(free),
            "freeze": plain(locked),
            "freeze_change": "0",
            "change_type": event.cause,
        }

    def _wants(self, channel: str, symbol: str) -> bool:
        symbols = self._pairs.get(channel)
        return symbols is not None and (symbol in symbols or "*" in symbols)

    def _wanting(self, channel: str, symbol: str) -> list[str]:
        return [name for name in (channel, f"{channel}_v2") if self._wants(name, symbol)]

    def _reply(self, content: Json, now_ns: int) -> None:
        head: Json = {"time": seconds(now_ns), "time_ms": millis(now_ns), "conn_id": f"{self.id:016x}"}
        self.answer(json.dumps({**head, **content}, separators=(",", ":")), now_ns)

    def _fail(self, frame: Json, code: int, message: str, now_ns: int) -> None:
        content: Json = {
            **_echo(frame),
            "channel": frame.get("channel", ""),
            "event": frame.get("event", ""),
            "payload": frame.get("payload"),
            "error": {"code": code, "message": message},
            "result": {"status": "fail"},
        }
        self._reply(content, now_ns)


def _echo(frame: Json) -> Json:
    return {"id": frame["id"], "requestId": f"{frame['id']}"} if "id" in frame else {}


def _obu_pair(item: str) -> str:
    """Return the pair of `ob.BTC_USDT.50`; raises `GateError` on another shape."""
    parts = item.split(".")
    if len(parts) != 3 or parts[0] != "ob" or parts[2] not in ("50", "400"):
        raise GateError(400, "INVALID_PARAM_VALUE", f"invalid payload {item}")
    return parts[1]


def _obu_result(update: BookUpdate) -> Json:
    result: Json = {"t": millis(update.ns), "s": f"ob.{pair_of(update.symbol)}.{update.depth}", "u": update.last_id}
    if update.full:
        result["full"] = True
    else:
        result["U"] = update.first_id
    return {**result, "b": update.bids, "a": update.asks}


def _update_result(update: BookUpdate) -> Json:
    return {
        "t": millis(update.ns),
        "e": "depthUpdate",
        "E": seconds(update.ns),
        "s": pair_of(update.symbol),
        "U": update.first_id,
        "u": update.last_id,
        "l": str(update.depth),
        "b": update.bids,
        "a": update.asks,
    }


def _frame(channel: str, result: object, ns: int) -> str:
    content = {"time": seconds(ns), "time_ms": millis(ns), "channel": channel, "event": "update", "result": result}
    return json.dumps(content, separators=(",", ":"))
