"""Timers and the texts that journals hold of them."""

from typing import get_args

import pytest

from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import TimerFired
from arb.core.messages.timers import AnyTimer, DriftTimer, OrderTimer, PairTimer, RulesTimer, SnapshotTimer, read_timer
from arb.errors import InvariantError
from tests.builders import Bench


@pytest.mark.parametrize(
    ("timer", "text"),
    [
        (OrderTimer("arb-1-b0"), "order:arb-1-b0"),
        (PairTimer(12), "pair:12"),
        (SnapshotTimer("gate"), "survey:gate"),
        (RulesTimer("gate", "BTC/USDT:USDT"), "rules:gate:BTC/USDT:USDT"),
    ],
)
def test_a_timer_is_read_back_from_its_text(timer: AnyTimer, text: str) -> None:
    assert timer.text == text
    assert read_timer(text) == timer


def test_no_two_kinds_of_timer_have_one_text() -> None:
    assert len({kind.kind for kind in get_args(AnyTimer)}) == len(get_args(AnyTimer))


@pytest.mark.parametrize(
    "text",
    ["", "order", "order:", "pair:x", "pair:-1", "balances:gate", "rules:gate", "rules:gate:", "nap", "nap:gate"],
)
def test_a_text_that_no_timer_has_is_an_error(text: str) -> None:
    with pytest.raises(InvariantError, match="unknown timer"):
        read_timer(text)


def test_the_engine_takes_every_kind_of_timer() -> None:
    kinds = {kind.kind: kind for kind in get_args(AnyTimer)}
    named = {
        OrderTimer("arb-1-b0"),
        PairTimer(12),
        DriftTimer("gate"),
        SnapshotTimer("gate"),
        RulesTimer("gate", "BTC/USDT"),
    }
    texts = {timer.kind: timer.text for timer in named}
    for kind in kinds:
        commands = Bench().tell(TimerFired(timer=texts.get(kind, kind)))
        assert not any(isinstance(command, PlaceOrder) for command in commands)


def test_a_timer_that_the_engine_does_not_know_stops_it() -> None:
    with pytest.raises(InvariantError, match="unknown timer 'nap'"):
        Bench().tell(TimerFired(timer="nap"))
