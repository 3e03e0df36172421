"""Which tapes are replayed, and which of them as one: from files and folders to stretches of time.

A folder means all tapes in it and in its folders. Captures whose times overlap, or follow one another within a minute, are one
market and replayed as one. A later one is a separate stretch, with accounts and limits that restart, since the time between is
unknown. The tape of a run, in all its parts, is a stretch.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from arb.clock import NS_PER_S
from arb.errors import ConfigError
from arb.replay.tapes import Captured, OwnTape, as_capture, head_of, is_own, merged, span_of
from arb.store.tapes.line import TapeLine
from arb.store.tapes.tape import read_tape

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")
GAP_MAX_NS = 60 * NS_PER_S
"""Captures that follow one another within this are parts of one recording."""
Span = tuple[int, int]
SpanOf = Callable[[Path], Span | None]
"""Returns the instants of a tape's first and last line, ns UTC; None when it has none that can be read."""


class Stretch(msgspec.Struct, frozen=True):
    """Tapes that are replayed as one; `of_run`: they are the parts of one run's tape."""

    files: tuple[Path, ...]
    of_run: bool = False

    def lines(self) -> Iterable[Captured]:
        """Yield the lines that concern books, in the order of time; raises `StoreError` at a malformed line, after all before
        it."""
        return as_capture(OwnTape(self.files)) if self.of_run else merged(self.files)

    @property
    def named(self) -> str:
        """Return the names of the files, of many of them the first and the last."""
        if len(self.files) > 3:
            return f"{self.files[0]} to {self.files[-1]}"
        return ", ".join(map(str, self.files))


def tapes_in(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return the tapes of files and folders, in the order given, those of a folder by name.

    Raises `ConfigError` for a folder without tapes, for a path that is neither, and for a tape given twice, in one form or
    two.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        for tape in _tapes_of(path):
            before = found.setdefault(tape.resolve(), tape)
            if before is not tape:
                raise ConfigError(f"{tape}: is given twice: every frame would count twice: give it once")
    _refuse_two_forms(found.values())
    return tuple(found.values())


def _refuse_two_forms(tapes: Iterable[Path]) -> None:
    """Raise `ConfigError` where tapes with one name but another extension begin alike: `arb tape convert` keeps both."""
    named: defaultdict[str, list[Path]] = defaultdict(list)
    for tape in tapes:
        end = next((suffix for suffix in SUFFIXES if tape.name.endswith(suffix)), "")
        named[tape.name.removesuffix(end)].append(tape)
    for alike in named.values():
        if len({tape.suffix for tape in alike}) == 1:
            continue
        begun: dict[TapeLine | None, Path] = {}
        for tape in alike:
            first = next(read_tape(tape), None)
            before = begun.setdefault(first, tape)
            if first is not None and before.suffix != tape.suffix:
                raise ConfigError(
                    f"{before} and {tape}: are one tape in two forms: every frame would count twice: give one of them, or "
                    "keep Parquet in a folder of its own (`arb tape convert --out DIR`)"
                )


def _tapes_of(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return (path,)
    tapes = sorted(each for each in path.rglob("*") if each.name.endswith(SUFFIXES) and each.is_file())
    if not tapes:
        raise ConfigError(
            f"{path}: holds no tape, neither here nor in its folders: name one that `arb record --out` wrote, or tapes "
            f"({' or '.join(f'*{suffix}' for suffix in SUFFIXES)})"
        )
    return tapes


def stretches_of(tapes: Sequence[Path], spans: SpanOf = span_of) -> tuple[Stretch, ...]:
    """Return the stretches that tapes make up, in the order of time; `spans` returns when a tape begins and ends.

    Raises `ConfigError` for captures together with tapes of runs, for runs or recordings of one venue at the same time, and
    for parts of a run's tape without its beginning; `StoreError` for a tape whose first line cannot be read.
    """
    own = [is_own(path) for path in tapes]
    if any(own) and not all(own):
        capture, run = tapes[own.index(False)], tapes[own.index(True)]
        raise ConfigError(f"{run} is the tape of a run, {capture} is none: replay them apart")
    if len(tapes) == 1:
        return (Stretch(tuple(tapes), of_run=own[0]),)
    return _runs(tapes, spans) if own[0] else _captures(tapes, spans)


def _runs(tapes: Sequence[Path], span_of: SpanOf) -> tuple[Stretch, ...]:
    with contextlib.suppress(ConfigError):
        OwnTape(tapes)
        return (Stretch(tuple(tapes), of_run=True),)  # the parts of one run, under any names
    parts: defaultdict[tuple[Path, str], list[Path]] = defaultdict(list)
    for path in tapes:
        parts[path.parent, path.name.partition(".")[0]].append(path)
    named = [Stretch(tuple(files), of_run=True) for files in parts.values()]
    spans = sorted((_span_of_all(run, span_of), number) for number, run in enumerate(named))
    for ((_, until_ns), one), ((from_ns, _), other) in pairwise(spans):
        if from_ns < until_ns:
            raise ConfigError(
                f"{named[one].named} and {named[other].named}: are tapes of the same time: edges would count twice: replay "
                "them apart"
            )
    return tuple(named[number] for _, number in spans)


def _span_of_all(stretch: Stretch, span_of: SpanOf) -> Span:
    spans = [span for path in stretch.files if (span := span_of(path)) is not None]
    return min((began for began, _ in spans), default=0), max((ended for _, ended in spans), default=0)


def _captures(tapes: Sequence[Path], span_of: SpanOf) -> tuple[Stretch, ...]:
    spans = sorted((span, number) for number, path in enumerate(tapes) if (span := span_of(path)) is not None)
    if not spans:
        return (Stretch(tuple(tapes)),)
    _refuse_overlaps([(span, tapes[number]) for span, number in spans])
    stretches: list[list[int]] = []
    until_ns = 0
    for (began_ns, ended_ns), number in spans:
        if not stretches or began_ns > until_ns + GAP_MAX_NS:
            stretches.append([])
        stretches[-1].append(number)
        until_ns = max(until_ns, ended_ns)
    # Among lines of one instant those of the file named first precede.
    return tuple(Stretch(tuple(tapes[number] for number in sorted(numbers))) for numbers in stretches)


def _refuse_overlaps(spans: Iterable[tuple[Span, Path]]) -> None:
    """Raise `ConfigError` for two recordings of one venue at one time, whose frames would be taken for those of one."""
    latest: dict[str, tuple[int, str, Path]] = {}
    for (began_ns, ended_ns), path in spans:
        head = head_of(path)
        if head is None:
            continue
        for venue in head.sites:
            until_ns, recording, before = latest.get(venue, (0, head.recording, path))
            if recording != head.recording and began_ns < until_ns:
                raise ConfigError(
                    f"{before} and {path}: are two recordings of {venue} at the same time: every frame would count twice: "
                    "replay one of them"
                )
            if ended_ns >= until_ns:
                latest[venue] = ended_ns, head.recording, path
