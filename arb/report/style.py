"""How figures look: few colours, each with one meaning, and text that states what was found.

Every colour has a name; `painted` puts the name in the place of the colour in an SVG, so that a page may choose another
shade of it on a dark ground. Needs matplotlib (the extra `notebooks`).
"""

import functools
import hashlib
import io
import itertools
import re
import textwrap
import warnings
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from arb.report.measure import crowded, instants, thinned
from arb.report.text import short, visible
from arb.store.columns import Column, Columns

LIGHT = {
    "ink": "#1c2430",
    "muted": "#667081",
    "grid": "#e3e6eb",
    "surface": "#fefefe",
    "neutral": "#9aa3b0",
    "gain": "#2266b8",
    "loss": "#c8443a",
    "one": "#2a78d6",
    "two": "#e0793c",
    "three": "#1f9d76",
    "four": "#8a5fc4",
    "five": "#c99a18",
    "six": "#d0588f",
}
DARK = {
    "ink": "#e8eaee",
    "muted": "#9aa4b4",
    "grid": "#2e3540",
    "surface": "#171b21",
    "neutral": "#7b8594",
    "gain": "#5b9bea",
    "loss": "#ea7468",
    "one": "#4a94ee",
    "two": "#ee8f55",
    "three": "#35b68d",
    "four": "#a884dd",
    "five": "#d9b03c",
    "six": "#e277a8",
}
"""The same names on a light and on a dark ground."""
SERIES = ("one", "two", "three", "four", "five", "six")
INK, MUTED, GRID, SURFACE, NEUTRAL = (LIGHT[name] for name in ("ink", "muted", "grid", "surface", "neutral"))
GAIN, LOSS = LIGHT["gain"], LIGHT["loss"]
WIDTH_IN = 8.4
HEAD = "head"
_SECOND = 1 / 86_400  # of a day, which is how matplotlib counts time

# matplotlib's stubs list every key; a plain dictionary of them is still a dictionary.
_RC: Any = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": SURFACE,
    "savefig.facecolor": SURFACE,
    "svg.fonttype": "none",
    # A name in a ledger may hold a dollar sign: it is no formula.
    "text.parse_math": False,
}


P = ParamSpec("P")
Stretches = list[tuple[int, int]]
"""From when until when something ran, ns UTC, in order."""
END: Any = {"textcoords": "offset points", "va": "center", "fontsize": 9, "annotation_clip": False}
"""How a line is named at its end."""


class Sheet(Figure):
    """A figure headed by what it shows; a notebook shows it as it stands. `empty`: there was nothing to draw."""

    finding = ""
    empty = False

    def _repr_svg_(self) -> str:
        return to_svg(self)


def drawn(figure: Callable[P, Sheet]) -> Callable[P, Sheet]:
    """Give a function that draws a figure this style, and data frames in the place of columns."""

    @functools.wraps(figure)
    def draw(*arguments: P.args, **named: P.kwargs) -> Sheet:
        with mpl.rc_context(_RC):
            return figure(*(_columns(each) for each in arguments), **named)  # type: ignore[arg-type]

    return draw


def _columns(argument: object) -> object:
    """Return a data frame as plain columns, anything else as it is."""
    keys = getattr(argument, "keys", None)
    if keys is None:
        return argument
    columns: Columns = {name: np.asarray(argument[name]) for name in keys()}  # type: ignore[index]
    return columns


def sheet(finding: str, *, height_in: float, rows: int = 1, columns: int = 1) -> tuple[Sheet, list[Axes]]:
    """Return a figure headed by its finding, with `rows` x `columns` axes in reading order."""
    figure = Sheet(figsize=(WIDTH_IN, height_in), layout="constrained")
    figure.finding = finding
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    head = figure.suptitle(textwrap.fill(finding, 88), x=0.008, ha="left", fontsize=11.5, fontweight="bold", color=INK)
    head.set_gid(HEAD)
    for each in axes:
        each.xaxis.set_major_formatter(_number)
        each.yaxis.set_major_formatter(_number)
        # Ticks are made when the figure is drawn, after the style has gone: they are set now.
        each.tick_params(which="both", colors=MUTED, labelsize=9, length=0)
    return figure, axes


