"""Record public frames as they arrive, in segments that each replay independently.

The loop only gathers lines. Twice a second a thread encodes, compresses and writes them all, so that a slow disk never delays
the stamp of a frame. The recorder follows the books itself. At the beginning of a segment it writes them whole
(`arb.venues.books.plain.checkpoints`), between two frames, so it requests nothing from the venues and misses nothing.

A disk that refuses a line, or cannot keep up, ends the segment at the last line that it took. Frames are then followed and not
written, until there is room again: the next segment begins with the books of that moment.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from arb.clock import NS_PER_S, Clock
from arb.core.messages.events import FeedDown, FeedUp, InstrumentListed, InstrumentUnlisted
from arb.errors import StoreError
from arb.market.feed import FrameResult, further_name, venue_of
from arb.market.instrument import Instrument
from arb.masking import SECRETS
from arb.store.tapes.segments import Segment, Segments
from arb.venues.books.plain.base import WireFeed
from arb.venues.books.plain.checkpoints import BookCopy, copies_of

log = logging.getLogger(__name__)

FLUSH_EVERY_S = 0.5
ROOM_CHECKED_EVERY_S = 5.0
ROOM_BYTES = 64 * 1024 * 1024
"""The free space needed before writing resumes after a disk was full."""
QUEUE_BYTES = 256 * 1024 * 1024
EVENT_BYTES = 512
"""The counted size of a waiting line that is no frame."""


class _Frame(NamedTuple):
    t_ns: int
    connection: str
    raw: bytes
    url: str


class _Event(NamedTuple):
    t_ns: int
    connection: str
    event: msgspec.Struct


class _Cut(NamedTuple):
    """The start of a segment, and the state known there."""

    t_ns: int
    instruments: tuple[Instrument, ...]
    books: tuple[tuple[str, BookCopy], ...]


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A time, ns UTC, in which frames arrived and were not written, and why."""

    from_ns: int
    to_ns: int
    cause: str


