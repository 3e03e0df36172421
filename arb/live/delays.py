"""The delays of a run, by name and labels, for the state feed. Counts only rise within a run.

The code that knows a delay counts it. Lags of market data are samples, one a second of each connection; they are counted when
a state is computed, at most five minutes late, or not at all.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from arb.clock import NS_PER_MS, NS_PER_S, NS_PER_US, Clock
from arb.core.books.connection import Connection
from arb.durations import Durations, Waiting, bounds_ns
from arb.measured_loop import WAKING_UP, Turns

DECISION, ORDER, ROUND_TRIP, LAG = "tick_to_decision", "tick_to_order", "order_round_trip", "market_data_lag"
TURN, LATE, WRITE, LEDGER = "loop_turn", "loop_late", "journal_write", "ledger_delay"
INTENT, ENTRY, FSYNC = "intent", "entry", "fsync"
"""The labels of a journal's writes."""
BOUNDS_NS = {
    DECISION: bounds_ns(20 * NS_PER_US, 100 * NS_PER_MS),
    ORDER: bounds_ns(50 * NS_PER_US, 200 * NS_PER_MS),
    ROUND_TRIP: bounds_ns(NS_PER_MS, 10 * NS_PER_S),
    LAG: bounds_ns(NS_PER_MS, 10 * NS_PER_S),
    TURN: bounds_ns(100 * NS_PER_US, NS_PER_S),
    LATE: bounds_ns(100 * NS_PER_US, NS_PER_S),
    WRITE: bounds_ns(10 * NS_PER_US, NS_PER_S),
    LEDGER: bounds_ns(10 * NS_PER_MS, 50 * NS_PER_S),
}


class Delays:
    """`ledger`: how long journalled rows wait for the ledger."""

    def __init__(self, clock: Clock) -> None:
        self._taken: dict[str, dict[tuple[str, ...], Durations]] = {name: {} for name in BOUNDS_NS}
        self._lags_seen: dict[str, int] = {}  # by connection, how many samples of its lag are counted
        self.ledger = Waiting(clock, self.of(LEDGER))

    def of(self, name: str, *labels: str) -> Durations:
        """Return the durations of a delay; each combination of labels has its own."""
        taken = self._taken[name]
        found = taken.get(labels)
        if found is None:
            found = taken[labels] = Durations(BOUNDS_NS[name])
        return found

    def parts(self, turns: Turns, connections: Iterable[Connection]) -> Iterator[dict[str, Any]]:
        """Yield the delays as parts of the state, between which the engine may do something else.

        `delays`: by name, the bounds in ns, and for each combination of labels how many durations did not exceed each bound,
        how many there are, and their sum in ns.
        """
        for connection in connections:
            self._count_lags(connection)
        shown: dict[str, Any] = {}
        for name, taken in self._taken.items():
            found: Mapping[tuple[str, ...], Durations] = taken
            if name == TURN:
                found = {(cause,): of_it for cause, of_it in turns.taken.items() if cause != WAKING_UP}
            elif name == LATE:
                found = {(): turns.taken[WAKING_UP]} if WAKING_UP in turns.taken else {}
            bounds = BOUNDS_NS[name]
            rows = [
                {"labels": labels, "counts": of_it.up_to(bounds), "sum_ns": of_it.total_ns}
                for labels, of_it in found.items()
            ]
            shown[name] = {"bounds_ns": bounds, "rows": rows}
            yield {"delays": shown}
        yield {"ledger_waits_ms": self.ledger.ns // NS_PER_MS}

    def _count_lags(self, connection: Connection) -> None:
        lags, seen = connection.lags_after(self._lags_seen.get(connection.name, 0))
        self._lags_seen[connection.name] = seen
        of_venue = self.of(LAG, connection.venue)
        for lag_ns in lags:
            of_venue.add(max(0, lag_ns))  # below 0 by the error of the clocks
