"""Making an old journal small: what a rebuild and a restart need stays, the story of long ago goes.

Of every row the first state stays (others may refer to it) and the last; the states between, the events and the commands
that were performed go. So `arb db rebuild` still restores every row of class 1, and a restart still finds every open pair;
what is lost is the timeline in `arb explain`, and running those days' tapes again.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from arb.errors import ConfigError, StoreError
from arb.store.journal_reader import IS_ROW, check_schema
from arb.store.reserve import InstanceLock


class _Row(msgspec.Struct):
    """Which row a record is a state of, by its tag and the names on disk; some are named by their pair, and the control
    record is one of a kind.
    """

    type: str
    id: int | None = None
    pair_id: int | None = None


class _Persisted(msgspec.Struct):
    record: _Row


_DECODER = msgspec.json.Decoder(_Persisted)


def drop_story(path: Path, before_ns: int) -> int:
    """Delete what is older than `before_ns` and no longer needed, give the space back; return how many entries went.

    The caller holds the journal's lock. Raises `ConfigError` when there is no journal, and `StoreError` when it cannot be
    read or written; nothing is then deleted.
    """
    if not path.exists():
        raise ConfigError(f"journal {path}: no such file")
    try:
        db = sqlite3.connect(path, isolation_level=None)
        try:
            check_schema(db, path)
            deleted = _delete(db, before_ns)
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StoreError(f"journal {path}: {error}") from None
    except msgspec.MsgspecError as error:
        raise StoreError(f"journal {path}: an entry cannot be read: {error}") from None
    return deleted


def forget_old_story(path: Path, before_ns: int | None) -> int:
    """Drop the story of before `before_ns` (None: nothing) where there is any; return how many entries went.

    For the start of a run: takes the journal's lock, and raises `ConfigError` while another engine holds it.
    """
    if before_ns is None or not path.exists():
        return 0
    lock = InstanceLock(path)
    try:
        return drop_story(path, before_ns) if _begins_before(path, before_ns) else 0
    finally:
        lock.release()


def _begins_before(path: Path, before_ns: int) -> bool:
    try:
        with closing(sqlite3.connect(path)) as db:
            check_schema(db, path)
            row = db.execute(f"SELECT t_ns FROM entries WHERE NOT {IS_ROW} ORDER BY id LIMIT 1").fetchone()
    except sqlite3.Error as error:
        raise StoreError(f"journal {path}: {error}") from None
    return row is not None and row[0] < before_ns


def _delete(db: sqlite3.Connection, before_ns: int) -> int:
    needed = {entry for (entry,) in db.execute("SELECT entry FROM live UNION ALL SELECT max(id) FROM entries")}
    db.execute("BEGIN IMMEDIATE")
    try:
        doomed = ((entry,) for entry in _doomed(db, before_ns) if entry not in needed)
        before = db.total_changes
        db.executemany("DELETE FROM entries WHERE id = ?", list(doomed))
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    return db.total_changes - before


def _doomed(db: sqlite3.Connection, before_ns: int) -> Iterator[int]:
    yield from (
        entry for (entry,) in db.execute(f"SELECT id FROM entries WHERE NOT {IS_ROW} AND t_ns < ?", (before_ns,))
    )
    # The last state seen of every row so far, if it may go: not the first one, and old enough.
    latest: dict[tuple[str, int | None], int | None] = {}
    for entry, t_ns, payload in db.execute(f"SELECT id, t_ns, payload FROM entries WHERE {IS_ROW} ORDER BY id"):
        row = _DECODER.decode(payload).record
        key = (row.type, row.id if row.id is not None else row.pair_id)
        earlier = latest.get(key)
        if earlier is not None:
            yield earlier
        latest[key] = entry if key in latest and t_ns < before_ns else None
