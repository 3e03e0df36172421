"""Figures of opportunities, taken or not: how long edges live, how large they are, where and when, and what was left.

Each takes columns as `arb/store/ledger/columns.py` reads them, or a data frame of the same names. One figure shows one quote:
the one named, else the one that most rows have. Needs matplotlib (the extra `notebooks`).
"""

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from arb.store.ledger.columns import Column, Columns
from arb.view.report.measure import Mask, counts, of_quote, percentile, slots, stretches, what_if, whole_sum
from arb.view.report.style import (
    END,
    GAIN,
    INK,
    MUTED,
    NEUTRAL,
    Sheet,
    Stretches,
    bars,
    drawn,
    empty,
    headed,
    log_axis,
    reads,
    says,
    sheet,
)
from arb.view.report.svg import LINE
from arb.view.report.text import ARROW, amount, count, percent, short, span

NOTHING = "No opportunities seen yet: no edge was above the fees"
DAY_NS = 86_400_000_000_000
HOUR_NS = DAY_NS // 24
REASONS_SHOWN = 10
LABELLED = (0, 5, 8, 10)
"""Which of the thresholds show their count: far enough from each other to be read."""


@drawn
def lifetimes(episodes: Columns, legs: Columns, quote: str | None = None) -> Sheet:
    """Draw how many edges are still there after a time, and when our orders are filled."""
    episodes, quote = of_quote(episodes, quote)
    lived, each = np.sort(episodes["duration_ms"]), counts(episodes)
    if not len(lived):
        return empty(NOTHING)
    finding = f"Half of all {each.sum():,} edges are gone after {span(float(np.median(lived)))}"
    ours = percentile(legs["send_ms"] + legs["fill_ms"], 50)
    if ours is not None:
        alive = percent(int((lived > ours).sum()), len(lived))
        finding += f"; {alive} outlive the {span(ours)} from our decision to the first fill"
    figure, (axes,) = sheet(finding, height_in=3.2)
    taken = np.asarray(episodes["outcome"] == "traded")
    for mask, name, colour in ((~taken, "not taken", NEUTRAL), (taken, "taken", GAIN)):
        values = np.sort(episodes["duration_ms"][mask])
        if len(values):
            shares = np.linspace(0, 1, min(len(values), 400))
            at = np.maximum(np.quantile(values, shares), 0.1)
            axes.plot(
                at,
                100 * (1 - shares),
                color=colour,
                linewidth=2,
                label=f"{name}: {each[mask].sum():,}",
                gid=f"{LINE}{name}, %",
            )
    if ours is not None:
        axes.axvline(ours, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate("our first fill, p50", (ours, 4), xytext=(5, 0), **END, color=MUTED)
    log_axis(axes, span)
    axes.legend(loc="upper right", labelcolor=INK)
    axes.set_ylim(0, 102)
    axes.set_xlabel("time since the edge opened (ms or s, logarithmic)")
    axes.set_ylabel("still there, %")
    return figure


@drawn
def edges(episodes: Columns, quote: str | None = None) -> Sheet:
    """Draw how large edges are after fees, those taken beside all."""
    episodes, quote = of_quote(episodes, quote)
    bps = episodes["best_edge_bps"]
    if not len(bps):
        return empty(NOTHING)
    taken, each = np.asarray(episodes["outcome"] == "traded"), counts(episodes)
    finding = f"Half of all {each.sum():,} edges reached {np.median(bps):.1f} bps after fees"
    finding += (
        f"; of the {each[taken].sum():,} taken, half reached {np.median(bps[taken]):.1f} bps" if taken.any() else ""
    )
    figure, (axes,) = sheet(finding, height_in=3.0)
    top = float(np.percentile(bps, 99)) or 1.0
    bounds = np.linspace(0, top, 41)
    for values, weights, colour, name in ((bps, each, NEUTRAL, "all"), (bps[taken], each[taken], GAIN, "taken")):
        numbers, _ = np.histogram(np.minimum(values, top), bounds, weights=weights)
        drawn_bars = axes.bar(
            bounds[:-1], numbers, width=np.diff(bounds) * 0.88, align="edge", color=colour, label=name
        )
        for bar, number, (low, high) in zip(
            drawn_bars, numbers.astype(int).tolist(), pairwise(bounds.tolist()), strict=True
        ):
            says(bar, f"{name}, {low:.1f} to {high:.1f} bps: {number:,}")
    axes.legend(loc="upper right", labelcolor=INK)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel(f"best edge after fees, bps (the last bar: {top:.0f} bps and above)")
    axes.set_ylabel("opportunities")
    return figure


@drawn
def on_offer(episodes: Columns, runs: Columns, quote: str | None = None) -> Sheet:
    """Draw what was on offer by venue pair and hour of the day; by spans of time, when there are not yet two days.

    When nothing ran, nothing was seen: there the ground stays blank.
    """
    episodes, quote = of_quote(episodes, quote)
    opened = episodes["opened_ns"]
    if not len(opened):
        return empty(NOTHING)
    first, last = int(opened.min()), int(opened.max())
    if last - first >= 2 * DAY_NS:
        place, labels, when = (
            opened % DAY_NS // HOUR_NS,
            [f"{hour:02}:00" for hour in range(24)],
            "hour of the day, UTC",
        )
        ran = _hours(stretches(runs, first, last))
    else:
        bounds = slots(first, last, most=24)
        place = np.searchsorted(bounds, opened, side="right") - 1
        labels = [_clock(bound, bounds[1] - bound) for bound in bounds[:-1]]
        when = f"spans of {span((bounds[1] - bounds[0]) / 1e6)} from, UTC"
        known = stretches(runs, first, last)
        ran = np.array([any(b <= end and e >= begin for b, e in known) for begin, end in pairwise(bounds)])
    names, cells = _cells(episodes, np.asarray(place, dtype=np.int64), len(labels))
    row, column = np.unravel_index(int(np.argmax(cells)), cells.shape)
    figure, (axes,) = sheet(
        f"Most was on offer for {names[int(row)]} at {labels[int(column)]} UTC: {amount(float(cells.max()), quote)} "
        f"of {amount(float(cells.sum()), quote)} in all",
        height_in=1.4 + 0.34 * len(names),
    )
    _shade(
        axes,
        cells,
        ran,
        [
            [f"{name}, {label}: {amount(float(value), quote)}" for label, value in zip(labels, line, strict=True)]
            for name, line in zip(names, cells, strict=True)
        ],
    )
    every = max(1, -(-len(labels) // 12))
    axes.set_xticks(range(0, len(labels), every), labels[::every])
    axes.set_yticks(range(len(names)), [short(name) for name in names], color=INK)
    axes.set_xlim(-0.5, len(labels) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False)
    blank = "" if ran.all() else "; blank: nothing ran"
    axes.set_xlabel(f"{when}; the stronger, the more, {quote} at the best instant of each opportunity{blank}")
    return figure


@drawn
def thresholds(trades: Columns, episodes: Columns, quote: str | None = None) -> Sheet:
    """Draw what pairs at or above an edge really earned, and how much was on offer there."""
    episodes, quote = of_quote(episodes, quote)
    rows = [row for row in what_if(of_quote(trades, quote)[0], episodes) if row.quote == quote]
    if not rows:
        return empty(NOTHING)
    bps = [float(row.min_edge_bps) for row in rows]
    net, offered = [row.net_e8 / 1e8 for row in rows], [row.best_net_e8 / 1e8 for row in rows]
    figure, axes = sheet(_threshold_finding(bps, net, [row.pairs for row in rows], quote), height_in=3.1, columns=2)
    titles = ("what the pairs above it earned", "what was on offer above it, at best")
    numbers = ([row.pairs for row in rows], [row.seen for row in rows])
    colours = (GAIN, NEUTRAL)
    for each, values, title, times, colour, things in zip(
        axes, (net, offered), titles, numbers, colours, ("pairs", "opportunities"), strict=True
    ):
        each.plot(bps, values, color=colour, linewidth=2, marker="o", markersize=4, gid=f"{LINE}{quote}")
        reads(each, "linear")
        for at, value, number in ((bps[place], values[place], times[place]) for place in LABELLED):
            first = at == bps[0]
            word = f"{number:,} {things}" if first else f"{number:,}"
            each.annotate(word, (at, value), xytext=(-2, 10) if first else (4, 9), **END, color=MUTED)
        each.axhline(0, color=MUTED, linewidth=0.8)
        each.margins(y=0.14)
        headed(each, title)
    axes[0].set_ylabel(quote)
    axes[1].set_ylabel(quote)
    axes[0].set_xlabel("lowest edge at decision, bps")
    axes[1].set_xlabel("lowest edge at the best instant, bps")
    return figure


@drawn
def reasons(episodes: Columns, quote: str | None = None) -> Sheet:
    """Draw what was left lying, by the reason that held at its best instant."""
    episodes, quote = of_quote(episodes, quote)
    left = episodes["outcome"] != "traded"
    if not len(left):
        return empty(NOTHING)
    if not left.any():
        return empty("Every opportunity was taken: no reason to name")
    found = []
    for reason in sorted(set(episodes["reason"][left])):
        mine = left & (episodes["reason"] == reason)
        found.append((reason, whole_sum(episodes["best_net_e8"][mine]) / 1e8, whole_sum(counts(episodes)[mine])))
    found.sort(key=lambda row: -row[1])
    shown = found[:REASONS_SHOWN]
    name, net, number = shown[0]
    figure, (axes,) = sheet(
        f"{name} left most lying: at best {amount(net, quote)} in {count(number, 'opportunity')}",
        height_in=1.2 + 0.32 * len(shown),
    )
    everything = sum(net for _, net, _ in found)
    labels = [f"{amount(net)} ({percent(net, everything)}), {number:,} times" for _, net, number in shown]
    bars(axes, [name for name, _, _ in shown], [net for _, net, _ in shown], labels, colour=NEUTRAL)
    axes.set_xlim(right=axes.get_xlim()[1] * 0.87)
    axes.set_xlabel(f"sum of best nets, {quote}: an upper bound, for they compete for the same books and balances")
    return figure


def _threshold_finding(bps: list[float], net: list[float], pairs: list[int], quote: str) -> str:
    best = max(range(len(bps)), key=lambda place: net[place])
    if not pairs[0]:
        return f"No pairs yet, so no threshold has earned anything in {quote}"
    if net[best] <= net[0]:
        reached = next((place for place in range(len(bps)) if pairs[place] < pairs[0]), len(bps) - 1)
        kept = f"{bps[reached]:.0f} bps keeps {amount(net[reached])} of {amount(net[0], quote)}"
        return f"No higher threshold would have kept more: {kept}"
    return (
        f"A threshold of {bps[best]:.0f} bps would have kept {amount(net[best], quote)} instead of {amount(net[0])}, "
        f"with {pairs[best]:,} of {pairs[0]:,} pairs"
    )


def _clock(instant_ns: int, step_ns: int) -> str:
    moment = datetime.fromtimestamp(instant_ns // 1_000_000_000, UTC)
    return moment.strftime(
        "%H:%M:%S" if step_ns < 60 * 1_000_000_000 else "%d. %H:%M" if step_ns >= HOUR_NS else "%H:%M"
    )


def _cells(episodes: Columns, place: Column, width: int) -> tuple[list[str], Column]:
    """Return the venue pairs, the most on offer first, and what each offered in each place, in the quote."""
    rows: dict[str, Column] = {}
    for buy in sorted(set(episodes["buy_venue"])):
        bought: Mask = episodes["buy_venue"] == buy
        for sell in sorted(set(episodes["sell_venue"][bought])):
            mine = bought & (episodes["sell_venue"] == sell)
            nets = episodes["best_net_e8"][mine] / 1e8 * counts(episodes)[mine]
            rows[f"{buy} {ARROW} {sell}"] = np.bincount(place[mine], weights=nets, minlength=width)
    names = sorted(rows, key=lambda name: -float(rows[name].sum()))
    return names, np.array([rows[name] for name in names])


def _hours(known: Stretches) -> Mask:
    """Return for each hour of the day whether something ever ran in it."""
    ran = np.zeros(24, dtype=bool)
    for begin, end in known:
        hours = np.arange(begin // HOUR_NS, end // HOUR_NS + 1)
        ran[hours % 24] = True
    return ran


def _shade(axes: Axes, cells: Column, ran: Mask, words: list[list[str]]) -> None:
    """Draw every cell as much of one colour as it holds of the most, but those of a time in which nothing ran."""
    most = float(cells.max()) or 1.0
    for row, line in enumerate(cells):
        for column, value in enumerate(line):
            if not ran[column]:
                continue
            # Shares of a colour, not shades: on a dark ground the page's own ground shows through.
            share = 0.04 + 0.96 * float(value) / most
            cell = Rectangle((column - 0.47, row - 0.44), 0.94, 0.88, color=GAIN, alpha=share, linewidth=0)
            says(cell, words[row][column])
            axes.add_patch(cell)
