"""The moves between venues after which the bands of an asset are met again: amount, source, target, chain.

Each asset is planned by itself, in whole 1e-8 of it. A venue below its low edge must reach that edge at least; one above its
high edge must fall to that at most. All others stay in their bands. Edges that are shares refer to the joint holdings of all
venues before the moves. Within that, amounts end as near to the targets as possible. A move at a fixed fee should last (Miller
and Orr, "A model of the demand for money by firms", Quarterly Journal of Economics 80 (1966): a bound that is hit leads back
to the target).

The set of moves with the lowest fees is taken (`move_search.py`). Where no set meets all bands, as many as possible are met,
and each other one is refused with its first blocker.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from math import ceil, floor
from typing import NamedTuple

import msgspec

from arb.core.accounts.move_search import Arc, Choice, Node, cheapest
from arb.core.messages.settings import Band
from arb.core.state.positions.holdings import Held
from arb.market.numbers import E8, ZERO, exact, floor_scaled, plain
from arb.market.wallets import Way, WayChain, WayState

PLACES = 8
BPS = 10_000


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer: `amount` is sent, `fee` of it is charged, the rest arrives. None where the venues do not publish it."""

    asset: str
    from_venue: str
    to_venue: str
    chain: str
    amount: Decimal
    fee: Decimal
    arrives: Decimal
    minimum: Decimal | None
    confirmations: int | None
    arrival_s: int | None


class Refused(msgspec.Struct, frozen=True):
    """A band that no moves meet, and its first blocker."""

    asset: str
    venue: str
    because: str


class AssetPlan(NamedTuple):
    """The moves of one asset, the unmet bands, and each venue's holdings after all arrivals."""

    moves: tuple[Move, ...]
    refused: tuple[Refused, ...]
    after: Mapping[str, Decimal]


WayOf = Callable[[str, str], Way]
"""From a venue to another: whether the asset can be moved, and on which chains."""


def plan_moves(
    asset: str,
    bands: Mapping[str, Band],
    held: Mapping[str, Held],
    way_of: WayOf,
    max_cost_bps: Decimal | None,
    fees: Mapping[str, Decimal] | None = None,
) -> AssetPlan:
    """Return the cheapest moves after which all bands of `asset` are met, or as many as possible.

    `held`: every venue whose holdings count; a venue without a band neither sends nor receives. `max_cost_bps` >= 0: the most
    that a move may cost, of the arriving amount; None: any cost. `fees`: the withdrawal fees that the user states, by venue,
    where its list has none.
    """
    nodes = _nodes(bands, held)
    wanted = [venue for venue, node in nodes.items() if node.short or node.over]
    arcs = _arcs(nodes, way_of, max_cost_bps, fees or {})
    met, choice = _most(nodes, wanted, arcs)
    refused = [
        Refused(asset, venue, _why_not(asset, nodes, venue, way_of, max_cost_bps, fees or {}))
        for venue in wanted
        if venue not in met
    ]
    after = {venue: node.held for venue, node in nodes.items()}
    for arc, arrives in choice.amounts:
        after[arc.source] -= arc.leaves(arrives)
        after[arc.target] += arrives
    return AssetPlan(
        tuple(_move(asset, arc, arrives) for arc, arrives in choice.amounts),
        tuple(refused),
        {venue: exact(amount, PLACES) for venue, amount in after.items()},
    )


def _nodes(bands: Mapping[str, Band], held: Mapping[str, Held]) -> dict[str, Node]:
    in_all = sum((Fraction(one.total) for one in held.values()), Fraction(0))
    nodes = {}
    for venue, one in sorted(held.items()):
        if venue in bands:
            low, target, high = (edge * E8 for edge in bands[venue].edges(in_all))
            total, free = floor_scaled(one.total, PLACES), max(0, floor_scaled(one.free, PLACES))
            nodes[venue] = Node(total, free, ceil(low), floor(target), floor(high))
    return nodes


def _arcs(
    nodes: Mapping[str, Node], way_of: WayOf, max_cost_bps: Decimal | None, fees: Mapping[str, Decimal]
) -> list[Arc]:
    """Return every usable way: from a venue above its low edge to one below its high edge."""
    found = []
    for source, giver in nodes.items():
        for target, taker in nodes.items():
            useful = source != target and (giver.over or taker.short) and not giver.short and not taker.over
            for chain in way_of(source, target).chains if useful else ():
                arc = _arc(source, target, chain, max_cost_bps, fees.get(source))
                if arc is not None:
                    found.append(arc)
    return found


