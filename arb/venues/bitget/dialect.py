"""Bitget's REST language for a classic spot account (API v2).

A placement has an expiry: `requestTime` and `receiveWindow` in its body, which the signer writes. The answer to an
order only confirms its receipt. Fills do not carry our id: they are found by the order's number.
"""

from collections.abc import Sequence
from typing import Any

from arb.core.messages.commands import CancelOrder, PlaceOrder
from arb.core.messages.events import AssetBalance, Transfer
from arb.market.fill import Fill, FillSource
from arb.market.ids import plain_id
from arb.market.numbers import EXACT, ZERO
from arb.market.order import OrderReport
from arb.venues.bitget import records
from arb.venues.bitget.common import FORCE, PAGE, CommonDialect, bgb_query, named, read
from arb.venues.bitget.outcomes import RIGHTS
from arb.venues.kit.call import Call, CancelBatch, Pages
from arb.venues.kit.dialect import DAY_MS, FeeAssetQuery, KeyFacts, Reach, batched, pages_before
from arb.venues.kit.fields import Fields
from arb.venues.kit.rules.outcome import UNREADABLE, VenueReply

_PRIVATE = ("private", "spot")
_CANCELS_MAX = 50


class BitgetDialect(CommonDialect):
    """See `arb.venues.kit.dialect.TradeDialect`."""

    reach = Reach(90 * DAY_MS, 90 * DAY_MS, 90 * DAY_MS)  # 90 days

    def __init__(self) -> None:
        super().__init__()
        self.fee_asset: FeeAssetQuery | None = bgb_query(_read("spot/account/deduct-info", {}))

    def place(self, command: PlaceOrder) -> Call:
        """Return `POST /spot/trade/place-order`; the signer writes the expiry as `receiveWindow`."""
        native = self.native_symbol(command.symbol)
        params = {
            "symbol": native,
            "side": str(command.side),
            "orderType": "limit",
            "force": FORCE[command.tif],
            "price": f"{command.price:f}",
            "size": f"{command.size:f}",
            "clientOid": command.client_order_id,
        }
        path = "v2/spot/trade/place-order"
        # One scope for all symbols: Bitget counts placements per user (10/s), not per instrument.
        return Call(scope="place", api=_PRIVATE, method="POST", path=path, params=params, expires_ns=command.expires_ns)

    def cancel(self, command: CancelOrder) -> Call:
        order = named(command.client_order_id, command.venue_order_id)
        params = {"symbol": self.native_symbol(command.symbol)} | order
        path = "v2/spot/trade/cancel-order"
        return Call(scope="cancel", api=_PRIVATE, method="POST", path=path, params=params)

    def cancel_many(self, commands: Sequence[CancelOrder]) -> tuple[CancelBatch, ...]:
        """Return `POST /spot/trade/batch-cancel-order` with at most 50 orders each, of any symbols (`batchMode` multiple)."""
        return tuple(self._cancel_batch(part) for part in batched(commands, _CANCELS_MAX))

    def _cancel_batch(self, commands: tuple[CancelOrder, ...]) -> CancelBatch:
        orders = [
            {"symbol": self.native_symbol(command.symbol)} | named(command.client_order_id, command.venue_order_id)
            for command in commands
        ]
        params = {"batchMode": "multiple", "orderList": orders}
        path = "v2/spot/trade/batch-cancel-order"
        call = Call(scope="cancel_batch", api=_PRIVATE, method="POST", path=path, params=params)
        return CancelBatch(call, commands, ("cancel_batch",))

    def cancelled(self, body: Any) -> dict[str, VenueReply]:
        """Read the two lists of orders: the cancelled ones, and the others, each with its `errorCode`."""
        reported: dict[str, VenueReply] = {}
        data = Fields(self.venue, "answer", body).object("data")
        for key, failed in (("successList", False), ("failureList", True)):
            for raw in data.rows(key) if data.has(key) else []:
                fields = Fields(self.venue, "cancelled order", raw)
                code = (fields.maybe_text("errorCode") or UNREADABLE) if failed else None
                for name in (fields.maybe_text("orderId"), fields.maybe_text("clientOid")):
                    if name:
                        reported[name] = VenueReply(code, fields.maybe_text("errorMsg") or "")
        return reported

    def one_order(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Call | None:
        """Return `GET /spot/trade/orderInfo`, which finds open and ended orders by either id."""
        return _read("spot/trade/orderInfo", named(client_order_id, venue_order_id))

    def order_in(self, body: Any) -> OrderReport | None:
        rows = Fields(self.venue, "answer", body).listed("data")
        return self.report(rows[0]) if rows else None

    def open_orders(self, symbol: str | None) -> Pages:
        return _paged("spot/trade/unfilled-orders", self._of(symbol), "orderId")

    def ended_orders(self, symbol: str | None, since_ms: int, now_ms: int = 0) -> Pages:
        """Return the pages of `GET /spot/trade/history-orders`, by the time they were made."""
        params = {**self._of(symbol), "startTime": str(since_ms)}
        return _paged("spot/trade/history-orders", params, "orderId")

    def fills(self, symbol: str | None, since_ms: int, venue_order_id: str | None, now_ms: int = 0) -> Pages:
        params = {**self._of(symbol), "startTime": str(since_ms)}
        if venue_order_id is not None:
            params["orderId"] = venue_order_id
        return _paged("spot/trade/fills", params, "tradeId")

    def report(self, raw: Any) -> OrderReport:
        return records.order_report(self.venue, raw, self.symbols, pushed=False)

    def fill(self, raw: Any, received_ns: int) -> Fill:
        return records.fill(self.venue, raw, self.symbols, FillSource.QUERY, received_ns)

    def transfers(self, since_ms: int, now_ms: int) -> tuple[Pages, ...]:
        span = {"startTime": str(since_ms), "endTime": str(now_ms + 1000)}
        return (_paged("spot/account/bills", span, "billId"),)

    def transfer(self, raw: Any) -> Transfer | None:
        """Read a bill; those of the group `transaction` are trades, whose fills are read as such. `size` is before `fees`."""
        fields = Fields(self.venue, "bill", raw)
        if fields.text("groupType") == "transaction":
            return None
        change = EXACT.add(fields.decimal("size"), fields.maybe_decimal("fees") or ZERO)
        kind = fields.text("businessType")
        return Transfer(fields.text("billId"), fields.text("coin"), change, fields.ms_ns("cTime"), kind)

    def dead_man(self, timeout_s: int) -> Call | None:
        """Return None: the classic spot account has no such switch."""
        return None

    def balances(self) -> Call:
        return _read("spot/account/assets", {})

    def balances_in(self, body: Any) -> dict[str, AssetBalance]:
        return dict(records.balance(self.venue, raw) for raw in Fields(self.venue, "answer", body).listed("data"))

    def fees(self, symbol: str) -> Call:
        """Return `GET /common/trade-rate`: the listing's rates are not the account's."""
        params = {"symbol": self.native_symbol(symbol), "businessType": "spot"}
        return _read("common/trade-rate", params, ("private", "common"))

    def fee_lists(self, symbols: Sequence[str]) -> tuple[Call, ...]:
        return (_read("common/all-trade-rate", {"businessType": "spot"}, ("private", "common")),)

    def key_calls(self) -> tuple[Call, ...]:
        return (_read("spot/account/info", {}),)

    def key_facts(self, bodies: tuple[Any, ...]) -> KeyFacts:
        """Read the address list and the rights (`RIGHTS`).

        `userId` is the account's own id, `parentId` that of the main account it may be a sub-account of.
        """
        fields = Fields(self.venue, "answer", bodies[0]).object("data")
        rights = fields.names("authorities")
        account, main = plain_id(fields.raw("userId")), plain_id(fields.raw("parentId"))
        return KeyFacts(
            can_trade=RIGHTS.can_trade(rights or None),
            can_withdraw=RIGHTS.can_withdraw(rights),
            ip_bound=fields.maybe_text("ips") is not None,
            unknown=RIGHTS.unknown(rights),
            moves=RIGHTS.moving(rights),
            account=account,
            main_account=None if account is None or main == account else main,
            mode="classic",
        )


def _read(path: str, params: dict[str, Any], api: tuple[str, ...] = _PRIVATE) -> Call:
    return read("v2", path, params, api)


def _paged(path: str, params: dict[str, Any], cursor: str) -> Pages:
    return pages_before("bitget", _read(path, {**params, "limit": str(PAGE)}), "idLessThan", cursor, PAGE)
