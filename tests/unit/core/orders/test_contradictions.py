"""A venue that contradicts itself: nothing of that is counted, opening halts, and the engine trades what is certain."""

from decimal import Decimal

import msgspec

from arb.clock import NS_PER_S
from arb.core.messages.commands import Finish, PlaceOrder, QueryOrder
from arb.core.messages.events import OrderFilled, OrderQueried, OrderUpdated, ResumeAsked, ShutdownAsked
from arb.core.messages.records import FillRecord, IncidentRecord, OrderRecord, PairState
from arb.core.state.blocks import Block, Source
from arb.market.fill import FillSource
from arb.market.order import OrderStatus, Side
from tests.builders import SYMBOL, Bench, D, a_balance, a_fill, a_report, an_instrument
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair


def queried(bench: Bench, order: PlaceOrder, filled: str, *fills: tuple[str, str], complete: bool = True) -> None:
    """Let an order query find the order ended with `filled`, and fills of these (size, trade id)."""
    made = (a_fill(order, size, trade_id=trade_id, fee="0.1", at_ns=bench.now_ns) for size, trade_id in fills)
    bench.tell(
        OrderQueried(
            venue=order.venue,
            symbol=order.symbol,
            client_order_id=order.client_order_id,
            attempt=1,
            complete=complete,
            report=a_report(order, filled),
            fills=tuple(msgspec.structs.replace(one, source=FillSource.QUERY) for one in made),
            started_ns=bench.now_ns,
        )
    )


def opened() -> tuple[Bench, PlaceOrder, PlaceOrder]:
    """Return a bench on which the buy leg has filled, and the sale's answer is to come."""
    bench = Bench()
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    return bench, buy, sell


def critical(bench: Bench) -> list[str]:
    """Return the kinds of the critical incidents so far."""
    rows = (row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord))
    return [row.kind for row in rows if row.severity == "critical"]


def filled_of(bench: Bench, order: PlaceOrder) -> Decimal:
    """Return how much of an order the rows of its fills add up to."""
    order_id = bench.engine.manager.orders[order.client_order_id].order_id
    rows = (row for row in bench.rows(FillRecord) if isinstance(row, FillRecord))
    return sum((row.size for row in rows if row.order_id == order_id), D(0))


def assert_frozen(bench: Bench, order: PlaceOrder) -> None:
    """Check that an order is unknown, its pair waits, its book is busy, and a query is under way."""
    row = [row for row in bench.rows(OrderRecord) if isinstance(row, OrderRecord) and row.venue == order.venue][-1]
    assert row.status is OrderStatus.UNKNOWN
    assert last_pair(bench).state is PairState.OPENING
    assert (order.venue, SYMBOL) in bench.engine.manager.busy
    assert [order.client_order_id for order in bench.engine.manager.unknown_orders()] == [order.client_order_id]
    assert any(isinstance(said, QueryOrder) and said.client_order_id == order.client_order_id for said in bench.said)


def frozen(bench: Bench) -> list[Block]:
    return bench.engine.state.blocks.of(Source.FROZEN)


def test_more_reported_filled_than_was_ordered_freezes_the_order_and_halts_opening() -> None:
    bench, _, sell = opened()
    accept(bench, sell, "2")
    assert_frozen(bench, sell)
    assert critical(bench) == ["contradiction", "halt"]
    assert bench.engine.state.control.halted == "contradiction"
    assert [(block.at, block.name) for block in frozen(bench)] == [("okx", SYMBOL)]
    bench.tell(OrderUpdated(report=a_report(sell, "3")))
    assert critical(bench) == ["contradiction", "halt"], "it is said once"


def test_once_a_query_shows_what_agrees_the_pair_goes_on_and_the_halt_stays() -> None:
    bench, _, sell = opened()
    accept(bench, sell, "2")
    queried(bench, sell, "2")
    queried(bench, sell, "1", ("0.4", "t1"))
    assert_frozen(bench, sell)
    queried(bench, sell, "1", ("0.4", "t1"), ("0.6", "t2"))
    assert last_pair(bench).state is PairState.COMPLETED
    assert frozen(bench) == []
    assert bench.engine.state.control.halted == "contradiction"


