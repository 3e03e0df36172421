"""Shared by Bitget's two account APIs, v2 and v3: public data, names, and the answers of one form.

Public data are read by API v2 for any kind of account: they need no key.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from arb.clock import NS_PER_MS
from arb.core.messages.commands import PlaceOrder
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import ZERO
from arb.market.order import OrderReport, TimeInForce
from arb.venues.bitget.currencies import CURRENCIES
from arb.venues.bitget.outcomes import NO_SUCH_ORDER, POLICY
from arb.venues.kit.call import Call
from arb.venues.kit.currencies import few, whole
from arb.venues.kit.dialect import FeeAssetQuery, Fees, ReadDialect, acknowledged, narrower
from arb.venues.kit.fields import Fields, Symbols
from arb.venues.kit.rules.outcome import OutcomePolicy

FORCE = {
    TimeInForce.GTC: "gtc",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "fok",
    TimeInForce.POST_ONLY: "post_only",
}
PAGE = 100
_COINS_MAX = 3  # as many as may be asked for in a second
BGB, BGB_SHARE = "BGB", Decimal("0.8")
"""By the public schedule, spot fees in BGB cost a fifth less; no answer has that rate. The fills show if more is charged."""


class CommonDialect(ReadDialect):
    """The part of `arb.venues.kit.dialect.TradeDialect` that is the same for a classic and a unified account."""

    venue = "bitget"
    currencies = CURRENCIES
    policy: OutcomePolicy = POLICY
    not_found = NO_SUCH_ORDER

    def __init__(self) -> None:
        self.symbols = Symbols()

    def learn(self, natives: Mapping[str, str]) -> None:
        self.symbols.learn(natives)

    def placed(self, command: PlaceOrder, body: Any) -> OrderReport:
        """Read the number the order was given, the only fact of the answer."""
        reported = Fields(self.venue, "answer", body).object("data")
        return acknowledged(self.venue, command, reported.text("orderId"), reported.maybe_text("clientOid"))

    def clock(self) -> Call:
        return read("v2", "public/time", {}, ("public", "common"))

    def clock_ms(self, body: Any) -> int:
        return Fields(self.venue, "answer", body).object("data").ms_ns("serverTime") // NS_PER_MS

    def listing(self) -> Call:
        return read("v2", "spot/public/symbols", {}, ("public", "spot"))

    def _listed_rows(self, body: Any) -> list[Any]:
        return Fields(self.venue, "answer", body).rows("data")

    def currency_calls(self, assets: Sequence[str]) -> tuple[Call, ...]:
        """Return `GET /api/v2/spot/public/coins`, or one call for each of a few assets."""
        path, api = "spot/public/coins", ("public", "spot")
        if not few(assets, _COINS_MAX):
            return whole(read("v2", path, {}, api))
        return tuple(read("v2", path, {"coin": asset}, api) for asset in assets)

    def fees_in(self, body: Any) -> Fees:
        """Read the rates, positive when charged; a buy pays in the asset it receives."""
        return _rates(Fields(self.venue, "answer", body).object("data"))

    def fees_listed(self, body: Any, symbols: Sequence[str]) -> dict[str, Fees]:
        symbol_of = {self.native_symbol(symbol): symbol for symbol in symbols}
        rows = [Fields(self.venue, "rate", raw) for raw in Fields(self.venue, "answer", body).rows("data")]
        return {symbol_of[native]: _rates(fields) for fields in rows if (native := fields.text("symbol")) in symbol_of}

    def _of(self, symbol: str | None) -> dict[str, Any]:
        return {} if symbol is None else {"symbol": self.native_symbol(symbol)}

    def _instrument(self, raw: Any) -> Instrument:
        """Read the rules. Precisions are decimal places; `minTradeUSDT` is the minimum value, taken as quote.

        `offTime` is when trade ends, in milliseconds; "" and -1 mean never.
        """
        fields = Fields(self.venue, "symbol", raw)
        return Instrument(
            venue=self.venue,
            symbol=f"{fields.text('baseCoin')}/{fields.text('quoteCoin')}",
            native_symbol=fields.text("symbol"),
            tick=fields.step("pricePrecision"),
            lot=fields.step("quantityPrecision"),
            min_size=fields.not_negative("minTradeAmount", ZERO),
            min_notional=fields.not_negative("minTradeUSDT", ZERO),
            max_size=fields.not_negative("maxTradeAmount", ZERO) or None,
            taker_fee=None,
            maker_fee=None,
            buy_fee_in=FeeIn.BASE,
            price_band=narrower(
                fields.not_negative("buyLimitPriceRatio", ZERO), fields.not_negative("sellLimitPriceRatio", ZERO)
            ),
            tradable=fields.maybe_text("status") == "online",
            ends_ns=fields.maybe_date_ns("offTime", NS_PER_MS),
            opens_ns=fields.maybe_date_ns("openTime", NS_PER_MS),
        )


def read(version: str, path: str, params: dict[str, Any], api: tuple[str, ...]) -> Call:
    """Return a request to `/api/VERSION/PATH`, which is metered separately."""
    return Call(scope=f"GET {path}", api=api, method="GET", path=f"{version}/{path}", params=params)


def named(client_order_id: str, venue_order_id: str | None) -> dict[str, Any]:
    """Return the parameter that names an order in a request: the venue's id if it is known, else ours."""
    return {"clientOid": client_order_id} if venue_order_id is None else {"orderId": venue_order_id}


def bgb_query(call: Call) -> FeeAssetQuery:
    """Return how to ask whether BGB pays the fees: both APIs answer alike."""
    return FeeAssetQuery(call, _deducts, BGB, BGB_SHARE)


def _deducts(body: Any) -> bool:
    return Fields("bitget", "answer", body).object("data").text("deduct") == "on"


def _rates(fields: Fields) -> Fees:
    return Fees(fields.decimal("takerFeeRate"), fields.decimal("makerFeeRate"), FeeIn.BASE)
