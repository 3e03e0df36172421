"""Bybit's REST language for the spot orders of a unified account (API v5).

An answer to an order only confirms its receipt: the private stream or a query shows its outcome. The query of one order
finds open ones and the last 500 that ended, a memory that a restart of the service empties. So an order it does not find is
looked for in the lists, which show one that ended without a fill for 24 hours.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from arb.core.messages.commands import CancelOrder, PlaceOrder
from arb.core.messages.events import AssetBalance, Transfer
from arb.errors import VenueAuthError, VenueProtocolError
from arb.market.fill import Fill, FillSource
from arb.market.instrument import FeeIn
from arb.market.order import OrderReport, Side, TimeInForce
from arb.venues.bybit import records
from arb.venues.bybit.dialect import BybitDialect, read
from arb.venues.bybit.outcomes import RIGHTS
from arb.venues.kit.call import Call, CancelBatch, Pages
from arb.venues.kit.dialect import DAY_MS, FeeAssetQuery, Fees, KeyFacts, Reach, acknowledged, batched
from arb.venues.kit.fields import Fields, Symbols
from arb.venues.kit.rules.outcome import VenueReply

_SPOT: dict[str, Any] = {"category": records.SPOT}
_SIDES = {Side.BUY: "Buy", Side.SELL: "Sell"}
_FORCES = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.POST_ONLY: "PostOnly",
}
_CANCELS_MAX = 10
_ORDERS_PAGE, _FILLS_PAGE, _BILLS_PAGE = 50, 100, 50
_SPAN_MS = 7 * DAY_MS
"""The most between the two bounds of a history."""
_AHEAD_MS = 60_000
"""How far the last bound is ahead of the present, so that no difference of clocks hides the latest rows."""
_REACH_MS = 90 * DAY_MS
"""Two years are documented; so much is read, week by week."""
_MODES = {"5": "unified 2.0", "6": "unified 2.0 pro"}
_OTHER_MODES = {"1": "classic", "3": "unified 1.0", "4": "unified 1.0 pro"}


class BybitTrade(BybitDialect):
    """See `arb.venues.kit.dialect.TradeDialect`."""

    not_found = frozenset({"110001", "170143", "170213"})
    reach = Reach(_REACH_MS, _REACH_MS, _REACH_MS)
    fee_asset: FeeAssetQuery | None = None
    """By the venue's help page orders of the API do not pay in MNT; fills show it where they do."""

    def __init__(self, *, has_key: bool = False) -> None:
        super().__init__(has_key=has_key)
        self.symbols = Symbols()

    def learn(self, natives: Mapping[str, str]) -> None:
        self.symbols.learn(natives)

    def place(self, command: PlaceOrder) -> Call:
        """Return `POST /v5/order/create`; the signer writes the time left until the expiry as the window."""
        params = {
            **_SPOT,
            "symbol": self.native_symbol(command.symbol),
            "side": _SIDES[command.side],
            "orderType": "Limit",
            "qty": f"{command.size:f}",
            "price": f"{command.price:f}",
            "timeInForce": _FORCES[command.tif],
            "orderLinkId": command.client_order_id,
            "isLeverage": 0,
        }
        return msgspec.structs.replace(_write("place", "v5/order/create", params), expires_ns=command.expires_ns)

    def placed(self, command: PlaceOrder, body: Any) -> OrderReport:
        """Read the number the order was given, the only fact of the answer."""
        reported = Fields(self.venue, "answer", body).object("result")
        return acknowledged(self.venue, command, reported.text("orderId"), reported.maybe_text("orderLinkId"))

    def cancel(self, command: CancelOrder) -> Call:
        return _write("cancel", "v5/order/cancel", _SPOT | self._order_of(command))

    def cancel_many(self, commands: Sequence[CancelOrder]) -> tuple[CancelBatch, ...]:
        """Return `POST /v5/order/cancel-batch` with at most 10 spot orders each; each order counts."""
        return tuple(self._cancel_batch(part) for part in batched(commands, _CANCELS_MAX))

    def _cancel_batch(self, commands: tuple[CancelOrder, ...]) -> CancelBatch:
        call = _write(
            "cancel_batch", "v5/order/cancel-batch", _SPOT | {"request": [self._order_of(one) for one in commands]}
        )
        return CancelBatch(call, commands, ("cancel_batch",) * len(commands))

    def cancelled(self, body: Any) -> dict[str, VenueReply]:
        """Read the list of orders, and by the same places the list of their codes, 0 for success."""
        answer = Fields(self.venue, "answer", body)
        rows = [Fields(self.venue, "cancelled order", raw) for raw in answer.object("result").listed("list")]
        replies = [Fields(self.venue, "reply", raw) for raw in answer.object("retExtInfo").listed("list")]
        if len(rows) != len(replies):
            raise answer.bad("retExtInfo", f"{len(replies)} codes for {len(rows)} orders")
        reported: dict[str, VenueReply] = {}
        for row, reply in zip(rows, replies, strict=True):
            code = reply.text("code")
            for name in (row.maybe_text("orderId"), row.maybe_text("orderLinkId")):
                if name:
                    reported[name] = VenueReply(None if code == "0" else code, reply.maybe_text("msg") or "")
        return reported

    def one_order(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Call | None:
        params = _SPOT | {"symbol": self.native_symbol(symbol)} | _named(client_order_id, venue_order_id)
        return read("v5/order/realtime", params, "private")

    def order_in(self, body: Any) -> OrderReport | None:
        rows = _rows_of(body)
        return self.report(rows[0]) if rows else None

    def open_orders(self, symbol: str | None) -> Pages:
        return _paged("v5/order/realtime", self._spot(symbol) | {"openOnly": "0"}, _ORDERS_PAGE)

    def ended_orders(self, symbol: str | None, since_ms: int, now_ms: int = 0) -> Pages:
        """Return the pages of `GET /v5/order/history`, by the time they were made, week by week."""
        return _weekly("v5/order/history", self._spot(symbol), _ORDERS_PAGE, since_ms, now_ms)

    def fills(self, symbol: str | None, since_ms: int, venue_order_id: str | None, now_ms: int = 0) -> Pages:
        """Return the pages of `GET /v5/execution/list`, week by week; executions that are no trades are dropped."""
        params = self._spot(symbol) | ({} if venue_order_id is None else {"orderId": venue_order_id})
        pages = _weekly("v5/execution/list", params, _FILLS_PAGE, since_ms, now_ms)

        def trades(body: Any) -> list[Any]:
            return [row for row in pages.rows(body) if records.is_trade(self.venue, row)]

        return msgspec.structs.replace(pages, rows=trades)

    def report(self, raw: Any) -> OrderReport:
        return records.order_report(self.venue, raw, self.symbols)

    def fill(self, raw: Any, received_ns: int) -> Fill:
        return records.fill(self.venue, raw, self.symbols, FillSource.QUERY, received_ns)

    def transfers(self, since_ms: int, now_ms: int) -> tuple[Pages, ...]:
        """Return the pages of `GET /v5/account/transaction-log` of the unified account, of all its categories."""
        return (_weekly("v5/account/transaction-log", {"accountType": "UNIFIED"}, _BILLS_PAGE, since_ms, now_ms),)

    def transfer(self, raw: Any) -> Transfer | None:
        """Read an entry; None for a spot trade, whose fills are read as such. `change` is net of fees."""
        fields = Fields(self.venue, "entry", raw)
        kind, category = fields.text("type"), fields.maybe_text("category")
        if kind == "TRADE" and category == records.SPOT:
            return None
        number, asset, change = fields.text("id"), fields.text("currency"), fields.decimal("change")
        word = kind if category is None else f"{category} {kind}"
        # The documented example has one id for two entries, so the trade is named, too.
        trade = fields.maybe_text("tradeId")
        number = number if trade is None else f"{number} {trade}"
        return Transfer(number, asset, change, fields.ms_ns("transactionTime"), word)

    def dead_man(self, timeout_s: int) -> Call | None:
        """Return None: the venue's switch is for institutional clients only."""
        return None

    def balances(self) -> Call:
        return read("v5/account/wallet-balance", {"accountType": "UNIFIED"}, "private")

    def balances_in(self, body: Any) -> dict[str, AssetBalance]:
        rows = Fields(self.venue, "answer", body).object("result").listed("list")
        if len(rows) != 1:
            raise VenueProtocolError(self.venue, f"balance: field 'list': {len(rows)} accounts")
        return records.balances(self.venue, rows[0])

    def fees(self, symbol: str) -> Call:
        """Return `GET /v5/account/fee-rate`, positive when charged."""
        return read("v5/account/fee-rate", self._spot(symbol), "private")

    def fees_in(self, body: Any) -> Fees:
        rows = Fields(self.venue, "answer", body).object("result").listed("list")
        if len(rows) != 1:
            raise VenueProtocolError(self.venue, f"fee rate: field 'list': {len(rows)} rows for one symbol")
        return _rates(Fields(self.venue, "fee rate", rows[0]))

    def fee_lists(self, symbols: Sequence[str]) -> tuple[Call, ...]:
        return (read("v5/account/fee-rate", dict(_SPOT), "private"),)

    def fees_listed(self, body: Any, symbols: Sequence[str]) -> dict[str, Fees]:
        symbol_of = {self.native_symbol(symbol): symbol for symbol in symbols}
        rows = Fields(self.venue, "answer", body).object("result").objects("list")
        return {
            symbol_of[native]: _rates(row) for row in rows if (native := row.maybe_text("symbol") or "") in symbol_of
        }

    def key_calls(self) -> tuple[Call, ...]:
        """Return the calls for the key's owner and rights, for the account's mode, and for its settings."""
        more = ("v5/account/info", "v5/account/user-setting-config")
        return (*super().key_calls(), *(read(path, {}, "private") for path in more))

    def key_facts(self, bodies: tuple[Any, ...]) -> KeyFacts:
        """Read the rights of the key, and the mode and settings of its account.

        Raises `VenueAuthError` for an account that is not a unified one of the second version, and for one whose settings let
        the venue change the price of an order.
        """
        facts = super().key_facts(bodies[:1])
        info = Fields(self.venue, "account info", bodies[1]).object("result")
        settings = Fields(self.venue, "account settings", bodies[2]).object("result")
        status = info.text("unifiedMarginStatus")
        if status in _OTHER_MODES:
            text = (
                f"the account is {_OTHER_MODES[status]}: upgrade it at the venue to the unified account 2.0 (UTA 2.0)"
            )
            raise VenueAuthError(self.venue, text, code="account_mode")
        if settings.flag("lpaSpot"):
            text = (
                "the account lets the venue change the limit price of a spot order, so that it may cost more than was "
                "decided: turn that off (POST /v5/account/set-limit-px-action, modifyEnable false, category spot)"
            )
            raise VenueAuthError(self.venue, text, code="account_prices")
        rights = Fields(self.venue, "answer", bodies[0]).object("result").object("permissions").names("Spot")
        may_trade = bool(facts.can_trade and RIGHTS.can_trade(rights))
        hedges = info.maybe_text("spotHedgingStatus") == "ON"
        return msgspec.structs.replace(
            facts, can_trade=may_trade, mode=_MODES.get(status), borrows=("spotHedgingStatus",) if hedges else ()
        )

    def _spot(self, symbol: str | None) -> dict[str, Any]:
        return _SPOT if symbol is None else _SPOT | {"symbol": self.native_symbol(symbol)}

    def _order_of(self, command: CancelOrder) -> dict[str, Any]:
        named = _named(command.client_order_id, command.venue_order_id)
        return {"symbol": self.native_symbol(command.symbol)} | named


def _write(scope: str, path: str, params: dict[str, Any]) -> Call:
    return Call(scope=scope, api=("private",), method="POST", path=path, params=params)


def _named(client_order_id: str, venue_order_id: str | None) -> dict[str, Any]:
    return {"orderLinkId": client_order_id} if venue_order_id is None else {"orderId": venue_order_id}


def _rates(fields: Fields) -> Fees:
    return Fees(fields.decimal("takerFeeRate"), fields.decimal("makerFeeRate"), FeeIn.BASE)


def _rows_of(body: Any) -> list[Any]:
    """Return the rows of an answer; raises `VenueProtocolError` for one about another category than spot."""
    result = Fields("bybit", "answer", body).object("result")
    if result.maybe_text("category") not in (None, records.SPOT):
        raise result.bad("category", f"not spot: {result.maybe_text('category')!r}")
    return result.listed("list")


def _after(call: Call, body: Any, size: int) -> Call | None:
    """Return the call for the next page of the same span; None behind the last."""
    cursor = Fields("bybit", "answer", body).object("result").maybe_text("nextPageCursor")
    if cursor is None or len(_rows_of(body)) < size:
        return None
    return msgspec.structs.replace(call, params={**call.params, "cursor": cursor})


def _paged(path: str, params: dict[str, Any], size: int) -> Pages:
    first = read(path, {**params, "limit": str(size)}, "private")
    return Pages(first=first, rows=_rows_of, following=lambda call, body: _after(call, body, size))


def _weekly(path: str, params: dict[str, Any], size: int, since_ms: int, now_ms: int) -> Pages:
    """Return the pages of a history from `since_ms` on: page by page of one span, then the next span until `now_ms`."""

    def spanned(first_ms: int) -> Call:
        last_ms = first_ms + _SPAN_MS if not now_ms else min(first_ms + _SPAN_MS, now_ms + _AHEAD_MS)
        span = {"startTime": str(first_ms), "endTime": str(last_ms)}
        return read(path, {**params, "limit": str(size), **span}, "private")

    def following(call: Call, body: Any) -> Call | None:
        end_ms = int(call.params["endTime"])
        return _after(call, body, size) or (spanned(end_ms) if end_ms < now_ms else None)

    return Pages(first=spanned(since_ms), rows=_rows_of, following=following)
