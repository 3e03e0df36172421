"""What a venue may send by mistake while compiled code keeps the book: counted, reported, a book lost only where it must be.

After each of these frames both readers are the same (`Twins.give`), and no byte beyond the frame was read.
"""

import pytest

from arb.market.arena import BookState
from tests.unit.venues.books.compiled.test_same_books import every_dialect
from tests.unit.venues.books.compiled.twins import Twins, begin, refresh, stream
from tests.unit.venues.books.plain.dialects import Dialect, Truth

pytest.importorskip("numba", reason="compiled books need numba")
LONG = 10_000_000
# None of them is a price or a size that a book could have.
NO_NUMBERS = ("NaN", "Infinity", "-1", "", "1" * 40, "0x10", "1.2.3", "1,5", " 1", "\u0661")
# What a decimal number may be written as, however unlike a venue.
NUMBERS = {"exponent": "9e1", "zeros behind": "90." + "0" * 40, "zeros before": "0" * 40 + "90"}


def kept(dialect: Dialect) -> tuple[Truth, Twins]:
    """Return a book that compiled code keeps."""
    truth, twins = begin(dialect, 3)
    stream(dialect, truth, twins, 20)
    assert twins.compiled.lent
    return truth, twins


def changed(dialect: Dialect, truth: Truth, price: str, size: str = "1") -> bytes:
    """Return a change that follows, of one bid."""
    before, after, _, _ = truth.step()
    return dialect.change(before, after, [[price, size]], []).encode()


def state(twins: Twins) -> int:
    return twins.compiled.arena.state.item(0)


@every_dialect
@pytest.mark.parametrize("place", ["price", "size"])
@pytest.mark.parametrize("number", NO_NUMBERS, ids=[number[:8] or "empty" for number in NO_NUMBERS])
def test_what_is_no_number_loses_the_book_and_is_counted(dialect: Dialect, place: str, number: str) -> None:
    truth, twins = kept(dialect)
    twins.give(changed(dialect, truth, number) if place == "price" else changed(dialect, truth, "90", number))
    assert state(twins) == BookState.GAP
    assert twins.compiled.feed.counts.malformed == 1
    refresh(dialect, truth, twins)
    stream(dialect, truth, twins, 20)
    assert state(twins) == BookState.LIVE
    assert twins.compiled.lent


@every_dialect
@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_a_number_that_is_written_strangely_is_what_it_says(dialect: Dialect, number: str) -> None:
    truth, twins = kept(dialect)
    taken = twins.compiled.quiet
    twins.give(changed(dialect, truth, number))
    assert twins.compiled.quiet == taken, "the plain reader has to judge it"
    assert state(twins) == BookState.LIVE
    assert twins.compiled.feed.counts.malformed == 0
    assert (9_000, 10_000) in twins.compiled.arena.bids(0)


@every_dialect
@pytest.mark.parametrize("cut", [0, 1, 40, -2, -1], ids=["empty", "first byte", "in the middle", "two", "last byte"])
def test_a_frame_that_is_cut_loses_the_book_and_is_counted(dialect: Dialect, cut: int) -> None:
    truth, twins = kept(dialect)
    twins.give(changed(dialect, truth, "90")[:cut])
    assert state(twins) == BookState.GAP
    assert twins.compiled.feed.counts.malformed == 1


@every_dialect
def test_letters_that_are_no_utf_8_lose_the_book_and_are_counted(dialect: Dialect) -> None:
    truth, twins = kept(dialect)
    twins.give(changed(dialect, truth, "90").replace(b'"90"', b'"9\xff"'))
    assert state(twins) == BookState.GAP
    assert twins.compiled.feed.counts.malformed == 1


@every_dialect
def test_a_book_that_nobody_asked_for_is_counted_and_loses_none(dialect: Dialect) -> None:
    truth, twins = kept(dialect)
    others = twins.compiled.feed.counts.other
    twins.give(changed(dialect, truth, "90").replace(b"BTC", b"XYZ").replace(b"btc", b"xyz"))
    assert state(twins) == BookState.LIVE
    assert twins.compiled.feed.counts.other == others + 1


@every_dialect
@pytest.mark.parametrize("written", ["digits", "blanks", pytest.param("levels", marks=pytest.mark.thorough)])
def test_ten_megabytes_are_judged_as_a_short_frame_is(dialect: Dialect, written: str) -> None:
    truth, twins = kept(dialect)
    if written == "digits":
        raw = changed(dialect, truth, "9" * LONG)
    elif written == "blanks":
        raw = changed(dialect, truth, "90").replace(b'"90"', b" " * LONG + b'"90"')
    else:
        before, after, _, _ = truth.step()
        count = LONG // 12
        raw = dialect.change(before, after, [["90.5", "1.5"]] * count, []).encode()
    twins.give(raw)
    assert state(twins) == (BookState.GAP if written == "digits" else BookState.LIVE)
    assert twins.compiled.feed.counts.malformed == (written == "digits")
