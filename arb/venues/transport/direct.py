"""Writes over connections of our own, kept warm: from the call to the kernel without a turn of the loop.

For requests that must leave at once and at most once, which are orders and cancels. A connection carries one request at a time
and is used again only after a whole answer; one on which the venue has said anything unasked, or has closed, is not used. So
the three ends of `HttpTransport` stay exact: while no byte was handed to the kernel a failure is `NeverSent`, from then on
everything but a whole answer is `AnswerLost`, and nothing is ever repeated.
"""

import asyncio
import contextlib
import select
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any, NamedTuple

import msgspec

from arb.clock import Clock
from arb.venues.call import HttpRequest, Origin, origin_of, render
from arb.venues.transport.http import (
    CONNECTIONS_MAX,
    KEEPALIVE_S,
    AnswerLost,
    AnswerReader,
    BadAnswer,
    HttpAnswer,
    HttpTransport,
    NeverSent,
)
from arb.venues.transport.proxy import Proxy, by_way_of, connect, proxy_for


class PoolTiming(msgspec.Struct, frozen=True, kw_only=True):
    """How long connections are kept, in seconds.

    One that was idle for `idle_max_s` is not used; a warm one is replaced at `refresh_s` already. One that could not be made,
    or lived less than `redial_s`, is made anew only after that time.
    """

    idle_max_s: float = KEEPALIVE_S
    refresh_s: float = KEEPALIVE_S * 2 / 3
    redial_s: float = 5.0
    dial_timeout_s: float = 10.0


WARM_CONNECTIONS = 2


