"""A request on its way out: the call that a dialect makes, the JSON text its parameters become, and the bytes that are
sent.

One writer of JSON for all venues, compact, ASCII-escaped and exact, so that the text that is signed does not depend on
which JSON package happens to be installed. Money is text; a float is refused, for `1.2e-07` is no price.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple

import msgspec

from arb import __version__
from arb.core.messages.commands import CancelOrder

PAGES_MAX = 200
ANSWER_BYTES_MAX = 2 * 1024 * 1024
"""Of an answer, in bytes; a longer one is not read. The longest documented page, 1000 ended orders at Gate, is half of that."""
LONG_ANSWER_BYTES_MAX = 4 * 1024 * 1024
"""Of an answer that no page cuts: a venue's whole listing (1 MB for Gate's 2500 pairs), all open orders of an account."""
_TEXT_ONLY = {str}
_METHOD = re.compile(r"[A-Z]+")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::([0-9]{1,5}))?")
_PORTS = {"http": 80, "https": 443}


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request before it is signed. `scope` is its name for metering (see `PacingLimits.of`).

    `api`, `path` and `method` name the endpoint as ccxt does. A batch whose body is a bare array has its `items`
    instead of `params`. `expires_ns`: the instant on our clock from which on the venue must refuse it; the signer
    writes it in the venue's own form, where there is one. `answer_bytes_max`: a longer answer is not read.
    """

    scope: str
    api: tuple[str, ...]
    method: str
    path: str
    params: dict[str, Any]
    items: tuple[dict[str, Any], ...] = ()
    expires_ns: int | None = None
    answer_bytes_max: int = ANSWER_BYTES_MAX


class CancelBatch(msgspec.Struct, frozen=True):
    """One request that cancels several orders. `scopes` are its metering scopes, one slot for each entry."""

    call: Call
    commands: tuple[CancelOrder, ...]
    scopes: tuple[str, ...]


class Pages(msgspec.Struct, frozen=True, kw_only=True):
    """A list in pages: the first call, how to find the rows in a body, and the call for the page after a body."""

    first: Call
    rows: Callable[[Any], list[Any]]
    following: Callable[[Call, Any], Call | None]


class RequestError(ValueError):
    """The parameters cannot be sent; the message names the value or the parameter."""


def body_text(value: Any) -> str:
    """Return the body of a request; the empty string for no parameters at all. Raises `RequestError` as `to_json` does."""
    return to_json(value) if value else ""


def to_json(value: Any) -> str:
    """Serialise text, integers, booleans, Decimals (as text) and their containers; None members are dropped.

    Raises `RequestError` for a float and for anything else.
    """
    kind = type(value)
    if kind is dict:
        flat = _flat(value)
        if flat is not None:
            return flat
        members = [f"{encode_basestring_ascii(key)}:{to_json(item)}" for key, item in value.items() if item is not None]
        return "{" + ",".join(members) + "}"
    if isinstance(value, str):
        return encode_basestring_ascii(str(value))
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value)
    if isinstance(value, Decimal):
        return f'"{plain(value)}"'
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([to_json(item) for item in value if item is not None]) + "]"
    raise RequestError(f"{value!r}: a {kind.__name__} cannot be sent; use a Decimal, an integer or text")


def plain(value: Decimal) -> str:
    """Return a finite Decimal without exponent; raise `RequestError` for any other."""
    if not value.is_finite():
        raise RequestError(f"{value} is no number")
    return f"{value:f}"


def _flat(value: dict[str, Any]) -> str | None:
    """Return the JSON of an object whose values are texts that need no escape, as every order is; None for any other.

    Nothing in it needs an escape when it is printable ASCII without a backslash and has just the quotes put here:
    four a member.
    """
    if set(map(type, value.values())) != _TEXT_ONLY:
        return None
    text = '{"' + '","'.join([f'{key}":"{item}' for key, item in value.items()]) + '"}'
    simple = text.isascii() and text.isprintable() and "\\" not in text and text.count('"') == 4 * len(value)
    return text if simple else None


class Origin(NamedTuple):
    host: str
    port: int
    tls: bool
    authority: str


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A request as bytes, ready to be sent."""

    origin: Origin
    data: bytes

    def __repr__(self) -> str:
        return f"Outgoing({self.origin.authority}, {len(self.data)} bytes)"


class HttpRequest(msgspec.Struct, frozen=True):
    """A signed request. `url` is sent unchanged: it was signed that way. `answer_bytes_max`: as its call has it."""

    method: str
    url: str
    headers: dict[str, str]
    body: str | None = None
    answer_bytes_max: int = ANSWER_BYTES_MAX

    def __repr__(self) -> str:
        # Headers hold key and signature.
        return f"HttpRequest({self.method} {self.url.partition('?')[0]})"


def render(request: HttpRequest) -> Outgoing:
    """Return a request as bytes; raises `ValueError` for text that cannot be sent unchanged, line breaks above all."""
    scheme, _, rest = request.url.partition("://")
    authority, _, target = rest.partition("/")
    origin = origin_of(scheme, authority)
    body = b"" if request.body is None else request.body.encode()
    lines = [f"{request.method} /{target} HTTP/1.1", f"Host: {authority}", _ALWAYS]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if body or request.method != "GET":
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines)
    breaks = len(lines)  # one fewer between the lines, and one inside those that are always sent
    if head.count("\n") != breaks or head.count("\r") != breaks or "\0" in head:
        raise ValueError("a line break in the address or in a header")
    if not _METHOD.fullmatch(request.method) or " " in target or "#" in target:
        raise ValueError(f"{request.method} with this address is no request")
    return Outgoing(origin, head.encode("ascii") + b"\r\n\r\n" + body)


def request_of(outgoing: Outgoing) -> HttpRequest:
    """Return the request that `render` made these bytes of, with the headers it added: for a network without bytes."""
    head, _, body = outgoing.data.decode("ascii").partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    scheme = "https" if outgoing.origin.tls else "http"
    return HttpRequest(method, f"{scheme}://{outgoing.origin.authority}{target}", headers, body or None)


_ALWAYS = f"User-Agent: arb/{__version__}\r\nAccept-Encoding: identity"


@lru_cache(maxsize=64)
def origin_of(scheme: str, authority: str) -> Origin:
    """Return the origin; raises `ValueError` for anything but http or https, a host and perhaps a port."""
    match = _AUTHORITY.fullmatch(authority)
    if scheme not in _PORTS or match is None:
        raise ValueError(f"{scheme}://{authority} is no address")
    port = _PORTS[scheme] if match.group(2) is None else int(match.group(2))
    if not 0 < port < 65536:
        raise ValueError(f"{authority}: no such port")
    return Origin(match.group(1).strip("[]"), port, scheme == "https", authority)
