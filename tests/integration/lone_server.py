"""A server on one port, and stories told on a transport of ours that talks to it."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from arb.clock import SystemClock
from arb.venues.transport.direct import DirectTransport
from arb.venues.transport.http import NeverSent
from arb.venues.transport.request import HttpRequest

ORDER = '{"a":1}'


def full(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Visit:
    """One connection as the server sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.over = asyncio.Event()

    async def request(self) -> bytes | None:
        """Return the body of the next request, or None at the end."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        [line] = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return await self.reader.readexactly(int(line.split(b":")[1]))

    async def ended(self) -> None:
        """Wait until the other side has gone."""
        with contextlib.suppress(ConnectionError):
            assert await self.reader.read() == b""


class Venue:
    """A server whose every connection is served by `serve(visit)`; counts them."""

    def __init__(self, serve: Callable[[Visit], Awaitable[None]], tls: ssl.SSLContext | None = None) -> None:
        self.serve, self.tls = serve, tls
        self.visits: asyncio.Queue[Visit] = asyncio.Queue()
        self.port = 0

    async def __aenter__(self) -> "Venue":
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = Visit(reader, writer)
        self.visits.put_nowait(visit)
        with contextlib.suppress(ConnectionError):
            await self.serve(visit)
        visit.over.set()
        writer.close()

    def order(self, body: str = ORDER) -> HttpRequest:
        scheme = "http" if self.tls is None else "https"
        return HttpRequest("POST", f"{scheme}://127.0.0.1:{self.port}/orders", {}, body)


async def echo(visit: Visit) -> None:
    while (body := await visit.request()) is not None:
        visit.writer.write(full(body))


def run(scenario: Callable[[DirectTransport], Awaitable[None]], **given: Any) -> None:
    """Run one story on a transport, and look that it leaves nothing open."""

    async def whole() -> None:
        transport = DirectTransport(SystemClock(), **given)
        try:
            await scenario(transport)
        finally:
            await transport.close()
            assert transport.connections == 0
        with pytest.raises(NeverSent):
            await transport.send(HttpRequest("POST", "http://127.0.0.1:1/", {}), 1.0)

    asyncio.run(whole())
