"""From Gate's error labels to ccxt's error classes, where ccxt has none or a misleading one (Gate APIv4, "Error
handling").

The line that matters runs between *refused for certain* (`ExchangeError` and below) and *perhaps done*
(`OperationFailed` and below). A server's own fault is always on the far side, whatever label it carries: an order
that met a 500 may exist.
"""

import json
from typing import Any

import ccxt

# Labels ccxt 4.5.90 does not know, or files under a class that says the wrong thing.
LABELS: dict[str, type[Exception]] = {
    "INTERNAL_SERVER_ERROR": ccxt.ExchangeNotAvailable,
    "FAILED_RETRIEVE_ASSETS": ccxt.ExchangeNotAvailable,
    "SERVER_TIMEOUT": ccxt.RequestTimeout,
    # The clocks differ by more than 60 s: measure again and sign again. No key is wrong, nothing was executed.
    "REQUEST_EXPIRED": ccxt.InvalidNonce,
    # An earlier attempt got through: the order must be looked for, not written off.
    "DUPLICATE_REQUEST": ccxt.DuplicateOrderId,
    "ORDER_EXISTS": ccxt.DuplicateOrderId,
    # Normal outcomes of an order that may not rest, or must fill whole.
    "FOK_NOT_FILL": ccxt.OrderNotFillable,
    "ORDER_FOK": ccxt.OrderNotFillable,
    "ORDER_BOOK_NOT_FOUND": ccxt.OrderNotFillable,
    "CONTRACT_NO_COUNTER": ccxt.OrderNotFillable,
    "POC_FILL_IMMEDIATELY": ccxt.OrderImmediatelyFillable,
    "ORDER_POC_IMMEDIATE": ccxt.OrderImmediatelyFillable,
    # A cancel that came too late or failed: the fill must be looked for.
    "ORDER_FINISHED": ccxt.InvalidOrder,
    "CANCEL_FAIL": ccxt.CancelPending,
    "ERR_QUOTA_LOWER_LIMIT": ccxt.InvalidOrder,
    "INVALID_CLIENT_ORDER_ID": ccxt.InvalidOrder,
    "REDUCE_EXCEEDED": ccxt.InvalidOrder,
    "POSITION_DUAL_MODE": ccxt.InvalidOrder,
    "ORDER_PENDING": ccxt.InvalidOrder,
    "AMEND_WITH_STOP": ccxt.InvalidOrder,
    "POSITION_NOT_FOUND": ccxt.InvalidOrder,
    "RISK_REJECT": ccxt.OperationRejected,
    "INITIAL_MARGIN_TOO_LOW": ccxt.InsufficientFunds,
}
# The minimum notional has no label of its own; ccxt lists the text but never consults the list.
_TOO_SMALL = "Your order size"


def error_class(label: str, status: int, message: str, known: dict[str, Any]) -> type[Exception]:
    """Return the ccxt class for a labelled error answer; `known` is the exchange's own table of labels."""
    if status >= 500:
        timed_out = status == 504 or label == "SERVER_TIMEOUT"
        return _class(ccxt.RequestTimeout if timed_out else ccxt.ExchangeNotAvailable)
    if label == "INVALID_PARAM_VALUE" and _TOO_SMALL in message:
        return _class(ccxt.InvalidOrder)
    found: type[Exception] | None = known.get(label)
    if found is not None:
        return found
    return _class(ccxt.RateLimitExceeded if status == 429 else ccxt.ExchangeError)


def unlabelled_class(status: int) -> type[Exception]:
    """Return the ccxt class for an error answer without Gate's label (a proxy's page, cut JSON): its outcome is
    unknown."""
    if status in (408, 504):
        return _class(ccxt.RequestTimeout)
    return _class(ccxt.ExchangeNotAvailable if status >= 500 else ccxt.BadResponse)


def embedded_label(message: str) -> str | None:
    """Return the label inside a websocket error's message, which may itself be JSON text."""
    if not message.startswith("{"):
        return None
    try:
        label = json.loads(message).get("label")
    except ValueError:
        return None
    return label if isinstance(label, str) else None


def annotate(error: Exception, label: str | None, status: int, headers: Any) -> Exception:
    """Attach what the venue said, for whoever has to tell refused from unknown: label, HTTP status, headers."""
    error.venue_label = label  # type: ignore[attr-defined]
    error.http_status = status  # type: ignore[attr-defined]
    error.response_headers = headers or {}  # type: ignore[attr-defined]
    return error


def _class(kind: Any) -> type[Exception]:
    chosen: type[Exception] = kind  # ccxt carries no types
    return chosen
