"""Missing books, and books that died among live ones: found every few seconds, reported, re-subscribed.

A venue may confirm a subscription and never serve it, or stop serving one book of a connection whose others continue. The
first shows by the time without a clean snapshot, the second by the book's own past compared with that of other venues
(`book_pace.py`). Nothing opens on either; the second would never return without a new subscription.
"""

from collections.abc import Callable, Iterable

from arb.clock import NS_PER_S
from arb.core.books.book_pace import MISSING
from arb.core.books.connection import Connection
from arb.core.messages.incidents import IncidentKind, Severity, some
from arb.core.state.engine_state import EngineState
from arb.market.arena import BookArena, BookState

MISSING_AFTER_NS = 5 * NS_PER_S
"""A book without a clean snapshot for this long, on a connection that is up, is an incident."""
CHECKED_EVERY_NS = NS_PER_S
NAMED_MAX = 10


class BookWatch:
    """Checks the books of all connections once a second; `mark` gets the rows whose books it has made unusable."""

    def __init__(self, state: EngineState, mark: Callable[[Iterable[int]], None]) -> None:
        self._state = state
        self._mark = mark
        self._checked_ns = 0
        # The rows without a book that were reported, by connection.
        self._missing: dict[str, set[int]] = {}

    def check(self, now_ns: int) -> None:
        if now_ns < self._checked_ns + CHECKED_EVERY_NS:
            return
        self._checked_ns = now_ns
        arena = self._state.books.arena
        silent, waiting = maybe_silent(arena, now_ns), _waiting(arena, now_ns)
        for name, connection in self._state.books.connections.items():
            if not connection.up_ns:
                continue
            if not silent.isdisjoint(connection.rows):
                for row in connection.dead_books(arena, now_ns):
                    if self._tradable(row, now_ns):  # else its book has nothing to show, for days perhaps
                        self._renew(connection, row, now_ns)
            reported = self._missing.get(name, set()) & connection.rows.keys()
            late = connection.up_ns <= now_ns - MISSING_AFTER_NS
            missing = (waiting & connection.rows.keys()) - reported if late else set()
            come = {row for row in reported if arena.usable(row)}
            if missing or come:
                self._report(connection, missing, now_ns, come=False)
                self._report(connection, come, now_ns, come=True)
                self._missing[name] = (reported | missing) - come

    def _tradable(self, row: int, now_ns: int) -> bool:
        instrument = self._state.instrument(*self._state.books.keys[row])
        return instrument is None or (instrument.tradable and instrument.opens_from_ns(now_ns) is None)

    def _renew(self, connection: Connection, row: int, now_ns: int) -> None:
        native_symbol = connection.rows[row]
        cause = "it stands still, against its own past, while other venues' books of its symbol move"
        connection.feed.invalidate(native_symbol, now_ns, cause)
        self._mark((row,))
        self._state.out.request_book(connection.name, native_symbol)
        text = f"{connection.name}: the book of {native_symbol} is requested again: {cause}"
        self._state.incident(IncidentKind.STALE_BOOK, text, now_ns, severity=Severity.INFO, venue=connection.venue)

    def _report(self, connection: Connection, rows: set[int], now_ns: int, *, come: bool) -> None:
        if not rows:
            return
        named = some(sorted(connection.rows[row] for row in rows), most=NAMED_MAX)
        waited_s = MISSING_AFTER_NS // NS_PER_S
        text = (
            f"{connection.name}: the book of {named} is there"
            if come
            else f"{connection.name}: no book of {named} for {waited_s} s: nothing opens on it until it arrives"
        )
        severity = Severity.INFO if come else Severity.WARNING
        self._state.incident(IncidentKind.BOOK_MISSING, text, now_ns, severity=severity, venue=connection.venue)


def maybe_silent(arena: BookArena, now_ns: int) -> set[int]:
    """Return the rows of all books that may have too few frames by time, with few false ones: to be judged exactly.

    All at once, since orders may wait: `Pace.missing` in floats, with a margin.
    """
    market = arena.market
    silent_ns = (now_ns - market.last_of).astype(float)
    span_ns = 2.0 * (market.last_of - market.since_of) + silent_ns
    found = (market.last_of != 0) & (silent_ns > 0)
    found &= (span_ns <= 0) | (2.0 * market.frames_of * silent_ns >= 0.99 * MISSING * span_ns)
    return set(found.nonzero()[0].tolist())


def _waiting(arena: BookArena, now_ns: int) -> set[int]:
    """Return the rows, free ones too, that have been without a clean snapshot for too long."""
    found = (arena.state != BookState.LIVE) & (arena.state_ns <= now_ns - MISSING_AFTER_NS)
    return set(found.nonzero()[0].tolist())
