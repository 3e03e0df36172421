"""Rows of seeds: counted, told, interrupted and taken up again."""

from collections import Counter
from pathlib import Path

import pytest

from arb.clock import ManualClock
from arb.errors import ConfigError
from arb.simulation.plan import Phase, make_plan
from arb.simulation.report import Tally, table, thin_cells
from arb.simulation.run import Verdict, first_of, run_seeds
from arb.simulation.world import Outcome


def a_verdict(seed: int, *findings: str) -> Verdict:
    """Return the verdict of a seed in which one fault met one pair."""
    outcome = Outcome(
        plan=make_plan(seed),
        truth={},
        cells=Counter({("lost_ack", Phase.OPENING if seed % 2 else Phase.NONE): 1}),
        fired=[],
        troubles=[],
        halted=None,
        left_open=[],
        lives=1,
        virtual_s=5.0,
        pairs=3,
    )
    return Verdict(outcome, findings, b"")


class Seeds:
    """Stands for the simulation: notes which seeds are run; some fail, and one may be interrupted."""

    def __init__(self, failing: tuple[int, ...] = (), stop_at: int | None = None) -> None:
        self.run: list[int] = []
        self._failing, self._stop_at = failing, stop_at

    def __call__(self, seed: int) -> Verdict:
        if seed == self._stop_at:
            raise KeyboardInterrupt
        self.run.append(seed)
        return a_verdict(seed, *(["a fill is missing"] if seed in self._failing else []))


def go(seeds: Seeds, first: int, count: int, resume: Path | None = None) -> Tally:
    return run_seeds(first, count, ManualClock(0), lambda seed, verdict: None, resume, seeds)


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
