"""Logging that never blocks the loop and never prints a secret.

Any module may log through `logging.getLogger("arb...")`; this one alone decides where the lines go: into a bounded
queue, and from there, on a thread of its own, to stderr. A full queue (stderr is a pipe nobody reads) drops lines
and counts them, since a trading loop must not wait for its audience. Registered secrets are masked in every line,
exception texts included.
"""

import logging
import queue
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener
from typing import TextIO

QUEUE_LINES_MAX = 10_000
SECRET_LENGTH_MIN = 6
"""A shorter text is not masked: it would occur by chance everywhere."""
_MASK = "***"


class SecretMask:
    """Replace registered secrets in text."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask each of `secrets` from now on; the longest first, in case one contains another."""
        self._secrets |= {secret for secret in secrets if len(secret) >= SECRET_LENGTH_MIN}

    def masked(self, text: str) -> str:
        """Return `text` without any registered secret."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, _MASK)
        return text


SECRETS = SecretMask()
"""The secrets of this process. Whoever reads one from the environment or a sandbox registers it here at once."""


class BoundedQueueHandler(QueueHandler):
    """Format and mask where the record is made; drop and count when the queue is full."""

    def __init__(self, lines: "queue.Queue[logging.LogRecord]", mask: SecretMask) -> None:
        super().__init__(lines)
        self.dropped = 0
        self._mask = mask

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return a record whose text is final, so that nothing mutable crosses to the other thread."""
        record = super().prepare(record)
        record.msg = self._mask.masked(str(record.msg))
        record.message = record.msg
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Put without waiting."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class _LineFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime


@contextmanager
def logging_to(stream: TextIO | None = None, *, level: str = "info", mask: SecretMask | None = None) -> Iterator[None]:
    """Send all of arb's logs to `stream` (by default stderr) while the block runs; flush them at its end.

    What `mask` (by default the process's `SECRETS`) has registered by the time of a line is masked in it.
    """
    lines: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE_LINES_MAX)
    handler = BoundedQueueHandler(lines, mask or SECRETS)
    sink = logging.StreamHandler(stream or sys.stderr)
    sink.setFormatter(_LineFormatter())
    listener = QueueListener(lines, sink)
    root = logging.getLogger()
    level_before = root.level
    root.addHandler(handler)
    root.setLevel(max(logging.WARNING, getattr(logging, level.upper())))
    logging.getLogger("arb").setLevel(level.upper())
    listener.start()
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level_before)
        listener.stop()
        if handler.dropped:
            sink.stream.write(f"{handler.dropped} log lines were dropped: stderr was not read fast enough\n")
