"""The seam between a strategy and the engine: a strategy proposes, and never sends.

The engine tells its strategies of quotes and events, all in one thread. It asks for proposals when the received data may be
acted on, one at a time, and answers each before it asks for the next. It checks an opening, reserves for it, writes its
intent, sends its orders, and then journals its rows (`core/risk/openings.py`). Exits are not checked. After that the engine
manages the trade: orders, repairs, closing, halts and reconciliation are the same for every strategy.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from decimal import Decimal
from typing import Protocol

import msgspec

from arb.core.messages.events import AnyEvent
from arb.core.messages.legs import Leg
from arb.core.messages.reasons import Reason
from arb.core.messages.records import OpportunityRecord
from arb.core.pricing.plan import Plan
from arb.market.numbers import exact
from arb.market.route import Keys, Route

AT_ONCE = 0
"""`Strategy.wake_ns`: in the next turn of the loop, even with unread data: deferred work is ready."""
ONCE_READ = 1
"""`Strategy.wake_ns`: as soon as the received data has been read."""
NEVER = 2**63 - 1


class PairOpening(msgspec.Struct, frozen=True):
    """Open an arbitrage pair: both legs of `plan` on `route`, as IOC orders: each may fill in part, the venue cancels the rest.

    `opportunity_id`: the row that the pair is traded on, if any; `opportunity` makes that row once the orders have left.
    `again`: an earlier pair was opened on the same row.
    """

    route: Route
    plan: Plan
    opportunity_id: int | None = None
    opportunity: Callable[[], OpportunityRecord] | None = None
    again: bool = False

    @property
    def keys(self) -> Keys:
        return self.route

    @property
    def notional(self) -> Decimal:
        return exact(self.plan.cost, self.plan.terms.scale.notional_exp)


class OrderOpening(msgspec.Struct, frozen=True):
    """Open a trade of one order that buys, of kind `test`; `notional`: the most that it pays, its fee included, in quote."""

    leg: Leg
    notional: Decimal

    @property
    def keys(self) -> Keys:
        return ((self.leg.venue, self.leg.symbol),)


class TradeExit(msgspec.Struct, frozen=True):
    """Exit an open trade: its resting orders are cancelled, and their fills are repaired."""

    trade_id: int


class ResidualExit(msgspec.Struct, frozen=True):
    """Trade away the base of a symbol that closed trades have carried, or their `dust`."""

    symbol: str
    dust: bool


Proposal = PairOpening | OrderOpening | TradeExit | ResidualExit


class Answer(msgspec.Struct, frozen=True):
    """The engine's answer to a proposal: the trade that was opened or exited; None: none was.

    `reason`: why an opening was refused; `limit`: the key of the limit it would have exceeded.
    """

    trade_id: int | None = None
    reason: Reason | None = None
    limit: str = ""


class RulesChanged(msgspec.Struct, frozen=True):
    """A symbol's rules, fees, or set of books have changed."""

    symbol: str


class HealthChanged(msgspec.Struct, frozen=True):
    """The health or the wallets of a venue that lists `symbols` have changed: pairs may have another size."""

    symbols: tuple[str, ...]


class Woken(msgspec.Struct, frozen=True):
    """The instant of `Strategy.wake_ns` may have come."""

    t_ns: int


class RunEnding(msgspec.Struct, frozen=True):
    """Nothing opens in this run any more."""

    t_ns: int


StrategyEvent = AnyEvent | Answer | RulesChanged | HealthChanged | Woken | RunEnding


class Strategy(Protocol):
    """Decides what to open and when to exit. All instants are nanoseconds UTC of our clock."""

    def on_quotes(self, rows: Iterable[int]) -> None:
        """Take a frame's changed rows of the book arena. The path of every frame: it must be fast."""

    def on_event(self, event: StrategyEvent) -> None:
        """Take an event that the engine has handled, all but `QueueDrained`; a change within one; or an answer."""

    def propose(self, now_ns: int) -> Proposal | None:
        """Return the next opening or exit on the present books, None for nothing more; ask it again after each answer.

        The orders of the first proposal leave first: do all other work after it. Books whose connections have
        unread bytes (`Books.awaited`) are about to change.
        """

    def wake_ns(self, unread: Collection[str] = ()) -> int:
        """Return when `propose` has something to do: `AT_ONCE`, `ONCE_READ`, an instant, or `NEVER`.

        With connections that have `unread` bytes: work that can wait for these bytes is not due. Asked often, so be quick.
        """

    def explain(self, route: Route) -> Reason | None:
        """Return why the present edge of a route is not taken, as last judged; None without a blocker. For display."""


class Stepwise(ABC):
    """Proposes from one generator: it yields each proposal, and finds the answer in `self.answer` when it continues.

    It yields None between parts of its work, for a warm-up (`live/warmup.py`), which may not take long at once.
    """

    answer = Answer()
    _under_way: Iterator[Proposal | None] | None = None

    @abstractmethod
    def steps(self, now_ns: int) -> Iterator[Proposal | None]:
        """Yield the proposals on the present books, in order."""

    def propose(self, now_ns: int) -> Proposal | None:
        if self._under_way is None:
            self._under_way = self.steps(now_ns)
        for proposal in self._under_way:
            if proposal is not None:
                return proposal
        self._under_way = None
        return None

    def on_event(self, event: StrategyEvent) -> None:
        if type(event) is Answer:
            self.answer = event
        else:
            self.take_event(event)

    @abstractmethod
    def take_event(self, event: StrategyEvent) -> None:
        """Take any other event."""
