"""The network in memory: the same requests, answers and frames that sockets would carry, to the same sandbox core.

`Network` is the outside of the virtual loop. It hands what the process sends to the world, moves the clock from one event
to the next while the process waits, and hands back what arrives. It belongs to the world and outlives any one process.
"""

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from urllib.parse import urlsplit

from arb.clock import NS_PER_MS, NS_PER_S, Clock, ManualClock
from arb.sandbox.wire import CLOSED
from arb.sandbox.wire import HttpAnswer as VenueAnswer
from arb.sandbox.wire import HttpRequest as VenueRequest
from arb.sandbox.world import REST_PREFIXES, WS_PATHS, HttpReply, SimWorld, WsText, venue_of_path
from arb.venues.transport.address import Origin
from arb.venues.transport.http import AnswerLost, HttpAnswer, Later, NeverSent
from arb.venues.transport.network import NO_HEADERS, SocketEnded
from arb.venues.transport.request import HttpRequest, Outgoing, request_of
from proofs.faultsim.faults import Life, Line, Point

IDLE_MAX_NS = 3_600 * NS_PER_S
HANDSHAKE_MS = (5, 40)


class Network:
    """Join the simulated venues to the process that lives right now, and move the clock while that waits."""

    def __init__(self, world: SimWorld, clock: ManualClock, rng: random.Random) -> None:
        self.world = world
        self.clock = clock
        self.lines: dict[str, Line] = {venue: Line() for venue in world.venues}
        self.on_leaving: Callable[[str], None] = lambda text: None
        """Called with each request and each frame of the process, as it leaves."""
        self._rng = rng
        self._mail: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._waiting: dict[int, tuple[str, asyncio.Future[VenueAnswer | None]]] = {}
        self._sockets: dict[int, MemorySocket] = {}

    def begin(self, life: Life, clock: Clock) -> "MemoryNetwork":
        """Give a new process its network; `clock` is its own."""
        return MemoryNetwork(self, life, clock)

    def end(self) -> None:
        """Drop every connection of the process that has just died; what it had sent stays under way."""
        self._waiting.clear()
        for session_id, socket in self._sockets.items():
            self.world.close_session(session_id, self.clock.wall_ns())
            socket.forget()
        self._sockets.clear()

    def reset(self, venue: str) -> None:
        """Break every connection to a venue."""
        for token, (held_by, waiting) in list(self._waiting.items()):
            if held_by == venue:
                del self._waiting[token]
                _settle(waiting, None)
        for socket in list(self._sockets.values()):
            if socket.venue == venue:
                self.hang_up(socket, "connection reset")

    # The outside of the loop.

    def run_until(self, deadline_ns: int | None) -> None:
        """Let the world go on to the next arrival, or to the deadline."""
        clock, world = self.clock, self.world
        limit_ns = clock.wall_ns() + IDLE_MAX_NS if deadline_ns is None else deadline_ns
        arrived = False
        while not arrived:
            due = world.next_ns()
            if self._mail and (due is None or self._mail[0][0] <= due):
                due = self._mail[0][0]
            if due is None or due > limit_ns:
                if deadline_ns is None:
                    raise RuntimeError("everything waits and nothing is due: this would never end")
                clock.advance_to(limit_ns)
                return
            clock.advance_to(due)
            arrived = self._step(clock.wall_ns())

    def skip(self, delta_ns: int) -> None:
        """Let time pass in which nothing happens in the world: all that is under way there comes later by as much."""
        self._mail = [(due_ns + delta_ns, number, deliver) for due_ns, number, deliver in self._mail]
        self.clock.advance_to(self.clock.wall_ns() + delta_ns)
        self.world.scheduler.skip_to(self.clock.wall_ns())

    def _step(self, now_ns: int) -> bool:
        """Run what is due by now; return whether anything reached the process."""
        arrived = False
        while self._mail and self._mail[0][0] <= now_ns:
            heapq.heappop(self._mail)[2]()
            arrived = True
        for output in self.world.advance(now_ns):
            if isinstance(output, HttpReply):
                arrived |= self._on_reply(output, now_ns)
                continue
            socket = self._sockets.get(output.session_id)
            if socket is None:
                continue
            delay_ns = self.lines[socket.venue].delay_ns(now_ns)
            text = output.text if isinstance(output, WsText) else None
            self._send(max(now_ns + delay_ns, socket.last_arrival_ns), now_ns, lambda s=socket, t=text: s.arrive(t))  # type: ignore[misc]
            socket.last_arrival_ns = max(now_ns + delay_ns, socket.last_arrival_ns)
            self.lines[socket.venue].passed(text, now_ns)
            arrived |= delay_ns == 0
        return arrived

    def _on_reply(self, reply: HttpReply, now_ns: int) -> bool:
        held = self._waiting.pop(reply.token, None)
        if held is None or reply.answer is None:
            return False
        venue, waiting = held
        line, answer = self.lines[venue], reply.answer
        if answer is CLOSED or line.lost("net_answer_lost"):
            _settle(waiting, None)
            return True
        delay_ns = line.delay_ns(now_ns)
        self._send(now_ns + delay_ns, now_ns, lambda: _settle(waiting, answer))
        return delay_ns == 0

    def _send(self, at_ns: int, now_ns: int, deliver: Callable[[], None]) -> None:
        if at_ns <= now_ns:
            deliver()
        else:
            self._count += 1
            heapq.heappush(self._mail, (at_ns, self._count, deliver))

    # Out.

    def submit(self, venue: str, request: VenueRequest) -> "asyncio.Future[VenueAnswer | None]":
        """Send a request on its way; the future brings the answer, or None when the connection breaks."""
        self.on_leaving(request.body.decode())
        now_ns, line = self.clock.wall_ns(), self.lines[venue]
        waiting: asyncio.Future[VenueAnswer | None] = asyncio.get_running_loop().create_future()
        if not line.lost("net_request_lost"):
            self._send(now_ns + line.delay_ns(now_ns), now_ns, lambda: self._arrive(venue, request, waiting))
        return waiting

    def _arrive(self, venue: str, request: VenueRequest, waiting: "asyncio.Future[VenueAnswer | None]") -> None:
        token = self.world.submit(request, self.clock.wall_ns())
        if token is not None:
            self._waiting[token] = (venue, waiting)

    async def dial(self, url: str, life: Life) -> "MemorySocket":
        """Open a websocket after a handshake; raise `SocketEnded` when the line refuses."""
        path = urlsplit(url).path
        venue = venue_of_path(path, WS_PATHS)
        assert venue is not None, f"no venue listens at {url}"
        now_ns = self.clock.wall_ns()
        delay_ns = self.lines[venue].delay_ns(now_ns) + self._rng.randint(*HANDSHAKE_MS) * NS_PER_MS
        await asyncio.sleep(delay_ns / NS_PER_S)
        life.passes(Point.BEFORE_REQUEST)
        if self.lines[venue].refused(self.clock.wall_ns()):
            raise SocketEnded("connection refused")
        session_id = self.world.open_session(path, self.clock.wall_ns())
        if session_id is None:
            raise SocketEnded("closed by the venue")
        socket = MemorySocket(self, venue, session_id, life)
        self._sockets[session_id] = socket
        return socket

    def send_frame(self, socket: "MemorySocket", text: str) -> None:
        """Send a frame to the venue."""
        self.on_leaving(text)
        now_ns = self.clock.wall_ns()
        at_ns = max(now_ns + self.lines[socket.venue].delay_ns(now_ns), socket.last_sent_ns)
        socket.last_sent_ns = at_ns
        session_id = socket.session_id
        self._send(at_ns, now_ns, lambda: self.world.receive(session_id, text, self.clock.wall_ns()))

    def hang_up(self, socket: "MemorySocket", cause: str) -> None:
        """End a websocket from our side, or break it."""
        if self._sockets.pop(socket.session_id, None) is not None:
            self.world.close_session(socket.session_id, self.clock.wall_ns())
            socket.broken(cause)


