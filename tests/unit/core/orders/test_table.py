"""The table of pairs and orders: what is open stays known, however many pairs have closed since it was opened again."""

import msgspec

from arb.core.orders.table import CLOSED_KEPT, OrderTable
from arb.core.pairs.pair import PairTrade
from tests.builders import Bench
from tests.unit.core.pairs.test_pair import crossed


def test_a_pair_that_is_open_again_stays_known_when_as_many_have_closed_as_are_kept() -> None:
    bench = Bench()
    crossed(bench)
    [reopened] = bench.engine.manager.open.values()
    other = PairTrade(
        reopened.kind, msgspec.structs.replace(reopened.plan, pair_id=reopened.id + 1), 2, 1, None, bench.now_ns
    )
    table = OrderTable()
    table.add(reopened)
    table.close(reopened)
    table.add(reopened)  # a late fill
    for _ in range(CLOSED_KEPT):
        table.close(other)
    assert table.pairs == {reopened.id: reopened}
