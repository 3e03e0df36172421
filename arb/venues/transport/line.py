"""One connection for writes: idle, or with one request under way whose answer may be awaited later.

A request is written first; waiting for its answer is set up afterwards (`Line.answer`), so that nothing delays the
bytes after the decision to send.
"""

import asyncio
import select
from typing import Protocol

from arb.clock import Clock
from arb.venues.transport.address import Origin
from arb.venues.transport.http import AnswerLost, AnswerReader, BadAnswer, HttpAnswer
from arb.venues.transport.tls import WholeRecords


class Pool(Protocol):
    """The owner of connections."""

    def on_used(self, line: "Line") -> None:
        """Record that a request was written on a connection and is awaited."""

    def put_back(self, line: "Line") -> None:
        """Take a connection that is in use no longer."""

    def on_lost(self, line: "Line") -> None:
        """Record that a connection is gone."""


class Line(asyncio.Protocol):
    """See the module, and `arb.venues.transport.http.Connection`; made at `made_s` of the loop's clock."""

    def __init__(self, origin: Origin, clock: Clock, pool: Pool, made_s: float) -> None:
        self.origin = origin
        self.made_s = made_s
        self.idle_since_ns = 0
        """By the monotonic clock."""
        self.watch: asyncio.TimerHandle | None = None
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._clock = clock
        self._pool = pool
        self._transport: asyncio.WriteTransport | None = None
        self._records: WholeRecords | None = None
        self._readable = select.poll()
        self._poll = self._readable.poll
        self.rest()

    def rest(self) -> None:
        """Be idle from now on, with all that the next request needs."""
        self.idle_since_ns = self._clock.monotonic_ns()
        self._reader = AnswerReader()
        self.asked = False
        """Whether a request was written since."""
        self._end_of_it: tuple[AnswerReader, int] | AnswerLost | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._unclaimed = False

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def ready(self, since_ns: int) -> bool:
        """Return whether a request may be written on this connection.

        No other request was written, the connection is up, and it has been idle only since `since_ns` (monotonic) or later.
        Nothing unread was received on it: no bytes, no part of a TLS record, no end.
        """
        transport = self._transport
        if self.asked or transport is None or self.idle_since_ns < since_ns:
            return False
        return not (transport.is_closing() or self._poll(0) or (self._records is not None and self._records.torn))

    def forsaken(self) -> bool:
        """Return whether no caller waits for the answer to a request now, nor did at the last check."""
        before, self._unclaimed = self._unclaimed, self.asked and self._waiter is None
        return before and self._unclaimed

    def write(self, data: bytes) -> bool:
        """Pass a request to the kernel now; False, and nothing done, where one is under way or the connection is over."""
        if self.asked or self._transport is None:
            return False
        self.asked = True
        self._transport.write(data)
        return True

    async def answer(self, sent_ns: int, timeout_s: float, too_late: str = "") -> HttpAnswer:
        """Return the answer to the written request; raise `AnswerLost`, after `timeout_s` with the text `too_late`."""
        self._pool.on_used(self)
        if self._end_of_it is None:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(timeout_s, self._fail, too_late or f"no answer within {timeout_s:g} s")
            try:
                await self._waiter
            except asyncio.CancelledError:
                self.abort()
                raise
            finally:
                timer.cancel()
        assert self._end_of_it is not None
        if isinstance(self._end_of_it, AnswerLost):
            raise self._end_of_it
        reader, received_ns = self._end_of_it
        if reader.reusable:
            self._pool.put_back(self)
        else:
            self.abort()
        return HttpAnswer(reader.status, reader.headers, reader.body, sent_ns, received_ns)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        records = transport.get_extra_info("ssl_object")
        self._records = records if isinstance(records, WholeRecords) else None
        self._readable.register(transport.get_extra_info("socket").fileno(), select.POLLIN | select.POLLHUP)

    def data_received(self, data: bytes) -> None:
        """Read on; bytes without a request end the connection."""
        if not self.asked or self._end_of_it is not None:
            self.abort()
            return
        try:
            if self._reader.feed(data):
                self._settle((self._reader, self._clock.wall_ns()))
        except BadAnswer as error:
            self._fail(str(error))

    def eof_received(self) -> None:
        """Take the end of the stream for the end of the answer where that is how it ends; the connection closes."""
        self._end()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error)
        if self.watch is not None:
            self.watch.cancel()
        self._transport = None
        self.gone.set_result(None)
        self._pool.on_lost(self)

    def _end(self, error: Exception | None = None) -> None:
        if not self.asked or self._end_of_it is not None:
            return
        if error is not None:
            self._fail(f"{type(error).__name__}: {error}")
            return
        try:
            self._reader.end()
        except BadAnswer as bad:
            self._fail(str(bad))
        else:
            self._settle((self._reader, self._clock.wall_ns()))

    def _fail(self, why: str) -> None:
        if self._end_of_it is None:
            self._settle(AnswerLost(why))
        self.abort()

    def _settle(self, end: tuple[AnswerReader, int] | AnswerLost) -> None:
        self._end_of_it = end
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
