"""A repair that is refused, again and again: tried again, but never at once."""

from decimal import Decimal

from arb.clock import NS_PER_MS
from arb.core.commands import PlaceOrder, SetTimer
from arb.core.events import (
    NOT_JOURNALLED,
    OrderAccepted,
    OrderFilled,
    OrderRejected,
    StoreStateChanged,
    TimerFired,
)
from arb.core.records import PairRecord, PairState
from arb.core.settings import Timing
from arb.market.order import Role
from tests.builders import Bench, a_fill, a_report


def not_sent(bench: Bench, order: PlaceOrder, code: str = "not_sent") -> None:
    """Say that an order never left: the connection was refused, or as `code` says."""
    bench.tell(
        OrderRejected(
            venue=order.venue,
            client_order_id=order.client_order_id,
            code=code,
            message="connection refused",
            sent_ns=0,
            acked_ns=0,
        )
    )


def on_one_leg() -> Bench:
    """Return a bench whose pair bought, could not sell, and is about to be mended."""
    bench = Bench(timing=Timing(leg_deadline_ms=3000))
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    buy, sell = bench.placed()
    bench.tell(
        OrderAccepted(
            venue=buy.venue,
            client_order_id=buy.client_order_id,
            report=a_report(buy, "1"),
            sent_ns=bench.now_ns,
            acked_ns=bench.now_ns,
        )
    )
    fee = str(Decimal(str(buy.price)) * Decimal("0.001"))
    made = a_fill(buy, "1", price=str(buy.price), trade_id="t1", fee=fee, fee_currency=None, at_ns=bench.now_ns)
    bench.tell(OrderFilled(fill=made))
    not_sent(bench, sell)
    return bench


def halted_on_one_leg() -> tuple[Bench, int]:
    """Return a bench with a pair that bought, could not sell, and is out of time; and the pair's id."""
    bench = on_one_leg()
    bench.wait_ms(20)
    bench.quote("okx", "90x5", "101.2x5")  # far below the loss cap: no repair, only the exit at the cap
    bench.quote("gate", "90x5", "100.5x5")
    bench.drain()
    bench.wait_ms(3100)
    pair = bench.rows(PairRecord)[-1]
    assert isinstance(pair, PairRecord)
    bench.tell(TimerFired(timer=f"pair:{pair.id}"))
    halted = bench.rows(PairRecord)[-1]
    assert isinstance(halted, PairRecord) and halted.state is PairState.HALTED
    return bench, pair.id


def repairs(bench: Bench) -> list[PlaceOrder]:
    return [order for order in bench.placed() if order.role is not Role.ENTRY]


def test_an_exit_that_cannot_leave_is_not_sent_again_in_the_same_instant() -> None:
    bench, _ = halted_on_one_leg()
    assert len(repairs(bench)) == 1
    not_sent(bench, repairs(bench)[-1])
    assert len(repairs(bench)) == 1


def test_an_exit_that_cannot_leave_is_sent_again_after_its_pause_under_a_new_id() -> None:
    bench, pair_id = halted_on_one_leg()
    not_sent(bench, repairs(bench)[-1])
    bench.wait_ms(501)
    bench.tell(TimerFired(timer=f"pair:{pair_id}"))
    first, second = repairs(bench)
    assert first.client_order_id != second.client_order_id


def test_a_venue_that_is_down_for_long_is_asked_ever_more_rarely_so_that_the_attempts_last() -> None:
    bench, pair_id = halted_on_one_leg()
    pauses = []
    for _ in range(120):
        commands = bench.tell(
            OrderRejected(
                venue=repairs(bench)[-1].venue,
                client_order_id=repairs(bench)[-1].client_order_id,
                code="not_sent",
                message="connection refused",
                sent_ns=0,
                acked_ns=0,
            )
        )
        timers = [command.at_ns for command in commands if isinstance(command, SetTimer) and "pair" in command.timer]
        pauses.append((timers[-1] - bench.now_ns) // NS_PER_MS)
        bench.wait_ms(pauses[-1] + 1)
        bench.tell(TimerFired(timer=f"pair:{pair_id}"))
    assert pauses[0] == 500
    assert pauses[-1] == 32_000
    assert pauses == sorted(pauses)


def look_again(bench: Bench, after_ms: int) -> None:
    """Let time pass, show fresh books, and let the engine act."""
    bench.wait_ms(after_ms)
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()


def test_a_repair_that_the_journal_would_not_take_is_tried_seldom_while_it_refuses() -> None:
    bench = on_one_leg()
    look_again(bench, 20)
    assert len(repairs(bench)) == 1
    bench.tell(StoreStateChanged(store="journal", blocked=True, cause="disk full"))
    not_sent(bench, repairs(bench)[-1], NOT_JOURNALLED)
    for _ in range(8):
        look_again(bench, 50)
    assert len(repairs(bench)) == 1
    look_again(bench, 101)
    assert len(repairs(bench)) == 2


def test_a_repair_that_the_journal_would_not_take_leaves_as_soon_as_it_takes_rows_again() -> None:
    bench = on_one_leg()
    look_again(bench, 20)
    bench.tell(StoreStateChanged(store="journal", blocked=True, cause="disk full"))
    not_sent(bench, repairs(bench)[-1], NOT_JOURNALLED)
    bench.tell(StoreStateChanged(store="journal", blocked=False, cause="space again"))
    look_again(bench, 1)
    assert len(repairs(bench)) == 2
