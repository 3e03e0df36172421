"""Books that come to a feed, and leave it, while frames go on arriving."""

import random

import pytest

from arb.errors import InvariantError
from arb.market.arena import BookArena, BookState
from arb.market.feed import NOTHING, BookSeat
from tests.unit.venues.books.plain.dialects import DIALECTS, NOW_NS, SCALE, Dialect, Truth

all_dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)


def truth_of(dialect: Dialect) -> Truth:
    return Truth(random.Random(3), single_steps=dialect.single_steps)


@all_dialects
def test_frames_of_a_retired_book_are_of_a_book_not_asked_for_and_change_nothing(dialect: Dialect) -> None:
    arena, truth = BookArena(1), truth_of(dialect)
    feed = dialect.make(arena)
    dialect.send_whole(feed, truth)
    assert arena.usable(0)
    feed.retire_book(dialect.symbol)
    arena.retire(0)
    before, other = arena.block.tolist(), feed.counts.other
    for _ in range(3):
        assert feed.on_frame(NOW_NS, dialect.change(*truth.step())) == NOTHING
    assert dialect.send_whole(feed, truth) == NOTHING
    assert feed.counts.other == other + (3 if dialect.fetched else 4)
    assert feed.on_disconnect(NOW_NS).rows == ()
    assert arena.block.tolist() == before
    assert feed.seats() == {}


@all_dialects
def test_a_book_that_comes_back_to_another_row_waits_for_its_snapshot(dialect: Dialect) -> None:
    arena, truth = BookArena(1, spare=1), truth_of(dialect)
    feed = dialect.make(arena)
    dialect.send_whole(feed, truth)
    feed.retire_book(dialect.symbol)
    feed.add_book(dialect.symbol, BookSeat(1, SCALE))
    assert feed.seats() == {dialect.symbol: BookSeat(1, SCALE)}
    arena.retire(0)
    empty = arena.block[0].tolist()
    feed.on_frame(NOW_NS, dialect.change(*truth.step()))
    assert arena.state[1] == BookState.WAITING
    dialect.send_whole(feed, truth)
    feed.on_frame(NOW_NS, dialect.change(*truth.step()))
    assert arena.usable(1) and (arena.bids(1), arena.asks(1)) == truth.levels(truth.id)
    assert arena.block[0].tolist() == empty


@all_dialects
def test_a_book_has_one_seat_and_one_without_does_not_leave(dialect: Dialect) -> None:
    feed = dialect.make(BookArena(1))
    with pytest.raises(InvariantError, match=f"{dialect.symbol} has a seat"):
        feed.add_book(dialect.symbol, BookSeat(0, SCALE))
    feed.retire_book(dialect.symbol)
    with pytest.raises(InvariantError, match="has no seat"):
        feed.retire_book(dialect.symbol)
