"""OKX's private channels: `orders` (each push holds at most one fill) and `account` (API v5, "WebSocket").

Log in first, then subscribe. The account channel pushes only the assets that changed, except in its first frame.
"""

import msgspec

from arb.core.messages.events import AssetBalance, BalancesReported, OrderFilled, OrderUpdated
from arb.errors import VenueProtocolError
from arb.venues.books.plain.private import NOTHING, Parts, PassphrasePrivate, PrivateFrame
from arb.venues.kit.fields import Fields
from arb.venues.okx import records

ORDERS, ACCOUNT = "orders", "account"
# A subscription that is not served: as many connections as may follow the channel follow it already.
TOO_MANY = "channel-conn-count-error"
# Service upgrade notices; the connection is closed about half a minute later.
CLOSING_NOTICES = frozenset({"64008"})


class OkxPrivate(PassphrasePrivate):
    """See `arb.venues.books.plain.private.PrivateDialect`."""

    venue = "okx"
    login_path = "/users/self/verify"

    def __init__(self, key: str, secret: str, passphrase: str) -> None:
        super().__init__(key, secret, passphrase, (ORDERS, ACCOUNT))

    def _read(self, received_ns: int, fields: Fields) -> PrivateFrame:
        event = fields.maybe_text("event")
        if event is not None:
            return self._control(fields, event)
        channel = fields.object("arg").text("channel")
        if channel == ORDERS:
            return self._orders(fields, received_ns)
        return self._account(fields) if channel == ACCOUNT else NOTHING

    def _control(self, fields: Fields, event: str) -> PrivateFrame:
        code = fields.maybe_text("code")
        if event == "login" and code in ("0", None):
            return PrivateFrame(send=(_SUBSCRIBE,))
        if event in ("login", "error", TOO_MANY):
            return PrivateFrame(refused=f"{event} {code}: {fields.maybe_text('msg')}")
        if event == "notice" and code in CLOSING_NOTICES:
            return PrivateFrame(closing=True)
        if event == "subscribe" and self._pending.confirm(fields.object("arg").text("channel")):
            return PrivateFrame(ready=True)
        return NOTHING

    def _orders(self, fields: Fields, received_ns: int) -> PrivateFrame:
        parts = Parts()
        for raw in parts.among(fields.rows("data")):
            try:
                # The fill first: should the order's own fields be unreadable, its money is still counted.
                fill = records.pushed_fill(self.venue, raw, received_ns)
                if fill is not None:
                    parts.events.append(OrderFilled(fill=fill))
                parts.events.append(OrderUpdated(report=records.order_report(self.venue, raw)))
            except VenueProtocolError as error:
                parts.unread(error)
        return parts.frame()

    def _account(self, fields: Fields) -> PrivateFrame:
        reported: dict[str, AssetBalance] = {}
        for raw in fields.rows("data"):
            reported.update(records.balances(self.venue, raw))
        if not reported:
            return NOTHING
        report = BalancesReported(venue=self.venue, balances=reported, complete=False, asked_ns=0)
        return PrivateFrame(events=(report,))


_SUBSCRIBE = msgspec.json.encode(
    {"op": "subscribe", "args": [{"channel": ORDERS, "instType": "SPOT"}, {"channel": ACCOUNT}]}
).decode()
