"""The venues' currency lists: one chain for each asset, with each venue's own name for it, and whether it is open.

Names are those of the venues' documents and recorded lists. A coin that only sandboxes trade is a token on Ethereum
with its own contract.
"""

from typing import NamedTuple

from arb.sandbox.registry import SPECS

USDT = "0xdac17f958d2ee523a2206206994597c13d831ec7"
FEES = {"BTC": "0.0001", "ETH": "0.002", "SOL": "0.01", "DOGE": "4", "USDT": "1"}
"""The fee of a withdrawal at venues that publish it, in the asset."""
BOTH, DEPOSIT, WITHDRAWAL = "both", "deposit", "withdrawal"
WAYS = (BOTH, DEPOSIT, WITHDRAWAL)


class SimWallet(NamedTuple):
    """An asset's one chain at a venue: the venue's name of it, its contract ("": the chain's coin), its open
    directions.
    """

    chain: str
    contract: str
    fee: str
    deposit: bool
    withdrawal: bool


class Wallets:
    """The closed wallets of a venue: by fault, an asset (None: all) and a direction."""

    def __init__(self, venue: str) -> None:
        self._spec = SPECS[venue]
        self._closed: dict[int, tuple[str | None, str]] = {}

    def close(self, fault_id: int, asset: str | None, way: str) -> None:
        self._closed[fault_id] = (asset, way)

    def reopen(self, fault_id: int) -> None:
        self._closed.pop(fault_id, None)

    def of(self, asset: str) -> SimWallet:
        closed = {way for named, way in self._closed.values() if named in (None, asset)}
        if asset in self._spec.chains:
            chain, contract = self._spec.chains[asset], ""
        else:
            chain, contract = self._spec.token_chain, USDT if asset == "USDT" else f"0x{asset.encode().hex():0>40}"
        return SimWallet(
            chain,
            contract,
            FEES.get(asset, "0"),
            deposit=closed.isdisjoint((BOTH, DEPOSIT)),
            withdrawal=closed.isdisjoint((BOTH, WITHDRAWAL)),
        )
