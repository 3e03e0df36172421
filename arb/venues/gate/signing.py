"""Gate's signatures: pure functions from (secret, sent text, timestamp) to text, and how `arb sign gate` shows them.

A REST signature is a double hash: the body's SHA-512 goes into a five-line text, whose HMAC-SHA512 is the signature
(Gate APIv4, "Authentication", "Signature string generation"):

    METHOD \\n PATH with /api/v4 \\n QUERY as decoded text, in the order sent \\n hex(SHA512(body)) \\n TIMESTAMP

The secret is used as text: it is never decoded from hex or base64. Every part must be exactly the bytes on the wire.
So the caller formats a timestamp, a query or a body once, and passes the same text to this module and to the socket.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from arb.clock import NS_PER_S, Clock
from arb.errors import ConfigError
from arb.venues.kit.order_form import KeyedHash

API_ROOT = "/api/v4"
"""Part of every REST path, and so of the signed text."""
EMPTY_BODY_SHA512 = hashlib.sha512(b"").hexdigest()


class SignedRequest(NamedTuple):
    """The three texts a REST signature consists of."""

    body_sha512: str
    string_to_sign: str
    signature: str


def channel_text(channel: str, event: str, time_s: int) -> str:
    """Return the text signed for a private websocket channel; `time_s` is the frame's own `time`, in seconds."""
    return f"channel={channel}&event={event}&time={time_s}"


def api_text(channel: str, req_param: str, time_s: int) -> str:
    """Return the text signed for a websocket API request; `req_param` is its literal JSON, empty for a login."""
    return f"api\n{channel}\n{req_param}\n{time_s}"


class Signer:
    __slots__ = ("keyed",)

    def __init__(self, secret: str) -> None:
        self.keyed = KeyedHash(secret, hashlib.sha512)

    def signature(self, text: str) -> str:
        # Lone surrogates are bytes of a command line that are not UTF-8: they are signed as given.
        return self.keyed.seal(text.encode("utf-8", "surrogateescape")).hexdigest()

    def request(self, method: str, path: str, query: str, body: bytes, timestamp: str) -> SignedRequest:
        """Sign one REST request: the double hash.

        `path` is the whole path with `/api/v4`, `query` the decoded text without `?` in the order sent, `timestamp` the text of
        the Timestamp header. No body at all hashes the empty string.
        """
        body_hash = hashlib.sha512(body).hexdigest() if body else EMPTY_BODY_SHA512
        text = f"{method}\n{path}\n{query}\n{body_hash}\n{timestamp}"
        return SignedRequest(body_hash, text, self.signature(text))


def rest_headers(api_key: str, signature: str, timestamp: str) -> dict[str, str]:
    """Return the headers of a signed REST request; only KEY, SIGN and Timestamp take part in authentication."""
    return {
        "KEY": api_key,
        "Timestamp": timestamp,
        "SIGN": signature,
        "Content-Type": "application/json",
        "Accept": "application/json",
    }


def channel_auth(signer: Signer, api_key: str, channel: str, event: str, time_s: int) -> dict[str, str]:
    """Return the `auth` object of a private (un)subscribe frame; there is no login that would replace it."""
    return {"method": "api_key", "KEY": api_key, "SIGN": signer.signature(channel_text(channel, event, time_s))}


def api_signature(signer: Signer, channel: str, req_param: str, time_s: int) -> str:
    """Return the signature of a websocket API request or, with an empty `req_param`, of a login."""
    return signer.signature(api_text(channel, req_param, time_s))


KEY_VARIABLE = "GATE_API_KEY"
SECRET_VARIABLE = "GATE_API_SECRET"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_TRADING = re.compile(
    rf"{API_ROOT}/(?:spot|margin|futures|delivery|options|unified|account)(?:/(?!\.\.?(?:/|$))[0-9A-Za-z_~.-]+)*"
)
"""Where writes trade; others withdraw, transfer, convert or make keys. A segment of only dots leads elsewhere."""
_MOVES_FUNDS = re.compile(r"withdraw|transfer", re.IGNORECASE)


def sign_report(
    method: str,
    path: str,
    *,
    query: str = "",
    body: str = "",
    timestamp: str | None = None,
    environ: Mapping[str, str],
    clock: Clock,
    any_write: bool = False,
) -> dict[str, Any]:
    """Return `{"body_sha512", "string_to_sign", "signature", "headers"}` of one request, as `arb sign gate` prints it.

    `path` is the whole path with `/api/v4`; `query` (decoded, without `?`), `body` and `timestamp` are taken literally,
    without a timestamp the clock's whole seconds are. Key and secret are read from `GATE_API_KEY` and `GATE_API_SECRET`
    in `environ`. Raises `ConfigError` for bad input, and without `any_write` for a write that does more than trade.
    """
    verb = method.upper()
    if verb not in _METHODS:
        raise ConfigError(f"METHOD {method!r} is none of {', '.join(_METHODS)}")
    if not (path == API_ROOT or path.startswith(API_ROOT + "/")):
        raise ConfigError(f"PATH {path!r} must be the whole path, starting with {API_ROOT}/")
    if "?" in path:
        raise ConfigError(f"PATH {path!r} contains a '?': give the part behind it as --query")
    if query.startswith("?"):
        raise ConfigError("--query is the part behind the '?', without it")
    if verb != "GET" and not any_write and (not _TRADING.fullmatch(path) or _MOVES_FUNDS.search(path)):
        raise ConfigError(
            f"{verb} {path!r} is not signed: it may withdraw or transfer, and this signer is for trading: if that is meant,"
            " give --any"
        )
    key, secret = _credential(environ, KEY_VARIABLE), _credential(environ, SECRET_VARIABLE)
    signed_at = str(clock.wall_ns() // NS_PER_S) if timestamp is None else timestamp
    # A command line may hold bytes that are no UTF-8: they arrive as surrogates and are hashed as the bytes they were.
    signed = Signer(secret).request(verb, path, query, body.encode("utf-8", "surrogateescape"), signed_at)
    return {**signed._asdict(), "headers": rest_headers(key, signed.signature, signed_at)}


def _credential(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise ConfigError(f"{name} is not set: export it before signing")
    return value
