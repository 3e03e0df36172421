"""Binance's user data, over the websocket API (spot, "User Data Stream requests", "User Data Streams").

One signed request subscribes, with a key of any kind; `session.logon` would take Ed25519 keys only, and listen keys are no
more. Events are in an envelope, older ones bare. There is no snapshot. The venue pings every 20 s, and the connection
answers each ping with its payload.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from arb.clock import NS_PER_MS
from arb.core.messages.events import OrderFilled, OrderUpdated
from arb.errors import VenueProtocolError
from arb.venues.binance import records
from arb.venues.binance.signing import Sealer
from arb.venues.kit.fields import Fields, Symbols
from arb.venues.kit.private_dialect import (
    NOTHING,
    PrivateEvent,
    PrivateFrame,
    balances_frame,
    decode_frame,
    rows_frame,
)

_SUBSCRIBE = "userDataStream.subscribe.signature"
_ENDINGS = frozenset({"serverShutdown", "eventStreamTerminated"})


class BinancePrivate:
    """See `arb.venues.kit.private_dialect.PrivateDialect`. `symbols` are learnt by the dialect that reads the listing."""

    venue = "binance"

    def __init__(self, key: str, sealer: Sealer, symbols: Symbols) -> None:
        self._key = key
        self._sealer = sealer
        self._symbols = symbols

    def greetings(self, now_ns: int) -> tuple[str, ...]:
        """Return the subscription; its parameters are signed in the order of their names."""
        params: dict[str, Any] = {"apiKey": self._key, "timestamp": now_ns // NS_PER_MS}
        text = "&".join(f"{name}={params[name]}" for name in sorted(params))
        params["signature"] = self._sealer.seal(text.encode())
        return (msgspec.json.encode({"id": 1, "method": _SUBSCRIBE, "params": params}).decode(),)

    def ping(self, now_ns: int) -> str | None:
        return '{"id":2,"method":"ping"}'

    def on_frame(self, received_ns: int, now_ns: int, raw: bytes) -> PrivateFrame:
        try:
            fields = Fields(self.venue, "private frame", decode_frame(self.venue, raw))
            if fields.has("status") or fields.has("error"):
                return self._answered(fields)
            inner = next((name for name in ("event", "data") if isinstance(fields.raw(name), dict)), None)
            return self._pushed(received_ns, fields if inner is None else fields.object(inner))
        except VenueProtocolError as error:
            return PrivateFrame(errors=(error,))

    def _answered(self, fields: Fields) -> PrivateFrame:
        if fields.has("error"):
            error = fields.object("error")
            return PrivateFrame(refused=f"{error.maybe_text('code')} {error.maybe_text('msg')}")
        subscribed = isinstance(result := fields.raw("result"), dict) and "subscriptionId" in result
        return PrivateFrame(ready=True) if subscribed else NOTHING

    def _pushed(self, received_ns: int, event: Fields) -> PrivateFrame:
        kind = event.maybe_text("e")
        if kind == "executionReport":
            return rows_frame((event,), lambda report: self._executed(report, received_ns))
        if kind == "outboundAccountPosition":
            return balances_frame(
                self.venue, (event,), lambda account: records.balances(account.objects("B"), "a", "f", "l").items()
            )
        return PrivateFrame(closing=True) if kind in _ENDINGS else NOTHING

    def _executed(self, event: Fields, received_ns: int) -> Iterator[PrivateEvent]:
        """Yield the trade of an order if there is one, then the order's state."""
        kind = event.text("x")
        if kind not in records.EXECUTIONS:
            raise event.bad("x", f"unknown: {kind!r}, so orders are queried")
        if kind == records.TRADE:
            yield OrderFilled(fill=records.event_fill(self.venue, event, self._symbols, received_ns))
        yield OrderUpdated(report=records.event_report(self.venue, event, self._symbols))
