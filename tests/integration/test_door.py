"""Another user of the machine begins many requests, and finishes none: the page and the sandbox answer on."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from arb import door
from arb.door import CONNECTIONS_MAX, open_door

HALF = b"GET / HTTP/1.1\r\nX: "


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="here")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    async with open_door(runner, listening):
        yield listening.getsockname()[1]


async def asked(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 10.0)
    writer.close()
    return answer


def test_a_request_is_answered_while_others_are_begun_and_never_finished() -> None:
    async def scenario() -> None:
        async with served() as port:
            begun = []
            for _ in range(CONNECTIONS_MAX + 20):
                begun.append(await asyncio.open_connection("127.0.0.1", port))
                begun[-1][1].write(HALF)
            assert b"here" in await asked(port)
            ended = await asyncio.wait_for(begun[0][0].read(), 1.0)
            assert ended == b""  # the oldest gave its place
            for _, writer in begun:
                writer.close()

    asyncio.run(scenario())


def test_a_head_that_is_not_whole_in_time_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "HEAD_S", 0.2)

    async def scenario() -> None:
        async with served() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HALF)
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 5.0) == b""
            writer.close()

    asyncio.run(scenario())


def test_a_system_without_descriptors_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(door, "PAUSE_S", 0.05)

    async def scenario() -> None:
        async with served() as port:
            loop = asyncio.get_running_loop()
            take, refused = loop.sock_accept, [0]

            async def refuse(listening: socket.socket) -> tuple[socket.socket, object]:
                refused[0] += 1
                if refused[0] < 6:
                    raise OSError(24, "Too many open files")
                return await take(listening)

            monkeypatch.setattr(loop, "sock_accept", refuse)
            assert b"here" in await asked(port)  # waits in the first accept already
            assert b"here" in await asked(port)
            assert refused[0] >= 6

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert [record.getMessage() for record in caplog.records] == [
        "no connection can be taken: Too many open files; tried again every 0.05 s"
    ]
