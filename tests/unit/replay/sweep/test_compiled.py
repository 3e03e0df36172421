"""What a worker makes of its trials: the same, whoever reads the tape."""

import random
from decimal import Decimal
from pathlib import Path

import pytest

from arb.core.messages.settings import Limits, RepairPolicy, Timing
from arb.core.state.engine_state import EngineSettings
from arb.replay.days import Stretch
from arb.replay.sweep.work import run_trials
from arb.replay.trial import Reading, Trial
from tests.unit.replay.makings import one_dislocation
from tests.unit.replay.test_blocks import a_market

pytest.importorskip("numba", reason="compiled books need numba")


def a_trial(min_edge_bps: int) -> Trial:
    limits = Limits(min_edge_bps=Decimal(min_edge_bps))
    return Trial(settings=EngineSettings(limits=limits, timing=Timing(), repair=RepairPolicy(), venues=(), symbols=()))


def test_compiled_code_that_takes_the_frames_anew_leads_to_the_same_results(tmp_path: Path) -> None:
    stretch = Stretch(tuple(a_market(random.Random(11), tmp_path, steps=1500)))
    trials = [(str(bps), a_trial(bps)) for bps in (2, 40)]
    plain, found = (run_trials(stretch, trials, compiled=compiled) for compiled in (False, True))
    assert found == plain
    assert plain[0].result != plain[1].result, "the trials are to differ"
    assert Reading(stretch, compiled=True).mostly_compiled


def test_a_tape_that_compiled_code_does_not_know_is_read_once_for_all(tmp_path: Path) -> None:
    stretch = Stretch((one_dislocation().write(tmp_path / "spaced.jsonl"),))
    assert not Reading(stretch, compiled=True).mostly_compiled
    assert len(run_trials(stretch, [("a", a_trial(2)), ("b", a_trial(3))], compiled=True)) == 2
