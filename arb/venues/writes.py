"""How an order or a cancel leaves: made ready first, and then handed to the network in one call.

Over REST, or over the venue's order socket where the user wants that. Whatever carries it, the answer has one form
(`HttpAnswer`) and the attempt one of the three ends of `arb.venues.transport.http`. The order socket never gets anything that
it has not taken at once: while it is down, what would have gone there goes over REST, which is logged and counted.
"""

import asyncio
from collections.abc import Awaitable
from typing import NamedTuple, Protocol

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


class Signer(Protocol):
    """The part of a venue's client that a gateway uses."""

    server_offset_ns: int
    timeout_on_exit: int

    def signed(self, call: Call) -> HttpRequest:
        """Return the request of a call; see `GuardedClient.signed`."""

    async def close(self) -> None:
        """Release sockets."""


class ReadyFrame(NamedTuple):
    """A write as the text of a frame for the order socket; `call` is what it was made of."""

    request_id: str
    text: str
    call: Call


Ready = HttpRequest | ReadyFrame
"""A write that is signed and rendered: handing it over is all there is left to do."""


def signed(venue: str, signer: Signer, call: Call) -> HttpRequest:
    """Sign a call; raises `VenueError` (`SigningRefused` by the guard): then nothing was sent."""
    try:
        return signer.signed(call)
    except SigningRefused:
        raise
    except (ccxt.BaseError, ArbError, ValueError) as error:
        raise VenueUnreachable(venue, f"not signed: {error}", code=NOT_SENT) from error


class Writes:
    """The way out for writes: over the order socket while there is one, it is up and has a frame for them; else over REST."""

    def __init__(self, venue: str, signer: Signer, transport: HttpTransport, socket: OrderSocket | None = None) -> None:
        self.socket = socket
        self._venue = venue
        self._signer = signer
        self._transport = transport

    def ready(self, call: Call) -> Ready:
        """Make a write ready to leave; raise `VenueError` (or `ValueError`) when it cannot: then nothing was sent."""
        if self.socket is not None:
            frame = self.socket.frame(call)
            if frame is not None:
                return ReadyFrame(*frame, call)
            self.socket.passed_by += 1
        return made_ready(signed(self._venue, self._signer, call))

    def send(self, ready: Ready, timeout_s: float) -> Awaitable[HttpAnswer]:
        """Hand a write to the network, once, and wait at most `timeout_s` for its answer; see `HttpTransport.send`."""
        if isinstance(ready, HttpRequest):
            return self._transport.send(ready, timeout_s)
        assert self.socket is not None
        try:
            return self.socket.send(ready.request_id, ready.text, timeout_s)
        except SocketEnded:
            self.socket.passed_by += 1  # not a byte left: another way is free
        try:
            return self._transport.send(made_ready(signed(self._venue, self._signer, ready.call)), timeout_s)
        except (VenueError, ValueError) as refused:
            never: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()
            never.set_exception(NeverSent(str(refused)))
            never.exception()  # seen: whoever waits may stop waiting
            return never

    async def run(self, listener: EventListener) -> None:
        """Keep the order socket up until cancelled; return at once where there is none."""
        if self.socket is not None:
            await self.socket.run(listener)
