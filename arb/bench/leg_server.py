"""A venue for the bench: takes every Gate order, says it was filled, and knows when its first byte came.

Runs as a process of its own (`python -m arb.bench.leg_server`), so that it competes for no lock with who is measured. The
instant is the kernel's, taken when the packet arrives (`SO_TIMESTAMPNS`, Linux); elsewhere it is ours, when we wake up. The
first line on stdout is the port. Each line on stdin asks for the instants so far: a JSON list of `[text, ns]`.
"""

import json
import socket
import struct
import sys
import threading
from typing import Any

from arb.clock import NS_PER_S, SystemClock

_SO_TIMESTAMPNS = 35
_CLOCK = SystemClock()
_TIMESPEC = struct.Struct("qq")


class LegServer:
    """Listens on loopback; one thread per connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._stamps: list[tuple[str, int]] = []
        self._number = 0
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
                connection.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while True:
                # One byte first: its packet's instant is that of the first byte, whatever follows in later packets.
                first, notes, _, _ = connection.recvmsg(1, 64)
                if not first:
                    return
                stamp_ns = _instant(notes)
                body = _rest(connection, first)
                if body is None:
                    return
                connection.sendall(self._answer(body, stamp_ns))

    def _answer(self, body: bytes, stamp_ns: int) -> bytes:
        order: dict[str, Any] = json.loads(body or b"{}")
        self._stamps.append((order.get("text", ""), stamp_ns))
        self._number += 1
        filled = order | {
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
        text = json.dumps(filled).encode()
        head = f"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        return head.encode() + text


def _rest(connection: socket.socket, data: bytes) -> bytes | None:
    """Return the body of the request that begins with `data`; None when the connection ends before it is whole."""
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
    return body


def _instant(notes: list[tuple[int, int, bytes]]) -> int:
    for level, kind, value in notes:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(value[: _TIMESPEC.size])
            return int(seconds * NS_PER_S + nanoseconds)
    return _CLOCK.wall_ns()


def main() -> None:
    """Serve until stdin ends."""
    server = LegServer()
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        sys.stdout.write(json.dumps(server.take()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
