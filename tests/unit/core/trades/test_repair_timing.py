"""A repair that is refused, again and again: tried again, but never at once."""

from decimal import Decimal

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.commands import PlaceOrder, SetTimer
from arb.core.messages.events import (
    NOT_JOURNALLED,
    FlattenAsked,
    OrderAccepted,
    OrderFilled,
    OrderRejected,
    StoreStateChanged,
    TimerFired,
)
from arb.core.messages.records import PairRecord, PairState
from arb.core.messages.settings import Timing
from arb.core.state.blocks import Source
from arb.market.ids import MAX_ATTEMPT, decode
from arb.market.order import Role
from tests.builders import Bench, a_fill, a_report
from tests.unit.core.accounts.test_restart import left_behind
from tests.unit.core.trades.test_flatten import carrying


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
    """Return a bench whose pair bought, could not sell, and is about to be repaired."""
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


def halted_on_one_leg(after_ms: int = 3100) -> tuple[Bench, int]:
    """Return a bench with a pair that bought, could not sell, and is out of time; and the pair's id."""
    bench = on_one_leg()
    bench.wait_ms(20)
    bench.quote("okx", "90x5", "101.2x5")  # far below the loss cap: no repair, only the exit at the cap
    bench.quote("gate", "90x5", "100.5x5")
    bench.drain()
    bench.wait_ms(after_ms)
    pair = bench.rows(PairRecord)[-1]
    assert isinstance(pair, PairRecord)
    bench.tell(TimerFired(timer=f"pair:{pair.id}"))
    bench.drain()
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
    bench, _ = halted_on_one_leg()
    not_sent(bench, repairs(bench)[-1])
    bench.wait_ms(501)
    bench.drain()
    first, second = repairs(bench)
    assert first.client_order_id != second.client_order_id


