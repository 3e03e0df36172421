"""Bitget's currency list, `GET /api/v2/spot/public/coins` (v2, "Get Coin Info"): for anybody, with fees and minimums.

Flags are texts. `extraWithdrawFee` is a ratio of the withdrawn amount ("0.1 means 10 %"); `depositConfirm` are
confirmations.
"""

from arb.venues.kit.currencies import CurrencyForm

CURRENCIES = CurrencyForm(
    venue="bitget",
    path=("data",),
    asset="coin",
    chains="chains",
    contract="contractAddress",
    deposit="rechargeable",
    withdrawal="withdrawable",
    withdrawal_fee="withdrawFee",
    withdrawal_fee_rate="extraWithdrawFee",
    withdrawal_min="minWithdrawAmount",
    deposit_min="minDepositAmount",
    confirmations="depositConfirm",
)
