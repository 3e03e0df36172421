"""How an order or a cancel leaves: made ready first, and then handed to the network in one call.

Over REST, or over the venue's order socket where the user wants that. Whatever carries it, the answer has one form
(`HttpAnswer`) and the attempt one of the three ends of `arb.venues.transport.http`. The order socket never gets anything that
it has not taken at once: while it is down, what would have gone there goes over REST, which is told and counted.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

import ccxt

from arb.core.events import NOT_SENT
from arb.errors import ArbError, VenueError, VenueUnreachable
from arb.venues.base import EventListener
from arb.venues.dialect import Call
from arb.venues.order_socket import OrderSocket
from arb.venues.rules.guard import SigningRefused
from arb.venues.transport.http import HttpAnswer, HttpRequest, HttpTransport, NeverSent
from arb.venues.transport.http1 import made_ready
from arb.venues.transport.network import SocketEnded

Send = Callable[[float], Awaitable[HttpAnswer]]
"""Hands what was made ready to the network, once; takes how long to wait in seconds. See `HttpTransport.send`."""


class Signer(Protocol):
    """The part of a ccxt client that a gateway uses."""

    server_offset_ns: int
    timeout_on_exit: int

    def sign(self, path: str, api: Any = ..., method: str = ..., params: Any = ...) -> dict[str, Any]:
        """Return url, method, headers and body of a request."""

    async def close(self) -> None:
        """Release sockets."""


class Writes(Protocol):
    """The way out for writes; `socket` is the order socket, where one is used."""

    @property
    def socket(self) -> OrderSocket | None:
        """Return the order socket, None where all goes over REST."""

    def ready(self, call: Call) -> Send:
        """Make a write ready to leave; raise `VenueError` (or `ValueError`) when it cannot: then nothing was sent."""

    async def run(self, listener: EventListener) -> None:
        """Keep up whatever the way needs, until cancelled."""


def signed(venue: str, signer: Signer, call: Call) -> HttpRequest:
    """Sign a call; raises `VenueError` (`SigningRefused` by the guard): then nothing was sent."""
    try:
        request = signer.sign(call.path, list(call.api), call.method, call.payload)
    except SigningRefused:
        raise
    except (ccxt.BaseError, ArbError, ValueError) as error:
        raise VenueUnreachable(venue, f"not signed: {error}", code=NOT_SENT) from error
    headers = {**(request["headers"] or {}), **call.headers}
    return HttpRequest(request["method"], request["url"], headers, request["body"])


class RestWrites:
    """Every write is a request of its own."""

    socket: OrderSocket | None = None

    def __init__(self, venue: str, signer: Signer, transport: HttpTransport) -> None:
        self._venue = venue
        self._signer = signer
        self._transport = transport

    def ready(self, call: Call) -> Send:
        """See `Writes`."""
        return partial(self._transport.send, made_ready(signed(self._venue, self._signer, call)))

    async def run(self, listener: EventListener) -> None:
        """Return at once: nothing has to be kept up."""


class SocketWrites:
    """Writes go over the order socket while it is up and knows a word for them, and over REST otherwise."""

    def __init__(self, rest: RestWrites, socket: OrderSocket) -> None:
        self._rest = rest
        self.socket = socket

    def ready(self, call: Call) -> Send:
        """See `Writes`."""
        frame = self.socket.frame(call)
        return self._by_rest(call) if frame is None else partial(self._leave, call, frame)

    def _by_rest(self, call: Call) -> Send:
        self.socket.passed_by += 1
        return self._rest.ready(call)

    def _leave(self, call: Call, frame: tuple[str, str], timeout_s: float) -> Awaitable[HttpAnswer]:
        try:
            return self.socket.send(*frame, timeout_s)
        except SocketEnded:
            pass  # not a byte left: another way is free
        try:
            return self._by_rest(call)(timeout_s)
        except (VenueError, ValueError) as refused:
            never: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()
            never.set_exception(NeverSent(str(refused)))
            never.exception()  # seen: whoever waits may stop waiting
            return never

    async def run(self, listener: EventListener) -> None:
        """Keep the order socket up."""
        await self.socket.run(listener)
