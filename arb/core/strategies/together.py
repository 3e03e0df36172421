"""Several strategies as one: all are notified of everything and asked in turn; an answer goes to the one that proposed."""

from collections.abc import Collection, Iterable, Iterator

from arb.core.messages.reasons import Reason
from arb.core.trades.strategy import Proposal, Stepwise, Strategy, StrategyEvent
from arb.market.route import Route


class Together(Stepwise):
    def __init__(self, strategies: Iterable[Strategy]) -> None:
        self.strategies = tuple(strategies)

    def on_quotes(self, rows: Iterable[int]) -> None:
        for strategy in self.strategies:
            strategy.on_quotes(rows)

    def take_event(self, event: StrategyEvent) -> None:
        for strategy in self.strategies:
            strategy.on_event(event)

    def steps(self, now_ns: int) -> Iterator[Proposal]:
        for strategy in self.strategies:
            while (proposal := strategy.propose(now_ns)) is not None:
                yield proposal
                strategy.on_event(self.answer)

    def wake_ns(self, unread: Collection[str] = ()) -> int:
        return min(strategy.wake_ns(unread) for strategy in self.strategies)

    def explain(self, route: Route) -> Reason | None:
        found = (strategy.explain(route) for strategy in self.strategies)
        return next((reason for reason in found if reason is not None), None)
