"""OKX's websocket language: `/ws/v5/public` with books, tickers and trades, `/ws/v5/private` with the account's own.

Source: the venue's API v5, "WebSocket", and each channel's page. What a stock client and the captures add: a repeated
subscription is honoured with another snapshot; the checksum of `books` is always 0; a quiet book gets a keep-alive
about every minute, whose `prevSeqId` equals its `seqId` and whose sides are empty.
"""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.accounts import Balance
from arb.sandbox.exchange import SimExchange
from arb.sandbox.market import BookUpdate, daily_figures
from arb.sandbox.okx import wire
from arb.sandbox.okx.auth import OkxRefusal, check_expiry, check_login
from arb.sandbox.okx.orders import BATCH_SIZE_MAX, OkxOrders, envelope
from arb.sandbox.okx.wire import Json, encode
from arb.sandbox.values import BalanceChanged, Event, OrderChanged, OrderFilled, PublicTrade
from arb.sandbox.wire import CANCEL, PLACE, CommandSession, HttpAnswer, Session, Venue

MS_100 = 100 * NS_PER_MS
BOOK_CHANNELS = {"books": (400, MS_100), "books5": (5, MS_100), "bbo-tbt": (1, 10 * NS_PER_MS)}
TICKER_STREAM = (1, MS_100)
"""Which book stream paces the tickers."""
KEEP_ALIVE_NS = 60 * NS_PER_S
ORDER_OPS = {"order": PLACE, "batch-orders": PLACE, "cancel-order": CANCEL, "batch-cancel-orders": CANCEL}

Topic = tuple[str, str]
"""Channel and instrument id; for private channels the instrument type or currency, and the instrument id."""


def text(message: object) -> str:
    """Write a frame."""
    return encode(message).decode()


class OkxSession(CommandSession):
    """What both kinds of session share: commands, acknowledgements, refusals."""

    idle_ns: ClassVar[int] = 30 * NS_PER_S
    pushes_keep_alive: ClassVar[bool] = True

    def __init__(self, venue: Venue, path: str, exchange: SimExchange) -> None:
        super().__init__(venue, path)
        self.exchange = exchange
        self._asked_id: Json = {}
        """The id of the request being obeyed; empty where it has none."""

    @abstractmethod
    def subscribe(self, arg: Json, now_ns: int) -> None:
        """Start a channel; raises `OkxRefusal`."""

    @abstractmethod
    def unsubscribe(self, arg: Json) -> None:
        """Stop a channel."""

    def login(self, args: list[Json], now_ns: int) -> None:
        """Log in; only the private address knows how."""
        raise OkxRefusal("60008", "This operation doesn't support login for public channels")

    def command(self, message: dict[str, Any], now_ns: int) -> None:
        """Obey one JSON object from the client."""
        self._asked_id = {"id": message["id"]} if message.get("id") else {}
        args = message.get("args")
        if not isinstance(args, list) or not args or not all(isinstance(arg, dict) for arg in args):
            self._refuse("60012", f"Illegal request: {text(message)}", now_ns)
            return
        self._attempt(lambda: self.obey(message, args, now_ns), now_ns)

    def garbled(self, text: str, now_ns: int) -> None:
        """Answer a frame that is no JSON object."""
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
        """Do what one argument asks, or refuse that one alone."""
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
    """Return the refusal of an unknown channel, instrument or address."""
    named = ",".join(f"{name}:{value}" for name, value in arg.items())
    return OkxRefusal("60018", f"Wrong URL or {named} doesn't exist. Please use the correct URL and parameters.")


