"""The part of Bybit's REST API that is only read (API v5, "Get Bybit Server Time", "Get Instruments Info"): clock, listing.

With a key it also asks for the currency list ("Get Coin Info") and the key's rights ("Get API Key Information").

The listing has no pages for spot, and by default holds trading symbols: a symbol that is suspended or delisted is
simply gone. No public address announces the end of one.
"""

from collections.abc import Sequence
from typing import Any

from arb.clock import NS_PER_MS
from arb.market.ids import plain_id
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import ZERO
from arb.venues.bybit.currencies import CURRENCIES
from arb.venues.bybit.outcomes import POLICY
from arb.venues.kit.call import Call
from arb.venues.kit.currencies import few, whole
from arb.venues.kit.dialect import KeyFacts, ReadDialect, narrower
from arb.venues.kit.fields import Fields
from arb.venues.kit.rules.outcome import OutcomePolicy

_NO_LIMITS: dict[str, Any] = {}
_COINS_MAX = 4
"""How many assets are asked for one by one; more of them by the whole list."""
_READS = frozenset({"SubMemberTransferList"})
"""Rights of `Wallet` that only read."""


class BybitDialect(ReadDialect):
    """See `arb.venues.kit.dialect.KeyedDialect`; without a key only its public part is asked."""

    venue = "bybit"
    currencies = CURRENCIES
    policy: OutcomePolicy = POLICY

    def __init__(self, *, has_key: bool = False) -> None:
        self._has_key = has_key

    def clock(self) -> Call:
        return read("v5/market/time", {})

    def clock_ms(self, body: Any) -> int:
        """Return the venue's time, which is stated in nanoseconds."""
        return Fields(self.venue, "answer", body).object("result").whole("timeNano") // NS_PER_MS

    def listing(self) -> Call:
        return read("v5/market/instruments-info", {"category": "spot"})

    def _listed_rows(self, body: Any) -> list[Any]:
        return Fields(self.venue, "answer", body).object("result").rows("list")

    def currency_calls(self, assets: Sequence[str]) -> tuple[Call, ...]:
        """Return `GET /v5/asset/coin/query-info` with a key, one call for each of a few assets."""
        if not self._has_key:
            return ()
        path = "v5/asset/coin/query-info"
        if not few(assets, _COINS_MAX):
            return whole(read(path, {}, "private"))
        return tuple(read(path, {"coin": asset}, "private") for asset in assets)

    def key_calls(self) -> tuple[Call, ...]:
        return (read("v5/user/query-api", {}, "private"),)

    def key_facts(self, bodies: tuple[Any, ...]) -> KeyFacts:
        """Read the rights by group: `Wallet` holds `Withdraw` and the transfers. `readOnly` 1: none of them counts.

        `ips` is `*` for a key that works from any address.
        """
        fields = Fields(self.venue, "answer", bodies[0]).object("result")
        groups = fields.raw("permissions")
        if not isinstance(groups, dict) or not all(isinstance(rights, list) for rights in groups.values()):
            raise fields.bad("permissions", "no lists of rights by group")
        writes = fields.whole("readOnly") != 1
        rights = {group: {str(right) for right in named} for group, named in groups.items()} if writes else {}
        wallet = rights.get("Wallet", set())
        ips, account, main = fields.raw("ips"), plain_id(fields.raw("userID")), plain_id(fields.raw("parentUid"))
        return KeyFacts(
            can_trade=any(named for group, named in rights.items() if group != "Wallet"),
            can_withdraw=None if writes and "Wallet" not in rights else "Withdraw" in wallet,
            ip_bound=bool(ips) and "*" not in ips if isinstance(ips, list) else None,
            moves=tuple(sorted(wallet - {"Withdraw"} - _READS)),
            account=account,
            main_account=None if main in (None, "0", account) else main,
        )

    def _instrument(self, raw: Any) -> Instrument:
        """Read a row; `minOrderQty` is documented as no longer checked, but is kept to, as it may be again."""
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


def read(path: str, params: dict[str, Any], api: str = "public") -> Call:
    return Call(scope=f"GET {path}", api=(api,), method="GET", path=path, params=params)