def test_one_trade_under_two_ids_is_counted_once_and_said_when_the_venue_does_not_list_it() -> None:
    bench, _, sell = opened()
    fill(bench, sell, "0.5", "t1")
    fill(bench, sell, "0.5", "t2")  # at the same instant and price
    assert_frozen(bench, sell)
    assert filled_of(bench, sell) == D("0.5")
    assert critical(bench) == []
    queried(bench, sell, "0.5", ("0.5", "t1"))
    assert critical(bench) == ["contradiction", "halt"]
    assert filled_of(bench, sell) == D("0.5")
    assert last_pair(bench).state is PairState.REPAIRING


def test_two_like_trades_that_the_venue_lists_both_count_and_nothing_halts() -> None:
    bench, _, sell = opened()
    accept(bench, sell, "1")
    fill(bench, sell, "0.5", "t1")
    fill(bench, sell, "0.5", "t2")
    assert_frozen(bench, sell)
    queried(bench, sell, "1", ("0.5", "t1"), ("0.5", "t2"))
    assert (filled_of(bench, sell), critical(bench)) == (D(1), [])
    assert last_pair(bench).state is PairState.COMPLETED


def test_a_second_id_beyond_the_size_of_the_order_is_not_counted() -> None:
    bench, _, sell = opened()
    fill(bench, sell, "1", "t1")
    assert last_pair(bench).state is PairState.COMPLETED
    bench.wait_ms(3)
    fill(bench, sell, "1", "t2")
    assert (filled_of(bench, sell), critical(bench)) == (D(1), ["contradiction", "halt"])
    queried(bench, sell, "1", ("1", "t2"))  # the trade is listed under its other id
    assert (filled_of(bench, sell), last_pair(bench).state) == (D(1), PairState.COMPLETED)
    assert frozen(bench) == []


def test_a_trade_known_only_by_its_false_id_is_a_contradiction_once_and_counts_once() -> None:
    bench, _, sell = opened()
    fill(bench, sell, "1", "t2")  # its true report was lost on the way
    queried(bench, sell, "1", ("1", "t1"))
    asked = sum(isinstance(said, QueryOrder) for said in bench.said)
    for _ in range(3):
        bench.wait_ms(70)
        queried(bench, sell, "1", ("1", "t1"))
    assert critical(bench) == ["contradiction", "halt"]
    assert sum(isinstance(said, QueryOrder) for said in bench.said) == asked
    assert (filled_of(bench, sell), frozen(bench)) == (D(1), [])


def test_a_run_does_not_end_while_an_order_of_a_closed_pair_is_frozen() -> None:
    bench, _, sell = opened()
    fill(bench, sell, "1", "t1")
    bench.wait_ms(3)
    fill(bench, sell, "1", "t2")
    assert (last_pair(bench).state, [block.key for block in frozen(bench)]) == (
        PairState.COMPLETED,
        [sell.client_order_id],
    )
    bench.tell(ShutdownAsked(deadline_ns=bench.now_ns + 30 * NS_PER_S))
    assert not balances_agree(bench)
    queried(bench, sell, "1", ("1", "t1"))
    assert balances_agree(bench)


def balances_agree(bench: Bench) -> bool:
    """Let every venue report the balances that we compute; return whether the run has ended."""
    bench.wait_ms(5)
    inventory = bench.engine.state.inventory
    for venue in bench.engine.state.venues:
        held = {asset: str(amount) for asset, amount in inventory.totals(venue).items()}
        bench.tell(a_balance(venue, held, asked_ns=bench.now_ns))
    return any(isinstance(said, Finish) for said in bench.said)