class OkxPublicSession(OkxSession):
    """Books, best prices, tickers and trades."""

    def __init__(self, venue: Venue, path: str, exchange: SimExchange) -> None:
        super().__init__(venue, path, exchange)
        self._topics: set[Topic] = set()
        self._sequence: dict[str, int] = {}
        """Last id sent on `books`, by symbol."""
        self._kept_alive: set[str] = set()

    def subscribe(self, arg: Json, now_ns: int) -> None:
        """Start a public channel with its snapshot."""
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

    def unsubscribe(self, arg: Json) -> None:
        """Stop a public channel."""
        channel, symbol = str(arg.get("channel", "")), wire.symbol_of(arg.get("instId", ""))
        self._topics.discard((channel, symbol))
        stream = TICKER_STREAM if channel == "tickers" else BOOK_CHANNELS.get(channel)
        if stream is not None:
            self.unsubscribe_book(symbol, *stream)

    def on_book(self, update: BookUpdate) -> None:
        """Push one step of a book on the channels that its stream feeds."""
        stream, now_ns = (update.depth, update.interval_ns), self.venue.now_ns
        if stream == TICKER_STREAM:
            self._push_ticker(update.symbol, now_ns)
        elif stream == BOOK_CHANNELS["books"]:
            self._push_book(update, now_ns, snapshot=False)
        else:
            channel = "books5" if stream == BOOK_CHANNELS["books5"] else "bbo-tbt"
            self._push_short(channel, update.symbol, now_ns)

    def on_event(self, event: Event) -> None:
        """Push a public trade."""
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
        self._push(channel, symbol, [data], "book", now_ns)

    def _push_ticker(self, symbol: str, now_ns: int) -> None:
        figures = daily_figures(self.exchange.market(symbol), now_ns)
        self._push("tickers", symbol, [wire.ticker(figures, symbol, now_ns)], "ticker", now_ns)

    def _push(self, channel: str, symbol: str, data: list[Json], kind: str, now_ns: int) -> None:
        arg = {"channel": channel, "instId": wire.inst_id(symbol)}
        self.push(text({"arg": arg, "data": data}), kind, symbol, now_ns)

    def _keep_alive_later(self, symbol: str, sequence: int) -> None:
        """Say, when a minute has passed without an update, that the book is still the same."""

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


