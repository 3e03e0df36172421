"""Bybit's currency list, `GET /v5/asset/coin/query-info` (v5, "Get Coin Info"): with a key, or read from a saved answer.

Flags are "1" for normal and "0" for suspended, and "" where the chain does not know that way at all. `withdrawFee` is "" where
nothing can be withdrawn; `withdrawPercentageFee` is a ratio on top of it.
"""

from collections.abc import Iterator
from typing import Any

from arb.market.wallets import CurrencyChain
from arb.venues.kit.currencies import CurrencyReader, identified, maybe_amount, maybe_count
from arb.venues.kit.fields import Fields


def _rows(body: Any) -> list[Any]:
    return Fields("bybit", "coins", body).object("result").listed("rows")


def _read(raw: Any) -> Iterator[CurrencyChain]:
    fields = Fields("bybit", "coin", raw)
    asset = fields.text("coin")
    for one in fields.objects("chains"):
        named = one.text("chain")
        chain, contract = identified("bybit", asset, named, one.maybe_text("contractAddress"))
        yield CurrencyChain(
            asset=asset,
            named=named,
            chain=chain,
            contract=contract,
            deposit=_flag(one, "chainDeposit"),
            withdrawal=_flag(one, "chainWithdraw"),
            withdrawal_fee=maybe_amount(one, "withdrawFee"),
            withdrawal_fee_rate=maybe_amount(one, "withdrawPercentageFee"),
            withdrawal_min=maybe_amount(one, "withdrawMin"),
            deposit_min=maybe_amount(one, "depositMin"),
            confirmations=maybe_count(one, "confirmation"),
        )


def _flag(fields: Fields, key: str) -> bool | None:
    if fields.raw(key) is None:
        return None
    value = fields.maybe_text(key) or "0"
    if value not in ("0", "1"):
        raise fields.bad(key, f"neither 0 nor 1: {value[:40]!r}")
    return value == "1"


READER = CurrencyReader(_rows, _read)
