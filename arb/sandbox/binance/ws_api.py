"""Binance's websocket API, `/ws-api/v3`: requests to the endpoints, and the user data stream.

Source: `web-socket-api.md` and `user-data-stream.md`. A request signs all its parameters, sorted by name; after
`session.logon`, for which only Ed25519 keys are taken, it need not.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from arb.sandbox.accounts import Balance
from arb.sandbox.bills import DEPOSIT, INTEREST, TRANSFER, WITHDRAW
from arb.sandbox.binance import wire
from arb.sandbox.binance.auth import (
    NO_PERMISSION,
    BinanceRefusal,
    Params,
    check_identity,
    check_timing,
    missing,
    sorted_text,
)
from arb.sandbox.binance.desk import ENDPOINTS, Asked, Desk, answered, refused
from arb.sandbox.binance.session import BinanceSession
from arb.sandbox.binance.wire import Json, encode, ms
from arb.sandbox.values import BalanceChanged, Event, OrderChanged, OrderFilled
from arb.sandbox.wire import HttpAnswer, Venue

METHODS = {
    "ping": ("GET", "/api/v3/ping"),
    "time": ("GET", "/api/v3/time"),
    "exchangeInfo": ("GET", "/api/v3/exchangeInfo"),
    "depth": ("GET", "/api/v3/depth"),
    "ticker.book": ("GET", "/api/v3/ticker/bookTicker"),
    "order.place": ("POST", "/api/v3/order"),
    "order.cancel": ("DELETE", "/api/v3/order"),
    "order.status": ("GET", "/api/v3/order"),
    "openOrders.cancelAll": ("DELETE", "/api/v3/openOrders"),
    "openOrders.status": ("GET", "/api/v3/openOrders"),
    "allOrders": ("GET", "/api/v3/allOrders"),
    "myTrades": ("GET", "/api/v3/myTrades"),
    "account.status": ("GET", "/api/v3/account"),
    "account.commission": ("GET", "/api/v3/account/commission"),
    "account.rateLimits.orders": ("GET", "/api/v3/rateLimit/order"),
}
SESSION_WEIGHT = 2
"""The weight of connecting, and of each request about the session or its subscription."""
_MOVES = (DEPOSIT, WITHDRAW, TRANSFER, INTEREST)
_ENDS = {"CANCELED": "CANCELED", "EXPIRED_IN_MATCH": "TRADE_PREVENTION", "EXPIRED": "EXPIRED"}
"""The execution type of an order's end, by its status."""


