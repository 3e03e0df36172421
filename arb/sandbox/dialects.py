"""Which dialect speaks for which venue, and under which paths."""

from collections.abc import Callable

from arb.sandbox.bitget.api import BitgetDialect
from arb.sandbox.exchange import SimExchange
from arb.sandbox.gate.api import GateDialect
from arb.sandbox.okx.api import OkxDialect
from arb.sandbox.wire import Dialect

DIALECTS: dict[str, Callable[[SimExchange], Dialect]] = {
    "gate": GateDialect,
    "okx": OkxDialect,
    "bitget": BitgetDialect,
}

REST_PREFIXES = {
    "/api/v4/": "gate",
    "/api/v5/": "okx",
    "/api/v2/": "bitget",
    "/api/v3/": "bitget",
}

WS_PATHS = {
    "/ws/v4": "gate",
    "/ws/v5/public": "okx",
    "/ws/v5/private": "okx",
    "/v2/ws/public": "bitget",
    "/v2/ws/private": "bitget",
}


def venue_of_path(path: str, table: dict[str, str]) -> str | None:
    """Return the venue that owns a path by its prefix, None when no venue does."""
    for prefix, venue in table.items():
        if path.startswith(prefix):
            return venue
    return None
