"""Bitget's REST language for a unified account (API v3), spot orders only.

A placement documents no expiry here: one whose answer was lost may arrive until the window of its timestamp closes, 30
s. The answer to an order only confirms its receipt. Every order and every query names the category `SPOT`: a `MARGIN`
order would borrow by itself, and futures share the names of spot.
"""

from collections.abc import Sequence
from typing import Any

from arb.core.messages.commands import CancelOrder, PlaceOrder
from arb.core.messages.events import AssetBalance, Transfer
from arb.errors import VenueAuthError, VenueProtocolError
from arb.market.fill import Fill, FillSource
from arb.market.ids import plain_id
from arb.market.numbers import EXACT, ZERO
from arb.market.order import OrderReport
from arb.venues.bitget import unified_records as records
from arb.venues.bitget.common import FORCE, PAGE, CommonDialect, bgb_query, named, read
from arb.venues.bitget.outcomes import UNIFIED_RIGHTS
from arb.venues.bitget.unified_records import CATEGORY
from arb.venues.kit.call import Call, CancelBatch, Pages
from arb.venues.kit.dialect import DAY_MS, FeeAssetQuery, KeyFacts, Reach, batched
from arb.venues.kit.fields import Fields
from arb.venues.kit.rules.outcome import UNREADABLE, VenueReply

_API = ("private", "uta")
_SPOT = {"category": CATEGORY}
_CANCELS_MAX = 20
_DEAD_MAN_MAX_S = 60
_LEDGERS = (CATEGORY, "MARGIN", "USDT-FUTURES", "USDC-FUTURES", "COIN-FUTURES", "OTHER")
"""One balance per coin serves all categories, so each of them changes the funds of spot orders."""
_TRADES = frozenset({"ORDER_DEALT_FROZEN_OUT", "ORDER_DEALT_IN", "ORDER_PLF_FEE_OUT"})
_DONE = frozenset({None, "0", "00000"})
_SETTLED_MODES = frozenset({"unified", "hybrid"})


