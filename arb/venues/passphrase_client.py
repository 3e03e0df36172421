"""Sign requests of venues whose keys have a passphrase (OKX, Bitget): base64 of HMAC-SHA256 over one line of text.

The text is timestamp, method, path with query, and body, just as they leave. Only the writes a venue's client lists are signed
at all: spot orders, whose value can be bounded, and their cancels. Whatever else ccxt could send (withdrawals, transfers,
loans, leverage, plan orders) is refused before it is signed.
"""

import hmac
from abc import abstractmethod
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, ClassVar

from arb.venues.call import Call, HttpRequest, body_text
from arb.venues.ccxt_client import GuardedClient
from arb.venues.rules.guard import OrderClaim, OrderFields

PLACE, CANCEL = "place", "cancel"


class PassphraseClient(GuardedClient):
    """Check every write against the guard before it is signed; subclasses say what their venue's writes mean.

    `writes`: the paths that are signed, and whether they place orders or cancel them. `order_fields`: the parameters an order
    may have. `root` stands before every path.
    """

    writes: ClassVar[Mapping[str, str]] = {}
    order_fields: ClassVar[OrderFields] = {}
    root = ""

    def signed(self, call: Call) -> HttpRequest:
        """Return the request of a call, signed unless its API is public; see `GuardedClient.signed`."""
        base = self._base_url(call)
        if "{" in base:
            base = self.implode_hostname(base)
        self.guard.check_host(base)
        target = signed_target = self.root + call.path
        body = ""
        now_ms = self.milliseconds()
        if call.method != "GET":
            body = self._body(call, now_ms)
            self.admit(call.method, call)
        elif call.params:
            sent, as_signed = self._query(call.params)
            target, signed_target = f"{target}?{sent}", f"{target}?{as_signed}"
        if call.api[0] == "public":
            return HttpRequest(call.method, base + target, self.site_headers)
        self._check_credentials()
        headers = self._headers(call, f"{call.method}{signed_target}{body}", now_ms)
        headers.update(self.site_headers)
        return HttpRequest(call.method, base + target, headers, body or None)

    def admit(self, way: str, call: Call) -> None:
        """Let the guard admit a write, sent over REST or, with `way` "WS", over a websocket; raise `SigningRefused` else."""
        kind = self.writes.get(call.path)
        if kind is None:
            raise self.guard.refuse_endpoint(way, call.path)
        if kind == PLACE:
            orders = [order for item in call.items or (call.params,) for order in self._orders(item)]
            for order in orders:
                self.guard.check_fields(order, self.order_fields)
            self.guard.admit([self._claim(order) for order in orders])

    def _body(self, call: Call, now_ms: int) -> str:
        """Return the body of a write that is signed at `now_ms` (the venue's time)."""
        return body_text(call.items or call.params)

    def _query(self, params: dict[str, Any]) -> tuple[str, str]:
        """Return a query as it is sent and as it is signed."""
        text: str = self.urlencode(params)
        return text, text

    def _seal(self, text: str) -> str:
        return b64encode(hmac.digest(self.secret.encode(), text.encode(), "sha256")).decode()

    def _orders(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        return [item]

    @abstractmethod
    def _headers(self, call: Call, text: str, now_ms: int) -> dict[str, str]:
        """Return the headers of a request signed at `now_ms`; `text` is what is signed, but for the timestamp before it."""

    @abstractmethod
    def _claim(self, order: dict[str, Any]) -> OrderClaim: ...

    @abstractmethod
    def _base_url(self, call: Call) -> str: ...
