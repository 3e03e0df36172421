"""Which rows of a screen are shown where there is not room for all: whole rows are left out, by the ranks of their sections.

Every section states the fewest rows that make sense and its rank. First each gets its fewest, in the order of the ranks, as
long as there is room; then each the rest of what it has, in the same order; then blank lines come between them. Where some of
a section's rows are left out, its last row says how many, or ends in an ellipsis.
"""

from collections.abc import Sequence
from typing import NamedTuple

from arb.view.lines import EMPTY, Line, Span, fitted, line

TWO_COLUMNS_FROM = 132
"""From so many columns on two columns of sections stand side by side."""
BETWEEN = 3
ROWS_TO_COUNT = 3
"""With fewer rows none is given up to say how many there are more."""


class Section(NamedTuple):
    """Rows that belong together. `rank`: the lowest gets room first; `least`: the fewest rows that make sense."""

    name: str
    rows: Sequence[Line]
    rank: int
    least: int = 1


def arranged(sections: Sequence[Section], height: int) -> list[Line]:
    """Return the rows of sections, in their order, on at most `height` lines."""
    return [row for block in _blocks(sections, height) for row in block]


def _blocks(sections: Sequence[Section], height: int) -> list[list[Line]]:
    """Return the rows that each section has room for, the blank line after it included."""
    granted = [0] * len(sections)
    by_rank = sorted((place for place, one in enumerate(sections) if one.rows), key=lambda place: sections[place].rank)
    left = height
    for place in by_rank:
        least = min(sections[place].least, len(sections[place].rows))
        if least <= left:
            granted[place], left = least, left - least
    for place in by_rank:
        more = min(len(sections[place].rows) - granted[place], left) if granted[place] else 0
        granted[place], left = granted[place] + more, left - more
    blocks = [_cut(section.rows, count) for section, count in zip(sections, granted, strict=True)]
    shown = [block for block in blocks if block]
    for block in shown[:-1]:
        if left >= len(shown) - 1:
            block.append(EMPTY)
    return blocks


def _cut(rows: Sequence[Line], count: int) -> list[Line]:
    """Return `count` rows; where others are left out the last says how many, or that there are more."""
    if count >= len(rows) or not count:
        return list(rows[:count])
    if count < ROWS_TO_COUNT:
        return [*rows[: count - 1], (*rows[count - 1], Span(" …", "dim"))]
    return [*rows[: count - 1], line(Span(f"… {len(rows) - count + 1} more", "dim"))]


def side_by_side(left: Sequence[Section], right: Sequence[Section], left_width: int, height: int) -> list[Line]:
    """Return two columns of sections, each `height` lines high at most; the left one is `left_width` columns wide."""
    columns = [arranged(sections, height) for sections in (left, right)]
    rows = max(map(len, columns))
    filled = [[*column, *[EMPTY] * (rows - len(column))] for column in columns]
    return [(*fitted(one, left_width), Span(" " * BETWEEN), *other) for one, other in zip(*filled, strict=True)]
