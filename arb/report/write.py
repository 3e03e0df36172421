"""Put a page where it was asked for: whole or not at all, and never in the place of something else."""

import os
from pathlib import Path

from arb.errors import ConfigError

BEGINS = b"<!doctype html>"


def check_target(path: Path) -> None:
    """Raise `ConfigError` when a page cannot be written to `path`: before the ledger is read, which may take a while."""
    if path.is_dir():
        raise ConfigError(f"--html {path}: is a directory: name a file in it, for instance {path / 'report.html'}")
    if path.exists() and not path.is_file():
        raise ConfigError(f"--html {path}: is no ordinary file: name another")
    try:
        if path.exists():
            with path.open("rb") as present:
                # A slip of the hand must not cost a ledger.
                if present.read(len(BEGINS)).lower() not in (BEGINS, b""):
                    raise ConfigError(f"--html {path}: is there, and is no page of ours: name another file")
        aside = _aside(path)
        aside.touch()
        aside.unlink()
    except OSError as error:
        raise _unwritable(path, error) from None


def write_page(path: Path, page: str) -> int:
    """Write the page and return its size in bytes; a reader sees the page before or the new one, never half of it."""
    check_target(path)
    content, aside = page.encode("utf-8", "backslashreplace"), _aside(path)
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise _unwritable(path, error) from None
    return len(content)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.new")


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"--html {path}: cannot be written: {error.strerror}: name a file in a directory you may write to"
    )
