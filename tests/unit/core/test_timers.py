"""Timers and the texts that journals hold of them."""

from typing import get_args

import pytest

from arb.core.timers import AnyTimer, OrderTimer, PairTimer, SnapshotTimer, read_timer
from arb.errors import InvariantError


@pytest.mark.parametrize(
    ("timer", "text"),
    [(OrderTimer("arb-1-b0"), "order:arb-1-b0"), (PairTimer(12), "pair:12"), (SnapshotTimer("gate"), "survey:gate")],
)
def test_a_timer_is_read_back_from_its_text(timer: AnyTimer, text: str) -> None:
    assert timer.text == text
    assert read_timer(text) == timer


def test_no_two_kinds_of_timer_have_one_text() -> None:
    assert len({kind.kind for kind in get_args(AnyTimer)}) == len(get_args(AnyTimer))


@pytest.mark.parametrize("text", ["", "order", "order:", "pair:x", "pair:-1", "balances:gate", "nap", "nap:gate"])
def test_a_text_that_no_timer_has_is_an_error(text: str) -> None:
    with pytest.raises(InvariantError, match="unknown timer"):
        read_timer(text)
