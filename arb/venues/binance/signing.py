"""Binance through ccxt.pro, behind the guard: signatures of the spot API ("SIGNED Endpoint security").

The signed text is the query or, of an order, the body, percent-encoded as it is sent; the signature is appended to it. The
window of an order is the time left until its expiry. The venue checks it at the door and again before its engine, where an
order may still wait: so it proves no absence.
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol
from urllib.parse import quote

import ccxt.pro
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from arb.clock import NS_PER_MS, Clock
from arb.core.messages.commands import PlaceOrder
from arb.errors import ConfigError
from arb.venues.kit.call import Call, RequestError
from arb.venues.kit.ccxt_client import GuardedClient
from arb.venues.kit.order_form import (
    EXPIRY,
    SIGNATURE,
    TIMESTAMP,
    KeyedHash,
    OrderForm,
    decimal_texts,
    half_written,
)
from arb.venues.kit.rules.guard import OrderClaim, OrderFields, SigningGuard, limit_claim
from arb.venues.transport.request import HttpRequest

USUAL_WINDOW_MS, WINDOW_MAX_MS = 5000, 60_000
"""The window of requests that do not expire, the venue's own default, and the longest that it takes."""
_PLACE, _CANCEL = "POST order", "DELETE order"
_SEAL = "&signature="


class Sealer(Protocol):
    def seal(self, data: bytes) -> str:
        """Return a signature as the websocket takes it; in a query it is percent-encoded."""


class Hmac:
    """HMAC-SHA256 in hex."""

    def __init__(self, secret: str) -> None:
        self._keyed = KeyedHash(secret)

    def seal(self, data: bytes) -> str:
        return self._keyed.seal(data).hexdigest()


class Ed25519:
    """Ed25519 in base64. `pem`: the private key (PKCS#8); `\\n` may be written for its line breaks.

    Raises `ConfigError` for a key of another kind, an encrypted one, and a text that is no key.
    """

    def __init__(self, pem: str) -> None:
        try:
            key = load_pem_private_key(pem.replace("\\n", "\n").encode(), None)
        except (ValueError, TypeError):
            raise ConfigError(
                "binance: the secret is a private key that cannot be read: give the whole PEM text, not encrypted"
            ) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError("binance: the secret is a private key of another kind: make an Ed25519 key at the venue")
        self._key = key

    def seal(self, data: bytes) -> str:
        return b64encode(self._key.sign(data)).decode("ascii")


def sealer_of(secret: str) -> Sealer:
    """Return the signature's maker by the form of the secret; raises `ConfigError` as `Ed25519` does."""
    return Ed25519(secret) if "PRIVATE KEY" in secret else Hmac(secret)


