"""`arb report --html FILE`: the report as a page."""

from pathlib import Path
from typing import Any

from arb.app.places import stores
from arb.config import ReviewOptions, Settings
from arb.errors import ConfigError
from arb.report.summary import read_sources
from arb.report.write import check_target, write_page
from arb.store.paths import mask_url


def report_page(settings: Settings, options: ReviewOptions, path: Path) -> dict[str, Any]:
    """Write the page and return where it lies and how large it is; raise `ConfigError` when that cannot be done."""
    url, _ = stores(settings, options.mode, options.db)
    check_target(path)
    try:
        from arb.report.page import render
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise ConfigError(
            "--html: figures need matplotlib: run `make dev` in the checkout (or, there, pip install -e '.[notebooks]')"
        ) from None
    return {"db": mask_url(url), "page": str(path), "bytes": write_page(path, render(read_sources(url)))}
