"""Every figure for a notebook, one line each: `plots.waterfall(load.trades())`. Needs matplotlib (the extra `notebooks`).

Each is headed by what it found, and says so when there is nothing to draw. What they show comes from
`arb/view/report/figures.py` and `figures_market.py`, which the page draws, too; the look is matplotlib's own.
"""

import functools
import io
import re
import textwrap
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from arb.clock import utc_text
from arb.store.ledger.columns import Columns
from arb.view.report import figures, figures_market, figures_routes, figures_value
from arb.view.report.text import amount, percent, short, span

_UNITS_NS = {"hours": 3_600_000_000_000, "minutes": 60_000_000_000, "seconds": 1_000_000_000}
_RC: Any = {"svg.fonttype": "none", "svg.hashsalt": "arb", "text.parse_math": False}
"""Texts stay texts, a figure is the same each time, and a name that holds a dollar sign is no formula."""


class Drawing(Figure):
    """A figure headed by what it shows; a notebook shows it as it stands. `empty`: there was nothing to draw."""

    def __init__(self, finding: str, *, empty: bool = False, height_in: float = 3.2) -> None:
        super().__init__(figsize=(8.4, 0.6 if empty else height_in), layout="constrained")
        self.finding, self.empty = finding, empty
        self.suptitle(textwrap.fill(finding, 82), x=0.008, ha="left")

    def _repr_svg_(self) -> str:
        raw = io.StringIO()
        with mpl.rc_context(_RC), warnings.catch_warnings():
            # The reader's fonts draw the names: a letter that ours lack is no trouble.
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            self.savefig(raw, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
        svg = re.sub(r"\s*\n\s*", " ", raw.getvalue()[raw.getvalue().index("<svg") :])
        # Small in a notebook: tenths of a point, and no list of fonts in every text.
        svg = re.sub(r' (?:d|x|y)="[^"]*"', lambda found: re.sub(r"(\d\.\d)\d+", r"\1", found[0]), svg)
        return re.sub(r'font: ([\d.]+px) [^;"]*', r"font: \1 sans-serif", svg)


def drawn(
    found_by: Callable[..., figures.Figure], height_in: float = 3.2
) -> Callable[[Callable[[Drawing, Any], None]], Callable[..., Drawing]]:
    """Make a plot of columns, or of data frames, from what a figure shows and a function that draws it."""

    def made(draw: Callable[[Drawing, Any], None]) -> Callable[..., Drawing]:
        @functools.wraps(found_by)
        def plot(*columns: Any, **named: Any) -> Drawing:
            found = found_by(*map(_columns, columns), **named)
            with mpl.rc_context(_RC):
                drawing = Drawing(found["finding"], empty="empty" in found, height_in=height_in)
                if not drawing.empty:
                    draw(drawing, found)
            return drawing

        return plot

    return made


def _columns(argument: Any) -> Any:
    """Return a data frame as plain columns, anything else as it is."""
    keys = getattr(argument, "keys", None)
    columns: Columns | None = keys and {name: np.asarray(argument[name]) for name in keys()}
    return argument if columns is None else columns


def _over_time(
    axes: Axes, lines: dict[str, list[list[float]]], ran: figures.Stretches, unit: str
) -> Callable[..., Any]:
    """Draw levels over the time traded, a dashed line where nothing ran; return what makes places of instants."""
    knots = [ns - ran[0][0] for stretch in ran for ns in stretch]
    traded = np.repeat(np.cumsum([0, *(end - begin for begin, end in ran)]), 2)[1:-1]
    of_time, unit_ns = next(
        (each for each in _UNITS_NS.items() if traded[-1] > 3 * each[1]), ("seconds", 1_000_000_000)
    )

    def place(ns: Any) -> Any:
        return np.interp(np.asarray(ns) - ran[0][0], knots, traded / unit_ns)

    for name, points in lines.items():
        axes.step(place([ns for ns, _ in points]), [value for _, value in points], where="post", label=name)
    for gap in traded[1:-1:2] / unit_ns:
        axes.axvline(gap, color="grey", linestyle="--", linewidth=0.8)
    since, stopped = utc_text(ran[0][0])[:16], "; dashed: nothing ran" * (len(ran) > 1)
    axes.set_xlabel(f"{of_time} of trading since {since} UTC{stopped}")
    axes.set_ylabel(unit)
    return place


def _bars(axes: Axes, rows: list[tuple[str, float, str]], unit: str) -> None:
    """Draw named bars from the top, each with its label."""
    drawn_bars = axes.barh([short(name) for name, _, _ in rows], [value for _, value, _ in rows])
    axes.bar_label(drawn_bars, [label for _, _, label in rows], padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.6)
    axes.set_xlabel(unit)


def _dots(axes: Axes, points: dict[str, list[list[float]]]) -> None:
    for name, of in points.items():
        x, y, many = np.array(of).T
        axes.scatter(x, y, s=8 + 6 * np.log2(many), alpha=0.6, label=short(name), rasterized=True)
    axes.legend()


def _logarithmic(axes: Axes, words: Callable[[float], str] = span) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: words(value))


