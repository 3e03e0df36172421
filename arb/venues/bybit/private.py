"""Bybit's private topics for spot: `order.spot`, `execution.spot` and `wallet` (API v5, "Websocket Stream", "Private").

Authenticate first, then subscribe to all three in one request, whose answer names no topic. No topic begins with a
snapshot. An order's push does not show its last fill: executions have their own topic, and may be other than trades.
The order of a fill that raced its cancel is pushed as filled twice.
"""

import hashlib
import hmac
from typing import Any

import msgspec

from arb.clock import NS_PER_MS
from arb.core.messages.events import OrderFilled, OrderUpdated
from arb.errors import VenueProtocolError
from arb.market.fill import FillSource
from arb.market.order import OrderReport
from arb.venues.bybit import records
from arb.venues.kit.fields import Fields, Symbols
from arb.venues.kit.private_dialect import NOTHING, PrivateFrame, balances_frame, decode_frame, rows_frame

TOPICS = ["order.spot", "execution.spot", "wallet"]
_VALID_MS = 10_000
"""How long after it was signed an authentication may arrive."""
_PING = '{"op":"ping"}'


class BybitPrivate:
    """See `arb.venues.kit.private_dialect.PrivateDialect`. `symbols` are learnt by the dialect that reads the listing."""

    venue = "bybit"

    def __init__(self, key: str, secret: str, symbols: Symbols) -> None:
        self._key = key
        self._secret = secret.encode()
        self._symbols = symbols

    def greetings(self, now_ns: int) -> tuple[str, ...]:
        expires_ms = now_ns // NS_PER_MS + _VALID_MS
        seal = hmac.digest(self._secret, f"GET/realtime{expires_ms}".encode(), hashlib.sha256).hex()
        return (_message("auth", [self._key, expires_ms, seal]),)

    def ping(self, now_ns: int) -> str | None:
        return _PING

    def on_frame(self, received_ns: int, now_ns: int, raw: bytes) -> PrivateFrame:
        try:
            fields = Fields(self.venue, "private frame", decode_frame(self.venue, raw))
            topic = fields.maybe_text("topic")
            return self._replied(fields) if topic is None else self._pushed(received_ns, topic, fields)
        except VenueProtocolError as error:
            return PrivateFrame(errors=(error,))

    def _replied(self, fields: Fields) -> PrivateFrame:
        op = fields.maybe_text("op")
        if op in ("auth", "subscribe") and not fields.flag("success"):
            return PrivateFrame(refused=f"{op}: {fields.maybe_text('ret_msg')}")
        if op == "auth":
            return PrivateFrame(send=(_message("subscribe", TOPICS),))
        return PrivateFrame(ready=True) if op == "subscribe" else NOTHING

    def _pushed(self, received_ns: int, topic: str, fields: Fields) -> PrivateFrame:
        rows, kind = fields.rows("data"), topic.removesuffix(".spot")  # which frames carry or not
        if kind == "order":
            return rows_frame(rows, lambda raw: [OrderUpdated(report=self._report(raw))])
        if kind == "execution":
            return rows_frame(rows, lambda raw: self._filled(raw, received_ns))
        if kind == "wallet":
            return balances_frame(self.venue, rows, lambda raw: records.balances(self.venue, raw).items())
        return NOTHING

    def _report(self, raw: Any) -> OrderReport:
        return records.order_report(self.venue, raw, self._symbols)

    def _filled(self, raw: Any, received_ns: int) -> list[OrderFilled]:
        if not records.is_trade(self.venue, raw):
            return []
        return [OrderFilled(fill=records.fill(self.venue, raw, self._symbols, FillSource.STREAM, received_ns))]


def _message(op: str, args: list[Any]) -> str:
    return msgspec.json.encode({"op": op, "args": args}).decode()
