"""What goes from the ledger when it is old: untraded opportunities (from the journal: `journal_upkeep.py`).

Of the ledger only untraded opportunities grow without bound, a row for every episode seen. Every other row stays for
ever. What is deleted leaves its sums in `untraded_daily`, by day, route, reason and whole bps of edge, written in the
same transaction; so "which reason costs most" and "what would another threshold have earned" can be asked of all times.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import Connection, text

from arb.clock import Clock
from arb.errors import require

NS_PER_DAY = 86_400_000_000_000
ROWS_AT_ONCE = 20_000

_KEY = "symbol, buy_venue, sell_venue, outcome, reason"
_EDGE = "CAST(ROUND(CAST(best_edge_bps AS DOUBLE PRECISION) * 1000000) AS BIGINT) / 1000000"
_SUMS = ("opportunities", "ticks", "lived_ns", "best_net_e8")
_OLD = "run_id = :run_id AND opened_ns >= :since_ns AND opened_ns < :until_ns AND outcome <> 'traded'"
_ADD_UP = text(
    f"INSERT INTO untraded_daily (day, {_KEY}, edge_bps, quote, day_utc, {', '.join(_SUMS)})"
    f" SELECT CAST(:day AS INTEGER), {_KEY}, {_EDGE}, quote, CAST(:day_utc AS VARCHAR(10)), COUNT(*), SUM(ticks),"
    " SUM(closed_ns - opened_ns), SUM(best_net_e8)"
    f" FROM opportunities WHERE {_OLD} GROUP BY {_KEY}, {_EDGE}, quote"
    f" ON CONFLICT (day, {_KEY}, edge_bps) DO UPDATE SET "
    + ", ".join(f"{name} = untraded_daily.{name} + excluded.{name}" for name in _SUMS)
)
_DELETE = text(f"DELETE FROM opportunities WHERE {_OLD}")
_RUNS = text("SELECT id FROM runs WHERE started_ns < :before_ns ORDER BY id")
_FIRST = text(f"SELECT MIN(opened_ns) FROM opportunities WHERE {_OLD}")
_MANY_LATER = text(f"SELECT opened_ns FROM opportunities WHERE {_OLD} ORDER BY opened_ns LIMIT 1 OFFSET :rows")


class Retention:
    """Say, once in every UTC day, which untraded opportunities have been kept long enough."""

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
        """Note that today's work is done."""
        self._done_on = self._clock.wall_ns() // NS_PER_DAY


def roll_up(connection: Connection, before_ns: int, *, rows_at_once: int = ROWS_AT_ONCE) -> Iterator[int]:
    """Roll up what opened before `before_ns`, which begins a day; yield how many rows each transaction deleted.

    A transaction holds about `rows_at_once` rows at most, so that nobody waits long for it.
    """
    require(before_ns % NS_PER_DAY == 0, "only whole days are rolled up")
    with connection.begin():
        runs = connection.execute(_RUNS, {"before_ns": before_ns}).scalars().all()
    for run_id in runs:
        since_ns = 0
        while True:
            with connection.begin():
                piece = _piece(connection, run_id, since_ns, before_ns, rows_at_once)
                if piece is None:
                    break
                connection.execute(_ADD_UP, piece)
                deleted = connection.execute(_DELETE, piece).rowcount
                since_ns = int(piece["until_ns"])
            yield deleted


def _piece(
    connection: Connection, run_id: int, since_ns: int, before_ns: int, rows_at_once: int
) -> dict[str, int | str] | None:
    """Return the bounds of the next rows of one run, all of one day; None when there are no more."""
    bounds = {"run_id": run_id, "since_ns": since_ns, "until_ns": before_ns}
    first_ns = connection.execute(_FIRST, bounds).scalar()
    if first_ns is None:
        return None
    day = first_ns // NS_PER_DAY
    bounds |= {"since_ns": first_ns, "until_ns": (day + 1) * NS_PER_DAY}
    later_ns = connection.execute(_MANY_LATER, bounds | {"rows": rows_at_once}).scalar()
    if later_ns is not None:
        bounds["until_ns"] = max(later_ns, first_ns + 1)
    return bounds | {"day": day, "day_utc": datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()}
