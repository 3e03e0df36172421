"""Log lines while a screen is up: kept for it, and written out once it is gone, so that none is lost nor lies across it."""

import threading
from collections import deque
from typing import TextIO

HELD_MAX = 500
SHOWN = 8


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

    def flush(self) -> None:
        """Flush what was passed on."""
        if not self._held:
            self._stream.flush()

    def hold(self) -> None:
        """Keep lines from now on, if they would stand on a terminal."""
        with self._lock:
            self._held = self._stream.isatty()

    def release(self) -> None:
        """Write out what was kept, and pass everything on again."""
        with self._lock:
            self._held = False
            if self._dropped:
                self._stream.write(f"{self._dropped} earlier log lines stood on the screen alone\n")
            self._stream.writelines(f"{found}\n" for found in self._lines)
            self._lines.clear()
            self._dropped = 0
        self._stream.flush()

    def latest(self) -> list[str]:
        """Return the latest lines kept, the latest first."""
        with self._lock:
            return [*reversed(self._lines)][:SHOWN]
