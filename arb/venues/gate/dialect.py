"""Gate's REST dialect for a spot account (Gate APIv4).

An ended order can be found by its number only. Without the number, the lists of open orders, ended orders and fills are
read, in that order: an order that ends meanwhile then shows in a later list.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.commands import CancelOrder, PlaceOrder
from arb.core.messages.events import AssetBalance, Transfer
from arb.market.fill import Fill, FillSource
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import ZERO
from arb.market.order import OrderReport, TimeInForce
from arb.venues.gate import records
from arb.venues.gate.account import GateAccount
from arb.venues.gate.currencies import CURRENCIES
from arb.venues.gate.outcomes import POLICY
from arb.venues.gate.records import GT, POINTS, TEXT_PREFIX, from_text
from arb.venues.kit.call import LONG_ANSWER_BYTES_MAX, Call, CancelBatch, Pages
from arb.venues.kit.currencies import few, whole
from arb.venues.kit.dialect import (
    DAY_MS,
    FeeAssetQuery,
    Fees,
    KeyFacts,
    Reach,
    ReadDialect,
    acknowledged,
    batched,
    narrower,
)
from arb.venues.kit.fields import Fields, rows_at
from arb.venues.kit.rules.outcome import UNREADABLE, OutcomePolicy, VenueReply

_SPOT, _PUBLIC = ("private", "spot"), ("public", "spot")
_TIF = {
    TimeInForce.GTC: "gtc",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "fok",
    TimeInForce.POST_ONLY: "poc",
}
ID_LENGTH_MAX = 28
_LEGAL_ID = re.compile(rf"[0-9A-Za-z_.-]{{1,{ID_LENGTH_MAX}}}")
_OPEN_PAGE, _PAGE = 100, 1000
# "one bound: 7 days from it; range <= 30 days" (`my_trades`); the other lists are documented no better.
_ONE_BOUND_MS, _SPAN_MS = 7 * DAY_MS - 3_600_000, 30 * DAY_MS
_CANCELS_MAX = 20
_FEES_MAX = 50
_CURRENCIES_MAX = 10


class GateDialect(ReadDialect):
    """See `arb.venues.kit.dialect.TradeDialect`."""

    venue = "gate"
    separator = "_"
    currencies = CURRENCIES
    policy: OutcomePolicy = POLICY
    not_found = frozenset({"ORDER_NOT_FOUND", "CLIENT_ID_NOT_FOUND"})
    reach = Reach(_SPAN_MS, _SPAN_MS, _SPAN_MS)
    fee_asset: FeeAssetQuery | None = None

    def __init__(self, key: str = "") -> None:
        self.account = GateAccount(key)

    def place(self, command: PlaceOrder) -> Call:
        """Return `POST /spot/orders`; the signer writes the expiry as `X-Gate-Exptime`."""
        native = self.native_symbol(command.symbol)
        params = {
            "text": to_text(command.client_order_id),
            "currency_pair": native,
            "type": "limit",
            "account": self.account.in_orders,
            "side": str(command.side),
            "amount": f"{command.size:f}",
            "price": f"{command.price:f}",
            "time_in_force": _TIF[command.tif],
        }
        return Call(
            scope=f"place {native}",
            api=_SPOT,
            method="POST",
            path="orders",
            params=params,
            expires_ns=command.expires_ns,
        )

    def placed(self, command: PlaceOrder, body: Any) -> OrderReport:
        """Read the order in the answer; an ACK answer carries its ids only."""
        fields = Fields(self.venue, "placed order", body)
        if fields.has("amount"):
            return records.order_report(self.venue, body)
        return acknowledged(self.venue, command, fields.text("id"))

    def cancel(self, command: CancelOrder) -> Call:
        """Return `DELETE /spot/orders/{id}`, by our own text while the venue's number is not known."""
        params = {
            "order_id": command.venue_order_id or to_text(command.client_order_id),
            "currency_pair": self.native_symbol(command.symbol),
        }
        return Call(scope="cancel", api=_SPOT, method="DELETE", path="orders/{order_id}", params=params)

    def cancel_many(self, commands: Sequence[CancelOrder]) -> tuple[CancelBatch, ...]:
        """Return `POST /spot/cancel_batch_orders` with at most 20 orders each, of any pairs; each order counts."""
        return tuple(self._cancel_batch(part) for part in batched(commands, _CANCELS_MAX))

    def _cancel_batch(self, commands: tuple[CancelOrder, ...]) -> CancelBatch:
        items = tuple(
            {
                "currency_pair": self.native_symbol(command.symbol),
                "id": command.venue_order_id or to_text(command.client_order_id),
                **({"account": "unified"} if self.account.is_unified else {}),
            }
            for command in commands
        )
        call = Call(scope="cancel", api=_SPOT, method="POST", path="cancel_batch_orders", params={}, items=items)
        return CancelBatch(call, commands, ("cancel",) * len(commands))

    def cancelled(self, body: Any) -> dict[str, VenueReply]:
        """Read the rows: each has `succeeded`, and if that is false, `label` and `message`."""
        reported: dict[str, VenueReply] = {}
        for raw in _list(body):
            fields = Fields(self.venue, "cancelled order", raw)
            failed = fields.raw("succeeded") is not True
            code = (fields.maybe_text("label") or UNREADABLE) if failed else None
            for name in (fields.maybe_text("id"), fields.maybe_text("text")):
                if name:
                    reported[from_text(name) or name] = VenueReply(code, fields.maybe_text("message") or "")
        return reported

    def one_order(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Call | None:
        """Return `GET /spot/orders/{id}`; by text it finds open orders only, so then there is no such call."""
        if venue_order_id is None:
            return None
        params = {"order_id": venue_order_id, "currency_pair": self.native_symbol(symbol)}
        return _read("orders/{order_id}", params)

    def order_in(self, body: Any) -> OrderReport | None:
        return self.report(body)

    def open_orders(self, symbol: str | None) -> Pages:
        """Return the pages of `GET /spot/orders?status=open`, which wants a pair, or of `GET /spot/open_orders`."""
        if symbol is None:
            return _open_of_all_pairs()
        return _paged("orders", {**self._of(symbol), "status": "open"}, _OPEN_PAGE)

    def ended_orders(self, symbol: str | None, since_ms: int, now_ms: int = 0) -> Pages:
        """Return the pages of `GET /spot/orders?status=finished`, by the time of their end."""
        return _paged("orders", {**self._of(symbol), "status": "finished", **_span(since_ms, now_ms)}, _PAGE)

    def fills(self, symbol: str | None, since_ms: int, venue_order_id: str | None, now_ms: int = 0) -> Pages:
        params = {**self._of(symbol), **_span(since_ms, now_ms)}
        if venue_order_id is not None:
            params["order_id"] = venue_order_id
        return _paged("my_trades", params, _PAGE)

    def report(self, raw: Any) -> OrderReport:
        return records.order_report(self.venue, raw)

    def fill(self, raw: Any, received_ns: int) -> Fill:
        return records.fill(self.venue, raw, FillSource.QUERY, received_ns)

    def transfers(self, since_ms: int, now_ms: int) -> tuple[Pages, ...]:
        span = {"from": str(since_ms // 1000), "to": str(now_ms // 1000 + 1)}
        return (_paged("account_book", span, _PAGE),)

    def transfer(self, raw: Any) -> Transfer | None:
        """Read a bill; changes by an order (lock, fill, charge, release) are read as its fills, `point_fee` among them."""
        fields = Fields(self.venue, "bill", raw)
        kind = fields.text("type")
        if "order" in kind or kind == "point_fee":
            return None
        return Transfer(
            fields.text("id"), fields.text("currency"), fields.decimal("change"), fields.ms_ns("time"), kind
        )

    def dead_man(self, timeout_s: int) -> Call | None:
        """Return `POST /spot/countdown_cancel_all` for all pairs, which takes no expiry."""
        params = {"timeout": timeout_s}
        return Call(scope="cancel all", api=_SPOT, method="POST", path="countdown_cancel_all", params=params)

    def clock(self) -> Call:
        return _read("time", {}, _PUBLIC)

    def clock_ms(self, body: Any) -> int:
        return Fields(self.venue, "time", body).ms_ns("server_time") // NS_PER_MS

    def balances(self) -> Call:
        """Return `GET /spot/accounts`; a unified account's are in `/unified/accounts`."""
        if self.account.is_unified:
            return _read("accounts", {}, ("private", "unified"))
        return _read("accounts", {})

    def balances_in(self, body: Any) -> dict[str, AssetBalance]:
        if self.account.is_unified:
            return records.unified_balances(self.venue, body)
        return dict(records.balance(self.venue, raw, "locked") for raw in _list(body))

    def listing(self) -> Call:
        return _read("currency_pairs", {}, _PUBLIC)

    def _listed_rows(self, body: Any) -> list[Any]:
        return _list(body)

    def currency_calls(self, assets: Sequence[str]) -> tuple[Call, ...]:
        """Return `GET /spot/currencies`, which is 2 MB, or one call for each of a few assets."""
        if not few(assets, _CURRENCIES_MAX):
            return whole(_read("currencies", {}, _PUBLIC))
        call = _read("currencies", {}, _PUBLIC)
        return tuple(msgspec.structs.replace(call, path=f"currencies/{asset}") for asset in assets)

    def fees(self, symbol: str) -> Call:
        return _read("fee", {"currency_pair": self.native_symbol(symbol)}, ("private", "wallet"))

    def fees_in(self, body: Any) -> Fees:
        """Read the rates, and the asset charged instead of the received one: `debit_fee` 1 means GT, 2 points.

        `gt_discount` means the first as well, and older answers have only it. `gt_taker_fee` is the rate in GT, "0"
        where GT does not pay; points pay the rate itself (gate-api SDK, `TradeFee`).
        """
        fields = Fields(self.venue, "fee", body)
        taker, rates = fields.decimal("taker_fee"), (fields.decimal("maker_fee"), FeeIn.BASE)
        debit, discount = fields.maybe_text("debit_fee"), fields.raw("gt_discount")
        if debit == "2":
            return Fees(taker, *rates, asset=POINTS, asset_taker=taker)
        if debit == "1" or discount is True:
            in_gt = fields.maybe_decimal("gt_taker_fee")
            return Fees(taker, *rates, asset=GT, asset_taker=in_gt if in_gt and in_gt < taker else taker)
        return Fees(taker, *rates, asset=None if debit is None and discount is None else "")

    def fee_lists(self, symbols: Sequence[str]) -> tuple[Call, ...]:
        """Return `GET /spot/batch_fee` with at most 50 pairs each."""
        natives = [self.native_symbol(symbol) for symbol in symbols]
        return tuple(
            _read("batch_fee", {"currency_pairs": ",".join(natives[start : start + _FEES_MAX])})
            for start in range(0, len(natives), _FEES_MAX)
        )

    def fees_listed(self, body: Any, symbols: Sequence[str]) -> dict[str, Fees]:
        """Read the rates, each listed under its pair."""
        fields = Fields(self.venue, "fees", body)
        natives = {symbol: self.native_symbol(symbol) for symbol in symbols}
        return {symbol: self.fees_in(fields.raw(native)) for symbol, native in natives.items() if fields.has(native)}

    def key_calls(self) -> tuple[Call, ...]:
        return self.account.calls()

    def key_facts(self, bodies: tuple[Any, ...]) -> KeyFacts:
        return self.account.facts(bodies)

    def _of(self, symbol: str | None) -> dict[str, Any]:
        return {} if symbol is None else {"currency_pair": self.native_symbol(symbol)}

    def _instrument(self, raw: Any) -> Instrument:
        """Read the rules. `precision` and `amount_precision` are decimal places; every limit may be absent.

        `buy_start`, `sell_start` and `delisting_time` are in seconds, 0 for none. Only `tradable` trades both ways;
        `buyable` and `sellable` do not. Pairs outside the key's list are not tradable with it.
        """
        fields = Fields(self.venue, "currency pair", raw)
        native = fields.text("id")
        return Instrument(
            venue=self.venue,
            symbol=f"{fields.text('base')}/{fields.text('quote')}",
            native_symbol=native,
            tick=fields.step("precision"),
            lot=fields.step("amount_precision"),
            min_size=fields.not_negative("min_base_amount", ZERO),
            min_notional=fields.not_negative("min_quote_amount", ZERO),
            max_size=fields.not_negative("max_base_amount", ZERO) or None,
            taker_fee=None,
            maker_fee=None,
            buy_fee_in=FeeIn.BASE,
            price_band=narrower(fields.not_negative("up_rate", ZERO), fields.not_negative("down_rate", ZERO)),
            tradable=fields.maybe_text("trade_status") == "tradable" and native in (self.account.pairs or {native}),
            ends_ns=fields.maybe_date_ns("delisting_time", NS_PER_S),
            # A pair and its repairs need both sides.
            opens_ns=max(fields.maybe_date_ns(key, NS_PER_S) or 0 for key in ("buy_start", "sell_start")) or None,
        )


def to_text(client_order_id: str) -> str:
    """Return the `text` to send: the prefix exactly once. Raise `ValueError` when Gate would refuse the id."""
    bare = client_order_id.removeprefix(TEXT_PREFIX)
    if not _LEGAL_ID.fullmatch(bare):
        legal = f"1 to {ID_LENGTH_MAX} of 0-9 A-Z a-z _ - ."
        raise ValueError(f"client order id {client_order_id!r}: after {TEXT_PREFIX!r} Gate takes {legal}")
    return TEXT_PREFIX + bare


def _read(path: str, params: dict[str, Any], api: tuple[str, ...] = _SPOT) -> Call:
    return Call(scope=f"GET {api[1]}/{path}", api=api, method="GET", path=path, params=params)


def _span(since_ms: int, now_ms: int) -> dict[str, str]:
    """Return the span of a list: with only `from` it ends seven days later."""
    span = {"from": str(since_ms // 1000)}
    if now_ms - since_ms > _ONE_BOUND_MS:
        span["to"] = str(min(now_ms + 1000, since_ms + _SPAN_MS) // 1000)
    return span


def _paged(path: str, params: dict[str, Any], limit: int) -> Pages:
    def following(call: Call, body: Any) -> Call | None:
        # Newest first, so rows that arrive meanwhile push others to later pages: seen twice, never missed.
        return _read(path, {**call.params, "page": call.params["page"] + 1}) if len(_list(body)) >= limit else None

    first = _read(path, {**params, "page": 1, "limit": limit})
    return Pages(first=first, rows=_list, following=following)


def _open_of_all_pairs() -> Pages:
    def rows_of(body: Any) -> list[Any]:
        return [row for group in _list(body) for row in Fields("gate", "open orders", group).listed("orders")]

    def following(call: Call, body: Any) -> Call | None:
        # Every page holds so many orders of each pair.
        pairs = Counter(Fields("gate", "order", row).text("currency_pair") for row in rows_of(body))
        more = max(pairs.values(), default=0) >= _OPEN_PAGE
        return page(call.params["page"] + 1) if more else None

    def page(number: int) -> Call:
        call = _read("open_orders", {"page": number, "limit": _OPEN_PAGE})
        return msgspec.structs.replace(call, answer_bytes_max=LONG_ANSWER_BYTES_MAX)

    return Pages(first=page(1), rows=rows_of, following=following)


def _list(body: Any) -> list[Any]:
    return rows_at("gate", "answer", (), body)
