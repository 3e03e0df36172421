"""A frame handed to a real websocket: it leaves in the call, or not a byte of it does, even if the loop has not noticed why."""

import asyncio
import base64
import hashlib
import re
import select
import socket
import threading
from collections.abc import Iterator

import pytest

from arb.clock import SystemClock
from arb.venues.transport.network import SocketEnded, SystemNetwork

WAIT_S = 60.0


class Peer(threading.Thread):
    """A venue's end of one websocket, in a thread of its own: the loop under test may stand still."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.got = threading.Event()
        self.hang_up = threading.Event()
        self.gone = threading.Event()

    def run(self) -> None:
        connection, _ = self._listener.accept()
        with connection, self._listener:
            asked = connection.recv(65536)
            key = re.search(rb"(?i)sec-websocket-key: (\S+)", asked)
            assert key is not None
            digest = hashlib.sha1(key.group(1) + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
            head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            connection.sendall(head + base64.b64encode(digest) + b"\r\n\r\n")
            if connection.recv(65536):
                self.got.set()
            self.hang_up.wait(WAIT_S)
        self.gone.set()


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    made.start()
    yield made
    made.hang_up.set()


def test_a_frame_leaves_in_the_call_without_a_turn_of_the_loop(peer: Peer) -> None:
    async def scenario() -> bool:
        wire = await SystemNetwork(SystemClock()).dial(peer.url)
        wire.write('{"channel":"spot.ping"}')
        arrived = peer.got.wait(WAIT_S)  # the loop stands still
        peer.hang_up.set()
        await wire.close()
        return arrived

    assert asyncio.run(scenario())


@pytest.mark.skipif(not hasattr(select, "POLLRDHUP"), reason="this system does not tell of half an end")
def test_to_a_connection_that_the_venue_has_ended_nothing_is_written_though_the_loop_has_not_read_that(
    peer: Peer,
) -> None:
    async def scenario() -> None:
        wire = await SystemNetwork(SystemClock()).dial(peer.url)
        wire.write("first")
        assert peer.got.wait(WAIT_S)
        peer.hang_up.set()
        assert peer.gone.wait(WAIT_S)
        with pytest.raises(SocketEnded):
            wire.write("second")
        await wire.close()

    asyncio.run(scenario())


def test_to_a_connection_that_we_have_closed_nothing_is_written(peer: Peer) -> None:
    async def scenario() -> None:
        wire = await SystemNetwork(SystemClock()).dial(peer.url)
        peer.hang_up.set()
        await wire.close()
        with pytest.raises(SocketEnded):
            wire.write("late")

    asyncio.run(scenario())
