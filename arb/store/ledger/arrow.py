"""pyarrow, where it is installed: the reader and writer of Parquet. The engine itself runs without it."""

import importlib
from typing import Any

from arb.errors import ConfigError


def arrow_module(name: str) -> Any:
    """Import `pyarrow` or a module of it when it is needed; raises `ConfigError` where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ConfigError(
            "Parquet needs pyarrow: `make dev` in a checkout installs it, `pipx inject arb pyarrow` next to an arb that pipx "
            "installed, `pip install 'arb[parquet]'` elsewhere"
        ) from None
