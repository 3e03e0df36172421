"""The plain book against a naive dict; what is trimmed, unknown or crossed; what the arena shows of it."""

from hypothesis import given
from hypothesis import strategies as st

from arb.market.arena import HEADER_WORDS, NO_SEQUENCE, BookArena, BookState
from arb.market.book import PlainBook

levels = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5)), max_size=12)
changes = st.lists(st.tuples(st.booleans(), levels, levels), max_size=15)


def naive(side: dict[int, int], replace: bool, changed: list[tuple[int, int]]) -> dict[int, int]:
    kept = {} if replace else dict(side)
    for price, size in changed:
        kept[price] = size
        if size == 0:
            del kept[price]
    return kept


@given(changes)
def test_snapshots_and_changes_end_in_what_a_dict_would_hold(story: list[tuple[bool, list, list]]) -> None:  # type: ignore[type-arg]
    book = PlainBook()
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    for whole, bid_levels, ask_levels in story:
        (book.replace if whole else book.apply)(bid_levels, ask_levels)
        bids, asks = naive(bids, whole, bid_levels), naive(asks, whole, ask_levels)
        shown_bids, shown_asks = book.levels(99)
        assert shown_bids == sorted(bids.items(), reverse=True)
        assert shown_asks == sorted(asks.items())
        assert book.levels(2) == (shown_bids[:2], shown_asks[:2])
        assert book.crossed() == bool(bids and asks and max(bids) > min(asks))


@given(changes, st.integers(1, 4))
def test_the_arena_shows_the_best_levels_and_zeros_behind_them(
    story: list[tuple[bool, list, list]],  # type: ignore[type-arg]
    depth: int,
) -> None:
    book, arena = PlainBook(), BookArena(2, depth)
    for number, (whole, bid_levels, ask_levels) in enumerate(story):
        (book.replace if whole else book.apply)(bid_levels, ask_levels)
        book.publish(arena, 1, number, 5, 6 + number)
        bids, asks = book.levels(depth)
        assert (arena.bids(1), arena.asks(1)) == (bids, asks)
        assert not arena.bid_price[1, len(bids) :].any()
        assert not arena.ask_size[1, len(asks) :].any()
        assert (arena.sequence[1], arena.received_ns[1], arena.updates[1]) == (number, 6 + number, number + 1)
    assert not arena.block[0, 2:].any()  # the other row was never touched


@given(changes, st.integers(1, 5))
def test_a_trimmed_book_never_holds_more_than_its_depth_and_forgets_what_fell_out(
    story: list[tuple[bool, list, list]],  # type: ignore[type-arg]
    depth: int,
) -> None:
    book = PlainBook(depth)
    for whole, bid_levels, ask_levels in story:
        (book.replace if whole else book.apply)(bid_levels, ask_levels)
        assert len(book.bids) == len(book.bids.sizes) <= depth
        assert len(book.asks) == len(book.asks.sizes) <= depth


def test_removing_a_level_that_is_not_there_is_normal() -> None:
    book = PlainBook()
    book.apply([(5, 0)], [(6, 0)])
    assert book.levels(9) == ([], [])


def test_equal_best_prices_are_locked_and_not_crossed() -> None:
    book = PlainBook()
    book.replace([(7, 1)], [(7, 1)])
    assert not book.crossed()
    book.apply([(8, 1)], [])
    assert book.crossed()


def test_beyond_a_cut_snapshot_nothing_is_shown_until_the_next_one() -> None:
    book = PlainBook()
    book.replace([(9, 1), (8, 1)], [(10, 1)])
    book.bound(2)
    book.apply([(7, 5)], [(20, 5)])
    assert book.levels(9) == ([(9, 1), (8, 1)], [(10, 1), (20, 5)])
    assert not book.exhausted()
    book.apply([(9, 0), (8, 0)], [])
    assert book.exhausted()
    book.replace([(7, 5)], [])
    assert book.levels(9) == ([(7, 5)], [])


def test_sizes_beyond_64_bits_are_exact_in_the_plain_book() -> None:
    book = PlainBook()
    book.replace([(10**40, 10**50 + 1)], [])
    assert book.levels(1) == ([(10**40, 10**50 + 1)], [])


def test_a_fresh_row_waits_without_sequence() -> None:
    arena = BookArena(1)
    assert not arena.usable(0)
    assert arena.state[0] == BookState.WAITING
    assert arena.sequence[0] == NO_SEQUENCE


def test_an_invalidated_row_shows_nothing_and_remembers_since_when() -> None:
    arena, book = BookArena(1), PlainBook()
    book.replace([(9, 1)], [(10, 1)])
    book.publish(arena, 0, 5, 100, 110)
    assert (arena.usable(0), arena.state_ns[0], arena.lag_ns(0, 3)) == (True, 110, 13)
    arena.invalidate(0, BookState.GAP, 120)
    arena.invalidate(0, BookState.GAP, 130)
    assert (arena.usable(0), arena.state_ns[0], arena.sequence[0]) == (False, 120, NO_SEQUENCE)
    assert (arena.bid_count[0], arena.ask_count[0]) == (0, 0)
    assert not arena.block[0, HEADER_WORDS:].any()
    book.replace([(9, 1)], [(10, 1)])
    book.publish(arena, 0, 6, 0, 140)
    assert (arena.bids(0), arena.state_ns[0], arena.lag_ns(0, 0)) == ([(9, 1)], 140, None)


def test_the_named_arrays_are_views_of_one_block() -> None:
    arena = BookArena(3, 2)
    arena.write_asks(1, [7, 8], [70, 80])
    arena.write(1, 4, 5, 6)
    assert arena.block[1].tolist() == [1, 4, 5, 6, 6, 1, 0, 2, *[0] * 8, 0, 0, 0, 0, 7, 8, 70, 80]
    assert arena.block.flags.c_contiguous
