"""Many seeds in a row: each simulated, judged and counted; a run can be interrupted and continued from its state file."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from arb.clock import NS_PER_S, Clock
from arb.errors import ConfigError
from arb.sandbox.registry import VENUE_NAMES
from proofs.faultsim.aims import STRIKES, Phase, possible
from proofs.faultsim.disk import Files, temporary_files
from proofs.faultsim.injector import Cell
from proofs.faultsim.judges import judge
from proofs.faultsim.plan import Plan, make_plan
from proofs.faultsim.promises import Times, times_of
from proofs.faultsim.world import Outcome, Simulation

CELLS_WANTED = 50
FINDINGS_KEPT = 20
SAVE_EVERY = 20
CHUNK = 4


class Failure(msgspec.Struct, frozen=True):
    """A seed that a judge found wrong, and what was found first."""

    seed: int
    findings: tuple[str, ...]


class Tally(msgspec.Struct):
    """The sums over seeds; JSON, so that a long run can go on another day."""

    seeds: int = 0
    counted: int = 0
    pairs: int = 0
    lives: int = 0
    virtual_s: float = 0.0
    seconds: float = 0.0
    cells: dict[str, dict[str, int]] = {}
    failures: list[Failure] = []
    longest_s: dict[str, float] = {}
    """What took how long at most (`promises.py`); `judged`: where nothing that struck was an excuse."""
    stops: dict[str, int] = {}

    def add_cells(self, cells: Counter[Cell]) -> None:
        """Add what one seed met."""
        for (name, phase), count in cells.items():
            row = self.cells.setdefault(name, {})
            row[str(phase)] = row.get(str(phase), 0) + count

    def add(self, other: "Tally") -> None:
        """Add the sums of other seeds."""
        for name in ("seeds", "counted", "pairs", "lives", "virtual_s", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for fault, row in other.cells.items():
            self.add_cells(Counter({(fault, Phase(phase)): count for phase, count in row.items()}))
        self.failures.extend(other.failures)
        for what, took_s in other.longest_s.items():
            self.longest_s[what] = max(self.longest_s.get(what, 0.0), took_s)
        self.stops = dict(Counter(self.stops) + Counter(other.stops))

    def summary(self) -> dict[str, Any]:
        """Return the sums as one JSON document."""
        return {
            "seeds": self.seeds,
            "counted": self.counted,
            "pairs": self.pairs,
            "lives": self.lives,
            "virtual_s": round(self.virtual_s, 3),
            "seconds": round(self.seconds, 3),
            "longest_s": dict(sorted(self.longest_s.items())),
            "stops": dict(sorted(self.stops.items())),
            "needless": self.stops.get("needless", 0),
            "cells": self.cells,
            "thin_cells": [f"{fault} x {phase}" for fault, phase in thin_cells(self.cells)],
            "failures": [{"seed": failure.seed, "findings": list(failure.findings)} for failure in self.failures],
        }


class State(msgspec.Struct):
    """How far a long run has come."""

    first: int
    next: int
    tally: Tally


class Verdict(msgspec.Struct, frozen=True):
    """One seed, judged; `journal` is the file's bytes, for whoever compares two runs."""

    outcome: Outcome
    findings: tuple[str, ...]
    journal: bytes
    times: Times

    @property
    def counted(self) -> bool:
        """Return whether some fault met a pair."""
        return any(phase is not Phase.NONE for _, phase in self.outcome.cells)


class Result(msgspec.Struct, frozen=True):
    """What is kept of one seed: its sums, what was found wrong, and which faults struck."""

    seed: int
    tally: Tally
    findings: tuple[str, ...]
    fired: tuple[str, ...]


def run_seed(seed: int, venues: tuple[str, ...] = VENUE_NAMES) -> Verdict:
    """Simulate and judge one seed at these venues."""
    return run_plan(make_plan(seed, venues))


def run_plan(plan: Plan) -> Verdict:
    """Simulate and judge what a plan says."""
    with temporary_files() as files:
        outcome, findings, times = simulated(plan, files)
        return Verdict(outcome, tuple(findings), files.journal.read_bytes(), times)


def simulated(plan: Plan, files: Files) -> tuple[Outcome, list[str], Times]:
    """Simulate a plan; return what happened, what the judges found, and how long things took. The files stay in `files`."""
    outcome = Simulation(plan, files).run()
    times = times_of(files.journal, plan, outcome.struck)
    return outcome, outcome.troubles + judge(files, outcome) + times.findings, times


