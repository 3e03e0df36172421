"""Add up the rows of a replay to a `Result`.

`ReplayTotals` takes the rows that the runner gives to a ledger. It keeps counts and sums of an untraded edge, and the sums'
inputs of a pair, its orders and its fills, about 1 kB. Its size follows the trades and not the frames.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.records import (
    FillRecord,
    OpportunityOutcome,
    OpportunityRecord,
    OrderRecord,
    PairKind,
    PairRecord,
    PairState,
    RunRecord,
)
from arb.market.numbers import EXACT, ZERO, bps, exact, plain
from arb.market.route import Route
from arb.replay.result import (
    EDGE_BPS,
    LIFE_MS,
    Earned,
    Edge,
    EdgeClass,
    HourRow,
    Opening,
    ReasonRow,
    Result,
    RouteRow,
)
from arb.store.journal.reader import Row

BOOKED = frozenset({PairState.COMPLETED, PairState.UNWOUND, PairState.CARRIED, PairState.ABANDONED})
"""The states in which a pair's result is booked."""
_HOUR_NS = 3600 * NS_PER_S
_HOURS = 24


class _Pair(msgspec.Struct, gc=False):
    opening: Opening
    quote: str
    state: PairState
    proved: bool
    """Its coins are proved to be the same, or no check was asked for."""
    cost_e8: int | None = None
    """The allowance of the threshold for its legs; None: it did not open on an edge."""
    expected_e8: int = 0
    net_e8: int | None = None
    """None: not booked."""


