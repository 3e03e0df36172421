"""Lines of a terminal: styled text of a known width in columns, tables of it, and the bytes a terminal takes.

A style is one of the words of `SGR`. No line relies on it: what a colour says, a word or a sign says too.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

SGR = {
    "": "",
    "title": "7",
    "bold": "1",
    "dim": "2",
    "good": "32",
    "bad": "1;31",
    "warn": "1;33",
    "mark": "1;35",
}
"""What each style is on a terminal (ECMA-48, section 8.3.117)."""
COLOURLESS = SGR | {"good": "", "bad": "1", "warn": "1", "mark": "1"}
"""The same where the user wants no colours (`NO_COLOR`)."""
ASCII = str.maketrans("…·█▒▁▂▃▄▅▆▇", "~-#-..::++#")
"""What stands for our signs where the terminal's encoding has none of them."""


class Span(NamedTuple):
    """Text in one style."""

    text: str
    style: str = ""


Line = tuple[Span, ...]
EMPTY: Line = ()


def line(*parts: str | Span) -> Line:
    """Return a line of texts and spans, the empty ones left out."""
    spans = (part if isinstance(part, Span) else Span(part) for part in parts)
    return tuple(span for span in spans if span.text)


def text_of(made: Line) -> str:
    """Return a line without its styles."""
    return "".join(span.text for span in made)


def columns_of(text: str) -> int:
    """Return how many columns a text takes: East Asian wide characters two, combining ones none (UAX #11)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text
    )


def width_of(made: Line) -> int:
    """Return how many columns a line takes."""
    return sum(columns_of(span.text) for span in made)


def shortened(text: str, width: int) -> str:
    """Return a text of at most `width` > 0 columns; what is left out is shown by an ellipsis."""
    if columns_of(text) <= width:
        return text
    kept, taken = "", 0
    for sign in text:
        taken += columns_of(sign)
        if taken > width - 1:
            break
        kept += sign
    return kept + "…"


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Return a text filled up with blanks to `width` columns."""
    blanks = " " * (width - columns_of(text))
    return blanks + text if right else text + blanks


def fitted(made: Line, width: int) -> Line:
    """Return a line of exactly `width` columns."""
    spans, left = [], width
    for span in made:
        if left > 0:
            text = shortened(span.text, left)
            spans.append(Span(text, span.style))
            left -= columns_of(text)
    return (*spans, Span(" " * left)) if left > 0 else tuple(spans)


def wrapped(text: str, width: int, style: str = "", indent: str = "  ") -> list[Line]:
    """Return a text in lines of at most `width` columns, broken between words; all but the first are indented.

    Only a word that is wider than a whole line is shortened.
    """
    lines, present = list[str](), ""
    for word in text.split():
        joined = f"{present} {word}" if present.strip() else present + word
        if columns_of(joined) <= width:
            present = joined
            continue
        if present.strip():
            lines.append(present)
        present = shortened((indent if lines else "") + word, width)
    return [line(Span(found, style)) for found in [*lines, present] if found.strip()]


def joined(width: int, *spans: Span) -> Line:
    """Return spans on one line, as many from the first on as fit whole."""
    made: Line = ()
    for span in spans:
        more = (*made, Span("   "), span) if made else (span,)
        if width_of(more) > width:
            break
        made = more
    return made or (spans[0],)


class Column(NamedTuple):
    """A column of a table: its heading, whether it is ranged right, and its rank: those of high rank are left out first.

    A `flexible` one takes the rest of the width, and is shortened where that is too little; one that `folds` is continued on
    the lines below.
    """

    heading: str
    right: bool = False
    rank: int = 0
    flexible: bool = False
    folds: bool = False


FLEXIBLE_MIN = 12
GAP = 2


def table(columns: Sequence[Column], rows: Iterable[Sequence[Span | str]], width: int) -> list[Line]:
    """Return a heading and the rows in columns as wide as what stands in them; columns that do not fit are left out."""
    cells = [[cell if isinstance(cell, Span) else Span(cell) for cell in row] for row in rows]
    shown = fitting(columns, cells, width)
    heading = [Span(column.heading, "dim") for column in columns]
    ranged = [(wide, columns[place]) for place, wide in shown.items()]
    return [made for row in (heading, *cells) for made in _row([row[place] for place in shown], ranged)]


def fitting(columns: Sequence[Column], cells: Sequence[Sequence[Span]], width: int) -> dict[int, int]:
    """Return how wide each column is that fits, by its place."""
    widths = [
        max(columns_of(column.heading), *(columns_of(row[place].text) for row in cells), 0)
        for place, column in enumerate(columns)
    ]
    least = [
        min(wide, FLEXIBLE_MIN) if column.flexible or column.folds else wide
        for wide, column in zip(widths, columns, strict=True)
    ]
    shown = [place for place in range(len(columns)) if widths[place]]
    while len(shown) > 1 and sum(least[place] + GAP for place in shown) - GAP > width:
        shown.remove(max(shown, key=lambda place: (columns[place].rank, place)))
    spare = width - sum(least[place] + GAP for place in shown) + GAP
    for place in shown:
        more = max(0, min(spare, widths[place] - least[place]))
        widths[place] = least[place] + more
        spare -= more
    return {place: widths[place] for place in shown}


def _row(cells: Sequence[Span], shown: Sequence[tuple[int, Column]]) -> Iterator[Line]:
    folded = [
        [text_of(part) for part in wrapped(cell.text, wide, indent="")]
        if column.folds and columns_of(cell.text) > wide
        else [cell.text]
        for cell, (wide, column) in zip(cells, shown, strict=True)
    ]
    for texts in zip_longest(*folded, fillvalue=""):
        spans: list[Span] = []
        for text, cell, (wide, column) in zip(texts, cells, shown, strict=True):
            filled = padded(shortened(text, max(1, wide)), wide, right=column.right)
            spans += [Span(filled, cell.style), Span(" " * GAP)]
        yield line(*spans[:-1])


def encoded(made: Line, encoding: str, *, colours: bool) -> bytes:
    """Return the bytes that show a line on a terminal of this encoding, styles switched off at their ends."""
    codes = SGR if colours else COLOURLESS
    return b"".join(_styled(_bytes(span.text, encoding), codes[span.style]) for span in made)


def _styled(raw: bytes, code: str) -> bytes:
    return b"\x1b[%bm%b\x1b[0m" % (code.encode(), raw) if code else raw


def _bytes(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(ASCII).encode(encoding, "replace")
