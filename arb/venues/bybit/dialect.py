"""Bybit's public REST language (API v5, "Get Bybit Server Time", "Get Instruments Info"): its clock and its spot listing.

The listing has no pages for spot, and by default holds what trades: a symbol that is suspended or delisted is simply gone. No
public address announces the end of one.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Any

from arb.clock import NS_PER_MS
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import ZERO
from arb.venues.bybit.currencies import READER
from arb.venues.bybit.spec import POLICY
from arb.venues.call import Call
from arb.venues.currencies import CurrencyRows, read_currencies
from arb.venues.dialect import Listing, narrower, read_listing
from arb.venues.fields import Fields
from arb.venues.rules.outcome import OutcomePolicy

_NO_LIMITS: dict[str, Any] = {}


class BybitDialect:
    """See `arb.venues.dialect.PublicDialect`."""

    venue = "bybit"
    policy: OutcomePolicy = POLICY

    def learn(self, natives: Mapping[str, str]) -> None:
        """Take nothing: no order or fill is read that names a symbol."""

    def native_symbol(self, symbol: str) -> str:
        """Return `BTCUSDT`."""
        return symbol.replace("/", "")

    def clock(self) -> Call:
        """Return `GET /v5/market/time`."""
        return _read("v5/market/time", {})

    def clock_ms(self, body: Any) -> int:
        """Return the venue's time, which is stated in nanoseconds."""
        return Fields(self.venue, "answer", body).object("result").whole("timeNano") // NS_PER_MS

    def listing(self) -> Call:
        """Return `GET /v5/market/instruments-info` for spot."""
        return _read("v5/market/instruments-info", {"category": "spot"})

    def listed(self, body: Any) -> Listing:
        """Read the rules of all spot symbols."""
        rows = Fields(self.venue, "answer", body).object("result").rows("list")
        return read_listing(self.venue, rows, self._instrument, self.native_symbol)

    def currency_calls(self, assets: Sequence[str]) -> tuple[Call, ...]:
        """Return none: the currency list wants a key."""
        return ()

    def currencies_in(self, body: Any, assets: Container[str]) -> CurrencyRows:
        """Read the list; see `currencies.py`."""
        return read_currencies(self.venue, READER, body, assets)

    def _instrument(self, raw: Any) -> Instrument:
        """Read a row; `minOrderQty`, which is said to be checked no more, is kept to nevertheless, as it may be again."""
        fields = Fields(self.venue, "instrument", raw)
        sizes = fields.object("lotSizeFilter")
        most = "maxLimitOrderQty" if sizes.has("maxLimitOrderQty") else "maxOrderQty"
        risk = Fields(self.venue, "instrument: riskParameters", fields.raw("riskParameters") or _NO_LIMITS)
        return Instrument(
            venue=self.venue,
            symbol=f"{fields.text('baseCoin')}/{fields.text('quoteCoin')}",
            native_symbol=fields.text("symbol"),
            tick=fields.object("priceFilter").positive("tickSize"),
            lot=sizes.positive("basePrecision"),
            min_size=sizes.not_negative("minOrderQty", ZERO),
            min_notional=sizes.not_negative("minOrderAmt", ZERO),
            max_size=sizes.not_negative(most, ZERO) or None,
            taker_fee=None,
            maker_fee=None,
            buy_fee_in=FeeIn.BASE,
            price_band=narrower(
                risk.not_negative("priceLimitRatioX", ZERO), risk.not_negative("priceLimitRatioY", ZERO)
            ),
            tradable=fields.maybe_text("status") == "Trading",
        )


def _read(path: str, params: dict[str, Any]) -> Call:
    return Call(scope=f"GET {path}", api=("public",), method="GET", path=path, params=params)
