"""The terminal of a process that draws nothing on it: whether a screen can be, and how it is given back."""

import contextlib
import os
import signal
import socket
import termios
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

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