class MemoryNetwork:
    """See `arb.venues.transport.network.Network`: the network of one life."""

    def __init__(self, network: Network, life: Life, clock: Clock) -> None:
        self._network = network
        self._life = life
        self._clock = clock

    def http(self) -> "MemoryTransport":
        """Return a carrier of requests."""
        return MemoryTransport(self._network, self._life, self._clock)

    async def dial(self, url: str, headers: Mapping[str, str] = NO_HEADERS) -> "MemorySocket":
        """Open a websocket; a sandbox has no headers of its own."""
        return await self._network.dial(url, self._life)


class MemoryTransport:
    """See `arb.venues.transport.http.HttpTransport`."""

    def __init__(self, network: Network, life: Life, clock: Clock) -> None:
        self._network = network
        self._life = life
        self._clock = clock

    def send(self, request: HttpRequest, timeout_s: float) -> Awaitable[HttpAnswer]:
        """Return the answer, once awaited; a write leaves at once, as where a connection stands ready, a question only then.

        Awaiting raises `NeverSent` or `AnswerLost`.
        """
        if request.method == "GET":
            return Later(partial(self._ask, request, timeout_s))
        return Later(partial(self.answer, self.leave(request), self._clock.wall_ns(), timeout_s))

    def write(self, request: Outgoing, timeout_s: float) -> Awaitable[HttpAnswer]:
        """As `send`."""
        return self.send(request_of(request), timeout_s)

    def standing(self, origin: Origin) -> "MemoryConnection":
        """Return a connection: a line that refuses does so when it is tried."""
        return MemoryConnection(self, origin)

    async def _ask(self, request: HttpRequest, timeout_s: float) -> HttpAnswer:
        return await self.answer(self.leave(request), self._clock.wall_ns(), timeout_s)

    def leave(self, request: HttpRequest) -> "asyncio.Future[VenueAnswer | None] | None":
        """Send a request on its way; return what brings its answer, None where no connection can be made."""
        network = self._network
        parts = urlsplit(request.url)
        venue = venue_of_path(parts.path, REST_PREFIXES)
        assert venue is not None, f"no venue answers at {request.url}"
        self._life.passes(Point.BEFORE_REQUEST)
        if network.lines[venue].refused(network.clock.wall_ns()):
            return None
        waiting = network.submit(venue, _as_received(request, parts.path, parts.query))
        self._life.passes(Point.AFTER_REQUEST)
        return waiting

    async def answer(
        self, waiting: "asyncio.Future[VenueAnswer | None] | None", sent_ns: int, timeout_s: float
    ) -> HttpAnswer:
        if waiting is None:
            raise NeverSent("connection refused")
        try:
            async with asyncio.timeout(timeout_s):
                answer = await waiting
        except TimeoutError:
            raise AnswerLost(f"no answer within {timeout_s:g} s") from None
        self._life.passes(Point.BEFORE_ANSWER)
        if answer is None:
            raise AnswerLost("connection reset")
        headers = {name.lower(): value for name, value in answer.headers.items()} | {
            "content-type": answer.content_type
        }
        return HttpAnswer(answer.status, headers, bytes(answer.body), sent_ns, self._clock.wall_ns())

    async def close(self) -> None:
        """Nothing is held."""


