"""The floor that builds and joins objects: one module per group of commands.

A command imports its module when it runs, so that reading a ledger does not load the venues' libraries.
"""

from pathlib import Path

from arb.config import Settings, database_url
from arb.store.database import journal_path


def stores(settings: Settings, mode: str, db: str | None) -> tuple[str, Path]:
    """Return the ledger's URL and the journal's path for a mode; `db` (from `--db`) overrides the settings."""
    url = database_url(settings, mode, db)
    return url, journal_path(url, Path(settings.store.journal_dir))
