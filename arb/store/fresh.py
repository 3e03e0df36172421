"""Stores that are written anew each time: those of replays.

A replay's rows are a function of its tapes, so the second replay into the same place takes the place of the first. Rows of a
real run are never touched: a replay's journal carries a name of its own, and only a ledger that belongs to such a journal,
or to none, is emptied.
"""

import random
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.exc import DBAPIError

from arb.clock import Clock
from arb.errors import ConfigError
from arb.store.engine import open_engine, store_error
from arb.store.journal import Journal
from arb.store.journal_reader import JournalReader
from arb.store.migrate import upgrade
from arb.store.paths import mask_url
from arb.store.reserve import InstanceLock
from arb.store.tables import Base, Projection

_REPLAY_SEED = 0x7265706C6179
REPLAY_JOURNAL_ID = f"{random.Random(_REPLAY_SEED).getrandbits(64):016x}"
"""What every replay's journal is called, so that it can be told from the journal of a run."""


class NoReserve:
    """A journal that protects no money needs no disk reserve."""

    held = False

    def release(self) -> None:
        """Do nothing: there is nothing to give back."""

    def establish(self) -> bool:
        """Count as held, so that nothing waits for it."""
        return True


def fresh_journal(db_url: str, journal_path: Path, clock: Clock) -> Journal:
    """Empty the ledger and the journal of an earlier replay, and return a new journal.

    Raises `ConfigError` when ledger or journal belong to a real run, or another process uses them, and `StoreError` when
    the ledger cannot be reached.
    """
    journal_path.parent.mkdir(parents=True, exist_ok=True)
    lock = InstanceLock(journal_path)
    try:
        if journal_path.exists():
            _require_replay(_journal_id(journal_path), f"journal {journal_path}")
        _empty(db_url)
        for suffix in ("", "-wal", "-shm"):
            journal_path.with_name(journal_path.name + suffix).unlink(missing_ok=True)
    finally:
        lock.release()
    return Journal.open(journal_path, clock, rng=random.Random(_REPLAY_SEED), reserve=NoReserve())


def _journal_id(path: Path) -> str:
    reader = JournalReader.open(path)
    try:
        return reader.journal_id
    finally:
        reader.close()


def _empty(db_url: str) -> None:
    upgrade(db_url)
    engine = open_engine(db_url)
    try:
        with engine.begin() as connection:
            for owner in connection.execute(select(Projection.journal_id)).scalars():
                _require_replay(owner, f"ledger {mask_url(db_url)}")
            for table in reversed(Base.metadata.sorted_tables):
                connection.execute(delete(table))
    except DBAPIError as error:
        raise store_error(db_url, error) from None
    finally:
        engine.dispose()


def _require_replay(journal_id: str, what: str) -> None:
    if journal_id != REPLAY_JOURNAL_ID:
        raise ConfigError(f"{what}: holds the rows of a real run, which a replay never replaces; choose another --db")
