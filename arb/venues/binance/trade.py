"""Binance's REST language for spot orders ("Trading endpoints", "Account Endpoints").

An answer to an order is the matching engine's: of an IOC it is final. Orders and trades are listed by symbol, at most 24
hours in one request, from a database that lags. A client order id is unique among open orders only: one sent again after
its order was filled would place a second order.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from arb.core.messages.commands import CancelOrder, PlaceOrder
from arb.core.messages.events import AssetBalance, Transfer
from arb.errors import VenueAuthError, VenueProtocolError
from arb.market.fill import Fill
from arb.market.ids import plain_id
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import ZERO
from arb.market.order import OrderReport, Side, TimeInForce
from arb.venues.binance import records
from arb.venues.binance.dialect import BinanceDialect, read
from arb.venues.binance.outcomes import RIGHTS
from arb.venues.kit.call import LONG_ANSWER_BYTES_MAX, Call, CancelBatch, Pages, to_json
from arb.venues.kit.dialect import DAY_MS, FeeAssetQuery, Fees, KeyFacts, Reach
from arb.venues.kit.fields import Fields, Symbols, rows_at
from arb.venues.kit.reader import discounted
from arb.venues.kit.rules.outcome import VenueReply

_SIDES = {Side.BUY: "BUY", Side.SELL: "SELL"}
_KINDS: dict[TimeInForce, dict[str, Any]] = {
    TimeInForce.GTC: {"type": "LIMIT", "timeInForce": "GTC"},
    TimeInForce.IOC: {"type": "LIMIT", "timeInForce": "IOC"},
    TimeInForce.FOK: {"type": "LIMIT", "timeInForce": "FOK"},
    TimeInForce.POST_ONLY: {"type": "LIMIT_MAKER"},
}
_SELF_TRADES = "EXPIRE_MAKER"
"""Our order ends an older one that it would trade with: the taker's mode counts."""
_PAGE = 1000
_AHEAD_MS = 60_000
"""How far the last bound is ahead of the present, so that no difference of clocks hides the latest rows."""
_REACH_MS = 90 * DAY_MS
"""Orders that ended without a fill are archived after 90 days; so much is read, day by day."""


