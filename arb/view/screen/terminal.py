"""The terminal that a screen is drawn on: taken as a whole, never waited for, and given back as it was on every way out.

While it is taken: the alternate screen (xterm's private mode 1049), no cursor, no line wrap, keys unechoed and one by one
(`stty -icanon -echo`). Signals stay: Ctrl-C is one as before. Ctrl-Z is no key meanwhile, since an engine that stands still
leaves legs unhedged. Pasted text is bracketed (mode 2004), and no key.
"""

import atexit
import contextlib
import os
import select
import sys
import termios
import threading
from typing import Any, TextIO

from arb.view.tty import LEAVE, own_way_to, set_modes

ENTER = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h\x1b[2J"
PASTE_BEGINS, PASTE_ENDS = b"\x1b[200~", b"\x1b[201~"
KEYS = {
    b"\r": "enter",
    b"\n": "enter",
    b"\x1b": "esc",
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1bOA": "up",
    b"\x1bOB": "down",
    b"\x0c": "redraw",
}
READ_MAX = 1024
WRITE_WAIT_S = 0.3
COLUMNS, ROWS = 80, 24
"""The size of a terminal that does not say."""


def keys_in(raw: bytes) -> list[str]:
    """Return the keys in what was read at once: characters, and names for those of `KEYS`; others are left out."""
    if PASTE_BEGINS in raw or PASTE_ENDS in raw:
        return []
    if raw in KEYS:
        return [KEYS[raw]]
    if raw.startswith(b"\x1b"):
        return []  # another key that sends a sequence, or several keys: nothing that may confirm anything
    return [KEYS.get(bytes([byte]), chr(byte)) for byte in raw if byte < 0x7F]


class Terminal:
    """One terminal: `out` is drawn on, `into` is read for keys, if that is a terminal, too."""

    def __init__(self, out: TextIO, into: TextIO | None = None) -> None:
        self.encoding = out.encoding or "ascii"
        self._out = out.fileno()
        self._in = into.fileno() if into is not None and into.isatty() else None
        self._woken, self._wakes = os.pipe()
        os.set_blocking(self._wakes, False)
        self._before: list[Any] | None = None
        self._pasting = False
        self._pending = b""
        self._drawn: list[bytes] = []
        self._size = (0, 0)
        self._taken = False
        self._lock = threading.Lock()
        self._own: int | None = None

    @property
    def has_keys(self) -> bool:
        """Return whether keys can be read."""
        return self._in is not None

    def size(self) -> tuple[int, int]:
        """Return columns and rows, as they are now."""
        with contextlib.suppress(OSError):
            columns, rows = os.get_terminal_size(self._out)
            if columns > 0 and rows > 0:
                return columns, rows
        return COLUMNS, ROWS

    def enter(self) -> None:
        """Take the terminal; raises `OSError` where it is gone."""
        self._own = own_way_to(self._out)
        if self._in is not None:
            self._before = termios.tcgetattr(self._in)
            modes = termios.tcgetattr(self._in)
            modes[3] &= ~(termios.ICANON | termios.ECHO)
            modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
            modes[6][termios.VSUSP] = os.fpathconf(self._in, "PC_VDISABLE").to_bytes(1)
            termios.tcsetattr(self._in, termios.TCSANOW, modes)
        self._taken = True
        atexit.register(self.leave)
        self._pending = ENTER  # written with the first picture, so that entering never waits

    def leave(self) -> None:
        """Give the terminal back as it was; a second time, and for one that is gone, nothing."""
        with self._lock:
            if not self._taken:
                return
            self._taken = False
        atexit.unregister(self.leave)
        if self._in is not None and self._before is not None:
            set_modes(self._in, self._before)
        with contextlib.suppress(OSError):
            self._pending += LEAVE
            self._push(WRITE_WAIT_S)
        if self._own is not None:
            os.close(self._own)
            self._own = None

    def draw(self, lines: list[bytes]) -> None:
        """Show these lines from the top; those that stand there already are not written again.

        A terminal that takes nothing now is not waited for: what was begun goes on, and newer pictures are left out until then.
        """
        self._push(0)
        if self._pending or not self._taken:
            return
        size, rows = self.size(), []
        if size != self._size:
            self._size, self._drawn = size, []
            rows.append(b"\x1b[2J")
        drawn = self._drawn
        for place, text in enumerate(lines):
            if place >= len(drawn) or drawn[place] != text:
                rows.append(b"\x1b[%d;1H\x1b[2K%b" % (place + 1, text))
        rows += [b"\x1b[%d;1H\x1b[2K" % (place + 1) for place in range(len(lines), len(drawn))]
        self._drawn = lines
        self._pending = b"".join(rows)
        self._push(0)

    def redraw(self) -> None:
        """Have the next picture written as a whole."""
        self._size = (0, 0)

    def wake(self) -> None:
        """End a `wait`, from any thread."""
        with contextlib.suppress(OSError):
            os.write(self._wakes, b".")

    def wait(self, timeout_s: float) -> list[str]:
        """Return the keys pressed next; none after `timeout_s`, or once woken."""
        sources = [self._woken, *([] if self._in is None else [self._in])]
        ready, _, _ = select.select(sources, [], [], timeout_s)
        if self._woken in ready:
            os.read(self._woken, READ_MAX)
        if self._in is None or self._in not in ready:
            return []
        raw = os.read(self._in, READ_MAX)
        if not raw:
            self._in = None  # hung up
            return []
        return self._unpasted(raw)

    def _unpasted(self, raw: bytes) -> list[str]:
        was_pasting = self._pasting
        if PASTE_BEGINS in raw or PASTE_ENDS in raw:
            self._pasting = raw.rfind(PASTE_BEGINS) > raw.rfind(PASTE_ENDS)
        return [] if was_pasting else keys_in(raw)

    def _push(self, wait_s: float) -> None:
        """Write what waits to be written, as far as the terminal takes it within `wait_s`."""
        out = self._out if self._own is None else self._own
        while self._pending:
            _, writable, _ = select.select([], [out], [], wait_s)
            if not writable:
                return
            try:
                written = os.write(out, self._pending)
            except BlockingIOError:
                return
            self._pending = self._pending[written:]


def own_terminal() -> Terminal:
    """Return the terminal that this process was started on."""
    return Terminal(sys.stdout, sys.stdin)
