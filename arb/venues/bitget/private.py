"""Bitget's private channels: orders, fills and balances, of a classic account (API v2) and of a unified one (API v3).

Log in first, then subscribe. Both log in alike, and a refused login is an `error` event on a connection that stays
open. Fills arrive on their own channel. Those of a classic account name the order only by the venue's number; the
order's push names both. A `code` is a number here and text there.
"""

from typing import Any

from arb.core.messages.events import AssetBalance, OrderFilled, OrderUpdated
from arb.market.fill import Fill, FillSource
from arb.market.order import OrderReport
from arb.venues.bitget import records, unified_records
from arb.venues.kit.fields import Fields, Symbols
from arb.venues.kit.private_dialect import NOTHING, PassphrasePrivate, PrivateFrame, balances_frame, rows_frame


class BitgetPrivate(PassphrasePrivate):
    """See `arb.venues.kit.private_dialect.PrivateDialect`. `symbols` are learnt by the dialect that reads the listing.

    `orders`, `fills` and `account` are its channels.
    """

    venue = "bitget"
    login_path = "/user/verify"
    orders, fills, account = "orders", "fill", "account"
    arguments: tuple[dict[str, str], ...] = (
        {"instType": "SPOT", "channel": orders, "instId": "default"},
        {"instType": "SPOT", "channel": fills, "instId": "default"},
        {"instType": "SPOT", "channel": account, "coin": "default"},
    )

    def __init__(self, key: str, secret: str, passphrase: str, symbols: Symbols) -> None:
        super().__init__(key, secret, passphrase)
        self._symbols = symbols

    def _pushed(self, received_ns: int, channel: str, fields: Fields) -> PrivateFrame:
        if channel == self.orders:
            return rows_frame(fields.rows("data"), lambda raw: [OrderUpdated(report=self._report(raw))])
        if channel == self.fills:
            return rows_frame(fields.rows("data"), lambda raw: [OrderFilled(fill=self._fill(raw, received_ns))])
        if channel == self.account:
            return balances_frame(self.venue, self._coins(fields), lambda raw: [self._balance(raw)])
        return NOTHING

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
