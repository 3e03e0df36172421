"""The rows deleted from the ledger when they are old: untraded opportunities (from the journal: `journal/upkeep.py`).

Of the ledger only untraded opportunities grow without bound, a row for every episode seen. Every other row stays for
ever. `opportunities_daily` has their sums by day, route, reason and whole bps of edge, from when they were written on
(`writer.py`); so the costs of reasons and of other thresholds can be queried for all times.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from arb.clock import NS_PER_DAY, Clock
from arb.errors import require

ROWS_AT_ONCE = 20_000

_OLD = "run_id = :run_id AND opened_ns >= :since_ns AND opened_ns < :until_ns AND outcome <> 'traded'"
_DELETE = text(f"DELETE FROM opportunities WHERE {_OLD}")
_RUNS = text("SELECT id FROM runs WHERE started_ns < :before_ns ORDER BY id")
_MANY_LATER = text(f"SELECT opened_ns FROM opportunities WHERE {_OLD} ORDER BY opened_ns LIMIT 1 OFFSET :rows")


class Retention:
    """Return, once in every UTC day, which untraded opportunities have been kept long enough."""

    def __init__(self, clock: Clock, keep_days: int) -> None:
        """Keep whole days; `keep_days` 0 keeps for ever."""
        require(keep_days >= 0, "untraded opportunities are kept for a number of days")
        self._clock = clock
        self._keep_days = keep_days
        self._done_on = -1

    def due_before_ns(self) -> int | None:
        """Return the instant before which untraded opportunities may go, None when there is nothing to do today."""
        today = self._clock.wall_ns() // NS_PER_DAY
        if not self._keep_days or today == self._done_on:
            return None
        return max(0, today - self._keep_days) * NS_PER_DAY

    def done(self) -> None:
        self._done_on = self._clock.wall_ns() // NS_PER_DAY


def delete_untraded(connection: Connection, before_ns: int, *, rows_at_once: int = ROWS_AT_ONCE) -> Iterator[int]:
    """Delete untraded opportunities opened before `before_ns`; yield how many rows each transaction deleted.

    `before_ns` begins a day. A transaction holds about `rows_at_once` rows at most, so that no writer waits long for
    it.
    """
    require(
        before_ns % NS_PER_DAY == 0, "only whole days are deleted"
    )  # of half a day the sums would hold more than its rows
    with connection.begin():
        runs = connection.execute(_RUNS, {"before_ns": before_ns}).scalars().all()
    for run_id in runs:
        since_ns: int | None = 0
        while since_ns is not None:
            with connection.begin():
                bounds = {"run_id": run_id, "since_ns": since_ns, "until_ns": before_ns}
                since_ns = connection.execute(_MANY_LATER, bounds | {"rows": rows_at_once}).scalar()
                if since_ns is not None:
                    since_ns = bounds["until_ns"] = max(since_ns, bounds["since_ns"] + 1)
                deleted = connection.execute(_DELETE, bounds).rowcount
            yield deleted
