"""Figures of execution: waits from the decision to the fill, prices, the two legs apart, and legs that fell short.

Each takes columns as `arb/store/ledger/columns.py` reads them, or a data frame of the same names. One figure shows one quote:
the one named, else the one that most rows have. Needs matplotlib (the extra `notebooks`).
"""

import itertools

import numpy as np

from arb.store.ledger.columns import Column, Columns
from arb.view.report.measure import chosen_rows, of_quote, percentile, whole_sum
from arb.view.report.style import (
    END,
    INK,
    LIGHT,
    LOSS,
    MUTED,
    NEUTRAL,
    Sheet,
    bars,
    colours,
    dots,
    drawn,
    empty,
    headed,
    log_axis,
    sheet,
)
from arb.view.report.text import amount, count, percent, short, span

NOTHING = "No orders sent yet: nothing to measure"
WAITS = {"send_ms": "decision to sent", "ack_ms": "sent to answered", "fill_ms": "sent to first fill"}
LEGS_TO_AVERAGE = 5
FLOOR_MS = 0.001
"""What a wait of nothing is drawn as, on an axis that knows no zero."""


@drawn
def waits(legs: Columns, quote: str | None = None) -> Sheet:
    """Draw the waits of entry orders by venue: the middle one, and those that 1 of 20 and 1 of 100 exceed."""
    legs, quote = of_quote(legs, quote)
    venues = [venue for venue in sorted(set(legs["venue"])) if (legs["venue"] == venue).any()]
    rows = [
        (venue, name, np.maximum(known, FLOOR_MS))
        for venue in venues
        for name in WAITS
        for known in [_known(legs[name][legs["venue"] == venue])]
        if len(known)
    ]
    if not rows:
        return empty(NOTHING)
    figure, (axes,) = sheet(_waits_finding(legs, venues), height_in=1.2 + 0.27 * len(rows) + 0.15 * len(venues))
    painted, ticks, names = colours(venues), [], []
    for number, (venue, name, known) in enumerate(rows):
        place = number + 0.5 * venues.index(venue)
        middle, most, nearly = (float(np.percentile(known, share)) for share in (50, 95, 99))
        axes.plot([middle, nearly], [place] * 2, color=painted[venue], linewidth=2, alpha=0.35, solid_capstyle="round")
        axes.plot([middle, most], [place] * 2, color=painted[venue], linewidth=5, alpha=0.6, solid_capstyle="round")
        axes.plot([middle], [place], color=painted[venue], marker="o", markersize=7)
        text = f"{span(middle)}, p95 {span(most)}, p99 {span(nearly)}"
        axes.annotate(
            text, (nearly, place), xytext=(8, 0), textcoords="offset points", va="center", fontsize=9, color=INK
        )
        ticks.append(place)
        names.append(f"{short(venue, 16)}: {WAITS[name]}")
    log_axis(axes, span)
    axes.set_xlim(right=axes.get_xlim()[1] * 12)
    axes.set_yticks(ticks, names, color=INK)
    axes.set_ylim(max(ticks) + 0.7, -0.7)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(
        "wait (\N{MICRO SIGN}s, ms or s, logarithmic); dot: the middle one, thick: to the 95th of 100, thin: to the 99th"
    )
    return figure


