"""Websocket frames without a socket, as a client reads and writes them (RFC 6455, section 5), without extensions.

`FrameReader` gives the receiver a buffer and reads the bytes received in it: a whole frame is delivered in the same
call. It holds one incomplete frame, at most; of a frame longer than allowed only the head is ever read. Reading is
strict: a frame that RFC 6455 forbids raises `BadFrame`, and the connection is over. After a close frame nothing is
read.
"""

from collections.abc import Callable
from enum import IntEnum

FRAME_BYTES_MAX = 1024 * 1024
"""The longest message of any stream; a longer one ends the connection before it is buffered. The longest documented ones
are whole books of 400 levels a side, some 50 kB, and an account's first balances, half of that bound with 500 assets."""
BUFFER_BYTES = 64 * 1024
"""The most bytes read at once, while no frame is longer."""
FRAMES_AT_ONCE = 32
"""How many frames one call of `take` reads at most, so that the caller can look at the clock."""
HOLLOW_BYTES = 32
"""A text below this size carries no market data and no report: it costs as much work as one that does."""
PART_BYTES = 1024
"""Servers cut a message into parts of kilobytes; a smaller part that others follow is hollow."""
_CONTROL_BYTES_MAX = 125
_PART_COST = 64
"""The cost of a part of a message besides its bytes: even empty ones are bounded."""


class Opcode(IntEnum):
    """The kinds of frames (RFC 6455, 5.2)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


_WHOLE = frozenset({0x80 | Opcode.TEXT, 0x80 | Opcode.BINARY})
_WHOLE_TEXT = 0x80 | Opcode.TEXT
_DATA = frozenset({Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY})
_CONTROL = frozenset({Opcode.CLOSE, Opcode.PING, Opcode.PONG})
_CLOSE_CODES = (range(1000, 1004), range(1007, 1015), range(3000, 5000))
"""Codes that a close frame may carry (RFC 6455, 7.4, and the registry it opens)."""


class BadFrame(Exception):
    """The received bytes are no frame that a server may send now. `code`: the status to close with (RFC 6455, 7.4.1)."""

    def __init__(self, text: str, code: int = 1002) -> None:
        super().__init__(text)
        self.code = code


class PerSecond:
    """Counts frames that a venue sends without reason; more than `most` in a second is a flood."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._began_s = -1.0
        self._count = 0

    def exceeded(self, now_s: float, count: int = 1) -> bool:
        """Count `count` more at an instant of a monotonic clock; return whether it is a flood."""
        if now_s - self._began_s >= 1.0:
            self._began_s, self._count = now_s, 0
        self._count += count
        return self._count > self._most