@drawn(figures.earnings)
def earnings(drawing: Drawing, found: Any) -> None:
    axes = drawing.subplots()
    _over_time(axes, found["lines"], found["stretches"], f"{found['quote']}, added up")
    axes.legend()


@drawn(figures.waterfall)
def waterfall(drawing: Drawing, found: Any) -> None:
    axes = drawing.subplots()
    *steps, (_, net) = found["steps"].items()
    ends = np.cumsum([value for _, value in steps])
    starts = [0.0, *ends[:-1].tolist(), 0.0]
    values = [*(value for _, value in steps), net]
    colours = ["C0", *("C2" if value >= 0 else "C3" for value in values[1:-1]), "C0"]
    bars = axes.barh([*found["steps"]], values, left=starts, color=colours)
    axes.bar_label(bars, [amount(value) for value in values], padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel(found["quote"])


@drawn(figures.places, 4.2)
def places(drawing: Drawing, found: Any) -> None:
    for axes, title in zip(drawing.subplots(1, 2), ("venue_pairs", "symbols"), strict=True):
        rows = [(name, net, f"{amount(net)}{f' ({kept})' * bool(kept)}") for name, net, kept in found[title]]
        _bars(axes, rows, f"net, {found['quote']} (and share of the expected)")
        axes.set_title(title.replace("_", " "))


@drawn(figures.pair_results, 3.8)
def pair_results(drawing: Drawing, found: Any) -> None:
    axes = drawing.subplots()
    axes.plot(found["as_expected"], found["as_expected"], "--", color="grey", label="as expected")
    _dots(axes, found["dots"])
    axes.set_xlabel(f"expected at decision, {found['quote']}")
    axes.set_ylabel(f"realised, {found['quote']}")


@drawn(figures.pnl, 4.2)
def pnl(drawing: Drawing, found: Any) -> None:
    above, below = drawing.subplots(2, 1, sharex=True)
    place = _over_time(below, {"": found["below_peak"]}, found["stretches"], f"below peak, {found['quote']}")
    begins, ends, nets = (np.array(values) for values in zip(*found["spans"], strict=True))
    above.bar(place(begins), nets, width=place(ends) - place(begins), align="edge")
    above.set_ylabel(f"{found['quote']} per {found['width']}")


@drawn(figures.inventory, 6.0)
def inventory(drawing: Drawing, found: Any) -> None:
    for place, each in enumerate(found["assets"], 1):
        axes = drawing.add_subplot(-(-len(found["assets"]) // 2), 2, place)
        _over_time(axes, each["lines"], found["stretches"], f"change, {each['asset']}")
        axes.set_title(f"{each['asset']}: all together {amount(each['change'])}")
        if place == 1:
            axes.legend()


@drawn(figures_value.account_value)
def account_value(drawing: Drawing, found: Any) -> None:
    axes = drawing.subplots()
    _over_time(axes, found["lines"], found["stretches"], f"value in {found['quote']}")
    axes.legend()


@drawn(figures.exposure)
def exposure(drawing: Drawing, found: Any) -> None:
    left, right = drawing.subplots(1, 2)
    _over_time(left, {"": found["line"]}, found["stretches"], f"{found['unit']}, added up")
    rows = [
        (name, together, f"{amount(together)} (worst {amount(worst)})")
        for name, together, worst in found["venue_pairs"]
    ]
    _bars(right, rows, found["unit"])


@drawn(figures_market.lifetimes)
def lifetimes(drawing: Drawing, found: Any) -> None:
    axes = drawing.subplots()
    for name, points in found["lines"].items():
        axes.plot(*np.array(points).T, label=name)
    if found["ours_ms"] is not None:
        axes.axvline(found["ours_ms"], color="grey", linestyle="--", label="our first fill, p50")
    _logarithmic(axes)
    axes.legend()
    axes.set_xlabel("time since the edge opened (ms or s, logarithmic)")
    axes.set_ylabel("still there, %")


@drawn(figures_market.edges)
def edges(drawing: Drawing, found: Any) -> None:
    axes = drawing.subplots()
    for name, numbers in found["bars"].items():
        axes.stairs(numbers, found["bounds"], fill=True, label=name)
    axes.legend()
    axes.set_xlabel(f"best edge after fees, bps (the last bar: {found['bounds'][-1]:.0f} bps and above)")
    axes.set_ylabel("opportunities")


@drawn(figures_market.on_offer, 3.6)
def on_offer(drawing: Drawing, found: Any) -> None:
    axes = drawing.subplots()
    cells = np.array([[np.nan if value is None else value for value in line] for _, line in found["rows"]])
    drawing.colorbar(axes.imshow(cells, aspect="auto"), ax=axes, label=found["quote"])
    every = max(1, -(-len(found["columns"]) // 12))
    axes.set_xticks(range(0, len(found["columns"]), every), found["columns"][::every])
    axes.set_yticks(range(len(found["rows"])), [short(name) for name, _ in found["rows"]])
    axes.set_xlabel(f"{found['when']}; {found['quote']} at the best instant of each opportunity; blank: nothing ran")


@drawn(figures_routes.route_edges, 5.0)
def route_edges(drawing: Drawing, found: Any) -> None:
    for number, each in enumerate(found["routes"], 1):
        axes = drawing.add_subplot(-(-len(found["routes"]) // 2), 2, number)
        place = _over_time(axes, {}, found["stretches"], "edge after fees, bps")
        _dots(axes, {name: [[place(ns), *of] for ns, *of in points] for name, points in each["dots"].items()})
        axes.set_title(each["route"])


@drawn(figures_market.thresholds)
def thresholds(drawing: Drawing, found: Any) -> None:
    titles = {"net": "what the pairs above it earned", "offered": "what was on offer above it, at best"}
    for axes, (name, title) in zip(drawing.subplots(1, 2), titles.items(), strict=True):
        axes.plot(found["bps"], found[name], marker="o")
        axes.set_title(title)
        axes.set_xlabel("lowest edge, bps")
        axes.set_ylabel(found["quote"])


@drawn(figures_market.reasons)
def reasons(drawing: Drawing, found: Any) -> None:
    together = sum(net for _, net, _ in found["rows"])
    rows = [
        (name, net, f"{amount(net)} ({percent(net, together)}), {n:,} times") for name, net, n in found["rows"][:10]
    ]
    _bars(
        drawing.subplots(),
        rows,
        f"sum of best nets, {found['quote']}: an upper bound, for they compete for the same books",
    )


@drawn(figures_market.waits, 4.2)
def waits(drawing: Drawing, found: Any) -> None:
    axes = drawing.subplots()
    names = [f"{short(venue, 16)}: {wait}" for venue, wait, *_ in found["rows"]]
    for marker, place, title in (("o", 2, "p50"), ("s", 3, "p95"), ("x", 4, "p99")):
        axes.plot([row[place] for row in found["rows"]], names, linestyle="none", marker=marker, label=title)
    _logarithmic(axes)
    axes.invert_yaxis()
    axes.legend()
    axes.set_xlabel("wait (\N{MICRO SIGN}s, ms or s, logarithmic)")


@drawn(figures_market.slippage, 3.6)
def slippage(drawing: Drawing, found: Any) -> None:
    axes = drawing.subplots()
    for number, (begin, end, mean) in enumerate(found["means"]):
        axes.plot([begin, end], [mean] * 2, color="black", label="mean, weighted by size" if not number else None)
    _dots(axes, found["dots"])
    _logarithmic(axes, lambda value: f"{value:,.10g}")
    axes.set_xlabel(f"size of the leg, {found['quote']} (logarithmic)")
    axes.set_ylabel("better than decided on, bps")


@drawn(figures_market.leg_skew)
def leg_skew(drawing: Drawing, found: Any) -> None:
    for place, part in enumerate(found["parts"], 1):
        axes = drawing.add_subplot(1, 2, place)
        axes.stairs(part["pairs"], part["bounds_ms"], fill=True)
        axes.axvline(part["p50_ms"], color="black", label=f"p50 {span(part['p50_ms'])}")
        _logarithmic(axes)
        axes.legend()
        axes.set_title(part["of"])
        axes.set_xlabel("time between the two legs (logarithmic)")
        axes.set_ylabel("pairs")


@drawn(figures_market.short_legs)
def short_legs(drawing: Drawing, found: Any) -> None:
    left, right = drawing.subplots(1, 2)
    names, begin = [short(row["venue"]) for row in found["rows"]], np.zeros(len(found["rows"]))
    for end in figures_market.ENDS:
        shares = np.array([row[end] for row in found["rows"]])
        left.barh(names, shares, left=begin, label=end)
        begin += shares
    left.invert_yaxis()
    left.legend()
    left.set_xlabel("entry orders, %")
    rows = [(row["venue"], row["cost"], f"{amount(row['cost'])} in {row['pairs']:,} pairs") for row in found["rows"]]
    _bars(right, rows, f"hedges and unwinds where its leg fell short, {found['quote']}")
