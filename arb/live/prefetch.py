"""Prefetches: the run's own state that an opening reads, read repeatedly while idle.

A warm-up (`live/warmup.py`) keeps the code of an opening in the processor's caches, but none of the run's data. The run's
state (venues, funds, limits, books) is elsewhere in memory and is cold when an edge appears. So the symbols that were judged
last are visited, one venue at a time, with the same checks and sums as a decision. The data and connections of their orders
are visited too. All of it only reads, or caches results until their inputs change; nothing is decided, opened or written.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import localcontext

from arb.clock import Clock
from arb.core.engine import Engine
from arb.core.strategies.taker_pair.detector import Detector
from arb.market.numbers import DECIMALS
from arb.market.symbol import Symbol
from arb.venues.kit.base import OrderGateway


class Prefetch:
    def __init__(self, engine: Engine, clock: Clock, unread: Callable[[], object]) -> None:
        """`unread` checks for received bytes anywhere, as before each decision."""
        self._engine = engine
        self._unread = unread
        self._clock = clock
        self._parts = self._rounds()

    def step(self) -> bool:
        """Visit the next part, some ten microseconds; return whether a symbol is complete."""
        with localcontext(DECIMALS):
            return next(self._parts)

    def _rounds(self) -> Iterator[bool]:
        strategy = _detector(self._engine)
        while strategy is not None:
            for symbol in tuple(strategy.judged_last):
                yield from self._symbol(strategy, symbol)
                yield True
            if not strategy.judged_last:
                yield True
        while True:
            yield True

    def _symbol(self, strategy: Detector, symbol: str) -> Iterator[bool]:
        state, now_ns = self._engine.state, self._clock.wall_ns()
        self._unread()
        state.books.standing_still(now_ns)
        state.residuals.unhedged()
        yield False
        assets = Symbol.of(symbol).base_and_quote
        for venue in tuple(strategy.routes.venues(symbol)):
            if (venue, symbol) not in state.instruments:
                return  # it has gone between two steps
            strategy.blockers.reason(((venue, symbol),), now_ns)
            for asset in assets:
                state.inventory.free(venue, asset)
            yield False
        for route in tuple(strategy.routes.of(symbol)):
            terms = strategy.routes.terms.get(route)
            if terms is None:
                return
            asks, bids = state.books.sides(route)
            if asks.total and bids.total:
                state.books.best_plan(route, terms)
                strategy.refused.funds(route)
                state.required_edge_bps(route)
                state.least_limit(route)
                state.budget.free_ns(route.venues, symbol, self._engine.manager.hedges_held, now_ns)
            yield False


class OrderPrefetch:
    def __init__(self, engine: Engine, gateways: Mapping[str, OrderGateway]) -> None:
        self._engine = engine
        self._gateways = gateways
        self._parts = self._rounds()

    def step(self) -> bool:
        """Visit one symbol at one venue, some twenty microseconds; return whether the symbol is complete."""
        with localcontext(DECIMALS):
            return next(self._parts)

    def _rounds(self) -> Iterator[bool]:
        strategy = _detector(self._engine)
        while True:
            symbols = () if strategy is None else tuple(strategy.judged_last)
            for symbol in symbols:
                for venue, gateway in self._gateways.items():
                    if (venue, symbol) in self._engine.state.instruments:
                        gateway.prefetch(symbol)
                        yield False
                yield True
            if not symbols:
                yield True


def _detector(engine: Engine) -> Detector | None:
    return next((strategy for strategy in engine.strategies if isinstance(strategy, Detector)), None)
