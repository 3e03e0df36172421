"""HTML, with every text escaped: what a venue or a user wrote into a ledger stays text."""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape
from typing import Any

MINUS = "\N{MINUS SIGN}"
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Html(str):
    """Text that is markup already. Only this module and the drawing of figures make any."""

    __slots__ = ()


def element(tag: str, *inside: str | Html, **attributes: str) -> Html:
    """Return an element: text in it and in its attributes is escaped, markup is kept. `class_` stands for `class`."""
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(visible(text))}"' for name, text in attributes.items()
    )
    return Html(f"<{tag}{named}>{joined(inside)}</{tag}>")


def visible(text: str) -> str:
    """Return text with what neither HTML nor XML may hold made visible as a mark."""
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text)


def joined(parts: Iterable[str | Html], between: str = "") -> Html:
    """Return parts one after the other, texts escaped."""
    return Html(between.join(part if isinstance(part, Html) else escape(visible(part)) for part in parts))


def table(heads: Sequence[tuple[str, str]], rows: Iterable[dict[str, Any]], *, none: str) -> Html:
    """Return a table of `heads` (column name, heading) over rows; numbers stand right; `none` is said of no rows."""
    listed = list(rows)
    if not listed:
        return element("p", none, class_="none")
    figures = {name for name, _ in heads if any(_is_number(row.get(name)) for row in listed)}
    head = joined(
        element("th", title, scope="col", class_="number") if name in figures else element("th", title, scope="col")
        for name, title in heads
    )
    body = joined(
        (element("tr", *(_cell(row.get(name), name in figures) for name, _ in heads)) for row in listed), "\n"
    )
    return element(
        "div", element("table", element("thead", element("tr", head)), element("tbody", body)), class_="wide"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, Decimal | int) and not isinstance(value, bool)


def _cell(value: Any, in_figures: bool) -> Html:
    if value is None:
        return element("td", "\N{EN DASH}", class_="number" if in_figures else "text")
    if not _is_number(value):
        return element("td", str(value))
    return element("td", number(value), class_="loss" if value < 0 else "number")


def number(value: Decimal | int) -> str:
    """Return a number with its thousands apart and every digit it has, without exponent."""
    return f"{value:,f}".replace("-", MINUS) if isinstance(value, Decimal) else f"{value:,}".replace("-", MINUS)


def money(value: Decimal, places: int = 2) -> Decimal:
    """Return a sum to read: so many places, half-even; the exact one stands in the waterfall and in the ledger."""
    return round(value, places)
