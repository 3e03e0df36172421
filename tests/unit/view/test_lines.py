"""Lines of a screen: exactly as wide as said, whatever stands in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.view.lines import (
    Column,
    Span,
    columns_of,
    encoded,
    fitted,
    line,
    shortened,
    table,
    text_of,
    width_of,
    wrapped,
)

texts = st.text("ab /日é́…", max_size=30)


@given(st.lists(texts, max_size=4), st.integers(1, 40))
def test_a_fitted_line_is_exactly_as_wide_as_asked(parts: list[str], width: int) -> None:
    assert width_of(fitted(line(*parts), width)) == width


@given(texts, st.integers(1, 40))
def test_a_shortened_text_fits_and_says_that_it_is_short(text: str, width: int) -> None:
    short = shortened(text, width)
    assert columns_of(short) <= width
    assert short == text or short.endswith("…")


@given(texts, st.integers(4, 40))
def test_wrapping_loses_no_word_that_fits_and_no_line_is_too_wide(text: str, width: int) -> None:
    rows = wrapped(text, width)
    assert all(width_of(row) <= width for row in rows)
    shown = " ".join(text_of(row) for row in rows).split()
    if all(columns_of(word) <= width - 2 for word in text.split()):
        assert shown == text.split()


def test_wide_characters_take_two_columns_and_combining_ones_none() -> None:
    assert columns_of("日本") == 4
    assert columns_of("e\u0301") == 1


COLUMNS = (
    Column("name"),
    Column("first out", rank=2),
    Column("second out", rank=1),
    Column("why", rank=0, flexible=True),
)
ROWS = [["gate", "1", "2", "a reason of many words"], ["okx", "10", "20", "-"]]


@pytest.mark.parametrize(
    ("width", "kept"),
    [(80, "name  first out  second out  why"), (40, "name  second out  why"), (20, "name  why")],
)
def test_a_table_leaves_out_the_columns_of_highest_rank_first(width: int, kept: str) -> None:
    assert text_of(table(COLUMNS, ROWS, width)[0]).rstrip() == kept


@pytest.mark.parametrize("width", [20, 33, 60, 200])
def test_a_table_is_never_wider_than_there_is_room(width: int) -> None:
    assert all(width_of(row) <= width for row in table(COLUMNS, ROWS, width))


def test_a_column_with_nothing_in_it_takes_no_room() -> None:
    rows = table((Column("a"), Column(""), Column("c")), [["1", "", "3"]], 40)
    assert [text_of(row) for row in rows] == ["a  c", "1  3"]


def test_without_colours_what_is_bad_is_still_bold_and_says_so_in_words() -> None:
    row = line(Span("! UNHEDGED", "bad"), Span(" ok", "good"))
    assert encoded(row, "utf-8", colours=True) == b"\x1b[1;31m! UNHEDGED\x1b[0m\x1b[32m ok\x1b[0m"
    assert encoded(row, "utf-8", colours=False) == b"\x1b[1m! UNHEDGED\x1b[0m ok"


def test_a_terminal_without_our_signs_gets_others_of_the_same_width() -> None:
    assert encoded(line("▁█▒…"), "ascii", colours=False) == b".#-~"
