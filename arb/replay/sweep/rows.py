"""The results of sweeps in one file: a line of JSON a row, sorted by key, and the rows being added to it.

    sweep.jsonl          complete rows, written in full and put into place by one rename
    sweep.jsonl.part     rows of a sweep under way, each synced to the disk as it arrives

A row is the result of one tape under one set of settings, and its key covers all its inputs. So a row is never made
twice: a later sweep takes it from here, and rows that it does not need stay. A line cut off by a killed process
was never a row. Rows of `.part` count as those of the file itself.
"""

import fcntl
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

import msgspec

from arb.errors import ConfigError, StoreError
from arb.market.numbers import ZERO
from arb.replay.sweep.tapes import Tape
from arb.replay.trial import TrialResult
from arb.version import code_version


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one tape under one set of settings; all amounts in `quote`, but for `other_quotes`.

    `tape`: its files; `sha256`: of each, of its bytes on disk; `day_utc`: in which it begins. `set`: the swept keys and their
    values, as they were written. `net`, `fees`, `traded`, `net_by_leg_cost`, `break_even_fee_bps`: see
    `arb.replay.result.Earned`. `edges`, `takeable`: how many there were, in any quote. `pairs`: how many, by state. `reasons`:
    how many edges each kept from being taken. `halted`: why the run opened no more at its end. `arb`: the version that made
    it.
    """

    key: str
    tape: str
    sha256: tuple[str, ...]
    day_utc: str
    set: dict[str, str]
    quote: str
    net: Decimal
    net_by_leg_cost: Decimal
    fees: Decimal
    traded: Decimal
    break_even_fee_bps: Decimal | None
    edges: int
    takeable: int
    pairs: dict[str, int]
    reasons: dict[str, int]
    other_quotes: dict[str, Decimal]
    frames: int
    halted: str | None
    arb: str


def row_of(tape: Tape, label: Mapping[str, str], found: TrialResult, quote: str) -> Row:
    result = found.result
    here = [earned for earned in result.earned if earned.quote == quote]
    reasons: Counter[str] = Counter()
    for each in result.reasons:
        if each.reason is not None:
            reasons[each.reason] += each.edges
    return Row(
        key=found.key,
        tape=tape.name,
        sha256=tape.digests,
        day_utc=tape.day_utc,
        set=dict(label),
        quote=quote,
        net=sum((earned.net for earned in here), ZERO),
        net_by_leg_cost=sum((earned.net_by_leg_cost for earned in here), ZERO),
        fees=sum((earned.fees for earned in here), ZERO),
        traded=sum((earned.traded for earned in here), ZERO),
        break_even_fee_bps=here[0].break_even_fee_bps if here else None,
        edges=result.edges,
        takeable=result.takeable,
        pairs=result.pairs,
        reasons=dict(reasons),
        other_quotes={earned.quote: earned.net for earned in result.earned if earned.quote != quote and earned.pairs},
        frames=found.frames,
        halted=found.halted,
        arb=code_version(),
    )


def called(row: Row, tape: Tape, label: Mapping[str, str]) -> Row:
    """Return a kept row with the present names of its tape and its set."""
    return msgspec.structs.replace(row, tape=tape.name, day_utc=tape.day_utc, set=dict(label))


_encode = msgspec.json.Encoder(decimal_format="string", order="sorted").encode
_decode = msgspec.json.Decoder(Row).decode


class Results:
    """The rows of a file, by key. A context: while it is entered, no other sweep writes there."""

    def __init__(self, path: Path) -> None:
        """Read the file; raises `ConfigError` for one with other content, or that is being written.

        Nothing has been changed by then.
        """
        self.path = path
        self.rows: dict[str, Row] = {}
        self._beside = path.with_name(path.name + ".part")
        if path.exists() and not path.is_file():
            raise ConfigError(f"--out {path}: is no file: name another file")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._part = os.open(self._beside, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise ConfigError(f"--out {path}: cannot be written: {error.strerror}: name another file") from None
        try:
            self._lock()
            self._take(path.read_bytes() if path.exists() else b"")
            self._take_part()
        except OSError as error:
            os.close(self._part)
            raise ConfigError(f"--out {path}: cannot be read: {error.strerror}: name another file") from None
        except BaseException:
            os.close(self._part)
            raise

    def __enter__(self) -> "Results":
        return self

    def __exit__(self, *_: object) -> None:
        if not os.fstat(self._part).st_size:
            self._beside.unlink(missing_ok=True)
        os.close(self._part)

    def add(self, rows: Iterable[Row]) -> None:
        """Keep rows for good; raises `StoreError` when the disk takes none."""
        rows = list(rows)
        try:
            os.write(self._part, b"".join(_encode(row) + b"\n" for row in rows))
            os.fsync(self._part)
        except OSError as error:
            raise StoreError(f"{self._beside}: cannot be written: {error.strerror}") from None
        self.rows |= {row.key: row for row in rows}

    def finish(self) -> None:
        """Put all rows into the file, sorted by key; raises `StoreError` when the disk does not take it."""
        aside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            with aside.open("wb") as file:
                for _, row in sorted(self.rows.items()):
                    file.write(_encode(row) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            aside.replace(self.path)
            os.ftruncate(self._part, 0)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise StoreError(f"{self.path}: cannot be written: {error.strerror}") from None

    def _lock(self) -> None:
        try:
            fcntl.flock(self._part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                f"--out {self.path}: another sweep is writing there: wait for it, or name another file"
            ) from None

    def _take(self, text: bytes) -> None:
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                row = _decode(line)
            except (msgspec.MsgspecError, UnicodeError) as error:
                raise ConfigError(
                    f"--out {self.path}:{number}: is no row of a sweep ({error}): name another file, or move this one away"
                ) from None
            self.rows[row.key] = row

    def _take_part(self) -> None:
        """Take the rows of a sweep that was killed, up to the first that is not whole, and cut off the rest."""
        with self._beside.open("rb") as file:
            whole = 0
            for line in file:
                try:
                    row = _decode(line)
                except (msgspec.MsgspecError, UnicodeError):
                    break
                if not line.endswith(b"\n"):
                    break
                self.rows[row.key] = row
                whole += len(line)
        os.ftruncate(self._part, whole)
