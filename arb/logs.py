"""Logging that never blocks the loop and never prints a secret.

Any module may log through `logging.getLogger("arb...")`; only this one decides where the lines go: into a bounded
queue, and from there, on a separate thread, to stderr or a file. A full queue (stderr is an unread pipe, the disk is slow)
drops lines and counts them, since a trading loop must not wait for its readers. Registered secrets are masked in every line,
exception texts included. A call that names a pair does so by `extra={"pair_id": ID}`.
"""

import logging
import queue
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import copy
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from arb.masking import SECRETS, SecretMask, printable

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

QUEUE_LINES_MAX = 10_000
ROOT = "arb"
LEVELS = ("debug", "info", "warning", "error", "critical")


class BoundedQueueHandler(QueueHandler):
    """Format and mask where the record is made; drop and count when the queue is full."""

    def __init__(self, lines: "queue.Queue[logging.LogRecord]", mask: SecretMask) -> None:
        super().__init__(lines)
        self.dropped = 0
        self.run_id: int | None = None
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
        record.run_id = self.run_id
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


def log_path(journal: Path) -> Path:
    """Return the log file of the engine on a journal; rotated ones have `.1`, `.2` ... behind their name, the newest first."""
    return journal.with_name(journal.name.removesuffix(".sqlite") + ".log")


class LogFile(RotatingFileHandler):
    """At most `files_max` files of `file_bytes` each. A disk that takes no line costs lines, and stderr gets one about it."""

    def __init__(self, path: Path, file_bytes: int, files_max: int) -> None:
        with suppress(OSError):  # the first line reports it
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(path, maxBytes=file_bytes, backupCount=files_max - 1, encoding="utf-8", delay=True)
        self.lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        lost_before = self.lost
        super().emit(record)
        if lost_before and self.lost == lost_before:
            self.lost = 0
            text = f"{lost_before} log lines are missing here: {self.baseFilename} could not be written"
            super().emit(logging.makeLogRecord({"name": __name__, "levelname": "WARNING", "msg": text}))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Count a lost line, and drop the stream with its unwritten bytes: the next line opens the file again."""
        self.lost += 1
        stream, self.stream = self.stream, None
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.close()
        if self.lost == 1:
            error = sys.exc_info()[1]
            cause = error.strerror if isinstance(error, OSError) else repr(error)
            with suppress(OSError, ValueError):
                sys.stderr.write(
                    f"arb: log file {self.baseFilename}: {cause}: lines are lost until it can be written\n"
                )


class _LineFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        pair_id = getattr(record, "pair_id", None)
        return super().format(record) + ("" if pair_id is None else f" [pair {pair_id}]")


class _JsonFormatter(_LineFormatter):
    """One JSON object a line; `run_id` and `pair_id` only where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": f"{self.formatTime(record, self.datefmt)}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "module": record.name,
            "message": record.getMessage(),
        }
        ids = {name: str(found) for name in ("run_id", "pair_id") if (found := getattr(record, name, None)) is not None}
        return msgspec.json.encode(line | ids).decode()


class Log:
    """The log of this process while `logging_to` lasts. Lines name the run once `of_run` was called."""

    def __init__(self, handler: BoundedQueueHandler) -> None:
        self._handler = handler
        self._modules: tuple[str, ...] = ()

    def of_run(self, run_id: int) -> None:
        self._handler.run_id = run_id

    def set_levels(self, level: str, modules: Mapping[str, str]) -> None:
        """Log from `level` on, and each module of arb (with the modules in it) from its own level on."""
        for name in self._modules:
            logging.getLogger(name).setLevel(logging.NOTSET)
        logging.getLogger().setLevel(max(logging.WARNING, getattr(logging, level.upper())))
        for name, at in {ROOT: level, **modules}.items():
            logging.getLogger(name).setLevel(at.upper())
        self._modules = tuple(modules)


@contextmanager
def logging_to(
    stream: "SupportsWrite[str] | None" = None,
    *,
    level: str = "info",
    modules: Mapping[str, str] | None = None,
    as_json: bool = False,
    file: LogFile | None = None,
    mask: SecretMask | None = None,
) -> Iterator[Log]:
    """Send all of arb's logs to `stream` (by default stderr) while the block runs; flush them at its end.

    With a `file` they go there, and to a stream only if that is a terminal. A terminal always gets text, all else JSON lines
    with `as_json`. Secrets registered in `mask` (by default the process's `SECRETS`) before a line are masked in it.
    """
    lines: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE_LINES_MAX)
    handler = BoundedQueueHandler(lines, mask or SECRETS)
    shown, form = logging.StreamHandler(stream or sys.stderr), _JsonFormatter() if as_json else _LineFormatter()
    on_terminal = getattr(shown.stream, "isatty", bool)()
    shown.setFormatter(_LineFormatter() if on_terminal else form)
    sinks: list[logging.Handler] = [shown] if file is None or on_terminal else []
    if file is not None:
        file.setFormatter(form)
        sinks.append(file)
    listener = QueueListener(lines, *sinks)
    root = logging.getLogger()
    level_before = root.level
    root.addHandler(handler)
    log = Log(handler)
    log.set_levels(level, modules or {})
    listener.start()
    try:
        yield log
    finally:
        log.set_levels(level, {})
        root.removeHandler(handler)
        root.setLevel(level_before)
        listener.stop()
        if file is not None:
            file.close()
        if handler.dropped:
            shown.stream.write(f"{handler.dropped} log lines were dropped: they were not taken fast enough\n")
