"""How figures look: few colours, each with one meaning, and text that states what was found.

Every colour has a name; `painted` puts the name in its place, so that a page may choose another shade of it on a dark
ground. Needs matplotlib (the extra `notebooks`).
"""

import functools
import hashlib
import io
import re
import textwrap
import warnings
from collections.abc import Callable, Iterable
from typing import Any, Literal, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from arb.store.ledger.columns import Column, Columns
from arb.view.report.measure import crowded
from arb.view.report.svg import MARK, SAYS, small
from arb.view.report.text import short

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
END: Any = {"gid": MARK, "textcoords": "offset points", "va": "center", "fontsize": 9, "annotation_clip": False}
"""How a line is named at its end."""


class Sheet(Figure):
    """A figure headed by what it shows; a notebook shows it as it stands. `empty`: there was nothing to draw."""

    finding = ""
    empty = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.reads: dict[Axes, tuple[str, list[float] | None]] = {}

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
    head = figure.suptitle(textwrap.fill(finding, 82), x=0.008, ha="left", fontsize=11.5, fontweight="bold", color=INK)
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
    reads(axes, "log")
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


def bars(axes: Axes, names: list[str], values: list[float], labels: list[str], *, colour: str | None = None) -> None:
    """Draw named bars from the top, each with its label; without a colour, gains and losses in theirs."""
    reach = max(0.0, *values) - min(0.0, *values) or 1.0
    drawn_bars = axes.barh(
        range(len(values)), values, color=[colour or (GAIN if value >= 0 else LOSS) for value in values], height=0.62
    )
    for bar, name, label in zip(drawn_bars, names, labels, strict=True):
        says(bar, f"{name}: {label}")
    for place, (value, label) in enumerate(zip(values, labels, strict=True)):
        axes.text(max(value, 0.0) + 0.015 * reach, place, label, va="center", fontsize=9, color=INK)
    axes.set_yticks(range(len(names)), [short(name) for name in names], color=INK)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_xlim(min(0.0, *values) - 0.03 * reach, max(0.0, *values) + 0.45 * reach)


def reads(axes: Axes, kind: Literal["time", "linear", "log"], knots: list[float] | None = None) -> None:
    """Let a script read values off these axes where it is pointed at them, and stretch what is drawn.

    `knots`: where a time axis changes its scale, in days since 1970; every second part between them is a gap.
    """
    figure = axes.figure
    assert isinstance(figure, Sheet)
    figure.reads[axes] = kind, knots


def says(artist: Artist, words: str) -> None:
    """Give an artist words that are shown when it is pointed at."""
    artist.set_gid(f"{SAYS}{words}")


def dots(axes: Axes, x: Column, y: Column, colour: str, *, name: str, size: float = 4.2) -> None:
    """Draw points, where they crowd fewer and larger ones for many."""
    x, y, many = crowded(x, y)
    reads(axes, "linear")
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


def to_svg(figure: Sheet, *, headline: bool = True, live: bool = False) -> str:
    """Return the figure as an SVG element: no outside reference, no date, ids of its own, fonts of the page around it.

    `live`: with what a script needs to read values off it.
    """
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
    return small(raw.getvalue(), name, [_attributes(figure, axes) for axes in figure.axes] if live else ())


def _attributes(figure: Sheet, axes: Axes) -> dict[str, str]:
    """Return where axes lie in the drawing (points from its upper left corner), and which values their ends stand for."""
    if axes not in figure.reads:
        return {}
    kind, knots = figure.reads[axes]
    box, points = axes.get_window_extent(), 72 / figure.dpi
    left, top = box.x0 * points, figure.get_figheight() * 72 - box.y1 * points
    ends = knots or list(axes.get_xlim())
    shares = (axes.get_xaxis_transform().transform([(end, 0.0) for end in ends])[:, 0] - box.x0) / box.width
    values = [end * 86_400_000 for end in ends] if kind == "time" else ends
    return {
        "data-kind": kind,
        "data-box": " ".join(f"{value:.1f}" for value in (left, top, box.width * points, box.height * points)),
        "data-x": " ".join(f"{share:.6g} {value:.15g}" for share, value in zip(shares, values, strict=True)),
        "data-y": " ".join(f"{value:.10g}" for value in axes.get_ylim()),
    }


def painted(svg: str) -> str:
    """Put the names of colours in the place of their light shades: `var(--gain)`."""
    for name, shade in LIGHT.items():
        svg = re.sub(re.escape(shade), f"var(--{name})", svg, flags=re.IGNORECASE)
    return svg
