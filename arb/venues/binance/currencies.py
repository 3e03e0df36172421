"""Binance's currency list, `GET /sapi/v1/capital/config/getall` (Wallet, "All Coins' Information"): with a key, or read
from a saved answer.

`denomination` is how many of the contract's coins one of the ticker is (1MBABYDOGE: 1000000). `estimatedArrivalTime` is
in minutes. A `busy` network takes withdrawals later; it counts as open, as at the venue.
"""

from arb.venues.kit.currencies import CurrencyForm

CURRENCIES = CurrencyForm(
    venue="binance",
    asset="coin",
    chains="networkList",
    chain="network",
    contract="contractAddress",
    denomination="denomination",
    deposit="depositEnable",
    withdrawal="withdrawEnable",
    withdrawal_fee="withdrawFee",
    withdrawal_min="withdrawMin",
    confirmations="minConfirm",
    arrival_min="estimatedArrivalTime",
)