class GuardedBinance(GuardedClient, ccxt.pro.binance):
    """`ccxt.pro.binance` on our clock and behind the guard; spot limit orders and their cancels only."""

    order_fields: ClassVar[OrderFields] = {
        "symbol": None,
        "side": frozenset({"BUY", "SELL"}),
        "type": frozenset({"LIMIT", "LIMIT_MAKER"}),
        "timeInForce": None,
        "quantity": None,
        "price": None,
        "newClientOrderId": None,
        "newOrderRespType": frozenset({"FULL"}),
        "selfTradePreventionMode": None,
    }

    def __init__(
        self,
        clock: Clock,
        guard: SigningGuard,
        config: dict[str, Any],
        sealer: Sealer,
        site_headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(clock, guard, config, site_headers)
        self._sealer = sealer

    def signed(self, call: Call) -> HttpRequest:
        url = self._url(call)
        if call.method != "GET":
            self._admit(call)
        if call.api[0] == "public":
            query = f"?{query_text(call.params)}" if call.params else ""
            return HttpRequest(call.method, url + query, dict(self.site_headers))
        self._check_credentials()
        now_ms = self.milliseconds()
        window_ms = USUAL_WINDOW_MS
        if call.expires_ns is not None:
            window_ms = self._window(int(self.venue_ms_text(call.expires_ns)) - now_ms)
        text = query_text({"timestamp": now_ms, **call.params, "recvWindow": window_ms})
        text = f"{text}{_SEAL}{self._seal(text.encode('ascii'))}"
        if call.method == "POST":
            return HttpRequest(call.method, url, self._headers(call), text)
        return HttpRequest(call.method, f"{url}?{text}", self._headers(call))

    def order_form(self, call: Call) -> OrderForm:
        url = self._url(call)
        if f"{call.method} {call.path}" != _PLACE:
            raise self.guard.refuse_endpoint(call.method, call.path)
        self.guard.check_fields(call.params, self.order_fields)
        claim = self._claim(call.params)
        self.guard.check_symbol(claim.symbol)
        self._check_credentials()
        tail = f"{_SEAL}{SIGNATURE}"
        text = query_text({"timestamp": TIMESTAMP, **call.params, "recvWindow": EXPIRY})
        request = HttpRequest(call.method, url, self._headers(call), text + tail)
        return half_written(call, claim, request, "", self._sealer, body_marks=(TIMESTAMP, EXPIRY), tail=tail)

    def order(self, form: OrderForm, command: PlaceOrder, now_ns: int, steady_ns: int) -> bytes:
        name, venue_ns = command.client_order_id, steady_ns + self._ahead_of_steady_ns
        if not (name.isalnum() and name.isascii()):
            name = quote(name, safe="")
        now_ms = venue_ns // NS_PER_MS
        window_ms = self._window((command.expires_ns - now_ns + venue_ns) // NS_PER_MS - now_ms)
        self.guard.admit_order(form.symbol, form.side, command, steady_ns)
        body = (form.body % form.in_body((name, *decimal_texts(command), now_ms, window_ms))).encode("ascii")
        signature = self._seal(body).encode("ascii")
        length = b"%d" % (len(body) + len(_SEAL) + len(signature))
        return form.whole % form.in_whole((signature, length, body))

    def _url(self, call: Call) -> str:
        """Return the address of a call; raises `SigningRefused` for a host that is not allowed."""
        base = str(self.urls["api"][call.api[0]])
        self.guard.check_host(base)
        return f"{base}/{call.path}"

    def _admit(self, call: Call) -> None:
        """Let the guard admit a write, or raise `SigningRefused`: an order or a cancel, and no other."""
        kind = f"{call.method} {call.path}"
        if call.api[0] != "private" or kind not in (_PLACE, _CANCEL):
            raise self.guard.refuse_endpoint(call.method, call.path)
        if kind == _PLACE:
            self.guard.check_fields(call.params, self.order_fields)
            self.guard.admit([self._claim(call.params)])

    def _claim(self, order: dict[str, Any]) -> OrderClaim:
        side = str(order.get("side")).lower()
        return limit_claim(self._symbol(order.get("symbol")), side, order.get("quantity"), order.get("price"))

    def _window(self, left_ms: int) -> int:
        """Return for how many milliseconds an order may still arrive; raises `SigningRefused` where it has expired."""
        if left_ms <= 0:
            raise self.guard.refuse_expired(-left_ms * NS_PER_MS)
        return min(left_ms, WINDOW_MAX_MS)

    def _seal(self, text: bytes) -> str:
        return quote(self._sealer.seal(text), safe="")

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {"X-MBX-APIKEY": str(self.apiKey)}
        if call.method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return headers | self.site_headers


def query_text(params: Mapping[str, Any]) -> str:
    """Return parameters as they are sent, percent-encoded; raises `RequestError` for one that is neither text nor integer."""
    for name, value in params.items():
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            raise RequestError(f"{name}: a {type(value).__name__} cannot be sent; use text or an integer")
    return "&".join(f"{name}={quote(str(value), safe='')}" for name, value in params.items())
