"""What figures of opportunities and of execution show, as plain data: how long edges live, what was left, how orders went.

As in `arb/view/report/figures.py`.
"""

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np

from arb.clock import NS_PER_DAY
from arb.store.ledger.columns import Column, Columns
from arb.view.report.figures import Figure, Stretches, dots, nothing, short_float
from arb.view.report.measure import (
    Mask,
    chosen_rows,
    counts,
    of_quote,
    percentile,
    slots,
    stretches,
    what_if,
    whole_sum,
)
from arb.view.report.text import amount, count, percent, route, span

NOTHING = "No opportunities seen yet: no edge was above the fees"
NO_ORDERS = "No orders sent yet: nothing to measure"
WAITS = {"send_ms": "decision to sent", "ack_ms": "sent to answered", "fill_ms": "sent to first fill"}
ENDS = ("filled", "in part", "not at all", "rejected")
LEGS_TO_AVERAGE = 5
FLOOR_MS = 0.001
"""What a wait of nothing is drawn as, on an axis that knows no zero."""
HOUR_NS = NS_PER_DAY // 24


def lifetimes(episodes: Columns, legs: Columns, quote: str | None = None) -> Figure:
    """How many edges are still there after a time (`[ms, percent]`), and when our orders are filled (`ours_ms`)."""
    episodes, quote = of_quote(episodes, quote)
    lived, each = episodes["duration_ms"], counts(episodes)
    if not len(lived):
        return nothing(NOTHING)
    finding = f"Half of all {each.sum():,} edges are gone after {span(float(np.median(lived)))}"
    ours = percentile(legs["send_ms"] + legs["fill_ms"], 50)
    if ours is not None:
        alive = percent(int((lived > ours).sum()), len(lived))
        finding += f"; {alive} outlive the {span(ours)} from our decision to the first fill"
    taken, lines = np.asarray(episodes["outcome"] == "traded"), {}
    for mask, name in ((~taken, "not taken"), (taken, "taken")):
        if mask.any():
            shares = np.linspace(0, 1, min(int(mask.sum()), 200))
            at = np.maximum(np.quantile(lived[mask], shares), 0.1)
            points = zip(at.tolist(), (100 * (1 - shares)).tolist(), strict=True)
            lines[f"{name}: {each[mask].sum():,}"] = [[short_float(value) for value in point] for point in points]
    return {"finding": finding, "quote": quote, "lines": lines, "ours_ms": ours}


def edges(episodes: Columns, quote: str | None = None) -> Figure:
    """How large edges are after fees, in bps, those taken beside all; the last bar holds what is larger, too."""
    episodes, quote = of_quote(episodes, quote)
    bps = episodes["best_edge_bps"]
    if not len(bps):
        return nothing(NOTHING)
    taken, each = np.asarray(episodes["outcome"] == "traded"), counts(episodes)
    finding = f"Half of all {each.sum():,} edges reached {np.median(bps):.1f} bps after fees"
    finding += (
        f"; of the {each[taken].sum():,} taken, half reached {np.median(bps[taken]):.1f} bps" if taken.any() else ""
    )
    bounds = np.linspace(0, float(np.percentile(bps, 99)) or 1.0, 41)
    bars = {
        name: np.histogram(np.minimum(bps[mask], bounds[-1]), bounds, weights=each[mask])[0].astype(int).tolist()
        for name, mask in (("all", np.ones(len(bps), dtype=bool)), ("taken", taken))
    }
    return {"finding": finding, "quote": quote, "bounds": bounds.tolist(), "bars": bars}


def on_offer(episodes: Columns, runs: Columns, quote: str | None = None) -> Figure:
    """What was on offer by venue pair and hour of the day; by spans of time, when there are not yet two days.

    A cell is None where nothing ran: there nothing was seen.
    """
    episodes, quote = of_quote(episodes, quote)
    opened = episodes["opened_ns"]
    if not len(opened):
        return nothing(NOTHING)
    first, last = int(opened.min()), int(opened.max())
    known = stretches(runs, first, last)
    if last - first >= 2 * NS_PER_DAY:
        place, ran = opened % NS_PER_DAY // HOUR_NS, _hours(known)
        labels, when = [f"{hour:02}:00" for hour in range(24)], "hour of the day, UTC"
    else:
        bounds = slots(first, last, most=24)
        place = np.searchsorted(bounds, opened, side="right") - 1
        labels = [_clock(bound, bounds[1] - bound) for bound in bounds[:-1]]
        when = f"spans of {span((bounds[1] - bounds[0]) / 1e6)} from, UTC"
        ran = np.array([any(b <= end and e >= begin for b, e in known) for begin, end in pairwise(bounds)])
    names, cells = _cells(episodes, np.asarray(place, dtype=np.int64), len(labels))
    row, column = np.unravel_index(int(np.argmax(cells)), cells.shape)
    return {
        "finding": f"Most was on offer for {names[int(row)]} at {labels[int(column)]} UTC: {amount(float(cells.max()), quote)} "
        f"of {amount(float(cells.sum()), quote)} in all",
        "quote": quote,
        "when": when,
        "columns": labels,
        "rows": [
            [name, [short_float(value) if there else None for value, there in zip(line, ran, strict=True)]]
            for name, line in zip(names, cells.tolist(), strict=True)
        ],
    }


