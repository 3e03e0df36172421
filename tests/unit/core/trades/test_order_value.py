"""No order above the guard's value leaves; what has to be repaired and is worth more goes in pieces."""

from decimal import Decimal

import pytest

from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import OrderFilled, OrderRejected
from arb.core.messages.records import PairRecord, PairState
from arb.core.messages.settings import RepairPolicy, Timing
from arb.core.trades.repair_choice import repair_size
from arb.core.trades.repair_timing import HALTED_RETRY_MS
from arb.market.order import Role, Side
from tests.builders import Bench, D, a_fill, an_instrument


def one_legged(bench: Bench) -> None:
    """Let a pair of one base at 100 have its buy leg alone."""
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    buy, sell = bench.placed()[-2:]
    bench.tell(
        OrderRejected(
            venue=sell.venue,
            client_order_id=sell.client_order_id,
            code="BALANCE_NOT_ENOUGH",
            message="no",
            sent_ns=bench.now_ns,
            acked_ns=bench.now_ns,
        )
    )
    filled(bench, buy)


def filled(bench: Bench, order: PlaceOrder) -> None:
    """Let an order fill whole, for a fee of 0.1 %."""
    fee = str(order.size * order.price * D("0.001"))
    bench.tell(OrderFilled(fill=a_fill(order, str(order.size), fee=fee, at_ns=bench.now_ns)))


@pytest.mark.parametrize("emergency", [False, True])
def test_a_leg_worth_more_than_one_order_may_be_is_repaired_in_pieces(emergency: bool) -> None:
    bench = Bench(max_order_value="40", policy=RepairPolicy(emergency_market=emergency))
    one_legged(bench)
    repairs: list[PlaceOrder] = []
    while bench.engine.manager.open:
        assert len(repairs) < 4, repairs
        bench.wait_ms(60)
        bench.quote("gate", "99.9x5", "100x1")
        bench.quote("okx", "101x5", "101.2x5")
        bench.drain()
        repairs.append(bench.placed()[-1])
        filled(bench, repairs[-1])
    assert sum(repair.size for repair in repairs) == 1
    assert all(repair.size * repair.price <= 40 for repair in repairs)
    pairs = bench.rows(PairRecord)
    assert isinstance(pairs[-1], PairRecord) and pairs[-1].state in (PairState.COMPLETED, PairState.UNWOUND)


def test_a_sale_is_cut_by_what_base_sells_for_where_that_is_more_than_its_own_price() -> None:
    bench = Bench(max_order_value="50", timing=Timing(leg_deadline_ms=1))
    one_legged(bench)
    for venue in ("gate", "okx"):
        bench.quote(venue, "200x5", "201x5")
    bench.wait_ms(
        60_000
    )  # nothing more comes: no repair may be chosen on these books, but what base sells for they still say
    bench.drain()
    bench.wait_ms(HALTED_RETRY_MS)
    bench.drain()
    [exit_at_cap] = [order for order in bench.placed() if order.role is not Role.ENTRY]
    assert (exit_at_cap.side, exit_at_cap.price) == (Side.SELL, D("99.5"))
    assert exit_at_cap.size == D("0.25"), "the guard values each base at 200"


def test_a_need_beyond_the_largest_order_takes_the_largest_and_not_the_smallest() -> None:
    rules = an_instrument("gate", max_size=D("0.4005"))
    assert repair_size(Side.SELL, Decimal(1), Decimal(100), rules) == D("0.4")
