"""OKX's currency list, `GET /api/v5/asset/currencies` (v5, "Get currencies"): with a key, one row for each asset and chain.

`chain` is written `USDT-ERC20`; `ctAddr` shows the last six characters of most contracts, and none of a chain's own coin. `fee`
is the withdrawal fee; answers from before it was there have `minFee`.
"""

from collections.abc import Iterator
from typing import Any

from arb.market.wallets import CurrencyChain
from arb.venues.kit.currencies import CurrencyReader, given_flag, identified_end, maybe_amount, maybe_count
from arb.venues.kit.fields import Fields


def _rows(body: Any) -> list[Any]:
    return Fields("okx", "currencies", body).listed("data")


def _read(raw: Any) -> Iterator[CurrencyChain]:
    fields = Fields("okx", "currency", raw)
    asset, named = fields.text("ccy"), fields.text("chain")
    # The text before the first hyphen is a ticker, not always the asset's own: "BTCK-OKTC" is a form of BTC.
    ticker, _, network = named.partition("-")
    own = ticker == asset
    chain, contract = identified_end("okx", asset if own else "", network, fields.maybe_text("ctAddr"))
    yield CurrencyChain(
        asset=asset,
        named=named,
        chain=chain,
        contract=contract,
        deposit=given_flag(fields, "canDep"),
        withdrawal=given_flag(fields, "canWd"),
        withdrawal_fee=maybe_amount(fields, "fee" if fields.has("fee") else "minFee"),
        withdrawal_min=maybe_amount(fields, "minWd"),
        deposit_min=maybe_amount(fields, "minDep"),
        confirmations=maybe_count(fields, "minDepArrivalConfirm"),
    )


READER = CurrencyReader(_rows, _read)