class ReplayTotals:
    """The results of replays. Takes rows as a ledger does (`arb.live.runner.LedgerWriter`)."""

    def __init__(self) -> None:
        self._runs: set[int] = set()
        self._pairs: dict[int, _Pair] = {}
        self._orders: dict[int, int] = {}
        self._fills: dict[int, tuple[int, Decimal, Decimal]] = {}
        self._taken: dict[int, OpportunityRecord] = {}
        self._untaken = _Edges()

    # A ledger's input. Rows of earlier runs, which a run may have recovered, do not count.

    def submit(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._take(row.record)

    def submit_untraded(self, record: OpportunityRecord) -> None:
        self._untaken.add(record)

    def _take(self, record: object) -> None:
        match record:
            case RunRecord():
                self._runs.add(record.id)
            case OpportunityRecord() if record.run_id in self._runs:
                self._taken[record.id] = record
            case PairRecord() if record.run_id in self._runs:
                self._pair(record)
            case OrderRecord() if record.pair_trade_id is not None:
                self._orders[record.id] = record.pair_trade_id
            case FillRecord():
                notional = EXACT.multiply(record.price, record.size)
                self._fills[record.id] = record.order_id, notional, record.fee_quote_value

    def _pair(self, record: PairRecord) -> None:
        pair = self._pairs.get(record.id)
        if pair is None:
            pair = self._pairs[record.id] = _Pair(_opening(record), record.quote, record.state, record.identity is None)
        pair.state = record.state
        if record.kind is PairKind.ARB:
            pair.cost_e8 = record.leg_cost_e8 or 0
        if record.waterfall is None or record.state not in BOOKED:
            pair.net_e8 = None
            return
        pair.expected_e8, pair.net_e8 = record.waterfall.expected_net_e8, record.waterfall.realised_net_e8

    # The results.

    @property
    def openings(self) -> list[Opening]:
        return [pair.opening for _, pair in sorted(self._pairs.items())]

    def result(self) -> Result:
        edges = _Edges()
        edges.include(self._untaken)
        for record in self._taken.values():
            edges.add(record)
        states = Counter(pair.state for pair in self._pairs.values())
        booked = {id_: pair for id_, pair in self._pairs.items() if pair.proved and pair.net_e8 is not None}
        return Result(
            pairs={str(state): states[state] for state in PairState if states[state]},
            unproved_pairs=sum(not pair.proved for pair in self._pairs.values()),
            earned=self._earned(edges, booked),
            classes=edges.by_class(),
            routes=edges.by_route(booked.values()),
            hours=edges.by_hour(booked.values()),
            reasons=edges.by_reason(),
        )

    def _earned(self, edges: "_Edges", pairs: dict[int, _Pair]) -> tuple[Earned, ...]:
        fees: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        traded: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        for order_id, notional, fee in self._fills.values():
            pair = pairs.get(self._orders.get(order_id, 0))
            if pair is not None:
                traded[pair.quote] = EXACT.add(traded[pair.quote], notional)
                fees[pair.quote] = EXACT.add(fees[pair.quote], fee)
        rows = [
            self._of_quote(quote, edges, [pair for pair in pairs.values() if pair.quote == quote], fees, traded)
            for quote in {*edges.quotes, *(pair.quote for pair in pairs.values())}
        ]
        return tuple(sorted(rows, key=lambda row: (-row.pairs, -row.edges, row.quote)))

    @staticmethod
    def _of_quote(
        quote: str, edges: "_Edges", pairs: list[_Pair], fees: dict[str, Decimal], traded: dict[str, Decimal]
    ) -> Earned:
        on_edges = [pair for pair in pairs if pair.cost_e8 is not None]
        net_e8 = sum(pair.net_e8 or 0 for pair in pairs)
        cost_e8 = sum(pair.cost_e8 or 0 for pair in on_edges)
        of = edges.quotes.get(quote) or _Sum()
        return Earned(
            quote=quote,
            edges=of.edges,
            takeable=of.takeable,
            edges_net=_money(of.net_e8),
            best=None if of.best is None else _edge(of.best),
            pairs=len(pairs),
            net=_money(net_e8),
            expected=_money(sum(pair.expected_e8 for pair in pairs)),
            fees=_short(fees[quote]),
            traded=_short(traded[quote]),
            leg_cost=_money(cost_e8),
            net_by_leg_cost=_money(sum(pair.expected_e8 for pair in on_edges) - cost_e8),
            break_even_fee_bps=break_even_bps(_money(net_e8), fees[quote], traded[quote]),
        )


def break_even_bps(net: Decimal, fees: Decimal, traded: Decimal) -> Decimal | None:
    """Return the taker's fee in bps, to 6 decimals, at which the net would be 0; None without trades.

    All in one quote: the net, the fees in it, and the notional of all fills; see `arb.replay.result`.
    """
    if not traded:
        return None
    rate = (Fraction(net) + Fraction(fees)) / Fraction(traded)
    return _short(bps(rate.numerator, rate.denominator))


def _money(amount_e8: int) -> Decimal:
    return _short(exact(amount_e8, 8))


def _short(value: Decimal) -> Decimal:
    """Return a decimal without trailing zeros or exponent, so that equal ones are written equally."""
    return Decimal(plain(value))


def _opening(record: PairRecord) -> Opening:
    return Opening(
        symbol=record.symbol,
        buy=record.buy_venue,
        sell=record.sell_venue,
        decided_ns=record.decided_ns,
        buy_size=_short(record.buy_size),
        sell_size=_short(record.sell_size),
    )


def _edge(record: OpportunityRecord) -> Edge:
    return Edge(
        symbol=record.symbol,
        buy=record.buy_venue,
        sell=record.sell_venue,
        seen_ns=record.best_ns,
        edge_bps=_short(record.best_edge_bps),
        gross_edge_bps=_short(record.best_gross_edge_bps),
        net=_money(record.best_net_e8),
        buy_size=_short(record.best_buy_size),
        life_ms=_life_ms(record),
    )


def _life_ms(record: OpportunityRecord) -> int:
    return (record.closed_ns - record.opened_ns) // NS_PER_MS


def _hour(at_ns: int) -> int:
    return at_ns // _HOUR_NS % _HOURS


class _Sum(msgspec.Struct):
    edges: int = 0
    takeable: int = 0
    net_e8: int = 0
    best: OpportunityRecord | None = None

    def add(self, record: OpportunityRecord) -> None:
        self.include(_Sum(1, record.outcome is OpportunityOutcome.TRADED, record.best_net_e8, record))

    def include(self, other: "_Sum") -> None:
        self.edges += other.edges
        self.takeable += other.takeable
        self.net_e8 += other.net_e8
        # Of equal edges the first counts, so that the order in which they are added does not.
        if other.best is not None and (self.best is None or _rank(other.best) > _rank(self.best)):
            self.best = other.best


def _rank(record: OpportunityRecord) -> tuple[Decimal, int, int]:
    return record.best_edge_bps, -record.best_ns, -record.id


class _Edges:
    def __init__(self) -> None:
        self.quotes: defaultdict[str, _Sum] = defaultdict(_Sum)
        self._classes: defaultdict[tuple[int, int], _Sum] = defaultdict(_Sum)
        self._routes: defaultdict[Route, _Sum] = defaultdict(_Sum)
        self._hours: defaultdict[tuple[str, str, str, int], _Sum] = defaultdict(_Sum)
        self._reasons: defaultdict[tuple[str, str], _Sum] = defaultdict(_Sum)

    def add(self, record: OpportunityRecord) -> None:
        edge_class = bisect_right(EDGE_BPS, record.best_edge_bps) - 1, bisect_right(LIFE_MS, _life_ms(record)) - 1
        self.quotes[record.quote].add(record)
        self._classes[edge_class].add(record)
        self._routes[Route.of(record.symbol, record.buy_venue, record.sell_venue)].add(record)
        self._hours[record.buy_venue, record.sell_venue, record.quote, _hour(record.opened_ns)].add(record)
        self._reasons[record.quote, record.reason or ""].add(record)

    def include(self, other: "_Edges") -> None:
        for mine, theirs in zip(self._tables(), other._tables(), strict=True):
            for key, found in theirs.items():
                mine[key].include(found)

    def _tables(self) -> "tuple[defaultdict[Any, _Sum], ...]":
        return self.quotes, self._classes, self._routes, self._hours, self._reasons

    def by_class(self) -> tuple[EdgeClass, ...]:
        """Return the non-empty classes, the smallest and shortest first."""
        return tuple(
            EdgeClass(edge_bps=EDGE_BPS[size], life_ms=LIFE_MS[life], edges=of.edges, takeable=of.takeable)
            for (size, life), of in sorted(self._classes.items())
        )

    def by_route(self, pairs: Iterable[_Pair]) -> tuple[RouteRow, ...]:
        """Return every route with an edge or a pair, the one that earned most first."""
        money: defaultdict[Route, _Money] = defaultdict(_Money)
        for pair in pairs:
            money[Route.of(pair.opening.symbol, pair.opening.buy, pair.opening.sell)].add(pair)
        rows = []
        for route in {*self._routes, *money}:
            of, earned = self._routes.get(route) or _Sum(), money[route]
            rows.append(
                RouteRow(
                    symbol=route.group,
                    buy=route.venues[0],
                    sell=route.venues[1],
                    edges=of.edges,
                    takeable=of.takeable,
                    best_edge_bps=None if of.best is None else _short(of.best.best_edge_bps),
                    pairs=earned.pairs,
                    net=_money(earned.net_e8),
                )
            )
        return tuple(sorted(rows, key=lambda row: (-row.net, -row.edges, row.symbol, row.buy, row.sell)))

    def by_hour(self, pairs: Iterable[_Pair]) -> tuple[HourRow, ...]:
        """Return every venue pair and hour of the day with an edge or a pair, in their order."""
        money: defaultdict[tuple[str, str, str, int], _Money] = defaultdict(_Money)
        for pair in pairs:
            opening = pair.opening
            money[opening.buy, opening.sell, pair.quote, _hour(opening.decided_ns)].add(pair)
        rows = []
        for key in sorted({*self._hours, *money}):
            of, earned = self._hours.get(key) or _Sum(), money[key]
            buy, sell, quote, hour = key
            rows.append(
                HourRow(
                    buy=buy,
                    sell=sell,
                    quote=quote,
                    hour_utc=hour,
                    edges=of.edges,
                    takeable=of.takeable,
                    pairs=earned.pairs,
                    net=_money(earned.net_e8),
                )
            )
        return tuple(rows)

    def by_reason(self) -> tuple[ReasonRow, ...]:
        rows = [
            ReasonRow(quote=quote, reason=reason or None, edges=of.edges, best_net=_money(of.net_e8))
            for (quote, reason), of in self._reasons.items()
        ]
        return tuple(sorted(rows, key=lambda row: (-row.edges, row.quote, row.reason or "")))


class _Money(msgspec.Struct):
    pairs: int = 0
    net_e8: int = 0

    def add(self, pair: _Pair) -> None:
        self.pairs += 1
        self.net_e8 += pair.net_e8 or 0
