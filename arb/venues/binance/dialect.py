"""Binance's public REST language (spot, "Public Rest API"): its clock and its listing.

`exchangeInfo` weighs 20 of the address's 6000 a minute. Only what trades is asked for, and without the sets of permissions:
with all that was ever listed it would be several times as long, and decoding it would hold up the loop. So a symbol that is
halted or delisted is simply gone from it. Dates of delisting are shown to keys alone (`/sapi/v1/spot/delist-schedule`).
"""

from collections.abc import Container, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from arb.clock import NS_PER_MS
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import EXACT, ZERO
from arb.venues.binance.currencies import READER
from arb.venues.binance.spec import POLICY
from arb.venues.call import Call
from arb.venues.currencies import CurrencyRows, read_currencies
from arb.venues.dialect import Listing, narrower, read_listing
from arb.venues.fields import Fields
from arb.venues.rules.outcome import OutcomePolicy

_LISTING = "api/v3/exchangeInfo"
_BYTES_MAX = 16 * 1024 * 1024
"""2.1 MB in 2021, for 1700 symbols; rows have grown since."""
_ONE = Decimal(1)


class BinanceDialect:
    """See `arb.venues.dialect.PublicDialect`."""

    venue = "binance"
    policy: OutcomePolicy = POLICY

    def learn(self, natives: Mapping[str, str]) -> None:
        """Take nothing: no order or fill is read that names a symbol."""

    def native_symbol(self, symbol: str) -> str:
        """Return `BTCUSDT`."""
        return symbol.replace("/", "")

    def clock(self) -> Call:
        """Return `GET /api/v3/time`."""
        return _read("api/v3/time", {})

    def clock_ms(self, body: Any) -> int:
        """Return the venue's time."""
        return Fields(self.venue, "answer", body).ms_ns("serverTime") // NS_PER_MS

    def listing(self) -> Call:
        """Return `GET /api/v3/exchangeInfo` for what spot accounts may trade, and what trades now."""
        params = {"permissions": "SPOT", "showPermissionSets": "false", "symbolStatus": "TRADING"}
        return msgspec.structs.replace(_read(_LISTING, params), answer_bytes_max=_BYTES_MAX)

    def listed(self, body: Any) -> Listing:
        """Read the rules of all spot symbols."""
        rows = Fields(self.venue, "answer", body).rows("symbols")
        return read_listing(self.venue, rows, self._instrument, self.native_symbol)

    def currency_calls(self, assets: Sequence[str]) -> tuple[Call, ...]:
        """Return none: the currency list wants a key."""
        return ()

    def currencies_in(self, body: Any, assets: Container[str]) -> CurrencyRows:
        """Read the list; see `currencies.py`."""
        return read_currencies(self.venue, READER, body, assets)

    def _instrument(self, raw: Any) -> Instrument:
        """Read a row, whose rules are filters by name ("Filters"): `NOTIONAL` and `PERCENT_PRICE_BY_SIDE` have older forms."""
        fields = Fields(self.venue, "symbol", raw)
        filters = {each.text("filterType"): each for each in fields.objects("filters")}

        def rule(*names: str) -> Fields:
            none = Fields(self.venue, f"symbol: filter {names[0]}", {})
            return next((filters[name] for name in names if name in filters), none)

        sizes, spend = rule("LOT_SIZE"), rule("NOTIONAL", "MIN_NOTIONAL")
        return Instrument(
            venue=self.venue,
            symbol=f"{fields.text('baseAsset')}/{fields.text('quoteAsset')}",
            native_symbol=fields.text("symbol"),
            tick=rule("PRICE_FILTER").positive("tickSize"),
            lot=sizes.positive("stepSize"),
            min_size=sizes.not_negative("minQty", ZERO),
            min_notional=spend.not_negative("minNotional", ZERO),
            max_size=sizes.not_negative("maxQty", ZERO) or None,
            taker_fee=None,
            maker_fee=None,
            buy_fee_in=FeeIn.BASE,
            price_band=_band(rule("PERCENT_PRICE_BY_SIDE"), rule("PERCENT_PRICE")),
            tradable=fields.maybe_text("status") == "TRADING" and fields.raw("isSpotTradingAllowed") is not False,
        )


def _band(by_side: Fields, of_both: Fields) -> Decimal | None:
    """Return how far a buy may be above, and a sell below, the average price that both filters go by; None for no bound."""
    up = by_side.not_negative("bidMultiplierUp", ZERO) or of_both.not_negative("multiplierUp", ZERO)
    down = by_side.not_negative("askMultiplierDown", ZERO) or of_both.not_negative("multiplierDown", ZERO)
    above = EXACT.subtract(up, _ONE) if up > _ONE else ZERO
    below = EXACT.subtract(_ONE, down) if ZERO < down < _ONE else ZERO
    return narrower(above, below)


def _read(path: str, params: dict[str, Any]) -> Call:
    return Call(scope=f"GET {path}", api=("public",), method="GET", path=path, params=params)