def log_axis(axes: Axes, words: Callable[[float], str]) -> None:
    """Make the axis of x logarithmic, with ticks in words."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: words(value))
    axes.xaxis.set_minor_locator(NullLocator())


def _number(value: float, _place: int | None = None) -> str:
    return f"{value:,.10g}".replace("-", "\N{MINUS SIGN}")


def empty(text: str) -> Sheet:
    """Return a figure that says there is nothing to draw."""
    figure, (axes,) = sheet(text, height_in=0.6)
    figure.empty = True
    axes.set_axis_off()
    return figure


def headed(axes: Axes, text: str) -> None:
    """Write a small heading over one of several axes."""
    axes.set_title(text, loc="left", fontsize=9, color=MUTED)


def time_axis(axes: Axes) -> None:
    """Write instants as short as they can be and still differ, in UTC; a lone one gets a second on each side."""
    if axes.dataLim.width < _SECOND / 1000:
        axes.set_xlim(axes.dataLim.x0 - _SECOND, axes.dataLim.x1 + _SECOND)
    locator = AutoDateLocator(maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]
    axes.set_xlabel("time, UTC")


def bars(axes: Axes, names: list[str], values: list[float], labels: list[str], *, colour: str | None = None) -> None:
    """Draw named bars from the top, each with its label; without a colour, gains and losses in theirs."""
    reach = max(0.0, *values) - min(0.0, *values) or 1.0
    axes.barh(
        range(len(values)), values, color=[colour or (GAIN if value >= 0 else LOSS) for value in values], height=0.62
    )
    for place, (value, label) in enumerate(zip(values, labels, strict=True)):
        axes.text(max(value, 0.0) + 0.015 * reach, place, label, va="center", fontsize=9, color=INK)
    axes.set_yticks(range(len(names)), [short(name) for name in names], color=INK)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_xlim(min(0.0, *values) - 0.03 * reach, max(0.0, *values) + 0.45 * reach)


def line(
    axes: Axes,
    at_ns: Column,
    level: Column,
    colour: str,
    ran: Stretches,
    *,
    most: int = 300,
    fill: float = 0.0,
    **look: Any,
) -> None:
    """Draw a level over time in steps, and none where nothing ran; one of very many steps through its ends and extremes.

    `at_ns` (ns UTC) are in order, and the first and the last lie in a stretch of `ran`. What happened in a gap shows in the
    level at which the next stretch begins.
    """
    most = max(4, most // len(ran))
    parts: list[tuple[list[int], list[float]]] = []
    few = True
    for begin, end in ran:
        first, after = np.searchsorted(at_ns, begin, side="right"), np.searchsorted(at_ns, end, side="right")
        inside = level[first:after]
        kept = thinned(inside, most=most)
        few = few and len(kept) == len(inside)
        before = [float(level[first - 1])] if first else []
        levels = [*before, *inside[kept].tolist()]
        instants_ns = [*([begin] if before else []), *at_ns[first:after][kept].tolist()]
        if levels:
            parts.append(([*instants_ns, end, end], [*levels, levels[-1], np.nan]))
    at = instants(np.array([ns for part, _ in parts for ns in part]))
    levels_drawn = np.array([value for _, part in parts for value in part])
    axes.plot(at, levels_drawn, color=colour, drawstyle="steps-post" if few else "default", **look)
    if fill:
        axes.fill_between(at, levels_drawn, step="post" if few else None, color=colour, alpha=fill, linewidth=0)


def gaps(axes: Axes, ran: Stretches) -> None:
    """Shade the time in which nothing ran, and say so below the axis."""
    for (_, begin), (end, _) in itertools.pairwise(ran):
        axes.axvspan(*instants(np.array([begin, end])), color=GRID, alpha=0.6, linewidth=0, zorder=0)
    if len(ran) > 1 and axes.get_xlabel():
        axes.set_xlabel(f"{axes.get_xlabel()}; shaded: nothing ran")


def dots(axes: Axes, x: Column, y: Column, colour: str, *, name: str, size: float = 4.2) -> None:
    """Draw points, where they crowd fewer and larger ones for many."""
    x, y, many = crowded(x, y)
    for low, high in ((1, 2), (2, 8), (8, 64), (64, np.inf)):
        mine = (many >= low) & (many < high)
        if mine.any():
            axes.plot(
                x[mine],
                y[mine],
                linestyle="none",
                marker="o",
                markersize=size * (1 + 0.3 * np.log2(low)),
                markeredgewidth=0,
                color=colour,
                alpha=0.55,
                label=name,
            )
            name = ""  # named once


def colours(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for each name, the same for the same set; past the palette all are neutral."""
    chosen = dict.fromkeys(sorted(set(names)), NEUTRAL)
    return chosen | {name: LIGHT[series] for name, series in zip(chosen, SERIES, strict=False)}


