"""Seeds: each ends with ledger, journal and venues in agreement and repeats exactly; many are counted and can be resumed."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from arb.clock import NS_PER_MS
from arb.errors import ConfigError
from proofs.faultsim.aims import Phase, Strike
from proofs.faultsim.faults import Point
from proofs.faultsim.plan import make_plan
from proofs.faultsim.seeds import (
    Failure,
    Result,
    Tally,
    Verdict,
    first_of,
    run_plan,
    run_seed,
    run_seeds,
    table,
    thin_cells,
)
from tests.support.seeds import drawn_seed

REPO = Path(__file__).resolve().parents[3]
FIXED = range(1, 25)
DRAWN = 6


def explained(seed: int, verdict: Verdict) -> str:
    """Say what is wrong with a seed, and how to see it again."""
    return "\n".join([f"python -m proofs.faultsim --seed {seed}", *verdict.outcome.fired, *verdict.findings])


@pytest.mark.thorough
@pytest.mark.parametrize("seed", FIXED)
def test_a_known_seed_ends_well(seed: int) -> None:
    verdict = run_seed(seed)
    assert not verdict.findings, explained(seed, verdict)


def test_seeds_that_nobody_has_chosen_end_well() -> None:
    first = drawn_seed()
    counted = 0
    for seed in range(first, first + DRAWN):
        verdict = run_seed(seed)
        assert not verdict.findings, explained(seed, verdict)
        counted += verdict.counted
    assert counted >= DRAWN // 2, f"from seed {first}: too few faults met a pair"


def unplaced(journal: bytes) -> bytes:
    """Return a journal without the name of the folder it was simulated in, which the text of an incident may show."""
    return re.sub(rb"arb-faultsim-\w{8}", b"", journal)


@pytest.mark.thorough
def test_a_seed_repeats_bit_for_bit() -> None:
    for seed in (3, 19):
        first, second = run_seed(seed), run_seed(seed)
        assert unplaced(first.journal) == unplaced(second.journal)
        assert first.outcome.cells == second.outcome.cells


@pytest.mark.thorough
def test_a_seed_repeats_in_another_process_whatever_its_hash_seed() -> None:
    program = (
        "from hashlib import sha256; from proofs.faultsim.seeds import run_seed; "
        "print(sha256(run_seed(7).journal).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(REPO)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(found) == 1


@pytest.mark.thorough
@pytest.mark.parametrize("point", list(Point))
def test_a_kill_while_a_pair_opens_is_followed_by_a_restart_that_ends_well(point: Point) -> None:
    plan = make_plan(4)
    for count in (1, 2, 3):
        kill = Strike(name=f"kill_{point}", phase=Phase.OPENING, leg="buy", after_ns=0, passes=count)
        verdict = run_plan(msgspec.structs.replace(plan, strikes=(kill,)))
        assert not verdict.findings, explained(plan.seed, verdict)
        assert verdict.outcome.lives == 2, explained(plan.seed, verdict)


def test_a_process_that_no_venue_lets_in_is_started_again_until_one_does() -> None:
    strikes = tuple(
        Strike(name=name, phase=Phase.OPENING, leg="every", after_ns=0, seconds=seconds)
        for name, seconds in (("key_revoked", 4.0), ("kill_after_request", None))
    )
    plan = msgspec.structs.replace(make_plan(4), strikes=strikes, downtime_ns=20 * NS_PER_MS)
    verdict = run_plan(plan)
    assert not verdict.findings, explained(plan.seed, verdict)
    assert verdict.outcome.lives > 5, "a start hears every venue before it gives up, which takes half a second"


def a_result(seed: int, *findings: str) -> Result:
    """Return the result of a seed in which one fault met one pair, if the seed is odd."""
    tally = Tally(seeds=1, counted=seed % 2, pairs=3, lives=1, virtual_s=5.0)
    tally.add_cells(Counter({("lost_ack", Phase.OPENING if seed % 2 else Phase.NONE): 1}))
    if findings:
        tally.failures.append(Failure(seed, findings))
    return Result(seed, tally, findings, ())


class Seeds:
    """Stands for the simulation: notes which seeds are run; some fail, and one may be interrupted."""

    def __init__(self, failing: tuple[int, ...] = (), stop_at: int | None = None) -> None:
        self.run: list[int] = []
        self._failing, self._stop_at = failing, stop_at

    def __call__(self, seed: int) -> Result:
        if seed == self._stop_at:
            raise KeyboardInterrupt
        self.run.append(seed)
        return a_result(seed, *(["a fill is missing"] if seed in self._failing else []))


def go(seeds: Seeds, first: int, count: int, resume: Path | None = None, jobs: int = 1) -> Tally:
    return run_seeds(first, count, seeds, lambda result: None, resume=resume, jobs=jobs)


def test_several_processes_sum_as_one() -> None:
    assert go(Seeds(failing=(13,)), 10, 9, jobs=2).summary() == go(Seeds(failing=(13,)), 10, 9).summary()


def test_a_seed_in_which_no_fault_met_a_pair_does_not_count() -> None:
    tally = go(Seeds(), 10, 4)
    assert (tally.seeds, tally.counted, tally.pairs, tally.lives) == (4, 2, 12, 4)


def test_what_failed_is_kept_with_its_seed() -> None:
    tally = go(Seeds(failing=(12,)), 10, 4)
    assert [(failure.seed, failure.findings) for failure in tally.failures] == [(12, ("a fill is missing",))]


def test_an_interrupted_run_goes_on_where_its_file_says_and_sums_alike(tmp_path: Path) -> None:
    resume = tmp_path / "state.json"
    with pytest.raises(KeyboardInterrupt):
        go(Seeds(failing=(5,), stop_at=47), 0, 100, resume)
    assert first_of(resume) == 0
    rest = Seeds(failing=(5,))
    tally = go(rest, 0, 100, resume)
    assert rest.run[0] == 40  # the file is written every twenty seeds
    whole = go(Seeds(failing=(5,)), 0, 100)
    assert tally.summary() == whole.summary()


def test_a_run_that_is_over_can_be_made_longer(tmp_path: Path) -> None:
    resume = tmp_path / "state.json"
    go(Seeds(), 0, 10, resume)
    more = Seeds()
    assert go(more, 0, 15, resume).seeds == 15
    assert more.run == [10, 11, 12, 13, 14]


def test_the_state_of_other_seeds_is_refused_and_a_damaged_one_too(tmp_path: Path) -> None:
    resume = tmp_path / "state.json"
    go(Seeds(), 0, 10, resume)
    with pytest.raises(ConfigError, match="began with seed 0"):
        go(Seeds(), 5, 10, resume)
    resume.write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        go(Seeds(), 0, 10, resume)


def test_the_table_shows_every_fault_and_the_thin_cells_are_named() -> None:
    tally = Tally()
    tally.add_cells(Counter({("lost_ack", Phase.OPENING): 60}))
    lines = table(tally.cells).splitlines()
    assert any(line.startswith("lost_ack") and "60" in line for line in lines)
    thin = set(thin_cells(tally.cells))
    assert ("lost_ack", "opening") not in thin
    assert ("lost_ack", "no pair") not in thin  # no order leaves without a pair
    assert ("lost_ack", "repairing") in thin and ("kill_before_commit", "opening") in thin
