"""Binance's currency list, `GET /sapi/v1/capital/config/getall` (Wallet, "All Coins' Information"): with a key, or read
from a saved answer.

`denomination` is how many of the contract's coins one of the ticker is (1MBABYDOGE: 1000000). `estimatedArrivalTime` is
in minutes. A `busy` network takes withdrawals later; it counts as open, as at the venue.
"""

from collections.abc import Iterator
from typing import Any

from arb.errors import VenueProtocolError
from arb.market.wallets import CurrencyChain
from arb.venues.kit.currencies import CurrencyReader, given_flag, identified, maybe_amount, maybe_count
from arb.venues.kit.fields import Fields


def _rows(body: Any) -> list[Any]:
    if not isinstance(body, list):
        raise VenueProtocolError("binance", f"coins: not a list but {type(body).__name__}")
    return body


def _read(raw: Any) -> Iterator[CurrencyChain]:
    fields = Fields("binance", "coin", raw)
    asset = fields.text("coin")
    for one in fields.objects("networkList"):
        named = one.text("network")
        chain, contract = identified("binance", asset, named, one.maybe_text("contractAddress"))
        minutes = maybe_count(one, "estimatedArrivalTime")
        yield CurrencyChain(
            asset=asset,
            named=named,
            chain=chain,
            contract=contract,
            denomination=maybe_count(one, "denomination") or 0,
            deposit=given_flag(one, "depositEnable"),
            withdrawal=given_flag(one, "withdrawEnable"),
            withdrawal_fee=maybe_amount(one, "withdrawFee"),
            withdrawal_min=maybe_amount(one, "withdrawMin"),
            confirmations=maybe_count(one, "minConfirm"),
            arrival_s=None if minutes is None else minutes * 60,
        )


READER = CurrencyReader(_rows, _read)
