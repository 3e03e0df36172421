"""Bitget's websocket dialect: `/v2/ws/public` with books, tickers and trades, `/v2/ws/private` with the account's own.

A unified account has its own at `/v3/ws/private`. Source: the venue's API v2, "Websocket API", and each spot channel's
page; API v3, "Websocket API", "Private". The rest is known from stock clients and live reports. Book frames carry `seq`
and `pseq` (0 on a snapshot) and no checksum. A login frame may carry more than `op` and `args`. Acknowledgements repeat
the argument of the request.
"""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.accounts import Balance
from arb.sandbox.bitget import unified_wire, wire
from arb.sandbox.bitget.auth import BitgetRefusal, check_login
from arb.sandbox.bitget.candles import CHANNELS as CANDLE_CHANNELS
from arb.sandbox.bitget.candles import row as candle_row
from arb.sandbox.bitget.params import find_symbol
from arb.sandbox.bitget.reads import order_kind
from arb.sandbox.bitget.wire import Json
from arb.sandbox.candle_feed import CandleFeed
from arb.sandbox.candles import Candle, Span
from arb.sandbox.exchange import SimExchange
from arb.sandbox.market import BookUpdate, daily_figures
from arb.sandbox.values import BalanceChanged, Event, OrderChanged, OrderFilled, PublicTrade
from arb.sandbox.wire import CommandSession, RateMeter, Venue

MS_150 = 150 * NS_PER_MS
BOOK_CHANNELS = {
    "books": (200, MS_150),
    "books1": (1, 60 * NS_PER_MS),
    "books5": (5, MS_150),
    "books15": (15, MS_150),
}
TICKER_STREAM = (1, MS_150)
"""Which book stream paces the tickers."""
FRAMES_PER_SECOND_MAX = 10
FIRST_TRADES = 50
FIRST_CANDLES = 500
ALL = "default"
"""The name for every instrument or coin in a private subscription."""


def text(message: Json) -> str:
    return wire.encode(message).decode()


