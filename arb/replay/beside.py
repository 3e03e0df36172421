"""A run and paper beside it: every difference with its cause.

The causes are put in the place of the run's ways one after the other, each on top of those before, and the tape is played again
each time: what one step changes is what its cause makes, with all that follows from it. So the differences of all steps add up
to the whole one exactly, for every pair and in all.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, localcontext
from typing import NamedTuple

import msgspec

from arb.clock import NS_PER_S
from arb.core.messages.records import OpportunityRecord, PairRecord
from arb.market.numbers import EXACT, ZERO
from arb.market.order import Outcome, Side
from arb.replay.recorded import ENDED, Rows
from arb.replay.worlds import Assumed, World

ANSWERS, RIVALS, OUR_FILLS, LATENCY, FEES, BALANCES = "answers", "rivals", "our fills", "latency", "fees", "balances"
CAUSES = (ANSWERS, RIVALS, OUR_FILLS, LATENCY, FEES, BALANCES)
NEAR_NS = NS_PER_S
"""Pairs of two worlds on one route that were decided within this of each other are one pair."""


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """What paper trading assumes; None: that it is as it was in the run. See `arb.replay.worlds.Assumed`."""

    latency_ns: Mapping[str, int | None] | None = None
    fees: Mapping[str, Decimal] | None = None
    balances: Mapping[str, Decimal] | Decimal | None = None

    def steps(self) -> list[tuple[str, Assumed]]:
        """Return the worlds from the run's to that of paper, each with the cause that it adds to the one before."""
        steps = [(RIVALS, Assumed()), (OUR_FILLS, Assumed(remembers=True))]
        for cause, name, value in (
            (LATENCY, "latency_ns", self.latency_ns),
            (FEES, "fees", self.fees),
            (BALANCES, "balances", self.balances),
        ):
            if value is not None:
                steps.append((cause, msgspec.structs.replace(steps[-1][1], **{name: value})))
        return steps


class Figures(msgspec.Struct, frozen=True):
    """What pairs came to: how many, what their orders filled, what fees these paid, and the net, each in quote."""

    pairs: int = 0
    filled: Decimal = ZERO
    fees: Decimal = ZERO
    net: Decimal = ZERO

    def plus(self, other: "Figures", sign: int = 1) -> "Figures":
        """Return the sum, or with `sign` -1 the difference."""
        with localcontext(EXACT):
            return Figures(
                self.pairs + sign * other.pairs,
                self.filled + sign * other.filled,
                self.fees + sign * other.fees,
                self.net + sign * other.net,
            )


class PairOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One pair in one world: what it bought and sold, in base, and at what prices on average (None: nothing).

    `unanswered`: a venue refused one of its orders, or its outcome was unknown.
    """

    record: PairRecord
    bought: Decimal
    sold: Decimal
    buy_price: Decimal | None
    sell_price: Decimal | None
    unanswered: bool
    figures: Figures

    @property
    def open(self) -> bool:
        """Return whether its result is not booked yet."""
        return self.record.state not in ENDED


class Route(NamedTuple):
    """What two pairs have to have in common to be one."""

    kind: str
    symbol: str
    buy_venue: str
    sell_venue: str


class Key(NamedTuple):
    """A pair of any world: its route, and when it was decided in the first world that has it."""

    decided_ns: int
    route: Route


Outcomes = dict[Key, PairOutcome]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One world: which cause it adds, all its pairs, and what its engine counted."""

    cause: str
    outcomes: Outcomes
    rows: Rows
    net: Decimal
    parted_seq: int | None


