"""What a run measures of itself: the way of a tick, the journal's writes, lags and turns of the loop."""

from typing import Any

import pytest

from arb.clock import NS_PER_MS, NS_PER_US, ManualClock
from arb.core.messages.events import QueueDrained
from arb.live.delays import BOUNDS_NS, DECISION, ENTRY, INTENT, LAG, LATE, LEDGER, ORDER, TURN, WRITE, Delays
from arb.market.words import LAGS_KEPT
from arb.measured_loop import IDLE_WORK, WAKING_UP, Turns
from tests.support.floor import Floor
from tests.support.intents import an_intent
from tests.unit.live.makings import START_NS, Shell, a_place, on_loop


class SlowShell(Shell):
    """Every step takes its own time: a decision 100 us, an intent 40, orders 60, an entry 7."""

    def __init__(self) -> None:
        super().__init__()
        begin = self.engine.begin

        def slow_begin(event: Any) -> Any:
            self.clock.advance(100 * NS_PER_US)
            return begin(event)

        self.engine.begin = slow_begin  # type: ignore[method-assign]

    def intend(self, intents: Any) -> None:
        self.clock.advance(40 * NS_PER_US)
        super().intend(intents)

    def perform(self, commands: Any) -> None:
        self.clock.advance(60 * NS_PER_US)
        super().perform(commands)

    def append(self, event: Any, commands: Any) -> Any:
        self.clock.advance(7 * NS_PER_US)
        return super().append(event, commands)

    def totals_us(self, name: str, *labels: str) -> tuple[int, int]:
        found = self.delays.of(name, *labels)
        return found.count, found.total_ns // NS_PER_US

    def frame(self, after_us: int = 0) -> None:
        """Receive a frame that is worth a decision, and process it `after_us` later."""
        received_ns = self.clock.wall_ns()
        self.clock.advance(after_us * NS_PER_US)
        self.engine.wants_drain = True
        self.runner.on_frame("gate", received_ns, b"{}")


def test_a_tick_lasts_from_the_first_waiting_frame_to_the_decision_and_to_its_orders() -> None:
    async def work() -> None:
        shell = SlowShell()
        shell.engine.opening = (an_intent(names=("b1", "s1")),)
        shell.engine.script[QueueDrained] = lambda: (a_place("b1"),)
        shell.frame(after_us=10)
        shell.frame(after_us=5)
        shell.runner.on_read()
        assert shell.totals_us(DECISION) == (1, 115)
        assert shell.totals_us(ORDER) == (1, 115 + 40 + 60)
        assert shell.totals_us(WRITE, INTENT) == (1, 40)
        assert shell.totals_us(WRITE, ENTRY) == (1, 7)

    on_loop(work)


def test_a_decision_against_is_a_decision_and_a_drain_without_a_frame_is_no_tick() -> None:
    async def work() -> None:
        shell = SlowShell()
        shell.frame()
        shell.runner.on_read()
        assert shell.totals_us(DECISION) == (1, 100)
        shell.engine.wants_drain = True  # a timer wakes a strategy
        shell.runner._wake()
        shell.runner.on_read()
        assert shell.handled() == ["QueueDrained", "QueueDrained"]
        assert shell.totals_us(DECISION) == (1, 100) and shell.totals_us(ORDER) == (0, 0)

    on_loop(work)


def test_a_frame_that_no_longer_needs_a_decision_ages_no_later_one() -> None:
    async def work() -> None:
        shell = SlowShell()
        shell.frame()
        shell.engine.wants_drain = False
        shell.runner.on_read()
        shell.clock.advance(NS_PER_MS)
        shell.frame()
        shell.runner.on_read()
        assert shell.totals_us(DECISION) == (1, 100)

    on_loop(work)


def test_orders_whose_intent_is_refused_have_not_left() -> None:
    async def work() -> None:
        shell = SlowShell()
        shell.engine.opening = (an_intent(names=("b1", "s1")),)
        shell.no_place = "no place"
        shell.frame()
        shell.runner.on_read()
        assert shell.totals_us(DECISION) == (1, 100)
        assert shell.totals_us(ORDER) == shell.totals_us(WRITE, INTENT) == (0, 0)

    on_loop(work)


def state_of(delays: Delays, turns: Turns, floor: Floor) -> dict[str, Any]:
    parts = delays.parts(turns, floor.books.connections.values())
    return {name: value for part in parts for name, value in part.items()}


@pytest.mark.parametrize("samples", [0, 1, LAGS_KEPT, LAGS_KEPT + 40])
def test_each_kept_sample_of_a_lag_counts_once(samples: int) -> None:
    delays, floor = Delays(ManualClock(START_NS)), Floor(per_connection={"gate": 1})
    connection = floor.books.connections["gate#2"]
    for number in range(samples):
        connection.keep_lag(number * NS_PER_MS, START_NS)
    for _ in range(2):
        state_of(delays, Turns(), floor)
    kept = range(samples)[-LAGS_KEPT:]
    assert (delays.of(LAG, "gate").count, delays.of(LAG, "gate").total_ns) == (len(kept), sum(kept) * NS_PER_MS)
    connection.keep_lag(-5 * NS_PER_MS, START_NS)  # by clocks that differ
    state_of(delays, Turns(), floor)
    assert (delays.of(LAG, "gate").count, delays.of(LAG, "gate").total_ns) == (len(kept) + 1, sum(kept) * NS_PER_MS)


def test_the_state_has_every_delay_with_its_bounds_and_late_wake_ups_apart_from_turns() -> None:
    clock, turns = ManualClock(START_NS), Turns()
    delays = Delays(clock)
    for cause in ("frames", "events", IDLE_WORK, WAKING_UP):
        turns.took(cause, NS_PER_MS)
    delays.ledger.begin()
    clock.advance(1_500 * NS_PER_MS)
    state = state_of(delays, turns, Floor())
    assert state["ledger_waits_ms"] == 1500
    assert state["delays"].keys() == BOUNDS_NS.keys()
    assert [row["labels"] for row in state["delays"][TURN]["rows"]] == [("frames",), ("events",), (IDLE_WORK,)]
    (late,) = state["delays"][LATE]["rows"]
    assert (late["labels"], late["sum_ns"], late["counts"]) == ((), NS_PER_MS, [0, 0, 0, *[1] * 11])
    assert len(late["counts"]) == len(state["delays"][LATE]["bounds_ns"]) + 1
    assert state["delays"][LEDGER]["rows"][0]["counts"][-1] == 0
