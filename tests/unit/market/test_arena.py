"""Rows that come and go: what is free, what a row is when it changes hands, and that the block never moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.errors import InvariantError
from arb.market.arena import NO_SEQUENCE, BookArena, BookState


def live(arena: BookArena, row: int, price: int = 9) -> None:
    arena.write_bids(row, [price], [1])
    arena.write_asks(row, [price + 1], [2])
    arena.write(row, 5, 100, 110)


def blank(arena: BookArena, row: int) -> bool:
    """Return whether a row, how often it was written apart, is as in an arena just made."""
    words, fresh = arena.block[row].tolist(), BookArena(1, arena.depth).block[0].tolist()
    return bool(words[:5] + words[6:] == fresh[:5] + fresh[6:])


def test_spare_rows_are_taken_from_the_lowest_and_wait() -> None:
    arena = BookArena(2, 3, spare=2)
    assert (arena.rows, arena.free) == (4, 2)
    assert [arena.add(), arena.add()] == [2, 3]
    assert arena.free == 0 and blank(arena, 2) and not arena.usable(2)


def test_beyond_the_spare_rows_a_book_is_refused_and_nothing_moves() -> None:
    arena = BookArena(1, spare=1)
    state, bids, address = arena.state, arena.bid_price, arena.block.ctypes.data
    arena.add()
    with pytest.raises(InvariantError, match=r"all 2 rows .* are taken"):
        arena.add()
    with pytest.raises(InvariantError, match="all 1 rows"):
        BookArena(1).add()
    arena.retire(0)
    live(arena, arena.add())
    assert (state.tolist(), bids[0, 0]) == ([BookState.LIVE, BookState.WAITING], 9)
    assert arena.block.ctypes.data == address and state.base is not None


def test_a_retired_row_is_unusable_and_empty_and_goes_to_the_next_book() -> None:
    arena = BookArena(3, spare=1)
    live(arena, 1)
    live(arena, 2)
    written = int(arena.updates[1])
    arena.retire(1)
    assert not arena.usable(1) and arena.bids(1) == arena.asks(1) == []
    assert arena.sequence[1] == NO_SEQUENCE and blank(arena, 1)
    assert arena.updates[1] == written + 1  # whoever remembers the row as it was sees that it is not
    assert arena.usable(2) and arena.bids(2) == [(9, 1)]
    assert arena.add() == 1


@pytest.mark.parametrize("row", [-1, 1, 2, 3])
def test_a_row_that_is_free_or_not_there_is_not_retired(row: int) -> None:
    arena = BookArena(2, spare=1)
    arena.retire(1)
    with pytest.raises(InvariantError, match=f"row {row} is not taken"):
        arena.retire(row)


def test_a_row_somebody_went_on_writing_to_is_given_to_nobody() -> None:
    arena = BookArena(1)
    arena.retire(0)
    live(arena, 0)
    with pytest.raises(InvariantError, match="written to after it was retired"):
        arena.add()


@given(st.lists(st.integers(-4, 9), max_size=60))
def test_no_row_is_given_twice_and_the_same_story_gives_the_same_rows(story: list[int]) -> None:
    """Numbers below 0 ask for a row, others give one back if it is taken."""
    arenas = BookArena(3, 2, spare=4), BookArena(3, 2, spare=4)
    taken = {0, 1, 2}
    for step in story:
        if step < 0 and len(taken) < 7:
            rows = [arena.add() for arena in arenas]
            assert rows[0] == rows[1] == min(set(range(7)) - taken)
            taken.add(rows[0])
            for arena in arenas:
                live(arena, rows[0])
        elif step in taken:
            taken.remove(step)
            for arena in arenas:
                arena.retire(step)
    for arena in arenas:
        assert arena.free == 7 - len(taken)
        assert all(blank(arena, row) for row in range(7) if row not in taken)
