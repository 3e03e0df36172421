"""What a ticker stands for: the coin that a venue delivers under it, by the chains it takes deposits on.

A ticker is a venue's own name. Two venues mean one coin by it where they share a chain and, on it, a contract (or the chain's
own coin): what was bought at one could be delivered to the other. Everything else is unproved, however alike the names are.
"""

from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum

import msgspec

NATIVE = "native"
"""In the place of a contract: the chain's own coin."""


class Coin(msgspec.Struct, frozen=True):
    """A ticker of a venue on one chain: the contract there, or `NATIVE`. Names of chains are ours, addresses normalised."""

    venue: str
    ticker: str
    chain: str
    contract: str


class Sameness(StrEnum):
    """Whether a ticker is one coin at two venues, from good to bad.

    `DIFFERENT`: on a chain that both take it is another contract, and on none the same.
    """

    PROVED = "proved"
    UNPROVED = "unproved"
    DIFFERENT = "different"


class CoinTable:
    """The coins that are known, by venue and ticker."""

    def __init__(self, coins: Iterable[Coin]) -> None:
        self._known: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for coin in coins:
            self._known[coin.venue, coin.ticker][coin.chain].add(coin.contract)

    def sameness(self, ticker: str, venue: str, other: str) -> Sameness:
        """Return whether `ticker` is one coin at these venues; at one venue it always is."""
        if venue == other:
            return Sameness.PROVED
        here, there = self._known.get((venue, ticker), {}), self._known.get((other, ticker), {})
        shared = here.keys() & there.keys()
        if any(here[chain] & there[chain] for chain in shared):
            return Sameness.PROVED
        return Sameness.DIFFERENT if shared else Sameness.UNPROVED
