"""What becomes of an order as news of it comes in any order."""

from arb.core.events import OrderUpdated
from arb.core.records import PairState
from arb.market.order import Role
from tests.builders import Bench, a_report
from tests.unit.core.pairs.test_pair import accept, crossed, fill, last_pair


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