def result_of(seed: int, clock: Clock, venues: tuple[str, ...] = VENUE_NAMES) -> Result:
    """Simulate and judge one seed, and keep what sums need."""
    began_ns = clock.monotonic_ns()
    verdict = run_seed(seed, venues)
    outcome = verdict.outcome
    tally = Tally(
        seeds=1,
        counted=int(verdict.counted),
        pairs=outcome.pairs,
        lives=outcome.lives,
        virtual_s=outcome.virtual_s,
        seconds=(clock.monotonic_ns() - began_ns) / NS_PER_S,
        longest_s=verdict.times.longest,
        stops=dict(verdict.times.stops),
    )
    tally.add_cells(outcome.cells)
    findings = verdict.findings[:FINDINGS_KEPT]
    if findings:
        tally.failures.append(Failure(seed, findings))
    return Result(seed, tally, findings, tuple(outcome.fired))


def run_seeds(
    first: int,
    count: int,
    simulate: Callable[[int], Result],
    on_result: Callable[[Result], None],
    *,
    resume: Path | None = None,
    jobs: int = 1,
) -> Tally:
    """Run `count` seeds from `first` on, or what is left of them by the state file; raises `ConfigError` for another's.

    With several `jobs` as many processes share the seeds; the sums are the same, for no seed knows of another.
    """
    state = _load(resume, first)
    seeds = range(state.next, first + count)
    with _workers(jobs) as executor:
        results = map(simulate, seeds) if executor is None else executor.map(simulate, seeds, chunksize=CHUNK)
        for result in results:
            state.tally.add(result.tally)
            state.next = result.seed + 1
            on_result(result)
            if resume is not None and (state.next - first) % SAVE_EVERY == 0:
                _save(resume, state)
    if resume is not None:
        _save(resume, state)
    return state.tally


@contextmanager
def _workers(jobs: int) -> Iterator[ProcessPoolExecutor | None]:
    if jobs == 1:
        yield None
        return
    with ProcessPoolExecutor(jobs) as executor:
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def first_of(resume: Path | None) -> int | None:
    """Return the first seed of the run that a state file continues, None when there is no such file."""
    return _read(resume).first if resume is not None and resume.exists() else None


def _load(resume: Path | None, first: int) -> State:
    if resume is None or not resume.exists():
        return State(first, first, Tally())
    state = _read(resume)
    if state.first != first:
        raise ConfigError(f"--resume {resume}: began with seed {state.first}, not {first}: leave --seed out")
    return state


def _read(resume: Path) -> State:
    try:
        return msgspec.json.decode(resume.read_bytes(), type=State)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"--resume {resume}: cannot be read ({error}): remove it to begin anew") from None


def _save(resume: Path, state: State) -> None:
    try:
        with tempfile.NamedTemporaryFile(prefix=f".{resume.name}.", dir=resume.parent, delete=False) as aside:
            aside.write(msgspec.json.encode(state))
        Path(aside.name).replace(resume)
    except OSError as error:
        raise ConfigError(f"--resume {resume}: cannot be written: {error.strerror}") from None


def thin_cells(cells: dict[str, dict[str, int]], wanted: int = CELLS_WANTED) -> Iterable[tuple[str, str]]:
    """Yield the possible cells met less often than `wanted`."""
    for fault in STRIKES:
        for phase in Phase:
            if possible(fault, phase) and cells.get(fault, {}).get(str(phase), 0) < wanted:
                yield fault, str(phase)


def table(cells: dict[str, dict[str, int]]) -> str:
    """Return the table of fault x phase; a dash where they cannot meet."""
    width = max(map(len, STRIKES))
    heads = [str(phase).split(" ") for phase in Phase]
    columns = [max(6, *(len(word) for word in head)) for head in heads]
    lines = []
    for part in range(max(map(len, heads))):
        words = [head[part] if part < len(head) else "" for head in heads]
        lines.append(" " * width + "".join(f"  {word:>{room}}" for word, room in zip(words, columns, strict=True)))
    for fault in STRIKES:
        row = cells.get(fault, {})
        counts = [row.get(str(phase), 0) if possible(fault, phase) else "-" for phase in Phase]
        cells_text = "".join(f"  {count:>{room}}" for count, room in zip(counts, columns, strict=True))
        lines.append(f"{fault:<{width}}{cells_text}")
    return "\n".join(lines)
