"""The whole house under faults: every seed ends with ledger, journal and venues in agreement, and repeats exactly."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from arb.clock import NS_PER_MS, system_random
from arb.faultsim.life import Point
from arb.faultsim.plan import Phase, Strike, make_plan
from arb.faultsim.run import Verdict, run_plan, run_seed

REPO = Path(__file__).resolve().parents[3]
FIXED = range(1, 25)
DRAWN = 12


def explained(seed: int, verdict: Verdict) -> str:
    """Say what is wrong with a seed, and how to see it again."""
    return "\n".join([f"arb faultsim --seed {seed}", *verdict.outcome.fired, *verdict.findings])


@pytest.mark.parametrize("seed", FIXED)
def test_a_known_seed_ends_well(seed: int) -> None:
    verdict = run_seed(seed)
    assert not verdict.findings, explained(seed, verdict)


def test_seeds_that_nobody_has_chosen_end_well() -> None:
    first = int(os.environ.get("ARB_TEST_SEED") or system_random().getrandbits(31))
    counted = 0
    for seed in range(first, first + DRAWN):
        verdict = run_seed(seed)
        assert not verdict.findings, explained(seed, verdict)
        counted += verdict.counted
    assert counted >= DRAWN // 2, f"from seed {first}: too few faults met a pair"


def test_a_seed_repeats_bit_for_bit() -> None:
    for seed in (3, 19):
        first, second = run_seed(seed), run_seed(seed)
        assert first.journal == second.journal
        assert first.outcome.cells == second.outcome.cells


def test_a_seed_repeats_in_another_process_whatever_its_hash_seed() -> None:
    program = (
        "import hashlib; from arb.faultsim.run import run_seed; print(hashlib.sha256(run_seed(7).journal).hexdigest())"
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
    assert verdict.outcome.lives > 30
