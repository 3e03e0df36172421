"""The inputs of a sweep: stretches of tapes, at most a UTC day where a recording can be cut, each known by its content.

A segment of a recording begins with the present books, so a recording is cut between two segments where a UTC day begins. Days
can be kept apart, held out, and replayed in parallel.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from arb.clock import NS_PER_S
from arb.errors import ConfigError
from arb.replay.days import Stretch, stretches_of
from arb.replay.tapes import head_of, to_its_end
from arb.replay.trial import digest_of
from arb.venues.registry import tape_feed


class TapeFile(msgspec.Struct, frozen=True):
    """A file that was read through. `digest`: SHA-256 of its bytes on disk, hexadecimal. Instants of its lines, ns UTC.

    `recorded`: it is a segment of a recording.
    """

    path: Path
    digest: str
    first_ns: int
    last_ns: int
    recorded: bool


class Tape(msgspec.Struct, frozen=True):
    """A stretch, with the digests of its files, in their order, and the UTC day in which it begins."""

    stretch: Stretch
    digests: tuple[str, ...]
    day_utc: str

    @property
    def name(self) -> str:
        """Return its name in tables: its files, of many of them the first and how many more."""
        names = [path.name for path in self.stretch.files]
        return " + ".join(names) if len(names) < 4 else f"{names[0]} + {len(names) - 1} more"


def examine(path: Path) -> TapeFile:
    """Read a tape through; raises `ConfigError` for an unreadable kind, `StoreError` at a malformed line.

    A line that is torn at its end, as that of a killed process, ends it.
    """
    recorded = head_of(path) is not None
    first_ns = last_ns = 0
    known: set[str] = set()
    for line in to_its_end(path):
        if line.kind != "event" and line.venue not in known:
            try:
                tape_feed(line.venue)
            except ConfigError as error:
                raise ConfigError(f"{path}: {error}: leave it out") from None
            known.add(line.venue)
        first_ns, last_ns = first_ns or line.received_ns, max(last_ns, line.received_ns)
    if not known:
        raise ConfigError(f"{path}: no frame on the tape: leave it out")
    return TapeFile(path, digest_of(path), first_ns, last_ns, recorded)


def tapes_of(files: Iterable[TapeFile]) -> list[Tape]:
    """Return the tapes that files are replayed as, in the order of time; the order in which they are given does not matter.

    Raises `ConfigError` for the same tape twice, and as `stretches_of` does.
    """
    known = {file.path: file for file in sorted(files, key=lambda file: (file.first_ns, file.digest))}
    first: dict[str, Path] = {}
    for path, file in known.items():
        if first.setdefault(file.digest, path) != path:
            raise ConfigError(
                f"{first[file.digest]} and {path}: are the same tape: every frame would count twice: give one"
            )
    stretches = stretches_of(list(known), lambda path: (known[path].first_ns, known[path].last_ns))
    return [
        Tape(part, tuple(known[path].digest for path in part.files), _day(known[part.files[0]].first_ns))
        for stretch in stretches
        for part in _by_day(stretch, known)
    ]


def _by_day(stretch: Stretch, known: Mapping[Path, TapeFile]) -> Iterable[Stretch]:
    """Yield a stretch in parts; each but the first begins with a segment, on another day than the one before."""
    part: list[Path] = []
    until_ns = 0
    for path in stretch.files:
        file = known[path]
        if (
            part
            and file.recorded
            and file.first_ns >= until_ns
            and _day(file.first_ns) != _day(known[part[0]].first_ns)
        ):
            yield Stretch(tuple(part), stretch.of_run)
            part = []
        part.append(path)
        until_ns = max(until_ns, file.last_ns)
    yield Stretch(tuple(part), stretch.of_run)


def _day(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // NS_PER_S, UTC).date().isoformat()
