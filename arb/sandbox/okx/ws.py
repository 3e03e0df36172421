"""OKX's websocket dialect: the part shared by all addresses, and `/ws/v5/public` with books, tickers and trades.

Source: the venue's API v5, "WebSocket", and each channel's page. The rest is known from a stock client and the captures. A
repeated subscription is answered with another snapshot. The checksum of `books` is always 0. A quiet book gets a
keep-alive about every minute, with equal `prevSeqId` and `seqId` and empty sides.
"""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.exchange import SimExchange
from arb.sandbox.market import BookUpdate, daily_figures
from arb.sandbox.okx import wire
from arb.sandbox.okx.auth import OkxRefusal, check_login
from arb.sandbox.okx.params import PRODUCTS
from arb.sandbox.okx.reads import listed
from arb.sandbox.okx.wire import Json, encode
from arb.sandbox.values import Event, PublicTrade
from arb.sandbox.wire import CommandSession, Venue

MS_100 = 100 * NS_PER_MS
BOOK_CHANNELS = {"books": (400, MS_100), "books5": (5, MS_100), "bbo-tbt": (1, 10 * NS_PER_MS)}
TICKER_STREAM = (1, MS_100)
"""Which book stream paces the tickers."""
KEEP_ALIVE_NS = 60 * NS_PER_S

Topic = tuple[str, str]
"""Channel and instrument id; for private channels the instrument type or currency, and the instrument id."""


def text(message: object) -> str:
    return encode(message).decode()


