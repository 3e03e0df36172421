"""The search for the cheapest moves of one asset between venues: sets of moves, and the amount of each.

Everything is in whole 1e-8 of the asset. The search is exact in its class: sets of direct moves, one chain each, without a
circle (so at least one move fewer than venues). No venue both sends and receives. It takes the set with the lowest fees. For a
set, the amounts of each move that satisfy every venue's bounds are an interval. It is computed from the leaves of the tree
that the moves form. The amount within it is the one nearest to the targets.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from math import ceil, floor
from typing import NamedTuple

from arb.market.wallets import WayChain

VENUES_MAX = 8
"""The most venues between which sets of moves are searched."""


class Node(NamedTuple):
    """A venue in 1e-8 of the asset: its holdings, the part it may send, and its band."""

    held: int
    free: int
    low: int
    target: int
    high: int

    @property
    def short(self) -> bool:
        return self.held < self.low

    @property
    def over(self) -> bool:
        return self.held > self.high


class Arc(NamedTuple):
    """A way to move: a fixed fee and a rate, both added to the arriving amount; `least`: the least arriving amount."""

    source: str
    target: str
    chain: WayChain | None
    fee: int
    rate: Fraction
    least: int

    def leaves(self, arrives: int) -> int:
        """Return the amount to send so that this arrives."""
        return arrives + self.fee + ceil(self.rate * arrives)

    def most_for(self, leaves: int) -> int:
        """Return the most that arrives where no more than this is sent; below 0 where the fee exceeds it."""
        arrives = floor(Fraction(leaves - self.fee) / (1 + self.rate))
        return arrives if self.leaves(arrives) <= leaves else arrives - 1

    def least_for(self, leaves: int) -> int:
        """Return the least that arrives where no less than this is sent."""
        arrives = self.most_for(leaves)
        return arrives if self.leaves(arrives) >= leaves else arrives + 1


class Choice(NamedTuple):
    """A set of moves: its cost, the venues' distance from their targets, and the amount that arrives by each arc."""

    cost: int
    moves: int
    off: int
    amounts: tuple[tuple[Arc, int], ...]


class _Interval(NamedTuple):
    low: int
    high: int


def cheapest(nodes: Mapping[str, Node], must: Sequence[str], arcs: Sequence[Arc]) -> Choice | None:
    """Return the set of moves of least cost that brings the venues of `must` into their bands; None for no such set.

    Of equal costs the set of the fewest moves, then the one nearest to the targets, then the first.
    """
    best: Choice | None = None
    for chosen in _sets(nodes, arcs):
        if best is not None and sum(arc.fee for arc in chosen) > best.cost:
            break  # they are sorted by their fixed fees
        amounts = _amounts(nodes, must, chosen)
        if amounts is None:
            continue
        cost = sum(arc.leaves(arrives) - arrives for arc, arrives in amounts)
        choice = Choice(cost, len(amounts), _off(nodes, amounts), amounts)
        if best is None or choice[:3] < best[:3]:
            best = choice
    return best


def _sets(nodes: Mapping[str, Node], arcs: Sequence[Arc]) -> Iterable[tuple[Arc, ...]]:
    """Return the sets of moves that could do, those of the least fixed fees first: no route twice, no circle."""
    sizes = range(1, min(len(nodes), VENUES_MAX))
    found = [chosen for size in sizes for chosen in combinations(arcs, size) if _is_forest(chosen)]
    return sorted(found, key=lambda chosen: (sum(arc.fee for arc in chosen), len(chosen)))


def _is_forest(chosen: Iterable[Arc]) -> bool:
    tree: dict[str, str] = {}
    sources, targets = set[str](), set[str]()

    def root(venue: str) -> str:
        while tree.get(venue, venue) != venue:
            venue = tree[venue]
        return venue

    for arc in chosen:
        sources.add(arc.source)
        targets.add(arc.target)
        one, other = root(arc.source), root(arc.target)
        if one == other:
            return False
        tree[one] = other
    return sources.isdisjoint(targets)


def _amounts(
    nodes: Mapping[str, Node], must: Sequence[str], chosen: Sequence[Arc]
) -> tuple[tuple[Arc, int], ...] | None:
    """Return the arriving amounts of `chosen` that satisfy every venue's bounds, near the targets; None: impossible."""
    sources = {arc.source for arc in chosen}
    touched = sources | {arc.target for arc in chosen}
    if any(venue not in touched for venue in must):
        return None
    needs = {venue: _need(nodes[venue], sends=venue in sources, must=venue in must) for venue in touched}
    amounts: dict[Arc, int] = {}
    left = list(chosen)
    while left:
        tree = _Tree(left[0].target, left, nodes, needs, amounts)
        if not tree.fill():
            return None
        left = [arc for arc in left if arc not in amounts]
    return tuple((arc, amounts[arc]) for arc in chosen)