class OkxPrivateSession(OkxSession):
    """The account's orders with their fills, and its balances, after a login; and orders placed over the socket."""

    def __init__(self, venue: Venue, path: str, exchange: SimExchange, orders: OkxOrders) -> None:
        super().__init__(venue, path, exchange)
        self._orders = orders
        self._logged_in = False
        self._subscribed: list[Json] = []

    def login(self, args: list[Json], now_ns: int) -> None:
        """Log in with key, passphrase, timestamp and signature."""
        if self.venue.key_revoked:
            raise OkxRefusal("60032", "API key doesn't exist")
        check_login(self.exchange.profile, args[0], now_ns // NS_PER_MS)
        self._logged_in = True
        frame = {"event": "login", "code": "0", "msg": "", "connId": self._connection(), **self._asked_id}
        self.answer(text(frame), now_ns)

    def subscribe(self, arg: Json, now_ns: int) -> None:
        """Start `orders` or `account`; the latter begins with all balances."""
        if not self._logged_in:
            raise OkxRefusal("60011", "Please log in")
        channel = arg.get("channel")
        if channel == "orders":
            if arg.get("instType") not in ("SPOT", "ANY"):
                raise no_such_channel(arg)
            if "instId" in arg and wire.symbol_of(arg["instId"]) not in self.exchange.instruments:
                raise no_such_channel(arg)
        elif channel != "account":
            raise no_such_channel(arg)
        self.acknowledge("subscribe", arg, now_ns)
        if arg not in self._subscribed:
            self._subscribed.append(arg)
        if channel == "account":
            self._push_balances(arg, now_ns)

    def obey(self, message: Json, args: list[Json], now_ns: int) -> None:
        """Obey a command; orders may come over the socket too."""
        op = message.get("op")
        if not isinstance(op, str) or op not in ORDER_OPS:
            super().obey(message, args, now_ns)
        elif not self._logged_in:
            raise OkxRefusal("60011", "Please log in")
        else:
            _perform_order_op(self, self._orders, message, args, now_ns)

    def unsubscribe(self, arg: Json) -> None:
        """Stop a private channel."""
        if arg in self._subscribed:
            self._subscribed.remove(arg)

    def on_event(self, event: Event) -> None:
        """Push what happened to an order or a balance."""
        if isinstance(event, OrderFilled):
            push = wire.order_push(event.order, event.fill, event.ns)
            self._push_order(event.order.symbol, push, "fill", event.ns)
        elif isinstance(event, OrderChanged) and _worth_a_push(event):
            self._push_order(event.order.symbol, wire.order_push(event.order, None, event.ns), "order", event.ns)
        elif isinstance(event, BalanceChanged):
            balance = Balance(event.free, event.locked)
            detail = wire.balance_detail(event.asset, balance, event.ns)
            for arg in self._subscribed:
                if arg["channel"] == "account" and arg.get("ccy", event.asset) == event.asset:
                    self._push_account(arg, [detail], event.ns)

    def _push_order(self, symbol: str, data: Json, kind: str, now_ns: int) -> None:
        for arg in self._subscribed:
            if arg["channel"] == "orders" and arg.get("instId", data["instId"]) == data["instId"]:
                self.push(text({"arg": self._signed(arg), "data": [data]}), kind, symbol, now_ns, lane="orders")

    def _push_balances(self, arg: Json, now_ns: int) -> None:
        wanted = arg.get("ccy")
        details = [
            wire.balance_detail(asset, balance, now_ns)
            for asset, balance in self.exchange.balances().items()
            if wanted in (None, asset)
        ]
        self._push_account(arg, details, now_ns)

    def _push_account(self, arg: Json, details: list[Json], now_ns: int) -> None:
        frame = {"arg": self._signed(arg), "data": [wire.account(details, now_ns)]}
        self.push(text(frame), "balance", None, now_ns, lane="account")

    def _signed(self, arg: Json) -> Json:
        return arg | {"uid": str(self.exchange.profile.user_id)}


def _worth_a_push(event: OrderChanged) -> bool:
    """Return whether a change is pushed: one that a fill made has been reported with that fill already."""
    if event.what == "put":
        return True
    by_quote = event.order.request.quote_size is not None
    return event.what == "finish" and (event.order.status != "closed" or by_quote)


def _perform_order_op(session: Session, orders: OkxOrders, message: Json, args: list[Json], now_ns: int) -> None:
    """Send an order request through the venue and answer it under its id; nothing is sent when no answer is due.

    Rates and codes are those of REST. Source: the venue's API v5, "WS / Place order" and its siblings. A request is
    `{"id","op","args","expTime"?}`; the answer repeats `id` and `op` around the envelope that REST would give. Since February
    2026 (changelog, "instId request parameter in WS order operation channels") an instrument is named by its number
    `instIdCode` only; `instId` is not read any more.
    """
    op = str(message["op"])
    args = [{key: value for key, value in item.items() if key != "instId"} for item in args]

    def execute(at_ns: int) -> HttpAnswer:
        return HttpAnswer(200, encode(_execute(orders, op, args, message.get("expTime"), at_ns)))

    def reply(answer: HttpAnswer, at_ns: int) -> None:
        try:
            content = msgspec.json.decode(answer.body)
        except msgspec.DecodeError:
            return  # what a gateway in front of REST would send has no counterpart on a socket
        frame = {"id": message.get("id", ""), "op": op, **content}
        session.answer(encode(frame).decode(), at_ns)

    session.perform(orders.describe(ORDER_OPS[op], args, op), execute, reply, now_ns)


def _execute(orders: OkxOrders, op: str, args: list[Json], expiry: object, now_ns: int) -> Json:
    try:
        if ORDER_OPS[op] == PLACE:
            check_expiry(None if expiry is None else str(expiry), now_ns // NS_PER_MS)
        if len(args) > (BATCH_SIZE_MAX if op.startswith("batch") else 1):
            raise OkxRefusal("60013", "Invalid args")
    except OkxRefusal as refusal:
        return {"code": refusal.code, "data": [], "msg": refusal.message}
    if any(not item.get("instIdCode") for item in args):
        unnamed = {
            "clOrdId": "",
            "ordId": "",
            "tag": "",
            "sCode": "50014",
            "sMsg": "Parameter instIdCode can not be empty",
        }
        return envelope([unnamed for _ in args], now_ns)
    if op == "order":
        return envelope([orders.place(args[0], now_ns)], now_ns)
    if op == "batch-orders":
        return envelope(orders.place_batch(args, now_ns), now_ns)
    if op == "cancel-order":
        return envelope([orders.cancel(args[0], now_ns)], now_ns)
    return envelope(orders.cancel_batch(args, now_ns), now_ns)