def _arc(source: str, target: str, chain: WayChain, max_cost_bps: Decimal | None, stated: Decimal | None) -> Arc | None:
    """Return a way by a chain; None where it is closed, its cost is unknown, or the cost is too high for any amount."""
    fee = chain.out.withdrawal_fee if chain.out.withdrawal_fee is not None else stated
    if not chain.is_open or fee is None:
        return None
    rate = Fraction(chain.out.withdrawal_fee_rate or 0)
    fixed = ceil(Fraction(fee) * E8)
    least = max(1, *(ceil(Fraction(amount or 0) * E8) for amount in (chain.out.withdrawal_min, chain.into.deposit_min)))
    if max_cost_bps is not None:
        spare = Fraction(max_cost_bps) / BPS - rate
        if spare < 0 or (spare == 0 and fixed):
            return None
        least = max(least, ceil(fixed / spare) if fixed else 0)
    return Arc(source, target, chain, fixed, rate, least)


def _most(nodes: Mapping[str, Node], wanted: Sequence[str], arcs: Sequence[Arc]) -> tuple[tuple[str, ...], Choice]:
    """Return the venues whose bands are met, as many of `wanted` as possible, and the best set of moves for it."""
    for count in range(len(wanted), 0, -1):
        found = [
            (choice, must)
            for must in combinations(wanted, count)
            if (choice := cheapest(nodes, must, arcs)) is not None
        ]
        if found:
            choice, must = min(found, key=lambda one: (one[0][:3], one[1]))
            return must, choice
    return (), Choice(0, 0, 0, ())


def _why_not(
    asset: str,
    nodes: Mapping[str, Node],
    venue: str,
    way_of: WayOf,
    max_cost_bps: Decimal | None,
    fees: Mapping[str, Decimal],
) -> str:
    """Return the first blocker of a venue's band, found by lifting one limit after the other."""
    node, must = nodes[venue], (venue,)
    needs = (
        f"{plain(exact(node.low - node.held, PLACES))} {asset} more"
        if node.short
        else (f"{plain(exact(node.held - node.high, PLACES))} {asset} less")
    )
    arcs = _arcs(nodes, way_of, max_cost_bps, fees)
    if cheapest(nodes, must, arcs) is not None:
        return f"needs {needs}: other bands take precedence: ask again once those moves have arrived"
    any_cost = _arcs(nodes, way_of, None, fees)
    found = cheapest(nodes, must, any_cost)
    if found is not None:
        dearest = max(BPS * Fraction(arc.leaves(arrives) - arrives, arrives) for arc, arrives in found.amounts)
        limit = plain(max_cost_bps or ZERO)
        return f"needs {needs}: that costs {ceil(dearest)} bps of the arriving amount, and {limit} are allowed (--max-cost-bps)"
    any_amount = [arc._replace(least=1) for arc in any_cost]
    if cheapest(nodes, must, any_amount) is not None:
        least = min(arc.least for arc in any_cost if venue in (arc.source, arc.target))
        return f"needs {needs}: no less than {plain(exact(least, PLACES))} {asset} can be moved on any open chain"
    free_ways = [
        Arc(source, target, None, 0, Fraction(0), 1)
        for source, giver in nodes.items()
        for target, taker in nodes.items()
        if source != target and venue in (source, target) and not giver.short and not taker.over
    ]
    if cheapest(nodes, must, free_ways) is not None:
        ways = dict.fromkeys(_closed(way_of(arc.source, arc.target), fees.get(arc.source)) for arc in free_ways)
        return f"needs {needs}: {'; '.join(filter(None, ways)) or 'too little arrives after the fees'}"
    unlocked = {name: one._replace(free=one.held) for name, one in nodes.items()}
    if cheapest(unlocked, must, free_ways) is not None:
        return f"needs {needs}: the spare holdings are locked or reserved"
    return (
        f"needs {needs}: the other venues with a band can {'spare' if node.short else 'take'} too little within theirs"
    )


def _closed(way: Way, stated: Decimal | None) -> str:
    """Return why a way cannot be used; "" where it can."""
    if way.state is not WayState.OPEN:
        return f"{way.from_venue} to {way.to_venue}: {way.because}"
    if stated is None and all(chain.out.withdrawal_fee is None for chain in way.chains if chain.is_open):
        return f"{way.from_venue} lists no withdrawal fee: state it (--fee {way.from_venue}:{way.asset}=AMOUNT)"
    return ""


def _move(asset: str, arc: Arc, arrives: int) -> Move:
    assert arc.chain is not None
    out, into = arc.chain
    leaves = arc.leaves(arrives)
    least = [amount for amount in (out.withdrawal_min, into.deposit_min) if amount is not None]
    return Move(
        asset=asset,
        from_venue=arc.source,
        to_venue=arc.target,
        chain=out.chain,
        amount=exact(leaves, PLACES),
        fee=exact(leaves - arrives, PLACES),
        arrives=exact(arrives, PLACES),
        minimum=max(least, default=None),
        confirmations=into.confirmations,
        arrival_s=into.arrival_s,
    )