def thresholds(trades: Columns, episodes: Columns, quote: str | None = None) -> Figure:
    """What pairs at or above an edge really earned, and how much was on offer there."""
    episodes, quote = of_quote(episodes, quote)
    rows = [row for row in what_if(of_quote(trades, quote)[0], episodes) if row.quote == quote]
    if not rows:
        return nothing(NOTHING)
    bps, net, pairs = (
        [float(row.min_edge_bps) for row in rows],
        [row.net_e8 / 1e8 for row in rows],
        [row.pairs for row in rows],
    )
    return {
        "finding": _threshold_finding(bps, net, pairs, quote),
        "quote": quote,
        "bps": bps,
        "net": net,
        "offered": [row.best_net_e8 / 1e8 for row in rows],
    }


def reasons(episodes: Columns, quote: str | None = None) -> Figure:
    """What was left lying, by the reason that held at its best instant: `[reason, sum of best nets, how many]`."""
    episodes, quote = of_quote(episodes, quote)
    left = episodes["outcome"] != "traded"
    if not len(left):
        return nothing(NOTHING)
    if not left.any():
        return nothing("Every opportunity was taken: no reason to name")
    found = []
    for reason in sorted(set(episodes["reason"][left])):
        mine = left & (episodes["reason"] == reason)
        found.append([reason, whole_sum(episodes["best_net_e8"][mine]) / 1e8, whole_sum(counts(episodes)[mine])])
    found.sort(key=lambda row: -row[1])
    name, net, number = found[0]
    finding = f"{name} left most lying: at best {amount(net, quote)} in {count(number, 'opportunity')}"
    return {"finding": finding, "quote": quote, "rows": found}


def waits(legs: Columns, quote: str | None = None) -> Figure:
    """How long entry orders wait, by venue: `[venue, wait, p50, p95, p99]` in ms."""
    legs, quote = of_quote(legs, quote)
    venues = sorted(set(legs["venue"]))
    rows = [
        [venue, words, *(float(np.percentile(np.maximum(known, FLOOR_MS), share)) for share in (50, 95, 99))]
        for venue in venues
        for name, words in WAITS.items()
        for known in [_known(legs[name][legs["venue"] == venue])]
        if len(known)
    ]
    return {"finding": _waits_finding(legs, venues), "quote": quote, "rows": rows} if rows else nothing(NO_ORDERS)


def slippage(legs: Columns, quote: str | None = None) -> Figure:
    """How far fills were from the price decided on, by the size of the leg; `means` are `[from size, to size, bps]`."""
    legs, quote = of_quote(legs, quote)
    legs = chosen_rows(legs, np.asarray(legs["notional_quote"] > 0) & ~np.isnan(legs["slippage_bps"]))
    size, bps = legs["notional_quote"], legs["slippage_bps"]
    if not len(size):
        return nothing("No fills yet: no slippage")
    lost = float((size * bps).sum() / size.sum())
    worse = percent(int((bps < -0.005).sum()), len(bps))
    low, high, least = float(np.percentile(bps, 0.5)), float(np.percentile(bps, 99.5)), float(np.percentile(size, 1))
    means = []
    for begin, end in _size_steps(least, float(size.max())):
        mine = (size >= begin) & (size < end * 1.000001)
        if mine.sum() >= LEGS_TO_AVERAGE:
            means.append([begin, end, short_float((size[mine] * bps[mine]).sum() / size[mine].sum())])
    return {
        "finding": f"On average a leg's price was {abs(lost):.2f} bps {'worse' if lost < 0 else 'better'} than decided on; "
        f"{worse} of {count(len(bps), 'leg')} were worse",
        "quote": quote,
        "dots": {
            venue: dots(np.maximum(size[mine], least), np.clip(bps[mine], low, high))
            for venue in sorted(set(legs["venue"]))
            for mine in [np.asarray(legs["venue"] == venue)]
        },
        "means": means,
    }