class FrameReader:
    """Reads a server's frames; `on_message` is given every message, whole, and `on_control` the other frames."""

    def __init__(self, on_message: Callable[[bytes], None], on_control: Callable[[Opcode, bytes], None]) -> None:
        self.on_message = on_message
        self._on_control = on_control
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._end = 0
        # The parts of a message received in several frames; None: none is under way.
        self._parts: list[bytes] | None = None
        self._parts_text = False
        self._parts_bytes = 0
        self._closed = False
        self.hollow = 0
        """Frames that carried nothing: control frames, the smallest texts and parts. The caller bounds and resets it."""

    @property
    def held(self) -> int:
        """Return how many bytes were not passed to a listener yet."""
        return self._end

    def space(self) -> memoryview:
        """Return where to put the next bytes; never empty."""
        return self._view[self._end :]

    def hold(self, count: int) -> None:
        self._end += count
        self._make_room(self._end)

    def take(self, count: int) -> bool:
        """Read `count` bytes more of the space and pass each whole message on; raises `BadFrame`, and exceptions of
        listeners.

        Return whether more may be whole: after `FRAMES_AT_ONCE` frames the rest waits for the next call, with 0 bytes.
        """
        if self._closed:
            return False
        self._end += count
        buffer, view, end, place = self._buffer, self._view, self._end, 0
        needed, allowed = 0, FRAMES_AT_ONCE
        try:
            while allowed and end - place >= 2:
                first, size = buffer[place], buffer[place + 1]
                begin = place + 2
                whole = first in _WHOLE and self._parts is None
                if size > 127:
                    raise BadFrame("a frame of the server's is masked")
                if not whole:
                    self._check_head(first, size)
                if size == 126:
                    begin += 2
                    if begin > end:
                        break
                    size = buffer[place + 2] << 8 | buffer[place + 3]
                    if size < 126:
                        raise BadFrame("a length that is written longer than need be")
                elif size == 127:
                    begin += 8
                    if begin > end:
                        break
                    size = int.from_bytes(view[place + 2 : begin], "big")
                    if size < 1 << 16:
                        raise BadFrame("a length that is written longer than need be")
                if size > FRAME_BYTES_MAX:
                    raise BadFrame(f"a frame of {size} bytes exceeds the limit of {FRAME_BYTES_MAX}", 1009)
                stop = begin + size
                if stop > end:
                    needed = stop - place
                    break
                place = stop
                allowed -= 1
                raw = bytes(view[begin:stop])
                if not whole:
                    if self._take_other(first, raw):
                        place = end
                    continue
                if size < HOLLOW_BYTES:
                    self.hollow += 1
                if first == _WHOLE_TEXT and not raw.isascii():
                    _check_text(raw)
                self.on_message(raw)
        finally:
            left = end - place
            if place and left:
                buffer[:left] = buffer[place:end]
            self._end = left
        self._make_room(needed)
        return not allowed and left >= 2

    def _check_head(self, first: int, size: int) -> None:
        """Refuse a frame by its first two bytes, before any byte of its payload is waited for."""
        final, opcode = bool(first & 0x80), first & 0x0F
        if first & 0x70:
            raise BadFrame("a frame uses an extension that was not agreed upon")
        if opcode in _CONTROL:
            if not final or size > _CONTROL_BYTES_MAX:
                raise BadFrame("a control frame that is cut or too long")
        elif opcode not in _DATA:
            raise BadFrame(f"a frame of the unknown kind {opcode}")
        elif (opcode == Opcode.CONTINUATION) == (self._parts is None):
            raise BadFrame("a message begins within another, or continues without having begun")

    def _take_other(self, first: int, payload: bytes) -> bool:
        """Take a frame that is not a whole message; return whether nothing is read after it."""
        final, opcode = bool(first & 0x80), first & 0x0F
        if opcode in _CONTROL:
            self.hollow += 1
            if opcode == Opcode.CLOSE:
                self._closed = True
                _check_close(payload)
            self._on_control(Opcode(opcode), payload)
            return self._closed
        if self._parts is None:
            self._parts, self._parts_bytes, self._parts_text = [], 0, opcode == Opcode.TEXT
        if not final and len(payload) < PART_BYTES:
            self.hollow += 1
        self._parts.append(payload)
        self._parts_bytes += len(payload) + _PART_COST
        if self._parts_bytes > FRAME_BYTES_MAX:
            raise BadFrame(f"a message in parts exceeds the limit of {FRAME_BYTES_MAX} bytes", 1009)
        if final:
            whole, self._parts = b"".join(self._parts), None
            if self._parts_text:
                _check_text(whole)
            self.on_message(whole)
        return False

    def _make_room(self, size: int) -> None:
        """Make the buffer hold `size` bytes from its beginning, and some more."""
        if size < len(self._buffer):
            return
        held = self._buffer[: self._end]
        self._buffer = bytearray(size + BUFFER_BYTES)
        self._buffer[: len(held)] = held
        self._view = memoryview(self._buffer)


def _check_text(raw: bytes) -> None:
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise BadFrame("a text that is no UTF-8", 1007) from None


def _check_close(payload: bytes) -> None:
    """Check code and reason of a close frame, which may have neither (RFC 6455, 5.5.1)."""
    if not payload:
        return
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not any(code in codes for codes in _CLOSE_CODES):
        raise BadFrame(f"a close frame with the code {code}")
    _check_text(payload[2:])


def masked_frame(opcode: Opcode, payload: bytes, key: bytes) -> bytes:
    """Return a whole frame of a client's; `key` is four unpredictable bytes (RFC 6455, 5.3)."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
    mask = (key * (size // 4 + 1))[:size]
    return head + key + (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
