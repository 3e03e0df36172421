"""One request, one answer: the door of a gateway to the network, one method wide so that it can be swapped.

An attempt ends in exactly one of three ways, and which one matters for orders: an `HttpAnswer` (whatever its status),
`NeverSent` (provably nothing left: the connection was never made) or `AnswerLost` (something may have arrived).
"""

from collections.abc import Awaitable
from typing import NamedTuple, Protocol

import msgspec

CONNECTIONS_MAX = 64
KEEPALIVE_S = 30.0
BODY_BYTES_MAX = 16 * 1024 * 1024


class NeverSent(Exception):
    """The connection could not be made, so the request cannot have arrived."""


class AnswerLost(Exception):
    """The request may have left, and no whole answer came."""


class Origin(NamedTuple):
    """Where a connection leads to."""

    host: str
    port: int
    tls: bool
    authority: str


class Outgoing(NamedTuple):
    """A request as bytes, ready to leave."""

    origin: Origin
    data: bytes


class HttpRequest(msgspec.Struct, frozen=True):
    """A signed request. `url` is sent as it stands: it was signed that way.

    `ready`: the same as bytes, where that was made ahead (see `http1.made_ready`).
    """

    method: str
    url: str
    headers: dict[str, str]
    body: str | None = None
    ready: Outgoing | None = None

    def __repr__(self) -> str:
        # Headers hold key and signature.
        return f"HttpRequest({self.method} {self.url.partition('?')[0]})"


class HttpAnswer(msgspec.Struct, frozen=True):
    """A whole answer. Header names are lower case; instants are ours, ns UTC."""

    status: int
    headers: dict[str, str]
    body: bytes
    sent_ns: int
    received_ns: int


class HttpTransport(Protocol):
    """Carry requests to one venue."""

    def send(self, request: HttpRequest, timeout_s: float) -> Awaitable[HttpAnswer]:
        """Return the answer, once awaited; raise `NeverSent` or `AnswerLost` then.

        The request may leave at the call already, or only when its answer is awaited.
        """

    async def close(self) -> None:
        """Release sockets."""
