"""The next entries of a journal to compress, and the old ones to drop.

Old entries are compressed into blocks, a few hundred at a time. Of a block older than the kept story, the entries for a
rebuild and a restart stay: the first state of every row that it holds (others may refer to it) and the last. The states
between, the events and the commands that were performed go. So `arb db rebuild` still restores every row but untraded
opportunities, and a restart still finds every open pair; the timeline in `arb explain` and reruns of those days' tapes
are lost.

Every change is one transaction that keeps the journal whole, so it does not matter after which of them a process dies.
While an engine runs, `Upkeep` only reads, on another thread; the engine's own thread writes (`Journal.replace`), so no
commit of an order ever waits for another writer. Freed space is used by new entries, and `arb db compact` returns it.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import takewhile
from pathlib import Path

import msgspec

from arb.clock import NS_PER_DAY, Clock
from arb.errors import ConfigError, StoreError
from arb.store.journal.blocks import Change, Line, compress, lines_in, put
from arb.store.journal.guards import empty_log
from arb.store.journal.reader import ROW
from arb.store.journal.schema import connect

log = logging.getLogger(__name__)

BLOCK_ENTRIES = 400
"""How many entries a block takes: about 150 kB, which another thread compresses in 2 ms and the engine's replaces in 0.4 ms."""
NEWEST_ENTRIES = 2000
"""How many of the newest entries stay uncompressed: about 0.8 MB."""
BLOCKS_AT_ONCE = 4
"""How many blocks are trimmed into one: a row's states are close together, and most of them in the same block then."""


class _Row(msgspec.Struct):
    """Which row a record is a state of, by its tag and the names on disk; some are named by their pair, and the control
    record is one of a kind. Of a pair that was open again each closing is a separate row.
    """

    type: str
    id: int | None = None
    pair_id: int | None = None
    closed_before: int = 0


class _Persisted(msgspec.Struct):
    record: _Row


_persisted = msgspec.json.Decoder(_Persisted).decode


class Upkeep:
    """Read a journal that another connection writes, and return the next change. Calls may be from different threads."""

    def __init__(
        self,
        path: Path,
        before_ns: Callable[[int], int],
        *,
        newest_entries: int = NEWEST_ENTRIES,
        block_entries: int = BLOCK_ENTRIES,
        least_entries: int = BLOCK_ENTRIES,
    ) -> None:
        """`before_ns`: from the instant of the last entry, the one before which the story may go.

        `newest_entries`, at least one, stay unchanged; of the others as many make a block as it takes, but never fewer
        than `least_entries`. Raises `StoreError` when the file cannot be opened.
        """
        self._path = path
        self._before_ns = before_ns
        self._newest_entries = newest_entries
        self._block_entries = block_entries
        self._least_entries = least_entries
        self._trimmed = 0  # up to which entry all is trimmed
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA query_only=ON")
        except sqlite3.Error as error:
            raise StoreError(f"journal {path}: {error}") from None

    def due(self) -> Change | None:
        """Return the next change, None while there is none; the caller makes the change before it asks again.

        Raises `StoreError` when the journal cannot be read.
        """
        with self._lock:
            try:
                found = self._db.execute("SELECT t_ns FROM entries ORDER BY id DESC LIMIT 1").fetchone()
                if found is None:
                    return None
                # Blocks are trimmed many at a time, so first they are made.
                return self._compression() or self._trimming(self._before_ns(found[0]))
            except sqlite3.Error as error:
                raise StoreError(f"journal {self._path}: {error}") from None
            except (msgspec.MsgspecError, ValueError) as error:
                raise StoreError(f"journal {self._path}: an entry cannot be read: {error}") from None

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _trimming(self, before_ns: int) -> Change | None:
        """Return the change that trims the oldest whole blocks before an instant."""
        # The trimmed blocks precede all others, for the oldest is always the next.
        heads = self._db.execute(
            "SELECT first, last, last_ns FROM blocks WHERE whole AND first > ? ORDER BY first LIMIT ?",
            (self._trimmed, BLOCKS_AT_ONCE),
        ).fetchall()
        if not heads:
            return None
        self._trimmed = heads[0][0] - 1
        old = list(takewhile(lambda head: head[2] < before_ns, heads))
        if not old:
            return None
        first, last = old[0][0], old[-1][1]
        blocks = self._db.execute("SELECT data FROM blocks WHERE first BETWEEN ? AND ? ORDER BY first", (first, last))
        lines = [line for (data,) in blocks for line in lines_in(data)]
        kept = needed(lines)
        block = compress(kept, whole=False) if kept else None
        return Change(first, last, 0, len(old), block, len(lines) - len(kept))

    def _compression(self) -> Change | None:
        """Return the change that moves the oldest entries into a block: of one UTC day, as the story is kept by days."""
        newest = self._db.execute(
            "SELECT id FROM entries ORDER BY id DESC LIMIT 1 OFFSET ?", (self._newest_entries,)
        ).fetchone()
        if newest is None:
            return None
        rows = self._db.execute(
            "SELECT id, t_ns, type, payload FROM entries WHERE id <= ? ORDER BY id LIMIT ?",
            (newest[0], self._block_entries),
        ).fetchall()
        if len(rows) < self._least_entries:
            return None
        lines = [Line(*row) for row in rows]
        day = lines[0].t_ns // NS_PER_DAY
        lines = list(takewhile(lambda line: line.t_ns // NS_PER_DAY == day, lines))
        return Change(lines[0].id, lines[-1].id, len(lines), 0, compress(lines, whole=True), 0)


def needed(lines: Sequence[Line]) -> list[Line]:
    """Return those of successive entries that a rebuild or a restart needs: of each row its first state there and its last."""
    first: dict[tuple[str, int | None, int], int] = {}
    last: dict[tuple[str, int | None, int], int] = {}
    for line in lines:
        if line.type == ROW:
            row = _persisted(line.payload).record
            key = (row.type, row.id if row.id is not None else row.pair_id, row.closed_before)
            first.setdefault(key, line.id)
            last[key] = line.id
    kept = {*first.values(), *last.values()}
    return [line for line in lines if line.id in kept]


def story_kept(clock: Clock, keep_days: int) -> Callable[[int], int]:
    """Return the instant, from that of the last entry, before which the story may go: whole UTC days before the present one.

    It counts from the last entry at the latest, for the system's clock may be a year ahead. `keep_days` 0 keeps for ever.
    """

    def before_ns(last_ns: int) -> int:
        today = min(clock.wall_ns(), last_ns) // NS_PER_DAY
        return max(0, today - keep_days) * NS_PER_DAY if keep_days else 0

    return before_ns


def drop_story(path: Path, before_ns: int | None) -> int:
    """Make a journal as small as it can be: its entries compressed, the story of before `before_ns` (None: none of it)
    dropped, and space given back. Return how many entries went.

    The caller holds the journal's lock. Raises `ConfigError` when there is no journal, and `StoreError` when it cannot
    be read or written; earlier changes stay, and no row is lost.
    """
    if not path.exists():
        raise ConfigError(f"journal {path}: no such file")
    dropped = 0
    with (
        closing(connect(path)) as db,
        closing(Upkeep(path, lambda _: before_ns or 0, newest_entries=1, least_entries=1)) as upkeep,
    ):
        try:
            while (change := upkeep.due()) is not None:
                put(db, change)
                dropped += change.dropped
            db.execute("VACUUM")
            if not empty_log(db):
                log.warning("journal %s: another program reads it: its log stays on the disk until that ends", path)
        except sqlite3.Error as error:
            raise StoreError(f"journal {path}: {error}") from None
    return dropped
