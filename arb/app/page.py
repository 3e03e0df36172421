"""`arb report --html FILE`: the report as a page, written whole or not at all, and never in the place of something else."""

import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from arb.app import review
from arb.config import ReviewOptions, Settings
from arb.errors import ConfigError
from arb.view.report import page

PAIRS_SHOWN, INCIDENTS_SHOWN = 1_000, 300
"""How many rows of each a file holds, so that a year's is no larger than a day's."""


def report_page(settings: Settings, options: ReviewOptions, path: Path) -> dict[str, Any]:
    """Write the page and return its path and size; raise `ConfigError` when that cannot be done."""
    check_target(path)
    sources = review.sources(settings, options)
    answers = {"report": review.summed_in_words(sources)} | {part: page.drawn(sources, part) for part in page.FIGURES}
    pairs = review.pairs(settings, msgspec.structs.replace(options, limit=PAIRS_SHOWN)) | {"most": PAIRS_SHOWN}
    answers |= {"pairs": pairs, "incidents": review.incidents(settings, options, INCIDENTS_SHOWN)}
    del answers["report"]["db"]  # its name may be no text, and stands in the head as it can
    return {"db": sources.db, "page": str(path), "bytes": write_page(path, page.render(sources, answers))}


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
                # A typing error must not cost a ledger.
                if present.read(len(BEGINS)).lower() not in (BEGINS, b""):
                    raise ConfigError(f"--html {path}: exists, and is no page of arb: name another file")
        descriptor, aside = _aside(path)
        os.close(descriptor)
        aside.unlink()
    except OSError as error:
        raise _unwritable(path, error) from None


def write_page(path: Path, page: str) -> int:
    """Write the page and return its size in bytes; a reader sees the page before or the new one, never half of it."""
    check_target(path)
    content, aside = page.encode("utf-8", "backslashreplace"), None
    try:
        descriptor, aside = _aside(path)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        if aside is not None:
            aside.unlink(missing_ok=True)
        raise _unwritable(path, error) from None
    return len(content)


def _aside(path: Path) -> tuple[int, Path]:
    """Make a new file next to `path`, under an unpredictable name; return its descriptor and its path."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    return descriptor, Path(name)


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"--html {path}: cannot be written: {error.strerror}: name a file in a directory you may write to"
    )
