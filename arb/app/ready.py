"""Making journal and ledger ready for a run: what of them is old, late or locked ends no start that has a leg to mend."""

import logging
from pathlib import Path

from arb.clock import NS_PER_S, SystemClock
from arb.errors import StoreError
from arb.store.journal import Journal
from arb.store.ledger import prepare_ledger
from arb.store.retention import Retention, forget_old_story

log = logging.getLogger(__name__)


def open_journal(path: Path, clock: SystemClock, story_days: int) -> Journal:
    """Open a run's journal without its story of before `story_days` days; the run's time goes on from its last entry."""
    if forget_old_story(path, Retention(clock, story_days).due_before_ns()):
        log.info("the journal's story of before the last %d days was dropped, and every row kept", story_days)
    journal = Journal.open(path, clock)
    if behind_ns := clock.not_before(journal.last_ns()):
        log.warning(
            "the system's clock stands %.3f s before the journal's last entry: this run's time goes on from there; set the "
            "clock right before the next start",
            behind_ns / NS_PER_S,
        )
    return journal


def ready_ledger(url: str, journal: Journal) -> str | None:
    """Make or upgrade the ledger; return why it cannot be used yet, which only pairs that were left open may go on without.

    Raises `ConfigError`, and `StoreError` where nothing is open, as `prepare_ledger` does.
    """
    try:
        prepare_ledger(url, journal)
    except StoreError as error:
        if not journal.restore(()).pairs:
            raise
        log.critical("%s; pairs are open and will be finished, and nothing new opens until it takes rows", error)
        return str(error)
    return None
