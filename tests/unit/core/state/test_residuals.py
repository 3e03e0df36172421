"""What is still there of a residual that one pair has left, and what changes hands without an order."""

from decimal import Decimal

import pytest

from arb.core.messages.recovery_records import Residual
from arb.core.state.residuals import Residuals
from tests.builders import SYMBOL, D


def left(size: str, at_ns: int, mark: int = 100) -> Residual:
    """Return what a pair that ended at `at_ns` has left, booked at `mark` quote per base."""
    return Residual(SYMBOL, D(size), D(size) * mark, at_ns, ("gate:test",))


def carrying(*residuals: Residual) -> Residuals:
    kept = Residuals(lambda _: D(5), D(50))
    for residual in residuals:
        kept.carry(residual)
    return kept


def sums(residual: Residual) -> tuple[Decimal, Decimal]:
    return residual.size, residual.booked


def test_nothing_is_taken_back_of_what_was_traded_away_though_another_pair_has_left_more_since() -> None:
    kept = carrying(left("0.9", 1))
    kept.take_carried(SYMBOL)
    kept.carry(left("0.9", 2))
    assert kept.take_back(left("0.9", 1), carried=True).size == 0
    assert kept.carried(SYMBOL).size == D("0.9")


@pytest.mark.parametrize("carried", [True, False])
def test_nothing_is_taken_back_of_another_kind_or_from_the_other_side_of_zero(carried: bool) -> None:
    kept = carrying(left("-0.9", 1))
    assert kept.take_back(left("0.9" if carried else "-0.9", 1), carried=carried).size == 0
    assert sums(kept.carried(SYMBOL)) == (D("-0.9"), D(-90))


def test_what_other_pairs_have_offset_is_not_there_any_more_and_keeps_their_price() -> None:
    kept = carrying(left("0.9", 1), left("-0.5", 2, mark=102))
    assert sums(kept.take_back(left("0.9", 1), carried=True)) == (D("0.4"), D(90) - D(51))
    assert sums(kept.carried(SYMBOL)) == (D(0), D(0))


def test_each_of_two_pairs_takes_back_what_it_has_booked() -> None:
    kept = carrying(left("0.9", 1), left("0.5", 2, mark=102))
    assert sums(kept.take_back(left("0.9", 1), carried=True)) == (D("0.9"), D(90))
    assert sums(kept.take_back(left("0.5", 2, mark=102), carried=True)) == (D("0.5"), D(51))


@pytest.mark.parametrize(("imbalance", "taken"), [("-0.3", "0.3"), ("-2", "0.9"), ("0.3", "0")])
def test_what_offsets_an_imbalance_changes_hands_at_its_booked_value(imbalance: str, taken: str) -> None:
    kept = carrying(left("0.9", 1))
    assert sums(kept.offset(SYMBOL, D(imbalance))) == (D(taken), D(taken) * 100)
    assert sums(kept.carried(SYMBOL)) == (D("0.9") - D(taken), 90 - D(taken) * 100)


def test_what_residuals_that_offset_each_other_are_booked_at_is_not_forgotten_by_a_restart() -> None:
    again = Residuals(lambda _: D(5), D(50))
    record = carrying(left("0.5", 1), left("-0.5", 2, mark=101)).record(("gate:test",))
    again.restore(record, {"gate:test"}, lambda _: False)
    assert again.carried_symbols() == []
    again.carry(left("0.1", 3))
    assert again.take_carried(SYMBOL).booked == D("9.5")


def dusty(*values: str) -> Residuals:
    """Return dust worth so much quote, each of another symbol; 5 are dust in one symbol, 50 in all."""
    kept = Residuals(lambda _: D(5), D(50))
    for number, value in enumerate(values):
        kept.add_dust(Residual(f"C{number}/USDT", D(value), D(value), 1))
    return kept


@pytest.mark.parametrize("values", [["2.3"] * 200, ["-5"] * 500, ["45", "4", "4", "4"], ["25", "-25"]])
def test_small_dust_of_many_symbols_is_no_exposure_however_much_it_is_together(values: list[str]) -> None:
    assert dusty(*values).unhedged() == []


def test_dust_above_its_limit_is_exposure_once_such_dust_exceeds_the_limit_of_the_sum() -> None:
    kept = dusty("30", "-21", "4")
    assert {held.symbol for held in kept.unhedged()} == {"C0/USDT", "C1/USDT"}
    assert kept.unhedged_value() == 51


def test_where_all_dust_exceeds_the_limit_of_the_sum_the_most_valuable_comes_first() -> None:
    assert dusty("20", "-31", "4").excess_dust() == (D(5), ["C1/USDT", "C0/USDT", "C2/USDT"])
    assert dusty("20", "-30").excess_dust() == (D(0), [])
