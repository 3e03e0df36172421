"""How Bitget refuses, and the proof of identity that its requests and logins carry.

Source: the venue's pages "Signature", "RestAPI Error Code" and "WebSocket Error Code" (v2). This module knows texts,
headers and HMAC; it knows nothing of orders or sockets.
"""

from collections.abc import Mapping
from urllib.parse import unquote_plus

from arb.sandbox.coded import WINDOW_MS, CodedRefusal, is_signed
from arb.sandbox.exact import whole
from arb.sandbox.values import VenueProfile


class BitgetRefusal(CodedRefusal):
    """A request that is refused; over REST with an HTTP status, 400 by default."""

    usual_status = 400


def check_request(
    profile: VenueProfile,
    headers: Mapping[str, str],
    method: str,
    path: str,
    query: str,
    body: bytes,
    now_ms: int,
) -> None:
    """Raise `BitgetRefusal` unless the headers prove that the holder of the key sent exactly this request, just now.

    `headers` are keyed in lower case; `query` is the text after `?` as sent. The signed text is timestamp (Unix ms),
    method, path, `?` with the query **decoded** and in the order sent, and body, without separators.
    """
    key = _header(headers, "access-key", "40001")
    signature = _header(headers, "access-sign", "40003")
    timestamp = _header(headers, "access-timestamp", "40005")
    passphrase = _header(headers, "access-passphrase", "40011")
    sent_ms = whole(timestamp)
    if sent_ms is None:
        raise BitgetRefusal("40005", "Invalid ACCESS_TIMESTAMP")
    if abs(sent_ms - now_ms) > WINDOW_MS:
        raise BitgetRefusal("40008", "Request timestamp expired")
    if key != profile.key:
        raise BitgetRefusal("40037", "Apikey does not exist")
    if passphrase != profile.passphrase:
        raise BitgetRefusal("40012", "apikey/password is incorrect")
    asked = f"?{unquote_plus(query)}" if query else ""
    text = timestamp + method + path + asked + body.decode("utf-8", "surrogateescape")
    if not is_signed(profile.secret, text, signature):
        raise BitgetRefusal("40009", "sign signature error")


def check_login(profile: VenueProfile, arguments: Mapping[str, object], now_ms: int) -> None:
    """Raise `BitgetRefusal` with the websocket's own codes unless these login arguments are right.

    The timestamp is Unix seconds as text; the signed text is timestamp, `GET` and `/user/verify`.
    """
    timestamp = str(arguments.get("timestamp", ""))
    seconds = whole(timestamp)
    if seconds is None:
        raise BitgetRefusal("30013", "Invalid ACCESS_TIMESTAMP")
    if abs(seconds * 1000 - now_ms) > WINDOW_MS:
        raise BitgetRefusal("30014", "Request timestamp expired")
    if arguments.get("apiKey") != profile.key:
        raise BitgetRefusal("30011", "Invalid ACCESS_KEY")
    if arguments.get("passphrase") != profile.passphrase:
        raise BitgetRefusal("30012", "Invalid ACCESS_PASSPHRASE")
    text = f"{timestamp}GET/user/verify"
    if not is_signed(profile.secret, text, str(arguments.get("sign", ""))):
        raise BitgetRefusal("30015", "Invalid sign")


def _header(headers: Mapping[str, str], name: str, missing_code: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise BitgetRefusal(missing_code, f"{name.upper().replace('-', '_')} cannot be empty")
    return value
