"""What the engine asks of the strategy that it is given: the one component that decides which pairs are opened.

The engine calls it for every frame and every event, in one thread, and never asks it to wait. A strategy opens pairs through
the order manager (`core/orders/sending.py`); from then on they are the engine's business: orders, repairs, closing,
halts and reconciliation are the same for every strategy. It must check for itself whether a pair may be opened now, as
`core/strategies/taker_pair/detector.py`, the strategy of this project, does.
"""

from collections.abc import Collection, Iterable
from typing import Protocol

from arb.core.messages.reasons import Reason
from arb.core.messages.records import OpportunityRecord
from arb.market.route import Route


class Strategy(Protocol):
    """Decides which pairs to open. All instants are nanoseconds UTC of our clock."""

    @property
    def marked(self) -> bool:
        """Return whether `act` would find anything to do."""

    def waits_for(self, unread: Collection[str]) -> bool:
        """Return whether all edges that `act` would find have a book on one of these connections; asked often, so be quick."""

    @property
    def unfinished(self) -> bool:
        """Return whether the last `act` left something for the next one, which is asked for once what came was read."""

    def start(self) -> None:
        """Begin a run; the run's id is known from now on."""

    def finish(self, now_ns: int) -> None:
        """End: nothing is opened any more."""

    def mark(self, rows: Iterable[int]) -> None:
        """Take note of the rows of the book arena that a frame has changed. The path of every frame: it must be fast."""

    def mark_all(self) -> None:
        """Take note that something other than a frame has changed, for every symbol."""

    def state_changed(self) -> None:
        """Take note that an event was handled: what stood against a pair may be over. Called very often."""

    def rules_changed(self, symbol: str) -> None:
        """Take note that a symbol has other rules, fees, or a book more or less."""

    def health_changed(self, symbols: Iterable[str]) -> None:
        """Take note that a venue which lists `symbols` is of other health, or its wallets are, so that pairs may be of another
        size."""

    def act(self, now_ns: int) -> None:
        """Open the pair most worth it, if any is, on the books as they stand, but for those on whose connection bytes wait
        (`Books.awaited`). Its orders wait for this alone, so it does nothing that may follow them.
        """

    def after_act(self, now_ns: int) -> None:
        """Do what else belongs to the same drain, on the same books; called after every `act`, once its orders have left.

        Episodes, blockers and books, and whatever else is worth opening: what opens here leaves with the rest of the
        step.
        """

    def close_episodes(self, now_ns: int) -> None:
        """Do what the `EpisodesTimer` was set for."""

    def why_not(self, route: Route) -> Reason | None:
        """Return why the present edge of a route is not taken, as last judged; None where nothing stood against it.

        Changes nothing: it is for people who look on.
        """

    def take_untraded(self) -> list[OpportunityRecord]:
        """Hand over the ended opportunities that nobody traded; they are not journalled."""
