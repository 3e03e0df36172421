"""How OKX refuses, and the proof of identity that its requests and logins carry.

Source: the venue's error-code tables ("REST API", "WebSocket") and the section "Making Requests". This module knows
texts, headers and HMAC; it knows nothing of orders or sockets.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from arb.sandbox.coded import WINDOW_MS, CodedRefusal, is_signed
from arb.sandbox.exact import whole
from arb.sandbox.values import VenueProfile


class OkxRefusal(CodedRefusal):
    """A request that is refused as a whole: code and message in the outer envelope."""


class OkxItemRefusal(CodedRefusal):
    """One order of a request that is refused: HTTP 200, code and message as `sCode` and `sMsg` of its item."""


def check_request(
    profile: VenueProfile, headers: Mapping[str, str], method: str, path: str, body: bytes, now_ms: int
) -> None:
    """Raise `OkxRefusal` unless the headers prove that the holder of the key sent exactly this request, just now.

    `headers` are keyed in lower case; `path` is the path as sent, query included. The signed text is timestamp, method,
    path and body, without separators. All of these refusals have HTTP 401.
    """
    key = _header(headers, "ok-access-key", "50103")
    passphrase = _header(headers, "ok-access-passphrase", "50104")
    signature = _header(headers, "ok-access-sign", "50106")
    timestamp = _header(headers, "ok-access-timestamp", "50107")
    if abs(_instant_ms(timestamp) - now_ms) > WINDOW_MS:
        raise OkxRefusal("50102", "Timestamp request expired", 401)
    if key != profile.key:
        raise OkxRefusal("50111", "Invalid OK-ACCESS-KEY", 401)
    if passphrase != profile.passphrase:
        raise OkxRefusal("50105", "Request header OK-ACCESS-PASSPHRASE incorrect.", 401)
    text = timestamp + method + path + body.decode("utf-8", "surrogateescape")
    if not is_signed(profile.secret, text, signature):
        raise OkxRefusal("50113", "Invalid Sign", 401)


def check_login(profile: VenueProfile, arguments: Mapping[str, object], now_ms: int) -> None:
    """Raise `OkxRefusal` with the websocket's own codes unless these login arguments are right.

    The timestamp is Unix seconds as text; the signed text is timestamp, `GET` and `/users/self/verify`.
    """
    timestamp = str(arguments.get("timestamp", ""))
    seconds = whole(timestamp.partition(".")[0])
    if seconds is None:
        raise OkxRefusal("60004", "Invalid timestamp")
    if abs(seconds * 1000 - now_ms) > WINDOW_MS:
        raise OkxRefusal("60006", "Timestamp request expired")
    if arguments.get("apiKey") != profile.key:
        raise OkxRefusal("60005", "Invalid apiKey")
    if arguments.get("passphrase") != profile.passphrase:
        raise OkxRefusal("60024", "Wrong passphrase")
    text = f"{timestamp}GET/users/self/verify"
    if not is_signed(profile.secret, text, str(arguments.get("sign", ""))):
        raise OkxRefusal("60007", "Invalid sign")


def check_expiry(text: str | None, now_ms: int) -> None:
    """Raise `OkxRefusal` when the `expTime` (Unix ms) of a request to place has passed on arrival."""
    if text is None:
        return
    expiry = whole(text)
    if expiry is None:
        raise OkxRefusal("51000", "Parameter expTime error")
    if expiry < now_ms:
        raise OkxRefusal("50036", "The expTime can't be earlier than the current system time.")


def _header(headers: Mapping[str, str], name: str, missing_code: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise OkxRefusal(missing_code, f'Request header "{name.upper()}" can\'t be empty.', 401)
    return value


def _instant_ms(text: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise OkxRefusal("50112", "Invalid OK-ACCESS-TIMESTAMP", 401) from None
    if instant.tzinfo is None or not text.endswith("Z"):
        raise OkxRefusal("50112", "Invalid OK-ACCESS-TIMESTAMP", 401)
    since_epoch = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return since_epoch.days * 86_400_000 + since_epoch.seconds * 1000 + since_epoch.microseconds // 1000