class Recorder:
    """Record the frames of `feeds`, which may grow; `frame` and `event` never block.

    A segment ends at a multiple of `every_ns` in UTC, and once it has `size_bytes` on disk beyond its initial books.
    `free_bytes` returns the free space of the disk; it is asked on a thread.
    """

    def __init__(
        self,
        segments: Segments,
        clock: Clock,
        *,
        every_ns: int,
        size_bytes: int,
        free_bytes: Callable[[], int],
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        self.feeds: dict[str, WireFeed] = {}
        self.frames = 0
        """How many arrived, whether or not they were written."""
        self.finished: list[Segment] = []
        self.gaps: list[Gap] = []
        self._segments = segments
        self._clock = clock
        self._every_ns = every_ns
        self._size_bytes = size_bytes
        self._free_bytes = free_bytes
        self._queue_bytes = queue_bytes
        self._instruments: dict[tuple[str, str], Instrument] = {}
        self._lines: list[_Frame | _Event | _Cut] = []
        self._waiting_bytes = 0
        self._cuts = 0
        self._cut_ns = 0
        self._head_bytes = 0
        # Since when nothing is written, and why.
        self._since_ns = 0
        self._trouble = ""
        self._checked_ns = 0
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Begin the first segment; raises `StoreError` when the folder takes none."""
        self._cut(self._clock.wall_ns())
        lines, self._lines = self._lines, []
        await asyncio.to_thread(self._write_all, lines)

    def listed(self, instruments: tuple[Instrument, ...], feeds: Mapping[str, WireFeed]) -> None:
        self.feeds |= feeds
        for instrument in instruments:
            self.rules(InstrumentListed(instrument=instrument))

    def rules(self, event: InstrumentListed | InstrumentUnlisted) -> None:
        if isinstance(event, InstrumentListed):
            listed = event.instrument
        else:
            listed = msgspec.structs.replace(self._instruments[event.venue, event.symbol], tradable=False)
        self._instruments[listed.venue, listed.symbol] = listed
        now_ns = self._clock.wall_ns()
        self._put(_Event(now_ns, listed.venue, InstrumentListed(instrument=listed)), EVENT_BYTES)

    def frame(self, connection: str, received_ns: int, raw: bytes, url: str = "") -> FrameResult:
        """Record one frame, or the answer fetched from `url`, and follow it; return its result."""
        self._cut_if_due(received_ns)
        self.frames += 1
        self._put(_Frame(received_ns, connection, raw, url), len(raw))
        feed = self.feeds[connection]
        return feed.on_http(received_ns, url, raw) if url else feed.on_frame(received_ns, raw)

    def event(self, event: FeedUp | FeedDown) -> None:
        """Record that a connection was made or lost; either way its books wait for their snapshots."""
        now_ns = self._clock.wall_ns()
        self._put(_Event(now_ns, event.origin, event), EVENT_BYTES)
        self.feeds[event.origin].on_disconnect(now_ns)

    async def run(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), FLUSH_EVERY_S)
            self._cut_if_due(self._clock.wall_ns())
            await self.write()
        if not self._trouble:
            await self._write_gathered(last=True)
        if self._trouble:
            self.gaps.append(Gap(from_ns=self._since_ns, to_ns=self._clock.wall_ns(), cause=self._trouble))

    def stop(self) -> None:
        self._stopping.set()

    async def write(self) -> None:
        if not self._trouble:
            await self._write_gathered()
            return
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._checked_ns >= ROOM_CHECKED_EVERY_S * NS_PER_S:
            self._checked_ns = now_ns
            await self._begin_again()

    # The loop's side.

    def _put(self, line: _Frame | _Event, size: int) -> None:
        if self._trouble:
            return
        if self._waiting_bytes + size > self._queue_bytes:
            self._stop("the disk cannot keep up", line.t_ns)
            return
        self._lines.append(line)
        self._waiting_bytes += size

    def _cut_if_due(self, now_ns: int) -> None:
        """Begin the next segment where one is due, unless the one before has not even begun."""
        if self._trouble or self._cuts != self._segments.opened:
            return
        if now_ns >= self._cut_ns or self._segments.size - self._head_bytes >= self._size_bytes:
            self._cut(now_ns)

    def _cut(self, now_ns: int) -> None:
        books = tuple((name, book) for name, feed in self.feeds.items() for book in copies_of(feed))
        self._lines.append(_Cut(now_ns, tuple(self._instruments.values()), books))
        self._cuts += 1
        self._cut_ns = (now_ns // self._every_ns + 1) * self._every_ns

    def _stop(self, cause: str, at_ns: int) -> None:
        """Write no more for now. The written part of the segment is kept."""
        if not self._trouble:
            log.error("%s; nothing is recorded until there is room again; earlier records are kept", cause)
            self._trouble, self._since_ns = cause, at_ns
            self._checked_ns = self._clock.monotonic_ns()

    async def _write_gathered(self, *, last: bool = False) -> None:
        lines, self._lines, self._waiting_bytes = self._lines, [], 0
        try:
            await asyncio.to_thread(self._write_all, lines, last)
        except StoreError as error:
            self._stop(str(error), self._clock.wall_ns())
        if self._trouble:
            await self._end_segment()

    async def _end_segment(self) -> None:
        self._lines, self._waiting_bytes = [], 0
        segment = await asyncio.to_thread(self._segments.give_up, self._trouble)
        if segment is not None:
            self.finished.append(segment)
            self._since_ns = segment.ended_ns

    async def _begin_again(self) -> None:
        if await asyncio.to_thread(self._room) < ROOM_BYTES:
            return
        trouble, self._trouble = self._trouble, ""
        self._cuts = self._segments.opened
        now_ns = self._clock.wall_ns()
        self._cut(now_ns)
        lines, self._lines, self._waiting_bytes = self._lines, [], 0
        try:
            await asyncio.to_thread(self._write_all, lines)
        except StoreError:  # as before: nothing new to report
            self._trouble = trouble
            await self._end_segment()
            return
        self.gaps.append(Gap(from_ns=self._since_ns, to_ns=now_ns, cause=trouble))
        log.warning(
            "there is room again: recording continues, %.0f s are missing", (now_ns - self._since_ns) / NS_PER_S
        )

    # The thread's side; one call at a time.

    def _room(self) -> int:
        try:
            return self._free_bytes()
        except OSError:
            return 0

    def _write_all(self, lines: list[_Frame | _Event | _Cut], last: bool = False) -> None:
        for line in lines:
            if isinstance(line, _Cut):
                self._begin(line)
            elif isinstance(line, _Frame):
                venue, further = venue_of(line.connection), further_name(line.connection)
                raw = SECRETS.masked_bytes(line.raw)
                self._segments.frame(venue, raw, t_ns=line.t_ns, connection=further, url=line.url)
            else:
                self._event(line.t_ns, line.connection, line.event)
        self._segments.flush()
        if last:
            self._finish()

    def _begin(self, cut: _Cut) -> None:
        self._finish()
        self._segments.open(cut.t_ns)
        for instrument in cut.instruments:
            self._event(cut.t_ns, instrument.venue, InstrumentListed(instrument=instrument))
        for connection, book in cut.books:
            self._event(cut.t_ns, connection, book.anchor())
        self._segments.flush()
        self._head_bytes = self._segments.size

    def _event(self, t_ns: int, connection: str, event: msgspec.Struct) -> None:
        self._segments.event(venue_of(connection), event, t_ns=t_ns, connection=further_name(connection))

    def _finish(self) -> None:
        segment = self._segments.finish()
        if segment is not None:
            self.finished.append(segment)
            log.info("%s: %d lines, %.1f MB", segment.file, segment.lines, segment.bytes / 1e6)
