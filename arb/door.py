"""A guard for local HTTP servers: few connections, a time limit for a request's head, and one log line when the system
is out of resources.

aiohttp bounds the size of a request but not how many are begun: another user of the machine could begin a thousand and
finish none. The oldest of these is closed for the next.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

log = logging.getLogger(__name__)

CONNECTIONS_MAX = 128
HEAD_S = 5.0
PAUSE_S = 1.0
"""How long no connection is accepted after the system refused one, usually for lack of descriptors."""
SAID_EVERY_S = 60.0


@contextlib.asynccontextmanager
async def open_door(runner: web.AppRunner, listening: socket.socket) -> AsyncIterator[None]:
    """Serve a runner that is set up on a bound socket, until the block ends; then clean both up."""
    listening.listen(CONNECTIONS_MAX)
    listening.setblocking(False)
    admitting = asyncio.create_task(_admit(runner, listening))
    try:
        yield
    finally:
        admitting.cancel()
        await asyncio.gather(admitting, return_exceptions=True)
        listening.close()
        await runner.cleanup()


async def _admit(runner: web.AppRunner, listening: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    server = runner.server
    assert server is not None
    inside: list[RequestHandler] = []
    said_s = -SAID_EVERY_S
    while True:
        try:
            accepted, _ = await loop.sock_accept(listening)
        except OSError as error:
            if loop.time() - said_s >= SAID_EVERY_S:
                said_s = loop.time()
                log.warning("no connection can be taken: %s; tried again every %g s", error.strerror, PAUSE_S)
            await asyncio.sleep(PAUSE_S)
            continue
        inside = [found for found in inside if found.transport is not None]
        if len(inside) >= CONNECTIONS_MAX:
            waiting = next((found for found in inside if _awaits_head(found)), None)
            if waiting is None:
                accepted.close()
                continue
            inside.remove(waiting)
            _end(waiting)
        connection: RequestHandler = server()
        with contextlib.suppress(OSError):
            await loop.connect_accepted_socket(lambda made=connection: made, accepted)  # type: ignore[misc]
            inside.append(connection)
            loop.call_later(HEAD_S, _end_if_headless, connection)


def _awaits_head(connection: RequestHandler) -> bool:
    """Return whether no request is under way: its head is not whole, or has not begun."""
    return connection._waiter is not None


def _end_if_headless(connection: RequestHandler) -> None:
    """End a connection that sent no whole head; one that is kept for the next request ends by aiohttp's own time."""
    if connection._request_count == 0:
        _end(connection)


def _end(connection: RequestHandler) -> None:
    if connection.transport is not None:
        connection.transport.abort()
