"""How Bybit refuses, and the proof of identity that its requests and logins carry.

Source: the venue's API v5, "Integration Guidance", "Authentication" of the websocket, and "Error Codes". A refusal has
HTTP 200; its code is in the body.
"""

import hashlib
import hmac
from collections.abc import Mapping

from arb.sandbox.coded import CodedRefusal
from arb.sandbox.exact import whole
from arb.sandbox.values import VenueProfile

AHEAD_MS = 1000
"""How far a timestamp may be ahead of the venue's clock."""
USUAL_WINDOW = "5000"


class BybitRefusal(CodedRefusal):
    """A request, or one order of a batch, that is refused."""


def check_request(profile: VenueProfile, headers: Mapping[str, str], payload: str, now_ms: int) -> None:
    """Raise `BybitRefusal` unless the headers prove that the holder of the key sent this payload, just now.

    `headers` are keyed in lower case; `payload` is the query as sent or, of a POST, the body. The signed text is
    timestamp, key, window and payload, without separators.
    """
    timestamp, key = headers.get("x-bapi-timestamp", ""), headers.get("x-bapi-api-key", "")
    signature, window = headers.get("x-bapi-sign", ""), headers.get("x-bapi-recv-window") or USUAL_WINDOW
    if not (timestamp and key and signature):
        named = f"apiTimestamp[{timestamp}] apiKey[{key}] apiSignature[{signature}]"
        raise BybitRefusal("10001", f"empty value: {named}: openapi sign params error!")
    sent_ms, window_ms = whole(timestamp), whole(window)
    if sent_ms is None or window_ms is None or not now_ms - window_ms <= sent_ms < now_ms + AHEAD_MS:
        text = f"req_timestamp[{timestamp}],server_timestamp[{now_ms}],recv_window[{window}]"
        text = f"invalid request, please check your server timestamp or recv_window param. {text}"
        raise BybitRefusal("10002", text)
    if key != profile.key:
        raise BybitRefusal("10003", "API key is invalid.")
    signed = f"{timestamp}{key}{window}{payload}"
    if not _is_signed(profile.secret, signed, signature):
        raise BybitRefusal("10004", f"error sign! origin_string[{signed}]")


def check_login(profile: VenueProfile, args: list[object], now_ms: int) -> None:
    """Raise `BybitRefusal` unless the arguments of `auth` are key, a later instant (ms), and the signature of both."""
    key, expires, signature = [str(arg) for arg in args[:3]] if len(args) >= 3 else ("", "", "")
    expires_ms = whole(expires)
    if expires_ms is None or expires_ms <= now_ms:
        raise BybitRefusal("10004", "Params Error")
    if key != profile.key:
        raise BybitRefusal("10003", "API key is invalid.")
    if not _is_signed(profile.secret, f"GET/realtime{expires}", signature):
        raise BybitRefusal("10004", "Params Error")


def _is_signed(secret: str, text: str, signature: str) -> bool:
    """Return whether a signature is lower-case hex of HMAC-SHA256 over the text."""
    seal = hmac.digest(secret.encode(), text.encode("utf-8", "surrogateescape"), hashlib.sha256)
    return hmac.compare_digest(seal.hex().encode(), signature.encode("utf-8", "surrogateescape"))
