"""Decimals as people and other programs read them, and roundings that say where they go."""

from decimal import Decimal, Inexact
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.market.numbers import EXACT, bps, ceil_scaled, exact, floor_scaled, plain, ratio, round_ratio, to_e8

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30)


def test_exact_context_raises_rather_than_rounds() -> None:
    with pytest.raises(Inexact):
        EXACT.divide(Decimal(1), Decimal(3))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0"),
        ("-0.000", "0"),
        ("0E+7", "0"),
        ("1E+3", "1000"),
        ("1E-9", "0.000000001"),
        ("-12.3400", "-12.34"),
        ("100", "100"),
        ("1234567890123456789012345678901234567890.10", "1234567890123456789012345678901234567890.1"),
    ],
)
def test_plain_has_no_exponent_and_no_trailing_zeros(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


@given(DECIMALS)
def test_plain_keeps_every_digit(value: Decimal) -> None:
    text = plain(value)
    assert Decimal(text) == value
    assert "e" not in text.lower()
    assert text == "0" or not (text.startswith("-0") and float(text) == 0)


@given(DECIMALS, st.integers(0, 20))
def test_floor_and_ceil_of_scaled_values_enclose_them(value: Decimal, exp: int) -> None:
    scaled = Fraction(value) * 10**exp
    assert floor_scaled(value, exp) <= scaled < floor_scaled(value, exp) + 1
    assert ceil_scaled(value, exp) - 1 < scaled <= ceil_scaled(value, exp)


def test_basis_points_are_rounded_half_even_to_six_places() -> None:
    assert bps(1, 3) == Decimal("3333.333333")
    assert round_ratio(5, 10**7, 6) == 0
    assert round_ratio(15, 10**7, 6) == Decimal("0.000002")
    assert round_ratio(-5, 10**7, 6) == 0
    assert round_ratio(-15, 10**7, 6) == Decimal("-0.000002")


def test_ratio_keeps_28_digits_and_exact_keeps_all() -> None:
    assert ratio(2, 3, 1) == Decimal("0.06666666666666666666666666667")
    assert exact(-(10**50) - 1, 60) == Decimal("-0.0000000001" + "0" * 49 + "1")


def test_e8_is_rounded_half_even() -> None:
    assert [to_e8(Fraction(n, 2 * 10**8)) for n in (1, 3, -1, -3)] == [0, 2, 0, -2]
    assert to_e8(Decimal("1.000000005")) == 100_000_000
