"""The disk under simulation: the real journal and the real ledger, with refusals and deaths at their commits.

The journal lies in a real file, so that a restart finds exactly what was committed. A full disk refuses a commit as the
journal itself would after its reserve is gone. The ledger runs inline, a little behind the journal, and is caught up from
there when it was locked, as the ledger's thread does.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from arb.core.commands import AnyCommand
from arb.core.events import AnyEvent
from arb.core.records import OpportunityRecord
from arb.errors import StoreError
from arb.simulation.life import Life, Point
from arb.store.journal import Journal
from arb.store.journal_reader import Row
from arb.store.ledger import InlineLedger

PROJECT_EVERY_S = 0.25
RETRY_S = 0.2

OnState = Callable[[bool, str], None]


class Disk:
    """What is wrong with the disk right now."""

    def __init__(self) -> None:
        self.full_until_ns = 0
        self.full_commits = 0
        self.locked_until_ns = 0
        self.on_full: Callable[[], None] | None = None
        self.on_locked: Callable[[], None] | None = None

    def clear(self) -> None:
        """Mend everything."""
        self.full_until_ns = self.full_commits = self.locked_until_ns = 0

    def refuses(self, now_ns: int) -> bool:
        """Return whether a commit of the journal fails now."""
        full = self.full_commits > 0 or now_ns < self.full_until_ns
        self.full_commits = max(0, self.full_commits - 1)
        if full and self.on_full is not None:
            self.on_full()
        return full

    def locked(self, now_ns: int) -> bool:
        """Return whether the ledger is locked by somebody else now."""
        locked = now_ns < self.locked_until_ns
        if locked and self.on_locked is not None:
            self.on_locked()
        return locked


class NoReserve:
    """No disk reserve: what it does is tested with real files, and each would cost a simulation its 32 MiB."""

    held = False

    def release(self) -> None:
        """Nothing is held."""

    def establish(self) -> bool:
        """Nothing is ever held."""
        return True


class Watcher(Protocol):
    """Looks on at every event that reaches the journal."""

    def on_event(self, event: AnyEvent) -> None:
        """See one event, after the engine and before the journal."""


class SimJournal:
    """See `arb.live.runner.JournalWriter`."""

    def __init__(self, journal: Journal, disk: Disk, life: Life, watcher: Watcher) -> None:
        self._journal = journal
        self._disk = disk
        self._life = life
        self._watcher = watcher
        self.reserve_touched = False

    def append(self, event: AnyEvent, commands: tuple[AnyCommand, ...]) -> tuple[Row, ...]:
        """Write one event and its commands; raise `StoreError` with nothing written."""
        self._watcher.on_event(event)
        self._life.passes(Point.BEFORE_COMMIT)
        if self._disk.refuses(event.t_ns):
            raise StoreError("journal: database or disk is full")
        rows = self._journal.append(event, commands)
        self.reserve_touched = self._journal.reserve_touched
        self._life.passes(Point.AFTER_COMMIT)
        return rows


class SimLedger:
    """See `arb.live.runner.LedgerWriter`: an inline ledger that is written every `PROJECT_EVERY_S`."""

    def __init__(
        self,
        db_url: str,
        journal: Journal,
        disk: Disk,
        life: Life,
        now_ns: Callable[[], int],
        on_state: OnState,
    ) -> None:
        self._db_url = db_url
        self._journal = journal
        self._disk = disk
        self._life = life
        self._now_ns = now_ns
        self._on_state = on_state
        self._ledger: InlineLedger | None = None
        self._untraded: list[OpportunityRecord] = []
        self._blocked = False

    def submit(self, rows: Sequence[Row]) -> None:
        """Take class-1 rows; while the ledger is locked they are left to the journal."""
        if self._ledger is not None:
            self._ledger.submit(rows)

    def submit_untraded(self, record: OpportunityRecord) -> None:
        """Take a class-2 row."""
        self._untraded.append(record)

    async def run(self) -> None:
        """Write what waits, again and again."""
        while True:
            await asyncio.sleep(RETRY_S if self._blocked else PROJECT_EVERY_S)
            self.write()

    def write(self) -> None:
        """Write what waits, unless the ledger is locked."""
        self._life.passes(Point.BEFORE_PROJECTION)
        if self._disk.locked(self._now_ns()):
            self.close()  # what it still held comes back from the journal
            if not self._blocked:
                self._blocked = True
                self._on_state(True, "database is locked")
            return
        if self._ledger is None:
            self._ledger = InlineLedger(self._db_url, self._journal)
        for record in self._untraded:
            self._ledger.submit_untraded(record)
        self._untraded.clear()
        self._ledger.flush()
        if self._blocked:
            self._blocked = False
            self._on_state(False, "the ledger takes rows again")
        self._life.passes(Point.AFTER_PROJECTION)

    def close(self) -> None:
        """Let go of the file, as the death of the process does; nothing more is written."""
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            ledger.abandon()
