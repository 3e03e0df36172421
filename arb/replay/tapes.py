"""Tapes as a replay reads them: their kind, and their lines in one order.

An *own* tape begins with a head and numbers its lines. Its parts are joined by these numbers, and a missing number is an
error, since the lines after a hole never happened so. A *capture* holds frames only. Several are merged by the instant of
receipt (of equal instants, the file named first precedes). Each line keeps its file, for two files are two connections. The
segments of a recording are captures that begin with a head and hold events that concern books; all of them are one file.
"""

import contextlib
import heapq
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from arb.errors import ConfigError, StoreError
from arb.market.instrument import Instrument
from arb.replay.blocks import Source, missing
from arb.replay.lines import origin_of, rules_in, rules_of
from arb.store.tapes.line import TapeLine, TornTape
from arb.store.tapes.tape import SegmentHead, TapeHead, decode_head, read_tape, segment_head

log = logging.getLogger(__name__)


class Captured(NamedTuple):
    """A line of a capture and the number of its file; `rules`: the rules it lists, None where it is about books."""

    file: int
    line: TapeLine
    rules: Instrument | None = None


class OwnTape:
    def __init__(self, paths: Sequence[Path]) -> None:
        """Find the head; raises `ConfigError` when the parts are not those of one run, from its beginning."""
        parts: list[tuple[int, Path]] = []
        heads: list[TapeHead] = []
        for path in paths:
            first, second = _first_two(path)
            if first is not None and first.seq is None:
                if first.kind != "event":
                    raise ConfigError(f"{path}: a capture; replay it apart from the tapes of runs")
                heads.append(decode_head(first.raw))
                first = second
            if first is not None:
                parts.append((first.seq or 0, path))
        if len(heads) != 1:
            what = "no part holds the head of the run" if not heads else "tapes of several runs"
            raise ConfigError(f"{', '.join(map(str, paths))}: {what}: give all parts of one run's tape")
        self.head = heads[0]
        self._parts = [path for _, path in sorted(parts)]

    def lines(self) -> "OwnLines":
        return OwnLines(self._parts, self.head.last_seq)


class OwnLines:
    """The numbered lines of a run's tape; raises `StoreError` at a malformed or missing line, after all before it.

    A part that is torn at its end ends there, which is logged: the process that wrote it was killed.
    """

    def __init__(self, parts: Sequence[Path], last_seq: int) -> None:
        self._parts = parts
        self._last_seq = last_seq
        self._lines = self._all()

    def __iter__(self) -> Iterator[TapeLine]:
        return self._lines

    def __next__(self) -> TapeLine:
        return next(self._lines)

    def _all(self) -> Iterator[TapeLine]:
        seq = self._last_seq
        for path in self._parts:
            for line in to_its_end(path):
                if line.seq is None:
                    continue  # the head
                if line.seq != seq + 1:
                    raise missing(path, seq + 1, line.seq)
                seq = line.seq
                yield line

    def sources(self) -> Iterator[Source[TapeLine]]:
        """Yield the parts, each when the one before has been read, to be read from the tape's beginning."""
        seq = self._last_seq
        for path in self._parts:
            source = Source(path, lambda line: None if line.seq is None else line, seq)
            yield source
            seq = source.last_seq


def is_own(path: Path) -> bool:
    """Return whether a tape carries the engine's numbers; raises as `read_tape` does for its first line."""
    first, second = _first_two(path)
    if first is None or segment_head(first) is not None:
        return False
    return any(line is not None and (line.seq is not None or line.kind == "event") for line in (first, second))


