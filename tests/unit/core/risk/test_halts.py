"""Halts and the losses that cause them."""

from arb.core.incidents import HaltReason
from arb.core.risk.halts import DAY_NS, Control
from arb.core.settings import Limits
from tests.builders import START_NS, D

LOSS = -(10**8)


def test_the_daily_loss_halts_when_it_is_reached() -> None:
    control = Control(Limits(daily_loss_quote=D(2), consecutive_losses=99))
    assert control.book_result(LOSS, START_NS) is None
    assert control.book_result(LOSS, START_NS) == "daily_loss_quote"


def test_a_new_day_starts_with_no_loss() -> None:
    control = Control(Limits(daily_loss_quote=D(2), consecutive_losses=99))
    control.book_result(LOSS, START_NS)
    assert control.book_result(LOSS, START_NS + DAY_NS) is None


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
    assert not control.opening_allowed


def test_a_restart_takes_up_halt_loss_and_row() -> None:
    control = Control(Limits(daily_loss_quote=D(2), consecutive_losses=3))
    control.book_result(LOSS, START_NS)
    control.halt(HaltReason.ASKED)
    after = Control(Limits(daily_loss_quote=D(2), consecutive_losses=3))
    after.restore(control.record(START_NS, "why"))
    assert (after.halted, after.losses_in_a_row) == ("asked", 1)
    after.resume()
    assert after.opening_allowed
    assert after.book_result(LOSS, START_NS) == "daily_loss_quote"
