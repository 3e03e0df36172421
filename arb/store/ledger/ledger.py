"""The ledger's interface for the engine's shell: submit rows and never wait.

`Ledger` writes in a separate thread. The queue of journalled rows is bounded; when it is full, rows are read back from
the journal later, so none of them is lost. The spool of untraded opportunities is bounded too; dropped ones are counted
exactly. While the ledger is locked or unreachable, the thread tries again with growing pauses and reports it through
`on_state`. `InlineLedger` does the same work in the caller's thread, for fault simulation and replay.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from arb.clock import SystemClock
from arb.core.messages.records import OpportunityRecord
from arb.durations import Durations, Waiting
from arb.errors import ArbError, require
from arb.store.journal.journal import Journal
from arb.store.journal.reader import START, Position, Row
from arb.store.ledger.projector import BATCH_ROWS, OnSetAside, Projector
from arb.store.ledger.retention import Retention

log = logging.getLogger(__name__)

QUEUE_ROWS = 50_000
SPOOL_ROWS = 100_000
# In one transaction: a quarter quicker than 5000 on PostgreSQL, and journalled rows wait for it 0.3 s at most.
UNTRADED_ROWS = 20_000
LINGER_S = 0.1
RETRY_FIRST_S = 0.1
RETRY_MOST_S = 5.0

# (blocked, cause): called from the ledger's thread whenever the answer changes.
OnState = Callable[[bool, str], None]


class Ledger:
    """Project into the ledger from a separate thread. Every method may be called from any thread and returns at once,
    except `flush` and `close`.
    """

    def __init__(
        self,
        db_url: str,
        journal: Journal,
        on_state: OnState,
        *,
        queue_rows: int = QUEUE_ROWS,
        spool_rows: int = SPOOL_ROWS,
        retention: Retention | None = None,
        blocked: str | None = None,
        on_set_aside: OnSetAside | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        """Start the thread, which first writes the journal's (a file's) rows that the ledger lacks.

        With a `retention`, the first rows of a UTC day are followed by the deletion of old ones. `blocked`: why the
        ledger could not be used until now, or None; `on_state` is then called when it can. `on_set_aside` is called
        from the thread with each row that the database refuses. `waiting` measures how long journalled rows wait.
        """
        require(isinstance(journal.path, Path), "a ledger in a thread needs a journal in a file")
        self._db_url = db_url
        self._journal = journal
        self._on_state = on_state
        self._on_set_aside = on_set_aside
        self._queue_rows = queue_rows
        self._spool_rows = spool_rows
        self._retention = retention
        self._waiting = Waiting(SystemClock(), Durations()) if waiting is None else waiting
        self._wake = threading.Condition()
        # All below is guarded by the condition's lock.
        self._queue: deque[Row] = deque()
        self._spool: deque[OpportunityRecord] = deque()
        self._behind = True  # rows were dropped from the queue: read them from the journal
        self._asked = START  # the last row submitted
        self._done = START  # the last row written
        self._dropped = 0
        self._unwritten_untraded = 0
        self._hurry = False
        self._closing = False
        self._blocked = blocked is not None
        self._cause = blocked or ""
        self._projector: Projector | None = None
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    @property
    def dropped_untraded(self) -> int:
        """Return how many untraded opportunities were dropped so far, exactly."""
        with self._wake:
            return self._dropped

    @property
    def blocked(self) -> str | None:
        with self._wake:
            return self._cause if self._blocked else None

    def submit(self, rows: Sequence[Row]) -> None:
        """Take journalled rows; when the queue is full they are read from the journal later."""
        if not rows:
            return
        with self._wake:
            self._waiting.begin()
            self._asked = Position(rows[-1].seq, rows[-1].sub)
            if self._behind or len(self._queue) + len(rows) > self._queue_rows:
                self._behind = True
            else:
                self._queue.extend(rows)
            self._wake.notify_all()

    def submit_untraded(self, record: OpportunityRecord) -> None:
        """Take an untraded opportunity; when the spool is full it is dropped and counted."""
        with self._wake:
            if self._unwritten_untraded >= self._spool_rows:
                self._dropped += 1
                return
            self._unwritten_untraded += 1
            self._spool.append(record)
            self._wake.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything submitted so far is written; return whether that was so in time."""
        with self._wake:
            self._hurry = True
            self._wake.notify_all()
            written = self._wake.wait_for(self._is_written, timeout_s)
            self._hurry = False
            return written

    def close(self, deadline_s: float) -> bool:
        """Write the rest for at most `deadline_s`, then stop the thread; return whether everything was written.

        Unwritten rows are not lost: the next start reads it from the journal.
        """
        written = self.flush(deadline_s)
        with self._wake:
            self._closing = True
            if not written and self._projector is not None:
                self._projector.abandoned = True  # its thread may still wait for a lock, and the next start not for it
            self._wake.notify_all()
        self._thread.join(deadline_s)
        return written

    def _is_written(self) -> bool:
        return self._done >= self._asked and not self._unwritten_untraded and not self._behind

    def _has_work(self) -> bool:
        return self._behind or bool(self._queue) or bool(self._spool)

    def _run(self) -> None:
        """Project again and again, from the journal's file on: an error blocks opening until it succeeds."""
        pause_s = RETRY_FIRST_S
        while True:
            try:
                with closing(self._journal.reader()) as reader:
                    projector = Projector(self._db_url, reader, self._journal.sync, self._on_set_aside)
                    with self._wake:
                        self._projector, projector.abandoned = projector, self._closing
                    with closing(projector):
                        while self._awaits_work():
                            self._write_all(projector)
                            self._delete_untraded(projector)
                            self._report(None)
                            pause_s = RETRY_FIRST_S
                        return
            except Exception as error:  # the top of a thread: trading must learn of any error
                self._report(str(error) if isinstance(error, ArbError) else f"{type(error).__name__}: {error}")
            with self._wake:
                if self._wake.wait_for(lambda: self._closing, pause_s):
                    return
            pause_s = min(pause_s * 2, RETRY_MOST_S)

    def _awaits_work(self) -> bool:
        """Wait for something to write; return whether there is, and not an end instead."""
        with self._wake:
            self._wake.wait_for(lambda: self._has_work() or self._closing)
            self._wake.wait_for(lambda: self._hurry or self._closing, LINGER_S)  # more rows make a better batch
            return not self._closing

    def _write_all(self, projector: Projector) -> None:
        """Write the waiting rows. When it fails, journalled rows are read from the journal later and the others go back
        to the spool.
        """
        with self._wake:
            rows, behind, untraded = list(self._queue), self._behind, list(self._spool)
            self._queue.clear()
            self._spool.clear()
            since_ns = self._waiting.take()
            self._behind = False  # rows submitted from here on wait in the queue, or are in the journal already
        try:
            if not projector.is_open:
                projector.open()
            elif behind:
                projector.catch_up()
            for batch in _batches(rows):
                projector.write(batch)
            with self._wake:
                self._waiting.end(since_ns)
                since_ns = None
            while untraded:
                refused = projector.write_untraded(untraded[:UNTRADED_ROWS])
                done = len(untraded[:UNTRADED_ROWS])
                del untraded[:done]
                with self._wake:
                    self._unwritten_untraded -= done
                    self._dropped += refused
        except Exception:
            with self._wake:
                self._behind = True
                self._queue.clear()
                self._waiting.give_back(since_ns)
                self._spool.extendleft(reversed(untraded))
            raise
        with self._wake:
            self._done = projector.position
            self._wake.notify_all()

    def _delete_untraded(self, projector: Projector) -> None:
        """Delete due rows, until rows wait: they go first, and the rest follows after them."""
        before_ns = None if self._retention is None else self._retention.due_before_ns()
        if self._retention is None or before_ns is None:
            return
        for _ in projector.delete_untraded(before_ns):
            with self._wake:
                if self._has_work() or self._closing:
                    return
        self._retention.done()

    def _report(self, cause: str | None) -> None:
        with self._wake:
            flipped, changed = self._blocked != (cause is not None), self._cause != (cause or "")
            self._blocked, self._cause = cause is not None, cause or ""
        if changed and cause is not None:
            log.error("%s; nothing opens until it takes rows", cause)
        elif changed:
            log.warning("the ledger takes rows again")
        if flipped:
            self._on_state(cause is not None, cause or "")


