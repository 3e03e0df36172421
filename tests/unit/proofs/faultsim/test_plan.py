"""What a seed decides: every cell of the table is aimed at, and those left out cannot be."""

import random
from collections import Counter

import pytest

from arb.clock import NS_PER_S
from arb.sandbox.faults import KINDS
from proofs.faultsim.aims import AT_OWN_FILLS, STRIKES, Aim, Phase, possible, strikes_for
from proofs.faultsim.plan import aims_of, make_plan

LONG_RUN = 16_000
WANTED = 50
CELLS = [Aim(fault, phase) for fault in STRIKES for phase in Phase if possible(fault, phase)]


def test_a_long_run_aims_at_every_cell_more_often_than_it_has_to_be_met_wherever_it_begins() -> None:
    for first in (0, 123_457):
        aimed = Counter(aim for seed in range(first, first + LONG_RUN) for aim in aims_of(seed))
        assert set(aimed) == set(CELLS)
        assert min(aimed.values()) > WANTED * 1.5


def test_only_what_strikes_an_order_on_its_way_cannot_meet_a_pair_that_sends_none() -> None:
    left_out = {(fault, phase) for fault in STRIKES for phase in Phase if not possible(fault, phase)}
    assert {phase for _, phase in left_out} == {Phase.NONE, Phase.BOTH_LEGS, Phase.CLOSED}
    assert {fault for fault, _ in left_out} == {
        name for name, kind in KINDS.items() if kind.on == "place"
    } | AT_OWN_FILLS


@pytest.mark.parametrize("phase", list(Phase))
def test_an_aim_strikes_its_own_fault_and_all_that_leads_there(phase: Phase) -> None:
    for fault in STRIKES:
        if possible(fault, phase):
            strikes = strikes_for(random.Random(1), Aim(fault, phase), NS_PER_S)
            assert [strike.name for strike in strikes if not strike.leading] == [fault]


def test_a_plan_is_the_same_every_time_and_another_for_another_seed() -> None:
    assert make_plan(5) == make_plan(5)
    assert make_plan(5).strikes != make_plan(6).strikes
