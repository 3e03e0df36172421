"""Lines of tapes at the very end of memory that may be read, as written and disturbed: they are read as msgspec reads them."""

import ctypes
import json
import mmap
import random

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.store.tapes.line import TapeLine
from arb.venues.books.compiled import layout
from arb.venues.books.compiled.loading import BYTES_AT, load_blocks
from tests.unit.replay.test_blocks import a_line
from tests.unit.venues.books.compiled.twins import GUARDED_BYTES

pytest.importorskip("numba", reason="compiled books need numba")
decode = msgspec.json.Decoder(TapeLine).decode


class Guarded:
    """Compiled code that reads a text at the end of a page; a byte beyond kills the process."""

    def __init__(self) -> None:
        self._pages = mmap.mmap(-1, GUARDED_BYTES + mmap.PAGESIZE)
        self._begin = ctypes.addressof(ctypes.c_char.from_buffer(self._pages))
        closed = ctypes.CDLL(None).mprotect(ctypes.c_void_p(self._begin + GUARDED_BYTES), mmap.PAGESIZE, 0)
        assert closed == 0
        self.lines = np.zeros((64, layout.LINE_WORDS), dtype=np.int64)
        self._copy = np.zeros(GUARDED_BYTES // 8 + 8, dtype=np.int64)
        self._name = b"gate"
        self._names = np.array([[id(self._name) + BYTES_AT, len(self._name), 0, 0]], dtype=np.int64)

    def read(self, text: bytes) -> list[tuple[bytes, bytes, int, int]]:
        """Return of each entry the line, the frame, the instant and the feed."""
        at = self._begin + GUARDED_BYTES - len(text)
        ctypes.memmove(at, text, len(text))
        order = np.zeros(layout.READING_WORDS, dtype=np.int64)
        order[layout.TEXT_BEGIN] = order[layout.TEXT_AT] = at
        order[layout.TEXT_END] = at + len(text)
        order[layout.LINES], order[layout.LINES_MAX] = self.lines.ctypes.data, len(self.lines)
        order[layout.COPY_AT] = copy = self._copy.ctypes.data
        order[layout.COPY_END] = copy + self._copy.nbytes - 32
        order[layout.NAMES], order[layout.NAMES_COUNT], order[layout.LAST_SEQ] = self._names.ctypes.data, 1, -1
        load_blocks()[0](order.ctypes.data)
        found = []
        for entry in self.lines[: order[layout.LINES_READ]].tolist():
            line = text[entry[layout.LINE_AT] : entry[layout.LINE_AT] + entry[layout.LINE_SIZE]]
            frame = ctypes.string_at(entry[layout.FRAME_AT], entry[layout.FRAME_SIZE])
            found.append((line, frame, entry[layout.LINE_NS], entry[layout.LINE_FEED]))
        return found


GUARDED = Guarded()


def disturbed(line: bytes, rng: random.Random) -> bytes:
    """Return a line that is cut, or with some of its bytes changed, added or left out."""
    at = rng.randrange(len(line))
    odd = bytes([rng.choice((rng.randrange(256), *b'\\"{}:,0 \n'))])
    return rng.choice(
        (line, line[:at], line[:at] + odd + line[at + 1 :], line[:at] + odd + line[at:], line[:at] + line[at + 1 :])
    )


def spaced(line: bytes, rng: random.Random) -> bytes:
    """Return a line, half the time as `json.dumps` writes it unless told otherwise: with spaces between its pieces."""
    return line if rng.random() < 0.5 else json.dumps(json.loads(line)).encode() + b"\n"


@given(seed=st.integers(0, 2**32))
def test_what_is_read_of_disturbed_lines_is_what_they_say(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(40):
        lines = [spaced(a_line(rng, 1.76e9 + rng.random()), rng) for _ in range(rng.randrange(1, 4))]
        lines[-1] = disturbed(lines[-1], rng)
        for line, frame, at_ns, feed in GUARDED.read(b"".join(lines)):
            if (
                feed != layout.TO_PYTHON
            ):  # what is for Python is read by msgspec at once, and refused if it is malformed
                read = decode(line)
                assert (read.kind, read.origin) == ("ws", "gate")
                assert (at_ns, frame) == (read.received_ns, read.raw.encode())


PIECES = ('"', '"', '"', '"', "a", "[", ",", "0.1", "x" * 7, "y" * 31, "z" * 33)


@given(seed=st.integers(0, 2**32))
def test_marks_may_stand_anywhere_in_a_frame(seed: int) -> None:
    rng = random.Random(seed)
    pieces = rng.choices(PIECES[: rng.randrange(1, 12)], k=rng.randrange(150))
    odd = rng.choice(("", "", "", "\\", "\n", "\u00e9", "\x7f", "/"))
    pieces.insert(rng.randrange(150), odd)
    raw = "".join(pieces)
    lines = [msgspec.json.encode(TapeLine(1.76e9, "gate", "ws", raw, t_ns=176 * 10**16)) + b"\n"] * 3
    found = GUARDED.read(b"".join(lines))
    if odd == "\u00e9":
        assert found == []  # which is not ASCII
        return
    assert [line for line, *_ in found] == lines
    for _, frame, _, feed in found:
        assert (feed, frame) == (1, raw.encode()) if odd not in ("\\", "\n") else feed == layout.TO_PYTHON


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" , ", ":  ")])
def test_whole_lines_are_read_and_not_left_to_python(separators: tuple[str, str]) -> None:
    raw = '{"a":[["1","2"],["3","4"]]}'
    said = msgspec.to_builtins(TapeLine(1.76e9, "gate", "ws", raw, t_ns=176 * 10**16))
    line = json.dumps(said, separators=separators).encode() + b"\n"
    found = GUARDED.read(line * 10)
    assert [(frame, feed) for _, frame, _, feed in found] == [(raw.encode(), 1)] * 10
