"""OKX's `/ws/v5/private`: the account's orders, fills and balances, and orders sent over the socket.

Source: the venue's API v5, "WebSocket / Private Channel" and "Order Book Trading / Trade".
"""

import msgspec

from arb.sandbox.accounts import Balance
from arb.sandbox.exchange import SimExchange
from arb.sandbox.okx import wire
from arb.sandbox.okx.auth import OkxRefusal
from arb.sandbox.okx.orders import BATCH_SIZE_MAX, OPERATIONS, OkxOrders, envelope
from arb.sandbox.okx.wire import Json, encode
from arb.sandbox.okx.ws import OkxSession, no_such_channel, text
from arb.sandbox.values import BalanceChanged, Event, OrderChanged, OrderFilled
from arb.sandbox.wire import PLACE, HttpAnswer, Session, Venue


class OkxPrivateSession(OkxSession):
    """The account's orders with their fills, and its balances, after a login; and orders placed over the socket."""

    def __init__(self, venue: Venue, path: str, exchange: SimExchange, orders: OkxOrders) -> None:
        super().__init__(venue, path, exchange)
        self._orders = orders
        self._subscribed: list[Json] = []

    def subscribe(self, arg: Json, now_ns: int) -> None:
        """Start `orders` or `account`; the latter begins with all balances."""
        self.need_login()
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
        op = message.get("op")
        if not isinstance(op, str) or op not in OPERATIONS:
            super().obey(message, args, now_ns)
        else:
            self.need_login()
            _perform_order_op(self, self._orders, message, args, now_ns)

    def unsubscribe(self, arg: Json) -> None:
        if arg in self._subscribed:
            self._subscribed.remove(arg)

    def on_event(self, event: Event) -> None:
        if isinstance(event, OrderFilled):
            push = wire.order_push(event.order, event.fill, event.ns)
            self._push_order(event.order.symbol, push, "fill", event.ns)
        elif isinstance(event, OrderChanged) and event.is_news:
            push = wire.order_push(event.order, None, event.ns)
            if event.what == "amend":
                push["amendResult"] = "0"
            self._push_order(event.order.symbol, push, "order", event.ns)
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
            return  # answers of a gateway in front of REST have no counterpart on a socket
        frame = {"id": message.get("id", ""), "op": op, **content}
        session.answer(encode(frame).decode(), at_ns)

    session.perform(orders.describe(OPERATIONS[op].kind, args, op), execute, reply, now_ns)


def _execute(orders: OkxOrders, op: str, args: list[Json], expiry: object, now_ns: int) -> Json:
    try:
        if OPERATIONS[op].kind == PLACE:
            orders.check_expiry(None if expiry is None else str(expiry), now_ns)
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
    return envelope(orders.answer(op, args, now_ns), now_ns)
