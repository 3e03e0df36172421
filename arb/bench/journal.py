"""Writing a decision into the journal before it is performed: an event that opens a pair, with all it leads to.

The baseline is the same text in the same kind of file with `synchronous=FULL`, which waits for the disk at each commit.
"""

import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from arb.bench.rounds import Effort, Row, alternate, tail_row, time_row
from arb.bench.stage import SYMBOL, Stage
from arb.clock import Clock
from arb.core.commands import AnyCommand, PlaceOrder
from arb.core.events import QueueDrained
from arb.store.guards import NoReserve
from arb.store.journal import Journal

_APPENDS = 10
_TAIL_APPENDS = 1500


def append(clock: Clock, effort: Effort) -> list[Row]:
    """Measure one append, and its tail."""
    commands = a_decision()
    with TemporaryDirectory(prefix="arb-bench-") as folder:
        journal = Journal.open(Path(folder) / "bench.journal.sqlite", clock, reserve=NoReserve())
        durable = _Durable(Path(folder) / "full.sqlite", commands)
        seq = 0

        def ours() -> int:
            nonlocal seq
            for _ in range(count):
                seq += 1
                journal.append(QueueDrained(seq=seq, t_ns=seq), commands)
            return count

        try:
            count = effort.count(_APPENDS)
            taken = alternate(clock, {"ours": ours, "full": lambda: durable.write(count)}, effort.rounds)
            times: list[float] = []
            count = 1
            for _ in range(effort.count(_TAIL_APPENDS)):
                began_ns = clock.monotonic_ns()
                ours()
                times.append(clock.monotonic_ns() - began_ns)
        finally:
            journal.close()
            durable.close()
    note = f"1 event and {len(commands)} commands"
    return [
        time_row("journal_append", taken["ours"], taken["full"], against="SQLite that syncs every commit", note=note),
        tail_row("journal_append_tail", times),
    ]


def a_decision() -> tuple[AnyCommand, ...]:
    """Return the commands with which an engine opens a pair."""
    stage = Stage(("gate", "okx"))
    row = stage.show("gate", [(599_990, 9_000)], [(600_000, 9_000)])
    stage.show("okx", [(603_000, 9_000)], [(603_010, 9_000)])
    stage.engine.strategy.mark((row,))
    commands = stage.tell(QueueDrained())
    if sum(isinstance(command, PlaceOrder) for command in commands) != 2:
        raise AssertionError(f"no pair was opened on {SYMBOL}: {commands}")
    return commands


class _Durable:
    """The same rows, each decision durable when it returns."""

    def __init__(self, path: Path, commands: tuple[AnyCommand, ...]) -> None:
        self._encode = msgspec.json.Encoder(decimal_format="string").encode
        self._commands = commands
        self._number = 0
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE entries (id INTEGER PRIMARY KEY, payload TEXT NOT NULL)")

    def write(self, count: int) -> int:
        """Commit `count` decisions."""
        for _ in range(count):
            self._db.execute("BEGIN")
            for command in self._commands:
                self._number += 1
                self._db.execute("INSERT INTO entries VALUES (?, ?)", (self._number, self._encode(command).decode()))
            self._db.execute("COMMIT")
        return count

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
