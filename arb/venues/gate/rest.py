"""Sign Gate's REST requests and read its error answers: the overrides of ccxt's `sign` and `handle_errors`."""

from typing import Any

import ccxt

from arb.clock import NS_PER_MS, NS_PER_S
from arb.venues.exact import ExactExchange
from arb.venues.gate.labels import annotate, error_class, unlabelled_class
from arb.venues.gate.placements import EXPIRES_NS, claims_of, is_placement, is_signed, split_hints
from arb.venues.gate.request import Plan, RequestError, WireRequest, build, limit_order_body, plan
from arb.venues.gate.signing import API_ROOT, Signer, rest_headers
from arb.venues.rules.guard import OrderClaim, value_of

_ORDERS_PATH = API_ROOT + "/spot/orders"
_SHOWN_CHARACTERS = 300  # of an error's body, which may be a proxy's whole page


class GateRest(ExactExchange):
    """One signed text per request, and exactly the bytes that were hashed."""

    signer: Signer
    order_expiry_ms: int
    native_symbols: dict[str, str]

    def sign(self, path: str, api: Any = ("public", "spot"), method: str = "GET", params: Any = None) -> dict[str, Any]:
        """Return url, method, headers and body of one request, signed unless its API is public.

        Raises `SigningRefused` for what the guard forbids and ccxt's `BadRequest` for parameters that cannot be sent.
        The body is text: ccxt's `fetch` encodes it, and as it is ASCII the bytes are those that were hashed.
        """
        access, section = api[0], api[1]
        if path == "orders" and section == "spot" and method == "POST" and type(params) is dict:
            order = self._sign_limit_order(access, params)
            if order is not None:
                return order
        base = self.urls["api"][access][section]
        self.guard.check_host(base)
        given = {} if params is None else params
        hints, sendable = split_hints(given)
        planned = plan(method, section, path)
        try:
            wire = build(planned, sendable, public=access == "public")
        except RequestError as error:
            raise ccxt.BadRequest(f"{self.id} {method} {planned.endpoint}: {error}") from error
        url = base + wire.path + ("?" + wire.query_sent if wire.query_sent else "")
        headers: dict[str, str] = {"X-Gate-Size-Decimal": "1"} if section == "futures" else {}
        if access != "public":
            headers |= self._signed_headers(method, planned, wire, given, hints)
        return {"url": url, "method": method, "body": wire.body or None, "headers": headers}

    def _sign_limit_order(self, access: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """Sign an order as the dialect writes it, in one go; None for any other, which goes the general way.

        The same checks in the same order, and the same bytes (a test compares them); half the time.
        """
        body = limit_order_body(params)
        if body is None or access != "private" or not (self.apiKey and self.secret):
            return None
        base = self.urls["api"]["private"]["spot"]
        self.guard.check_host(base)
        now_ns, expires_ns = self.house_clock.wall_ns(), params[EXPIRES_NS]
        if expires_ns <= now_ns:
            raise self.guard.refuse_expired(now_ns - expires_ns)
        native = params["currency_pair"]
        worth = value_of(params["amount"], params["price"])
        self.guard.admit((OrderClaim(self.native_symbols.get(native, native), worth),))
        offset_ns = self.server_offset_ns
        timestamp = str((now_ns + offset_ns) // NS_PER_S)
        signed = self.signer.request("POST", _ORDERS_PATH, "", body.encode(), timestamp)
        headers = rest_headers(self.apiKey, signed.signature, timestamp)
        headers["X-Gate-Exptime"] = str((expires_ns + offset_ns) // NS_PER_MS)
        return {"url": base + "/spot/orders", "method": "POST", "body": body, "headers": headers}

    def handle_errors(
        self,
        code: int,
        reason: str,
        url: str,
        method: str,
        headers: Any,
        body: str,
        response: Any,
        requestHeaders: Any,
        requestBody: Any,
    ) -> None:
        """Raise the ccxt error an answer stands for; a refusal only on the venue's own label, never on a bare
        status."""
        label = response.get("label") if isinstance(response, dict) else None
        text = f"{self.id} {method} {url.partition('?')[0]} {code} {body[:_SHOWN_CHARACTERS]}"
        if label:
            message = str(response.get("message") or response.get("detail") or "")
            kind = error_class(label, code, message, self.exceptions["exact"])
            raise annotate(kind(text), label, code, headers)
        if code >= 400:
            raise annotate(unlabelled_class(code)(text), None, code, headers)
        if response is None and code != 204:
            raise annotate(ccxt.BadResponse(text), None, code, headers)

    def expiry_ms(self, hints: dict[str, Any]) -> str:
        """Return the text of X-Gate-Exptime, in the venue's time; raise `SigningRefused` when it has already passed."""
        now_ns = self.house_clock.wall_ns()
        expires_ns = hints.get(EXPIRES_NS, now_ns + self.order_expiry_ms * NS_PER_MS)
        if expires_ns <= now_ns:
            raise self.guard.refuse_expired(now_ns - expires_ns)
        return str((expires_ns + self.server_offset_ns) // NS_PER_MS)

    def admit(self, call: str, params: Any, hints: dict[str, Any]) -> None:
        """Let the guard admit a write; raise `SigningRefused` otherwise."""
        if not is_signed(call):
            method, _, path = call.rpartition(" ")
            raise self.guard.refuse_endpoint(method or "WS", path)
        if is_placement(call):
            self.guard.admit(claims_of(params, hints, self.native_symbols))

    def _signed_headers(
        self, method: str, planned: Plan, wire: WireRequest, params: Any, hints: dict[str, Any]
    ) -> dict[str, str]:
        if not (self.apiKey and self.secret):
            self.check_required_credentials()  # raises, naming the one that is missing
        expiry = self.expiry_ms(hints) if planned.takes_expiry else None
        if method != "GET":
            self.admit(f"{method} {planned.endpoint}", params, hints)
        timestamp = str(self.server_now_ns() // NS_PER_S)
        signed = self.signer.request(method, API_ROOT + wire.path, wire.query_signed, wire.body.encode(), timestamp)
        headers = rest_headers(self.apiKey, signed.signature, timestamp)
        if expiry is not None:
            headers["X-Gate-Exptime"] = expiry
        return headers
