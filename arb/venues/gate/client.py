"""The Gate client: ccxt's signing overridden by Gate's double hash, on our clock and behind our guard.

The engine uses `signed`, and so does every method of ccxt, through `GuardedClient.sign`. `endpoint_of` lists the writes
that are signed, `build` places the parameters, and `signing.py` hashes exactly the text that is sent. `order_frame` does
the same for the order socket. Further overrides, for people who call ccxt's own methods, are in `ccxt_methods.py`.

A write that is not listed here is never signed: withdrawals, transfers, loans, conversions, amendments, and orders
whose value cannot be bounded in quote (futures and options count contracts, trigger orders fire later).

The query is built once. Values are sent so that encoded and decoded text are the same where possible (commas stay
literal), since Gate signs the decoded text in the order sent. The body is serialised once, too.
"""

import hashlib
import re
from binascii import hexlify
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import ccxt.pro

from arb.clock import NS_PER_MS, NS_PER_S, Clock
from arb.core.messages.commands import PlaceOrder
from arb.errors import ConfigError
from arb.venues.gate.ccxt_methods import GateMethods
from arb.venues.gate.dialect import ID_LENGTH_MAX, to_text
from arb.venues.gate.records import TEXT_PREFIX
from arb.venues.gate.signing import API_ROOT, Signer, api_signature, rest_headers
from arb.venues.kit.call import Call, RequestError, body_text, plain, to_json
from arb.venues.kit.order_form import EXPIRY, SIGNATURE, TIMESTAMP, OrderForm, decimal_texts, half_written
from arb.venues.kit.rules.guard import OrderClaim, OrderFields, SigningGuard, limit_claim, to_decimal
from arb.venues.transport.request import HttpRequest

LIVE_REST_URL = "https://api.gateio.ws/api/v4"
LIVE_WS_URL = "wss://api.gateio.ws/ws/v4/"
_PLACEHOLDER = re.compile(r"\{([\w-]+)\}")
_PATH_VALUE = re.compile(r"[A-Za-z0-9_.~-]+")
_PLAIN_TEXT = re.compile(r"[A-Za-z0-9_.,:~-]*")
_QUERY_SAFE = "-_.~,:"

_PLACING = frozenset({"POST spot/orders", "POST spot/batch_orders", "spot.order_place"})
_ORDER_FIELDS: OrderFields = {
    "text": None,
    "currency_pair": None,
    "type": frozenset({"limit", "market"}),
    "side": None,
    "amount": None,
    "price": None,
    "time_in_force": None,
    "action_mode": None,
}
# Calls that create or enlarge no order, and whether they honour an expiry as placements do.
_HARMLESS = {
    "DELETE spot/orders": True,
    "DELETE spot/orders/{order_id}": True,
    "POST spot/cancel_batch_orders": True,
    "POST spot/countdown_cancel_all": False,
    "spot.login": False,
    "spot.order_cancel": True,
    "spot.order_cancel_ids": True,
}
_OPTIONS: dict[str, Any] = {
    # Explicitly: ccxt asks the venue, and takes any failure for "classic".
    "unifiedAccount": False,
    "defaultType": "spot",
    "fetchMarkets": {"types": ["spot"]},
    "maxRetriesOnFailure": 0,
    # Gate's own client connects without compression: it is "not fully supported in server" there.
    "ws": {"options": {"compress": 0}},
}


class Endpoint(NamedTuple):
    """The fixed part of one REST endpoint or websocket channel.

    `call` names it (`POST spot/orders`, `spot.order_place`), `path` has its placeholders in it, which are `names`.
    """

    call: str
    path: str
    names: tuple[str, ...]
    places: bool
    is_signed: bool
    takes_expiry: bool


