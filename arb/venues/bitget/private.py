"""Bitget's private channels: orders, fills and balances, of a classic account (API v2) and of a unified one (API v3).

Log in first, then subscribe. Both log in alike, and a refused login is an `error` event on a connection that stays
open. Fills arrive on their own channel. A classic account's name the order only by the venue's number; the order's push
names both. Answers may repeat an argument in another letter case, and a `code` is a number here and text there.
"""

from typing import Any

import msgspec

from arb.core.messages.events import AssetBalance, BalancesReported, OrderFilled, OrderUpdated
from arb.errors import VenueProtocolError
from arb.market.fill import Fill, FillSource
from arb.market.order import OrderReport
from arb.venues.bitget import records, unified_records
from arb.venues.books.plain.private import NOTHING, Parts, PassphrasePrivate, PrivateFrame
from arb.venues.kit.fields import Fields


class BitgetPrivate(PassphrasePrivate):
    """See `arb.venues.books.plain.private.PrivateDialect`. `symbols` are learnt by the dialect that reads the listing.

    `channel_key` is the field that names a channel, `orders`, `fills` and `account` are its channels, `arguments` the
    subscriptions.
    """

    venue = "bitget"
    login_path = "/user/verify"
    channel_key = "channel"
    orders, fills, account = "orders", "fill", "account"
    arguments: tuple[dict[str, str], ...] = (
        {"instType": "SPOT", "channel": orders, "instId": "default"},
        {"instType": "SPOT", "channel": fills, "instId": "default"},
        {"instType": "SPOT", "channel": account, "coin": "default"},
    )

    def __init__(self, key: str, secret: str, passphrase: str, symbols: records.Symbols) -> None:
        super().__init__(key, secret, passphrase, (self.orders, self.fills, self.account))
        self._symbols = symbols

    def _read(self, received_ns: int, fields: Fields) -> PrivateFrame:
        event = fields.maybe_text("event")
        if event is not None:
            return self._control(fields, event)
        channel = self._channel(fields)
        if channel in (self.orders, self.fills):
            return self._rows(fields, channel, received_ns)
        return self._balances(fields) if channel == self.account else NOTHING

    def _channel(self, fields: Fields) -> str:
        return fields.object("arg").text(self.channel_key).lower()

    def _control(self, fields: Fields, event: str) -> PrivateFrame:
        code = fields.maybe_text("code")
        if event == "login" and code in ("0", "00000", None):
            subscribe = msgspec.json.encode({"op": "subscribe", "args": self.arguments})
            return PrivateFrame(send=(subscribe.decode(),))
        if event in ("login", "error"):
            return PrivateFrame(refused=f"{event} {code}: {fields.maybe_text('msg')}")
        if event == "subscribe" and self._pending.confirm(self._channel(fields)):
            return PrivateFrame(ready=True)
        return NOTHING

    def _rows(self, fields: Fields, channel: str, received_ns: int) -> PrivateFrame:
        parts = Parts()
        for raw in parts.among(fields.rows("data")):
            try:
                if channel == self.orders:
                    parts.events.append(OrderUpdated(report=self._report(raw)))
                else:
                    parts.events.append(OrderFilled(fill=self._fill(raw, received_ns)))
            except VenueProtocolError as error:
                parts.unread(error)
        return parts.frame()

    def _balances(self, fields: Fields) -> PrivateFrame:
        reported: dict[str, AssetBalance] = {}
        parts = Parts()
        for raw in parts.among(self._coins(fields)):
            try:
                asset, balance = self._balance(raw)
            except VenueProtocolError as error:
                parts.unread(error)
            else:
                reported[asset] = balance
        if reported:
            parts.events.append(BalancesReported(venue=self.venue, balances=reported, complete=False, asked_ns=0))
        return parts.frame()

    def _report(self, raw: Any) -> OrderReport:
        return records.order_report(self.venue, raw, self._symbols, pushed=True)

    def _fill(self, raw: Any, received_ns: int) -> Fill:
        return records.fill(self.venue, raw, self._symbols, FillSource.STREAM, received_ns)

    def _coins(self, fields: Fields) -> list[Any]:
        return fields.rows("data")

    def _balance(self, raw: Any) -> tuple[str, AssetBalance]:
        return records.balance(self.venue, raw)


class UnifiedPrivate(BitgetPrivate):
    """The private channels of a unified account, which report all its categories: rows that are not spot are foreign."""

    channel_key = "topic"
    orders = "order"
    arguments = tuple({"instType": "UTA", "topic": topic} for topic in ("order", "fill", "account"))

    def _report(self, raw: Any) -> OrderReport:
        return unified_records.order_report(self.venue, raw, self._symbols)

    def _fill(self, raw: Any, received_ns: int) -> Fill:
        return unified_records.fill(self.venue, raw, self._symbols, FillSource.STREAM, received_ns)

    def _coins(self, fields: Fields) -> list[Any]:
        coins: list[Any] = []
        for account in fields.rows("data"):
            listed = account.get("coin") if isinstance(account, dict) else None
            coins += listed if isinstance(listed, list) else [account]  # which is no coin, and is reported
        return coins

    def _balance(self, raw: Any) -> tuple[str, AssetBalance]:
        return unified_records.balance(self.venue, raw)
