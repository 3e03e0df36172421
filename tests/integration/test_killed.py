"""Killed with -9 at the worst moments and started again: nothing is lost, nothing is sent twice, nothing stays exposed.

`make proof` plays every named point several times; here the five windows in which most is at stake, and one drawn point.
"""

import random
from pathlib import Path

import pytest

from tests.integration.kill_points import INTENDED, POINTS, SENT, UNCOMMITTED
from tests.integration.killed import kill_and_restart
from tests.support.seeds import drawn_seed

WINDOWS = (
    INTENDED,
    UNCOMMITTED,
    SENT,
    "one leg filled, the other not answered",
    "repair: sent, not answered",
)
OTHERS = [name for name in POINTS if name not in WINDOWS]


@pytest.mark.thorough
@pytest.mark.parametrize("name", WINDOWS)
def test_killed_in_the_window_and_started_again_both_ledgers_agree(tmp_path: Path, name: str) -> None:
    kill_and_restart(POINTS[name], tmp_path, drawn_seed())


def test_killed_at_a_drawn_point_and_started_again_both_ledgers_agree(tmp_path: Path) -> None:
    seed = drawn_seed()
    name = random.Random(f"{seed}/point").choice(OTHERS)
    print(f"seed {seed}: {name}")  # noqa: T201  # shown when it fails
    kill_and_restart(POINTS[name], tmp_path, seed)
