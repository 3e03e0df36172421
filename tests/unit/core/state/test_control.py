"""Halts and the losses that cause them."""

from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_DAY
from arb.core.messages.incidents import HaltReason
from arb.core.messages.settings import Limits
from arb.core.state.control import Control, TradingState
from tests.builders import START_NS, D

LOSS = -(10**8)


def test_the_days_loss_blocks_when_it_is_reached_whatever_is_won_afterwards() -> None:
    control = Control(Limits(daily_loss_quote=D(2)))
    assert control.book_result(LOSS, START_NS) is None
    assert not control.day_loss_blocks(START_NS)
    assert control.book_result(LOSS, START_NS) is None, "it is no halt"
    control.book_result(-LOSS, START_NS)
    assert control.day_loss_blocks(START_NS)
    assert (control.halted_at(START_NS), control.halted) == ("daily_loss_quote", None)
    assert control.state(START_NS) is TradingState.HALTED


def test_the_days_loss_blocks_until_the_utc_day_ends() -> None:
    control = Control(Limits(daily_loss_quote=D(2)))
    control.book_result(2 * LOSS, START_NS)
    next_day_ns = (START_NS // NS_PER_DAY + 1) * NS_PER_DAY
    assert control.day_loss_blocks(next_day_ns - 1)
    assert not control.day_loss_blocks(next_day_ns)
    control.book_result(LOSS, next_day_ns)
    assert not control.day_loss_blocks(next_day_ns)


def test_a_resumption_without_an_allowance_leaves_the_days_loss_as_it_is() -> None:
    control = Control(Limits(daily_loss_quote=D(2)))
    control.book_result(3 * LOSS, START_NS)
    control.resume(START_NS)
    assert control.day_loss_blocks(START_NS)


def test_a_new_allowance_counts_from_the_resumption_to_the_end_of_the_day() -> None:
    control = Control(Limits(daily_loss_quote=D(2)))
    control.book_result(3 * LOSS, START_NS)
    control.resume(START_NS, D(5))
    for net_e8, blocks in ((10, False), (5 * LOSS, False), (-9, False), (-1, True), (-LOSS, True)):
        assert control.book_result(net_e8, START_NS) is None
        assert control.day_loss_blocks(START_NS) is blocks, net_e8
    control.book_result(2 * LOSS, START_NS + NS_PER_DAY)
    assert control.day_loss_blocks(START_NS + NS_PER_DAY), "the next day has the usual allowance"


@given(st.lists(st.one_of(st.integers(-3 * 10**8, 3 * 10**8), st.decimals("0.1", "3", places=2)), max_size=30))
def test_a_day_never_goes_on_below_its_floor_and_restarts_change_nothing(steps: list[int | Decimal]) -> None:
    """Steps: results of pairs, and resumptions with an allowance."""
    limits = Limits(daily_loss_quote=D(2), consecutive_losses=10**6)
    control, net, floor, blocked = Control(limits), 0, -2 * 10**8, False
    for step in steps:
        if isinstance(step, Decimal):
            control.resume(START_NS, step)
            floor, blocked = net - int(step * 10**8), False
        else:
            control.book_result(step, START_NS)
            net += step
            blocked = blocked or net <= floor
        after = Control(limits)
        after.restore(control.record(START_NS, ""))
        assert control.day_loss_blocks(START_NS) is after.day_loss_blocks(START_NS) is blocked
        control = after


def test_what_an_older_journal_says_of_a_day_beyond_its_loss_blocks_too() -> None:
    before = Control(Limits(daily_loss_quote=D(2)))
    before.book_result(3 * LOSS, START_NS)
    record = msgspec.structs.replace(before.record(START_NS, ""), halted="daily_loss_quote", day_loss_reached=False)
    control = Control(Limits(daily_loss_quote=D(2)))
    control.restore(record)
    control.resume(START_NS)
    assert control.day_loss_blocks(START_NS)


def test_a_loss_too_small_to_count_makes_no_row_and_ends_none() -> None:
    control = Control(Limits(consecutive_losses=2, loss_min_quote=D("0.5")))
    assert [control.book_result(-1, START_NS) for _ in range(10)] == [None] * 10
    assert control.book_result(-5 * 10**7, START_NS) is None
    assert control.book_result(-5 * 10**7 + 1, START_NS) is None
    assert control.book_result(-5 * 10**7, START_NS) == "consecutive_losses"


def test_what_is_no_loss_never_halts_for_a_row_of_losses() -> None:
    control = Control(Limits(consecutive_losses=1, loss_min_quote=D(0)))
    assert control.book_result(-1, START_NS) == "consecutive_losses"
    assert control.book_result(0, START_NS) is None


def test_losses_in_a_row_halt_and_one_gain_ends_the_row() -> None:
    control = Control(Limits(daily_loss_quote=D(1000), consecutive_losses=2))
    assert control.book_result(LOSS, START_NS) is None
    assert control.book_result(1, START_NS) is None
    assert control.book_result(LOSS, START_NS) is None
    assert control.book_result(LOSS, START_NS) == "consecutive_losses"


def test_a_pair_that_neither_won_nor_lost_leaves_the_row_as_it_is() -> None:
    control = Control(Limits(daily_loss_quote=D(1000), consecutive_losses=2))
    control.book_result(LOSS, START_NS)
    assert control.book_result(0, START_NS) is None
    assert control.book_result(LOSS, START_NS) == "consecutive_losses"


def test_the_first_halt_is_kept_and_a_second_is_no_news() -> None:
    control = Control(Limits())
    assert control.halt(HaltReason.DAILY_LOSS)
    assert not control.halt(HaltReason.ASKED)
    assert control.halted == "daily_loss_quote"
    assert control.blocks.first(("",), "BTC/USDT", START_NS)


def test_a_restart_takes_up_halt_loss_and_row() -> None:
    control = Control(Limits(daily_loss_quote=D(2), consecutive_losses=3))
    control.book_result(LOSS, START_NS)
    control.halt(HaltReason.ASKED)
    after = Control(Limits(daily_loss_quote=D(2), consecutive_losses=3))
    after.restore(control.record(START_NS, "why"))
    assert (after.halted, after.losses_in_a_row) == ("asked", 1)
    after.resume(START_NS)
    assert not after.blocks.first(("",), "BTC/USDT", START_NS)
    after.book_result(LOSS, START_NS)
    assert after.day_loss_blocks(START_NS)


E8 = 10**8


def test_a_pair_of_yesterday_that_closes_again_today_moves_this_day_by_the_difference_only() -> None:
    control = Control(Limits())
    control.book_result(80 * E8, START_NS)
    today_ns = START_NS + NS_PER_DAY
    control.reopened_e8 = lambda: -1 * E8
    control.book_result(-25 * E8, today_ns)
    assert not control.day_loss_blocks(today_ns), "25 were lost today, and 1 would be"
    control.reopened_e8 = lambda: 0
    control.book_result(79 * E8, today_ns, before_e8=80 * E8)
    assert control.day_net_e8 == -26 * E8
    assert not control.day_loss_blocks(today_ns)


def test_a_pair_counts_once_in_the_row_of_losses_however_often_it_closes() -> None:
    control = Control(Limits(consecutive_losses=3))
    assert control.book_result(-2 * E8, START_NS) is None
    for _ in range(20):
        assert control.book_result(-2 * E8, START_NS, before_e8=-2 * E8) is None
    assert (control.losses_in_a_row, control.day_net_e8) == (1, -2 * E8)
    assert control.book_result(-1 * E8, START_NS, before_e8=5 * E8) is None, "a gain that has become a loss counts"
    control.book_result(1 * E8, START_NS, before_e8=-2 * E8)
    assert control.losses_in_a_row == 2, "a loss that has become a gain ends no row of others"
    assert control.book_result(-2 * E8, START_NS) == "consecutive_losses"


@given(
    closings=st.lists(
        st.tuples(st.integers(0, 4), st.integers(-50, 50).map(lambda quote: quote * E8), st.integers(0, 1)), max_size=60
    )
)
def test_the_days_net_is_the_sum_of_what_each_closing_of_the_day_changed(closings: list[tuple[int, int, int]]) -> None:
    control, last, day, changed = Control(Limits()), dict[int, int](), 0, 0
    for pair, net_e8, days in closings:
        if days:
            day, changed = day + 1, 0
        control.book_result(net_e8, START_NS + day * NS_PER_DAY, last.get(pair))
        changed += net_e8 - last.get(pair, 0)
        last[pair] = net_e8
        assert control.day_net_e8 == changed
        if changed <= -100 * E8:
            assert control.day_loss_blocks(START_NS + day * NS_PER_DAY)
