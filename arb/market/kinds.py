"""The kinds of instruments: the units of their sizes and results, and the amounts that a fill moves in the account's wallets.

Spot is the only kind that is traded. Another kind answers the same questions: it settles its result in one asset, and its
fills move no base.
"""

from decimal import Decimal
from functools import lru_cache
from typing import Protocol

from arb.market.numbers import ZERO
from arb.market.order import Side
from arb.market.symbol import KNOWN_MAX, Symbol


class Execution(Protocol):
    """A fill as it arrives, or as it was journalled; see `Fill`."""

    @property
    def side(self) -> Side: ...

    @property
    def price(self) -> Decimal: ...

    @property
    def size(self) -> Decimal: ...

    @property
    def fee(self) -> Decimal: ...

    @property
    def fee_currency(self) -> str: ...


class Kind(Protocol):
    @property
    def unit(self) -> str:
        """The asset in which sizes are counted."""

    @property
    def contract_size(self) -> Decimal:
        """How many of `unit` one contract of the venue is, > 0."""

    @property
    def settle(self) -> str:
        """The asset in which results are paid."""

    def flows(self, fill: Execution) -> dict[str, Decimal]:
        """Return by asset the amounts that a fill adds to the account, its fee included; below zero: that it takes.

        Exact in a context of enough digits, such as `DECIMALS`.
        """

    def payoff(self, size: Decimal, entry: Decimal, price: Decimal) -> Decimal:
        """Return the result, in `settle`, of `size` units held from one price to another; a short position's is negative."""


class Spot:
    """Coins against quote: a fill moves both in full."""

    contract_size = Decimal(1)

    def __init__(self, symbol: Symbol) -> None:
        self.unit, self.settle = symbol.base_and_quote

    def flows(self, fill: Execution) -> dict[str, Decimal]:
        sign = 1 if fill.side is Side.BUY else -1
        flows = {self.unit: sign * fill.size, self.settle: -sign * fill.size * fill.price}
        flows[fill.fee_currency] = flows.get(fill.fee_currency, ZERO) - fill.fee
        return flows

    def payoff(self, size: Decimal, entry: Decimal, price: Decimal) -> Decimal:
        return size * (price - entry)


@lru_cache(maxsize=KNOWN_MAX)
def kind_of(symbol: str) -> Kind:
    """Return the kind of an instrument by its symbol; raise `ValueError` for a kind that is not traded."""
    found = Symbol.of(symbol)
    if not found.is_spot:
        raise ValueError(f"{symbol} is no spot symbol: only spot is traded")
    return Spot(found)
