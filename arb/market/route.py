"""A route: an ordered pair of instruments, the one to buy and the one to sell.

The two may differ in venue, in symbol, or in both. They belong to one group: one coin and one quote.
"""

from typing import NamedTuple

from arb.market.symbol import group_of

Key = tuple[str, str]
"""The name of an instrument: (venue, symbol)."""


Keys = tuple[Key, ...]
"""The instruments that one trade opens in, all of one group: a single one, or the two of a route."""


def venues_of(keys: Keys) -> tuple[str, ...]:
    return tuple(venue for venue, _ in keys)


def group_in(keys: Keys) -> str:
    """Return the coin and quote that the instruments have in common, as `BTC/USDT`."""
    return group_of(keys[0][1])


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
        return group_in(self)