class OkxSession(CommandSession):
    """Shared by both kinds of session: commands, acknowledgements, refusals."""

    idle_ns: ClassVar[int] = 30 * NS_PER_S
    pushes_keep_alive: ClassVar[bool] = True
    takes_logins: ClassVar[bool] = True

    def __init__(self, venue: Venue, path: str, exchange: SimExchange) -> None:
        super().__init__(venue, path)
        self.exchange = exchange
        self.logged_in = False
        self._asked_id: Json = {}
        """The id of the request being obeyed; empty where it has none."""

    @abstractmethod
    def subscribe(self, arg: Json, now_ns: int) -> None:
        """Start a channel; raises `OkxRefusal`."""

    @abstractmethod
    def unsubscribe(self, arg: Json) -> None:
        """Stop a channel."""

    def login(self, args: list[Json], now_ns: int) -> None:
        """Log in with key, passphrase, timestamp and signature, where the address takes logins."""
        if not self.takes_logins:
            raise OkxRefusal("60008", "This operation doesn't support login for public channels")
        if self.venue.key_revoked:
            raise OkxRefusal("60032", "API key doesn't exist")
        check_login(self.exchange.profile, args[0], now_ns // NS_PER_MS)
        self.logged_in = True
        frame = {"event": "login", "code": "0", "msg": "", "connId": self._connection(), **self._asked_id}
        self.answer(text(frame), now_ns)

    def need_login(self) -> None:
        if not self.logged_in:
            raise OkxRefusal("60011", "Please log in")

    def command(self, message: dict[str, Any], now_ns: int) -> None:
        self._asked_id = {"id": message["id"]} if message.get("id") else {}
        args = message.get("args")
        if not isinstance(args, list) or not args or not all(isinstance(arg, dict) for arg in args):
            self._refuse("60012", f"Illegal request: {text(message)}", now_ns)
            return
        self._attempt(lambda: self.obey(message, args, now_ns), now_ns)

    def garbled(self, text: str, now_ns: int) -> None:
        self._asked_id = {}
        self._refuse("60012", f"Illegal request: {text}", now_ns)

    def obey(self, message: Json, args: list[Json], now_ns: int) -> None:
        """Obey a command with its arguments; raises `OkxRefusal`."""
        op = message.get("op")
        if op == "login":
            self.login(args, now_ns)
        elif op in ("subscribe", "unsubscribe"):
            for arg in args:
                given = {name: value for name, value in arg.items() if value not in (None, "")}
                self._attempt(partial(self._change, op, given, now_ns), now_ns)
        else:
            raise OkxRefusal("60019", f"Invalid op: {op if isinstance(op, str) else text(op)}")

    def _change(self, op: str, arg: Json, now_ns: int) -> None:
        if op == "subscribe":
            self.subscribe(arg, now_ns)
        else:
            self.unsubscribe(arg)
            self.acknowledge("unsubscribe", arg, now_ns)

    def acknowledge(self, event: str, arg: Json, now_ns: int) -> None:
        """Confirm a subscription or its end, under the id of the request where it had one."""
        self.answer(text({"event": event, "arg": arg, "connId": self._connection(), **self._asked_id}), now_ns)

    def _attempt(self, act: Callable[[], None], now_ns: int) -> None:
        try:
            act()
        except OkxRefusal as refusal:
            self._refuse(refusal.code, refusal.message, now_ns)

    def _refuse(self, code: str, message: str, now_ns: int) -> None:
        frame = {"event": "error", "code": code, "msg": message, "connId": self._connection(), **self._asked_id}
        self.answer(text(frame), now_ns)

    def _connection(self) -> str:
        return f"{self.id:08x}"


def no_such_channel(arg: Json) -> OkxRefusal:
    named = ",".join(f"{name}:{value}" for name, value in arg.items())
    return OkxRefusal("60018", f"Wrong URL or {named} doesn't exist. Please use the correct URL and parameters.")


class OkxPublicSession(OkxSession):
    takes_logins: ClassVar[bool] = False

    def __init__(self, venue: Venue, path: str, exchange: SimExchange) -> None:
        super().__init__(venue, path, exchange)
        self._topics: set[Topic] = set()
        self._sequence: dict[str, int] = {}
        """Last id sent on `books`, by symbol."""
        self._kept_alive: set[str] = set()

    def subscribe(self, arg: Json, now_ns: int) -> None:
        if arg.get("channel") in ("instruments", "status"):
            self._announce(arg, now_ns)
            return
        channel, symbol = str(arg.get("channel", "")), wire.symbol_of(arg.get("instId", ""))
        if symbol not in self.exchange.instruments:
            raise no_such_channel(arg)
        if channel not in BOOK_CHANNELS and channel not in ("tickers", "trades"):
            raise no_such_channel(arg)
        self.acknowledge("subscribe", arg, now_ns)
        if channel in BOOK_CHANNELS:
            full = self.subscribe_book(symbol, *BOOK_CHANNELS[channel], now_ns)
            if channel == "books":
                self._push_book(full, now_ns, snapshot=True)
                if symbol not in self._kept_alive:
                    self._kept_alive.add(symbol)
                    self._keep_alive_later(symbol, full.last_id)
            else:
                self._push_short(channel, full.symbol, now_ns)
        elif channel == "tickers":
            self.subscribe_book(symbol, *TICKER_STREAM, now_ns)
            self._push_ticker(symbol, now_ns)
        self._topics.add((channel, symbol))

    def _announce(self, arg: Json, now_ns: int) -> None:
        """Start a channel of announcements: the instruments as they are, and no maintenance."""
        if arg["channel"] == "instruments" and arg.get("instType") not in PRODUCTS:
            raise no_such_channel(arg)
        self.acknowledge("subscribe", arg, now_ns)
        if arg["channel"] == "instruments" and arg["instType"] == "SPOT":
            self.push(text({"arg": arg, "data": listed(self.exchange)}), "ticker", None, now_ns)

    def unsubscribe(self, arg: Json) -> None:
        channel, symbol = str(arg.get("channel", "")), wire.symbol_of(arg.get("instId", ""))
        self._topics.discard((channel, symbol))
        stream = TICKER_STREAM if channel == "tickers" else BOOK_CHANNELS.get(channel)
        if stream is not None:
            self.unsubscribe_book(symbol, *stream)

    def on_book(self, update: BookUpdate) -> None:
        stream, now_ns = (update.depth, update.interval_ns), self.venue.now_ns
        if stream == TICKER_STREAM:
            self._push_ticker(update.symbol, now_ns)
        elif stream == BOOK_CHANNELS["books"]:
            self._push_book(update, now_ns, snapshot=False)
        else:
            channel = "books5" if stream == BOOK_CHANNELS["books5"] else "bbo-tbt"
            self._push_short(channel, update.symbol, now_ns)

    def on_event(self, event: Event) -> None:
        if isinstance(event, PublicTrade) and ("trades", event.symbol) in self._topics:
            data = wire.public_trade(event) | {"count": "1"}
            self._push("trades", event.symbol, [data], "trade", event.ns)

    def _push_book(self, update: BookUpdate, now_ns: int, *, snapshot: bool) -> None:
        self._sequence[update.symbol] = update.last_id
        frame = update.texts.get("okx")
        if frame is None:
            data = {
                "asks": wire.book_levels(update.asks),
                "bids": wire.book_levels(update.bids),
                "ts": wire.ms(update.ns),
                "checksum": 0,
                "prevSeqId": -1 if snapshot else update.previous_id,
                "seqId": update.last_id,
            }
            action = "snapshot" if snapshot else "update"
            arg = {"channel": "books", "instId": wire.inst_id(update.symbol)}
            frame = update.texts["okx"] = text({"arg": arg, "action": action, "data": [data]})
        self.push(frame, "book", update.symbol, now_ns)

    def _push_short(self, channel: str, symbol: str, now_ns: int) -> None:
        view = self.exchange.snapshot(symbol, BOOK_CHANNELS[channel][0])
        data = wire.book(view) | {"ts": wire.ms(now_ns)}
        if channel == "books5":
            data["instId"] = wire.inst_id(symbol)
        # Faults of books apply to the channels that books are built from.
        self._push(channel, symbol, [data], "ticker" if channel == "bbo-tbt" else "book", now_ns)

    def _push_ticker(self, symbol: str, now_ns: int) -> None:
        figures = daily_figures(self.exchange.market(symbol), now_ns)
        self._push("tickers", symbol, [wire.ticker(figures, symbol, now_ns)], "ticker", now_ns)

    def _push(self, channel: str, symbol: str, data: list[Json], kind: str, now_ns: int) -> None:
        arg = {"channel": channel, "instId": wire.inst_id(symbol)}
        self.push(text({"arg": arg, "data": data}), kind, symbol, now_ns)

    def _keep_alive_later(self, symbol: str, sequence: int) -> None:
        """Confirm, after a minute without an update, that the book is unchanged."""

        def keep_alive(_: int) -> None:
            if not self.is_open or ("books", symbol) not in self._topics:
                self._kept_alive.discard(symbol)
                return
            latest = self._sequence[symbol]
            if latest == sequence:
                self._push_keep_alive(symbol, latest)
            self._keep_alive_later(symbol, latest)

        self.venue.scheduler.at(self.venue.scheduler.now_ns + KEEP_ALIVE_NS, keep_alive)

    def _push_keep_alive(self, symbol: str, sequence: int) -> None:
        now_ns = self.venue.now_ns
        arg = {"channel": "books", "instId": wire.inst_id(symbol)}
        data = {"asks": [], "bids": [], "ts": wire.ms(now_ns), "checksum": 0, "prevSeqId": sequence, "seqId": sequence}
        self.push(text({"arg": arg, "action": "update", "data": [data]}), "book", symbol, now_ns)