class Gate(GateMethods, ccxt.pro.gate):
    """One Gate account (or none: public data needs no key), spot only.

    Numbers are returned as decimal text and taken as Decimal, integer or text; floats are refused. Sizes must be
    multiples of the lot and prices of the tick: nothing is rounded here. `server_offset_ns` is added to the clock for
    every timestamp and expiry. A write whose call has no expiry expires after `order_expiry_ms`.
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
        site_headers: Mapping[str, str] | None = None,
    ) -> None:
        rest_url = rest_url.rstrip("/")
        if not urlsplit(rest_url).path == API_ROOT:
            raise ConfigError(
                f"gate: REST address {rest_url!r} must end in {API_ROOT}, which is part of the signed text"
            )
        if order_expiry_ms <= 0:
            raise ConfigError(f"gate: order_expiry_ms must be above 0, not {order_expiry_ms}")
        self.signer = Signer(secret)
        self.order_expiry_ms = order_expiry_ms
        config: dict[str, Any] = {"apiKey": api_key, "secret": secret, "timeout": timeout_ms, "options": _OPTIONS}
        if session is not None:
            config["session"] = session
        super().__init__(clock, guard, config, site_headers)
        accounts = frozenset({"spot", "unified"}) if guard.borrowing_allowed else frozenset({"spot"})
        self._order_fields: OrderFields = {**_ORDER_FIELDS, "account": accounts}
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
            return HttpRequest(call.method, url, self.site_headers)
        self._check_credentials()
        expiry = self._admitted(endpoint, call)
        timestamp = str(self.server_now_ns() // NS_PER_S)
        signature = self.signer.request(call.method, API_ROOT + path, query_signed, body.encode(), timestamp).signature
        return HttpRequest(call.method, url, self._headers(signature, timestamp, expiry), body or None)

    def order_form(self, call: Call) -> OrderForm:
        access, section = call.api
        base = self.urls["api"][access][section]
        self.guard.check_host(base)
        endpoint = endpoint_of(call.method, section, call.path)
        if not endpoint.places:
            raise self.guard.refuse_endpoint(call.method, endpoint.path)
        self.guard.check_fields(call.params, self._order_fields)
        claim = _claim(call.params, self._symbols)
        self.guard.check_symbol(claim.symbol)
        self._check_credentials()
        path, _, _, body = build(endpoint, call)
        request = HttpRequest(call.method, base + path, self._headers(SIGNATURE, TIMESTAMP, EXPIRY), body)
        return half_written(
            call, claim, request, f"POST\n{API_ROOT}{path}\n\n", self.signer.keyed, head_marks=(TIMESTAMP, EXPIRY)
        )

    def order(self, form: OrderForm, command: PlaceOrder, now_ns: int, steady_ns: int) -> bytes:
        name, expires_ns, ahead_ns = command.client_order_id, command.expires_ns, self._ahead_of_steady_ns
        if not (name.isalnum() and name.isascii() and len(name) <= ID_LENGTH_MAX):
            name = to_text(name).removeprefix(TEXT_PREFIX)
        if expires_ns <= now_ns:
            raise self.guard.refuse_expired(now_ns - expires_ns)
        self.guard.admit_order(form.symbol, form.side, command, steady_ns)
        timestamp = b"%d" % ((steady_ns + ahead_ns) // NS_PER_S)
        body = (form.body % form.in_body((name, *decimal_texts(command)))).encode("ascii")
        hashed = hexlify(hashlib.sha512(body).digest())
        signature = hexlify(form.keyed.seal(b"%b%b\n%b" % (form.signed, hashed, timestamp)).digest())
        expiry = b"%d" % ((expires_ns - now_ns + steady_ns + ahead_ns) // NS_PER_MS)
        return form.whole % form.in_whole((signature, b"%d" % len(body), body, timestamp, expiry))

    def _headers(self, signature: str, timestamp: str, expiry: str | None) -> dict[str, str]:
        headers = rest_headers(self.apiKey, signature, timestamp)
        if expiry is not None:
            headers["X-Gate-Exptime"] = expiry
        headers.update(self.site_headers)
        return headers

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
            for order in call.items or (call.params,):
                self.guard.check_fields(order, self._order_fields)
            self.guard.admit(claims_of(call, self._symbols))
        return expiry


@lru_cache(maxsize=1024)
def endpoint_of(method: str, section: str, template: str) -> Endpoint:
    """Return a REST endpoint, named as ccxt does: section (`spot`) and template (`orders/{order_id}`)."""
    # ccxt files these two under other names: their templates hold the whole path.
    prefix = "" if section in ("subAccounts", "withdrawals") else section
    path = f"{prefix}/{template}".strip("/")
    return _endpoint(f"{method} {path}", path, method == "GET")


@lru_cache(maxsize=64)
def channel_of(channel: str) -> Endpoint:
    return _endpoint(channel, channel, False)


def _endpoint(call: str, path: str, reads: bool) -> Endpoint:
    places = call in _PLACING
    signed = reads or places or call in _HARMLESS
    return Endpoint(
        call, "/" + path, tuple(_PLACEHOLDER.findall(path)), places, signed, places or _HARMLESS.get(call, False)
    )


def build(endpoint: Endpoint, call: Call) -> tuple[str, str, str, str]:
    """Return path, query as signed (decoded), query as sent, and body; texts that are empty are not sent.

    GET and DELETE take everything in the query, all others in the body; a batch is a bare array. Raises `RequestError`
    for parameters that cannot be sent: a float, a missing path value, a control character.
    """
    path, params = endpoint.path, call.params
    if endpoint.names:
        path = _fill(path, params)
        params = {key: value for key, value in params.items() if key not in endpoint.names}
    if call.method == "GET" or call.method == "DELETE":
        return path, *encode_query(params), ""
    return path, "", "", body_text(call.items or params)


def claims_of(call: Call, symbols: Mapping[str, str]) -> list[OrderClaim]:
    """Return the claims of the orders of one placement; `symbols` maps native symbols to ours."""
    return [_claim(order, symbols) for order in call.items or (call.params,)]


def encode_query(values: Mapping[str, Any]) -> tuple[str, str]:
    """Return a query as (signed text, sent text), in the order given; None is dropped, a list is joined with commas."""
    signed: list[str] = []
    sent: list[str] = []
    for key, value in values.items():
        if value is None:
            continue
        text = _query_text(key, value)
        signed.append(f"{key}={text}")
        if _PLAIN_TEXT.fullmatch(text) and _PLAIN_TEXT.fullmatch(key):
            sent.append(f"{key}={text}")
        else:
            sent.append(f"{quote(key, safe=_QUERY_SAFE)}={quote(text, safe=_QUERY_SAFE)}")
    return "&".join(signed), "&".join(sent)


def _claim(order: Mapping[str, Any], symbols: Mapping[str, str]) -> OrderClaim:
    native = str(order.get("currency_pair"))
    symbol, size = symbols.get(native, native), order.get("amount")
    if order.get("type") == "market" and order.get("side") == "buy":
        return OrderClaim(symbol, to_decimal(size))  # a market buy's amount is quote
    return limit_claim(symbol, order.get("side"), size, order.get("price"))


def _fill(template: str, values: dict[str, Any]) -> str:
    def text_of(match: re.Match[str]) -> str:
        name = match.group(1)
        text = _query_text(name, values[name]) if values.get(name) is not None else ""
        # Gate is not known to agree with everybody on escapes inside a path, so nothing that would need one is sent.
        if not _PATH_VALUE.fullmatch(text):
            raise RequestError(f"{name}: {text!r} cannot be part of the path {template}")
        return text

    return _PLACEHOLDER.sub(text_of, template)


def _query_text(key: str, value: Any) -> str:
    if isinstance(value, str):
        text = str(value)
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int):
        text = str(value)
    elif isinstance(value, Decimal):
        text = plain(value)
    elif isinstance(value, (list, tuple)):
        text = ",".join(_query_text(key, item) for item in value if item is not None)
    else:
        raise RequestError(f"{key}: a {type(value).__name__} cannot be sent; use a Decimal, an integer or text")
    if any(char < " " or char == "\x7f" for char in text):
        raise RequestError(f"{key}: control characters would change the signed text's lines")
    return text
