"""Numbers in words and titles, and HTML with every text escaped: what a venue or a user wrote into a ledger stays text.

Also in a spreadsheet that opens the page: what it would take for a formula is quoted. Numbers of ours are none, for they bear
the sign of minus that is no hyphen.
"""

import math
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape
from typing import Any

from arb.store.ledger.columns import Columns

WATERFALL = {
    "expected_net": "expected at decision",
    "buy_slippage": "buy prices",
    "sell_slippage": "sell prices",
    "size_shortfall": "sizes not filled",
    "fee_difference": "fees other than planned",
    "hedge_cost": "hedges and unwinds",
    "residual_change": "value of residuals",
    "realised_net": "realised net",
}
"""What a person calls each cause; all but the last add up to it."""
ARROW = "\N{RIGHTWARDS ARROW}"
MINUS = "\N{MINUS SIGN}"


def amount(value: float, quote: str = "") -> str:
    """Return a sum of money for a title: two decimals, fewer when large, more when tiny."""
    size = abs(value)
    places = 0 if size >= 10_000 else 2 if size >= 0.1 or not value else min(8, 2 - math.floor(math.log10(size)))
    text = f"{value:,.{places}f}"
    if not float(text.replace(",", "")):
        text = text.removeprefix("-")
    return f"{text}{' ' if quote else ''}{quote}".replace("-", MINUS, 1)


def signed(value: float) -> str:
    """Return a sum of money with its sign, for a step of a waterfall."""
    return f"+{amount(value)}" if value > 0 else amount(value)


def span(milliseconds: float) -> str:
    """Return a span of time in the unit a person would choose."""
    if math.isnan(milliseconds):
        return "unknown"
    if milliseconds < 0.0005:
        return "under 1 \N{MICRO SIGN}s"
    if milliseconds < 1:
        return f"{1000 * milliseconds:.0f} \N{MICRO SIGN}s"
    if milliseconds < 1000:
        return f"{milliseconds:.2g} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = seconds / 60
    if minutes < 120:
        return f"{minutes:.0f} min"
    hours = minutes / 60
    return f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"


def percent(part: float, whole: float) -> str:
    """Return a share in percent; empty for a share of nothing."""
    return f"{100 * part / whole:.0f}\N{NO-BREAK SPACE}%".replace("-", MINUS) if whole else ""


def count(number: int, thing: str) -> str:
    """Return a number of things: `1 pair`, `2 pairs`."""
    plural = thing[:-1] + "ies" if thing.endswith("y") else thing + "s"
    return f"{number:,} {thing if number == 1 else plural}"


def short(name: str, most: int = 28) -> str:
    """Return a name that leaves room for what is drawn beside it."""
    return name if len(name) <= most else f"{name[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def routes(columns: Columns) -> list[str]:
    """Return the venues of each row, bought and sold; one alone where both legs are at one venue."""
    return [route(buy, sell) for buy, sell in zip(columns["buy_venue"], columns["sell_venue"], strict=True)]


def route(buy: str, sell: str) -> str:
    """Return `gate -> okx` with a real arrow; the venue alone, where there is but one."""
    return buy if buy == sell else f"{buy} {ARROW} {sell}"


_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


_FORMULA = re.compile(r"[\t\r]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
"""What a spreadsheet may take for a formula begins so, perhaps in wide characters and after blanks."""
_DRAWN = re.compile(r"(<text\b[^>]*>)([^<]+)")
_SIGNED = re.compile(r"[+-][\d.,]+")


class Html(str):
    """Text that is markup already. Only this module and the drawing of figures make any."""

    __slots__ = ()


def element(tag: str, *inside: str | Html, **attributes: str) -> Html:
    """Return an element: text in it and in its attributes is escaped, markup is kept. `class_` stands for `class`."""
    if inside and not isinstance(inside[0], Html):
        inside = (unformulated(inside[0]), *inside[1:])
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(visible(text))}"' for name, text in attributes.items()
    )
    return Html(f"<{tag}{named}>{joined(inside)}</{tag}>")


def unformulated(text: str) -> str:
    """Return text that is no formula to a spreadsheet: quoted, if it begins as one."""
    return f"'{text}" if _FORMULA.match(text) else text


def drawn(svg: str) -> Html:
    """Return a drawing as markup; of its texts, what begins as a formula and is no mere number is quoted."""
    return Html(
        _DRAWN.sub(lambda found: found[1] + (found[2] if _SIGNED.fullmatch(found[2]) else unformulated(found[2])), svg)
    )


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
