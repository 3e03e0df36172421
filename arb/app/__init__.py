"""The floor that builds and joins objects: one module per group of commands.

A command imports its module when it runs, so that reading a ledger does not load the venues' libraries.
"""

from collections.abc import Iterator
from pathlib import Path

from arb.config import Settings, database_url
from arb.store.ledger.database import journal_path, recorded_journal


def stores(settings: Settings, mode: str, db: str | None) -> tuple[str, Path]:
    """Return the ledger's URL and the journal's path for a mode; `db` (from `--db`) overrides the settings."""
    url = database_url(settings, mode, db)
    return url, journal_path(url, Path(settings.store.journal_dir))


def journals_of(settings: Settings, mode: str, db: str | None) -> Iterator[Path]:
    """Yield the paths where the journal of an existing ledger may be, at least one.

    The first path is that by the ledger's URL. The second is recorded in a ledger on PostgreSQL: its engine may have been
    started from another directory, or with another address of the server. Asking it may take seconds.
    """
    url, path = stores(settings, mode, db)
    if path.exists():
        yield path
    recorded = recorded_journal(url)
    if recorded is not None and recorded.exists() and recorded != path.resolve():
        yield recorded
    elif not path.exists():
        yield path


def found_journal(settings: Settings, mode: str, db: str | None) -> Path:
    return next(journals_of(settings, mode, db))
