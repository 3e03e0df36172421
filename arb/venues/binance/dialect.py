"""The part of Binance's REST API that is read (spot, "Public Rest API"): its clock and its listing.

With a key it also asks for the currency list (Wallet, "All Coins' Information") and for the rights of the key ("Get API
Key Permission").

`exchangeInfo` weighs 20 of the address's 6000 a minute. It is asked for only with trading symbols, and without the sets of
permissions. With all symbols ever listed it would be several times as long, and decoding it would hold up the loop. So a
symbol that is halted or delisted is not in the answer. Dates of delisting are shown only to keys
(`/sapi/v1/spot/delist-schedule`).
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from arb.clock import NS_PER_MS
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import EXACT, ZERO
from arb.venues.binance.currencies import CURRENCIES
from arb.venues.binance.outcomes import POLICY, RIGHTS
from arb.venues.kit.call import Call
from arb.venues.kit.currencies import given_flag
from arb.venues.kit.dialect import KeyFacts, ReadDialect, narrower
from arb.venues.kit.fields import Fields
from arb.venues.kit.rules.outcome import OutcomePolicy

_BYTES_MAX = 16 * 1024 * 1024
"""2.1 MB in 2021, for 1700 symbols; rows have grown since."""
_ONE = Decimal(1)
_TRADES = frozenset(
    {RIGHTS.trade, "enableMargin", "enableFutures", "enableVanillaOptions", "enableFixApiTrade"},
)
"""Without `enablePortfolioMarginTrading`, which names a kind of account: the documents show it of a key that only reads."""


class BinanceDialect(ReadDialect):
    """See `arb.venues.kit.dialect.KeyedDialect`; without a key only its public part is asked."""

    venue = "binance"
    currencies = CURRENCIES
    policy: OutcomePolicy = POLICY

    def __init__(self, *, has_key: bool = False) -> None:
        self._has_key = has_key

    def clock(self) -> Call:
        return read("time", {})

    def clock_ms(self, body: Any) -> int:
        return Fields(self.venue, "answer", body).ms_ns("serverTime") // NS_PER_MS

    def listing(self) -> Call:
        """Return `GET /api/v3/exchangeInfo` for symbols that spot accounts may trade and that trade now."""
        params = {"permissions": "SPOT", "showPermissionSets": "false", "symbolStatus": "TRADING"}
        return msgspec.structs.replace(read("exchangeInfo", params), answer_bytes_max=_BYTES_MAX)

    def _listed_rows(self, body: Any) -> list[Any]:
        return Fields(self.venue, "answer", body).rows("symbols")

    def currency_calls(self, assets: Sequence[str]) -> tuple[Call, ...]:
        """Return `GET /sapi/v1/capital/config/getall` with a key: the whole list, which knows no parameter."""
        if not self._has_key:
            return ()
        return (msgspec.structs.replace(read("capital/config/getall", {}, "sapi"), answer_bytes_max=_BYTES_MAX),)

    def key_calls(self) -> tuple[Call, ...]:
        return (read("account/apiRestrictions", {}, "sapi"),)

    def key_facts(self, bodies: tuple[Any, ...]) -> KeyFacts:
        """Read the rights, a flag each; the key's owner is not reported."""
        fields = Fields(self.venue, "answer", bodies[0])
        return KeyFacts(
            can_trade=any(fields.flag(name) for name in _TRADES),
            can_withdraw=given_flag(fields, RIGHTS.withdraw),
            ip_bound=given_flag(fields, "ipRestrict"),
            moves=tuple(name for name in sorted(RIGHTS.moves) if fields.flag(name)),
        )

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


def read(path: str, params: dict[str, Any], api: str = "public") -> Call:
    return Call(scope=f"GET {path}", api=(api,), method="GET", path=path, params=params)
