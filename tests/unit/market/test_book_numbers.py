"""Texts to integers: exact or refused, never cut."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.market.arena import INT64_MAX
from arb.market.book import Number, Numbers, scaled, to_levels


@given(st.decimals(min_value=0, max_value=10**9, places=6, allow_nan=False), st.integers(6, 20))
def test_a_plain_number_is_its_exact_product(number: Decimal, exp: int) -> None:
    text = format(number, "f")
    assert scaled(text, exp) == Numbers(exp, None)[text] == int(number * 10**6) * 10 ** (exp - 6)


@given(st.text(max_size=12) | st.text("0123456789.eE+-_ x", max_size=8), st.integers(0, 12))
def test_the_quick_way_says_exactly_what_the_careful_way_says(text: str, exp: int) -> None:
    def outcome(quick: bool) -> Number | None:
        try:
            return Numbers(exp, 10**120)[text] if quick else scaled(text, exp)
        except ValueError:
            return None

    assert outcome(quick=True) == outcome(quick=False)


@pytest.mark.parametrize(
    "text", ["", ".", ".5", "-1", "+1", "1_0", " 1", "1 ", "0x1", "NaN", "inf", "1e", "1e999", "\u0661", "1" * 65]
)
def test_what_is_no_plain_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="number"):
        Numbers(8)[text]


@pytest.mark.parametrize(
    ("text", "whole"), [("1.50", 15), ("2", 20), ("2.", 20), ("1e2", 1000), ("5E-1", 5), ("0.000", 0)]
)
def test_superfluous_zeros_and_exponents_are_no_matter(text: str, whole: int) -> None:
    assert scaled(text, 1) == Numbers(1)[text] == whole


@pytest.mark.parametrize(("text", "units"), [("1.25", "12.5"), ("0.01", "0.1"), ("1e-2", "0.1")])
def test_more_decimals_than_the_scale_are_kept_and_not_cut(text: str, units: str) -> None:
    numbers = Numbers(1)
    assert numbers["1.20"] == 12 and not numbers.fine
    assert numbers[text] == scaled(text, 1) == Fraction(units)
    assert numbers.fine


@pytest.mark.parametrize("text", ["1.25", "0.01", "1e-2"])
def test_a_tape_whose_scale_is_to_hold_everything_refuses_more_decimals(text: str) -> None:
    with pytest.raises(ValueError, match="decimals"):
        Numbers(1, None)[text]


def test_a_number_beyond_64_bits_is_refused_where_the_arena_must_hold_it() -> None:
    assert Numbers(0)[str(INT64_MAX)] == INT64_MAX
    with pytest.raises(ValueError, match="64 bits"):
        Numbers(0)[str(INT64_MAX + 1)]
    assert Numbers(0, None)[str(INT64_MAX + 1)] == INT64_MAX + 1


def test_memory_is_bounded() -> None:
    numbers = Numbers(0)
    for number in range(40_000):
        assert numbers[str(number)] == number
    assert len(numbers) <= 16_384


def test_a_price_of_zero_is_refused_and_a_size_of_zero_is_not() -> None:
    numbers = Numbers(2)
    assert to_levels([("1", "0.00")], numbers, numbers) == [(100, 0)]
    with pytest.raises(ValueError, match="price of 0"):
        to_levels([("0.00", "1")], numbers, numbers)