def test_a_venue_that_is_down_for_long_is_asked_ever_more_rarely_so_that_the_attempts_last() -> None:
    bench, pair_id = halted_on_one_leg(after_ms=6100)  # no deadline is left to be woken for
    pauses = []
    for _ in range(120):
        refused_ns, tries = bench.now_ns, len(repairs(bench))
        bench.tell(
            OrderRejected(
                venue=repairs(bench)[-1].venue,
                client_order_id=repairs(bench)[-1].client_order_id,
                code="not_sent",
                message="connection refused",
                sent_ns=0,
                acked_ns=0,
            )
        )
        while len(repairs(bench)) == tries:
            timers = [
                command.at_ns for command in bench.said if isinstance(command, SetTimer) and "pair" in command.timer
            ]
            assert timers[-1] > bench.now_ns, "nobody would look again"
            bench.now_ns = timers[-1]
            bench.tell(TimerFired(timer=f"pair:{pair_id}"))
            bench.drain()
        pauses.append((bench.now_ns - refused_ns) // NS_PER_MS)
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


def test_of_a_venue_where_orders_do_not_even_leave_two_tries_are_made_and_then_the_next_best_exit_is_taken() -> None:
    bench = on_one_leg()
    for tried in range(1, 3):
        look_again(bench, 60)
        assert [order.venue for order in repairs(bench)] == ["okx"] * tried
        not_sent(bench, repairs(bench)[-1])
    look_again(bench, 60)
    assert repairs(bench)[-1].venue == "gate"
    assert repairs(bench)[-1].role is Role.UNWIND


def test_where_no_other_exit_stays_within_the_cap_the_venue_is_tried_on() -> None:
    bench = on_one_leg()
    for tried in range(1, 5):
        bench.wait_ms(60)
        bench.quote("gate", "90x5", "100x1")
        bench.quote("okx", "101x1", "101.2x5")
        bench.drain()
        assert [order.venue for order in repairs(bench)] == ["okx"] * tried
        not_sent(bench, repairs(bench)[-1])


def test_what_the_journal_would_not_take_says_nothing_against_its_venue() -> None:
    bench = on_one_leg()
    bench.tell(StoreStateChanged(store="journal", blocked=True, cause="disk full"))
    for _ in range(4):
        look_again(bench, 501)
        assert repairs(bench)[-1].venue == "okx"
        not_sent(bench, repairs(bench)[-1], NOT_JOURNALLED)


def flattened(bench: Bench) -> Bench:
    """Let a bench trade away what a pair carries."""
    bench.wait_ms(20)
    bench.tell(FlattenAsked(reason="home"))
    return bench


def test_a_flatten_that_comes_to_nothing_again_and_again_grows_patient_too() -> None:
    bench = flattened(carrying())
    sent: list[PlaceOrder] = []
    for _ in range(2_000):
        look_again(bench, 60)
        if len(found := repairs(bench)) > len(sent):
            sent = found
            not_sent(bench, sent[-1])
    assert 16 < len(sent) < 100


def test_attempts_do_not_run_out() -> None:
    dead = on_one_leg()
    look_again(dead, 20)
    not_sent(dead, repairs(dead)[-1])
    left = left_behind(dead)
    [pair] = left.pairs
    *entries, repair = pair.orders
    assert repair.client_order_id is not None
    name = decode(repair.client_order_id)
    assert name is not None
    tried = [
        msgspec.structs.replace(
            repair, id=repair.id + n, attempt=n, client_order_id=msgspec.structs.replace(name, attempt=n).encode()
        )
        for n in range(MAX_ATTEMPT + 1)
    ]
    many = msgspec.structs.replace(left, pairs=(msgspec.structs.replace(pair, orders=(*entries, *tried)),))
    bench = Bench(restored=many, run_id=1_760_000_500, timing=dead.timing, start_ns=dead.now_ns)
    for _ in range(2):
        look_again(bench, 501)
        not_sent(bench, repairs(bench)[-1])
    assert len({order.client_order_id for order in repairs(bench)}) == 2


def test_where_an_order_could_not_leave_no_pair_opens_for_a_second_and_repairs_go_on() -> None:
    bench = on_one_leg()
    state = bench.engine.state.venues["okx"]
    assert state.blocked_until_ns(Source.ENTRIES) == bench.now_ns + NS_PER_S
    assert bench.engine.state.venues["gate"].blocked_until_ns(Source.ENTRIES) == 0
    look_again(bench, 60)
    assert repairs(bench)[-1].venue == "okx"


def test_no_repair_is_decided_on_books_while_something_unread_waits_on_a_socket() -> None:
    bench = on_one_leg()
    bench.wait_ms(60)
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    assert bench.engine.wants_drain
    bench.tell(TimerFired(timer=f"pair:{next(iter(bench.engine.manager.open))}"))
    assert repairs(bench) == []
    bench.drain()
    assert [order.venue for order in repairs(bench)] == ["okx"]


def test_the_exit_of_a_halted_pair_leaves_at_its_cap_though_the_sockets_never_fall_silent() -> None:
    bench = on_one_leg()
    look_again(bench, 3001)
    [pair_id] = bench.engine.manager.open
    assert list(bench.engine.state.control.late) == [pair_id]
    not_sent(bench, repairs(bench)[-1])
    sent = len(repairs(bench))
    for _ in range(2):
        bench.wait_ms(501)
        assert len(repairs(bench)) == sent
        bench.tell(TimerFired(timer=f"pair:{pair_id}"))
    assert len(repairs(bench)) == sent + 1
    cap = Decimal(100) * (1 - bench.engine.state.policy.leg_loss_max_bps / 10_000)
    assert repairs(bench)[-1].price == cap.quantize(Decimal("0.1"))


def test_a_venue_that_could_not_be_reached_is_tried_again_after_two_seconds() -> None:
    bench = on_one_leg()
    for _ in range(2):
        look_again(bench, 60)
        not_sent(bench, repairs(bench)[-1])
    bench.wait_ms(2_001)
    bench.quote("gate", "99.7x5", "100x1")  # within the cap, and worse than okx
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    assert repairs(bench)[-1].venue == "okx"
