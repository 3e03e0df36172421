"""Writes over pooled connections, kept warm: from the call to the kernel without a turn of the loop.

For requests that must be sent at once and at most once: orders and cancels. A connection carries one request at a time
and is used again only after a whole answer. It is not used after the venue has sent anything unasked, or has closed it.
So the three ends of `HttpTransport` stay exact. While no byte was passed to the kernel, a failure is `NeverSent`. After
that, everything but a whole answer is `AnswerLost`. Nothing is ever repeated.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable
from functools import partial

import msgspec

from arb.clock import NS_PER_S, Clock
from arb.venues.transport.address import Origin, origin_of
from arb.venues.transport.http import CONNECTIONS_MAX, KEEPALIVE_S, HttpAnswer, HttpTransport, Later, NeverSent
from arb.venues.transport.line import Line
from arb.venues.transport.request import HttpRequest, Outgoing, render
from arb.venues.transport.tls import WholeRecords, client_context
from arb.venues.transport.way import DIRECT, WayOut, connect


class PoolTiming(msgspec.Struct, frozen=True, kw_only=True):
    """How long connections are kept, in seconds.

    One that was idle for `idle_max_s` is not used; a warm one is replaced at `refresh_s` already. One that could not be
    made, or lived less than `redial_s`, is made again only after that time.
    """

    idle_max_s: float = KEEPALIVE_S
    refresh_s: float = KEEPALIVE_S * 2 / 3
    redial_s: float = 5.0
    dial_timeout_s: float = 10.0


WARM_CONNECTIONS = 2
HEARD_S = 0.05
"""How long, at most, to listen on a new connection before its first request; once more while a TLS record is not whole."""
HEARD_PARTS = 50
SPARE_CONNECTIONS_MAX = 8
"""How many connections a burst of orders may bring an origin to, so that the next of them finds one ready."""


class DirectTransport:
    """See `arb.venues.transport.http.WriteTransport`."""

    def __init__(
        self,
        clock: Clock,
        *,
        tls: ssl.SSLContext | None = None,
        timing: PoolTiming | None = None,
        way: WayOut = DIRECT,
    ) -> None:
        """Open nothing yet; `tls` replaces the system's trusted certificates."""
        self._way = way
        self._clock = clock
        self._timing = PoolTiming() if timing is None else timing
        self._idle_max_ns = int(self._timing.idle_max_s * NS_PER_S)
        self._tls = tls
        self._idle: dict[Origin, list[Line]] = {}
        self._lines: set[Line] = set()
        self._dialling = 0
        self._warm: dict[Origin, int] = {}
        self._refilling: dict[Origin, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def send(self, request: HttpRequest, timeout_s: float) -> Awaitable[HttpAnswer]:
        """Pass the request to the kernel now where a connection is ready, else when its answer is awaited.

        Awaiting returns the answer, or raises `NeverSent` or `AnswerLost`.
        """
        try:
            return self.write(render(request), timeout_s)
        except ValueError as error:
            return Later(partial(_never, f"no request that can be sent: {error}"))

    def write(self, request: Outgoing, timeout_s: float) -> Awaitable[HttpAnswer]:
        """See `send`. Before the bytes are out nothing is made to wait for them: no future, no timer, no task."""
        line = self._silent(request.origin)
        sent_ns = self._clock.wall_ns()
        if line is None or not line.write(request.data):
            return Later(partial(self._dial_and_ask, request, timeout_s))
        return Later(partial(line.answer, sent_ns, timeout_s))

    def standing(self, origin: Origin) -> Line | None:
        """Return a connection without unread bytes; where none is ready one is made, in the background."""
        idle = self._idle.get(origin)
        if idle and idle[-1].ready(self._clock.monotonic_ns() - self._idle_max_ns):
            return idle[-1]
        line = self._silent(origin)
        if line is None and origin in self._warm:
            self._spare(origin)
        elif line is None:
            self._keep(origin, WARM_CONNECTIONS)
        return line

    async def _dial_and_ask(self, request: Outgoing, timeout_s: float) -> HttpAnswer:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        deadline_s = began_s + timeout_s
        line = await self._dial(request.origin, timeout_s)
        try:
            await _listen(line, loop.time() - began_s)
        except asyncio.CancelledError:
            line.abort()
            raise
        left_s = deadline_s - loop.time()
        if left_s <= 0:
            self.put_back(line)
            raise NeverSent(f"no connection within {timeout_s:g} s")
        sent_ns = self._clock.wall_ns()
        if not (line.ready(0) and line.write(request.data)):
            line.abort()
            raise NeverSent("the venue closed the connection at once, or spoke before it was asked")
        return await line.answer(sent_ns, left_s, f"no answer within {timeout_s:g} s")

    def keep_warm(self, url: str, count: int = WARM_CONNECTIONS) -> None:
        """Hold `count` connections ready to the origin of `url` from now on; made, and made again, in the background."""
        scheme, _, rest = url.partition("://")
        self._keep(origin_of(scheme, rest.partition("/")[0]), count)

    def _keep(self, origin: Origin, count: int) -> None:
        if self._warm.get(origin) != count:
            self._warm[origin] = count
            self._refill(origin)

    async def close(self) -> None:
        self._closed = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        lines = tuple(self._lines)
        for line in lines:
            line.abort()
        await asyncio.gather(*(line.gone for line in lines))

    @property
    def connections(self) -> int:
        return len(self._lines)

    # The pool.

    def _silent(self, origin: Origin) -> Line | None:
        """Return the connection to use next, the one used latest; unusable ones are dropped."""
        idle = self._idle.get(origin)
        since_ns = self._clock.monotonic_ns() - self._idle_max_ns
        while idle:
            line = idle[-1]
            if line.ready(since_ns):
                return line
            idle.pop()
            if not line.asked:  # else taken in this turn of the loop, or its answer is not awaited
                line.abort()
        return None

    def _spare(self, origin: Origin) -> None:
        """Make one more connection while all are taken; with none at all the next attempt is scheduled already."""
        if origin not in self._warm or self._idle.get(origin) or self._refilling.get(origin):
            return
        if 0 < self._count(origin) < SPARE_CONNECTIONS_MAX:
            self._spawn(origin)

    def on_used(self, line: Line) -> None:
        self._no_longer_idle(line)
        self._spare(line.origin)

    def put_back(self, line: Line) -> None:
        if self._closed or not line.usable:
            line.abort()
            return
        line.rest()
        if line.watch is None:
            line.watch = asyncio.get_running_loop().call_later(self._timing.refresh_s, self._on_watch, line)
        self._idle.setdefault(line.origin, []).append(line)

    def _on_watch(self, line: Line) -> None:
        """End a connection that was idle for long; one that is to be warm stays until its successor is there."""
        idle = self._idle.get(line.origin, [])
        loop = asyncio.get_running_loop()
        left_s = self._timing.refresh_s
        if line in idle and not line.asked:
            left_s -= (self._clock.monotonic_ns() - line.idle_since_ns) / NS_PER_S
        elif line.forsaken():
            line.abort()  # the sender of a request on it has dropped the answer
            return
        if left_s > 0:
            line.watch = loop.call_later(left_s, self._on_watch, line)
        elif len(idle) > self._warm.get(line.origin, 0):
            idle.remove(line)
            line.abort()
        else:
            self._spawn(line.origin, replaces=line)

    def on_lost(self, line: Line) -> None:
        self._lines.discard(line)
        self._no_longer_idle(line)
        if self._closed or line.origin not in self._warm:
            return
        loop = asyncio.get_running_loop()
        redial_s = self._timing.redial_s
        lived = loop.time() - line.made_s >= redial_s
        loop.call_later(0.0 if lived else redial_s, self._refill, line.origin)

    def _no_longer_idle(self, line: Line) -> None:
        with contextlib.suppress(ValueError):
            self._idle.get(line.origin, []).remove(line)

    def _refill(self, origin: Origin) -> None:
        for _ in range(self._warm.get(origin, 0) - self._count(origin)):
            self._spawn(origin)

    def _count(self, origin: Origin) -> int:
        return sum(line.origin == origin for line in self._lines) + self._refilling.get(origin, 0)

    def _spawn(self, origin: Origin, replaces: Line | None = None) -> None:
        if self._closed:
            return
        self._refilling[origin] = self._refilling.get(origin, 0) + 1
        task = asyncio.get_running_loop().create_task(self._add(origin, replaces))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _add(self, origin: Origin, replaces: Line | None) -> None:
        try:
            line = await self._dial(origin, self._timing.dial_timeout_s)
        except NeverSent:
            # A sender dials for itself, and reports it; this only tries again.
            asyncio.get_running_loop().call_later(self._timing.redial_s, self._refill, origin)
        else:
            self.put_back(line)
        finally:
            self._refilling[origin] -= 1
        if replaces is not None and replaces in self._idle.get(origin, []):
            self._idle[origin].remove(replaces)
            replaces.abort()

    async def _dial(self, origin: Origin, timeout_s: float) -> Line:
        if len(self._lines) + self._dialling >= CONNECTIONS_MAX or self._closed:
            raise NeverSent("closed" if self._closed else f"{CONNECTIONS_MAX} connections are open already")
        self._dialling += 1
        loop = asyncio.get_running_loop()
        made_s = loop.time()
        try:
            async with asyncio.timeout(timeout_s):
                line = await connect(
                    lambda: Line(origin, self._clock, self, made_s),
                    origin,
                    self._context() if origin.tls else None,
                    self._way,
                )
        except TimeoutError:
            raise NeverSent(f"no connection within {timeout_s:g} s{self._way.by(origin.host)}") from None
        except (
            OSError,
            UnicodeError,
        ) as error:  # refused, unreachable, no such host, a certificate that is not trusted
            raise NeverSent(f"{type(error).__name__}: {error}{self._way.by(origin.host)}") from error
        finally:
            self._dialling -= 1
        if line.gone.done():
            raise NeverSent("the venue closed the connection at once")
        self._lines.add(line)
        return line

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = client_context(whole_records=True)
        self._tls.sslobject_class = WholeRecords
        return self._tls


async def _listen(line: Line, dialled_s: float) -> None:
    """Wait for bytes that a venue sends before any request: they arrive one round trip after the connection is made.

    A TLS session ticket may arrive as this time ends. The line is ready again once the loop has read it.
    """
    await asyncio.sleep(min(HEARD_S, dialled_s / 2))
    for _ in range(HEARD_PARTS):
        if line.ready(0) or not line.usable:
            break
        await asyncio.sleep(HEARD_S / HEARD_PARTS)


async def _never(why: str) -> HttpAnswer:
    raise NeverSent(why)


class VenueTransport:
    """Carry writes over `writes` and questions over `reads`; a first question makes the connections for writes ready."""

    def __init__(self, reads: HttpTransport, writes: DirectTransport) -> None:
        self._reads = reads
        self._writes = writes
        self.write = writes.write
        self.standing = writes.standing

    def send(self, request: HttpRequest, timeout_s: float) -> Awaitable[HttpAnswer]:
        """Return the answer, once awaited; a write is sent at once. Raises as its transport does."""
        if request.method != "GET":
            return self._writes.send(request, timeout_s)
        self._writes.keep_warm(request.url)
        return self._reads.send(request, timeout_s)

    async def close(self) -> None:
        await self._writes.close()
        await self._reads.close()
