"""The Gate client: ccxt's signing overridden by Gate's double hash, on our clock and behind our guard.

`signed` is what the engine uses and, through `GuardedClient.sign`, what every method of ccxt uses, too: `request.py` places the
parameters and says which writes are signed at all, `signing.py` hashes exactly the text that leaves. `order_frame` is the same
for the order socket. What else of ccxt's surface is overridden, for people who call ccxt's own methods, stands in
`ccxt_methods.py`.
"""

from typing import Any
from urllib.parse import urlsplit

import ccxt.pro

from arb.clock import NS_PER_MS, NS_PER_S, Clock
from arb.errors import ConfigError
from arb.venues.dialect import Call
from arb.venues.gate.ccxt_methods import GateMethods
from arb.venues.gate.request import Endpoint, build, channel_of, claims_of, endpoint_of
from arb.venues.gate.signing import API_ROOT, Signer, api_signature, rest_headers
from arb.venues.json_text import to_json
from arb.venues.rules.guard import SigningGuard
from arb.venues.transport.http import HttpRequest

LIVE_REST_URL = "https://api.gateio.ws/api/v4"
LIVE_WS_URL = "wss://api.gateio.ws/ws/v4/"


class Gate(GateMethods, ccxt.pro.gate):
    """One Gate account (or none: public data needs no key), spot only.

    Numbers come out as decimal text and go in as Decimal, integer or text; floats are refused. Sizes must be
    multiples of the lot and prices of the tick: nothing is rounded here. `server_offset_ns` is added to the clock for
    every timestamp and expiry. A write whose call has no expiry of its own expires after `order_expiry_ms`.
    """

    separator = "_"

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
        config: dict[str, Any] = {"apiKey": api_key, "secret": secret, "timeout": timeout_ms, "options": _OPTIONS}
        if session is not None:
            config["session"] = session
        super().__init__(clock, guard, config)
        self.headers: dict[str, str] = {}  # without ccxt's broker tag
        api = self.urls["api"]
        for access in ("public", "private"):
            api[access] = dict.fromkeys(api[access], rest_url)
        api["spot"] = ws_url

    def signed(self, call: Call) -> HttpRequest:
        """Return the request of a call, signed by the double hash unless its API is public; see `GuardedClient.signed`."""
        access, section = call.api
        base = self.urls["api"][access][section]
        self.guard.check_host(base)
        endpoint = endpoint_of(call.method, section, call.path)
        path, query_signed, query_sent, body = build(endpoint, call)
        url = f"{base}{path}?{query_sent}" if query_sent else base + path
        if access == "public":
            return HttpRequest(call.method, url, {})
        self._check_credentials()
        expiry = self._admitted(endpoint, call)
        timestamp = str(self.server_now_ns() // NS_PER_S)
        signature = self.signer.request(call.method, API_ROOT + path, query_signed, body.encode(), timestamp).signature
        headers = rest_headers(self.apiKey, signature, timestamp)
        if expiry is not None:
            headers["X-Gate-Exptime"] = expiry
        return HttpRequest(call.method, url, headers, body or None)

    def order_frame(self, request_id: str, channel: str, call: Call | None) -> str:
        """Return the text of one frame of the websocket's order API, signed over its literal `req_param`; None logs in.

        Raises as `signed` does.
        """
        param_text = "" if call is None else to_json(list(call.items) or call.params)
        expiry = None if call is None else self._admitted(channel_of(channel), call)
        time_s = self.seconds()
        payload: dict[str, Any] = {
            "req_id": request_id,
            "api_key": self.apiKey,
            "signature": api_signature(self.signer, channel, param_text, time_s),
            "timestamp": str(time_s),
        }
        if expiry is not None:
            payload["req_header"] = {"x-gate-exptime": expiry}
        payload_text = to_json(payload)
        if param_text:
            payload_text = f'{payload_text[:-1]},"req_param":{param_text}}}'
        return f'{{"time":{time_s},"channel":{to_json(channel)},"event":"api","payload":{payload_text}}}'

    def _admitted(self, endpoint: Endpoint, call: Call) -> str | None:
        """Let the guard admit a call; return its expiry in the venue's time, None where the endpoint honours none.

        Raises `SigningRefused`, also when the expiry has passed.
        """
        expiry = None
        if endpoint.takes_expiry:
            now_ns = self.wall_clock.wall_ns()
            expires_ns = now_ns + self.order_expiry_ms * NS_PER_MS if call.expires_ns is None else call.expires_ns
            if expires_ns <= now_ns:
                raise self.guard.refuse_expired(now_ns - expires_ns)
            expiry = self.venue_ms_text(expires_ns)
        if not endpoint.is_signed:
            method, _, path = endpoint.call.rpartition(" ")
            raise self.guard.refuse_endpoint(method or "WS", path)
        if endpoint.places:
            self.guard.admit(claims_of(call, self._symbols))
        return expiry


_OPTIONS: dict[str, Any] = {
    # Explicitly: ccxt asks the venue, and takes any failure for "classic".
    "unifiedAccount": False,
    "defaultType": "spot",
    "fetchMarkets": {"types": ["spot"]},
    "maxRetriesOnFailure": 0,
    # Gate's own client connects without compression: it is "not fully supported in server" there.
    "ws": {"options": {"compress": 0}},
}