class BinanceApiSession(BinanceSession):
    def __init__(self, venue: Venue, path: str, desk: Desk) -> None:
        super().__init__(venue, path)
        self.exchange = desk.exchange
        self._desk = desk
        self._connected_ns = venue.now_ns
        self._key, self._key_since_ns = "", 0
        """The key of a logon."""
        self._subscription: int | None = None
        self._is_by_logon = False
        self._subscriptions = 0
        self._shows_limits = True
        self._touched: dict[str, Balance] = {}
        """Balances that changed in the present instant."""
        self._own: dict[str, Callable[[Params, int], Json | list[Json]]] = {
            "session.logon": self._log_on,
            "session.logout": self._log_out,
            "session.status": self._status,
            "session.subscriptions": self._list,
            "userDataStream.subscribe": self._subscribe_logged_on,
            "userDataStream.subscribe.signature": self._subscribe_signed,
            "userDataStream.unsubscribe": self._unsubscribe,
        }

    # -- requests --------------------------------------------------------------------------------------------------

    def opened(self, query: str, now_ns: int) -> None:
        self._shows_limits = dict(parse_qsl(query)).get("returnRateLimits") != "false"
        try:
            self._desk.limits.weigh(SESSION_WEIGHT, now_ns)
        except BinanceRefusal:
            self.close(now_ns)

    def garbled(self, now_ns: int) -> None:
        self._reply({"id": None}, HttpAnswer(400, b'{"code":-1135,"msg":"Invalid JSON Request"}'), now_ns)

    def command(self, message: dict[str, Any], now_ns: int) -> None:
        method, params = str(message.get("method") or "").removeprefix("v3/"), message.get("params") or {}
        if not isinstance(params, dict) or not isinstance(message.get("id"), int | str | None):
            self.garbled(now_ns)
            return
        own, path = self._own.get(method), METHODS.get(method)
        if own is not None:
            self._reply(message, answered(lambda: self._obey(own, params, now_ns)), now_ns)
            return
        if path is None:
            unknown = BinanceRefusal("-1020", "This operation is not supported.")
            self._reply(message, refused(unknown), now_ns)
            return
        asked = Asked(ENDPOINTS[path], params, lambda: self._prove(params), now_ns)
        self.perform(
            self._desk.describe(asked.endpoint, params),
            lambda at_ns: answered(lambda: self._desk.obey(asked, at_ns)),
            lambda answer, at_ns: self._reply(message, answer, at_ns),
            now_ns,
        )

    def _obey(self, own: Callable[[Params, int], Json | list[Json]], params: Params, now_ns: int) -> Json | list[Json]:
        self._desk.limits.weigh(SESSION_WEIGHT, now_ns)
        return own(params, now_ns)

    def _prove(self, params: Params) -> None:
        """Raise `BinanceRefusal` unless a request is signed, or follows a logon whose key is still the account's."""
        if self._key and "signature" not in params:
            if self._key != self.exchange.profile.key or self.venue.key_revoked:
                raise BinanceRefusal(*NO_PERMISSION)
            return
        for name in ("apiKey", "signature"):
            if not params.get(name):
                raise missing(name)
        if self.venue.key_revoked:
            raise BinanceRefusal(*NO_PERMISSION)
        text = sorted_text(params)
        check_identity(self.exchange.profile, str(params["apiKey"]), text, str(params["signature"]))

    def _reply(self, message: Json, answer: HttpAnswer, now_ns: int) -> None:
        try:
            content = msgspec.json.decode(answer.body)
        except msgspec.DecodeError:  # a page of a proxy, or cut
            content = {"code": -1000, "msg": "An unknown error occurred while processing the request."}
        frame: Json = {"id": message.get("id"), "status": answer.status}
        frame["result" if answer.status == 200 else "error"] = content
        retry_s = answer.headers.get("Retry-After")
        if retry_s is not None:
            content["data"] = {"serverTime": ms(now_ns), "retryAfter": ms(now_ns) + 1000 * int(retry_s)}
        params = message.get("params")
        if (params if isinstance(params, dict) else {}).get("returnRateLimits", self._shows_limits):
            frame["rateLimits"] = self._desk.limits.all(now_ns)
        self.say(frame, now_ns)

    # -- the session -----------------------------------------------------------------------------------------------

    def _log_on(self, params: Params, now_ns: int) -> Json:
        if not self.exchange.profile.public_key:
            raise BinanceRefusal("-4056", "HMAC_SHA256 API key is not supported.")
        self._prove_signed(params, now_ns)
        self._key, self._key_since_ns = str(params["apiKey"]), now_ns
        return self._status(params, now_ns)

    def _prove_signed(self, params: Params, now_ns: int) -> None:
        if "signature" not in params:
            raise missing("signature")
        self._prove(params)
        check_timing(params, now_ns)

    def _log_out(self, params: Params, now_ns: int) -> Json:
        self._key, self._key_since_ns = "", 0
        if self._is_by_logon:
            self._end_stream(now_ns)
        return self._status(params, now_ns)

    def _status(self, _: Params, now_ns: int) -> Json:
        return {
            "apiKey": self._key or None,
            "authorizedSince": ms(self._key_since_ns) if self._key else None,
            "connectedSince": ms(self._connected_ns),
            "returnRateLimits": self._shows_limits,
            "serverTime": ms(now_ns),
            "userDataStream": self._subscription is not None,
        }

    def _list(self, _: Params, __: int) -> list[Json]:
        return [] if self._subscription is None else [{"subscriptionId": self._subscription}]

    def _subscribe_logged_on(self, _: Params, __: int) -> Json:
        if not self._key:
            raise missing("apiKey")
        return self._subscribe(by_logon=True)

    def _subscribe_signed(self, params: Params, now_ns: int) -> Json:
        self._prove_signed(params, now_ns)
        return self._subscribe(by_logon=False)

    def _subscribe(self, *, by_logon: bool) -> Json:
        if self._subscription is not None:
            raise BinanceRefusal("-2035", "User Data Stream subscription already active.")
        self._subscription, self._is_by_logon = self._subscriptions, by_logon
        self._subscriptions += 1
        return {"subscriptionId": self._subscription}

    def _unsubscribe(self, params: Params, now_ns: int) -> Json:
        if self._subscription is None or params.get("subscriptionId", self._subscription) != self._subscription:
            raise BinanceRefusal("-2036", "User Data Stream subscription not active.")
        self._end_stream(now_ns)
        return {}

    def _end_stream(self, now_ns: int) -> None:
        event = {"e": "eventStreamTerminated", "E": ms(now_ns)}
        self.say({"subscriptionId": self._subscription, "event": event}, now_ns)
        self._subscription = None

    # -- events ----------------------------------------------------------------------------------------------------

    def wrapped(self, event: Json) -> Json:
        return {"event": event}

    def on_event(self, event: Event) -> None:
        if self._subscription is None:
            return
        if isinstance(event, OrderFilled):
            report = wire.execution_report(event.order, "TRADE", event.ns, event.fill)
            self._push(report, "fill", event.order.symbol, event.ns)
        elif isinstance(event, OrderChanged) and event.what in ("put", "finish"):
            kind = "NEW" if event.what == "put" else _ENDS.get(wire.status(event.order))
            if kind is not None:
                report = wire.execution_report(event.order, kind, event.ns)
                self._push(report, "order", event.order.symbol, event.ns)
        elif isinstance(event, BalanceChanged):
            if event.cause in _MOVES and event.change:
                self._push(wire.balance_update(event.asset, event.change, event.ns), "balance", None, event.ns)
            if not self._touched:
                self.venue.scheduler.at(self.venue.scheduler.now_ns, lambda _: self._push_balances())
            self._touched[event.asset] = Balance(event.free, event.locked)

    def _push_balances(self) -> None:
        """Send all balances that one instant changed, as one event."""
        now_ns, held, self._touched = self.venue.now_ns, self._touched, {}
        self._push(wire.account_position(held, now_ns), "balance", None, now_ns)

    def _push(self, event: Json, kind: str, symbol: str | None, now_ns: int) -> None:
        if self._subscription is not None:
            frame = {"subscriptionId": self._subscription, "event": event}
            self.push(encode(frame).decode(), kind, symbol, now_ns, lane=str(event["e"]))
