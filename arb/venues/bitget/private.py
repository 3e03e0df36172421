"""Bitget's private channels: `orders`, `fill`, `account` (API v2, "Websocket", spot).

Log in first, then subscribe. Fills come on their own channel, with the order's number instead of our id; the order's push
names both. Answers may repeat an argument in another letter case.
"""

import msgspec

from arb.core.events import AssetBalance, BalancesReported, OrderFilled, OrderUpdated
from arb.errors import VenueProtocolError
from arb.market.fill import FillSource
from arb.venues.bitget import records
from arb.venues.fields import Fields
from arb.venues.wire.private import NOTHING, Parts, PassphrasePrivate, PrivateFrame

ORDERS, FILLS, ACCOUNT = "orders", "fill", "account"


class BitgetPrivate(PassphrasePrivate):
    """See `arb.venues.wire.private.PrivateDialect`. `symbols` are learnt by the dialect that reads the listing."""

    venue = "bitget"
    login_path = "/user/verify"

    def __init__(self, key: str, secret: str, passphrase: str, symbols: records.Symbols) -> None:
        super().__init__(key, secret, passphrase, (ORDERS, FILLS, ACCOUNT))
        self._symbols = symbols

    def _read(self, received_ns: int, fields: Fields) -> PrivateFrame:
        event = fields.maybe_text("event")
        if event is not None:
            return self._control(fields, event)
        channel = fields.object("arg").text("channel").lower()
        if channel in (ORDERS, FILLS):
            return self._rows(fields, channel, received_ns)
        return self._account(fields) if channel == ACCOUNT else NOTHING

    def _control(self, fields: Fields, event: str) -> PrivateFrame:
        code = fields.maybe_text("code")
        if event == "login" and code in ("0", "00000", None):
            return PrivateFrame(send=(_SUBSCRIBE,))
        if event in ("login", "error"):
            return PrivateFrame(refused=f"{event} {code}: {fields.maybe_text('msg')}")
        if event == "subscribe" and self._pending.confirm(fields.object("arg").text("channel").lower()):
            return PrivateFrame(ready=True)
        return NOTHING

    def _rows(self, fields: Fields, channel: str, received_ns: int) -> PrivateFrame:
        parts = Parts()
        for raw in parts.among(fields.rows("data")):
            try:
                if channel == ORDERS:
                    report = records.order_report(self.venue, raw, self._symbols, pushed=True)
                    parts.events.append(OrderUpdated(report=report))
                else:
                    fill = records.fill(self.venue, raw, self._symbols, FillSource.STREAM, received_ns)
                    parts.events.append(OrderFilled(fill=fill))
            except VenueProtocolError as error:
                parts.unread(error)
        return parts.frame()

    def _account(self, fields: Fields) -> PrivateFrame:
        reported: dict[str, AssetBalance] = {}
        parts = Parts()
        for raw in parts.among(fields.rows("data")):
            try:
                asset, balance = records.balance(self.venue, raw)
            except VenueProtocolError as error:
                parts.unread(error)
            else:
                reported[asset] = balance
        if reported:
            parts.events.append(BalancesReported(venue=self.venue, balances=reported, complete=False, asked_ns=0))
        return parts.frame()


_SUBSCRIBE = msgspec.json.encode(
    {
        "op": "subscribe",
        "args": [
            {"instType": "SPOT", "channel": ORDERS, "instId": "default"},
            {"instType": "SPOT", "channel": FILLS, "instId": "default"},
            {"instType": "SPOT", "channel": ACCOUNT, "coin": "default"},
        ],
    }
).decode()