class InlineLedger:
    """Project in the caller's thread, in batches: for fault simulation and replay, where nothing may happen by itself.

    Errors are raised to the caller (`StoreError`, `ConfigError`).
    """

    def __init__(self, db_url: str, journal: Journal, *, batch_rows: int = BATCH_ROWS) -> None:
        """Open the ledger and write the journal's rows that it lacks."""
        self.dropped_untraded = 0
        self._batch_rows = batch_rows
        self._rows: list[Row] = []
        self._untraded: list[OpportunityRecord] = []
        self._owns_reader = isinstance(journal.path, Path)  # in memory it is the journal's own connection
        self._projector = Projector(db_url, journal.reader(), journal.sync)
        self._projector.open()

    def submit(self, rows: Sequence[Row]) -> None:
        self._rows.extend(rows)
        self._write_full()

    def submit_untraded(self, record: OpportunityRecord) -> None:
        self._untraded.append(record)
        self._write_full()

    def flush(self, timeout_s: float = 0) -> bool:
        """Write everything; always true, for errors are raised. `timeout_s` is not used."""
        for batch in _batches(self._rows):
            self._projector.write(batch)
        self._rows.clear()
        if self._untraded:
            self.dropped_untraded += self._projector.write_untraded(self._untraded)
            self._untraded.clear()
        return True

    def close(self, deadline_s: float = 0) -> bool:
        try:
            return self.flush()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Release the ledger without writing waiting rows; the next start reads them from the journal."""
        self._projector.close()
        if self._owns_reader:
            self._projector.reader.close()

    def _write_full(self) -> None:
        if len(self._rows) + len(self._untraded) >= self._batch_rows:
            self.flush()


def _batches(rows: list[Row]) -> list[list[Row]]:
    return [rows[start : start + BATCH_ROWS] for start in range(0, len(rows), BATCH_ROWS)]


def prepare_ledger(db_url: str, journal: Journal) -> None:
    """Make or upgrade the ledger and see that it belongs to `journal`, before anything runs.

    Raises `ConfigError` when it belongs to another journal or a newer arb made it, `StoreError` when it cannot be
    reached or written, or is ahead of the journal. An engine with open pairs may continue after a `StoreError`: the
    ledger's thread keeps trying, and the engine counts as `ledger_blocked` until it succeeds.
    """
    projector = Projector(db_url, journal.reader(), journal.sync)
    try:
        projector.open(catch_up=False)
    finally:
        projector.close()
