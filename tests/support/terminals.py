"""Terminals for tests: real ones, with a person's end to read what is drawn and to type."""

import contextlib
import fcntl
import os
import pty
import select
import struct
import termios
import time
from typing import Any, TextIO

WAIT_S = 60.0
"""How long something may take to be drawn, on a machine with other things to do."""


class TerminalPair:
    """Both ends of a terminal: `ours` is what a program is started on, `person` reads and types."""

    def __init__(self) -> None:
        self.person, ours = pty.openpty()
        self.ours: TextIO = os.fdopen(ours, "w", encoding="utf-8")
        self.into: TextIO = os.fdopen(os.dup(ours), encoding="utf-8")
        self._unread = b""
        self.resize(80, 24)

    def resize(self, columns: int, rows: int) -> None:
        """Give it another size."""
        fcntl.ioctl(self.person, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self) -> list[Any]:
        """Return its modes."""
        return termios.tcgetattr(self.into.fileno())

    def until(self, wanted: bytes) -> bytes:
        """Return what was drawn up to `wanted`; what came with it and stands behind it is kept for later."""
        end = time.monotonic() + WAIT_S
        while wanted not in self._unread:
            ready, _, _ = select.select([self.person], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{wanted!r} never came: {self._unread[-500:]!r}"
            self._unread += os.read(self.person, 65_536)
        before, found, self._unread = self._unread.partition(wanted)
        return before + found

    def waiting(self, wait_s: float = 0) -> bytes:
        """Return what was drawn and not read yet, once nothing more has come for `wait_s`."""
        seen, self._unread = self._unread, b""
        while select.select([self.person], [], [], wait_s)[0]:
            seen += os.read(self.person, 65_536)
        return seen

    def type(self, text: bytes) -> None:
        """Press keys."""
        os.write(self.person, text)

    def hang_up(self) -> None:
        """Close the person's end, as when a window is closed."""
        os.close(self.person)
        self.person = -1

    def close(self) -> None:
        """Close both ends."""
        for stream in (self.ours, self.into):
            with contextlib.suppress(OSError):
                stream.close()
        if self.person >= 0:
            os.close(self.person)
