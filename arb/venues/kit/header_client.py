"""Sign requests of venues that take the signature in a header (OKX, Bitget, Bybit): HMAC-SHA256 over one line of text.

The text begins with a timestamp and ends with the body, just as they are sent. Only the writes a venue's client lists
are signed at all: spot orders, whose value can be bounded, and their cancels. Any other request of ccxt (withdrawals,
transfers, loans, leverage, plan orders) is refused before it is signed.
"""

from abc import abstractmethod
from binascii import b2a_base64
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any, ClassVar

from arb.clock import NS_PER_MS
from arb.core.messages.commands import PlaceOrder
from arb.venues.kit.call import Call, body_text
from arb.venues.kit.ccxt_client import GuardedClient
from arb.venues.kit.order_form import (
    EXPIRY,
    SIGNATURE,
    TIMESTAMP,
    KeyedHash,
    OrderForm,
    decimal_texts,
    half_written,
    id_text,
)
from arb.venues.kit.rules.guard import OrderClaim, OrderFields
from arb.venues.transport.request import HttpRequest

PLACE, CANCEL = "place", "cancel"


class HeaderClient(GuardedClient):
    """Check every write against the guard before it is signed; subclasses describe their venue's writes.

    `writes`: the paths that are signed, and whether they place orders or cancel them. `order_fields`: the parameters an
    order may have. `root` precedes every path. `window_marks`: the parameters by which an order expires, where they are
    in its body; `expiry_in_head`: it is a header. `expiry_is_window`: that header is a time in milliseconds from the
    timestamp on, and is signed before the body. `seal_text`: how a signature is written, base64 or hex.
    """

    writes: ClassVar[Mapping[str, str]] = {}
    order_fields: ClassVar[OrderFields] = {}
    root = ""
    window_marks: ClassVar[Mapping[str, str]] = {}
    expiry_in_head = False
    expiry_is_window = False
    seal_text = staticmethod(partial(b2a_base64, newline=False))

    def signed(self, call: Call) -> HttpRequest:
        base = self._allowed_base(call)
        target = self.root + call.path
        sent = as_signed = body = ""
        now_ms = self.milliseconds()
        if call.method != "GET":
            body = self._body(call, now_ms)
            self.admit(call.method, call)
        elif call.params:
            sent, as_signed = self._query(call.params)
        url = f"{base}{target}?{sent}" if sent else base + target
        if call.api[0] == "public":
            return HttpRequest(call.method, url, self.site_headers)
        self._check_credentials()
        timestamp, expiry = self._timestamp(now_ms), self._expiry(call, now_ms)
        text = f"{timestamp}{self._signed_head(call.method, target)}{expiry if self.expiry_is_window else ''}"
        text = f"{text}{self._signed_query(as_signed)}{body}"
        signature = self.seal_text(_keyed(self.secret).seal(text.encode()).digest()).decode("ascii")
        return HttpRequest(call.method, url, self._all_headers(call, timestamp, signature, expiry), body or None)

    def order_form(self, call: Call) -> OrderForm:
        base = self._allowed_base(call)
        if self.writes.get(call.path) != PLACE or call.method != "POST":
            raise self.guard.refuse_endpoint(call.method, call.path)
        claim = self._claim(call.params)
        self.guard.check_fields(call.params | dict(self.window_marks), self._allowed_fields())
        self.guard.check_symbol(claim.symbol)
        self._check_credentials()
        target = self.root + call.path
        body = body_text(call.params | dict(self.window_marks))
        request = HttpRequest(call.method, base + target, self._all_headers(call, TIMESTAMP, SIGNATURE, EXPIRY), body)
        return half_written(
            call,
            claim,
            request,
            self._signed_head("POST", target),
            _keyed(self.secret),
            body_marks=tuple(self.window_marks.values()),
            head_marks=(TIMESTAMP, EXPIRY) if self.expiry_in_head else (TIMESTAMP,),
        )

    def order(self, form: OrderForm, command: PlaceOrder, now_ns: int, steady_ns: int) -> bytes:
        name, venue_ns = command.client_order_id, steady_ns + self._ahead_of_steady_ns
        if not (name.isalnum() and name.isascii()):
            name = id_text(name)
        now_ms, expires_ms = venue_ns // NS_PER_MS, (command.expires_ns - now_ns + venue_ns) // NS_PER_MS
        window = self._window(expires_ms, now_ms)
        self.guard.admit_order(form.symbol, form.side, command, steady_ns)
        timestamp = self._timestamp(now_ms).encode("ascii")
        body = (form.body % form.in_body((name, *decimal_texts(command), *window))).encode("ascii")
        expiry, signed = b"%d" % expires_ms, form.signed
        if self.expiry_is_window:
            expiry = b"%d" % (expires_ms - now_ms)
            signed += expiry
        seal = form.keyed.seal(b"%b%b%b" % (timestamp, signed, body))
        signature = self.seal_text(seal.digest())
        return form.whole % form.in_whole((signature, b"%d" % len(body), body, timestamp, expiry))

    def admit(self, way: str, call: Call) -> None:
        """Let the guard admit a write, sent over REST or, with `way` "WS", over a websocket; raise `SigningRefused` else."""
        kind = self.writes.get(call.path)
        if kind is None:
            raise self.guard.refuse_endpoint(way, call.path)
        if kind == PLACE:
            orders = [order for item in call.items or (call.params,) for order in self._orders(item)]
            for order in orders:
                self.guard.check_fields(order, self._allowed_fields())
            self.guard.admit([self._claim(order) for order in orders])

    def _body(self, call: Call, now_ms: int) -> str:
        """Return the body of a write that is signed at `now_ms` (the venue's time)."""
        return body_text(call.items or call.params)

    def _signed_head(self, method: str, target: str) -> str:
        """Return the signed text between the timestamp and the window, or the query."""
        return method + target

    def _signed_query(self, query: str) -> str:
        return f"?{query}" if query else ""

    def _expiry(self, call: Call, now_ms: int) -> str | None:
        return None if call.expires_ns is None else self.venue_ms_text(call.expires_ns)

    def _left_ms(self, expires_ms: int, now_ms: int) -> int:
        """Return for how long an order may still arrive; raises `SigningRefused` where it has expired."""
        left_ms = expires_ms - now_ms
        if left_ms <= 0:
            raise self.guard.refuse_expired(-left_ms * NS_PER_MS)
        return left_ms

    def _query(self, params: dict[str, Any]) -> tuple[str, str]:
        text: str = self.urlencode(params)
        return text, text

    def _allowed_base(self, call: Call) -> str:
        base = self._base_url(call)
        if "{" in base:
            base = self.implode_hostname(base)
        self.guard.check_host(base)
        return base

    def _window(self, expires_ms: int, now_ms: int) -> tuple[str, ...]:
        """Return the times in the body of an order, in the order of `window_marks`; both are the venue's."""
        return ()

    def _all_headers(self, call: Call, timestamp: str, signature: str, expiry: str | None) -> dict[str, str]:
        headers = self._headers(timestamp, signature, expiry)
        if call.method != "GET":
            headers["Content-Type"] = "application/json"
        headers.update(self.site_headers)
        return headers

    def _allowed_fields(self) -> OrderFields:
        return self.order_fields

    def _orders(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        return [item]

    @abstractmethod
    def _timestamp(self, now_ms: int) -> str:
        """Return an instant of the venue's clock as written in a header and before the signed text."""

    @abstractmethod
    def _headers(self, timestamp: str, signature: str, expiry: str | None) -> dict[str, str]:
        """Return the headers that sign a request; `expiry` is ms of the venue's clock, or its window."""

    @abstractmethod
    def _claim(self, order: dict[str, Any]) -> OrderClaim: ...

    @abstractmethod
    def _base_url(self, call: Call) -> str: ...


_keyed = lru_cache(maxsize=64)(KeyedHash)
"""Returns a hash that has taken the key already."""
