"""The results of a replay as plain values: edges, pairs and money in exact decimals, with the definitions of its figures.

An *edge* is one episode in which a trade between two venues was worth more than 0 after both fees, ignoring thresholds and
balances (`core/strategies/taker_pair/episodes.py`). It was *takeable* where it passed every limit at some instant: then a pair
opened.

The *break-even fee* is the one rate at which the traded pairs would have made nothing. Each of their fills (both legs, and
repairs) pays it in quote, on its own notional, in place of the fee it paid. With the net `N`, the fees paid `F` (in quote) and
the notional of all fills `V`, `N + F - f V = 0`, so `f = (N + F) / V`. It ignores pairs that another fee would have opened or
prevented. Below 0, only a rebate would do.

*By the leg cost* a pair makes its expected net at its opening, less the allowance of `[limits] leg_cost` for legs that fall
short. Simulated fills meet no rivals; this figure rests on more than them.
"""

from decimal import Decimal

import msgspec

EDGE_BPS = (0, 1, 2, 5, 10, 20, 50, 100)
"""Lower bounds of the classes of edges by size, in bps after fees."""
LIFE_MS = (0, 10, 50, 100, 500, 1_000, 5_000, 60_000)
"""Lower bounds of their classes by life-time, in ms from the first sight to the last."""


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """One edge at its best instant; `edge_bps` is after fees, `gross_edge_bps` before them, `net` in quote."""

    symbol: str
    buy: str
    sell: str
    seen_ns: int
    edge_bps: Decimal
    gross_edge_bps: Decimal
    net: Decimal
    buy_size: Decimal
    life_ms: int


class Earned(msgspec.Struct, frozen=True, kw_only=True):
    """Everything in one quote currency.

    `net`, `expected` and `fees` are of the pairs that were booked, repairs included; `traded` is the notional of all their
    fills. `edges_net`: the value of every edge at its best instant, each taken once and independently. `leg_cost`: the
    allowance of the threshold for legs that fall short; `net_by_leg_cost`: `expected` of pairs that opened on an edge, less
    that.
    """

    quote: str
    edges: int
    takeable: int
    edges_net: Decimal
    best: Edge | None
    pairs: int
    net: Decimal
    expected: Decimal
    fees: Decimal
    traded: Decimal
    leg_cost: Decimal
    net_by_leg_cost: Decimal
    break_even_fee_bps: Decimal | None


class EdgeClass(msgspec.Struct, frozen=True, kw_only=True):
    """How many edges were of one size and one life-time, from a lower bound (included) to the next."""

    edge_bps: int
    life_ms: int
    edges: int
    takeable: int


class RouteRow(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol bought at one venue and sold at another; `net` in quote."""

    symbol: str
    buy: str
    sell: str
    edges: int
    takeable: int
    best_edge_bps: Decimal | None
    pairs: int
    net: Decimal


class HourRow(msgspec.Struct, frozen=True, kw_only=True):
    """One venue pair in one hour of the day, UTC; edges by when they opened, pairs by when they were decided."""

    buy: str
    sell: str
    quote: str
    hour_utc: int
    edges: int
    takeable: int
    pairs: int
    net: Decimal


class ReasonRow(msgspec.Struct, frozen=True, kw_only=True):
    """How many edges one reason blocked; None: they were taken. `best_net`: the value of these, each at its best."""

    quote: str
    reason: str | None
    edges: int
    best_net: Decimal


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    buy: str
    sell: str
    decided_ns: int
    buy_size: Decimal
    sell_size: Decimal


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The findings of a replay. `pairs` by state, including those of coins that are not proved to be the same.

    `unproved_pairs`: the number of those, whose money is in no sum.
    """

    pairs: dict[str, int]
    unproved_pairs: int
    earned: tuple[Earned, ...]
    classes: tuple[EdgeClass, ...]
    routes: tuple[RouteRow, ...]
    hours: tuple[HourRow, ...]
    reasons: tuple[ReasonRow, ...]

    @property
    def edges(self) -> int:
        return sum(each.edges for each in self.earned)

    @property
    def takeable(self) -> int:
        return sum(each.takeable for each in self.earned)

    @property
    def net(self) -> dict[str, Decimal]:
        return {each.quote: each.net for each in self.earned}
