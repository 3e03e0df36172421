"""What carries bytes to a venue and back: HTTP requests and websockets. Real sockets here; a simulator brings its own.

`Network` is the only door of the adapters to the network, so that the whole house can run on a network made of memory.
"""

import fcntl
import select
import struct
import termios
from typing import Literal, Protocol

import aiohttp

from arb.clock import Clock
from arb.venues.transport.client import SocketTransport
from arb.venues.transport.direct import DirectTransport, VenueTransport
from arb.venues.transport.http import HttpTransport

_HANG_UP = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)
"""The venue's end of the connection is over; where the system cannot tell half of an end, only the whole is seen."""
FRAME_BYTES_MAX = 16 * 1024 * 1024


class SocketEnded(Exception):
    """A websocket could not be opened, or is over; the text says why."""


class Socket(Protocol):
    """One open websocket of text frames."""

    async def receive(self) -> bytes:
        """Return the next frame as the bytes it came in; raise `SocketEnded` when none will come."""

    async def send(self, text: str) -> None:
        """Send one frame; raise `SocketEnded` when it cannot leave."""

    def write(self, text: str) -> None:
        """Hand one frame to the network now, without waiting; raise `SocketEnded` when not a byte of it can leave.

        Without that exception it may have left.
        """

    async def close(self) -> None:
        """End the connection, which wakes whoever waits in `receive`."""

    def unread(self) -> bool:
        """Return whether received bytes still wait to be handed over."""


class Network(Protocol):
    """A network."""

    def http(self) -> HttpTransport:
        """Return a carrier of requests for one venue."""

    async def dial(self, url: str) -> Socket:
        """Open a websocket; raise `SocketEnded` when that fails."""


class SystemNetwork:
    """The operating system's network, through aiohttp."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def http(self) -> HttpTransport:
        """Return a carrier that keeps its connections warm: our own for orders and cancels, aiohttp's for questions."""
        return VenueTransport(SocketTransport(self._clock), DirectTransport(self._clock))

    async def dial(self, url: str) -> "RealSocket":
        """Open a websocket; raise `SocketEnded` when that fails."""
        session = aiohttp.ClientSession()
        try:
            socket = await session.ws_connect(
                url, compress=0, max_msg_size=FRAME_BYTES_MAX, autoping=True, decode_text=False
            )
        except (aiohttp.ClientError, OSError) as error:
            await session.close()
            raise SocketEnded(f"{type(error).__name__}: {error}") from error
        except BaseException:
            await session.close()
            raise
        return RealSocket(session, socket)


class RealSocket:
    """See `Socket`; one connection of its own session."""

    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse[Literal[False]]) -> None:
        self._session = session
        self._socket = socket
        self._ends: select.poll | None = None

    async def receive(self) -> bytes:
        """Return the next frame; raise `SocketEnded` when none will come."""
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT or message.type is aiohttp.WSMsgType.BINARY:
            data: bytes = message.data
            return data
        if message.type is aiohttp.WSMsgType.ERROR:
            raise SocketEnded(f"broken frame: {message.data!r}")
        raise SocketEnded(f"closed by the venue ({self._socket.close_code})")

    async def send(self, text: str) -> None:
        """Send one frame; raise `SocketEnded` when it cannot leave."""
        try:
            await self._socket.send_str(text)
        except (aiohttp.ClientError, ConnectionError) as error:
            raise SocketEnded(f"cannot send: {error}") from error

    def write(self, text: str) -> None:
        """Hand one frame to the kernel now; raise `SocketEnded` when not a byte of it can leave."""
        if self._gone():
            raise SocketEnded("the venue has closed the connection")
        sending = self._socket.send_str(text)
        try:
            # Without compression the frame is in the transport before anything is waited for, which is at most that the
            # transport's buffer empties; so the first step is all there is to do.
            sending.send(None)
        except StopIteration:
            return
        except (aiohttp.ClientError, ConnectionError) as error:  # before a byte was written: the transport is closing
            raise SocketEnded(f"cannot send: {error}") from error
        sending.close()

    def _gone(self) -> bool:
        """Return whether the connection is over, be it that the loop has not noticed yet."""
        if self._socket.closed:
            return True
        raw = self._socket.get_extra_info("socket")
        if raw is None or raw.fileno() < 0:
            return True
        if self._ends is None:
            self._ends = select.poll()
            self._ends.register(raw.fileno(), _HANG_UP)
        return bool(self._ends.poll(0))

    async def close(self) -> None:
        """Say farewell and let go of the socket."""
        try:
            await self._socket.close()
        except (aiohttp.ClientError, ConnectionError):
            pass  # it is over either way
        finally:
            await self._session.close()

    def unread(self) -> bool:
        """Return whether received bytes still wait: frames in the websocket's reader, or bytes in the kernel's buffer.

        What a TLS layer has taken from the kernel and not yet decrypted is not seen; it holds at most one record.
        """
        socket = self._socket
        if socket.closed:
            return False
        reader = getattr(socket, "_reader", None)
        if reader is not None and len(reader._buffer) > 0:
            return True
        raw = socket.get_extra_info("socket")
        if raw is None or raw.fileno() < 0:
            return False
        (waiting,) = struct.unpack("i", fcntl.ioctl(raw.fileno(), termios.FIONREAD, b"\0\0\0\0"))
        return bool(waiting)