class Merged:
    """The lines of captures by their instants; raises `StoreError` at a malformed line, after all before it.

    A file is opened at the time of its first line, so that the segments of many days need no more files than those of one.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        firsts = {number: line for number, path in enumerate(paths) if (line := _first_of(path)) is not None}
        heads = {number: head for number, line in firsts.items() if (head := _head_in(line, paths[number])) is not None}
        one = next(iter(heads), 0)
        self._files = {
            number: _File(paths[number], one if number in heads else number, heads.get(number)) for number in firsts
        }
        self._begun_ns = {number: file.begins_ns() for number, file in self._files.items()}
        begun = sorted((began_ns, number) for number, began_ns in self._begun_ns.items())
        self._lines = _by_time(deque((began_ns, number, self._files[number].lines()) for began_ns, number in begun))

    def __iter__(self) -> Iterator[Captured]:
        return self._lines

    def __next__(self) -> Captured:
        return next(self._lines)

    def sources(self) -> list[tuple[int, Source[Captured]]]:
        """Return the tapes, each with its number, to be read from the beginning; `FrameBlocks` merges them as here."""
        return [
            (file.number, Source(file.path, file.captured, begun_ns=self._begun_ns[number]))
            for number, file in self._files.items()
        ]


def merged(paths: Sequence[Path]) -> Merged:
    return Merged(paths)


def _by_time(waiting: deque[tuple[int, int, Iterator[Captured]]]) -> Iterator[Captured]:
    """Yield the lines of files, each with the instant of its first line and its number; of equal instants by number."""
    reading: list[tuple[int, int, Captured, Iterator[Captured]]] = []
    while waiting or reading:
        while waiting and (not reading or waiting[0][:2] < reading[0][:2]):
            _, number, lines = waiting.popleft()
            for captured in lines:
                heapq.heappush(reading, (captured.line.received_ns, number, captured, lines))
                break
        if not reading:
            continue
        _, number, captured, lines = reading[0]
        yield captured
        if not waiting and len(reading) == 1:
            yield from lines
            return
        for captured in lines:
            heapq.heapreplace(reading, (captured.line.received_ns, number, captured, lines))
            break
        else:
            heapq.heappop(reading)


def as_capture(tape: OwnTape) -> Iterator[Captured]:
    """Yield the frames of a run, the ends of its books, and the rules that its venues listed: not its own orders."""
    known: dict[tuple[str, str], Instrument] = {}
    for line in tape.lines():
        if line.kind != "event" or origin_of(line):
            yield Captured(0, line)
            continue
        for rules in rules_in(line, known):
            known[rules.venue, rules.symbol] = rules
            yield Captured(0, line, rules)


def head_of(path: Path) -> SegmentHead | None:
    """Return the head of a segment of a recording, None for any other tape; raises as `read_tape` does for its first line."""
    first = _first_of(path)
    return None if first is None else _head_in(first, path)


def _first_of(path: Path) -> TapeLine | None:
    return next(read_tape(path), None)


def _head_in(first: TapeLine, path: Path) -> SegmentHead | None:
    try:
        return segment_head(first)
    except StoreError as error:
        raise StoreError(f"{path}: {error}") from None


def span_of(path: Path) -> tuple[int, int] | None:
    """Return the instants of a capture's first and last line; None when it has none that can be read."""
    first_ns = last_ns = 0
    with contextlib.suppress(StoreError):
        for line in read_tape(path):
            first_ns, last_ns = first_ns or line.received_ns, max(last_ns, line.received_ns)
    return (first_ns, last_ns) if last_ns else None


class _File(NamedTuple):
    """One tape among captures; `head`: of a segment of a recording."""

    path: Path
    number: int
    head: SegmentHead | None

    def lines(self) -> Iterator[Captured]:
        for line in to_its_end(self.path):
            captured = self.captured(line)
            if captured is not None:
                yield captured

    def begins_ns(self) -> int:
        """Return the instant of the first line that counts; 0 where there is none, or a fault before it, which others find."""
        with contextlib.suppress(StoreError):
            for line in read_tape(self.path):
                if self.captured(line) is not None:
                    return line.received_ns
        return 0

    def captured(self, line: TapeLine) -> Captured | None:
        """Return a frame; of a segment also lines that concern books, and rules where its head allows a replay to use them."""
        if line.kind != "event" or (self.head is not None and origin_of(line)):
            return Captured(self.number, line)
        if self.head is None or not self.head.rules:
            return None
        try:
            rules = rules_of(line)
        except StoreError as error:
            raise StoreError(f"{self.path}: {error}") from None
        return None if rules is None else Captured(self.number, line, rules)


def to_its_end(path: Path) -> Iterator[TapeLine]:
    """Yield the lines of a tape; one that is torn at its end, as that of a killed process, ends there, which is logged."""
    try:
        yield from read_tape(path)
    except TornTape as torn:
        log.warning("%s: the lines before it count", torn)


def _first_two(path: Path) -> tuple[TapeLine | None, TapeLine | None]:
    lines = read_tape(path)
    first = next(lines, None)
    if first is None or first.seq is not None:
        return first, None
    try:
        return first, next(lines, None)
    except StoreError:
        return first, None  # it is reported when the replay reaches it
