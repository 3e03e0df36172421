"""Prefetches: what an opening would read of the run's own state, read again and again while nothing is to be decided.

A warm-up (`live/warmup.py`) keeps the code of an opening in the processor's caches, and nothing of the run. What the run
knows (venues, funds, limits, books) lies elsewhere in memory and is as cold by the time an edge comes. So the symbols that
were judged last are gone through, a venue at a time, with the very checks and sums that a decision makes, and so is what
orders in them would be written with and leave on. All of it only reads, or keeps what it has worked out until that changes;
nothing is decided, opened or written.
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
    """Goes through the symbols that an engine has judged last."""

    def __init__(self, engine: Engine, clock: Clock, unread: Callable[[], object]) -> None:
        """`unread` looks whether received bytes wait anywhere, as is done before each decision."""
        self._engine = engine
        self._unread = unread
        self._clock = clock
        self._parts = self._rounds()

    def step(self) -> bool:
        """Look at the next part, some ten microseconds; return whether a symbol is complete."""
        with localcontext(DECIMALS):
            return next(self._parts)

    def _rounds(self) -> Iterator[bool]:
        strategy = self._engine.strategy
        while isinstance(strategy, Detector):
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
            strategy.blockers.reason_at(venue, symbol, now_ns)
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
                strategy.blockers.funds(route)
                state.edge_over_bps(route)
                state.least_limit(route)
                state.budget.free_ns(route[1:], symbol, self._engine.manager.hedges_held, now_ns)
            yield False


class OrderPrefetch:
    """Goes through what orders in the symbols that an engine has judged last would be written with and leave on."""

    def __init__(self, engine: Engine, gateways: Mapping[str, OrderGateway]) -> None:
        self._engine = engine
        self._gateways = gateways
        self._parts = self._rounds()

    def step(self) -> bool:
        """Look at one symbol at one venue, some twenty microseconds; return whether the symbol is complete."""
        with localcontext(DECIMALS):
            return next(self._parts)

    def _rounds(self) -> Iterator[bool]:
        strategy = self._engine.strategy
        while True:
            symbols = tuple(strategy.judged_last) if isinstance(strategy, Detector) else ()
            for symbol in symbols:
                for venue, gateway in self._gateways.items():
                    if (venue, symbol) in self._engine.state.instruments:
                        gateway.prefetch(symbol)
                        yield False
                yield True
            if not symbols:
                yield True
