"""Websocket frames without a socket, as a client reads and writes them (RFC 6455, section 5), without extensions.

`FrameReader` hands a buffer to whoever receives and takes what came in it: a frame that lies in it whole is handed over in
the same call. It holds one frame that has not come whole, at most; of a longer one than allowed nothing but its head is
ever read. Reading is strict: what RFC 6455 forbids raises `BadFrame`, and the connection is over.
"""

from collections.abc import Callable
from enum import IntEnum

FRAME_BYTES_MAX = 1024 * 1024
"""Of one message of any stream, in bytes; a longer one ends the connection before it is buffered. The longest documented ones
are whole books of 400 levels a side, some 50 kB, and an account's first balances, half of that bound with 500 assets."""
BUFFER_BYTES = 64 * 1024
"""What is read at once, at most, while no frame is longer."""
_CONTROL_BYTES_MAX = 125
_PART_COST = 64
"""What a part of a message counts for besides its bytes: even empty ones are bounded."""


class Opcode(IntEnum):
    """What a frame is (RFC 6455, 5.2)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


_WHOLE = frozenset({0x80 | Opcode.TEXT, 0x80 | Opcode.BINARY})
_DATA = frozenset({Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY})
_CONTROL = frozenset({Opcode.CLOSE, Opcode.PING, Opcode.PONG})


class BadFrame(Exception):
    """What came is no frame that a server may send now. `code`: the status to close with (RFC 6455, 7.4.1)."""

    def __init__(self, text: str, code: int = 1002) -> None:
        super().__init__(text)
        self.code = code


class FrameReader:
    """Reads what a server sends; `on_message` is given every message, whole, and `on_control` the other frames."""

    def __init__(self, on_message: Callable[[bytes], None], on_control: Callable[[Opcode, bytes], None]) -> None:
        self.on_message = on_message
        self._on_control = on_control
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._end = 0
        # The parts of a message that came in several frames; None: none is under way.
        self._parts: list[bytes] | None = None
        self._parts_bytes = 0

    @property
    def held(self) -> int:
        """Return how many bytes no listener has been given."""
        return self._end

    def space(self) -> memoryview:
        """Return where to put the next bytes; never empty."""
        return self._view[self._end :]

    def hold(self, count: int) -> None:
        """Keep `count` bytes that lie in the space until the next are taken."""
        self._end += count
        self._make_room(self._end)

    def take(self, count: int) -> None:
        """Hand over what is whole, now that `count` bytes more lie in the space; raises `BadFrame`, and as listeners do."""
        self._end += count
        buffer, view, end, place = self._buffer, self._view, self._end, 0
        needed = 0
        try:
            while end - place >= 2:
                first, size = buffer[place], buffer[place + 1]
                begin = place + 2
                if size == 126:
                    begin += 2
                    if begin > end:
                        break
                    size = buffer[place + 2] << 8 | buffer[place + 3]
                elif size == 127:
                    begin += 8
                    if begin > end:
                        break
                    size = int.from_bytes(view[place + 2 : begin], "big")
                elif size > 127:
                    raise BadFrame("a frame of the server's is masked")
                if size > FRAME_BYTES_MAX:
                    raise BadFrame(f"a frame of {size} bytes exceeds the limit of {FRAME_BYTES_MAX}", 1009)
                stop = begin + size
                if stop > end and first & 0x0F not in _CONTROL:
                    needed = stop - place
                    break
                if stop > end:
                    if size > _CONTROL_BYTES_MAX:
                        raise BadFrame(f"a control frame of {size} bytes")
                    break
                place = stop
                if first in _WHOLE and self._parts is None:
                    self.on_message(bytes(view[begin:stop]))
                else:
                    self._take_other(first, bytes(view[begin:stop]))
        finally:
            left = end - place
            if place and left:
                buffer[:left] = buffer[place:end]
            self._end = left
        self._make_room(needed)

    def _take_other(self, first: int, payload: bytes) -> None:
        """Take a frame that is not a whole message."""
        final, opcode = bool(first & 0x80), first & 0x0F
        if first & 0x70:
            raise BadFrame("a frame uses an extension that was not agreed upon")
        if opcode in _CONTROL:
            if not final or len(payload) > _CONTROL_BYTES_MAX:
                raise BadFrame("a control frame that is cut or too long")
            self._on_control(Opcode(opcode), payload)
            return
        if opcode not in _DATA:
            raise BadFrame(f"a frame of the unknown kind {opcode}")
        if (opcode == Opcode.CONTINUATION) == (self._parts is None):
            raise BadFrame("a message begins within another, or goes on without having begun")
        if self._parts is None:
            self._parts, self._parts_bytes = [], 0
        self._parts.append(payload)
        self._parts_bytes += len(payload) + _PART_COST
        if self._parts_bytes > FRAME_BYTES_MAX:
            raise BadFrame(f"a message in parts exceeds the limit of {FRAME_BYTES_MAX} bytes", 1009)
        if final:
            whole, self._parts = b"".join(self._parts), None
            self.on_message(whole)

    def _make_room(self, size: int) -> None:
        """Make the buffer hold `size` bytes from its beginning, and some more."""
        if size < len(self._buffer):
            return
        held = self._buffer[: self._end]
        self._buffer = bytearray(size + BUFFER_BYTES)
        self._buffer[: len(held)] = held
        self._view = memoryview(self._buffer)


def masked_frame(opcode: Opcode, payload: bytes, key: bytes) -> bytes:
    """Return a whole frame of a client's; `key` is four bytes that nobody can foresee (RFC 6455, 5.3)."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
    mask = (key * (size // 4 + 1))[:size]
    return head + key + (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