class UnifiedDialect(CommonDialect):
    """See `arb.venues.kit.dialect.TradeDialect`."""

    reach = Reach(30 * DAY_MS, 30 * DAY_MS, 30 * DAY_MS)  # 30 days between its bounds, of which the second is now

    def __init__(self) -> None:
        super().__init__()
        self.fee_asset: FeeAssetQuery | None = bgb_query(_read("account/deduct-info", {}))

    def place(self, command: PlaceOrder) -> Call:
        """Return `POST /trade/place-order`; the signer refuses one that has expired."""
        params = {
            **_SPOT,
            "symbol": self.native_symbol(command.symbol),
            "side": str(command.side),
            "orderType": "limit",
            "timeInForce": FORCE[command.tif],
            "price": f"{command.price:f}",
            "qty": f"{command.size:f}",
            "clientOid": command.client_order_id,
        }
        path = "v3/trade/place-order"
        return Call(scope="place", api=_API, method="POST", path=path, params=params, expires_ns=command.expires_ns)

    def cancel(self, command: CancelOrder) -> Call:
        params = _SPOT | named(command.client_order_id, command.venue_order_id)
        return Call(scope="cancel", api=_API, method="POST", path="v3/trade/cancel-order", params=params)

    def cancel_many(self, commands: Sequence[CancelOrder]) -> tuple[CancelBatch, ...]:
        """Return `POST /trade/cancel-batch` with at most 20 orders each, of any spot symbols."""
        return tuple(self._cancel_batch(part) for part in batched(commands, _CANCELS_MAX))

    def _cancel_batch(self, commands: tuple[CancelOrder, ...]) -> CancelBatch:
        items = tuple(
            _SPOT
            | {"symbol": self.native_symbol(command.symbol)}
            | named(command.client_order_id, command.venue_order_id)
            for command in commands
        )
        path = "v3/trade/cancel-batch"
        call = Call(scope="cancel_batch", api=_API, method="POST", path=path, params={}, items=items)
        return CancelBatch(call, commands, ("cancel_batch",))

    def cancelled(self, body: Any) -> dict[str, VenueReply]:
        """Read the list of orders, of which those that were not cancelled have their own `code`."""
        fields = Fields(self.venue, "answer", body)
        if not isinstance(fields.raw("data"), list):
            raise fields.bad("data", "not a list")
        reported: dict[str, VenueReply] = {}
        for row in fields.objects("data"):
            code = row.maybe_text("code")
            reply = VenueReply(None if code in _DONE else code or UNREADABLE, row.maybe_text("msg") or "")
            for name in (row.maybe_text("orderId"), row.maybe_text("clientOid")):
                if name:
                    reported[name] = reply
        return reported

    def one_order(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Call | None:
        """Return `GET /trade/order-info`, which finds open and ended orders by either id."""
        return _read("trade/order-info", named(client_order_id, venue_order_id))

    def order_in(self, body: Any) -> OrderReport | None:
        return self.report(Fields(self.venue, "answer", body).raw("data"))

    def open_orders(self, symbol: str | None) -> Pages:
        return _paged("trade/unfilled-orders", _SPOT | self._of(symbol))

    def ended_orders(self, symbol: str | None, since_ms: int, now_ms: int = 0) -> Pages:
        """Return the pages of `GET /trade/history-orders`, by the time they were made; it looks back 30 days at most."""
        return _paged("trade/history-orders", _SPOT | self._of(symbol) | {"startTime": str(since_ms)})

    def fills(self, symbol: str | None, since_ms: int, venue_order_id: str | None, now_ms: int = 0) -> Pages:
        """Return the pages of `GET /trade/fills`, which takes no symbol: rows of others are dropped here."""
        params = {**_SPOT, "startTime": str(since_ms)}
        if venue_order_id is not None:
            params["orderId"] = venue_order_id
        return _paged("trade/fills", params, None if symbol is None else self.native_symbol(symbol))

    def report(self, raw: Any) -> OrderReport:
        return records.order_report(self.venue, raw, self.symbols)

    def fill(self, raw: Any, received_ns: int) -> Fill:
        return records.fill(self.venue, raw, self.symbols, FillSource.QUERY, received_ns)

    def transfers(self, since_ms: int, now_ms: int) -> tuple[Pages, ...]:
        span = {"startTime": str(since_ms), "endTime": str(now_ms + 1000)}
        return tuple(_paged("account/financial-records", {"category": ledger, **span}) for ledger in _LEDGERS)

    def transfer(self, raw: Any) -> Transfer | None:
        """Read a record; those of spot trades are passed over, whose fills are read as such.

        `amount` is before `fee`. Which sign an amount has is documented only by the name of its type: `...OUT` is sent,
        `...IN` arrives.
        """
        fields = Fields(self.venue, "record", raw)
        kind, category = fields.text("type"), fields.text("category")
        if kind in _TRADES and category.upper() == CATEGORY:
            return None
        amount = fields.decimal("amount")
        if kind.endswith(("_OUT", "_IN")):
            amount = amount.copy_abs().copy_negate() if kind.endswith("_OUT") else amount.copy_abs()
        change = EXACT.add(amount, fields.maybe_decimal("fee") or ZERO)
        return Transfer(fields.text("id"), fields.text("coin"), change, fields.ms_ns("ts"), f"{category} {kind}")

    def dead_man(self, timeout_s: int) -> Call | None:
        """Return `POST /trade/countdown-cancel-all`, 0 or 5 to 60 s; a longer time is cut to that."""
        params = {"countdown": str(min(timeout_s, _DEAD_MAN_MAX_S))}
        return Call(scope="cancel all", api=_API, method="POST", path="v3/trade/countdown-cancel-all", params=params)

    def balances(self) -> Call:
        return _read("account/assets", {})

    def balances_in(self, body: Any) -> dict[str, AssetBalance]:
        fields = Fields(self.venue, "answer", body).object("data")
        if not isinstance(fields.raw("assets"), list):
            raise VenueProtocolError(self.venue, "assets: field 'data.assets': not a list")
        return dict(records.balance(self.venue, raw) for raw in fields.rows("assets"))

    def fees(self, symbol: str) -> Call:
        """Return `GET /account/fee-rate`, positive when charged."""
        return _read("account/fee-rate", _SPOT | {"symbol": self.native_symbol(symbol)})

    def fee_lists(self, symbols: Sequence[str]) -> tuple[Call, ...]:
        return (_read("account/all-fee-rate", dict(_SPOT)),)

    def key_calls(self) -> tuple[Call, ...]:
        """Return `GET /account/info` for the key's owner and rights, and `GET /account/settings` for the mode."""
        return (_read("account/info", {}), _read("account/settings", {}))

    def key_facts(self, bodies: tuple[Any, ...]) -> KeyFacts:
        """Read the rights, for which `permType` shows whether they allow writes, and the mode of the account.

        Raises `VenueAuthError` while the account is converted, to or from unified: neither language can be relied on
        then.
        """
        info = Fields(self.venue, "account info", bodies[0]).object("data")
        settings = Fields(self.venue, "account settings", bodies[1]).object("data")
        mode = (settings.maybe_text("accountMode") or "unified").lower()
        if mode not in _SETTLED_MODES:
            text = f"the account is in the mode {mode!r}, neither classic nor unified for good: start again once that is over"
            raise VenueAuthError(self.venue, text, code="account_mode")
        rights = info.names("permissions")
        writes = {"read-and-write": True, "read-write": True, "read-only": False}.get(
            (info.maybe_text("permType") or "").replace("_", "-")
        )
        may_trade = UNIFIED_RIGHTS.can_trade(rights or None)
        account, main = plain_id(info.raw("userId")), plain_id(info.raw("parentId"))
        return KeyFacts(
            can_trade=may_trade and writes,
            can_withdraw=UNIFIED_RIGHTS.can_withdraw(rights),
            ip_bound=info.maybe_text("ips") is not None,
            unknown=UNIFIED_RIGHTS.unknown(rights),
            moves=UNIFIED_RIGHTS.moving(rights),
            account=account,
            main_account=None if account is None or main == account else main,
            mode=mode,
        )


def _read(path: str, params: dict[str, Any]) -> Call:
    return read("v3", path, params, _API)


def _paged(path: str, params: dict[str, Any], native: str | None = None) -> Pages:
    """Return the pages of a list with a cursor; with `native`, only its rows of this symbol."""

    def page(body: Any) -> Fields:
        data = Fields("bitget", "answer", body).object("data")
        if "list" not in body["data"]:
            raise data.bad("list", "missing, and an empty list proves that an order does not exist")
        return data

    def rows_of(body: Any) -> list[Any]:
        rows = page(body).rows("list")
        if native is None:
            return rows
        return [row for row in rows if not isinstance(row, dict) or row.get("symbol") == native]

    def following(call: Call, body: Any) -> Call | None:
        data = page(body)
        rows, cursor = data.rows("list"), data.maybe_text("cursor")
        return None if cursor is None or len(rows) < PAGE else _read(path, {**call.params, "cursor": cursor})

    return Pages(first=_read(path, {**params, "limit": str(PAGE)}), rows=rows_of, following=following)
