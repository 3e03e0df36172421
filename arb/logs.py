"""Logging that never blocks the loop and never prints a secret.

Any module may log through `logging.getLogger("arb...")`; only this one decides where the lines go: into a bounded
queue, and from there, on a separate thread, to stderr. A full queue (stderr is an unread pipe) drops lines and counts
them, since a trading loop must not wait for its readers. Registered secrets are masked in every line, exception texts
included.
"""

import logging
import queue
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from logging.handlers import QueueHandler, QueueListener
from typing import TYPE_CHECKING

from arb.masking import SECRETS, SecretMask, printable

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

QUEUE_LINES_MAX = 10_000


class BoundedQueueHandler(QueueHandler):
    """Format and mask where the record is made; drop and count when the queue is full."""

    def __init__(self, lines: "queue.Queue[logging.LogRecord]", mask: SecretMask) -> None:
        super().__init__(lines)
        self.dropped = 0
        self._mask = mask

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return a record whose text is final, so that nothing mutable crosses to the other thread.

        Its text stays on one line, and a traceback is indented: text of others cannot pass for a line of the log.
        """
        record = copy(record)
        record.msg, record.args = printable(record.getMessage()), None
        record = super().prepare(record)
        record.msg = "\n    ".join(map(printable, self._mask.masked(str(record.msg)).splitlines()))
        record.message = record.msg
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class _LineFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime


@contextmanager
def logging_to(
    stream: "SupportsWrite[str] | None" = None, *, level: str = "info", mask: SecretMask | None = None
) -> Iterator[None]:
    """Send all of arb's logs to `stream` (by default stderr) while the block runs; flush them at its end.

    Secrets registered in `mask` (by default the process's `SECRETS`) before a line are masked in it.
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
