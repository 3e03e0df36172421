"""A venue's websocket for orders: requests out at once, answers matched by the request's own id, nothing ever sent
again.

A separate connection, logged in before it is used. A request is passed to the network in the call that sends it or not
at all (`SocketEnded`), so nothing is queued here to be sent later, least of all over a reconnect. Some venues answer
twice: first that the frame was received, which is no outcome of the order, and then with the outcome; only the second
counts. A repeated answer, or one that is no longer awaited, changes nothing. When the connection ends, every request
under way is lost, not failed: a query of the order finds its outcome.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec

from arb.clock import NS_PER_S, Clock
from arb.core.messages.events import TroubleReported
from arb.core.messages.incidents import IncidentKind
from arb.errors import VenueProtocolError
from arb.venues.kit.base import EventListener
from arb.venues.kit.call import Call
from arb.venues.transport.address import Address, ConnectionTiming
from arb.venues.transport.connection import StreamConnection
from arb.venues.transport.frames import PerSecond
from arb.venues.transport.http import AnswerLost, HttpAnswer
from arb.venues.transport.network import Network, SocketEnded

_LOG = logging.getLogger(__name__)
WAITING_MAX = 1024
LOGIN_S = 10.0
USELESS_PER_S = 200
"""How many frames that answer no request a venue may send in a second."""


class SocketAnswer(NamedTuple):
    """The outcome of one request, in the form of an HTTP answer; header names are lower case."""

    request_id: str
    status: int
    headers: dict[str, str]
    body: bytes


class SocketFrame(msgspec.Struct, frozen=True):
    """The contents of one frame. `received`: the id of a request that was received, and no more than that.

    `ready`: logged in. `useless`: why the connection is of no use any more (a refused login, an announced end, a frame
    that cannot be read).
    """

    answer: SocketAnswer | None = None
    received: str | None = None
    ready: bool = False
    useless: str | None = None


NOTHING = SocketFrame()


class SocketDialect(Protocol):
    """A venue's frames on its order socket; pure but for the signer's guard."""

    venue: str

    def greetings(self, now_ns: int) -> tuple[str, ...]:
        """Return the login messages. `now_ns` is the venue's time."""

    def ping(self, now_ns: int) -> str | None: ...

    def frame(self, request_id: str, call: Call) -> str | None:
        """Return the text of a write, admitted by the guard; None where the socket has no frame for it.

        Raises `VenueError` when it may not be sent.
        """

    def on_frame(self, raw: bytes) -> SocketFrame:
        """Read one frame; raise `VenueProtocolError` when it cannot be read."""


class _Waiting:
    __slots__ = ("answer", "received", "sent_ns", "timer")

    def __init__(self, answer: "asyncio.Future[HttpAnswer]", timer: asyncio.TimerHandle, sent_ns: int) -> None:
        self.answer = answer
        self.timer = timer
        self.sent_ns = sent_ns
        self.received = False