@drawn
def slippage(legs: Columns, quote: str | None = None) -> Sheet:
    """Draw how far fills were from the price decided on, by the size of the leg."""
    legs, quote = of_quote(legs, quote)
    legs = chosen_rows(legs, np.asarray(legs["notional_quote"] > 0) & ~np.isnan(legs["slippage_bps"]))
    size, bps = legs["notional_quote"], legs["slippage_bps"]
    if not len(size):
        return empty("No fills yet: no slippage")
    lost = float((size * bps).sum() / size.sum())
    worse = percent(int((bps < -0.005).sum()), len(bps))
    figure, (axes,) = sheet(
        f"On average a leg's price was {abs(lost):.2f} bps {'worse' if lost < 0 else 'better'} than decided on; "
        f"{worse} of {count(len(bps), 'leg')} were worse",
        height_in=3.4,
    )
    painted = colours(legs["venue"])
    low, high = float(np.percentile(bps, 0.5)), float(np.percentile(bps, 99.5))
    least = float(np.percentile(size, 1))
    for venue in sorted(set(legs["venue"])):
        mine = legs["venue"] == venue
        dots(
            axes,
            np.maximum(size[mine], least),
            np.clip(bps[mine], low, high),
            painted[venue],
            name=short(venue, 16),
            size=3.2,
        )
    for begin, end in _size_steps(least, float(size.max())):
        mine = (size >= begin) & (size < end * 1.000001)
        if mine.sum() >= LEGS_TO_AVERAGE:
            mean = float((size[mine] * bps[mine]).sum() / size[mine].sum())
            axes.plot([begin, end], [mean] * 2, color=INK, linewidth=2.2, solid_capstyle="butt")
            text = f"{mean:+.2f}".replace("-", "\N{MINUS SIGN}")
            middle = (begin * end) ** 0.5, low
            axes.annotate(text, middle, xytext=(0, -10), **END, ha="center", color=INK, fontweight="bold")
    axes.axhline(0, color=MUTED, linewidth=0.8)
    log_axis(axes, lambda value: f"{value:,.10g}")
    axes.set_xlabel(f"size of the leg, {quote} (logarithmic); line: mean of a step of sizes, weighted by size")
    axes.set_ylabel("better than decided on, bps")
    axes.margins(y=0.12)
    axes.legend(loc="upper left", labelcolor=INK, ncols=6, handletextpad=0.1)
    return figure


@drawn
def leg_skew(trades: Columns, quote: str | None = None) -> Sheet:
    """Draw how far apart the two legs of a pair left, and were filled."""
    trades, quote = of_quote(trades, quote)
    arb = trades["kind"] == "arb"
    sent, filled = (_known(trades[f"{name}_skew_ms"][arb]) for name in ("send", "fill"))
    if not len(sent):
        return empty("No pairs yet: no legs to compare")
    finding = f"Half of all pairs send their legs within {span(float(np.median(sent)))} of each other"
    finding += f"; the first fills come {span(float(np.median(filled)))} apart" if len(filled) else ""
    figure, axes = sheet(finding, height_in=2.9, columns=2)
    for each, values, title in zip(axes, (sent, filled), ("orders sent", "first fills known"), strict=True):
        headed(each, title)
        each.set_xlabel("time between the two legs (logarithmic)")
        each.set_ylabel("pairs")
        each.grid(visible=False, axis="x")
        log_axis(each, span)
        if len(values):
            shown = np.maximum(values, FLOOR_MS)
            ends = np.log10(shown.min()) - 0.05, np.log10(shown.max()) + 0.05
            each.hist(shown, bins=np.logspace(*ends, 31).tolist(), color=NEUTRAL, rwidth=0.88)
            middle = float(np.median(shown))
            each.set_ylim(0, each.get_ylim()[1] * 1.1)
            each.axvline(middle, color=INK, linewidth=1.2)
            each.annotate(f"p50 {span(middle)}", (middle, each.get_ylim()[1] * 0.94), xytext=(5, 0), **END, color=INK)
    return figure