class DirectTransport:
    """See `arb.venues.transport.http.HttpTransport`."""

    def __init__(
        self,
        clock: Clock,
        *,
        tls: ssl.SSLContext | None = None,
        timing: PoolTiming | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        """Make nothing yet; `tls` replaces the system's trusted certificates."""
        self._proxy = proxy
        self._clock = clock
        self._timing = PoolTiming() if timing is None else timing
        self._tls = tls
        self._idle: dict[Origin, list[_Line]] = {}
        self._lines: set[_Line] = set()
        self._dialling = 0
        self._warm: dict[Origin, int] = {}
        self._refilling: dict[Origin, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def send(self, request: HttpRequest, timeout_s: float) -> Awaitable[HttpAnswer]:
        """Hand the request to the kernel now where a connection stands ready, else when its answer is awaited.

        Awaiting returns the answer, or raises `NeverSent` or `AnswerLost`.
        """
        try:
            origin, data = request.ready or render(request)
        except ValueError as error:
            return Later(partial(_never, f"no request that can be sent: {error}"))
        line = self._take(origin)
        if line is None:
            return Later(partial(self._dial_and_ask, origin, data, timeout_s))
        return Later(partial(self._answer, *self._ask(line, data, timeout_s, timeout_s)))

    async def _dial_and_ask(self, origin: Origin, data: bytes, timeout_s: float) -> HttpAnswer:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        line = await self._dial(origin, timeout_s)
        left_s = deadline_s - loop.time()
        if left_s <= 0:
            self._put_back(line)
            raise NeverSent(f"no connection within {timeout_s:g} s")
        if not line.usable:
            raise NeverSent("the venue closed the connection at once")
        return await self._answer(*self._ask(line, data, left_s, timeout_s))

    def _ask(self, line: "_Line", data: bytes, left_s: float, timeout_s: float) -> "_Asked":
        sent_ns = self._clock.wall_ns()
        waiting = line.ask(data)
        timer = asyncio.get_running_loop().call_later(left_s, line.fail, f"no answer within {timeout_s:g} s")
        return _Asked(line, waiting, timer, sent_ns)

    async def _answer(self, line: "_Line", waiting: "_Waiting", timer: asyncio.TimerHandle, sent_ns: int) -> HttpAnswer:
        try:
            reader, received_ns = await waiting
        except asyncio.CancelledError:
            line.abort()
            raise
        finally:
            timer.cancel()
        answer = HttpAnswer(reader.status, reader.headers, reader.body, sent_ns, received_ns)
        if reader.reusable:
            self._put_back(line)
        else:
            line.abort()
        return answer

    def keep_warm(self, url: str, count: int = WARM_CONNECTIONS) -> None:
        """Hold `count` connections ready to the origin of `url` from now on; made in the background, and made anew."""
        scheme, _, rest = url.partition("://")
        origin = origin_of(scheme, rest.partition("/")[0])
        if self._warm.get(origin) != count:
            self._warm[origin] = count
            self._refill(origin)

    async def close(self) -> None:
        """Release sockets."""
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
        """Return how many connections are open."""
        return len(self._lines)

    # The pool.

    def _take(self, origin: Origin) -> "_Line | None":
        """Return a connection that may be used, the latest used first; what may not be used is dropped."""
        idle = self._idle.get(origin)
        now_s = asyncio.get_running_loop().time()
        while idle:
            line = idle.pop()
            if now_s - line.idle_since_s < self._timing.idle_max_s and line.silent():
                return line
            line.abort()
        return None

    def _put_back(self, line: "_Line") -> None:
        if self._closed or not line.usable:
            line.abort()
            return
        line.rest()
        if line.watch is None:
            line.watch = asyncio.get_running_loop().call_later(self._timing.refresh_s, self._on_watch, line)
        self._idle.setdefault(line.origin, []).append(line)

    def _on_watch(self, line: "_Line") -> None:
        """End a connection that was idle for long; one that is to be warm stays until its successor is there."""
        idle = self._idle.get(line.origin, [])
        loop = asyncio.get_running_loop()
        left_s = self._timing.refresh_s
        if line in idle:
            left_s += line.idle_since_s - loop.time()
        if left_s > 0:
            line.watch = loop.call_later(left_s, self._on_watch, line)
        elif len(idle) > self._warm.get(line.origin, 0):
            idle.remove(line)
            line.abort()
        else:
            self._spawn(line.origin, replaces=line)

    def _on_lost(self, line: "_Line") -> None:
        self._lines.discard(line)
        with contextlib.suppress(ValueError):
            self._idle.get(line.origin, []).remove(line)
        if self._closed or line.origin not in self._warm:
            return
        loop = asyncio.get_running_loop()
        redial_s = self._timing.redial_s
        lived = loop.time() - line.made_s >= redial_s
        loop.call_later(0.0 if lived else redial_s, self._refill, line.origin)

    def _refill(self, origin: Origin) -> None:
        there = sum(line.origin == origin for line in self._lines) + self._refilling.get(origin, 0)
        for _ in range(self._warm.get(origin, 0) - there):
            self._spawn(origin)

    def _spawn(self, origin: Origin, replaces: "_Line | None" = None) -> None:
        if self._closed:
            return
        self._refilling[origin] = self._refilling.get(origin, 0) + 1
        task = asyncio.get_running_loop().create_task(self._add(origin, replaces))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _add(self, origin: Origin, replaces: "_Line | None") -> None:
        try:
            line = await self._dial(origin, self._timing.dial_timeout_s)
        except NeverSent:
            # Whoever wants to send dials for itself, and reports it; this only tries again.
            asyncio.get_running_loop().call_later(self._timing.redial_s, self._refill, origin)
        else:
            self._put_back(line)
        finally:
            self._refilling[origin] -= 1
        if replaces is not None and replaces in self._idle.get(origin, []):
            self._idle[origin].remove(replaces)
            replaces.abort()

    async def _dial(self, origin: Origin, timeout_s: float) -> "_Line":
        if len(self._lines) + self._dialling >= CONNECTIONS_MAX or self._closed:
            raise NeverSent("closed" if self._closed else f"{CONNECTIONS_MAX} connections are open already")
        self._dialling += 1
        loop = asyncio.get_running_loop()
        made_s = loop.time()
        proxy = proxy_for(self._proxy, origin.host)
        try:
            async with asyncio.timeout(timeout_s):
                line = await connect(
                    lambda: _Line(origin, self._clock, self._on_lost, made_s),
                    origin,
                    self._context() if origin.tls else None,
                    proxy,
                )
        except TimeoutError:
            raise NeverSent(f"no connection within {timeout_s:g} s{by_way_of(proxy)}") from None
        except (
            OSError,
            UnicodeError,
        ) as error:  # refused, unreachable, no such host, a certificate that is not trusted
            raise NeverSent(f"{type(error).__name__}: {error}{by_way_of(proxy)}") from error
        finally:
            self._dialling -= 1
        if line.gone.done():
            raise NeverSent("the venue closed the connection at once")
        self._lines.add(line)
        return line

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


class _Line(asyncio.Protocol):
    """One connection: idle, or with one request under way."""

    def __init__(self, origin: Origin, clock: Clock, on_lost: "Callable[[_Line], None]", made_s: float) -> None:
        self.origin = origin
        self.made_s = made_s
        self.idle_since_s = made_s
        self.watch: asyncio.TimerHandle | None = None
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._clock = clock
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._reader = AnswerReader()
        self._answered: _Waiting | None = None
        self._readable = select.poll()

    @property
    def usable(self) -> bool:
        """Return whether the connection stands, as far as the loop knows."""
        return self._transport is not None and not self._transport.is_closing()

    def silent(self) -> bool:
        """Return whether the connection stands and nothing has come on it, an end included, that the loop has not read."""
        return self.usable and not self._readable.poll(0)

    def ask(self, data: bytes) -> "_Waiting":
        """Hand the request to the kernel now; the future holds the answer and when it was whole, or `AnswerLost`."""
        assert self._transport is not None and self._answered is None
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return self._answered

    def fail(self, why: str) -> None:
        """Give the answer up."""
        answered, self._answered = self._answered, None
        if answered is not None and not answered.done():
            answered.set_exception(AnswerLost(why))
            answered.exception()  # seen: whoever waited may have stopped waiting
        self.abort()

    def rest(self) -> None:
        """Be idle from now on, with all that the next request needs."""
        self.idle_since_s = asyncio.get_running_loop().time()
        self._reader = AnswerReader()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._readable.register(transport.get_extra_info("socket").fileno(), select.POLLIN | select.POLLHUP)

    def data_received(self, data: bytes) -> None:
        """Read on; what nobody asked for ends the connection."""
        if self._answered is None:
            self.abort()
            return
        try:
            if self._reader.feed(data):
                self._finish()
        except BadAnswer as error:
            self.fail(str(error))

    def eof_received(self) -> None:
        """Take the end of the stream for the end of the answer where that is how it ends; the connection closes."""
        self._end()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell whoever waits, and the pool."""
        self._end(error)
        if self.watch is not None:
            self.watch.cancel()
        self._transport = None
        self.gone.set_result(None)
        self._on_lost(self)

    def _end(self, error: Exception | None = None) -> None:
        if self._answered is None:
            return
        if error is not None:
            self.fail(f"{type(error).__name__}: {error}")
            return
        try:
            self._reader.end()
        except BadAnswer as bad:
            self.fail(str(bad))
        else:
            self._finish()

    def _finish(self) -> None:
        answered, self._answered = self._answered, None
        if answered is not None and not answered.done():
            answered.set_result((self._reader, self._clock.wall_ns()))


_Waiting = asyncio.Future[tuple[AnswerReader, int]]


class _Asked(NamedTuple):
    """A request under way."""

    line: _Line
    waiting: _Waiting
    timer: asyncio.TimerHandle
    sent_ns: int


class Later:
    """What can be awaited, once, and may also be dropped."""

    __slots__ = ("_work",)

    def __init__(self, work: Callable[[], Coroutine[Any, Any, HttpAnswer]]) -> None:
        self._work = work

    def __await__(self) -> Generator[Any, None, HttpAnswer]:
        return self._work().__await__()


async def _never(why: str) -> HttpAnswer:
    raise NeverSent(why)


class VenueTransport:
    """Carry writes over `writes` and reads over `reads`; a first read makes the connections for writes ready."""

    def __init__(self, reads: HttpTransport, writes: DirectTransport) -> None:
        self._reads = reads
        self._writes = writes

    def send(self, request: HttpRequest, timeout_s: float) -> Awaitable[HttpAnswer]:
        """Return the answer, once awaited; a write leaves at once. Raises as its transport does."""
        if request.method != "GET":
            return self._writes.send(request, timeout_s)
        self._writes.keep_warm(request.url)
        return self._reads.send(request, timeout_s)

    async def close(self) -> None:
        """Release sockets."""
        await self._writes.close()
        await self._reads.close()
