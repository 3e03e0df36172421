"""Walking a side, forwards and backwards, and finding the next residue without counting."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from arb.core.pricing.depth import Depth, Depths, first_residue
from arb.market.arena import INT64_MAX, BookArena, BookState
from arb.market.book import PlainBook

LEVELS = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 20)), min_size=1, max_size=6)


def units(depth: Depth) -> list[int]:
    """Return the price of every single unit, best first."""
    return [price for price, size in zip(depth.prices, depth.sizes, strict=True) for _ in range(size)]


def test_empty_side_has_no_depth_and_no_next_price() -> None:
    empty = Depth([], [])
    assert (empty.total, empty.amount(0), empty.fine_amount(5, 2), empty.size_worth(1)) == (0, 0, 0, 1)
    assert empty.price_after(0) is None


def test_words_of_the_arena_become_integers_whose_amounts_cannot_wrap() -> None:
    arena = BookArena(1)
    arena.write_bids(0, [INT64_MAX, INT64_MAX - 1], [INT64_MAX, 3])
    arena.write(0, 1, 0, 1)
    depth = Depths(arena).bids(0)
    assert depth.amount(depth.total) == INT64_MAX * INT64_MAX + 3 * (INT64_MAX - 1)
    assert all(type(number) is int for number in (*depth.prices, *depth.sizes, *depth.ends))


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


LEVEL = st.tuples(st.integers(1, 12), st.integers(0, 9))
CHANGES = st.one_of(
    st.tuples(st.just("apply"), st.lists(LEVEL, max_size=4), st.lists(LEVEL, max_size=4)),
    st.tuples(st.just("replace"), st.lists(LEVEL, max_size=6), st.lists(LEVEL, max_size=6)),
    st.tuples(st.just("finer")),
    st.tuples(st.just("lose")),
    st.tuples(st.just("change hands")),
    st.tuples(st.just("walk"), st.integers(0, 40)),
)


@given(st.lists(CHANGES, max_size=30))
def test_sums_that_are_kept_equal_fresh_ones_after_any_story_of_a_book(story: list[tuple[Any, ...]]) -> None:
    arena = BookArena(0, 5, spare=1)
    depths, book, row = Depths(arena), PlainBook(), arena.add()
    for number, (kind, *given_) in enumerate(story):
        if kind in ("apply", "replace"):
            getattr(book, kind)(*given_)
            book.publish(arena, row, number, number, number)
        elif kind == "finer":
            book.rescale(10, 10)
            book.publish(arena, row, number, number, number)
        elif kind == "lose":
            book.clear()
            arena.invalidate(row, BookState.GAP, number)
        elif kind == "change hands":
            arena.retire(row)
            book = PlainBook()
            row = arena.add()
        else:  # as deep as asked, so that what is summed up further later is seen, too
            depths.asks(row).size_worth(given_[0])
        bids, asks = arena.bids(row), arena.asks(row)
        for kept, levels, others in ((depths.asks(row), asks, bids), (depths.bids(row), bids, asks)):
            fresh = Depth.of(levels)
            assert (kept.prices, kept.sizes, kept.ends) == (fresh.prices, fresh.sizes, fresh.ends)
            assert kept.opposite == (others[0][0] if others else None)
            assert [kept.amount(size) for size in kept.ends] == [fresh.amount(size) for size in fresh.ends]
        if kind == "walk":
            assert depths.asks(row) is depths.asks(row)  # nothing was written: nothing is summed up again
