"""A venue for the bench: takes every Gate order, over REST or its websocket, says it was filled, and knows when its first
byte came.

Runs as a process of its own (`python -m proofs.bench.leg_server`), so that it competes for no lock with who is measured. The
instant is the kernel's, taken when the packet arrives (`SO_TIMESTAMPNS`, Linux); elsewhere it is ours, when we look. We look at
each connection every half a millisecond and do not sleep on it: to wake a reader up is the work of the `send` that hands over
an order, 15 us of it on a virtual processor that halts, and a venue's readers sleep on another machine.

The first line on stdout is the port. Each line on stdin asks for the instants so far: a JSON list of `[text, ns]`.
"""

import base64
import contextlib
import hashlib
import json
import re
import socket
import struct
import sys
import threading
from typing import Any

from arb.clock import NS_PER_S, SystemClock
from arb.process import give_way

SO_TIMESTAMPNS = 35
"""Socket option: have the kernel note when a packet arrived (Linux)."""
_WS_KEY = re.compile(rb"(?i)\r\nsec-websocket-key: *([^\r\n]+)")
_TIMESPEC = struct.Struct("qq")
_LOOKS_EVERY_S = 0.0005


class LegServer:
    """Listens on loopback; one thread per connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._stamps: list[tuple[str, int]] = []
        self._number = 0
        self._pause = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def take(self) -> list[tuple[str, int]]:
        """Hand over (text of the order, instant of its first byte) of all orders since the last time."""
        stamps, self._stamps = self._stamps, []
        return stamps

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if sys.platform == "linux":
                connection.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while True:
                # One byte first: its packet's instant is that of the first byte, whatever follows in later packets.
                first, notes = self._first_byte(connection)
                if not first:
                    return
                stamp_ns = instant(notes)
                found = _rest(connection, first)
                if found is None:
                    return
                head, body = found
                key = _WS_KEY.search(head)
                if key is not None:
                    connection.sendall(_switched(key.group(1)))
                    self._serve_frames(connection)
                    return
                connection.sendall(self._answer(body, stamp_ns))

    def _first_byte(self, connection: socket.socket) -> tuple[bytes, list[tuple[int, int, bytes]]]:
        """Return the next byte and what the kernel noted with it, and no byte at the end; nobody is woken up by it."""
        while True:
            with contextlib.suppress(BlockingIOError):
                first, notes, _, _ = connection.recvmsg(1, 64, socket.MSG_DONTWAIT)
                return first, notes
            self._pause.wait(_LOOKS_EVERY_S)

    def _answer(self, body: bytes, stamp_ns: int) -> bytes:
        text = json.dumps(self._filled(json.loads(body or b"{}"), stamp_ns)).encode()
        head = f"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        return head.encode() + text

    def _serve_frames(self, connection: socket.socket) -> None:
        """Speak Gate's order API: a login, and orders that are answered twice; anything else is passed over."""
        while True:
            first, notes = self._first_byte(connection)
            if not first:
                return
            stamp_ns = instant(notes)
            text = _frame_text(connection, first)
            if text is None:
                return
            frame: dict[str, Any] = json.loads(text) if text.startswith(b"{") else {}
            payload = frame.get("payload") or {}
            answer = {"request_id": payload.get("req_id"), "header": {"status": "200", "channel": frame.get("channel")}}
            if frame.get("channel") == "spot.login":
                connection.sendall(_framed(answer | {"data": {"result": {"uid": "1"}}}))
            elif frame.get("channel") == "spot.order_place":
                order = self._filled(payload["req_param"], stamp_ns)
                connection.sendall(_framed(answer | {"ack": True}))
                connection.sendall(_framed(answer | {"data": {"result": order}}))

    def _filled(self, order: dict[str, Any], stamp_ns: int) -> dict[str, Any]:
        self._stamps.append((order.get("text", ""), stamp_ns))
        self._number += 1
        return order | {
            "id": str(self._number),
            "create_time_ms": 1_760_000_000_000,
            "update_time_ms": 1_760_000_000_000,
            "status": "closed",
            "finish_as": "filled",
            "left": "0",
            "filled_amount": order.get("amount", "0"),
            "filled_total": "1",
            "avg_deal_price": order.get("price", "0"),
            "fee": "0",
            "fee_currency": "USDT",
        }


def _rest(connection: socket.socket, data: bytes) -> tuple[bytes, bytes] | None:
    """Return (head, body) of the request that begins with `data`; None when the connection ends before it is whole."""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    wanted = int(lengths[0]) if lengths else 0
    while len(body) < wanted:
        more = connection.recv(65536)
        if not more:
            return None
        body += more
    return head, body


def _switched(key: bytes) -> bytes:
    """Return the answer that opens a websocket (RFC 6455, section 4.2.2)."""
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    return head + base64.b64encode(digest) + b"\r\n\r\n"


def _framed(message: dict[str, Any]) -> bytes:
    """Return a message as one text frame (RFC 6455, section 5.2)."""
    text = json.dumps(message).encode()
    size = bytes([len(text)]) if len(text) < 126 else b"\x7e" + len(text).to_bytes(2, "big")
    return b"\x81" + size + text


def _frame_text(connection: socket.socket, first: bytes) -> bytes | None:
    """Return the content of the client's frame whose first byte is given; empty for a control frame, None at the end."""
    sized = _exactly(connection, 1)
    if sized is None:
        return None
    size = sized[0] & 0x7F
    if size >= 126:
        longer = _exactly(connection, 2 if size == 126 else 8)
        if longer is None:
            return None
        size = int.from_bytes(longer, "big")
    rest = _exactly(connection, 4 + size)
    if rest is None or first[0] & 0x0F == 0x8:
        return None
    mask, content = rest[:4], rest[4:]
    plain = bytes(byte ^ mask[place % 4] for place, byte in enumerate(content))
    return plain if first[0] & 0x0F == 0x1 else b""


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            return None
        data += more
    return data


def instant(notes: list[tuple[int, int, bytes]]) -> int:
    """Return when a packet arrived, ns UTC: as the kernel noted it, else now."""
    for level, kind, value in notes:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(value[: _TIMESPEC.size])
            return int(seconds * NS_PER_S + nanoseconds)
    return SystemClock().wall_ns()  # a clock made now, since the kernel's may be slewed


def main() -> None:
    """Serve until stdin ends."""
    give_way()
    server = LegServer()
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        sys.stdout.write(json.dumps(server.take()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
