"""Bybit's `/v5/private`: the account's orders, executions and balances.

Source: the venue's API v5, "Authentication", "Order", "Execution" and "Wallet". A topic may be of spot only
(`order.spot`) or of all categories (`order`), not both in one request. No topic begins with a snapshot.
"""

from typing import Any, ClassVar

from arb.clock import NS_PER_MS
from arb.sandbox.accounts import Balance
from arb.sandbox.bybit import wire
from arb.sandbox.bybit.auth import BybitRefusal, check_login
from arb.sandbox.bybit.wire import Json
from arb.sandbox.bybit.ws import BybitSession, no_such_topic, text
from arb.sandbox.exchange import SimExchange
from arb.sandbox.values import BalanceChanged, Event, OrderChanged, OrderFilled
from arb.sandbox.wire import Venue

ORDERS, EXECUTIONS, WALLET = ("order.spot", "order"), ("execution.spot", "execution"), ("wallet",)


class BybitPrivateSession(BybitSession):
    pong: ClassVar[str] = "pong"

    def __init__(self, venue: Venue, path: str, exchange: SimExchange) -> None:
        super().__init__(venue, path, exchange)
        self._logged_in = False
        self._sent = 0

    def obey(self, op: str, args: list[Any], message: Json, now_ns: int) -> None:
        if op == "auth":
            if self.venue.key_revoked:
                raise BybitRefusal("10003", "API key is invalid.")
            check_login(self.exchange.profile, args, now_ns // NS_PER_MS)
            self._logged_in = True
            self.confirm(message, now_ns)
            return
        if not self._logged_in:
            raise BybitRefusal("20002", "error:request not authorized")
        super().obey(op, args, message, now_ns)

    def check(self, topic: str) -> None:
        if topic not in (*ORDERS, *EXECUTIONS, *WALLET, "position", "stopOrder"):
            raise no_such_topic(topic)

    def start(self, topic: str, now_ns: int) -> None:
        """Push nothing: no topic begins with a snapshot."""

    def on_event(self, event: Event) -> None:
        if isinstance(event, OrderFilled):
            fill = {"category": "spot", **wire.execution(event.fill, event.order)}
            self._push_rows(EXECUTIONS, fill, "fill", event.order.symbol, event.ns)
        if isinstance(event, OrderFilled) or (isinstance(event, OrderChanged) and event.is_news):
            order = {"category": "spot", **wire.order(event.order), "updatedTime": wire.ms(event.ns)}
            self._push_rows(ORDERS, order, "order", event.order.symbol, event.ns)
        elif isinstance(event, BalanceChanged):
            coin = wire.coin(event.asset, Balance(event.free, event.locked))
            self._push_rows(WALLET, wire.account([coin]), "balance", None, event.ns)

    def _push_rows(self, topics: tuple[str, ...], row: Json, kind: str, symbol: str | None, now_ns: int) -> None:
        for topic in topics:
            if topic in self.topics:
                self._sent += 1
                head = {"id": f"{self.id}-{self._sent}", "topic": topic, "creationTime": now_ns // NS_PER_MS}
                self.push(text(head | {"data": [row]}), kind, symbol, now_ns, lane=topic)
