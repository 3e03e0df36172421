"""What becomes of an order as news of it comes in any order."""

from arb.core.messages.events import OrderUpdated
from arb.core.messages.records import PairState
from arb.market.order import Role
from tests.builders import Bench, D, a_report
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair


def test_older_news_of_an_order_that_has_ended_does_not_make_its_missing_fills_forgotten() -> None:
    bench = Bench()
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    accept(bench, sell, "1")  # ended with one filled, of which no fill has been seen yet
    bench.tell(OrderUpdated(report=a_report(sell, "0", is_open=True)))
    bench.wait_ms(30)
    bench.quote("gate", "99.9x5", "102x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    assert [order.role for order in bench.placed()] == [Role.ENTRY, Role.ENTRY]
    fill(bench, sell, "1", "t2")
    assert last_pair(bench).state is PairState.COMPLETED


def test_a_cumulative_fill_rounded_by_less_than_a_lot_settles_the_order_and_a_missing_lot_does_not() -> None:
    for reported, held, settles in (
        ("0.5000000001", "0.5", True),  # rounded up
        ("0.4999999999", "0.5", True),  # cut: nothing is filled too much
        ("1.0000000001", "1", True),  # no contradiction either
        ("0.501", "0.5", False),  # a fill of one lot is missing
    ):
        bench = Bench()
        buy, _ = crossed(bench)
        accept(bench, buy, reported)
        fill(bench, buy, held)
        order = bench.engine.manager.orders[buy.client_order_id]
        assert order.settled is settles
        assert not order.overfilled
        assert order.record().filled == (D(held) if settles else D(reported))
        assert bench.engine.state.control.halted is None
