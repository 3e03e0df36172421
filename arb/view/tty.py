"""The terminal of a process that draws nothing on it: whether a screen can be, how it is given back, and its log meanwhile.

Log lines are kept while a screen is up, and written out when it is gone. None is lost, and none is drawn over the screen.
"""

import contextlib
import os
import signal
import socket
import termios
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

HELD_MAX = 500
SHOWN = 8
LEAVE = b"\x1b[0m\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l"


def screen_possible(out: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether a screen can be drawn on `out`: a terminal with a cursor, in the foreground, where feeds can be."""
    if not out.isatty() or environment.get("TERM", "") in ("", "dumb"):
        return False
    with contextlib.suppress(OSError):
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).close()  # macOS has none
        return os.tcgetpgrp(out.fileno()) == os.getpgrp()  # in the background a change of its modes would stop us
    return False


def own_way_to(terminal: int) -> int | None:
    """Open a terminal once more, so that writing never blocks, and the user's shell sees nothing of that; None: it cannot."""
    with contextlib.suppress(OSError):
        return os.open(os.ttyname(terminal), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0))
    return None


def modes_of(terminal: int) -> list[Any] | None:
    """Return a terminal's modes; None for anything else."""
    with contextlib.suppress(OSError, termios.error):
        return termios.tcgetattr(terminal)
    return None


@contextlib.contextmanager
def blocked(*names: signal.Signals) -> Iterator[None]:
    """Let these signals wait; a process that is started meanwhile never gets them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, names)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def set_modes(terminal: int, modes: list[Any]) -> None:
    """Set a terminal's modes; a closed terminal has none, and one that another job has taken does not stop this process."""
    with contextlib.suppress(OSError, termios.error), blocked(signal.SIGTTOU):
        termios.tcsetattr(terminal, termios.TCSANOW, modes)


class HeldLog:
    """A stream that passes everything on, but for the time in which it is held: then the latest lines are kept.

    Only what would come out on a terminal is held: a log that goes to a file goes on going there.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: deque[str] = deque(maxlen=HELD_MAX)
        self._dropped = 0
        self._held = False
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        """Keep or pass on what a log handler writes."""
        with self._lock:
            if not self._held:
                return self._stream.write(text)
            for found in text.splitlines():
                self._dropped += len(self._lines) == HELD_MAX
                self._lines.append(found)
            return len(text)

    def isatty(self) -> bool:
        return self._stream.isatty()

    def flush(self) -> None:
        """Flush what was passed on."""
        if not self._held:
            self._stream.flush()

    def hold(self) -> None:
        """Keep lines from now on, if they would be printed on a terminal."""
        with self._lock:
            self._held = self._stream.isatty()

    def release(self) -> None:
        """Write out what was kept, and pass everything on again."""
        with self._lock:
            self._held = False
            if self._dropped:
                self._stream.write(f"{self._dropped} earlier log lines were shown on the screen only\n")
            self._stream.writelines(f"{found}\n" for found in self._lines)
            self._lines.clear()
            self._dropped = 0
        self._stream.flush()

    def latest(self) -> list[str]:
        """Return the latest lines kept, the latest first."""
        with self._lock:
            return [*reversed(self._lines)][:SHOWN]
