"""Bitget's currency list, `GET /api/v2/spot/public/coins` (v2, "Get Coin Info"): for anybody, with fees and minimums.

Flags are texts. `extraWithdrawFee` is a ratio of the withdrawn amount ("0.1 means 10 %"); `depositConfirm` are
confirmations.
"""

from collections.abc import Iterator
from typing import Any

from arb.market.wallets import CurrencyChain
from arb.venues.kit.currencies import CurrencyReader, given_flag, identified, maybe_amount, maybe_count
from arb.venues.kit.fields import Fields


def _rows(body: Any) -> list[Any]:
    return Fields("bitget", "coins", body).listed("data")


def _read(raw: Any) -> Iterator[CurrencyChain]:
    fields = Fields("bitget", "coin", raw)
    asset = fields.text("coin")
    for one in fields.objects("chains"):
        named = one.text("chain")
        chain, contract = identified("bitget", asset, named, one.maybe_text("contractAddress"))
        yield CurrencyChain(
            asset=asset,
            named=named,
            chain=chain,
            contract=contract,
            deposit=given_flag(one, "rechargeable"),
            withdrawal=given_flag(one, "withdrawable"),
            withdrawal_fee=maybe_amount(one, "withdrawFee"),
            withdrawal_fee_rate=maybe_amount(one, "extraWithdrawFee"),
            withdrawal_min=maybe_amount(one, "minWithdrawAmount"),
            deposit_min=maybe_amount(one, "minDepositAmount"),
            confirmations=maybe_count(one, "depositConfirm"),
        )


READER = CurrencyReader(_rows, _read)
