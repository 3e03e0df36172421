"""A request as it is sent: its parts, and its bytes."""

import re

import msgspec

from arb import __version__
from arb.venues.transport.address import Origin, origin_of

ANSWER_BYTES_MAX = 2 * 1024 * 1024
"""A longer answer is not read. The longest documented page, 1000 ended orders at Gate, is half of that."""
_METHOD = re.compile(r"[A-Z]+")


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
