"""Walking a side, forwards and backwards, and finding the next residue without counting."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from arb.core.pricing.depth import Depth, first_residue

LEVELS = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 20)), min_size=1, max_size=6)


def units(depth: Depth) -> list[int]:
    """Return the price of every single unit, best first."""
    return [price for price, size in zip(depth.prices, depth.sizes, strict=True) for _ in range(size)]


def test_empty_side_has_no_depth_and_no_next_price() -> None:
    empty = Depth([], [])
    assert (empty.total, empty.amount(0), empty.fine_amount(5, 2), empty.size_worth(1)) == (0, 0, 0, 1)
    assert empty.price_after(0) is None


def test_numpy_slices_become_python_integers_that_cannot_wrap() -> None:
    huge = np.array([2**40, 2**41], dtype=np.int64)
    depth = Depth(huge, huge)
    assert depth.amount(depth.total) == 2**80 + 2**82
    assert all(type(price) is int for price in depth.prices)


@given(LEVELS, st.integers(0, 130))
def test_amount_is_the_sum_of_the_units_taken(levels: list[tuple[int, int]], size: int) -> None:
    depth = Depth.of(levels)
    size = min(size, depth.total)
    every = units(depth)
    assert depth.amount(size) == sum(every[:size])
    assert depth.price_after(size) == (every[size] if size < depth.total else None)
    if size:
        assert depth.prices[depth.level_of(size)] == every[size - 1]


@given(LEVELS, st.integers(0, 600), st.integers(1, 7))
def test_fine_amount_counts_parts_of_units_and_nothing_beyond_the_depth(
    levels: list[tuple[int, int]], size: int, parts: int
) -> None:
    depth = Depth.of(levels)
    every = [Fraction(price, parts) for price in units(depth) for _ in range(parts)]
    assert Fraction(depth.fine_amount(size, parts), parts) == sum(every[:size])


@given(LEVELS, st.integers(-5, 7000))
def test_size_worth_is_the_smallest_that_reaches_the_amount(levels: list[tuple[int, int]], amount: int) -> None:
    depth = Depth.of(levels)
    reached = [size for size in range(depth.total + 1) if depth.amount(size) >= amount]
    assert depth.size_worth(amount) == (reached[0] if reached else depth.total + 1)


@given(st.data(), st.integers(0, 200), st.integers(1, 120))
def test_first_residue_equals_counting(data: st.DataObject, step: int, modulus: int) -> None:
    high = data.draw(st.integers(0, modulus - 1))
    low = data.draw(st.integers(0, high))
    counted = (k for k in range(modulus) if low <= k * step % modulus <= high)
    assert first_residue(step, modulus, low, high) == next(counted, None)


def test_first_residue_of_numbers_too_large_to_count() -> None:
    step, modulus = 10**60 + 7, 3 * 10**61 + 1
    k = first_residue(step, modulus, 5, 5)
    assert k is not None
    assert k * step % modulus == 5
    assert Decimal(k) > 10**30