class BitgetSession(CommandSession):
    """Shared by both kinds of session: commands, acknowledgements, refusals."""

    idle_ns: ClassVar[int] = 120 * NS_PER_S

    def __init__(self, venue: Venue, path: str, exchange: SimExchange) -> None:
        super().__init__(venue, path)
        self.exchange = exchange
        self._rates = RateMeter()

    @abstractmethod
    def subscribe(self, arg: Json, now_ns: int) -> None:
        """Start a channel; raises `BitgetRefusal`."""

    @abstractmethod
    def unsubscribe(self, arg: Json) -> None:
        """Stop a channel."""

    def login(self, args: list[Json], now_ns: int) -> None:
        raise BitgetRefusal("30005", "Login failed")

    def receive(self, text: str, now_ns: int) -> None:
        """Handle one text frame; a client that sends more than ten a second is cut off."""
        if not self._rates.take("frames", FRAMES_PER_SECOND_MAX, NS_PER_S, now_ns).ok:
            self._refuse("30007", "request over limit,connection close", None, now_ns)
            self.close(now_ns)
            return
        super().receive(text, now_ns)

    def command(self, message: dict[str, Any], now_ns: int) -> None:
        args = message.get("args")
        if not isinstance(args, list) or not args or not all(isinstance(arg, dict) for arg in args):
            self._refuse("30016", "Param error", None, now_ns)
            return
        op = message.get("op")
        if op == "login":
            self._attempt(args[0], now_ns, lambda: self.login(args, now_ns), shown=None)
        elif op == "subscribe":
            for arg in args:
                self._attempt(arg, now_ns, lambda arg=arg: self.subscribe(arg, now_ns), shown=arg)
        elif op == "unsubscribe":
            for arg in args:
                self.unsubscribe(arg)
                self.acknowledge("unsubscribe", arg, now_ns)
        else:
            self._refuse("30003", "INVALID op", None, now_ns)

    def garbled(self, text: str, now_ns: int) -> None:
        self._refuse("30002", "Illegal request", None, now_ns)

    def _attempt(self, arg: Json, now_ns: int, act: Any, *, shown: Json | None) -> None:
        try:
            act()
        except BitgetRefusal as refusal:
            self._refuse(refusal.code, refusal.message, shown, now_ns)

    def acknowledge(self, event: str, arg: Json, now_ns: int) -> None:
        self.answer(text({"event": event, "arg": arg}), now_ns)

    def _refuse(self, code: str, message: str, arg: Json | None, now_ns: int) -> None:
        frame: Json = {"event": "error", "code": int(code), "msg": message}
        if arg is not None:
            frame["arg"] = arg
        self.answer(text(frame), now_ns)

    def data(self, action: str, arg: Json, rows: list[Any], kind: str, symbol: str | None, now_ns: int) -> None:
        frame = {"action": action, "arg": arg, "data": rows, "ts": now_ns // NS_PER_MS}
        self.push(text(frame), kind, symbol, now_ns, lane=arg.get("channel") or arg["topic"])


def no_such_channel(arg: Json) -> BitgetRefusal:
    named = ",".join(f"{name}:{value}" for name, value in arg.items())
    return BitgetRefusal("30001", f"{named} doesn't exist")


class BitgetPublicSession(BitgetSession):
    def __init__(self, venue: Venue, path: str, exchange: SimExchange) -> None:
        super().__init__(venue, path, exchange)
        self._topics: dict[tuple[str, str], Json] = {}
        """The argument of each subscription, by channel and symbol."""
        self._candles = CandleFeed(self, self._push_candle)

    def subscribe(self, arg: Json, now_ns: int) -> None:
        channel, symbol = str(arg.get("channel", "")), find_symbol(self.exchange, arg.get("instId"))
        if symbol is None or str(arg.get("instType", "")).upper() != "SPOT":
            raise no_such_channel(arg)
        if channel not in BOOK_CHANNELS and channel not in CANDLE_CHANNELS and channel not in ("ticker", "trade"):
            raise no_such_channel(arg)
        self.acknowledge("subscribe", arg, now_ns)
        self._topics[(channel, symbol)] = arg
        if channel in BOOK_CHANNELS:
            full = self.subscribe_book(symbol, *BOOK_CHANNELS[channel], now_ns)
            if channel == "books":
                self._push_book(full, arg, now_ns)
            else:
                self._push_short(channel, symbol, now_ns)
        elif channel == "ticker":
            self.subscribe_book(symbol, *TICKER_STREAM, now_ns)
            self._push_ticker(symbol, now_ns)
        elif channel in CANDLE_CHANNELS:
            past = self.exchange.market(symbol).candles.last(CANDLE_CHANNELS[channel], FIRST_CANDLES, now_ns + 1)
            self.data("snapshot", arg, [candle_row(candle) for candle in past], "trade", symbol, now_ns)
            self._candles.subscribe(symbol, CANDLE_CHANNELS[channel], now_ns)
        else:
            rows = [wire.public_trade(trade) for trade in self.exchange.public_trades(symbol, FIRST_TRADES)]
            self.data("snapshot", arg, rows, "trade", symbol, now_ns)

    def unsubscribe(self, arg: Json) -> None:
        channel, symbol = str(arg.get("channel", "")), find_symbol(self.exchange, arg.get("instId")) or ""
        self._topics.pop((channel, symbol), None)
        if channel in CANDLE_CHANNELS:
            self._candles.unsubscribe(symbol, CANDLE_CHANNELS[channel])
        stream = TICKER_STREAM if channel == "ticker" else BOOK_CHANNELS.get(channel)
        if stream is not None:
            self.unsubscribe_book(symbol, *stream)

    def on_book(self, update: BookUpdate) -> None:
        stream, now_ns = (update.depth, update.interval_ns), self.venue.now_ns
        if stream == TICKER_STREAM:
            self._push_ticker(update.symbol, now_ns)
        elif stream == BOOK_CHANNELS["books"]:
            self._push_book(update, self._topics[("books", update.symbol)], now_ns)
        else:
            channel = next(name for name, shape in BOOK_CHANNELS.items() if shape == stream)
            self._push_short(channel, update.symbol, now_ns)

    def on_event(self, event: Event) -> None:
        if not isinstance(event, PublicTrade):
            return
        self._candles.on_trade(event)
        arg = self._topics.get(("trade", event.symbol))
        if arg is not None:
            self.data("update", arg, [wire.public_trade(event)], "trade", event.symbol, event.ns)

    def _push_book(self, update: BookUpdate, arg: Json, now_ns: int) -> None:
        row = {
            "asks": update.asks,
            "bids": update.bids,
            "ts": wire.ms(update.ns),
            "seq": update.last_id,
            "pseq": 0 if update.full else update.previous_id,
        }
        self.data("snapshot" if update.full else "update", arg, [row], "book", update.symbol, now_ns)

    def _push_short(self, channel: str, symbol: str, now_ns: int) -> None:
        view = self.exchange.snapshot(symbol, BOOK_CHANNELS[channel][0])
        row = wire.book(view, now_ns) | {"seq": view.update_id, "pseq": 0}
        self.data("snapshot", self._topics[(channel, symbol)], [row], "book", symbol, now_ns)

    def _push_candle(self, symbol: str, span: Span, candle: Candle, is_over: bool, now_ns: int) -> None:
        for channel, known in CANDLE_CHANNELS.items():
            if known == span and (channel, symbol) in self._topics:
                self.data("update", self._topics[(channel, symbol)], [candle_row(candle)], "trade", symbol, now_ns)

    def _push_ticker(self, symbol: str, now_ns: int) -> None:
        row = wire.ticker(daily_figures(self.exchange.market(symbol), now_ns), symbol, now_ns)
        shown = {"instId": row.pop("symbol"), "open24h": row.pop("open"), **row}
        self.data("snapshot", self._topics[("ticker", symbol)], [shown], "ticker", symbol, now_ns)


class BitgetPrivateSession(BitgetSession):
    unified: ClassVar[bool] = False

    def __init__(self, venue: Venue, path: str, exchange: SimExchange) -> None:
        super().__init__(venue, path, exchange)
        self._logged_in = False
        self._subscribed: list[Json] = []

    def login(self, args: list[Json], now_ns: int) -> None:
        if self.venue.key_revoked:
            raise BitgetRefusal("30011", "Invalid ACCESS_KEY")
        check_login(self.exchange.profile, args[0], now_ns // NS_PER_MS)
        if (self.exchange.account_mode == "unified") is not self.unified:
            raise BitgetRefusal("30005", "Login failed")
        self._logged_in = True
        self.answer(text({"event": "login", "code": 0}), now_ns)

    def subscribe(self, arg: Json, now_ns: int) -> None:
        """Start `orders` or `fill` (of one instrument or all) or `account` (which begins with all balances)."""
        if not self._logged_in:
            raise BitgetRefusal("30004", "User needs to log in")
        channel = arg.get("channel")
        if str(arg.get("instType", "")).upper() != "SPOT" or channel not in ("orders", "fill", "account"):
            raise no_such_channel(arg)
        instrument = arg.get("instId", ALL)
        if channel != "account" and instrument != ALL and find_symbol(self.exchange, instrument) is None:
            raise no_such_channel(arg)
        self.acknowledge("subscribe", arg, now_ns)
        if arg not in self._subscribed:
            self._subscribed.append(arg)
        if channel == "account":
            rows = [
                wire.balance(asset, held, now_ns)
                for asset, held in self.exchange.balances().items()
                if arg.get("coin", ALL) in (ALL, asset)
            ]
            self.data("snapshot", arg, rows, "balance", None, now_ns)

    def unsubscribe(self, arg: Json) -> None:
        if arg in self._subscribed:
            self._subscribed.remove(arg)

    def on_event(self, event: Event) -> None:
        if isinstance(event, OrderFilled):
            order, fill = event.order, event.fill
            self._push_row("orders", order.symbol, wire.order_push(order, fill, event.ns), "fill", event.ns)
            row = wire.fill_push(fill, order_kind(self.exchange, fill))
            self._push_row("fill", order.symbol, row, "fill", event.ns)
        elif isinstance(event, OrderChanged) and event.is_news:
            row = wire.order_push(event.order, None, event.ns)
            self._push_row("orders", event.order.symbol, row, "order", event.ns)
        elif isinstance(event, BalanceChanged):
            row = wire.balance(event.asset, Balance(event.free, event.locked), event.ns)
            for arg in self._subscribed:
                if arg["channel"] == "account" and arg.get("coin", ALL) in (ALL, event.asset):
                    self.data("snapshot", arg, [row], "balance", None, event.ns)

    def _push_row(self, channel: str, symbol: str, row: Json, kind: str, now_ns: int) -> None:
        for arg in self._subscribed:
            if arg["channel"] == channel and arg.get("instId", ALL) in (ALL, wire.native(symbol)):
                self.data("snapshot", arg, [row], kind, symbol, now_ns)


class UnifiedPrivateSession(BitgetPrivateSession):
    """The same of a unified account: topics without an instrument, and one frame for all coins."""

    unified = True

    def subscribe(self, arg: Json, now_ns: int) -> None:
        """Start `order`, `fill`, `position` (there are none) or `account` (which begins with all balances)."""
        if not self._logged_in:
            raise BitgetRefusal("30004", "User needs to log in")
        topic = arg.get("topic")
        if arg.get("instType") != "UTA" or topic not in ("order", "fill", "account", "position"):
            raise BitgetRefusal("30001", f"{text(arg)} doesn't exist")
        self.acknowledge("subscribe", arg, now_ns)
        if arg not in self._subscribed:
            self._subscribed.append(arg)
        if topic == "account":
            self._push_coins("snapshot", self.exchange.balances().items(), now_ns)

    def on_event(self, event: Event) -> None:
        if isinstance(event, OrderFilled):
            order, fill = event.order, event.fill
            self._push_topic("order", unified_wire.order(order, "spot"), "fill", order.symbol, event.ns)
            row = unified_wire.fill_push(fill, order_kind(self.exchange, fill), wire.client_oid(order))
            self._push_topic("fill", row, "fill", order.symbol, event.ns)
        elif isinstance(event, OrderChanged) and event.is_news:
            self._push_topic("order", unified_wire.order(event.order, "spot"), "order", event.order.symbol, event.ns)
        elif isinstance(event, BalanceChanged):
            self._push_coins("update", [(event.asset, Balance(event.free, event.locked))], event.ns)

    def _push_topic(
        self, topic: str, row: Json, kind: str, symbol: str | None, now_ns: int, action: str = "snapshot"
    ) -> None:
        for arg in self._subscribed:
            if arg["topic"] == topic:
                self.data(action, arg, [row], kind, symbol, now_ns)

    def _push_coins(self, action: str, held: Iterable[tuple[str, Balance]], now_ns: int) -> None:
        coins = [unified_wire.coin(asset, balance, "debts") | {"borrow": "0"} for asset, balance in held]
        sums = dict.fromkeys(("totalEquity", "effEquity", "mmr", "imr", "mgnRatio", "unrealisedPnL"), "0")
        self._push_topic("account", sums | {"coin": coins}, "balance", None, now_ns, action)