def _need(node: Node, *, sends: bool, must: bool) -> _Interval:
    if sends:
        return _Interval(max(0, node.held - node.high) if must else 0, min(node.free, node.held - node.low))
    return _Interval(max(0, node.low - node.held) if must else 0, node.high - node.held)


class _Tree:
    """Connected moves, seen from one venue, its root."""

    def __init__(
        self,
        root: str,
        arcs: Sequence[Arc],
        nodes: Mapping[str, Node],
        needs: Mapping[str, _Interval],
        amounts: dict[Arc, int],
    ) -> None:
        self._root, self._nodes, self._needs, self._amounts = root, nodes, needs, amounts
        self._arcs = arcs
        # The range of each arc that satisfies the bounds of all venues beyond it.
        self._may: dict[Arc, _Interval] = {}

    def fill(self) -> bool:
        rest = self._rest(self._root, None)
        return rest is not None and rest.low <= 0 <= rest.high and self._choose(self._root, None)

    def _beyond(self, venue: str, before: Arc | None) -> Iterator[Arc]:
        return (arc for arc in self._arcs if arc is not before and venue in (arc.source, arc.target))

    def _rest(self, venue: str, before: Arc | None) -> _Interval | None:
        """Return the amount that the arc towards the root must carry, as the venue sends or receives it; None: impossible."""
        low, high = self._needs[venue]
        for arc in self._beyond(venue, before):
            child = arc.target if arc.source == venue else arc.source
            rest = self._rest(child, arc)
            if rest is None:
                return None
            may = _arriving(arc, child, rest)
            if may.low > may.high:
                return None
            self._may[arc] = may
            carried = _counted(arc, venue, may)
            low, high = low - carried.high, high - carried.low
        return _Interval(low, high) if low <= high else None

    def _choose(self, venue: str, before: Arc | None) -> bool:
        low, high = self._needs[venue]
        if before is not None:
            fixed = self._amounts[before] if before.target == venue else before.leaves(self._amounts[before])
            low, high = low - fixed, high - fixed
        open_arcs = list(self._beyond(venue, before))
        for number, arc in enumerate(open_arcs):
            others = [_counted(arc_, venue, self._may[arc_]) for arc_ in open_arcs[number + 1 :]]
            here = _Interval(low - sum(one.high for one in others), high - sum(one.low for one in others))
            fits, may = _arriving(arc, venue, here), self._may[arc]
            least, most = max(fits.low, may.low), min(fits.high, may.high)
            if least > most:
                return False
            arrives = self._amounts[arc] = min(most, max(least, self._ideal(arc)))
            carried = arrives if arc.target == venue else arc.leaves(arrives)
            low, high = low - carried, high - carried
        children = ((arc.target if arc.source == venue else arc.source, arc) for arc in open_arcs)
        return low <= 0 <= high and all(self._choose(child, arc) for child, arc in children)

    def _ideal(self, arc: Arc) -> int:
        sent = sum(one.leaves(arrives) for one, arrives in self._amounts.items() if one.source == arc.source)
        come = sum(arrives for one, arrives in self._amounts.items() if one.target == arc.target)
        giver, taker = self._nodes[arc.source], self._nodes[arc.target]
        return min(arc.most_for(giver.held - sent - giver.target), taker.target - taker.held - come)


def _counted(arc: Arc, venue: str, arriving: _Interval) -> _Interval:
    """Return an interval of arriving amounts as a venue counts it: what it receives, or sends."""
    return arriving if arc.target == venue else _Interval(arc.leaves(arriving.low), arc.leaves(arriving.high))


def _arriving(arc: Arc, venue: str, counted: _Interval) -> _Interval:
    """Return an interval that a venue sends or receives as arriving amounts, within the limits of the way."""
    low, high = counted
    if arc.source == venue:
        low, high = arc.least_for(low), arc.most_for(high)
    return _Interval(max(low, arc.least), high)


def _off(nodes: Mapping[str, Node], amounts: Iterable[tuple[Arc, int]]) -> int:
    after = {venue: node.held for venue, node in nodes.items()}
    for arc, arrives in amounts:
        after[arc.source] -= arc.leaves(arrives)
        after[arc.target] += arrives
    return sum(abs(after[venue] - node.target) for venue, node in nodes.items())
