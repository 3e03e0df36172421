"""What carries bytes to a venue and back: HTTP requests and websockets, over real sockets. A fault simulation brings its own.

`Network` is the only door of the adapters to the network, so that the whole engine can run on a network in memory. Questions go
over aiohttp and may take their time; orders have connections of their own (`direct.py`). All go through the proxy,
where one is configured, but for what stays on this machine; `HTTPS_PROXY` and its like are read nowhere.
"""

import asyncio
import fcntl
import select
import ssl
import struct
import termios
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, Protocol

import aiohttp
import yarl

from arb.clock import Clock
from arb.venues.call import HttpRequest
from arb.venues.endpoints import host_of
from arb.venues.transport.direct import DirectTransport, VenueTransport
from arb.venues.transport.http import (
    CONNECTIONS_MAX,
    KEEPALIVE_S,
    AnswerLost,
    HttpAnswer,
    NeverSent,
    TransportError,
    WriteTransport,
)
from arb.venues.transport.proxy import Proxy, by_way_of, proxy_for

_HANG_UP = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)
"""The venue's end of the connection is over; where the system cannot report half of an end, only the whole is seen."""
FRAME_BYTES_MAX = 1024 * 1024
"""Of one frame of any stream, in bytes; a longer one ends the connection before it is buffered. The longest documented ones are
whole books of 400 levels a side, some 50 kB, and an account's first balances, half of that bound with 500 assets."""


NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class SocketEnded(TransportError):
    """A websocket could not be opened, or is over; the text says why."""


class Socket(Protocol):
    """One open websocket of text frames."""

    async def receive(self) -> bytes:
        """Return the next frame as the bytes it came in; raise `SocketEnded` when none will come."""

    async def send(self, text: str) -> None:
        """Send one frame; raise `SocketEnded` when it cannot leave."""

    def write(self, text: str) -> None:
        """Hand one frame to the network now, without waiting; raise `SocketEnded` when not a byte of it can leave.

        Without that exception it may have left.
        """

    async def close(self) -> None:
        """End the connection, which wakes whoever waits in `receive`."""

    def unread(self) -> bool:
        """Return whether received bytes still wait to be handed over."""


class Network(Protocol):
    """A network."""

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
        """Open a websocket; raise `SocketEnded` when that fails."""
        return await self._network.dial(url, {**self._headers, **headers})


class SystemNetwork:
    """The operating system's network, through aiohttp; `proxy` leads out of it, `tls` replaces its trusted certificates."""

    def __init__(self, clock: Clock, *, proxy: Proxy | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._clock = clock
        self._proxy = proxy
        self._tls = tls

    def http(self) -> VenueTransport:
        """Return a carrier that keeps its connections warm: our own for orders and cancels, aiohttp's for questions."""
        reads = SocketTransport(self._clock, proxy=self._proxy, tls=self._tls)
        return VenueTransport(reads, DirectTransport(self._clock, proxy=self._proxy, tls=self._tls))

    async def dial(self, url: str, headers: Mapping[str, str] = NO_HEADERS) -> "RealSocket":
        """Open a websocket; raise `SocketEnded` when that fails, or when the answer leads elsewhere.

        What is sent on a private stream first is a login: it goes to the host that was meant, or nowhere.
        """
        proxy = proxy_for(self._proxy, host_of(url))
        session = aiohttp.ClientSession(trace_configs=[_no_redirect()])
        try:
            socket = await session.ws_connect(
                url,
                compress=0,
                max_msg_size=FRAME_BYTES_MAX,
                autoping=True,
                decode_text=False,
                headers=headers,
                **_through(proxy, self._tls),
            )
        except (aiohttp.ClientError, OSError) as error:
            await session.close()
            raise SocketEnded(_text(error, proxy)) from error
        except BaseException:
            await session.close()
            raise
        return RealSocket(session, socket)


def _no_redirect() -> aiohttp.TraceConfig:
    """Return what ends a handshake at a redirect, which aiohttp would follow to any host, and to plain text."""
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse_redirect)
    return trace


async def _refuse_redirect(_session: object, _context: object, params: aiohttp.TraceRequestRedirectParams) -> None:
    raise SocketEnded(f"redirected (HTTP {params.response.status}), which is never followed")


