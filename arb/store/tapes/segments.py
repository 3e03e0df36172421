"""The files of a recording, one after the other in a folder, each a tape that begins with a head.

    000007-20261123T070000Z.jsonl.gz          finished: synced to the disk, and then given this name
    000008-20261123T080000Z.part.jsonl.gz     being written, or of a process that was killed

Numbers continue from the greatest that is there, so no file is ever overwritten. One on which the disk refused a write
is cut back to the last line that it took, and given its name like any other.
"""

import contextlib
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from arb.clock import NS_PER_S
from arb.errors import StoreError
from arb.store.journal.guards import synced
from arb.store.tapes.line import Kind
from arb.store.tapes.tape import SEGMENT_RULES, SegmentHead, TapeFile

PART = ".part"
_NAME = re.compile(r"([0-9]{6,})-[0-9]{8}T[0-9]{6}Z(?:\.part)?\.jsonl\.gz")
_encode = msgspec.json.Encoder(decimal_format="string").encode


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A finished file. Instants in ns UTC; `cut_short`: why it ends where it does, "" where that was meant."""

    file: str
    began_ns: int
    ended_ns: int
    lines: int
    bytes: int
    cut_short: str = ""


class Segments:
    """Write segments into `folder`; `recording`, `version` and `sites` are in their heads. One thread at a time."""

    def __init__(self, folder: Path, recording: str, version: str, sites: dict[str, str] | None = None) -> None:
        self.sites: dict[str, str] = sites or {}
        self.opened = 0
        """How many segments were asked for."""
        self._folder = folder
        self._recording = recording
        self._version = version
        self._tape: TapeFile | None = None
        self._began_ns = self._last_ns = self._taken_ns = 0

    @property
    def size(self) -> int:
        """Return the bytes on disk of the segment being written; 0 where there is none."""
        return 0 if self._tape is None else self._tape.size

    def open(self, at_ns: int) -> None:
        """Begin the next segment, at `at_ns`, ns UTC. Raises `StoreError` when it cannot be made."""
        self.opened += 1
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            number = 1 + max(self._numbers(), default=0)
        except OSError as error:
            raise StoreError(f"{self._folder}: cannot be made or read: {error}") from None
        stamp = datetime.fromtimestamp(at_ns // NS_PER_S, UTC)
        self._tape = TapeFile(self._folder / f"{number:06d}-{stamp:%Y%m%dT%H%M%SZ}{PART}.jsonl.gz")
        self._began_ns = self._last_ns = self._taken_ns = at_ns
        head = SegmentHead(
            recording=self._recording, segment=number, arb=self._version, rules=SEGMENT_RULES, sites=self.sites
        )
        self.event("", head, t_ns=at_ns)

    def frame(self, venue: str, raw: bytes, *, t_ns: int, connection: str = "", url: str = "") -> None:
        """Append one frame received at `t_ns`, or a body fetched from `url`; without a segment it is forgotten.

        Raises `StoreError`.
        """
        kind: Kind = "http" if url else "ws"
        self._append(lambda tape: tape.write(venue, kind, raw, t_ns=t_ns, url=url, connection=connection), t_ns)

    def event(self, venue: str, event: msgspec.Struct, *, t_ns: int, connection: str = "") -> None:
        """Append an event, as `frame` does a frame."""
        raw = _encode(event)
        self._append(lambda tape: tape.write(venue, "event", raw, t_ns=t_ns, connection=connection), t_ns)

    def flush(self) -> None:
        """Pass everything to the operating system: a kill loses nothing of it. Raises `StoreError` when it refuses."""
        if self._tape is not None:
            self._tape.flush()
            self._taken_ns = self._last_ns

    def finish(self) -> Segment | None:
        """Bring the segment to the disk, and then give it its name; None where there is none. Raises `StoreError`."""
        tape = self._tape
        if tape is None:
            return None
        self.flush()
        tape.close()
        self._tape = None
        return self._named(tape, "")

    def give_up(self, cause: str) -> Segment | None:
        """End a segment on which the disk refused a write: all lines that it took are kept; None where there are none."""
        tape, self._tape = self._tape, None
        if tape is None:
            return None
        with contextlib.suppress(StoreError):
            tape.close()
        with contextlib.suppress(OSError):
            if not tape.size:
                tape.path.unlink()
            elif tape.broken:
                os.truncate(tape.path, tape.size)
        try:
            return self._named(tape, cause) if tape.size else None
        except StoreError:
            return None  # it keeps its first name, and is read like that of a killed process

    def _append(self, write: Callable[[TapeFile], None], t_ns: int) -> None:
        if self._tape is not None:
            write(self._tape)
            self._last_ns = t_ns
            if self._tape.taken == self._tape.lines:
                self._taken_ns = t_ns

    def _numbers(self) -> list[int]:
        return [int(found[1]) for path in self._folder.iterdir() if (found := _NAME.fullmatch(path.name))]

    def _named(self, tape: TapeFile, cut_short: str) -> Segment:
        path = tape.path
        final = path.with_name(path.name.replace(PART, "", 1))
        try:
            size = synced(path)
            if final.exists():
                raise StoreError(
                    f"{final}: exists already; a tape is never written over, so {path.name} keeps its name"
                )
            path.rename(final)
            synced(path.parent)
        except OSError as error:
            raise StoreError(f"{path}: cannot be finished: {error}") from None
        return Segment(
            file=final.name,
            began_ns=self._began_ns,
            ended_ns=self._taken_ns,
            lines=tape.taken,
            bytes=size,
            cut_short=cut_short,
        )
