"""The Gate client: `ccxt.pro.gate` with our signatures, our clock, our guard, and its faults mended.

`signing.py` hashes, `request.py` places parameters, `placements.py` sees what an order may cost, `rest.py` and
`sockets.py` sign, `trading.py` and `orders.py` read orders, `labels.py` reads errors. Here the parts are joined and
the addresses set.
"""

from typing import Any
from urllib.parse import urlsplit

import ccxt
import ccxt.pro

from arb.clock import Clock
from arb.errors import ConfigError
from arb.venues.gate.labels import LABELS
from arb.venues.gate.signing import API_ROOT, Signer
from arb.venues.gate.sockets import GateSockets
from arb.venues.gate.trading import GateOrders
from arb.venues.rules.guard import SigningGuard

LIVE_REST_URL = "https://api.gateio.ws/api/v4"
LIVE_WS_URL = "wss://api.gateio.ws/ws/v4/"


class Gate(GateSockets, GateOrders, ccxt.pro.gate):
    """One Gate account (or none: public data needs no key), spot only.

    Numbers come out as decimal text and go in as Decimal, integer or text; floats are refused. Sizes must be
    multiples of the lot and prices of the tick: nothing is rounded here. `server_offset_ns` is added to the clock for
    every timestamp and expiry. A placement may carry the parameters `expires_ns` (our clock), `reference_price` and
    `reference_size`, which are never sent.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        guard: SigningGuard,
        api_key: str = "",
        secret: str = "",
        rest_url: str = LIVE_REST_URL,
        ws_url: str = LIVE_WS_URL,
        order_expiry_ms: int = 1000,
        timeout_ms: int = 10_000,
        session: Any = None,
    ) -> None:
        rest_url = rest_url.rstrip("/")
        if not urlsplit(rest_url).path == API_ROOT:
            raise ConfigError(
                f"gate: REST address {rest_url!r} must end in {API_ROOT}, which is part of what is signed"
            )
        if order_expiry_ms <= 0:
            raise ConfigError(f"gate: order_expiry_ms must be above 0, not {order_expiry_ms}")
        self.signer = Signer(secret)
        self.order_expiry_ms = order_expiry_ms
        self.native_symbols = {symbol.replace("/", "_"): symbol for symbol in guard.symbols}
        config: dict[str, Any] = {"apiKey": api_key, "secret": secret, "timeout": timeout_ms, "options": _OPTIONS}
        if session is not None:
            config["session"] = session
        super().__init__(clock, guard, config)
        self.headers: dict[str, str] = {}  # without ccxt's broker tag
        api = self.urls["api"]
        for access in ("public", "private"):
            api[access] = dict.fromkeys(api[access], rest_url)
        api["spot"] = ws_url

    def describe(self) -> dict[str, Any]:
        """Return ccxt's description with the labels it lacks."""
        repaired = {"exceptions": {"exact": LABELS, "ws": {"exact": {"3": ccxt.ExchangeNotAvailable}}}}
        return self.deep_extend(super().describe(), repaired)  # type: ignore[no-any-return]


_OPTIONS: dict[str, Any] = {
    # Explicitly: ccxt asks the venue, and takes any failure for "classic".
    "unifiedAccount": False,
    "defaultType": "spot",
    "fetchMarkets": {"types": ["spot"]},
    "maxRetriesOnFailure": 0,
    # Gate's own client connects without compression: it is "not fully supported in server" there.
    "ws": {"options": {"compress": 0}},
}
