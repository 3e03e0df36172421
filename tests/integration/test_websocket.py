"""A real websocket against a peer written from RFC 6455 alone, plain and over TLS: where frames go, how a connection ends."""

import asyncio
import base64
import hashlib
import ipaddress
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from arb.clock import SystemClock
from arb.venues.transport.frames import BUFFER_BYTES
from arb.venues.transport.network import SocketEnded, SystemNetwork
from arb.venues.transport.websocket import WebSocket
from tests.integration.certificates import Trust, made_trust

WAIT_S = 30.0
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def frame(payload: bytes, opcode: int = 1) -> bytes:
    """Return a server's frame."""
    size = len(payload)
    head = bytes((0x80 | opcode, size)) if size < 126 else bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big")
    return head + payload


async def sent_by_client(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return kind and payload of the next frame; a client's is short here, and always masked."""
    first, size = await reader.readexactly(2)
    assert size & 0x80
    size &= 0x7F
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    key = await reader.readexactly(4)
    return first & 0x0F, bytes(byte ^ key[i % 4] for i, byte in enumerate(await reader.readexactly(size)))


class Venue:
    """A server of one kind of stream; `head` may replace what it answers the handshake with."""

    def __init__(self, serve: Serve, head: Callable[[str], str]) -> None:
        self.asked = b""
        self._serve = serve
        self._head = head

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.asked = await reader.readuntil(b"\r\n\r\n")
            found = re.search(rb"Sec-WebSocket-Key: (\S+)", self.asked)
            assert found is not None
            digest = hashlib.sha1(found.group(1) + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
            writer.write(self._head(base64.b64encode(digest).decode()).encode("latin-1"))
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def upgraded(accept: str) -> str:
    return f"HTTP/1.1 101 Go on\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@asynccontextmanager
async def dialled(
    serve: Serve, trust: Trust | None = None, head: Callable[[str], str] = upgraded
) -> AsyncIterator[tuple[WebSocket, Venue]]:
    """Yield an open socket, and the venue at its other end."""
    venue = Venue(serve, head)
    server = await asyncio.start_server(venue.connected, "127.0.0.1", 0, ssl=trust and trust.theirs)
    port = server.sockets[0].getsockname()[1]
    network = SystemNetwork(SystemClock(), tls=trust and trust.ours)
    try:
        async with asyncio.timeout(WAIT_S):
            socket = await network.dial(
                f"{'ws' if trust is None else 'wss'}://127.0.0.1:{port}/stream?a=b", {"x-world": "play"}
            )
        yield socket, venue
        await socket.close()
    finally:
        server.close()


class Reader:
    """Whoever reads a socket: the frames, and how many there were each time that all which came was handed over."""

    def __init__(self, enough: int) -> None:
        self.frames: list[bytes] = []
        self.reads: list[int] = []
        self.full = asyncio.Event()
        self._enough = enough

    async def follow(self, socket: WebSocket) -> str:
        async with asyncio.timeout(WAIT_S):
            return await socket.read(self.frames.append, self.note)

    def note(self) -> None:
        self.reads.append(len(self.frames))
        if len(self.frames) >= self._enough:
            self.full.set()


@pytest.fixture(params=["plain", "tls"])
def trust(request: pytest.FixtureRequest, tmp_path: Path) -> Trust | None:
    return None if request.param == "plain" else made_trust(tmp_path / "venue.pem", ipaddress.ip_address("127.0.0.1"))


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (lambda accept: "HTTP/1.1 302 Found\r\nLocation: ws://evil.example/\r\n\r\n", "redirected"),
        (lambda accept: "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n", "HTTP 503"),
        (lambda accept: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP 200"),
        (lambda accept: upgraded("another"), "answers another"),
        (lambda accept: upgraded(accept).replace("WebSocket", "h2c"), "answers another"),
        (lambda accept: upgraded(accept)[:-2] + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "extension"),
        (lambda accept: "HTTP/1.1 101 " + "x" * 70_000, "a head of more than"),
        (lambda accept: "SSH-2.0-OpenSSH_9.6\r\n\r\n", "no status line"),
        (lambda accept: "", "closed by the venue"),
    ],
)
def test_a_handshake_that_is_not_exactly_ours_opens_nothing(head: Callable[[str], str], said: str) -> None:
    async def scenario() -> None:
        async def ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await writer.drain()

        with pytest.raises(SocketEnded, match=said):
            async with dialled(ends, head=head):
                raise AssertionError("it opened")

    asyncio.run(scenario())


def test_an_address_with_a_line_break_is_never_sent() -> None:
    async def scenario() -> None:
        for url in ("ws://127.0.0.1:9/a\r\nX: y", "http://127.0.0.1:9/", "ws://127.0.0.1:0/", "ws://"):
            with pytest.raises(SocketEnded):
                await SystemNetwork(SystemClock()).dial(url)

    asyncio.run(scenario())


def test_frames_that_came_with_the_handshake_wait_until_somebody_reads(trust: Trust | None) -> None:
    async def scenario() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(frame(b"second"))
            await reader.read()

        def head(accept: str) -> str:
            return upgraded(accept) + frame(b"first").decode("latin-1")

        async with dialled(serve, trust, head) as (socket, venue):
            reader = Reader(2)
            following = asyncio.create_task(reader.follow(socket))
            await asyncio.wait_for(reader.full.wait(), WAIT_S)
            assert reader.frames == [b"first", b"second"]
            assert venue.asked.startswith(b"GET /stream?a=b HTTP/1.1\r\n") and b"x-world: play" in venue.asked
            await socket.close()
            assert await following == "closed by us"

    asyncio.run(scenario())


def test_a_burst_is_handed_over_in_order_and_counts_as_unread_until_it_is(trust: Trust | None) -> None:
    payloads = [bytes((number % 127,)) * 700 for number in range(4 * BUFFER_BYTES // 700)]

    async def scenario() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"".join(map(frame, payloads)))
            await reader.read()

        async with dialled(serve, trust) as (socket, _):
            reader = Reader(len(payloads))
            await asyncio.sleep(0.1)  # the whole burst is in the kernel's buffers, as after a pause of ours
            unread: list[bool] = []

            def on_read() -> None:
                unread.append(socket.unread())
                reader.note()

            following = asyncio.create_task(socket.read(reader.frames.append, on_read))
            await asyncio.wait_for(reader.full.wait(), WAIT_S)
            assert reader.frames == payloads
            assert len(reader.reads) <= 2 + 700 * len(payloads) // 16384  # TLS: no read brings less than a record
            assert any(unread) and not socket.unread()
            await socket.close()
            await following

    asyncio.run(scenario())


def test_pings_are_answered_with_what_they_said(trust: Trust | None) -> None:
    async def scenario() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(frame(b"are you there", 9))
            kind, said = await sent_by_client(reader)
            writer.write(frame(b"%d %s" % (kind, said)))
            await reader.read()

        async with dialled(serve, trust) as (socket, _):
            reader = Reader(1)
            following = asyncio.create_task(reader.follow(socket))
            await asyncio.wait_for(reader.full.wait(), WAIT_S)
            assert reader.frames == [b"10 are you there"]
            await socket.close()
            await following

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (frame((1001).to_bytes(2, "big") + b"maintenance", 8), "closed by the venue (1001, maintenance)"),
        (frame(b"", 8), "closed by the venue (1005)"),
        (b"", "closed by the venue (1006)"),
        (bytes((0x81, 127)) + (1 << 40).to_bytes(8, "big"), "broken frame: a frame of"),
    ],
)
def test_the_reason_of_an_end_is_returned_after_all_that_came_before(
    last: bytes, why: str, trust: Trust | None
) -> None:
    async def scenario() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(frame(b"news") + last)
            if last:
                await reader.read()

        async with dialled(serve, trust) as (socket, _):
            reader = Reader(99)
            assert (await reader.follow(socket)).startswith(why)
            assert reader.frames == [b"news"]
            with pytest.raises(SocketEnded):
                socket.write("late")

    asyncio.run(scenario())


def test_what_a_reader_raises_ends_the_connection_and_is_raised(trust: Trust | None) -> None:
    async def scenario() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(frame(b"news"))
            await reader.read()

        def breaks(_: bytes) -> None:
            raise KeyError("a bug")

        async with dialled(serve, trust) as (socket, _):
            with pytest.raises(KeyError, match="a bug"):
                await asyncio.wait_for(socket.read(breaks, lambda: None), WAIT_S)

    asyncio.run(scenario())


def test_a_certificate_that_nobody_trusts_opens_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        ours = made_trust(tmp_path / "venue.pem", ipaddress.ip_address("127.0.0.1"))
        server = await asyncio.start_server(Venue(silent, upgraded).connected, "127.0.0.1", 0, ssl=ours.theirs)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(SocketEnded, match="CERTIFICATE_VERIFY_FAILED"):
            await SystemNetwork(SystemClock()).dial(f"wss://127.0.0.1:{port}/")
        with pytest.raises(SocketEnded, match="CERTIFICATE_VERIFY_FAILED"):
            await SystemNetwork(SystemClock(), tls=ssl.create_default_context()).dial(f"wss://127.0.0.1:{port}/")
        server.close()

    asyncio.run(scenario())
