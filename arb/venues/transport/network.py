"""The carriers of bytes to a venue and back: HTTP requests and websockets, over real sockets. A fault simulation brings
its own.

`Network` is the adapters' only interface to the network, so that the whole engine can run on a network in memory. Reads
go over aiohttp and may take their time; orders have separate connections (`direct.py`), and so have streams
(`websocket.py`). All go through the proxy, where one is configured, except to this machine; `HTTPS_PROXY` and its like
are read nowhere.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol, cast

import aiohttp
import yarl
from aiohttp.client_proto import ResponseHandler

from arb.clock import Clock
from arb.venues.transport.address import Origin, host_of
from arb.venues.transport.direct import DirectTransport, VenueTransport
from arb.venues.transport.http import (
    CHUNKS_MAX,
    CONNECTIONS_MAX,
    KEEPALIVE_S,
    AnswerLost,
    HttpAnswer,
    NeverSent,
    WriteTransport,
)
from arb.venues.transport.request import HttpRequest
from arb.venues.transport.tls import client_context
from arb.venues.transport.way import DIRECT, WayOut, connect
from arb.venues.transport.websocket import SocketEnded as SocketEnded  # part of this interface
from arb.venues.transport.websocket import WebSocket, open_websocket

LINE_BYTES = 64
"""With fewer bytes per line on average, a long answer is in chunks that no server has reason to make."""
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Socket(Protocol):
    """One open websocket of text frames. No frame is delivered before `read`."""

    async def read(self, on_frame: Callable[[bytes], None], on_read: Callable[[], None]) -> str:
        """Deliver every frame as its received bytes, on arrival, until the connection is over; return why.

        `on_read` is called each time all that was received at once was delivered. An exception of either ends the
        connection and is raised.
        """

    def write(self, text: str) -> None:
        """Pass one frame to the network now, without waiting; raise `SocketEnded` when not a byte of it can be sent.

        Without that exception it may have been sent.
        """

    async def close(self) -> None:
        """End the connection, which ends `read`; waits no longer than a second."""

    def unread(self) -> bool:
        """Return whether received bytes still wait to be delivered."""


class Network(Protocol):
    def http(self) -> WriteTransport:
        """Return a carrier of requests for one venue."""

    async def dial(self, url: str, headers: Mapping[str, str] = NO_HEADERS) -> Socket:
        """Open a websocket whose handshake has `headers` besides; raise `SocketEnded` when that fails."""


class SiteNetwork:
    """A network on the way to one site, whose headers every handshake has; requests get them where they are made."""

    def __init__(self, network: Network, headers: Mapping[str, str]) -> None:
        self.http = network.http
        self._network = network
        self._headers = headers

    async def dial(self, url: str, headers: Mapping[str, str] = NO_HEADERS) -> Socket:
        return await self._network.dial(url, {**self._headers, **headers})


class SystemNetwork:
    """The operating system's network; `way` is the way out of this machine, `tls` replaces the trusted certificates."""

    def __init__(self, clock: Clock, *, way: WayOut = DIRECT, tls: ssl.SSLContext | None = None) -> None:
        self._clock = clock
        self._way = way
        self._tls = tls

    def http(self) -> VenueTransport:
        """Return a carrier that keeps its connections warm: our own for orders and cancels, aiohttp's for questions."""
        reads = SocketTransport(self._clock, way=self._way, tls=self._tls)
        return VenueTransport(reads, DirectTransport(self._clock, way=self._way, tls=self._tls))

    async def dial(self, url: str, headers: Mapping[str, str] = NO_HEADERS) -> WebSocket:
        return await open_websocket(url, headers, way=self._way, tls=lambda: self._tls or client_context())


class SocketTransport:
    """Carry requests over real sockets, keeping connections warm; repeats nothing, follows no redirect."""

    def __init__(self, clock: Clock, *, way: WayOut = DIRECT, tls: ssl.SSLContext | None = None) -> None:
        self._clock = clock
        self._way = way
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: HttpRequest, timeout_s: float) -> HttpAnswer:
        session = self._open()
        by = self._way.by(host_of(request.url))
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=timeout_s)
        sent_ns = self._clock.wall_ns()
        try:
            async with session.request(
                request.method,
                yarl.URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body.encode() if request.body else None,
                timeout=timeout,
                allow_redirects=False,  # a redirect would carry key and signature to a foreign host
            ) as response:
                most = request.answer_bytes_max
                body = bytearray(await response.content.read(most + 1))
                while len(body) <= most and not response.content.at_eof():
                    body += await response.content.read(most + 1 - len(body))
                received_ns = self._clock.wall_ns()
                if len(body) > most:
                    raise AnswerLost(f"an answer of more than {most} bytes")
                headers = {name.lower(): value for name, value in response.headers.items()}
                return HttpAnswer(response.status, headers, bytes(body), sent_ns, received_ns)
        except NotConnected as error:
            raise NeverSent(str(error)) from error
        except aiohttp.ConnectionTimeoutError as error:
            raise NeverSent(f"no connection within {timeout_s:g} s{by}") from error
        except TimeoutError as error:
            raise AnswerLost(f"no answer within {timeout_s:g} s{by}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise AnswerLost(f"{type(error).__name__}{f': {error}' * bool(str(error))}{by}") from error

    async def close(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()
            # aiohttp closes transports in callbacks of the loop's next turn.
            await asyncio.sleep(0)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = Connector(self._way, self._tls, limit=CONNECTIONS_MAX, keepalive_timeout=KEEPALIVE_S)
            connector._factory = cast("partial[ResponseHandler]", partial(_Answers, loop=asyncio.get_running_loop()))
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=True)
        return self._session


class NotConnected(aiohttp.ClientConnectionError):
    """No connection was made: not a byte of the request can have been sent."""


class Connector(aiohttp.TCPConnector):
    """aiohttp's pool of connections, each of which is made as those for orders are."""

    def __init__(self, way: WayOut, tls: ssl.SSLContext | None = None, **given: Any) -> None:
        super().__init__(**given)
        self._way = way
        self._trusted = tls

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        """Connect; raise `NotConnected`, or `TimeoutError`."""
        origin = Origin(str(req.url.raw_host), int(req.url.port or 0), req.is_ssl(), "")
        tls = (self._trusted or client_context()) if origin.tls else None
        try:
            async with asyncio.timeout(timeout.sock_connect):
                return await connect(self._factory, origin, tls, self._way)
        except TimeoutError:
            raise
        except NeverSent as error:
            raise NotConnected(str(error)) from error
        except (OSError, UnicodeError) as error:
            raise NotConnected(f"{type(error).__name__}: {error}{self._way.by(origin.host)}") from error


class _Answers(ResponseHandler):
    """aiohttp's reader of answers; a chunk of any size costs it the same work, so that small ones are bounded."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._taken = self._lines = 0

    def set_response_params(self, **given: Any) -> None:
        self._taken = self._lines = 0
        super().set_response_params(**given)

    def data_received(self, data: bytes) -> None:
        """Take the next bytes; an answer in thousands of small chunks ends the connection."""
        self._taken += len(data)
        self._lines += data.count(b"\r\n")
        if self._lines <= CHUNKS_MAX or self._taken >= LINE_BYTES * self._lines:
            super().data_received(data)
            return
        error = aiohttp.ClientPayloadError(f"an answer of more than {CHUNKS_MAX} lines or small chunks")
        self.set_exception(error)
        if self._payload is not None:
            self._payload.set_exception(error)
        if self.transport is not None:
            self.transport.abort()