class Comparison:
    """The run, the worlds from it to paper, and what each cause makes of every pair. `quote` is what all amounts are in."""

    def __init__(self, rows: Rows, net: Decimal, worlds: list[tuple[str, World]]) -> None:
        """`net` is what the run's engine counted."""
        self.keys: list[Key] = []
        self.run = Step(cause="", outcomes=self._named(rows), rows=rows, net=net, parted_seq=None)
        # Paper's pairs are named before those of the worlds between, which are only ways to it.
        last = self._named(worlds[-1][1].rows)
        between = [self._named(world.rows) for _, world in worlds[:-1]]
        self.steps = [
            Step(cause=cause, outcomes=outcomes, rows=world.rows, net=net_of(world), parted_seq=world.parted_seq)
            for (cause, world), outcomes in zip(worlds, [*between, last], strict=True)
        ]
        self.keys.sort()

    @property
    def paper(self) -> Step:
        """Return the last world."""
        return self.steps[-1]

    def _named(self, rows: Rows) -> Outcomes:
        """Give every pair of a world the key of the pair of worlds before that it is; else a new one."""
        named: Outcomes = {}
        free = {*self.keys}
        late: list[PairRecord] = []
        for pair in sorted(rows.pairs.values(), key=lambda pair: (pair.decided_ns, pair.id)):
            key = Key(pair.decided_ns, route_of(pair))
            if key in free:
                free.discard(key)
                named[key] = outcome_of(rows, pair)
            else:
                late.append(pair)
        for pair in late:
            route = route_of(pair)
            near = [key for key in free if key.route == route and abs(key.decided_ns - pair.decided_ns) <= NEAR_NS]
            key = min(near, key=lambda key: abs(key.decided_ns - pair.decided_ns), default=Key(pair.decided_ns, route))
            free.discard(key)
            named[key] = outcome_of(rows, pair)
        self.keys += [key for key in named if key not in self.keys]
        return named

    def causes(self, key: Key) -> dict[str, Figures]:
        """Return what each cause changes of a pair; they add up to paper's figures less the run's."""
        changed = dict.fromkeys(CAUSES, Figures())
        before = self.run.outcomes.get(key)
        refused = before is not None and before.unanswered
        for step in self.steps:
            after = step.outcomes.get(key)
            cause = ANSWERS if step.cause == RIVALS and refused else step.cause
            changed[cause] = changed[cause].plus(figures_of(after).plus(figures_of(before), -1))
            before = after
        return changed

    def totals(self) -> dict[str, Figures]:
        """Return what each cause changes of all pairs."""
        totals = dict.fromkeys(CAUSES, Figures())
        for key in self.keys:
            for cause, figures in self.causes(key).items():
                totals[cause] = totals[cause].plus(figures)
        return totals

    def other(self) -> Decimal:
        """Return what no pair and so no cause accounts for: of what the two engines counted; 0, or something was forgotten."""
        with localcontext(EXACT):
            explained = sum((figures.net for figures in self.totals().values()), ZERO)
            return self.paper.net - self.run.net - explained

    def turned(self, key: Key) -> Step | None:
        """Return the step from which on a pair that only one side has is, or is no more; None for any other."""
        ends = key in self.paper.outcomes
        if ends == (key in self.run.outcomes):
            return None
        found = self.steps[-1]
        for step in reversed(self.steps):
            if (key in step.outcomes) != ends:
                break
            found = step
        return found

    def refused(self, key: Key, step: Step) -> OpportunityRecord | None:
        """Return the opportunity that a world saw where another one opened a pair, and did not take."""
        return next(
            (
                seen
                for seen in step.rows.not_taken
                if (seen.symbol, seen.buy_venue, seen.sell_venue) == key.route[1:]
                and seen.opened_ns - NEAR_NS <= key.decided_ns <= seen.closed_ns + NEAR_NS
                and seen.reason is not None
            ),
            None,
        )


def net_of(world: World) -> Decimal:
    """Return what a world's engine counted as earned, all of it in one quote."""
    return sum(world.engine.state.tally.net.values(), ZERO)


def route_of(pair: PairRecord) -> Route:
    """Return what names a pair besides its instant."""
    return Route(pair.kind, pair.symbol, pair.buy_venue, pair.sell_venue)


def figures_of(outcome: PairOutcome | None) -> Figures:
    """Return the figures of a pair that may not be there."""
    return Figures() if outcome is None else outcome.figures


def outcome_of(rows: Rows, pair: PairRecord) -> PairOutcome:
    """Return what a pair came to in the world of these rows."""
    orders = rows.orders_of(pair)
    fills = rows.fills_of(orders)
    with localcontext(EXACT):
        taken = {side: [fill for fill in fills if fill.side is side] for side in Side}
        sizes = {side: sum((fill.size for fill in taken[side]), ZERO) for side in Side}
        paid = {side: sum((fill.size * fill.price for fill in taken[side]), ZERO) for side in Side}
        fees = sum((fill.fee_quote_value for fill in fills), ZERO)
    return PairOutcome(
        record=pair,
        bought=sizes[Side.BUY],
        sold=sizes[Side.SELL],
        buy_price=paid[Side.BUY] / sizes[Side.BUY] if sizes[Side.BUY] else None,
        sell_price=paid[Side.SELL] / sizes[Side.SELL] if sizes[Side.SELL] else None,
        unanswered=any(order.outcome in (Outcome.REJECTED, Outcome.UNKNOWN) for order in orders),
        figures=Figures(1, paid[Side.BUY] + paid[Side.SELL], fees, rows.net(pair)),
    )


def compare(rows: Rows, net: Decimal, paper: Paper, make: Callable[[Assumed], World]) -> Comparison:
    """Play every step's world, as `make` makes it ready, and compare them; raises what breaks in one."""
    worlds: list[tuple[str, World]] = []
    for cause, assumed in paper.steps():
        worlds.append((cause, world := make(assumed)))
        world.play()
    return Comparison(rows, net, worlds)
