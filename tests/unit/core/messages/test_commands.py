"""What must be durable before an order leaves, and what may wait until it has left."""

from collections.abc import Callable
from typing import get_args

import pytest

from arb.core.messages.commands import (
    BEFORE_WIRE,
    ROWS_BEFORE_WIRE,
    AnyCommand,
    AnyRecord,
    CancelOrder,
    Persist,
    PlaceOrder,
    divide,
)
from arb.core.messages.events import FlattenAsked, OrderFilled, OrderUpdated
from arb.core.messages.records import OrderRecord, PairRecord
from arb.core.messages.recovery_records import PlanRecord, Residual, ResidualsRecord
from tests.builders import SYMBOL, Bench, D, a_fill, a_report


class Divided(Bench):
    """A bench that keeps every step in its two parts."""

    def __init__(self) -> None:
        self.before: list[AnyCommand] = []
        self.after: list[AnyCommand] = []
        super().__init__()

    def tell(self, event: object) -> tuple[AnyCommand, ...]:
        commands = super().tell(event)  # type: ignore[arg-type]
        step = divide(commands)
        assert sorted(map(id, (*step.before, *step.after))) == sorted(map(id, commands))
        assert list(step.before) == [command for command in commands if command in step.before]
        self.before += step.before
        self.after += step.after
        self.check()
        return commands

    def check(self) -> None:
        """Every order that leaves is known to whoever reads the first parts alone: order, pair and plan."""
        rows = [command.record for command in self.before if isinstance(command, Persist)]
        orders = {row.client_order_id: row.pair_trade_id for row in rows if isinstance(row, OrderRecord)}
        pairs = {row.id for row in rows if isinstance(row, PairRecord)}
        plans = {row.pair_id for row in rows if isinstance(row, PlanRecord)}
        for command in self.before:
            if isinstance(command, PlaceOrder):
                assert orders[command.client_order_id] in pairs & plans
        assert not any(isinstance(command, PlaceOrder | CancelOrder) for command in self.after)


def a_pair(bench: Bench) -> None:
    bench.quote("gate", "99.9x2", "100x1")
    bench.quote("okx", "101x1", "101.1x2")
    bench.drain()


def one_leg_filled(bench: Bench) -> None:
    a_pair(bench)
    buy, sell = bench.placed()
    bench.tell(OrderFilled(fill=a_fill(buy, "1")))
    bench.tell(OrderUpdated(report=a_report(buy, "1")))
    bench.tell(OrderUpdated(report=a_report(sell, "0")))
    bench.wait_ms(100)
    bench.quote("gate", "99.9x2", "100x1")
    bench.quote("okx", "100x1", "100.1x2")
    bench.drain()


def flatten(bench: Bench) -> None:
    bench.engine.state.residuals.carry(Residual(SYMBOL, D(1), D(100), bench.now_ns))
    bench.quote("gate", "99.9x2", "100x1")
    bench.tell(FlattenAsked(reason="home"))
    bench.drain()


@pytest.mark.parametrize(("story", "orders"), [(a_pair, 2), (one_leg_filled, 3), (flatten, 1)])
def test_what_an_order_needs_is_durable_before_it_leaves(story: Callable[[Bench], None], orders: int) -> None:
    bench = Divided()
    story(bench)
    assert len(bench.placed()) == orders


def test_residuals_that_a_pair_takes_over_are_written_down_before_it_trades_them() -> None:
    bench = Divided()
    flatten(bench)
    kept = [command.record for command in bench.before if isinstance(command, Persist)]
    assert [row.carried for row in kept if isinstance(row, ResidualsRecord)] == [()]


def test_the_division_names_only_what_there_is() -> None:
    assert set(get_args(AnyCommand)) > BEFORE_WIRE
    assert set(get_args(AnyRecord)) > ROWS_BEFORE_WIRE
