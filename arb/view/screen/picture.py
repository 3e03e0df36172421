"""The whole picture: all sections on a screen of a given size, and what the keys ask at its bottom.

What is drawn is one mapping: the engine's state (`view/summary.py`), `about` the run, and of what is read beside the engine:
`today` (`store/ledger/sums.py`), `alerts`, `log`, `trouble`. Missing ones are omitted.
"""

from collections.abc import Sequence
from typing import Any

from arb.masking import printable
from arb.view.lines import Line, Span, fitted, width_of, wrapped
from arb.view.screen import money, sections
from arb.view.screen.layout import BETWEEN, TWO_COLUMNS_FROM, Section, arranged, side_by_side

State = dict[str, Any]


def picture(state: State, size: tuple[int, int], stop: str, footer: Sequence[Line] = ()) -> list[Line]:
    """Return at most as many lines as `size` has rows, each exactly as wide as it has columns; `footer` is never left out."""
    width, height = size
    state = _printable(state)
    room = max(0, height - len(footer))
    top = _top(state, width, stop)
    if width < TWO_COLUMNS_FROM:
        rows = arranged([*top, *_left(state, width), *_right(state, width)], room)
    else:
        rows = arranged(top, room)
        left = _left(state, width // 2)
        left_width = max((width_of(row) for section in left for row in section.rows), default=0)
        right = _right(state, width - left_width - BETWEEN)
        rows += [(), *side_by_side(left, right, left_width, max(0, room - len(rows) - 1))]
        rows = rows[:room]
    rows += [()] * (min(room, 200) - len(rows)) if footer else []
    return [fitted(row, width) for row in (*rows, *footer)][:height]


def _top(state: State, width: int, stop: str) -> list[Section]:
    trouble = [
        row
        for text in (*state.get("remarks", ()), *state.get("trouble", ()))
        for row in wrapped(f"! {text}", width, "warn")
    ]
    return [
        sections.header(state, width, stop),
        Section("trouble", trouble, 1, 1),
        sections.exposure(state, width),
        sections.notices(state, width),
        sections.alerts(state.get("alerts", []), state["now_ns"], width),
    ]


def _left(state: State, width: int) -> list[Section]:
    return [
        sections.venues(state, width),
        sections.edges(state, width),
        sections.pairs(state, width),
        sections.counts(state, width),
    ]


def _right(state: State, width: int) -> list[Section]:
    return [money.pnl(state, width), money.inventory(state, width), sections.log_lines(state.get("log", []), width)]


def _printable(value: Any) -> Any:
    """Return a state whose texts, a reason that somebody gave included, move no cursor."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list | tuple) else value


def waiting(size: tuple[int, int]) -> list[Line]:
    """Return the picture before the first state is known."""
    return [fitted((Span("waiting for the engine's first state", "dim"),), size[0])]
