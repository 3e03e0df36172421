"""The ledger on the simulated disk: written inline, a little behind the journal, and caught up from there, as by its thread."""

import asyncio
from collections.abc import Callable, Sequence

from arb.core.messages.records import OpportunityRecord
from arb.errors import ConfigError, StoreError
from arb.store.journal.journal import Journal
from arb.store.journal.reader import Row
from arb.store.ledger.ledger import InlineLedger
from proofs.faultsim.disk import Disk, Files
from proofs.faultsim.faults import Life, Point

PROJECT_EVERY_S = 0.25
RETRY_S = 0.2

OnState = Callable[[bool, str], None]


class FaultyLedger:
    """The ledger of `arb.live.runner`, on the simulated disk: written inline, every `PROJECT_EVERY_S`."""

    def __init__(
        self,
        files: Files,
        journal: Journal,
        disk: Disk,
        life: Life,
        now_ns: Callable[[], int],
        on_state: OnState,
    ) -> None:
        self._files = files
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
        self._disk.locked(self._now_ns())
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
        """Write what waits, unless the ledger is locked or was removed; then say so, once."""
        self._life.passes(Point.BEFORE_PROJECTION)
        try:
            if self._journal.reserve_touched:
                self._journal.sync()  # as it does again and again, and takes the reserve back when there is space
            self._disk.synced()  # which is what every projection begins with
            if self._disk.locked(self._now_ns()):
                raise StoreError("database is locked")
            self._project()
        except (ConfigError, StoreError) as error:  # the former where there is no journal to read
            self.close()  # what it still held comes back from the journal
            if not self._blocked:
                self._blocked = True
                self._on_state(True, str(error))
            return
        if self._blocked:
            self._blocked = False
            self._on_state(False, "the ledger takes rows again")
        self._life.passes(Point.AFTER_PROJECTION)

    def _project(self) -> None:
        if self._ledger is None:
            self._files.make_ledger()
            self._ledger = InlineLedger(self._files.db_url, self._journal)
        for record in self._untraded:
            self._ledger.submit_untraded(record)
        self._untraded.clear()
        self._ledger.flush()

    def close(self) -> None:
        """Let go of the file, as the death of the process does; nothing more is written."""
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            ledger.abandon()