@drawn
def short_legs(legs: Columns, trades: Columns, quote: str | None = None) -> Sheet:
    """Draw how entry orders ended by venue, and what it cost when one leg fell short."""
    legs, quote = of_quote(legs, quote)
    trades = of_quote(trades, quote)[0]
    venues = sorted(set(legs["venue"]))
    if not venues:
        return empty(NOTHING)
    costs, pairs = _short_costs(trades, venues)
    fell_short = int((legs["fill_ratio"] < 1).sum())
    worst = min(venues, key=lambda venue: costs[venue])
    cost = f"; repairs cost {amount(-sum(costs.values()), quote)}" if sum(costs.values()) < 0 else ""
    where = f", most where {worst} fell short" if costs[worst] < 0 else ""
    figure, axes = sheet(
        f"{percent(fell_short, len(legs['venue']))} of {count(len(legs['venue']), 'leg')} fell short{cost}{where}",
        height_in=1.7 + 0.36 * len(venues),
        columns=2,
    )
    left = np.zeros(len(venues))
    ends = {"filled": LIGHT["neutral"], "in part": LIGHT["five"], "not at all": LIGHT["two"], "rejected": LOSS}
    for name, colour in ends.items():
        shares = [100 * float(_ended(legs, name)[legs["venue"] == venue].mean()) for venue in venues]
        axes[0].barh(range(len(venues)), shares, left=left, color=colour, height=0.62, label=name)
        left = left + shares
    axes[0].set_yticks(range(len(venues)), [short(venue) for venue in venues], color=INK)
    axes[0].set_ylim(len(venues) - 0.5, -0.5)
    axes[0].set_xlim(0, 100)
    axes[0].grid(visible=False, axis="y")
    axes[0].set_xlabel("entry orders, %")
    axes[0].legend(
        loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=4, labelcolor=INK, handlelength=0.9, columnspacing=1
    )
    labels = [f"{amount(costs[venue])} in {count(pairs[venue], 'pair')}" for venue in venues]
    bars(axes[1], venues, [costs[venue] for venue in venues], labels)
    headed(axes[1], "hedges and unwinds, by the venue whose leg fell short")
    axes[1].set_xlabel(f"contribution to net, {quote}")
    return figure


def _size_steps(least: float, most: float) -> list[tuple[float, float]]:
    """Return the steps 1, 3, 10, 30, ... that sizes from `least` to `most` fall into."""
    bounds = [step * 10.0**power for power in range(-4, 12) for step in (1, 3)]
    inside = [least, *(bound for bound in bounds if least < bound < most), most]
    return list(itertools.pairwise(inside))


def _known(values: Column) -> Column:
    known: Column = values[~np.isnan(values)]
    return known


def _waits_finding(legs: Columns, venues: list[str]) -> str:
    whole = legs["send_ms"] + legs["fill_ms"]
    middles = {venue: percentile(whole[legs["venue"] == venue], 50) for venue in venues}
    known = {venue: middle for venue, middle in middles.items() if middle is not None}
    if not known:
        return "Orders were sent, and none was filled"
    slow, fast = max(known, key=lambda venue: known[venue]), min(known, key=lambda venue: known[venue])
    if slow == fast:
        return f"From the decision to the first fill, half of the legs at {slow} take {span(known[slow])}"
    return (
        f"From the decision to the first fill, half of the legs take {span(known[fast])} at {fast}, "
        f"and {span(known[slow])} at {slow}"
    )


def _ended(legs: Columns, how: str) -> Column:
    ratio, rejected = legs["fill_ratio"], np.asarray(legs["status"] == "rejected")
    masks = {
        "filled": ratio >= 1,
        "in part": (ratio > 0) & (ratio < 1),
        "not at all": (ratio <= 0) & ~rejected,
        "rejected": (ratio <= 0) & rejected,
    }
    return np.asarray(masks[how])


def _short_costs(trades: Columns, venues: list[str]) -> tuple[dict[str, float], dict[str, int]]:
    """Return what hedges and unwinds contributed, and how many pairs, by the venue whose leg filled less."""
    buy, sell = (np.nan_to_num(trades[f"{side}_fill_ratio"], nan=1.0) for side in ("buy", "sell"))
    repaired = (trades["kind"] == "arb") & (trades["repairs"] > 0)
    shorter = np.where(buy < sell, trades["buy_venue"], trades["sell_venue"])
    masks = {venue: repaired & (shorter == venue) for venue in venues}
    costs = {venue: whole_sum(trades["hedge_cost_e8"][mask]) / 1e8 for venue, mask in masks.items()}
    return costs, {venue: int(mask.sum()) for venue, mask in masks.items()}
