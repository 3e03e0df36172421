"""A relay before a sandbox that notes when a tick left for the client under test, and when its order requests arrived.

Runs as a process of its own (`python -m proofs.bench.wire_relay PORT MARK`). A tick is noted just before the system call that
sends it, a request by the kernel when its packet arrives (Linux; elsewhere when we wake up): what is measured includes both
ways over the loopback, and nothing of the sandbox. The first line on stdout is the relay's port, which also replaces the
sandbox's in all that passes. Each line on stdin asks for `{"ticks": [ns], "orders": [[ns, path]]}` so far.
"""

import json
import socket
import sys
import threading
from typing import NamedTuple

from arb.clock import SystemClock
from arb.process import give_way
from proofs.bench.leg_server import SO_TIMESTAMPNS, instant

_CHUNK = 1 << 18


class Noted(NamedTuple):
    """When ticks left, and when order requests arrived and for which path."""

    ticks: list[int]
    orders: list[tuple[int, str]]


def note(noted: Noted, at_ns: int, data: bytes, mark: bytes, *, down: bool) -> None:
    """Note a tick that goes down to the client, or an order request that comes up from it."""
    if down:
        if mark in data and not data.startswith(b"HTTP/1"):
            noted.ticks.append(at_ns)
    elif data.startswith(b"POST ") and b"order" in data[:120]:
        noted.orders.append((at_ns, data.split(b" ", 2)[1].decode("latin-1")))


class WireRelay:
    """Passes on every connection to `port` of this machine; `mark`: what a tick holds."""

    def __init__(self, port: int, mark: bytes) -> None:
        self._target = port
        self._mark = mark
        self._noted = Noted([], [])
        refused = []  # a port of as many digits, so that addresses keep their length
        while True:
            listener = socket.create_server(("127.0.0.1", 0), backlog=64)
            self.port: int = listener.getsockname()[1]
            if len(str(self.port)) == len(str(port)):
                break
            refused.append(listener)
        for other in refused:
            other.close()
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def take(self) -> Noted:
        """Hand over what was noted since the last time."""
        noted, self._noted = self._noted, Noted([], [])
        return noted

    def _accept(self, listener: socket.socket) -> None:
        while True:
            client, _ = listener.accept()
            if sys.platform == "linux":
                client.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            venue = socket.create_connection(("127.0.0.1", self._target))
            for one in (client, venue):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for way in (self._up, self._down):
                threading.Thread(target=way, args=(client, venue), daemon=True).start()

    def _up(self, client: socket.socket, venue: socket.socket) -> None:
        try:
            while True:
                data, notes, _, _ = client.recvmsg(_CHUNK, 64)
                if not data:
                    break
                note(self._noted, instant(notes), data, self._mark, down=False)
                venue.sendall(data)
            venue.shutdown(socket.SHUT_WR)
        except OSError:
            venue.close()

    def _down(self, client: socket.socket, venue: socket.socket) -> None:
        ours, theirs = f":{self.port}".encode(), f":{self._target}".encode()
        try:
            while data := venue.recv(_CHUNK):
                passed = data.replace(theirs, ours)
                note(self._noted, SystemClock().wall_ns(), data, self._mark, down=True)
                client.sendall(passed)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            client.close()


def main() -> None:
    """Pass on until stdin ends."""
    give_way()
    relay = WireRelay(int(sys.argv[1]), sys.argv[2].encode())
    sys.stdout.write(f"{relay.port}\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        sys.stdout.write(json.dumps(relay.take()._asdict()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
