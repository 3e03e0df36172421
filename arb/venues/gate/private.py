"""Gate's private channels: `spot.orders`, `spot.usertrades`, `spot.balances` (Gate spot websocket v4).

There is no login: each subscription is signed. Frames of private channels carry a list in `result`.
"""

from typing import Any

import msgspec

from arb.core.messages.events import OrderFilled, OrderUpdated
from arb.errors import VenueProtocolError
from arb.market.fill import FillSource
from arb.masking import clean
from arb.venues.gate import records
from arb.venues.gate.account import GateAccount
from arb.venues.gate.signing import Signer, channel_auth
from arb.venues.kit.fields import Fields
from arb.venues.kit.private_dialect import (
    NOTHING,
    PrivateFrame,
    Subscriptions,
    balances_frame,
    decode_frame,
    rows_frame,
)

ORDERS, FILLS, BALANCES = "spot.orders", "spot.usertrades", "spot.balances"
_EVERY_PAIR = ("!all",)


class GatePrivate:
    """See `arb.venues.kit.private_dialect.PrivateDialect`."""

    venue = "gate"

    def __init__(self, key: str, secret: str, account: GateAccount | None = None) -> None:
        self._key = key
        self._signer = Signer(secret)
        self._account = GateAccount(key) if account is None else account
        self._pending = Subscriptions((ORDERS, FILLS, BALANCES))

    def greetings(self, now_ns: int) -> tuple[str, ...]:
        """Return the three signed subscriptions; of a unified account without balances, which are not its own there."""
        self._pending.reset()
        now_s = records.now_s(now_ns)
        greetings = self._subscribe(ORDERS, now_s, _EVERY_PAIR), self._subscribe(FILLS, now_s, _EVERY_PAIR)
        if self._account.is_unified:
            self._pending.confirm(BALANCES)
            return greetings
        return *greetings, self._subscribe(BALANCES, now_s, None)

    def ping(self, now_ns: int) -> str | None:
        return f'{{"time":{records.now_s(now_ns)},"channel":"spot.ping"}}'

    def on_frame(self, received_ns: int, now_ns: int, raw: bytes) -> PrivateFrame:
        try:
            return self._read(received_ns, decode_frame(self.venue, raw))
        except VenueProtocolError as error:
            return PrivateFrame(errors=(error,))

    def _read(self, received_ns: int, frame: Any) -> PrivateFrame:
        fields = Fields(self.venue, "private frame", frame)
        channel, event = fields.maybe_text("channel") or "", fields.maybe_text("event")
        if _announces_closing(frame):
            return PrivateFrame(closing=True)
        if frame.get("error") is not None:
            return PrivateFrame(refused=clean(f"{channel} {event}: {msgspec.json.encode(frame['error']).decode()}"))
        if event == "subscribe":
            return PrivateFrame(ready=True) if self._pending.confirm(channel) else NOTHING
        if event != "update":
            return NOTHING
        if channel == ORDERS:
            return rows_frame(
                fields.rows("result"), lambda raw: [OrderUpdated(report=records.order_report(self.venue, raw))]
            )
        if channel == FILLS:
            return rows_frame(
                fields.rows("result"),
                lambda raw: [OrderFilled(fill=records.fill(self.venue, raw, FillSource.STREAM, received_ns))],
            )
        if channel == BALANCES:
            return balances_frame(
                self.venue, fields.rows("result"), lambda raw: [records.balance(self.venue, raw, "freeze")]
            )
        return NOTHING

    def _subscribe(self, channel: str, now_s: int, payload: tuple[str, ...] | None) -> str:
        frame: dict[str, Any] = {
            "time": now_s,
            "channel": channel,
            "event": "subscribe",
            "auth": channel_auth(self._signer, self._key, channel, "subscribe", now_s),
        }
        if payload is not None:
            frame["payload"] = payload
        return msgspec.json.encode(frame).decode()


def _announces_closing(frame: dict[str, Any]) -> bool:
    """Return whether the venue announces that it will close the connection: it does so in three shapes."""
    result = frame.get("result")
    inner = result.get("type") if isinstance(result, dict) else None
    return "upgrade" in (frame.get("type"), frame.get("event"), inner)
