"""Gate APIv4 authentication as the venue checks it (REST headers and websocket frames).

Signed text (API documentation, "Authentication"): METHOD, path, decoded query, hex SHA-512 of the body, timestamp,
joined by LF; HMAC-SHA512 in lower-case hex. The timestamp is Unix seconds (a fraction is allowed) within 60 s.
"""

import hashlib
import hmac
from decimal import Decimal

from arb.clock import NS_PER_S
from arb.sandbox.exact import parse
from arb.sandbox.values import VenueProfile
from arb.sandbox.wire import HttpRequest

WINDOW_S = 60


class GateError(Exception):
    """An error answer of Gate: HTTP status, label, message."""

    def __init__(self, status: int, label: str, message: str) -> None:
        super().__init__(f"{label}: {message}")
        self.status = status
        self.label = label
        self.message = message


def check_request(request: HttpRequest, profile: VenueProfile, now_ns: int) -> None:
    """Raise `GateError` unless a REST request is signed by the account and in time."""
    headers = request.headers
    for name in ("key", "timestamp", "sign"):
        if not headers.get(name):
            raise GateError(401, "MISSING_REQUIRED_HEADER", f"Missing required header: {name.upper()}")
    check_time(headers["timestamp"], now_ns)
    if headers["key"] != profile.key:
        raise GateError(401, "INVALID_KEY", "Invalid key provided")
    digest = hashlib.sha512(request.body).hexdigest()
    text = "\n".join((request.method, request.path, request.decoded_query(), digest, headers["timestamp"]))
    if not _matches(text, headers["sign"], profile.secret):
        raise GateError(401, "INVALID_SIGNATURE", "Signature mismatch")


def check_channel(auth: object, channel: str, event: str, time_text: str, profile: VenueProfile, now_ns: int) -> None:
    """Raise `GateError` unless a private subscription frame carries a valid `auth` object."""
    if not isinstance(auth, dict):
        raise GateError(401, "MISSING_REQUIRED_HEADER", "auth is required")
    check_time(time_text, now_ns)
    if auth.get("KEY") != profile.key:
        raise GateError(401, "INVALID_KEY", "Invalid key provided")
    text = f"channel={channel}&event={event}&time={time_text}"
    if not _matches(text, str(auth.get("SIGN", "")), profile.secret):
        raise GateError(401, "INVALID_SIGNATURE", "Signature mismatch")


def check_login(payload: dict[str, object], literal_param: str, profile: VenueProfile, now_ns: int) -> None:
    """Raise `GateError` unless a `spot.login` frame is signed (text: api, channel, literal req_param, timestamp)."""
    timestamp = str(payload.get("timestamp", ""))
    check_time(timestamp, now_ns)
    if payload.get("api_key") != profile.key:
        raise GateError(401, "INVALID_KEY", "Invalid key provided")
    text = f"api\nspot.login\n{literal_param}\n{timestamp}"
    if not _matches(text, str(payload.get("signature", "")), profile.secret):
        raise GateError(401, "INVALID_SIGNATURE", "Signature mismatch")


def check_time(text: str, now_ns: int) -> None:
    """Raise `GateError` unless a timestamp in seconds is within the window."""
    seconds = parse(text)
    if seconds is None:
        raise GateError(403, "REQUEST_EXPIRED", "invalid Timestamp")
    gap = abs(seconds - Decimal(now_ns) / NS_PER_S)
    if gap > WINDOW_S:
        raise GateError(403, "REQUEST_EXPIRED", f"gap between request Timestamp and server time exceeds {WINDOW_S}")


def check_expiry(text: object, now_ns: int) -> None:
    """Raise `GateError` when `X-Gate-Exptime` (milliseconds) has passed."""
    if text is None or text == "":
        return
    expiry_ms = parse(text)
    if expiry_ms is None:
        raise GateError(400, "INVALID_PARAM_VALUE", "invalid X-Gate-Exptime")
    if Decimal(now_ns) > expiry_ms * 1_000_000:
        raise GateError(403, "REQUEST_EXPIRED", "request arrived after X-Gate-Exptime")


def _matches(text: str, signature: str, secret: str) -> bool:
    expected = hmac.new(secret.encode(), text.encode(), hashlib.sha512).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())
