"""The work of a sweep's worker, on this machine or another: some trials on one tape, the quickest way that the tape allows."""

import logging
import platform
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from arb.errors import CheckFailed, StoreError
from arb.replay.days import Stretch
from arb.replay.replay_totals import ReplayTotals
from arb.replay.sweep.shared import decoded, decoded_books, together
from arb.replay.sweep.tapes import Tape
from arb.replay.tapes import Captured
from arb.replay.trial import (
    Explored,
    NoJournal,
    Reading,
    Trial,
    TrialResult,
    digest_of,
    lines_for,
    lines_of,
    play,
    result_of,
)
from arb.store.tapes.tape import RULES
from arb.venues.books.compiled.loading import is_available
from arb.version import version

KeyedTrial = tuple[str, Trial]
"""A trial with its `trial_key` on a tape."""
_Stamp = tuple[int, int, int]
_digests: dict[tuple[str, _Stamp], str] = {}
"""The digests of files that this process has read, by path and by the stamp that changes with them."""


class Piece(msgspec.Struct, frozen=True):
    """Some trials on one tape, for an arb of this version and these rules; `compiled`: by compiled code, where it has it."""

    tape: Tape
    trials: tuple[KeyedTrial, ...]
    compiled: bool = False
    arb: str = msgspec.field(default_factory=version)
    rules: int = RULES


def perform(piece: Piece) -> list[TrialResult]:
    """Return the result of each trial, in their order.

    Raises `CheckFailed` for another version's work, `StoreError` where the tape is not here, or has changed since it was
    examined, and as `run_trials`.
    """
    if (piece.arb, piece.rules) != (version(), RULES):
        raise CheckFailed(
            f"{platform.node()} has arb {version()} (rules {RULES}), and the sweep is of {piece.arb} (rules {piece.rules}): "
            "install the same there: finished rows are kept"
        )
    for path, digest in zip(piece.tape.stretch.files, piece.tape.digests, strict=True):
        _require(path, digest)
    with _quiet():
        return run_trials(piece.tape.stretch, piece.trials, compiled=piece.compiled and is_available())


def run_trials(stretch: Stretch, trials: Sequence[KeyedTrial], *, compiled: bool = False) -> list[TrialResult]:
    """Return the result of each, reading the tapes once for all that trade the same symbols.

    `compiled`: where compiled code knows most frames it reads them again for each trial, in half the time of a shared pass.
    Raises `ConfigError` for tapes that cannot be replayed, `StoreError` at a malformed line.
    """
    reading = Reading(stretch, compiled=compiled)
    if reading.mostly_compiled:
        return [_alone(stretch, reading.explored(trial), key, trial) for key, trial in trials]
    alike: defaultdict[tuple[str, ...], list[KeyedTrial]] = defaultdict(list)
    for key, trial in trials:
        alike[trial.settings.symbols].append((key, trial))
    found: dict[str, TrialResult] = {}
    for group in alike.values():
        # Which books are read, and on which scales, depends on nothing but the symbols.
        lines = decoded(reading.explored(group[0][1]).capture, lines_of(stretch))
        plays = [_play(stretch, reading.explored(trial), key, trial) for key, trial in group]
        found |= {result.key: result for result in together(plays, lines)}
    return [found[key] for key, _ in trials]


def _play(stretch: Stretch, explored: Explored, key: str, trial: Trial) -> Callable[[Iterator[Captured]], TrialResult]:
    def result(lines: Iterator[Captured]) -> TrialResult:
        findings = ReplayTotals()
        played = play(explored, trial, lines, NoJournal(), findings, books_of=decoded_books)
        return result_of(key, stretch, played, findings)

    return result


def _alone(stretch: Stretch, explored: Explored, key: str, trial: Trial) -> TrialResult:
    findings = ReplayTotals()
    lines = lines_for(stretch, explored, compiled=True)
    return result_of(key, stretch, play(explored, trial, lines, NoJournal(), findings, compiled=True), findings)


def _require(path: Path, digest: str) -> None:
    here = f" (on {platform.node()})" if platform.node() else ""
    try:
        found = path.stat()
        known = str(path), (found.st_size, found.st_mtime_ns, found.st_ino)
        if known not in _digests:
            _digests[known] = digest_of(path)
    except OSError as error:
        raise StoreError(
            f"{path}: {error.strerror}{here}: every worker has to find the tapes where they are named"
        ) from None
    if _digests[known] != digest:
        raise StoreError(f"{path}: is not the tape that was examined{here}: let it be as it is until the sweep is over")


@contextmanager
def _quiet() -> Iterator[None]:
    """Let no engine log: the results hold the findings of hundreds of them on the same tapes."""
    logger = logging.getLogger("arb")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