def leg_skew(trades: Columns, quote: str | None = None) -> Figure:
    """How far apart the two legs of a pair left, and were filled: pairs by the logarithm of the ms between them."""
    trades, quote = of_quote(trades, quote)
    arb = trades["kind"] == "arb"
    sent, filled = (_known(trades[f"{name}_skew_ms"][arb]) for name in ("send", "fill"))
    if not len(sent):
        return nothing("No pairs yet: no legs to compare")
    finding = f"Half of all pairs send their legs within {span(float(np.median(sent)))} of each other"
    finding += f"; the first fills come {span(float(np.median(filled)))} apart" if len(filled) else ""
    parts = []
    for name, values in (("orders sent", sent), ("first fills known", filled)):
        if len(values):
            shown = np.log10(np.maximum(values, FLOOR_MS))
            pairs, bounds = np.histogram(shown, np.linspace(shown.min() - 0.05, shown.max() + 0.05, 31))
            middle = float(np.median(np.maximum(values, FLOOR_MS)))
            parts.append({"of": name, "bounds_ms": (10**bounds).tolist(), "pairs": pairs.tolist(), "p50_ms": middle})
    return {"finding": finding, "quote": quote, "parts": parts}


def short_legs(legs: Columns, trades: Columns, quote: str | None = None) -> Figure:
    """How entry orders ended by venue, in percent, and what hedges and unwinds cost where its leg fell short."""
    legs, quote = of_quote(legs, quote)
    trades = of_quote(trades, quote)[0]
    venues = sorted(set(legs["venue"]))
    if not venues:
        return nothing(NO_ORDERS)
    buy, sell = (np.nan_to_num(trades[f"{side}_fill_ratio"], nan=1.0) for side in ("buy", "sell"))
    repaired = (trades["kind"] == "arb") & (trades["repairs"] > 0)
    shorter = np.where(buy < sell, trades["buy_venue"], trades["sell_venue"])
    rows = []
    for venue in venues:
        mine, ended = repaired & (shorter == venue), _ended(chosen_rows(legs, np.asarray(legs["venue"] == venue)))
        net = whole_sum(trades["hedge_cost_e8"][mine]) / 1e8
        rows.append({"venue": venue, **ended, "cost": net, "pairs": int(mine.sum())})
    fell_short, together = int((legs["fill_ratio"] < 1).sum()), sum(row["cost"] for row in rows)
    worst = min(rows, key=lambda row: row["cost"])
    cost = f"; repairs cost {amount(-together, quote)}" if together < 0 else ""
    where = f", most where {worst['venue']} fell short" if worst["cost"] < 0 else ""
    share = percent(fell_short, len(legs["venue"]))
    return {
        "finding": f"{share} of {count(len(legs['venue']), 'leg')} fell short{cost}{where}",
        "quote": quote,
        "rows": rows,
    }


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
            rows[route(buy, sell)] = np.bincount(place[mine], weights=nets, minlength=width)
    names = sorted(rows, key=lambda name: -float(rows[name].sum()))
    return names, np.array([rows[name] for name in names])


def _hours(known: Stretches) -> Mask:
    """Return for each hour of the day whether something ever ran in it."""
    ran = np.zeros(24, dtype=bool)
    for begin, end in known:
        ran[np.arange(begin // HOUR_NS, end // HOUR_NS + 1) % 24] = True
    return ran


def _size_steps(least: float, most: float) -> list[tuple[float, float]]:
    """Return the steps 1, 3, 10, 30, ... that sizes from `least` to `most` fall into."""
    bounds = [step * 10.0**power for power in range(-4, 12) for step in (1, 3)]
    return list(pairwise([least, *(bound for bound in bounds if least < bound < most), most]))


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


def _ended(legs: Columns) -> dict[str, float]:
    """Return how these legs ended, in percent."""
    ratio, rejected = legs["fill_ratio"], np.asarray(legs["status"] == "rejected")
    masks = (ratio >= 1, (ratio > 0) & (ratio < 1), (ratio <= 0) & ~rejected, (ratio <= 0) & rejected)
    return {name: round(100 * float(mask.mean()), 2) for name, mask in zip(ENDS, masks, strict=True)}