class MemoryConnection:
    """See `arb.venues.transport.http.Connection`."""

    def __init__(self, transport: MemoryTransport, origin: Origin) -> None:
        self._transport = transport
        self._origin = origin
        self._waiting: asyncio.Future[VenueAnswer | None] | None = None

    def write(self, data: bytes) -> bool:
        """Send the request on its way."""
        self._waiting = self._transport.leave(request_of(Outgoing(self._origin, data)))
        return True

    async def answer(self, sent_ns: int, timeout_s: float) -> HttpAnswer:
        """Return the answer; raises as `MemoryTransport.send` does."""
        return await self._transport.answer(self._waiting, sent_ns, timeout_s)


class MemorySocket:
    """See `arb.venues.transport.network.Socket`."""

    def __init__(self, network: Network, venue: str, session_id: int, life: Life) -> None:
        self.venue = venue
        self.session_id = session_id
        self.last_arrival_ns = 0
        self.last_sent_ns = 0
        self._network = network
        self._life = life
        self._frames: deque[bytes] = deque()
        self._ended: str | None = None
        self._reader: asyncio.Future[None] | None = None

    def arrive(self, text: str | None) -> None:
        """Take a frame from the venue; None: it closed the connection."""
        if self._ended is not None:
            return
        if text is None:
            self.broken("closed by the venue (1006)")
        else:
            self._frames.append(text.encode())
            self._wake()

    def broken(self, cause: str) -> None:
        """Take note that nothing more will come."""
        self._ended = cause
        self._wake()

    def forget(self) -> None:
        """End without waking anybody: the process that held this is dead."""
        self._ended = "dead"

    async def read(self, on_frame: Callable[[bytes], None], on_read: Callable[[], None]) -> str:
        """Hand over every frame as it comes, until none will come any more; return why."""
        while self._frames or self._ended is None:
            if not self._frames:
                self._reader = asyncio.get_running_loop().create_future()
                await self._reader
            while self._frames:
                self._life.passes(Point.BEFORE_ANSWER)
                on_frame(self._frames.popleft())
            on_read()
        return self._ended

    def write(self, text: str) -> None:
        """Hand one frame to the network; raise `SocketEnded` when the connection is over."""
        if self._ended is not None:
            raise SocketEnded(f"cannot send: {self._ended}")
        self._life.passes(Point.BEFORE_REQUEST)
        self._network.send_frame(self, text)

    async def close(self) -> None:
        """End the connection."""
        self._network.hang_up(self, "closed by us")

    def unread(self) -> bool:
        """Return whether frames wait, as they always do on a busy feed."""
        return bool(self._frames) or self._network.world.is_busy(self.session_id)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


def _settle(waiting: "asyncio.Future[VenueAnswer | None]", answer: VenueAnswer | None) -> None:
    # The future of a process that has died belongs to a loop that is closed: nobody waits there.
    if not waiting.done() and not waiting.get_loop().is_closed():
        waiting.set_result(answer)


def _as_received(request: HttpRequest, path: str, query: str) -> VenueRequest:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return VenueRequest(request.method, path, query, headers, (request.body or "").encode())
