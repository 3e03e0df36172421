"""The engine's interface to its strategy, the component that decides which pairs are opened.

The engine calls it for every frame and every event, in one thread, and never asks it to wait. A strategy opens pairs through
the order manager (`core/orders/sending.py`). After that the engine manages them: orders, repairs, closing, halts and
reconciliation are the same for every strategy. It must check for itself whether a pair may be opened now, as
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
        """Return whether the last `act` deferred symbols to the next one, which runs once the received data was read."""

    def start(self) -> None: ...

    def finish(self, now_ns: int) -> None: ...

    def mark(self, rows: Iterable[int]) -> None:
        """Handle a frame's changed rows of the book arena. The path of every frame: it must be fast."""

    def mark_all(self) -> None:
        """Handle a change other than a frame, for every symbol."""

    def state_changed(self) -> None:
        """Handle the end of an event: a blocker may be gone. Called very often."""

    def rules_changed(self, symbol: str) -> None:
        """Handle a symbol's change of rules, of fees, or of its set of books."""

    def health_changed(self, symbols: Iterable[str]) -> None:
        """Handle a change of health or of wallets at a venue that lists `symbols`: pairs may have another size."""

    def act(self, now_ns: int) -> None:
        """Open the most profitable pair, if any, on the present books, except for books whose connections have unread bytes
        (`Books.awaited`). Its orders wait only for this call, so work that may follow them belongs elsewhere."""

    def after_act(self, now_ns: int) -> None:
        """Do the rest of the same drain, on the same books; called after every `act`, once its orders have left.

        Episodes, blockers, books, and further openings: their orders leave with the rest of the step.
        """

    def close_episodes(self, now_ns: int) -> None: ...

    def why_not(self, route: Route) -> Reason | None:
        """Return why the present edge of a route is not taken, as last judged; None without a blocker.

        Changes nothing: it is for display.
        """

    def blocked(self, symbol: str, now_ns: int) -> Iterable[tuple[Route, Reason | None]]:
        """Yield each route of a symbol, and why not to open there now, or None. Prices, sizes and limits are left out.

        Changes nothing: it is for display.
        """

    def take_untraded(self) -> list[OpportunityRecord]:
        """Return and forget the ended opportunities that were not traded; they are not journalled."""