class RealSocket:
    """See `Socket`; one connection of its own session."""

    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse[Literal[False]]) -> None:
        self._session = session
        self._socket = socket
        self._ends: select.poll | None = None

    async def receive(self) -> bytes:
        """Return the next frame; raise `SocketEnded` when none will come."""
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT or message.type is aiohttp.WSMsgType.BINARY:
            data: bytes = message.data
            return data
        if message.type is aiohttp.WSMsgType.ERROR:
            raise SocketEnded(f"broken frame: {message.data!r}")
        raise SocketEnded(f"closed by the venue ({self._socket.close_code})")

    async def send(self, text: str) -> None:
        """Send one frame; raise `SocketEnded` when it cannot leave."""
        try:
            await self._socket.send_str(text)
        except (aiohttp.ClientError, ConnectionError) as error:
            raise SocketEnded(f"cannot send: {error}") from error

    def write(self, text: str) -> None:
        """Hand one frame to the kernel now; raise `SocketEnded` when not a byte of it can leave."""
        if self._gone():
            raise SocketEnded("the venue has closed the connection")
        sending = self._socket.send_str(text)
        try:
            # Without compression the frame is in the transport before anything is waited for, which is at most that the
            # transport's buffer empties; so the first step is all there is to do.
            sending.send(None)
        except StopIteration:
            return
        except (aiohttp.ClientError, ConnectionError) as error:  # before a byte was written: the transport is closing
            raise SocketEnded(f"cannot send: {error}") from error
        sending.close()

    def _gone(self) -> bool:
        """Return whether the connection is over, be it that the loop has not noticed yet."""
        if self._socket.closed:
            return True
        raw = self._socket.get_extra_info("socket")
        if raw is None or raw.fileno() < 0:
            return True
        if self._ends is None:
            self._ends = select.poll()
            self._ends.register(raw.fileno(), _HANG_UP)
        return bool(self._ends.poll(0))

    async def close(self) -> None:
        """Close the websocket and release the session."""
        try:
            await self._socket.close()
        except (aiohttp.ClientError, ConnectionError):
            pass  # it is over either way
        finally:
            await self._session.close()

    def unread(self) -> bool:
        """Return whether received bytes still wait: frames in the websocket's reader, or bytes in the kernel's buffer.

        What a TLS layer has taken from the kernel and not yet decrypted is not seen; it holds at most one record.
        """
        socket = self._socket
        if socket.closed:
            return False
        reader = getattr(socket, "_reader", None)
        if reader is not None and len(reader._buffer) > 0:
            return True
        raw = socket.get_extra_info("socket")
        if raw is None or raw.fileno() < 0:
            return False
        (waiting,) = struct.unpack("i", fcntl.ioctl(raw.fileno(), termios.FIONREAD, b"\0\0\0\0"))
        return bool(waiting)


class SocketTransport:
    """Carry requests over real sockets, keeping connections warm; repeats nothing, follows no redirect."""

    def __init__(self, clock: Clock, *, proxy: Proxy | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._clock = clock
        self._proxy = proxy
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: HttpRequest, timeout_s: float) -> HttpAnswer:
        """Return the answer; raise `NeverSent` or `AnswerLost`."""
        session = self._open()
        proxy = proxy_for(self._proxy, host_of(request.url))
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
                **_through(proxy, self._tls),
            ) as response:
                most = request.answer_bytes_max
                body = await response.content.read(most + 1)
                while len(body) <= most and not response.content.at_eof():
                    body += await response.content.read(most + 1 - len(body))
                received_ns = self._clock.wall_ns()
                if len(body) > most:
                    raise AnswerLost(f"an answer of more than {most} bytes")
                headers = {name.lower(): value for name, value in response.headers.items()}
                return HttpAnswer(response.status, headers, body, sent_ns, received_ns)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError) as error:
            # Raised only while the connection was being made: not a byte of the request can have left.
            raise NeverSent(_text(error, proxy)) from error
        except TimeoutError as error:
            raise AnswerLost(f"no answer within {timeout_s:g} s{by_way_of(proxy)}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise AnswerLost(_text(error, proxy)) from error

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


def _through(proxy: Proxy | None, tls: ssl.SSLContext | None) -> dict[str, Any]:
    """Return aiohttp's options for proxy and certificates; the name that TLS proves stays the venue's."""
    options: dict[str, Any] = {"ssl": True if tls is None else tls}
    if proxy is not None:
        options["proxy"] = proxy.url
        options["proxy_headers"] = proxy.headers()
    return options


def _text(error: BaseException, proxy: Proxy | None) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError) and proxy is not None:
        return proxy.refusal(error.status)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return text + by_way_of(proxy)
