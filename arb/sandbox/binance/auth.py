"""How Binance refuses, and the proof of identity that its requests carry.

Source: the venue's `rest-api.md`, "Request Security", `web-socket-api.md`, "SIGNED request security", and `errors.md`. A
refusal has HTTP 400 unless stated, and its code and message are the whole body.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from arb.clock import NS_PER_MS, NS_PER_S, NS_PER_US
from arb.sandbox.coded import CodedRefusal
from arb.sandbox.exact import parse, whole
from arb.sandbox.values import VenueProfile, places

Params = Mapping[str, Any]

USUAL_WINDOW, WINDOW_MAX_MS = "5000", 60_000
AHEAD_NS = NS_PER_S
MICROSECONDS_FROM = 10**14
"""A timestamp from here on counts microseconds."""


class BinanceRefusal(CodedRefusal):
    """A request that is refused; `retry_s`: the seconds until it may be sent again."""

    usual_status: ClassVar[int] = 400

    def __init__(self, code: str, message: str, status: int | None = None, retry_s: int | None = None) -> None:
        super().__init__(code, message, status)
        self.retry_s = retry_s


NO_PERMISSION = ("-2015", "Invalid API-key, IP, or permissions for action.", 401)
BAD_SIGNATURE = ("-1022", "Signature for this request is not valid.")


def missing(name: str) -> BinanceRefusal:
    return BinanceRefusal("-1102", f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def signed_text(query: str, body: str) -> tuple[str, str]:
    """Return the signed text, which is query and body joined without `signature`, the last of its part, and the signature.

    Raises `BinanceRefusal` where it is absent or not the last, or where a letter beyond ASCII was not percent-encoded.
    """
    texts, signatures = [], []
    for part in (query, body):
        before, mark, signature = f"&{part}".rpartition("&signature=")
        texts.append(before[1:] if mark else part)
        signatures += [signature] if mark else []
    if len(signatures) != 1 or not signatures[0]:
        raise missing("signature")
    text = "".join(texts)
    if "&" in signatures[0] or not text.isascii():
        raise BinanceRefusal(*BAD_SIGNATURE)
    return text, unquote(signatures[0])


def sorted_text(params: Params) -> str:
    """Return the text that a websocket request signs: all parameters but `signature`, by name."""
    return "&".join(f"{name}={_spelled(params[name])}" for name in sorted(params) if name != "signature")


def _spelled(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def check_identity(profile: VenueProfile, key: str, text: str, signature: str) -> None:
    """Raise `BinanceRefusal` unless the key is the account's, and its other half signed the text."""
    if not key.isascii() or not key.isalnum():
        raise BinanceRefusal("-2014", "API-key format invalid.", 401)
    if key != profile.key:
        raise BinanceRefusal(*NO_PERMISSION)
    signed = text.encode("utf-8", "surrogateescape")
    if not (_has_ed25519 if profile.public_key else _has_hmac)(profile, signed, signature):
        raise BinanceRefusal(*BAD_SIGNATURE)


def _has_hmac(profile: VenueProfile, signed: bytes, signature: str) -> bool:
    seal = hmac.digest(profile.secret.encode(), signed, hashlib.sha256)
    return hmac.compare_digest(seal.hex().encode(), signature.lower().encode("utf-8", "surrogateescape"))


def _has_ed25519(profile: VenueProfile, signed: bytes, signature: str) -> bool:
    try:
        key = load_pem_public_key(profile.public_key.encode())
        assert isinstance(key, Ed25519PublicKey)
        key.verify(base64.b64decode(signature, validate=True), signed)
    except (AssertionError, InvalidSignature, ValueError):
        return False
    return True


def check_timing(params: Params, received_ns: int) -> int:
    """Return until when a request may reach the engine; raises `BinanceRefusal` unless it is in time at the door."""
    stamp, window = whole(str(params.get("timestamp") or "")), parse(str(params.get("recvWindow") or USUAL_WINDOW))
    if stamp is None:
        raise missing("timestamp")
    if window is None or window < 0 or places(window) > 3:
        raise missing("recvWindow")
    if window > WINDOW_MAX_MS:
        raise BinanceRefusal("-1131", "recvWindow must be less than 60000.")
    sent_ns = stamp * (NS_PER_US if stamp >= MICROSECONDS_FROM else NS_PER_MS)
    if sent_ns >= received_ns + AHEAD_NS:
        raise BinanceRefusal("-1021", "Timestamp for this request was 1000ms ahead of the server's time.")
    until_ns = sent_ns + int(window * Decimal(NS_PER_MS))
    if received_ns > until_ns:
        raise BinanceRefusal(*TOO_LATE)
    return until_ns


TOO_LATE = ("-1021", "Timestamp for this request is outside of the recvWindow.")