def test_a_person_may_resume_and_still_nothing_opens_where_an_order_is_frozen() -> None:
    bench, _, sell = opened()
    fill(bench, sell, "1", "t1")
    bench.wait_ms(3)
    fill(bench, sell, "1", "t2")
    bench.tell(ResumeAsked(reason="seen"))
    bench.wait_ms(20)
    assert not bench.engine.state.blocks.of(Source.HALT)
    crossed(bench)
    assert len(bench.placed()) == 2
    queried(bench, sell, "1", ("1", "t1"))
    bench.wait_ms(20)
    crossed(bench)
    assert len(bench.placed()) == 4


def test_a_fill_of_the_other_side_is_not_counted() -> None:
    bench, _, sell = opened()
    bench.tell(OrderUpdated(report=a_report(sell, "0", is_open=True)))
    wrong = a_fill(sell, "1", fee="0.1", at_ns=bench.now_ns)
    bench.tell(OrderFilled(fill=msgspec.structs.replace(wrong, side=Side.BUY)))
    assert_frozen(bench, sell)
    assert critical(bench) == ["contradiction", "halt"]


def test_fills_beyond_the_final_report_are_asked_about_and_halt_when_the_venue_does_not_list_them() -> None:
    bench, _, sell = opened()
    accept(bench, sell, "0.5")
    fill(bench, sell, "0.5", "t1")
    bench.wait_ms(20)
    fill(bench, sell, "0.4", "t2")  # a late fill, or none
    assert critical(bench) == []
    queried(bench, sell, "0.5", ("0.5", "t1"))
    assert critical(bench) == [], "histories lag"
    bench.wait_ms(10_000)
    queried(bench, sell, "0.5", ("0.5", "t1"))
    assert critical(bench)[0] == "contradiction"
    assert bench.engine.manager.orders[sell.client_order_id].frozen


def test_a_late_fill_that_the_venue_reports_in_the_end_is_no_contradiction() -> None:
    bench, _, sell = opened()
    accept(bench, sell, "0.5")
    fill(bench, sell, "0.5", "t1")
    bench.wait_ms(20)
    fill(bench, sell, "0.4", "t2")
    bench.wait_ms(10_001)
    queried(bench, sell, "0.9", ("0.5", "t1"), ("0.4", "t2"))
    assert "contradiction" not in critical(bench)
    assert not bench.engine.manager.orders[sell.client_order_id].overfilled


def test_what_is_known_to_be_false_is_passed_over_when_it_comes_again() -> None:
    bench, _, sell = opened()
    fill(bench, sell, "0.5", "t1")
    fill(bench, sell, "0.5", "t2")
    queried(bench, sell, "0.5", ("0.5", "t1"))
    said = len(critical(bench))
    fill(bench, sell, "0.5", "t2")
    assert (filled_of(bench, sell), len(critical(bench))) == (D("0.5"), said)
    assert not bench.engine.manager.orders[sell.client_order_id].frozen


def test_other_pairs_are_repaired_while_an_order_is_frozen() -> None:
    bench = Bench(
        instruments=[an_instrument(venue, symbol) for symbol in ("BTC/USDT", "ETH/USDT") for venue in ("gate", "okx")],
        balances={"USDT": "100000", "BTC": "2", "ETH": "2"},
    )
    buy, sell = crossed(bench)
    bench.quote("gate", "99.9x5", "100x1", "ETH/USDT")
    bench.quote("okx", "101x1", "101.2x5", "ETH/USDT")
    bench.drain()
    other_buy, other_sell = bench.placed()[-2:]
    assert other_buy.symbol == "ETH/USDT"
    accept(bench, other_buy, "1")
    fill(bench, other_buy, "1")
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    accept(bench, sell, "2")
    accept(bench, other_sell, "0")
    bench.wait_ms(20)
    for symbol in ("BTC/USDT", "ETH/USDT"):
        bench.quote("gate", "99.9x5", "100.5x5", symbol)
        bench.quote("okx", "100.9x5", "101.2x5", symbol)
    bench.drain()
    [repair] = bench.placed()[4:]
    assert (repair.symbol, repair.side, repair.size) == ("ETH/USDT", Side.SELL, D(1))
