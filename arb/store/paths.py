"""Where the stores lie: the journal's place follows from the ledger's URL (DESIGN.md section 3)."""

import hashlib
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from arb.errors import ConfigError


def parse_url(db_url: str) -> URL:
    """Return the ledger's URL; raise `ConfigError` unless it names a SQLite file or a PostgreSQL database."""
    try:
        url = make_url(db_url)
    except (ArgumentError, ValueError):
        raise ConfigError(
            f"database URL {mask_url(db_url)!r}: not a URL; write sqlite:///var/NAME.sqlite or postgresql://USER@HOST/NAME"
        ) from None
    backend = url.get_backend_name()
    if backend == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise ConfigError(f"database URL {db_url!r}: names no file; write sqlite:///var/NAME.sqlite")
        return url
    if backend == "postgresql":
        if not url.database:
            raise ConfigError(
                f"database URL {mask_url(db_url)!r}: names no database; write postgresql://USER@HOST/NAME"
            )
        return url.set(drivername="postgresql+psycopg")
    raise ConfigError(f"database URL {mask_url(db_url)!r}: {backend} is not supported; use sqlite or postgresql")


def mask_url(db_url: str) -> str:
    """Return the URL as it may be shown: without its password."""
    try:
        return make_url(db_url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return db_url.split("@")[-1]


def sqlite_file(url: URL) -> Path | None:
    """Return the file of a SQLite ledger, None for PostgreSQL."""
    if url.get_backend_name() != "sqlite":
        return None
    return Path(str(url.database))


def journal_path(db_url: str, journal_dir: Path) -> Path:
    """Return the journal that belongs to a ledger.

    Beside a SQLite ledger `DIR/NAME.sqlite` it is `DIR/NAME.journal.sqlite`. For PostgreSQL it lies in `journal_dir`,
    named by a hash of the URL; the password, the query and the driver are left out, so that changing one of them
    finds the same journal.
    """
    url = parse_url(db_url)
    file = sqlite_file(url)
    if file is not None:
        return file.with_name(f"{file.stem}.journal.sqlite")
    host = url.host or url.query.get("host", "")
    identity = f"postgresql://{url.username or ''}@{host}:{url.port or 5432}/{url.database}"
    return journal_dir / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.journal.sqlite"
