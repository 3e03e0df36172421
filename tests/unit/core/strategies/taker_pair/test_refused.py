"""What ends a refusal without a frame: the edge that still stands is looked at again, and nothing else is."""

from collections.abc import Callable

import msgspec
import pytest

from arb.core.messages.commands import SetTimer
from arb.core.messages.events import (
    ClockMeasured,
    InstrumentListed,
    PrivateUp,
    ResumeAsked,
    StoreStateChanged,
    TimerFired,
)
from arb.core.messages.reasons import Reason
from arb.core.strategies.taker_pair.detector import Detector
from tests.builders import Bench, an_instrument
from tests.unit.core.strategies.taker_pair.test_detector import (
    BIG,
    clock_unsure,
    edge,
    halted,
    ledger_blocked,
    no_money,
    paused,
    private_stream_down,
    pushed,
)
from tests.unit.core.trades.test_trade import accept, fill


def look_when_asked(bench: Bench) -> None:
    """Let the engine act if it wants to, and the episodes' timer fire when it was asked for; no frame comes."""
    if bench.engine.wants_drain:
        bench.drain()
    due = [c.at_ns for c in bench.said if isinstance(c, SetTimer) and c.timer == "episodes"]
    if due and not bench.placed():
        bench.now_ns = max(bench.now_ns, due[-1])
        bench.tell(TimerFired(timer="episodes"))
        if bench.engine.wants_drain:
            bench.drain()


def resumed(bench: Bench) -> None:
    bench.tell(ResumeAsked(reason="lunch is over"))


def private_stream_up(bench: Bench) -> None:
    bench.tell(PrivateUp(venue="okx"))


def ledger_freed(bench: Bench) -> None:
    bench.tell(StoreStateChanged(store="ledger", blocked=False, cause="unlocked"))


def clock_sure(bench: Bench) -> None:
    bench.tell(ClockMeasured(venue="okx", offset_ns=0, error_ns=10**6))


def money_came(bench: Bench) -> None:
    bench.tell(pushed("gate", {"USDT": "100000", "BTC": "2"}))


def time_passes(bench: Bench) -> None:
    """Nothing else happens."""


def rate_used_up(bench: Bench) -> None:
    for _ in range(20):
        bench.engine.state.budget.take("gate", "BTC/USDT", bench.now_ns)


def fee_unread(bench: Bench) -> None:
    bench.tell(InstrumentListed(instrument=an_instrument("okx", taker_fee=None, maker_fee=None)))


def fee_read(bench: Bench) -> None:
    bench.tell(InstrumentListed(instrument=an_instrument("okx")))


@pytest.mark.parametrize(
    ("hinder", "end"),
    [
        (halted, resumed),
        (private_stream_down, private_stream_up),
        (ledger_blocked, ledger_freed),
        (clock_unsure, clock_sure),
        (no_money, money_came),
        (paused, time_passes),
        (rate_used_up, time_passes),
        (fee_unread, fee_read),
    ],
)
def test_an_edge_that_still_stands_when_its_blocker_ends_is_taken_though_no_frame_comes(
    hinder: Callable[[Bench], None], end: Callable[[Bench], None]
) -> None:
    bench = Bench(limits=BIG)
    hinder(bench)
    edge(bench)
    assert not bench.placed()
    end(bench)
    look_when_asked(bench)
    assert len(bench.placed()) == 2


def test_the_place_of_a_pair_that_closes_is_taken_by_the_next_though_no_frame_comes() -> None:
    listed = [an_instrument(venue, symbol) for venue in ("gate", "okx") for symbol in ("BTC/USDT", "ETH/USDT")]
    funds = {"USDT": "100000", "BTC": "2", "ETH": "2"}
    bench = Bench(limits=msgspec.structs.replace(BIG, max_open_pairs=1), instruments=listed, balances=funds)
    for symbol in ("BTC/USDT", "ETH/USDT"):
        bench.quote("gate", "99.9x5", "100x1", symbol)
        bench.quote("okx", "101x1", "101.2x5", symbol)
    bench.drain()
    first = bench.placed()
    assert len(first) == 2
    for order in first:
        accept(bench, order, str(order.size))
        fill(bench, order, str(order.size), trade_id=order.venue)
    look_when_asked(bench)
    assert {order.symbol for order in bench.placed()} == {"BTC/USDT", "ETH/USDT"}


def test_blockers_that_stay_are_compared_and_cost_no_judgement() -> None:
    bench = Bench(limits=BIG)
    no_money(bench)
    edge(bench)
    for _ in range(100):
        bench.tell(ClockMeasured(venue="okx", offset_ns=0, error_ns=10**6))
        look_when_asked(bench)
    assert bench.not_taken() == {Reason.INSUFFICIENT_BALANCE: 1}


def test_a_route_whose_rules_vanish_closes_its_episode() -> None:
    bench = Bench(limits=BIG)
    halted(bench)
    edge(bench)
    assert isinstance(bench.engine.strategy, Detector)
    assert len(bench.engine.strategy.episodes) == 1
    gone_ns = bench.now_ns
    bench.tell(InstrumentListed(instrument=an_instrument("okx", tradable=False)))
    look_when_asked(bench)
    look_when_asked(bench)
    assert len(bench.engine.strategy.episodes) == 0
    assert [row.closed_ns for row in bench.engine.take_untraded()] == [gone_ns]
