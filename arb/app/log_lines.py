"""`arb logs`: the lines of an engine's log file, over its rotations."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from arb.app import found_journal, stores
from arb.config import LogPlace, Settings
from arb.errors import ConfigError
from arb.logs import LEVELS, log_path
from arb.store.ledger.queries import LedgerReader

_TEXT = re.compile(r"(\S+Z) ([A-Z]+) +(\S+): (.*?)(?: \[pair ([0-9]+)\])?", re.DOTALL)
Wanted = Callable[["Line"], bool]


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the log with the lines of its traceback. `at`: an instant in UTC, to the millisecond."""

    at: str
    level: str
    module: str
    message: str
    run_id: str | None = None
    pair_id: str | None = None

    def shown(self) -> str:
        pair = "" if self.pair_id is None else f" [pair {self.pair_id}]"
        return f"{self.at} {self.level.upper():7} {self.module}: {self.message}{pair}"


def log_files(settings: Settings, mode: str, db: str | None) -> "LogFiles":
    """Return the log of the engine on a ledger; raises `ConfigError` where it logs to stderr."""
    if settings.log.to is LogPlace.STDERR:
        raise ConfigError(
            "the engine logs to stderr: under `arb service` read it by `journalctl --user -u arb-MODE -f`, or set "
            '[log] to = "file"'
        )
    return LogFiles(log_path(found_journal(settings, mode, db)))


def wanted_lines(settings: Settings, mode: str, db: str | None, level: str | None, pair: str | None) -> Wanted:
    """Return the test that lines from a level on pass, and only those of a pair, where one is given."""
    least = LEVELS.index(level or LEVELS[0])
    pair_id = (
        None if pair is None else str(LedgerReader(stores(settings, mode, db)[0]).short_ids().row_id(pair, "pair"))
    )
    return lambda line: line.level in LEVELS[least:] and pair_id in (None, line.pair_id)


class LogFiles:
    """The file that is written, and those set aside as `.1`, `.2` ..., the newest first. Only `latest` and then `follow`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._rest = b""

    def latest(self, count: int, wanted: Wanted) -> list[Line]:
        """Return the last `count` wanted lines, the oldest first."""
        found: list[Line] = []
        seen: set[int] = set()
        rest = b""
        for place in self._places():
            if len(found) >= count or (file := _opened(place)) is None:
                break
            inode = os.fstat(file.fileno()).st_ino
            if inode not in seen:  # else it was set aside a moment ago
                seen.add(inode)
                found = [*filter(wanted, _lines(self._whole_lines(file))), *found]
            if self._file is None:
                self._file, rest = file, self._rest
            else:
                file.close()
            self._rest = b""
        self._rest = rest
        return found[-count:] if count else []

    def newer(self, wanted: Wanted) -> Iterator[Line]:
        """Yield the wanted lines written since the last call, or since `latest`."""
        texts: list[str] = []
        file, self._file = self._file, None
        newest = _inode(self.path)
        if file is not None:
            is_newest = os.fstat(file.fileno()).st_ino == newest  # asked before its end is read
            texts += self._whole_lines(file)
            self._file = file if is_newest else None
        if self._file is None:
            texts += self._of_newer_files(None if file is None else os.fstat(file.fileno()).st_ino)
            if file is not None:
                file.close()
        yield from filter(wanted, _lines(texts))

    def _of_newer_files(self, known: int | None) -> list[str]:
        newer: list[BinaryIO] = []
        for place in self._places():
            file = _opened(place)
            if file is None or os.fstat(file.fileno()).st_ino == known:
                break
            newer.insert(0, file)
        texts: list[str] = []
        for file in newer:
            texts += self._whole_lines(file)
            if self._file is not None:
                self._file.close()
            self._file = file
        return texts

    def _whole_lines(self, file: BinaryIO) -> list[str]:
        *whole, self._rest = (self._rest + file.read()).split(b"\n")
        return [line.decode("utf-8", "replace") for line in whole]

    def _places(self) -> Iterator[Path]:
        yield self.path
        number = 1
        while (place := self.path.with_name(f"{self.path.name}.{number}")).exists():
            yield place
            number += 1


def _opened(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _lines(texts: Iterable[str]) -> Iterator[Line]:
    """Join the lines of tracebacks to theirs; a line that arb did not write is passed over."""
    held: list[str] = []
    for text in texts:
        if held and text.startswith("    "):
            held.append(text)
            continue
        yield from _read(held)
        held = [text]
    yield from _read(held)


def _read(texts: list[str]) -> Iterator[Line]:
    text = "\n".join(texts)
    if text.startswith("{"):
        try:
            yield msgspec.json.decode(text, type=Line)
        except msgspec.DecodeError:
            return
    elif match := _TEXT.fullmatch(text):
        at, level, module, message, pair_id = match.groups()
        yield Line(at=at, level=level.lower(), module=module, message=message, pair_id=pair_id)


def as_document(files: LogFiles, lines: list[Line]) -> dict[str, Any]:
    return {"file": str(files.path), "lines": msgspec.to_builtins(lines)}
