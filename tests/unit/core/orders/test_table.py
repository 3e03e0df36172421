"""The table of pairs and orders: what is open stays known, what has closed for a day, and never more than so many of it."""

import msgspec

from arb.core.messages.records import PairKind
from arb.core.trades.table import CLOSED_KEPT, CLOSED_KEPT_NS, TradeTable
from arb.core.trades.trade import PairTrade, Trigger
from tests.builders import START_NS, Bench
from tests.unit.core.trades.test_trade import crossed


def test_a_pair_that_is_open_again_stays_known_when_as_many_have_closed_as_are_kept() -> None:
    bench = Bench()
    crossed(bench)
    [reopened] = bench.engine.manager.open.values()
    plan = msgspec.structs.replace(reopened.plan, pair_id=reopened.id + 1)
    other = PairTrade(reopened.kind, plan, 2, 1, None, bench.now_ns, reopened.trade)
    table = Bench().engine.manager
    table.add(reopened)
    table.close(reopened)
    table.add(reopened)  # a late fill
    for _ in range(CLOSED_KEPT):
        table.close(other)
    assert table.pairs == {reopened.id: reopened}


def closing(table: TradeTable, number: int, after_ns: int) -> PairTrade:
    """Let a pair be opened, and closed so long after the start."""
    bench = Bench()
    crossed(bench)
    [opened] = bench.engine.manager.open.values()
    plan = msgspec.structs.replace(opened.plan, pair_id=number)
    pair = PairTrade(PairKind.ARB, plan, number, 1, None, START_NS, opened.trade)
    pair.orders = opened.orders
    table.add(pair)
    close(table, pair, after_ns)
    return pair


def close(table: TradeTable, pair: PairTrade, after_ns: int) -> None:
    pair.move(Trigger.FLAT_COMPLETED, START_NS + after_ns)
    table.close(pair)


def test_a_closed_pair_stays_known_with_its_orders_for_a_day_and_no_longer() -> None:
    table = Bench().engine.manager
    first = closing(table, 1, 0)
    assert first.orders and set(first.orders) <= set(table.orders)
    closing(table, 2, CLOSED_KEPT_NS)
    assert set(table.pairs) == {1, 2}
    third = closing(table, 3, CLOSED_KEPT_NS + 1)
    assert set(table.pairs) == {2, 3}
    assert third.orders and table.find("gate", None, "none") is None


def test_of_a_pair_that_was_opened_again_the_day_counts_from_its_last_end() -> None:
    table = Bench().engine.manager
    pair = closing(table, 1, 0)
    pair.move(Trigger.LATE_FILL, START_NS + 1)
    table.add(pair)
    close(table, pair, CLOSED_KEPT_NS // 2)
    closing(table, 2, CLOSED_KEPT_NS + 5)
    assert set(table.pairs) == {1, 2}
    closing(table, 3, 2 * CLOSED_KEPT_NS)
    assert set(table.pairs) == {2, 3}


def test_of_more_pairs_than_are_kept_the_first_to_close_are_forgotten_first() -> None:
    table = Bench().engine.manager
    pairs = [closing(table, number, number) for number in (1, 2)]
    for _ in range(CLOSED_KEPT - 1):
        table.close(pairs[1])
    assert set(table.pairs) == {2}