class BinanceTrade(BinanceDialect):
    """See `arb.venues.kit.dialect.TradeDialect`. `has_wallet`: the site has `/sapi`, which demo and test network lack."""

    not_found = frozenset({"-2013", "-2026"})
    reach = Reach(_REACH_MS, _REACH_MS, _REACH_MS)
    fee_asset: FeeAssetQuery | None = None

    def __init__(self, *, has_key: bool = False, has_wallet: bool = True) -> None:
        super().__init__(has_key=has_key and has_wallet)
        self.symbols = Symbols()
        self._has_wallet = has_wallet
        self._permissions: frozenset[str] = frozenset()
        self._guarded: set[str] = set()
        """The symbols that take `_SELF_TRADES`, by the venue's names."""

    def learn(self, natives: Mapping[str, str]) -> None:
        self.symbols.learn(natives)

    def listing(self) -> Call:
        """Return `GET /api/v3/exchangeInfo`; of a known account for the symbols of its permissions, with their sets."""
        call = super().listing()
        if not self._permissions:
            return call
        params = {"permissions": to_json(sorted(self._permissions)), "symbolStatus": "TRADING"}
        return msgspec.structs.replace(call, params=params)

    def _instrument(self, raw: Any) -> Instrument:
        """Read a row; the account has to have a permission of each of the symbol's sets, where these are listed."""
        found, fields = super()._instrument(raw), Fields(self.venue, "symbol", raw)
        if _SELF_TRADES in fields.names("allowedSelfTradePreventionModes"):
            self._guarded.add(found.native_symbol)
        else:
            self._guarded.discard(found.native_symbol)
        sets = [{str(name) for name in names} for names in fields.rows("permissionSets") if isinstance(names, list)]
        allowed = not self._permissions or all(names & self._permissions for names in sets)
        return msgspec.structs.replace(found, tradable=found.tradable and allowed)

    def place(self, command: PlaceOrder) -> Call:
        """Return `POST /api/v3/order`; the signer writes the time left until the expiry as the window."""
        native = self.native_symbol(command.symbol)
        params = {
            "symbol": native,
            "side": _SIDES[command.side],
            **_KINDS[command.tif],
            "quantity": f"{command.size:f}",
            "price": f"{command.price:f}",
            "newClientOrderId": command.client_order_id,
            "newOrderRespType": "FULL",
        }
        if native in self._guarded:
            params["selfTradePreventionMode"] = _SELF_TRADES
        return Call(
            scope="place",
            api=("private",),
            method="POST",
            path="order",
            params=params,
            expires_ns=command.expires_ns,
        )

    def placed(self, command: PlaceOrder, body: Any) -> OrderReport:
        """Read the order, whose trades the answer holds, too; one whose trades do not add up is not believed."""
        report, fields = self.report(body), Fields(self.venue, "answer", body)
        traded = sum((trade.positive("qty") for trade in fields.objects("fills")), ZERO)
        if fields.has("fills") and traded != report.filled:
            raise fields.bad("fills", f"{traded} traded of {report.filled} filled")
        return report

    def cancel(self, command: CancelOrder) -> Call:
        params = self._named(command.symbol, command.client_order_id, command.venue_order_id)
        return Call(scope="cancel", api=("private",), method="DELETE", path="order", params=params)

    def cancel_many(self, commands: Sequence[CancelOrder]) -> tuple[CancelBatch, ...]:
        """Return a request for each order: there is none for several."""
        return tuple(CancelBatch(self.cancel(command), (command,), ("cancel",)) for command in commands)

    def cancelled(self, body: Any) -> dict[str, VenueReply]:
        """Read the one order, which goes by its own id as `origClientOrderId`."""
        fields = Fields(self.venue, "cancelled order", body)
        return dict.fromkeys((fields.text("orderId"), fields.text("origClientOrderId")), VenueReply(None, ""))

    def one_order(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Call | None:
        return read("order", self._named(symbol, client_order_id, venue_order_id), "private")

    def order_in(self, body: Any) -> OrderReport | None:
        return self.report(body)

    def open_orders(self, symbol: str | None) -> Pages:
        params = {} if symbol is None else {"symbol": self.native_symbol(symbol)}
        call = msgspec.structs.replace(read("openOrders", params, "private"), answer_bytes_max=LONG_ANSWER_BYTES_MAX)
        return Pages(first=call, rows=_rows_of, following=lambda _, __: None)

    def ended_orders(self, symbol: str | None, since_ms: int, now_ms: int = 0) -> Pages:
        """Return the pages of `GET /api/v3/allOrders`; raises `VenueProtocolError` for all symbols together."""
        return _daily("allOrders", self._of(symbol), since_ms, now_ms)

    def fills(self, symbol: str | None, since_ms: int, venue_order_id: str | None, now_ms: int = 0) -> Pages:
        """Return the pages of `GET /api/v3/myTrades`; raises `VenueProtocolError` for all symbols together."""
        if venue_order_id is None:
            return _daily("myTrades", self._of(symbol), since_ms, now_ms)
        return _by_id("myTrades", self._of(symbol) | {"orderId": venue_order_id})

    def report(self, raw: Any) -> OrderReport:
        return records.order_report(self.venue, raw, self.symbols)

    def fill(self, raw: Any, received_ns: int) -> Fill:
        return records.fill(self.venue, raw, self.symbols, received_ns)

    def transfers(self, since_ms: int, now_ms: int) -> tuple[Pages, ...]:
        """Raise `VenueProtocolError`: no list holds every change of a balance."""
        raise VenueProtocolError(self.venue, "no list of the venue holds all deposits, withdrawals and transfers")

    def transfer(self, raw: Any) -> Transfer | None:
        return None

    def dead_man(self, timeout_s: int) -> Call | None:
        """Return None: there is no such switch for spot."""
        return None

    def balances(self) -> Call:
        return read("account", {"omitZeroBalances": "true"}, "private")

    def balances_in(self, body: Any) -> dict[str, AssetBalance]:
        fields = Fields(self.venue, "account", body)
        fields.listed("balances")
        return records.balances(fields.objects("balances"), "asset", "free", "locked")

    def fees(self, symbol: str) -> Call:
        return read("account/commission", self._of(symbol), "private")

    def fees_in(self, body: Any) -> Fees:
        """Read the rates ("Commission Rates"): standard, special and tax, each the liquidity's part plus the side's.

        An instrument has one rate for both sides, so the dearer side counts. BNB discounts only the standard part. The
        venue's texts call `discount` both the share that is charged and the share that is spared: the greater counts.
        """
        fields = Fields(self.venue, "commission", body)
        parts = [fields.object("standardCommission")]
        parts += [fields.object(name) for name in ("specialCommission", "taxCommission") if fields.has(name)]

        def rates(role: str) -> list[Decimal]:
            return [part.decimal(role) + max(part.decimal("buyer"), part.decimal("seller")) for part in parts]

        standard, *others = rates("taker")
        taker, maker = sum(others, standard), sum(rates("maker"), ZERO)
        discount = Fields(self.venue, "commission: discount", fields.raw("discount") or {})
        if not (discount.flag("enabledForAccount") and discount.flag("enabledForSymbol")):
            return Fees(taker, maker, FeeIn.BASE, reported=True, asset="")
        asset, share = discount.text("discountAsset"), discount.not_negative("discount")
        with_asset = sum(others, discounted(standard, max(share, 1 - share)))
        return Fees(taker, maker, FeeIn.BASE, reported=True, asset=asset, asset_taker=with_asset)

    def fee_lists(self, symbols: Sequence[str]) -> tuple[Call, ...]:
        return ()

    def fees_listed(self, body: Any, symbols: Sequence[str]) -> dict[str, Fees]:
        return {}

    def key_calls(self) -> tuple[Call, ...]:
        """Return the calls for the account and, where there is a wallet, for the rights of the key."""
        account = read("account", {"omitZeroBalances": "true"}, "private")
        return (account, *super().key_calls()) if self._has_wallet else (account,)

    def key_facts(self, bodies: tuple[Any, ...]) -> KeyFacts:
        """Read the account and the rights of the key; remember the account's permissions.

        Raises `VenueAuthError` for an account that may not trade. On a demo or a test network the rights are not reported.
        """
        account = Fields(self.venue, "account", bodies[0])
        if not account.flag("canTrade"):
            raise VenueAuthError(
                self.venue, "the account may not trade (`canTrade`): log in there, and see why", code="account_trading"
            )
        self._permissions = frozenset(account.names("permissions"))
        facts = KeyFacts(can_trade=None, can_withdraw=None, ip_bound=None, more=(("rights", "not reported here"),))
        if self._has_wallet:
            given = Fields(self.venue, "answer", bodies[1])
            named = {name for name in bodies[1] if name.startswith(("enable", "permits")) and given.flag(name)}
            facts = msgspec.structs.replace(
                super().key_facts(bodies[1:]), can_trade=RIGHTS.can_trade(named), unknown=RIGHTS.unknown(named)
            )
        mode = account.text("accountType")
        return msgspec.structs.replace(
            facts, account=plain_id(account.raw("uid")), mode="spot" if mode == "SPOT" else None
        )

    def _of(self, symbol: str | None) -> dict[str, Any]:
        if symbol is None:
            raise VenueProtocolError(self.venue, "orders and trades are listed by symbol only")
        return {"symbol": self.native_symbol(symbol)}

    def _named(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> dict[str, Any]:
        named = {"origClientOrderId": client_order_id} if venue_order_id is None else {"orderId": venue_order_id}
        return self._of(symbol) | named


def _rows_of(body: Any) -> list[Any]:
    return rows_at("binance", "answer", (), body)


def _by_id(path: str, params: dict[str, Any]) -> Pages:
    """Return the pages of one order's trades, which follow one another by number."""

    def following(call: Call, body: Any) -> Call | None:
        rows = _rows_of(body)
        if len(rows) < _PAGE:
            return None
        after = Fields("binance", "trade", rows[-1]).whole("id") + 1
        return msgspec.structs.replace(call, params={**call.params, "fromId": after})

    return Pages(first=read(path, {**params, "limit": _PAGE}, "private"), rows=_rows_of, following=following)


def _daily(path: str, params: dict[str, Any], since_ms: int, now_ms: int) -> Pages:
    """Return the pages of a list from `since_ms` on: a day in each, and where a page is full the first half of its span again.

    Which rows a full page holds of its span is not documented.
    """

    def spanned(first_ms: int, last_ms: int) -> Call:
        span = {"startTime": first_ms, "endTime": last_ms, "limit": _PAGE}
        return read(path, params | span, "private")

    def day(first_ms: int) -> Call:
        return spanned(first_ms, min(first_ms + DAY_MS, now_ms + _AHEAD_MS) if now_ms else first_ms + DAY_MS)

    def following(call: Call, body: Any) -> Call | None:
        first_ms, last_ms = call.params["startTime"], call.params["endTime"]
        if len(_rows_of(body)) < _PAGE:
            return day(last_ms) if last_ms < now_ms else None
        if last_ms - first_ms < 2:
            raise VenueProtocolError("binance", f"{path}: more than {_PAGE} rows in 2 ms")
        return spanned(first_ms, (first_ms + last_ms) // 2)

    return Pages(first=day(since_ms), rows=_rows_of, following=following)
