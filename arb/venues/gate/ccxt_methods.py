"""NOT USED BY THE ENGINE: overrides of ccxt for people, and tests, that call ccxt's own methods on `Gate`.

The engine signs with `client.py`, reads orders with `records.py` and judges answers with `outcomes.py`. ccxt's own
methods place an order with the same signature and the same guard. Here they get exact numbers, Gate's `text`, and errors
whose class agrees with `outcomes.py`. An order that met a server's fault may exist, so the error is `OperationFailed`
and never a refusal (`ExchangeError`).
"""

from typing import Any

import ccxt

from arb.market.order import Outcome
from arb.venues.gate.dialect import to_text
from arb.venues.gate.outcomes import POLICY
from arb.venues.kit.ccxt_client import GuardedClient
from arb.venues.transport.retry import Trouble

_TRIGGERS = ("trigger", "triggerPrice", "stopPrice", "stopLossPrice", "takeProfitPrice")
_SHOWN_CHARACTERS = 300  # of an error's body, which may be a proxy's whole page
_CLASSES: dict[Trouble, Any] = {Trouble.BUSY: ccxt.RateLimitExceeded, Trouble.CLOCK: ccxt.InvalidNonce}


class GateMethods(GuardedClient):
    """ccxt's unified methods with exact numbers in, and errors that distinguish refused from unknown."""

    def create_order_request(
        self, symbol: str, type: str, side: str, amount: Any, price: Any = None, params: Any = None
    ) -> dict[str, Any]:
        """Return the fields of one placement; raise ccxt's `InvalidOrder` for an order that Gate or we would not
        accept. The client order id is passed as `clientOrderId` (or `text`), with or without Gate's prefix. Where Gate
        demands one none is invented.
        """
        given = dict(params or {})
        if any(given.get(key) is not None for key in _TRIGGERS):
            raise ccxt.NotSupported(f"{self.id}: trigger orders fire later than their value can be bounded")
        if given.get("auto_borrow"):
            raise ccxt.InvalidOrder(f"{self.id}: auto_borrow would turn a short balance into a loan")
        text = self._take_text(given)
        if given.pop("textIsRequired", False) and text is None:
            raise ccxt.ArgumentsRequired(f"{self.id}: this placement needs a clientOrderId")
        if given.get("cost") is not None:
            given["cost"] = self.number_text(given["cost"])
        request: dict[str, Any] = super().create_order_request(
            symbol, type, side, self.number_text(amount), self.number_text(price), given
        )
        if text is not None:
            request["text"] = text
        return request

    def fetch_order_request(self, id: str, symbol: str | None = None, params: Any = None) -> Any:
        """Return the fields of a question about one order; by `clientOrderId` Gate finds open orders only."""
        given = dict(params or {})
        text = self._take_text(given)
        return super().fetch_order_request(id if text is None else text, symbol, given)

    async def cancel_order(self, id: str, symbol: str | None = None, params: Any = None) -> Any:
        given = dict(params or {})
        text = self._take_text(given)
        return await super().cancel_order(id if text is None else text, symbol, given)

    async def request_private(self, *_args: Any, **_params: Any) -> Any:
        """Refuse every request of ccxt's own methods over the websocket: ccxt would sign it past the guard."""
        raise ccxt.NotSupported(f"{self.id}: ccxt's own methods place and cancel orders over REST only")

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
        """Raise the ccxt error of an answer; a refusal only on the venue's own label, never on a bare status.

        The error has `venue_label`, `http_status` and `response_headers`.
        """
        label = response.get("label") if isinstance(response, dict) else None
        if not label and code < 400 and (response is not None or code == 204):
            return
        kind = _error_class(label, code, self.exceptions["exact"])
        error = kind(f"{self.id} {method} {url.partition('?')[0]} {code} {body[:_SHOWN_CHARACTERS]}")
        error.venue_label, error.http_status, error.response_headers = label, code, headers or {}
        raise error

    def _take_text(self, params: dict[str, Any]) -> str | None:
        given = [params.pop(key) for key in ("clientOrderId", "text") if key in params]
        chosen = next((value for value in given if value is not None), None)
        if chosen is None:
            return None
        try:
            return to_text(str(chosen))
        except ValueError as error:
            raise ccxt.InvalidOrder(f"{self.id}: {error}") from error


def _error_class(label: str | None, status: int, known: dict[str, Any]) -> Any:
    """Return the ccxt class of an error answer; `known` is ccxt's own table of Gate's labels, asked for refusals only."""
    if status in (408, 504):
        return ccxt.RequestTimeout
    if status >= 500:
        return ccxt.ExchangeNotAvailable
    if not label:
        return ccxt.BadResponse  # a proxy's page, cut JSON: nothing is proved
    rule = POLICY.table.get(label)
    if rule is None:
        return ccxt.RateLimitExceeded if status == 429 else ccxt.ExchangeError
    if rule.outcome is Outcome.UNKNOWN:
        return ccxt.ExchangeNotAvailable
    return _CLASSES.get(rule.trouble) or known.get(label, ccxt.ExchangeError)
