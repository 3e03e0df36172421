"""One websocket over a real connection (RFC 6455): handshake, frames where they arrive, pings answered, close.

Frames go from the loop's callback for the readable socket straight to the reader, without a task or a queue between; other
work gets the next turn of the loop. Measured on the whole path (frame to order over TLS, in a live run), this was as fast as
the fastest library, and aiohttp was a third slower; see docs/BENCHMARKS.md.
"""

import asyncio
import base64
import contextlib
import hashlib
import random
import select
import ssl
from collections.abc import Callable, Mapping

from arb.clock import system_random
from arb.venues.transport.address import Origin, host_of
from arb.venues.transport.frames import BUFFER_BYTES, BadFrame, FrameReader, Opcode, PerSecond, masked_frame
from arb.venues.transport.http import HEAD_BYTES_MAX, BadAnswer, TransportError, parse_head
from arb.venues.transport.request import HttpRequest, render
from arb.venues.transport.way import WayOut, connect

_HANG_UP = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)
"""The venue's end of the connection is over; where the system cannot report half of an end, only the whole is seen."""
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE_S = 1.0
"""How long a venue may take to release a connection that we end."""
TURN_S = 0.002
"""How long one read may deliver frames before other connections are served."""
HOLLOW_PER_S = 200
"""How many frames that carry nothing (`FrameReader.hollow`) a venue may send in a second; the documented ones send one."""
OUT_BYTES_MAX = 1024 * 1024
"""The most bytes that may wait for a venue that does not read."""
_SCHEMES = {"ws": "http", "wss": "https"}


class SocketEnded(TransportError):
    """A websocket could not be opened, or is over; the text gives the reason."""


class WebSocket(asyncio.BufferedProtocol):
    """See `arb.venues.transport.network.Socket`."""

    def __init__(self, request: bytes, key: str, rng: random.Random) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self._request = request
        self._key = key
        self._rng = rng
        self._loop = loop
        self._over: asyncio.Future[str] = loop.create_future()
        self._gone: asyncio.Future[None] = loop.create_future()
        self._reader = FrameReader(_nobody, self._on_control)
        self._on_read: Callable[[], None] = nothing
        self._is_read = False
        self._head: bytearray | None = bytearray()
        self._transport: asyncio.Transport
        self._ends, self._readable = select.poll(), select.poll()
        self._offered = 0
        # Callbacks under way that continue to read bytes that TLS has decrypted already.
        self._reading_on = 0
        self._in_tls = False
        # Frames that were received wait for the next turn of the loop.
        self._postponed = False
        self._ping: bytes | None = None
        self._hollow = PerSecond(HOLLOW_PER_S)

    # Reading.

    async def read(self, on_frame: Callable[[bytes], None], on_read: Callable[[], None]) -> str:
        """Deliver every frame on arrival, in the loop's own callback, until the connection is over; return why.

        `on_read` is called each time all that was received at once was delivered. An exception of either ends the
        connection and is raised.
        """
        self._reader.on_message, self._on_read, self._is_read = on_frame, on_read, True
        if self._reader.held:
            self._take(0)
        if not self._over.done() and not self._postponed:
            self._transport.resume_reading()
        return await self._over

    def unread(self) -> bool:
        """Return whether received bytes still wait to be delivered: in the kernel's buffer, or behind TLS."""
        if self._over.done():
            return False
        if self._reading_on or self._postponed:
            return True
        return bool(self._readable.poll(0))

    def get_buffer(self, sizehint: int) -> memoryview:
        space = self._reader.space()
        self._offered = len(space)
        return space

    def buffer_updated(self, nbytes: int) -> None:
        if self._head is not None:
            self._head += self._reader.space()[:nbytes]
            self._read_head(self._head)
            return
        if not self._is_read:
            self._keep(nbytes)
            return
        if self._over.done():
            return  # bytes after a close are unread
        if self._in_tls and nbytes == self._offered:
            # The space is full, so TLS may hold more: asyncio has asked for a callback that reads on, ahead of this one.
            self._reading_on += 1
            self._loop.call_soon(self._has_read_on)
        self._take(nbytes)

    def _keep(self, count: int) -> None:
        """Keep bytes received before `read`; of much the rest waits in the kernel."""
        self._reader.hold(count)
        if self._reader.held >= BUFFER_BYTES:
            self._transport.pause_reading()

    def _has_read_on(self) -> None:
        self._reading_on -= 1

    def _take(self, count: int) -> None:
        """Deliver frames, for `TURN_S` at most; of the pings among them the newest is answered (RFC 6455, 5.5.3)."""
        until_s = 0.0
        try:
            while True:
                more = self._reader.take(count)
                hollow, self._reader.hollow = self._reader.hollow, 0
                if hollow and self._hollow.exceeded(self._loop.time(), hollow):
                    raise BadFrame(f"more than {HOLLOW_PER_S} frames in a second that carry nothing", 1008)
                if not more:
                    break
                count, now_s = 0, self._loop.time()
                until_s = until_s or now_s + TURN_S
                if now_s >= until_s:
                    self._postponed = True
                    self._transport.pause_reading()
                    self._loop.call_soon(self._go_on)
                    break
            if self._ping is not None and not self._over.done():
                ping, self._ping = self._ping, None
                self._send(Opcode.PONG, ping)
            self._on_read()
        except BadFrame as bad:
            self._close(bad.code, f"broken frame: {bad}")
        except Exception as error:  # a bug of the reader, which has to know
            if not self._over.done():
                self._over.set_exception(error)
            self._transport.abort()

    def _go_on(self) -> None:
        self._postponed = False
        if self._over.done():
            return
        self._take(0)
        if not self._postponed:
            self._transport.resume_reading()

    def _on_control(self, opcode: Opcode, payload: bytes) -> None:
        if opcode is Opcode.PING:
            self._ping = payload
        elif opcode is Opcode.CLOSE:
            code = int.from_bytes(payload[:2], "big") if payload else 1005
            said = f", {payload[2:].decode()}" if len(payload) > 2 else ""
            self._close(code if payload else 1000, f"closed by the venue ({code}{said})")

    # Writing.

    def write(self, text: str) -> None:
        """Pass one frame to the kernel now; raise `SocketEnded` when not a byte of it can be sent."""
        if self._over.done() or self._transport.is_closing() or self._ends.poll(0):
            raise SocketEnded("the connection is closed")
        self._send(Opcode.TEXT, text.encode())

    def _send(self, opcode: Opcode, payload: bytes) -> None:
        if self._transport.get_write_buffer_size() > OUT_BYTES_MAX:
            self._end("the venue does not read our frames")
            self._transport.abort()
            raise SocketEnded("the venue does not read our frames")
        self._transport.write(masked_frame(opcode, payload, self._rng.randbytes(4)))

    # The end.

    async def close(self) -> None:
        """End the connection, and wait a moment until it is gone."""
        self._close(1000, "closed by us")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await asyncio.shield(self._gone)
        self._transport.abort()

    def _close(self, code: int, why: str) -> None:
        if not self._transport.is_closing():
            with contextlib.suppress(SocketEnded):
                self._send(Opcode.CLOSE, code.to_bytes(2, "big"))
            self._transport.close()
        self._end(why)

    def _end(self, why: str) -> None:
        if not self.opened.done():
            self.opened.set_exception(SocketEnded(why))
        if not self._over.done():
            self._over.set_result(why)

    def eof_received(self) -> None:
        """Take the end of the stream; the transport closes."""
        self._end("closed by the venue (1006)")

    def connection_lost(self, error: Exception | None) -> None:
        self._end("closed by the venue (1006)" if error is None else f"{type(error).__name__}: {error}")
        if not self._gone.done():
            self._gone.set_result(None)

    # The handshake.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._in_tls = transport.get_extra_info("ssl_object") is not None
        descriptor = transport.get_extra_info("socket").fileno()
        self._ends.register(descriptor, _HANG_UP)
        self._readable.register(descriptor, select.POLLIN)
        transport.write(self._request)

    def _read_head(self, head: bytearray) -> None:
        """Read the answer to the handshake, once it is whole (RFC 6455, 4.1); later bytes are frames."""
        end = head.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX)
        if end < 0 and len(head) < HEAD_BYTES_MAX:
            return
        try:
            if end < 0:
                raise BadAnswer(f"a head of more than {HEAD_BYTES_MAX} bytes")
            self._check(*parse_head(bytes(head[:end])))
        except TransportError as error:
            self._end(str(error))
            self._transport.abort()
            return
        self._head = None
        rest = head[end + 4 :]
        self._reader.space()[: len(rest)] = rest
        self._keep(len(rest))
        self.opened.set_result(None)

    def _check(self, minor: int, status: int, headers: Mapping[str, str]) -> None:
        if 300 <= status < 400:
            raise BadAnswer(f"redirected (HTTP {status}), which is never followed")
        if status != 101 or minor != 1:
            raise BadAnswer(f"no websocket: HTTP {status}")
        accept = base64.b64encode(hashlib.sha1((self._key + _GUID).encode()).digest()).decode()
        if (
            headers.get("upgrade", "").lower() != "websocket"
            or "upgrade" not in headers.get("connection", "").lower()
            or headers.get("sec-websocket-accept") != accept
        ):
            raise BadAnswer("no websocket: its handshake answers another")
        if "sec-websocket-extensions" in headers or "sec-websocket-protocol" in headers:
            raise BadAnswer("no websocket as asked for: with an extension or a protocol")


