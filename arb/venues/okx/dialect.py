"""OKX's REST language for a spot account (API v5).

Orders are found by our own id whether open or ended (two hours for those that ended without a fill), so lists are read
only when that finds nothing. The answer to an order only confirms its receipt: the private stream or a query of the
order shows its outcome.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from arb.clock import NS_PER_MS
from arb.core.messages.commands import CancelOrder, PlaceOrder
from arb.core.messages.events import AssetBalance, Transfer
from arb.errors import VenueProtocolError
from arb.market.fill import Fill, FillSource
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import ZERO
from arb.market.order import OrderReport, TimeInForce
from arb.market.symbol import Symbol
from arb.venues.kit.call import Call, CancelBatch, Pages
from arb.venues.kit.currencies import whole
from arb.venues.kit.dialect import (
    DAY_MS,
    FeeAssetQuery,
    Fees,
    KeyFacts,
    Reach,
    ReadDialect,
    acknowledged,
    batched,
    pages_before,
)
from arb.venues.kit.fields import Fields
from arb.venues.kit.rules.outcome import OutcomePolicy, VenueReply
from arb.venues.okx import records
from arb.venues.okx.account import OkxAccount
from arb.venues.okx.currencies import CURRENCIES
from arb.venues.okx.outcomes import POLICY

_PRIVATE, _PUBLIC = ("private",), ("public",)
_ORDER_TYPES = {
    TimeInForce.GTC: "limit",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "fok",
    TimeInForce.POST_ONLY: "post_only",
}
_BILL_TYPES = {"1": "transfer", "381": "interest"}
_PAGE = 100
# "Get order history (last 7 days)", "(last 3 months)"; "transaction details (last 3 days)", "(last 3 months)"; "bills details
# (last 7 days)", "(last 3 months)". Within an hour of a bound the longer list is read.
_MARGIN_MS = 3_600_000
_ORDERS_MS, _FILLS_MS, _BILLS_MS = 7 * DAY_MS - _MARGIN_MS, 3 * DAY_MS - _MARGIN_MS, 7 * DAY_MS - _MARGIN_MS
_ARCHIVE_MS = 90 * DAY_MS
_CANCELS_MAX = 20
_CURRENCIES_MAX = 20

Rates = tuple[Decimal, Decimal]
"""Of a taker and of a maker, positive when paid."""


class OkxDialect(ReadDialect):
    """See `arb.venues.kit.dialect.TradeDialect`."""

    venue = "okx"
    separator = "-"
    currencies = CURRENCIES
    policy: OutcomePolicy = POLICY
    not_found = frozenset({"51603"})
    reach = Reach(_ARCHIVE_MS, _ARCHIVE_MS, _ARCHIVE_MS)
    fee_asset: FeeAssetQuery | None = None

    def __init__(self, *, has_key: bool = False) -> None:
        self._has_key = has_key
        self._account = OkxAccount()
        self._numbers: dict[str, int] = {}
        self._fee_groups: dict[str, str] = {}

    def number_of(self, native_symbol: str) -> int | None:
        """Return the number by which the websocket's order requests name an instrument, where the listing has it."""
        return self._numbers.get(native_symbol)

    def place(self, command: PlaceOrder) -> Call:
        """Return `POST /trade/order`; the signer writes the expiry as `expTime`."""
        native = self.native_symbol(command.symbol)
        params = {
            "instId": native,
            "tdMode": self._account.trade_mode,
            "clOrdId": command.client_order_id,
            "side": str(command.side),
            "ordType": _ORDER_TYPES[command.tif],
            "px": f"{command.price:f}",
            "sz": f"{command.size:f}",
        }
        return Call(
            scope=f"place {native}",
            api=_PRIVATE,
            method="POST",
            path="trade/order",
            params=params,
            expires_ns=command.expires_ns,
        )

    def placed(self, command: PlaceOrder, body: Any) -> OrderReport:
        """Read the number the order was given, the only fact of the answer."""
        reported = self._only(body)
        return acknowledged(self.venue, command, reported.text("ordId"), reported.maybe_text("clOrdId"))

    def cancel(self, command: CancelOrder) -> Call:
        native = self.native_symbol(command.symbol)
        params = {"instId": native} | _named(command.client_order_id, command.venue_order_id)
        return Call(scope=f"cancel {native}", api=_PRIVATE, method="POST", path="trade/cancel-order", params=params)

    def cancel_many(self, commands: Sequence[CancelOrder]) -> tuple[CancelBatch, ...]:
        """Return `POST /trade/cancel-batch-orders` with at most 20 orders each, of any instruments; each order counts."""
        return tuple(self._cancel_batch(part) for part in batched(commands, _CANCELS_MAX))

    def _cancel_batch(self, commands: tuple[CancelOrder, ...]) -> CancelBatch:
        scopes = tuple(f"cancel_batch {self.native_symbol(command.symbol)}" for command in commands)
        items = tuple(
            {"instId": self.native_symbol(command.symbol)} | _named(command.client_order_id, command.venue_order_id)
            for command in commands
        )
        path = "trade/cancel-batch-orders"
        call = Call(scope=scopes[0], api=_PRIVATE, method="POST", path=path, params={}, items=items)
        return CancelBatch(call, commands, scopes)

    def cancelled(self, body: Any) -> dict[str, VenueReply]:
        """Read the rows: each has its own code, `sCode`, "0" for success."""
        reported: dict[str, VenueReply] = {}
        for raw in Fields(self.venue, "answer", body).rows("data"):
            fields = Fields(self.venue, "cancelled order", raw)
            code = fields.text("sCode")
            for name in (fields.maybe_text("ordId"), fields.maybe_text("clOrdId")):
                if name:
                    reported[name] = VenueReply(None if code == "0" else code, fields.maybe_text("sMsg") or "")
        return reported

    def one_order(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Call | None:
        params = {"instId": self.native_symbol(symbol)} | _named(client_order_id, venue_order_id)
        return _read("trade/order", params)

    def order_in(self, body: Any) -> OrderReport | None:
        rows = Fields(self.venue, "answer", body).listed("data")
        return self.report(rows[0]) if rows else None

    def open_orders(self, symbol: str | None) -> Pages:
        return _paged("trade/orders-pending", self._listed_by(symbol), "ordId")

    def ended_orders(self, symbol: str | None, since_ms: int, now_ms: int = 0) -> Pages:
        """Return the pages of `GET /trade/orders-history` or its archive, by the time they were made.

        Orders cancelled without a fill are in neither after two hours.
        """
        path = "trade/orders-history" if now_ms - since_ms < _ORDERS_MS else "trade/orders-history-archive"
        return _paged(path, {**self._listed_by(symbol), "begin": str(since_ms)}, "ordId")

    def fills(self, symbol: str | None, since_ms: int, venue_order_id: str | None, now_ms: int = 0) -> Pages:
        """Return the pages of `GET /trade/fills`, or of `fills-history` from three days on."""
        params = {**self._listed_by(symbol), "begin": str(since_ms)}
        if venue_order_id is not None:
            params["ordId"] = venue_order_id
        path = "trade/fills" if now_ms - since_ms < _FILLS_MS else "trade/fills-history"
        return _paged(path, params, "billId")

    def report(self, raw: Any) -> OrderReport:
        return records.order_report(self.venue, raw)

    def fill(self, raw: Any, received_ns: int) -> Fill:
        return records.fill(self.venue, raw, FillSource.QUERY, received_ns)

    def transfers(self, since_ms: int, now_ms: int) -> tuple[Pages, ...]:
        """Return the pages of `GET /account/bills` of the trading account, or of `bills-archive` from seven days on.

        Deposits and withdrawals move the funding account: here they are transfers from and to it, when those are made.
        """
        path = "account/bills" if now_ms - since_ms < _BILLS_MS else "account/bills-archive"
        return (_paged(path, {"begin": str(since_ms)}, "billId"),)

    def transfer(self, raw: Any) -> Transfer | None:
        """Read a bill; type 2 is a trade, whose fill is read as such. `balChg` is net of fees."""
        fields = Fields(self.venue, "bill", raw)
        kind = fields.text("type")
        if kind == "2":
            return None
        number, asset, change = fields.text("billId"), fields.text("ccy"), fields.decimal("balChg")
        return Transfer(number, asset, change, fields.ms_ns("ts"), _BILL_TYPES.get(kind, f"bill of type {kind}"))

    def dead_man(self, timeout_s: int) -> Call | None:
        """Return `POST /trade/cancel-all-after`, 0 or 10 to 120 s."""
        params = {"timeOut": str(timeout_s)}
        return Call(scope="cancel all", api=_PRIVATE, method="POST", path="trade/cancel-all-after", params=params)

    def clock(self) -> Call:
        return _read("public/time", {}, _PUBLIC)

    def clock_ms(self, body: Any) -> int:
        return self._only(body).ms_ns("ts") // NS_PER_MS

    def balances(self) -> Call:
        return _read("account/balance", {})

    def balances_in(self, body: Any) -> dict[str, AssetBalance]:
        rows = Fields(self.venue, "answer", body).rows("data")
        if not rows:
            raise VenueProtocolError(self.venue, "balance: field 'data': no account")
        return records.balances(self.venue, rows[0])

    def listing(self) -> Call:
        """Return `GET /account/instruments` for spot, or without a key `/public/instruments`.

        Instruments the account may not trade, as residence bars it, are only in the public list.
        """
        if self._has_key:
            return _read("account/instruments", {"instType": "SPOT"})
        return _read("public/instruments", {"instType": "SPOT"}, _PUBLIC)

    def _listed_rows(self, body: Any) -> list[Any]:
        return Fields(self.venue, "answer", body).rows("data")

    def currency_calls(self, assets: Sequence[str]) -> tuple[Call, ...]:
        """Return `GET /asset/currencies` with a key, for at most 20 assets by their names."""
        if not self._has_key:
            return ()
        if len(assets) <= _CURRENCIES_MAX:
            return (_read("asset/currencies", {"ccy": ",".join(assets)}),)
        return whole(_read("asset/currencies", {}))

    def fees(self, symbol: str) -> Call:
        return _read("account/trade-fee", {"instType": "SPOT", "instId": self.native_symbol(symbol)})

    def fees_in(self, body: Any) -> Fees:
        """Read the rates of one instrument, in its group where the answer has groups: negative means paid."""
        fields = self._only(body)
        groups = self._groups_in(fields)
        if len(groups) > 1:
            raise fields.bad("feeGroup", f"{len(groups)} groups for one instrument")
        return self._fees(_rates(next(iter(groups.values()), fields)))

    def fee_lists(self, symbols: Sequence[str]) -> tuple[Call, ...]:
        """Return `GET /account/config`, for the side in which a buy pays, and `/account/trade-fee` for all rates."""
        return (*self.key_calls(), _read("account/trade-fee", {"instType": "SPOT"}))

    def fees_listed(self, body: Any, symbols: Sequence[str]) -> dict[str, Fees]:
        """Read the rates of the groups; which instrument is in which group is in the listing (`groupId`).

        An answer without any is an older one, with rates only by the quote. Instruments without a rate are omitted.
        """
        fields = self._only(body)
        if fields.has("acctLv"):
            self._account.note_fees(fields)
            return {}
        groups = self._groups_in(fields)
        of = {symbol: groups.get(self._fee_groups.get(self.native_symbol(symbol), "")) for symbol in symbols}
        found = {symbol: _rates(group) for symbol, group in of.items() if group is not None}
        if not groups:
            found = {symbol: rates for symbol in symbols if (rates := _rates_by_quote(fields, symbol)) is not None}
        return {symbol: self._fees(rates) for symbol, rates in found.items()}

    def _groups_in(self, fields: Fields) -> dict[str, Fields]:
        return {group.text("groupId"): group for group in fields.objects("feeGroup")}

    def _fees(self, rates: Rates) -> Fees:
        fee_in = self._account.buy_fee_in
        return Fees(*rates, fee_in or FeeIn.BASE, fee_in is not None)

    def key_calls(self) -> tuple[Call, ...]:
        return (_read("account/config", {}),)

    def key_facts(self, bodies: tuple[Any, ...]) -> KeyFacts:
        """Read the rights and the owner of the key; see `OkxAccount.facts`."""
        return self._account.facts(self._only(bodies[0]))

    def _only(self, body: Any) -> Fields:
        rows = Fields(self.venue, "answer", body).rows("data")
        if not rows:
            raise VenueProtocolError(self.venue, "answer: field 'data': empty")
        return Fields(self.venue, "answer: data", rows[0])

    def _listed_by(self, symbol: str | None) -> dict[str, Any]:
        return {"instType": "SPOT"} | ({} if symbol is None else {"instId": self.native_symbol(symbol)})

    def _instrument(self, raw: Any) -> Instrument:
        """Read the rules; `upcChg` announces changes of them and `expTime` the end of trade, both in milliseconds."""
        fields = Fields(self.venue, "instrument", raw)
        if fields.has("instIdCode"):
            self._numbers[fields.text("instId")] = fields.whole("instIdCode")
        if fields.has("groupId"):
            self._fee_groups[fields.text("instId")] = fields.text("groupId")
        return Instrument(
            venue=self.venue,
            symbol=f"{fields.text('baseCcy')}/{fields.text('quoteCcy')}",
            native_symbol=fields.text("instId"),
            tick=fields.positive("tickSz"),
            lot=fields.positive("lotSz"),
            min_size=fields.not_negative("minSz", ZERO),
            min_notional=ZERO,
            max_size=fields.not_negative("maxLmtSz", ZERO) or None,
            taker_fee=None,
            maker_fee=None,
            buy_fee_in=FeeIn.BASE,
            tradable=fields.maybe_text("state") == "live",
            ends_ns=fields.maybe_date_ns("expTime", NS_PER_MS),
            opens_ns=fields.maybe_date_ns("listTime", NS_PER_MS),
            changes_ns=tuple(sorted({at for row in fields.objects("upcChg") if (at := row.maybe_ms_ns("effTime"))})),
        )


def _read(path: str, params: dict[str, Any], api: tuple[str, ...] = _PRIVATE) -> Call:
    return Call(scope=f"GET {path}", api=api, method="GET", path=path, params=params)


def _rates(fields: Fields, mark: str = "") -> Rates:
    return fields.negated(f"taker{mark}"), fields.negated(f"maker{mark}")


def _rates_by_quote(fields: Fields, symbol: str) -> Rates | None:
    """Return the rates of a symbol in an answer without groups: of a fiat currency, of USDT, or of any other quote."""
    quote = Symbol.of(symbol).quote
    for fiat in fields.objects("fiat"):
        if fiat.maybe_text("ccy") == quote:
            return _rates(fiat)
    if quote == "USDT":
        return _rates(fields)
    return _rates(fields, "USDC") if fields.has("takerUSDC") else None


def _named(client_order_id: str, venue_order_id: str | None) -> dict[str, Any]:
    return {"clOrdId": client_order_id} if venue_order_id is None else {"ordId": venue_order_id}


def _paged(path: str, params: dict[str, Any], cursor: str) -> Pages:
    return pages_before("okx", _read(path, {**params, "limit": str(_PAGE)}), "after", cursor, _PAGE)
