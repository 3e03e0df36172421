"""One websocket, kept up: connect, greet, keep alive, deliver every frame, and reconnect after a loss.

It understands no frame. It stamps each with the instant of receipt and delivers it at once, where the loop received it;
it has no queue, so nothing can pile up here. Subscriptions are lost with the connection: `greetings` are sent again
each time. Where the venue announces the end of a connection, or always ends it at a certain age, the next one is opened
first.
"""

import asyncio
import contextlib
import math
import random
from collections.abc import Awaitable, Callable, Iterable

from arb.clock import NS_PER_S, Clock
from arb.errors import VenueError
from arb.masking import clean
from arb.venues.transport.address import Address, ConnectionTiming
from arb.venues.transport.frames import PerSecond
from arb.venues.transport.network import Network, Socket, SocketEnded, SystemNetwork
from arb.venues.transport.retry import RECONNECTS, Backoff, Trouble, next_delay_s
from arb.venues.transport.websocket import nothing

OUTBOX_MAX = 1024
# A connection that was up this long was good: the next failure starts counting from one.
STEADY_S = 30.0
# The most and the least time by which the next connection is opened before the venue ends an old one; not all at once.
RENEWED_AHEAD_S = (600.0, 60.0)


class StreamConnection:
    """A websocket, reconnected after a loss. All callbacks are called on the loop's thread and must not block or raise.

    `admit` waits until the venue allows another connection; the time to connect counts from then on.
    """

    def __init__(
        self,
        address: Address,
        *,
        clock: Clock,
        rng: random.Random,
        greetings: Callable[[], Iterable[str]],
        on_frame: Callable[[int, bytes], None],
        on_down: Callable[[str], None],
        ping: Callable[[], str | None],
        on_up: Callable[[], None] | None = None,
        on_tick: Callable[[], None] | None = None,
        timing: ConnectionTiming | None = None,
        backoff: Backoff = RECONNECTS,
        network: Network | None = None,
        admit: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._address = address
        self._clock = clock
        self._rng = rng
        self._greetings = greetings
        self._on_frame = on_frame
        self._on_down = on_down
        self._ping = ping
        self._on_up = on_up
        self._on_tick = on_tick
        self._on_read: Callable[[], None] = nothing
        self._timing = timing if timing is not None else ConnectionTiming()
        self._backoff = backoff
        self._network: Network = SystemNetwork(clock) if network is None else network
        self._admit = admit
        self._socket: Socket | None = None
        self._outbox: asyncio.Queue[str] = asyncio.Queue(OUTBOX_MAX)
        self._cause: str | None = None
        self._closer: asyncio.Task[None] | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._next: Socket | None = None
        self.last_byte_ns = 0

    async def run(self, on_read: Callable[[], None] = nothing) -> None:
        """Keep the connection up until cancelled; exceptions of the listeners end it, and it may be run again.

        `on_read` is called each time all frames received at once were delivered.
        """
        self._on_read = on_read
        attempt = 0
        try:
            while True:
                attempt = await self._live_once(attempt)
        finally:
            await self._end_renewal()

    async def _live_once(self, attempt: int) -> int:
        """Live through one connection, and wait before the next one; return how many have failed in a row."""
        started_ns = self._clock.monotonic_ns()
        try:
            cause = await self._live()
        except Exception as error:  # a bug in a listener: the user of the connection must know that it is gone
            self._on_down(clean(f"bug: {error!r}"))
            raise
        if (self._clock.monotonic_ns() - started_ns) / NS_PER_S >= STEADY_S:
            attempt = 0
        attempt += 1
        self._on_down(cause)
        if self._next is None:
            delay_s = next_delay_s(self._backoff, attempt, Trouble.UNREACHABLE, 0.0, self._rng)
            await asyncio.sleep(self._backoff.cap_s if delay_s is None else delay_s)
        return attempt

    def send(self, text: str) -> bool:
        """Queue one message; False when there is no connection or too much is queued."""
        if self._socket is None or self._outbox.full():
            return False
        self._outbox.put_nowait(text)
        return True

    def write(self, text: str) -> None:
        """Pass one message to the network now, before queued ones; raise `SocketEnded` when no byte of it can be sent."""
        if self._socket is None or self._cause is not None:
            raise SocketEnded("no connection")
        self._socket.write(text)

    def drop(self, cause: str) -> None:
        if self._socket is None or self._cause is not None:
            return
        self._cause = cause
        # Wakes the reader at once; whether the venue still answers the close does not matter.
        self._closer = asyncio.create_task(self._socket.close())

    def renew(self, cause: str) -> None:
        """Open the next connection, and switch to it once it is up. If that fails, the present one continues, and may be
        renewed again.
        """
        idle = self._renewal is None or (self._renewal.done() and self._next is None)
        if self._socket is not None and self._cause is None and idle:
            self._renewal = asyncio.create_task(self._open_next(cause))

    def unread(self) -> bool:
        return self._socket is not None and self._socket.unread()

    # Inner workings.

    async def _live(self) -> str:
        """Live through one connection; return why it ended."""
        self._cause = None
        if self._next is not None:
            socket, self._next, self._renewal = self._next, None, None
        else:
            try:
                socket = await self._dial()
            except SocketEnded as error:
                return str(error)
        self._outbox = asyncio.Queue(OUTBOX_MAX)
        self._socket = socket
        self.last_byte_ns = self._clock.monotonic_ns()
        helpers = [asyncio.create_task(self._write(socket)), asyncio.create_task(self._keep_alive(socket))]
        try:
            if self._on_up is not None:
                self._on_up()
            if not all(self.send(text) for text in self._greetings()):
                return f"more than {OUTBOX_MAX} messages to greet with"
            ended = await socket.read(self._on_raw, self._on_read)
            return self._cause or ended
        finally:
            self._socket = None
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            await socket.close()
            if self._next is None:
                await self._end_renewal()

    async def _dial(self) -> Socket:
        """Open a connection; raise `SocketEnded` when that fails or takes too long."""
        if self._admit is not None:
            await self._admit()
        try:
            async with asyncio.timeout(self._timing.connect_timeout_s):
                return await self._network.dial(await self._address())
        except VenueError as error:
            raise SocketEnded(str(error)) from error
        except TimeoutError:
            raise SocketEnded(f"no connection within {self._timing.connect_timeout_s:g} s") from None

    async def _open_next(self, cause: str) -> None:
        with contextlib.suppress(SocketEnded):
            self._next = await self._dial()
            self.drop(cause)

    async def _end_renewal(self) -> None:
        """Forget a connection that was to be the next one, and close it if it is not in use yet."""
        renewal, self._renewal = self._renewal, None
        if renewal is not None:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
        if self._next is not None:
            socket, self._next = self._next, None
            await socket.close()

    def bound(self, rate: PerSecond, count: int = 1) -> None:
        """Count frames that are of no use; a flood of them ends the connection."""
        if rate.exceeded(self._clock.monotonic_ns() / NS_PER_S, count):
            self.drop("more frames of no use in a second than a venue has reason to send")

    def _on_raw(self, raw: bytes) -> None:
        if self._cause is not None:
            return  # the connection is being ended
        self.last_byte_ns = self._clock.monotonic_ns()
        self._on_frame(self._clock.wall_ns(), raw)

    async def _write(self, socket: Socket) -> None:
        while True:
            text = await self._outbox.get()
            try:
                socket.write(text)
            except SocketEnded as error:
                self.drop(str(error))
                return
            if self._timing.send_gap_s:
                await asyncio.sleep(self._timing.send_gap_s)

    async def _keep_alive(self, socket: Socket) -> None:
        timing = self._timing
        began_ns = pinged_ns = self._clock.monotonic_ns()
        ends_s = timing.lifetime_s - self._rng.uniform(*RENEWED_AHEAD_S) if timing.lifetime_s else math.inf
        while True:
            await asyncio.sleep(min(1.0, timing.heartbeat_s))
            now_ns = self._clock.monotonic_ns()
            if (now_ns - began_ns) / NS_PER_S >= ends_s:
                self.renew(f"the venue ends connections after {timing.lifetime_s:g} s")
            if now_ns - self.last_byte_ns > timing.silence_s * NS_PER_S:
                self.drop(f"silent for {timing.silence_s:g} s")
                return
            if now_ns - pinged_ns >= timing.heartbeat_s * NS_PER_S:
                pinged_ns = now_ns
                text = self._ping()
                if text is not None:
                    self.send(text)
            if self._on_tick is not None:
                self._on_tick()