def _nobody(_: bytes) -> None:
    raise AssertionError("bytes received before `read` are kept")


def nothing() -> None:
    """Do nothing, for callers without a use for `on_read`."""


async def open_websocket(
    url: str, headers: Mapping[str, str], *, way: WayOut, tls: Callable[[], ssl.SSLContext]
) -> WebSocket:
    """Return a websocket whose handshake is done; nothing is read before `read`. Raises `SocketEnded`.

    `headers` are sent with the handshake. A redirect is never followed: the first message of a private stream is a login,
    and only the intended host may receive it.
    """
    rng = system_random()
    key = base64.b64encode(rng.randbytes(16)).decode()
    try:
        origin, request = _handshake(url, headers, key)
        socket = await connect(lambda: WebSocket(request, key, rng), origin, tls() if origin.tls else None, way)
    except TransportError as error:
        raise SocketEnded(str(error)) from error
    except (OSError, ValueError) as error:
        raise SocketEnded(f"{type(error).__name__}: {error}{way.by(host_of(url))}") from error
    try:
        await socket.opened
    except BaseException:
        socket._transport.abort()
        raise
    return socket


def _handshake(url: str, headers: Mapping[str, str], key: str) -> tuple[Origin, bytes]:
    """Return where a handshake goes and its bytes; raises `ValueError` for text that cannot be sent unchanged."""
    scheme, _, rest = url.partition("://")
    if scheme not in _SCHEMES:
        raise ValueError(f"{scheme}://... is no address of a websocket")
    asked = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
    }
    outgoing = render(HttpRequest("GET", f"{_SCHEMES[scheme]}://{rest}", {**headers, **asked}))
    return outgoing.origin, outgoing.data
