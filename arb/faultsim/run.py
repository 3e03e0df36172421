"""Rows of seeds: each simulated, judged and counted; interrupted and taken up again; the same whatever came before it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from arb.clock import NS_PER_S, Clock
from arb.errors import ConfigError
from arb.faultsim.judges import judge
from arb.faultsim.places import Places, a_place
from arb.faultsim.plan import Phase, Plan, make_plan
from arb.faultsim.report import Failure, Tally
from arb.faultsim.world import Outcome, Simulation

FINDINGS_KEPT = 20
SAVE_EVERY = 20
CHUNK = 4


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


def run_seed(seed: int) -> Verdict:
    """Simulate and judge one seed."""
    return run_plan(make_plan(seed))


def run_plan(plan: Plan) -> Verdict:
    """Simulate and judge what a plan says."""
    with a_place() as places:
        outcome, findings = simulated(plan, places)
        return Verdict(outcome, tuple(findings), places.journal.read_bytes())


def simulated(plan: Plan, places: Places) -> tuple[Outcome, list[str]]:
    """Simulate what a plan says, and return what happened and what the judges found; the files stay in `places`."""
    outcome = Simulation(plan, places).run()
    return outcome, outcome.troubles + judge(places, outcome)


def result_of(seed: int, clock: Clock) -> Result:
    """Simulate and judge one seed, and keep what sums need."""
    began_ns = clock.monotonic_ns()
    verdict = run_seed(seed)
    outcome = verdict.outcome
    tally = Tally(
        seeds=1,
        counted=int(verdict.counted),
        pairs=outcome.pairs,
        lives=outcome.lives,
        virtual_s=outcome.virtual_s,
        seconds=(clock.monotonic_ns() - began_ns) / NS_PER_S,
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
    aside = resume.with_name(resume.name + ".new")
    try:
        aside.write_bytes(msgspec.json.encode(state))
        aside.replace(resume)
    except OSError as error:
        raise ConfigError(f"--resume {resume}: cannot be written: {error.strerror}") from None
