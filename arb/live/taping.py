"""The tape of a run: every frame and every event, in the order in which the engine took them.

The loop only puts lines into a queue. A thread encodes, compresses and writes them, and flushes twice a second, so that the
tape of a killed process is readable. The queue is bounded. When the disk refuses a line, or cannot keep up, taping ends there,
since a tape with holes replays to something that never happened. Trading continues, and the end of the tape shows how far it
reaches.
"""

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from arb.core.messages.events import AnyEvent
from arb.errors import StoreError
from arb.market.feed import further_name, venue_of
from arb.masking import SECRETS
from arb.store.tapes.line import Kind
from arb.store.tapes.tape import TapeFile, TapeHead, encode_head, free_path

log = logging.getLogger(__name__)

QUEUE_BYTES = 64 * 1024 * 1024
EVENT_BYTES = 512
"""The counted size of a waiting event: the thread encodes it."""
FLUSH_EVERY_S = 0.5
CLOSE_WAIT_S = 10.0

_encode = msgspec.json.Encoder(decimal_format="string").encode
_Line = tuple[int | None, int, str, bytes | AnyEvent, str]
"""Number, instant, connection (of an event: the venue), content, and the URL it was fetched from."""


class Taping:
    """The tape of one run. `frame` and `event` are called on the loop's thread and never block."""

    def __init__(self, path: Path, on_trouble: Callable[[str], None], *, queue_bytes: int = QUEUE_BYTES) -> None:
        """Create the tape at `path`, or as the next part of it that is free; raises `StoreError` when it cannot be made.

        `on_trouble` is called at most once, from any thread, with the reason why taping ended early.
        """
        self._writer = TapeFile(free_path(path))
        self._on_trouble = on_trouble
        self._queue_bytes = queue_bytes
        self._wake = threading.Condition()
        # Guarded by the condition's lock.
        self._queue: deque[_Line] = deque()
        self._waiting_bytes = 0
        self._closing = False
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="tape", daemon=True)
        self._thread.start()

    @property
    def path(self) -> Path:
        return self._writer.path

    @property
    def ended(self) -> bool:
        """Return whether taping has stopped, by `close` or by a fault."""
        with self._wake:
            return self._ended

    def begin(self, head: TapeHead, t_ns: int) -> None:
        """Write the head; to be called once, before everything else."""
        self._put((None, t_ns, "", encode_head(head), ""), EVENT_BYTES)

    def frame(self, seq: int, received_ns: int, connection: str, raw: bytes, url: str = "") -> None:
        """Append one public frame of the connection of that name, or the answer fetched from `url` for it."""
        self._put((seq, received_ns, connection, raw, url), len(raw))

    def event(self, event: AnyEvent) -> None:
        self._put((event.seq, event.t_ns, getattr(event, "venue", None) or "", event, ""), EVENT_BYTES)

    def close(self) -> None:
        """Write the waiting lines and end the tape; an empty one is removed. A second call changes nothing."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        self._thread.join(CLOSE_WAIT_S)
        if self._thread.is_alive():
            log.error("the tape was not written in %g s: its end is missing", CLOSE_WAIT_S)
        elif not self._writer.lines:
            self._writer.path.unlink(missing_ok=True)  # a run that never began need not be in the way of the next

    def _put(self, line: _Line, size: int) -> None:
        with self._wake:
            if self._ended or self._closing:
                return
            full = self._waiting_bytes + size > self._queue_bytes
            if not full:
                self._queue.append(line)
                self._waiting_bytes += size
        if full:
            self._end(f"tape {self._writer.path}: the disk cannot keep up; taping has ended, trading goes on")

    def _run(self) -> None:
        try:
            while self._step():
                pass
            self._writer.close()
        except StoreError as error:
            self._end(f"{error}; taping has ended, trading goes on")
        finally:
            with self._wake:
                self._ended = True
                self._queue.clear()
            with contextlib.suppress(StoreError):
                self._writer.close()

    def _step(self) -> bool:
        with self._wake:
            self._wake.wait_for(lambda: self._closing or self._ended, FLUSH_EVERY_S)
            more = not (self._closing or self._ended)
        while self._queue:
            self._write(self._queue.popleft())  # only this thread takes lines out
        self._writer.flush()
        return more

    def _write(self, line: _Line) -> None:
        seq, t_ns, origin, content, url = line
        is_frame = isinstance(content, bytes) and seq is not None
        size = len(content) if is_frame else EVENT_BYTES  # type: ignore[arg-type]
        with self._wake:
            self._waiting_bytes -= size
        raw = SECRETS.masked_bytes(content) if isinstance(content, bytes) else _encode(content)
        venue, connection = venue_of(origin), further_name(origin)
        kind: Kind = "event" if not is_frame else "http" if url else "ws"
        self._writer.write(venue, kind, raw, t_ns=t_ns, seq=seq, url=url, connection=connection)

    def _end(self, cause: str) -> None:
        with self._wake:
            first, self._ended = not self._ended, True
            self._wake.notify_all()
        if first:
            self._on_trouble(cause)
