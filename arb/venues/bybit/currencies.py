"""Bybit's currency list, `GET /v5/asset/coin/query-info` (v5, "Get Coin Info"): with a key, or read from a saved answer.

Flags are "1" for normal and "0" for suspended, and "" where the chain does not know that way at all. `withdrawFee` is "" where
nothing can be withdrawn; `withdrawPercentageFee` is a ratio on top of it.
"""

from arb.venues.kit.currencies import CurrencyForm
from arb.venues.kit.fields import Fields


def _flag(fields: Fields, key: str) -> bool | None:
    if fields.raw(key) is None:
        return None
    value = fields.maybe_text(key) or "0"
    if value not in ("0", "1"):
        raise fields.bad(key, f"neither 0 nor 1: {value[:40]!r}")
    return value == "1"


CURRENCIES = CurrencyForm(
    venue="bybit",
    path=("result", "rows"),
    asset="coin",
    chains="chains",
    contract="contractAddress",
    deposit="chainDeposit",
    withdrawal="chainWithdraw",
    flag=_flag,
    withdrawal_fee="withdrawFee",
    withdrawal_fee_rate="withdrawPercentageFee",
    withdrawal_min="withdrawMin",
    deposit_min="depositMin",
    confirmations="confirmation",
)
