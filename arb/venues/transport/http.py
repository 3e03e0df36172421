"""One request, one answer: the only place where a gateway touches a socket, one method wide so that it can be swapped.

An attempt ends in exactly one of three ways, and which one matters for orders: an `HttpAnswer` (whatever its status),
`NeverSent` (provably nothing left: the connection was never made) or `AnswerLost` (something may have arrived).
"""

import asyncio
from collections.abc import Awaitable
from typing import NamedTuple, Protocol

import aiohttp
import msgspec
import yarl

from arb.clock import Clock

CONNECTIONS_MAX = 64
KEEPALIVE_S = 30.0
BODY_BYTES_MAX = 16 * 1024 * 1024


class NeverSent(Exception):
    """The connection could not be made, so the request cannot have arrived."""


class AnswerLost(Exception):
    """The request may have left, and no whole answer came.

    `received`: it went to a venue that tells of its receipt first, so it may wait inside, past its expiry.
    """

    def __init__(self, why: str, *, received: bool = False) -> None:
        super().__init__(why)
        self.received = received


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
    """A whole answer. Header names are lower case; instants are ours, ns UTC.

    `received`: the venue tells of its receipt first, so what proves nothing may be about a request that waits inside.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    sent_ns: int
    received_ns: int
    received: bool = False


class HttpTransport(Protocol):
    """Carry requests to one venue."""

    def send(self, request: HttpRequest, timeout_s: float) -> Awaitable[HttpAnswer]:
        """Return the answer, once awaited; raise `NeverSent` or `AnswerLost` then.

        The request may leave at the call already, or only when its answer is awaited.
        """

    async def close(self) -> None:
        """Release sockets."""


class SocketTransport:
    """Carry requests over real sockets, keeping connections warm; repeats nothing, follows no redirect."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: HttpRequest, timeout_s: float) -> HttpAnswer:
        """Return the answer; raise `NeverSent` or `AnswerLost`."""
        session = self._open()
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=timeout_s)
        sent_ns = self._clock.wall_ns()
        try:
            async with session.request(
                request.method,
                yarl.URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body.encode() if request.body else None,
                timeout=timeout,
                allow_redirects=False,  # a redirect would carry key and signature to a stranger
            ) as response:
                body = await response.content.read(BODY_BYTES_MAX + 1)
                while len(body) <= BODY_BYTES_MAX and not response.content.at_eof():
                    body += await response.content.read(BODY_BYTES_MAX + 1 - len(body))
                received_ns = self._clock.wall_ns()
                if len(body) > BODY_BYTES_MAX:
                    raise AnswerLost(f"an answer of more than {BODY_BYTES_MAX} bytes")
                headers = {name.lower(): value for name, value in response.headers.items()}
                return HttpAnswer(response.status, headers, body, sent_ns, received_ns)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            # Raised only while the connection was being made: not a byte of the request can have left.
            raise NeverSent(_text(error)) from error
        except TimeoutError as error:
            raise AnswerLost(f"no answer within {timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise AnswerLost(_text(error)) from error

    async def close(self) -> None:
        """Release sockets."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()
            # aiohttp closes transports in callbacks of the loop's next turn.
            await asyncio.sleep(0)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX, keepalive_timeout=KEEPALIVE_S)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=True)
        return self._session


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
