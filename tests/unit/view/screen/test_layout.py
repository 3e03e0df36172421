"""What stands on a screen that is too small for all: whole rows, of what matters most."""

from hypothesis import given
from hypothesis import strategies as st

from arb.view.lines import line, text_of
from arb.view.screen.layout import Section, arranged, side_by_side


def section(name: str, rows: int, rank: int, least: int = 1) -> Section:
    """Return a section whose rows are numbered."""
    return Section(name, [line(f"{name}{number}") for number in range(rows)], rank, least)


sections = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4)), min_size=1, max_size=8).map(
    lambda found: [section("abcdefgh"[place], rows, place, least) for place, (rows, least) in enumerate(found)]
)


@given(sections, st.integers(0, 40))
def test_never_more_rows_than_there_is_room_and_each_is_whole(found: list[Section], height: int) -> None:
    shown = [text_of(row) for row in arranged(found, height)]
    assert len(shown) <= height
    known = {text_of(row) for one in found for row in one.rows}
    assert all(text.removesuffix(" …") in known or text == "" or text.endswith(" more") for text in shown)


@given(sections, st.integers(0, 40))
def test_a_section_gets_room_before_all_of_higher_rank(found: list[Section], height: int) -> None:
    """What is left out did not fit into what those before it left: of those of lower rank each has its fewest rows."""
    shown = {text_of(row)[:1] for row in arranged(found, height) if row}
    left = height
    for one in found:
        least = min(one.least, len(one.rows))
        if one.rows and least <= left:
            assert one.name in shown
            left -= least


def test_rows_that_are_left_out_are_counted() -> None:
    assert [text_of(row) for row in arranged([section("a", 9, 0)], 4)] == ["a0", "a1", "a2", "… 6 more"]
    assert [text_of(row) for row in arranged([section("a", 9, 0)], 2)] == ["a0", "a1 …"]


def test_with_room_for_all_a_blank_line_stands_between_sections() -> None:
    shown = [text_of(row) for row in arranged([section("a", 1, 0), section("b", 0, 1), section("c", 1, 2)], 9)]
    assert shown == ["a0", "", "c0"]


def test_two_columns_stand_beside_each_other_whatever_their_lengths() -> None:
    rows = side_by_side([section("a", 1, 0)], [section("b", 3, 0)], 10, 5)
    assert [text_of(row) for row in rows] == ["a0" + " " * 11 + "b0", " " * 13 + "b1", " " * 13 + "b2"]