def to_svg(figure: Sheet, *, headline: bool = True) -> str:
    """Return the figure as an SVG element: no outside reference, no date, ids of its own, fonts of the page around it."""
    name = "g" + hashlib.sha256(figure.finding.encode()).hexdigest()[:6]
    raw = io.StringIO()
    heads = [text for text in figure.texts if text.get_gid() == HEAD]
    for head in heads:
        head.set_visible(headline)
        head.set_in_layout(headline)
    with mpl.rc_context(_RC | {"svg.hashsalt": name}), warnings.catch_warnings():
        # The reader's fonts draw the names, not ours: a letter that ours lack is no trouble.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(raw, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return _small(raw.getvalue(), name)


_OPENING = '<svg style="stroke-linejoin: round" font-family="system-ui, sans-serif" '


def _small(svg: str, name: str) -> str:
    """Drop what a page does not need: prolog, metadata, styles that reach beyond the figure, digits nobody sees."""
    svg = visible(svg[svg.index("<svg") :]).replace("<svg ", _OPENING, 1)
    for needless in (
        r"<metadata>.*?</metadata>\s*",
        r"<defs>\s*<style.*?</style>\s*</defs>\s*",
        r'; font-family: [^;"]*',
        r' transform="rotate\(-0 [^)]*\)"',
        r"; stroke-linecap: (?:square|butt)(?=[;\"])",
        r"(?m)^ +",
        r" +$",
    ):
        svg = re.sub(needless, "", svg, flags=re.DOTALL)
    svg = re.sub(r' (?:d|x|y|transform)="[^"]*"', _tenths, svg)
    return _ungrouped(_own_ids(_marked_once(svg), name))


def _ungrouped(svg: str) -> str:
    """Drop groups that say nothing about what is in them, and the white space between elements."""
    kept, open_groups = list[str](), list[str]()
    for token in re.split(r"(<g/>|<g(?: [^>]*)?>|</g>)", svg):
        if token == "</g>":
            token = open_groups.pop()
        elif token.startswith("<g") and token != "<g/>":
            open_groups.append("</g>" if token != "<g>" else "")
        kept.append("" if token in ("<g>", "<g/>") else token)
    return re.sub(r">\s+<", "><", "".join(kept))


def _tenths(found: re.Match[str]) -> str:
    """Return an attribute with its numbers to a tenth of a point, which is enough for any eye, and its path in short."""
    text = re.sub(r"(\d)\.0(?!\d)", r"\1", re.sub(r"(\d\.\d)\d+", r"\1", found[0]))
    steps = re.findall(r"([MLz])(?: (\S+) (\S+))?\s*", text[4:-1])
    if not text.startswith(' d="') or "".join(step[0] for step in steps) != re.sub(r"[^A-Za-z]", "", text[4:-1]):
        return text.replace("\n", "")
    path, at = [], ("", "")
    for letter, x, y in steps:
        if letter == "L" and y == at[1]:
            path.append(f"H{x}")
        elif letter == "L" and x == at[0]:
            path.append(f"V{y}")
        else:
            path.append(f"{letter}{x} {y}".strip())
        at = x, y
    return f' d="{"".join(path)}"'


def _marked_once(svg: str) -> str:
    """Give a marker that is always drawn alike its style, instead of giving it to each of its thousand uses."""
    uses = re.compile(r'<use xlink:href="#([\w.-]+)" ([^>]*?) style="([^"]*)"/>')
    styles: dict[str, set[str]] = {}
    for marker, _, style in uses.findall(svg):
        styles.setdefault(marker, set()).add(style)
    alike = {marker: next(iter(kinds)) for marker, kinds in styles.items() if len(kinds) == 1}
    svg = uses.sub(lambda m: f'<use xlink:href="#{m[1]}" {m[2]}/>' if m[1] in alike else m[0], svg)
    return re.sub(
        r'<path id="([\w.-]+)" ([^>]*?)(?: style="[^"]*")?/>',
        lambda m: f'<path id="{m[1]}" {m[2]} style="{alike[m[1]]}"/>' if m[1] in alike else m[0],
        svg,
    )


def painted(svg: str) -> str:
    """Put the names of colours in the place of their light shades: `var(--gain)`."""
    for name, shade in LIGHT.items():
        svg = re.sub(re.escape(shade), f"var(--{name})", svg, flags=re.IGNORECASE)
    return svg


def _own_ids(svg: str, name: str) -> str:
    """Drop ids nobody refers to, and number the rest under the figure's name: a page holds many figures."""
    used = dict.fromkeys(re.findall(r'(?:url\(#|href="#)([\w.-]+)', svg))
    short = {old: f"{name}-{number}" for number, old in enumerate(used)}
    svg = re.sub(r' id="([\w.-]+)"', lambda m: f' id="{short[m[1]]}"' if m[1] in short else "", svg)
    return re.sub(r'(url\(#|href="#)([\w.-]+)', lambda m: m[1] + short[m[2]], svg)
