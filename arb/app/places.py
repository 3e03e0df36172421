"""Where a mode's stores lie, by settings and command line."""

from pathlib import Path

from arb.config import Settings, database_url
from arb.store.database import journal_path


def stores(settings: Settings, mode: str, db: str | None) -> tuple[str, Path]:
    """Return the ledger's URL and the journal's path."""
    url = database_url(settings, mode, db)
    return url, journal_path(url, Path(settings.store.journal_dir))
