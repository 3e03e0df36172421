"""Journals as a test wants to find them: every entry a row of `entries`, so that plain SQL can change what it says."""

import random
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from arb.clock import ManualClock
from arb.store.journal.blocks import Line, lines_in
from arb.store.journal.reader import MAX_SUB
from arb.store.journal.schema import connect, create


def write_lines(path: Path, lines: Iterable[Line]) -> None:
    """Write entries into a new journal, as they are."""
    with closing(connect(path, lambda new: create(new, ManualClock(0), random.Random(1)))) as db:
        _insert(db, lines)


def lay_open(path: Path) -> None:
    """Take the entries of a journal that nobody has open out of its blocks."""
    with closing(connect(path)) as db:
        db.execute("BEGIN")
        for (data,) in db.execute("SELECT data FROM blocks").fetchall():
            _insert(db, lines_in(data))
        db.execute("DELETE FROM blocks")
        db.execute("COMMIT")


def _insert(db: sqlite3.Connection, lines: Iterable[Line]) -> None:
    db.executemany(
        "INSERT INTO entries (id, t_ns, kind, type, payload) VALUES (?, ?, ?, ?, ?)",
        [(line.id, line.t_ns, "command" if line.id & MAX_SUB else "event", line.type, line.payload) for line in lines],
    )
