"""Journal and ledger of a replay; old files are replaced."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence

from arb.app import stores
from arb.clock import ManualClock
from arb.config import ReplayOptions, Settings
from arb.core.messages.commands import AnyCommand
from arb.core.messages.events import AnyEvent
from arb.core.messages.intents import Intent
from arb.core.messages.records import OpportunityRecord
from arb.live.runner import LedgerWriter
from arb.store.journal.journal import Journal
from arb.store.journal.reader import JournalState, Row
from arb.store.ledger.ledger import InlineLedger
from arb.store.ledger.rebuild import fresh_journal

MODE = "replay"
DEFAULT_DB = "sqlite:///var/replay.sqlite"


class Stores:
    def __init__(self, settings: Settings, options: ReplayOptions) -> None:
        self.db, path = stores(settings, MODE, options.db or DEFAULT_DB)
        # The journal's own instants are the tape's; nothing in the stores may depend on when the replay itself took place.
        self.journal = fresh_journal(self.db, path, ManualClock(0))
        with contextlib.ExitStack() as stack:
            stack.callback(self.journal.close)
            self.ledger = InlineLedger(self.db, self.journal)
            stack.pop_all()

    def close(self) -> None:
        try:
            self.ledger.close()
        finally:
            self.journal.close()


class Afresh:
    """A journal that continues from stretch to stretch and restores nothing: each stretch begins afresh."""

    def __init__(self, journal: Journal) -> None:
        self.reserve_touched = False
        self._journal = journal

    @property
    def last_seq(self) -> int:
        return self._journal.last_seq

    def last_ns(self) -> int:
        """Return 0: a replayed instant may be earlier than those before."""
        return 0

    def restore(
        self,
        account_ids: Iterable[str] | None = None,
        former_accounts: Mapping[str, str] | None = None,
        now_ns: int | None = None,
    ) -> JournalState:
        return JournalState(last_seq=self.last_seq, last_run_id=0, control=None, pairs=())

    def intend(self, intents: Iterable[Intent]) -> None:
        self._journal.intend(intents)

    def append(self, event: AnyEvent, commands: tuple[AnyCommand, ...]) -> tuple[Row, ...]:
        return self._journal.append(event, commands)


class Both:
    """A ledger that passes everything to two."""

    def __init__(self, one: LedgerWriter, other: LedgerWriter) -> None:
        self._ledgers = one, other

    def submit(self, rows: Sequence[Row]) -> None:
        for ledger in self._ledgers:
            ledger.submit(rows)

    def submit_untraded(self, record: OpportunityRecord) -> None:
        for ledger in self._ledgers:
            ledger.submit_untraded(record)
