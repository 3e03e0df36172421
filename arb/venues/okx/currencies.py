"""OKX's currency list, `GET /api/v5/asset/currencies` (v5, "Get currencies"): with a key, one row for each asset and chain.

`chain` is written `USDT-ERC20`; `ctAddr` shows the last six characters of most contracts, and none of a chain's own coin. `fee`
is the withdrawal fee; answers from before it was there have `minFee`.
"""

from arb.venues.kit.currencies import CurrencyForm, identified_end


def _identify(venue: str, asset: str, named: str, end: str | None) -> tuple[str, str]:
    # The text before the first hyphen is a ticker, not always the asset's own: "BTCK-OKTC" is a form of BTC.
    ticker, _, network = named.partition("-")
    return identified_end(venue, asset if ticker == asset else "", network, end)


CURRENCIES = CurrencyForm(
    venue="okx",
    path=("data",),
    asset="ccy",
    contract="ctAddr",
    identify=_identify,
    deposit="canDep",
    withdrawal="canWd",
    withdrawal_fee="fee",
    former_fee="minFee",
    withdrawal_min="minWd",
    deposit_min="minDep",
    confirmations="minDepArrivalConfirm",
)
