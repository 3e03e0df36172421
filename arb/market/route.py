"""A route: an ordered pair of instruments, the one to buy and the one to sell.

The two may differ in venue, in symbol, or in both. They belong to one group: one coin and one quote.
"""

from typing import NamedTuple

from arb.market.symbol import group_of

Key = tuple[str, str]
"""The name of an instrument: (venue, symbol)."""


class Route(NamedTuple):
    buy: Key
    sell: Key

    @classmethod
    def of(cls, symbol: str, buy_venue: str, sell_venue: str) -> "Route":
        """Return the route that trades one symbol at two venues."""
        return cls((buy_venue, symbol), (sell_venue, symbol))

    @property
    def venues(self) -> tuple[str, str]:
        return self.buy[0], self.sell[0]

    @property
    def group(self) -> str:
        """Return the coin and quote that the two have in common, as `BTC/USDT`."""
        return group_of(self.buy[1])
