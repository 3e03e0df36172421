"""Fills of cancelled orders that come when nobody listens."""

from decimal import Decimal

from arb.core.messages.commands import PlaceOrder, QueryOrder, SetTimer, SnapshotAccount
from arb.core.messages.events import OrderFilled, OrderQueried, OrderUpdated, PrivateDown, PrivateUp, TimerFired
from arb.core.messages.records import PairState
from arb.core.messages.settings import Limits
from tests.builders import Bench, a_fill, a_report
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair


def half_sold(limits: Limits | None = None) -> tuple[Bench, PlaceOrder]:
    """Return a bench whose pair has ended, its sell leg cancelled by the venue half filled; and that leg."""
    bench = Bench(limits=limits) if limits is not None else Bench()
    buy, sell = crossed(bench)
    accept(bench, buy, "0.5")
    fill(bench, buy, "0.5")
    accept(bench, sell, "0.5")
    fill(bench, sell, "0.5")
    assert last_pair(bench).state is PairState.COMPLETED
    return bench, sell


def asked_for(bench: Bench) -> list[str]:
    return [command.client_order_id for command in bench.said if isinstance(command, QueryOrder)]


def test_a_fill_of_a_cancelled_order_that_came_during_an_outage_is_found_and_opens_the_pair_again() -> None:
    bench, sell = half_sold()
    bench.tell(PrivateDown(venue=sell.venue, cause="reset"))
    bench.tell(PrivateUp(venue=sell.venue))
    assert asked_for(bench) == [sell.client_order_id]
    late = a_fill(sell, "0.2", trade_id="t9", at_ns=bench.now_ns)
    bench.tell(
        OrderQueried(
            venue=sell.venue,
            symbol=sell.symbol,
            client_order_id=sell.client_order_id,
            attempt=1,
            complete=True,
            report=a_report(sell, "0.7"),
            fills=(late,),
            started_ns=bench.now_ns,
        )
    )
    assert last_pair(bench).state is PairState.REPAIRING


def test_more_filled_than_when_all_seemed_over_is_asked_for_when_the_fill_itself_does_not_come() -> None:
    bench, sell = half_sold()
    bench.wait_ms(1000)  # the question that every order is followed by has come and gone
    bench.tell(OrderUpdated(report=a_report(sell, "0.7")))
    timer = next(command for command in reversed(bench.said) if isinstance(command, SetTimer))
    assert timer.timer == f"order:{sell.client_order_id}" and timer.at_ns > bench.now_ns
    bench.tell(TimerFired(timer=timer.timer))
    assert asked_for(bench) == [sell.client_order_id]


def test_more_filled_than_when_all_seemed_over_is_not_asked_for_when_the_fill_comes_at_once() -> None:
    bench, sell = half_sold()
    bench.tell(OrderUpdated(report=a_report(sell, "0.7")))
    fill(bench, sell, "0.2", "t9")
    bench.tell(TimerFired(timer=f"order:{sell.client_order_id}"))
    assert asked_for(bench) == []


def test_an_order_that_was_cancelled_long_ago_is_not_asked_for_again() -> None:
    bench, sell = half_sold()
    bench.wait_ms(61_000)
    bench.tell(PrivateUp(venue=sell.venue))
    assert asked_for(bench) == []


def test_after_an_outage_the_account_is_read_for_what_others_did_meanwhile() -> None:
    bench, sell = half_sold()
    bench.said.clear()
    bench.tell(PrivateDown(venue=sell.venue, cause="reset"))
    bench.tell(PrivateUp(venue=sell.venue))
    assert [command.venue for command in bench.said if isinstance(command, SnapshotAccount)] == [sell.venue]


def test_a_pair_that_was_reopened_and_has_ended_gives_its_books_back_to_the_one_that_trades_there() -> None:
    bench, sell = half_sold()
    bench.wait_ms(1_000)
    _, next_sell = crossed(bench)
    assert next_sell.client_order_id != sell.client_order_id
    [now_open] = bench.engine.manager.open
    late = a_fill(sell, "0.2", trade_id="t9", fee="0.0202", at_ns=bench.now_ns)
    bench.tell(OrderFilled(fill=late))
    [reopened] = bench.engine.manager.open.keys() - {now_open}
    bench.engine.manager.close(bench.engine.manager.open[reopened])
    assert set(bench.engine.manager.busy.values()) == {now_open}


def test_while_a_reopened_pair_would_lose_the_days_limit_at_exit_prices_nothing_opens() -> None:
    bench, sell = half_sold(Limits(daily_loss_quote=Decimal(5)))
    control = bench.engine.state.control
    before_e8 = control.day_net_e8
    bench.tell(OrderFilled(fill=a_fill(sell, "0.2", trade_id="t9", at_ns=bench.now_ns)))
    assert last_pair(bench).state is PairState.REPAIRING
    assert not control.day_loss_blocks(bench.now_ns)
    bench.quote("okx", "131x1", "131.2x5")
    assert control.day_loss_blocks(bench.now_ns)
    assert control.day_net_e8 == before_e8, "the result that was booked stays until the pair closes again"
    bench.quote("okx", "101x1", "101.2x5")
    assert not control.day_loss_blocks(bench.now_ns)
