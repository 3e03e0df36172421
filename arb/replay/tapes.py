"""Tapes as a replay reads them: which kind they are, and their lines in one order.

An *own* tape begins with a head and numbers its lines; its parts are joined by these numbers, and a missing number is an
error, since what follows a hole never happened. A *capture* holds frames alone; several are merged by the instant of receipt
(of equal instants, the file named first comes first), each remembered with its file, for two files are two connections.
"""

import heapq
import logging
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from arb.errors import ConfigError, StoreError
from arb.store.tape import TapeHead, TapeLine, TornTape, decode_head, read_tape

log = logging.getLogger(__name__)


class Captured(NamedTuple):
    """A line of a capture and the number of its file."""

    file: int
    line: TapeLine


class OwnTape:
    """The tape of one run, in one or more parts."""

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

    def lines(self) -> Iterator[TapeLine]:
        """Yield the numbered lines in order; raises `StoreError` at a malformed or missing line, after all before it.

        A part that is torn at its end ends there, which is logged: the process that wrote it was killed.
        """
        seq = self.head.last_seq
        for path in self._parts:
            for line in _to_its_end(path):
                if line.seq is None:
                    continue  # the head
                if line.seq != seq + 1:
                    raise StoreError(f"{path}: line with seq {seq + 1} is missing (the next one is {line.seq})")
                seq = line.seq
                yield line


def is_own(path: Path) -> bool:
    """Return whether a tape carries the engine's numbers; raises as `read_tape` does for its first line."""
    return any(line is not None and (line.seq is not None or line.kind == "event") for line in _first_two(path))


def merged(paths: Sequence[Path]) -> Iterator[Captured]:
    """Yield the lines of captures by their instants; raises `StoreError` at a malformed line, after all before it."""
    return heapq.merge(*(_of_file(number, path) for number, path in enumerate(paths)), key=_instant)


_received = attrgetter("received_ns")


def _instant(captured: Captured) -> int:
    return int(_received(captured.line))


def _of_file(number: int, path: Path) -> Iterator[Captured]:
    for line in _to_its_end(path):
        if line.kind != "event":
            yield Captured(number, line)


def _to_its_end(path: Path) -> Iterator[TapeLine]:
    try:
        yield from read_tape(path)
    except TornTape as torn:
        log.warning("%s: what came before it is replayed", torn)


def _first_two(path: Path) -> tuple[TapeLine | None, TapeLine | None]:
    lines = read_tape(path)
    first = next(lines, None)
    if first is None or first.seq is not None:
        return first, None
    try:
        return first, next(lines, None)
    except StoreError:
        return first, None  # it is reported when the replay comes there