class OrderSocket:
    """A connection that sends requests at once or not at all, and matches answers by the request's id.

    `logged_in` is set while writes may go this way; `passed_by` counts those that had to go another since it last was not.
    """

    def __init__(
        self,
        address: Address,
        dialect: SocketDialect,
        *,
        clock: Clock,
        rng: random.Random,
        offset_ns: Callable[[], int],
        timing: ConnectionTiming | None = None,
        network: Network | None = None,
    ) -> None:
        self.passed_by = 0
        self.logged_in = asyncio.Event()
        self._dialect = dialect
        self._clock = clock
        self._offset_ns = offset_ns
        self._listener: EventListener | None = None
        self._count = 0
        self._opened_ns = 0
        self._over = False
        self._down_reported = False
        self._waiting: dict[str, _Waiting] = {}
        self._useless = PerSecond(USELESS_PER_S)
        self._connection = StreamConnection(
            address,
            clock=clock,
            rng=rng,
            greetings=lambda: dialect.greetings(self._venue_ns()),
            on_frame=self._on_frame,
            on_down=self._on_down,
            on_up=self._on_open,
            on_tick=self._on_tick,
            ping=lambda: dialect.ping(self._venue_ns()),
            timing=timing,
            network=network,
        )

    @property
    def up(self) -> bool:
        return self.logged_in.is_set()

    @property
    def under_way(self) -> int:
        return len(self._waiting)

    async def run(self, listener: EventListener) -> None:
        """Keep the connection up and logged in until cancelled; requests then under way are lost."""
        self._listener = listener
        try:
            await self._connection.run()
        finally:
            self.logged_in.clear()
            self._lose_all("stopped")

    def frame(self, call: Call) -> tuple[str, str] | None:
        """Return (request id, text) of a write; None while the socket is down or where it has no frame for it.

        Raises `VenueError` when the write may not be sent.
        """
        if not self.up or len(self._waiting) >= WAITING_MAX:
            return None
        self._count += 1
        request_id = f"r{self._count}"
        text = self._dialect.frame(request_id, call)
        return None if text is None else (request_id, text)

    def send(self, request_id: str, text: str, timeout_s: float) -> "asyncio.Future[HttpAnswer]":
        """Pass the frame to the network now, or raise `SocketEnded` and send nothing.

        The future holds the answer, or `AnswerLost`.
        """
        if not self.up:
            raise SocketEnded("not logged in")
        loop = asyncio.get_running_loop()
        sent_ns = self._clock.wall_ns()
        self._connection.write(text)
        answer: asyncio.Future[HttpAnswer] = loop.create_future()
        timer = loop.call_later(timeout_s, self._on_late, request_id, timeout_s, self._clock.monotonic_ns())
        self._waiting[request_id] = _Waiting(answer, timer, sent_ns)
        answer.add_done_callback(lambda _: self._forget(request_id))
        return answer

    # The received frames.

    def _on_frame(self, received_ns: int, raw: bytes) -> None:
        try:
            frame = self._dialect.on_frame(raw)
        except VenueProtocolError as error:
            # It may have been the answer to any request: all that wait get `AnswerLost`.
            self._end(str(error))
            return
        if (frame.received or (frame.answer and frame.answer.request_id)) not in self._waiting:
            self._connection.bound(self._useless)
        if frame.answer is not None:
            self._on_answer(frame.answer, received_ns)
        if frame.received is not None and frame.received in self._waiting:
            self._waiting[frame.received].received = True
        if frame.ready and not self.up and not self._over:
            self._on_ready()
        if frame.useless is not None:
            self._end(frame.useless)

    def _on_answer(self, answer: SocketAnswer, received_ns: int) -> None:
        waiting = self._waiting.get(answer.request_id)
        if waiting is None or waiting.answer.done():
            _LOG.debug("%s: an unawaited answer to %s", self._dialect.venue, answer.request_id)
            return
        status, headers, body = answer.status, answer.headers, answer.body
        whole = HttpAnswer(status, headers, body, waiting.sent_ns, received_ns)
        waiting.answer.set_result(whole)

    def _on_ready(self) -> None:
        self.logged_in.set()
        _LOG.info("%s: the order socket is up; %d writes went over REST meanwhile", self._dialect.venue, self.passed_by)
        self.passed_by = 0

    def _on_late(self, request_id: str, timeout_s: float, asked_ns: int) -> None:
        waiting = self._waiting.get(request_id)
        if waiting is None:
            return
        self._fail(waiting, f"no answer within {timeout_s:g} s")
        if self._connection.last_byte_ns < asked_ns:
            # Not even a receipt or a pong: no more is to be sent on a connection that may be dead.
            self._end(f"no frame for {timeout_s:g} s after an order")

    # How it ends.

    def _on_open(self) -> None:
        self._opened_ns = self._clock.monotonic_ns()
        self._over = False

    def _on_tick(self) -> None:
        if not self.up and self._clock.monotonic_ns() - self._opened_ns > LOGIN_S * NS_PER_S:
            self._end(f"not logged in within {LOGIN_S:g} s")

    def _end(self, cause: str) -> None:
        """Use the connection no more from this moment; the next one is made with back-off."""
        self._over = True
        self._go_down(cause)
        self._connection.drop(cause)

    def _on_down(self, cause: str) -> None:
        reported, self._down_reported = self._down_reported, False
        if self.up:
            self._go_down(cause)
            self._down_reported = False
        elif not reported:
            _LOG.warning("%s: no order socket: %s", self._dialect.venue, cause)

    def _go_down(self, cause: str) -> None:
        was_up = self.up
        self.logged_in.clear()
        self._lose_all(cause)
        if was_up and self._listener is not None:
            text = f"{self._dialect.venue}: the order socket is down, orders go over REST until it is back: {cause}"
            _LOG.warning("%s", text)
            self._down_reported = True
            self._listener(TroubleReported(kind=IncidentKind.ORDER_SOCKET, text=text))

    def _lose_all(self, cause: str) -> None:
        for waiting in tuple(self._waiting.values()):
            self._fail(waiting, f"the order socket ended: {cause}")

    def _fail(self, waiting: _Waiting, why: str) -> None:
        if not waiting.answer.done():
            receipt = "received" if waiting.received else "no receipt"
            waiting.answer.set_exception(AnswerLost(f"{why} ({receipt})"))
            waiting.answer.exception()  # retrieved: its caller may have stopped waiting

    def _forget(self, request_id: str) -> None:
        waiting = self._waiting.pop(request_id, None)
        if waiting is not None:
            waiting.timer.cancel()

    def _venue_ns(self) -> int:
        return self._clock.wall_ns() + self._offset_ns()
