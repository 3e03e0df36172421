"""Which ledger is meant: the URL by the settings, the mode, and whose accounts they are."""

import logging
from functools import cache
from pathlib import Path

import msgspec

from arb.config.settings import DEFAULT_URL, MODE_FILE, Mode, Settings, StoreSettings
from arb.config.venue_settings import VenuesSettings
from arb.errors import ConfigError
from arb.masking import HIDDEN

log = logging.getLogger(__name__)
DEMO = "demo"
"""The value of `runs.mode` for live mode on demo accounts."""


def database_url(settings: Settings, mode: str, override: str | None = None) -> str:
    """Return the ledger's URL: `override` (from `--db`), else `[store] url`, with the mode in its place.

    Demos have separate ledgers, for paper and for orders: their prices are not real. Raises `ConfigError` for a
    database other than SQLite and PostgreSQL.
    """
    if override and holds_password(override):
        _warn_of_password()
    url = override or settings.store.url or DEFAULT_URL
    if url.endswith(MODE_FILE):
        url = f"{url.removesuffix(MODE_FILE)}/{ledger_name(settings.venues, mode)}.sqlite"
    problem = url_problem(url)
    if problem is not None:
        raise ConfigError(f"{'--db' if override else '[store] url'}: {problem}")
    return url


@cache
def _warn_of_password() -> None:
    log.warning(
        "--db holds a password, which every user of this machine can read in the list of processes: use PGPASSWORD,"
        " passfile=, ~/.pgpass or [store] url"
    )


def ledger_name(venues: VenuesSettings, mode: str) -> str:
    if mode == Mode.LIVE:
        return DEMO if venues.are_demos else mode
    return f"{mode}-{DEMO}" if mode == Mode.PAPER and venues.are_demos else mode


def url_problem(url: str) -> str | None:
    backend = url.partition("://")[0].partition("+")[0]
    if backend == "postgres":
        return f"{_masked(url)!r}: write postgresql:// instead of postgres://"
    if "://" not in url or backend not in ("sqlite", "postgresql"):
        return (
            f"{_masked(url)!r} is no database URL this engine knows: give sqlite:///PATH or "
            "postgresql://USER@HOST/DATABASE"
        )
    if backend == "sqlite" and not url.partition(":///")[2]:
        return f"{_masked(url)!r} names no file: give sqlite:///PATH (the journal is next to it)"
    return None


def holds_password(url: str) -> bool:
    return not url.startswith("sqlite") and HIDDEN in _masked(url)


def _masked(url: str) -> str:
    from arb.store.ledger.database import mask_url  # late: it loads SQLAlchemy, which only a bad URL needs here

    return mask_url(url)


def placed(store: StoreSettings, folder: Path) -> StoreSettings:
    """Return a file's `[store]` with relative paths resolved against `folder`, the file's directory."""
    url = store.url or DEFAULT_URL
    scheme, mark, path = url.partition(":///")
    if url_problem(url) is None and scheme.startswith("sqlite") and not path.startswith("/"):
        url = f"{scheme}{mark}{folder / path}"
    return msgspec.structs.replace(store, url=url, journal_dir=str(folder / store.journal_dir))
