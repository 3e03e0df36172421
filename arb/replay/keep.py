"""What a rerun writes down: the same journal and the same ledger as a run, without a thread."""

from arb.core.commands import AnyCommand
from arb.core.events import AnyEvent, QueueDrained
from arb.core.records import OpportunityRecord
from arb.store.journal import Journal
from arb.store.ledger import InlineLedger


class Keeper:
    """Append to the journal and hand its rows to the ledger."""

    def __init__(self, journal: Journal, ledger: InlineLedger) -> None:
        self._journal = journal
        self._ledger = ledger

    def keep(self, event: AnyEvent, commands: tuple[AnyCommand, ...], untraded: list[OpportunityRecord]) -> None:
        """Write one event and what it led to, as the runner does: a drain that led to nothing is not worth a line."""
        for record in untraded:
            self._ledger.submit_untraded(record)
        if commands or type(event) is not QueueDrained:
            self._ledger.submit(self._journal.append(event, commands))
