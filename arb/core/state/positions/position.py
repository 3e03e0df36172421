"""Positions: the sum of all fills in each instrument, ours and foreign ones, since the process began.

A spot inventory is the sum of its positions and of the rest: base and quote held before, and transfers
(`Inventory.unattributed`). The fault simulation asserts that after every event.
"""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from arb.market.fill import Fill
from arb.market.kinds import Kind, kind_of
from arb.market.numbers import ZERO
from arb.market.route import Key


class Position:
    """The sum of the fills of one instrument, exact, by asset; fees are in the asset that they were paid in."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.flows: defaultdict[str, Decimal] = defaultdict(Decimal)

    @property
    def size(self) -> Decimal:
        """Return the units held: above zero we are long."""
        return self.flows.get(self.kind.unit, ZERO)

    @property
    def cost(self) -> Decimal:
        """Return its cost so far, in the asset that it settles in; below zero: its proceeds."""
        return -self.flows.get(self.kind.settle, ZERO)


class Positions:
    def __init__(self) -> None:
        self._known: dict[Key, Position] = {}

    def apply(self, fill: Fill) -> dict[str, Decimal]:
        """Add a fill that was not added before; return the amounts that it moved, by asset."""
        key = fill.venue, fill.symbol
        position = self._known.get(key)
        if position is None:
            position = self._known[key] = Position(kind_of(fill.symbol))
        moved = position.kind.flows(fill)
        for asset, amount in moved.items():
            position.flows[asset] += amount
        return moved

    def __iter__(self) -> Iterator[tuple[Key, Position]]:
        yield from self._known.items()

    def held(self, venue: str, asset: str) -> Decimal:
        """Return the amount of an asset that the positions at a venue have moved."""
        flows = (position.flows.get(asset, ZERO) for (at, _), position in self._known.items() if at == venue)
        return sum(flows, ZERO)
