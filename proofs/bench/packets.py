"""What passed on the loopback, packet by packet, where the user may capture it: root, with tcpdump.

Nothing here is asked for: without the right or the program there are no packets, and the relay's own notes count.
"""

import os
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from arb.clock import NS_PER_S
from proofs.bench.wire_relay import Noted, note

_GLOBAL, _RECORD = struct.Struct("<IHHiIII"), struct.Struct("<IIII")
_NANOSECONDS = 0xA1B23C4D
_LINK_BYTES = {1: 14, 113: 16, 276: 20}
"""What stands before the IP header: Ethernet, and both forms of Linux's cooked capture."""


LAST = b"GET /the-capture-ends-here HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""A request of our own: when the capture has it, it has all that came before."""


class Packet(NamedTuple):
    """A TCP segment with data; `at_ns` by the kernel's clock."""

    at_ns: int
    source: int
    target: int
    data: bytes


class Capture:
    """A capture of one port of the loopback, into a file."""

    def __init__(self, path: Path, port: int) -> None:
        self._path = path
        self._port = port
        command = [
            "tcpdump",
            "-i",
            "lo",
            "-U",
            "-s",
            "2000",
            "-B",
            "16384",
            "--time-stamp-precision=nano",
            "-w",
            str(path),
        ]
        self._process = subprocess.Popen([*command, "tcp", "port", str(port)], stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        self._process.stderr.readline()  # "listening on lo"

    def end(self) -> list[Packet]:
        """Return what passed until now; a busy machine may take a while to write it down (ten seconds at most)."""
        with socket.create_connection(("127.0.0.1", self._port)) as last:
            last.sendall(LAST)
            pause = threading.Event()
            for _ in range(200):
                if LAST in self._path.read_bytes():
                    break
                pause.wait(0.05)
        self._process.terminate()
        self._process.communicate(timeout=10)
        return list(packets_in(self._path.read_bytes()))

    def noted(self, packets: list[Packet], mark: bytes, begin_ns: int, end_ns: int) -> Noted:
        """Return what a relay on the port would have noted between two instants."""
        found = Noted([], [])
        for packet in packets:
            if begin_ns <= packet.at_ns <= end_ns:
                note(found, packet.at_ns, packet.data, mark, down=packet.source == self._port)
        return found


def can_capture() -> bool:
    """Return whether packets can be captured here."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("tcpdump") is not None


def packets_in(raw: bytes) -> Iterator[Packet]:
    """Yield the TCP segments with data of a capture file (pcap, little endian, IPv4); an incomplete end is left out."""
    magic, _, _, _, _, _, link = _GLOBAL.unpack_from(raw)
    nanoseconds = 1 if magic == _NANOSECONDS else 1000
    place = _GLOBAL.size
    while place + _RECORD.size <= len(raw):
        seconds, fraction, size, _ = _RECORD.unpack_from(raw, place)
        place += _RECORD.size
        if place + size > len(raw):
            return
        ip = raw[place + _LINK_BYTES[link] : place + size]
        place += size
        tcp = ip[(ip[0] & 0x0F) * 4 :]
        data = tcp[(tcp[12] >> 4) * 4 :]
        if data:
            source, target = struct.unpack_from(">HH", tcp)
            yield Packet(seconds * NS_PER_S + fraction * nanoseconds, source, target, data)
