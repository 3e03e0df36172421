"""The judges of what is done while books or their connections are not as they should be."""

from pathlib import Path
from typing import Any

import pytest

from arb.core.messages.settings import HealthLimits
from proofs.faultsim.feeds import held_up, on_late_books, opened_in_spite_of_misses
from tests.unit.proofs.faultsim.test_conduct import a_journal, a_pair

LATE = [("gate", 400, 900)]
"""Frames that Gate's connection brought between these instants came late."""


@pytest.mark.parametrize(
    ("venue", "frame_ns", "decided_ns", "found"),
    [("gate", 500, 800, 1), ("gate", 399, 800, 0), ("gate", 500, 901, 0), ("bitget", 500, 800, 0)],
)
def test_a_pair_decided_on_frames_that_came_late_is_found(
    venue: str, frame_ns: int, decided_ns: int, found: int
) -> None:
    frames = {"decided_ns": decided_ns, "buy_frame_ns": frame_ns, "sell_frame_ns": 990}
    assert len(list(on_late_books([a_pair(3, "opening", buy=venue) | frames], LATE))) == found


def an_entry(number: int, *, status: str = "cancelled", filled: str = "0", venue: str = "gate") -> dict[str, Any]:
    names = {"type": "OrderRecord", "id": number, "role": "entry", "pair_trade_id": number}
    return names | {"venue": venue, "status": status, "filled": filled}


def a_repair(pair_id: int) -> dict[str, Any]:
    return an_entry(90) | {"role": "hedge", "pair_trade_id": pair_id}


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ([(1102, a_pair(1, "repairing"))], 1),
        ([(1001, a_repair(1)), (5000, a_pair(1, "repairing"))], 0),
        ([(1001, a_pair(1, "unwound")), (5000, a_pair(2, "opening"))], 0),
        ([(1099, a_repair(2)), (1102, a_repair(1))], 1),
    ],
)
def test_a_pair_that_nothing_repairs_for_a_second_is_found_once(
    tmp_path: Path, entries: list[tuple[int, dict[str, Any]]], found: int
) -> None:
    path = a_journal(
        tmp_path, (0, a_pair(1, "opening")), (100, a_pair(1, "repairing")), *entries, (9000, "QueueDrained")
    )
    assert len(list(held_up(path))) == found


MISSES = HealthLimits(misses_quarantined=3, window_s=60)


@pytest.mark.parametrize(
    ("third", "opened_s", "found"),
    [
        (an_entry(3), 5, 1),
        (an_entry(3, status="rejected"), 5, 0),
        (an_entry(3, status="partial_cancelled", filled="0.1"), 5, 0),
        (an_entry(3, venue="okx"), 5, 0),
        (an_entry(2), 5, 0),
        (an_entry(3), 62, 0),
    ],
    ids=["missed", "refused", "filled", "elsewhere", "told again", "long ago"],
)
def test_a_pair_opened_where_entry_after_entry_filled_nothing_is_found(
    tmp_path: Path, third: dict[str, Any], opened_s: int, found: int
) -> None:
    misses = (1000, an_entry(1)), (2000, an_entry(2)), (3000, third)
    path = a_journal(tmp_path, (0, a_pair(1, "opening")), *misses, (opened_s * 1000, a_pair(2, "opening")))
    assert len(list(opened_in_spite_of_misses(path, MISSES))) == found
