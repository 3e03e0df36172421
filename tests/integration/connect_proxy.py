"""A real HTTP CONNECT proxy on loopback: it knows names that no resolver knows, and can misbehave."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

Answer = Callable[["ConnectProxy", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class ConnectProxy:
    """Leads every name to `port` of this machine, unless `answer` does something else with the client's connection.

    `asked`: the head of each request, as text. `cut` ends all tunnels.
    """

    def __init__(self, port: int, *, login: str = "", answer: Answer | None = None) -> None:
        self.asked: list[str] = []
        self.peers: list[str] = []
        self.port = 0
        self._leads_to = port
        self._login = login
        self._answer = answer
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> "ConnectProxy":
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break every connection."""
        for writer in self._open:
            writer.transport.abort()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        self.peers.append(writer.get_extra_info("peername")[0])
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        if self._answer is not None:
            await self._answer(self, reader, writer)
        elif self._login and f"Proxy-Authorization: Basic {self._login}\r\n" not in self.asked[-1]:
            writer.write(
                b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
            )
            await writer.drain()
        else:
            await self._lead(reader, writer, b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._leads_to)
        self._open.add(back)
        writer.write(said)
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(_pump(reader, back), _pump(there, writer))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    sink.close()


def says(text: str) -> Answer:
    """Return a proxy's way to answer with `text`, whatever it is asked, and to close."""

    async def answer(proxy: ConnectProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text.encode())
        await writer.drain()

    return answer


async def hangs(proxy: ConnectProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer nothing, until the client goes."""
    await reader.read()
