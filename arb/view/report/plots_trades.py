"""Figures of pair trades: what was earned over time, why and where, and what it left in the accounts.

Each takes columns as `arb/store/ledger/columns.py` reads them, or a data frame of the same names. Needs matplotlib (the extra
`notebooks`).
"""

from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes

from arb.clock import utc_text
from arb.market.symbol import Symbol
from arb.store.ledger.columns import Column, Columns
from arb.view.report.measure import chosen_rows, instants, of_quote, run_ns, stretches, traded_slots, whole_sum
from arb.view.report.style import (
    END,
    GAIN,
    INK,
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
    says,
    sheet,
)
from arb.view.report.text import WATERFALL, amount, count, percent, routes, short, signed, span
from arb.view.report.timeline import line, time_axis

TERMS = {term: name for term, name in WATERFALL.items() if term != "realised_net"}
ROWS_SHOWN = 12


@drawn
def earnings(trades: Columns, runs: Columns, quote: str | None = None) -> Sheet:
    """Draw net and expected net, added up over the time in which something ran."""
    trades, quote = of_quote(trades, quote)
    if not len(trades["id"]):
        return empty("No finished pair trades yet: nothing earned, nothing lost")
    net, expected = total(trades, "realised_net"), total(trades, "expected_net")
    verb = "earned" if net >= 0 else "lost"
    kept = f": {percent(net, expected)} of what was expected" if net >= 0 and expected > 0 else ""
    figure, (axes,) = sheet(
        f"{amount(abs(net), quote)} {verb} by {count(len(trades['id']), 'pair')} in {traded_in(runs)}{kept}",
        height_in=3.1,
    )
    at_ns = trades["closed_ns"]
    ran = stretches(runs, int(at_ns[0]), int(at_ns[-1]))
    lines = {"expected": NEUTRAL, "net": GAIN if net >= 0 else LOSS}
    for (name, colour), term in zip(lines.items(), ("expected_net", "realised_net"), strict=True):
        level = np.cumsum(in_quote(trades, term))
        look: dict[str, Any] = {"linewidth": 2.0, "fill": 0.1} if name == "net" else {"linewidth": 1.4}
        line(axes, at_ns, level, colour, ran, name=f"{name}, {quote}", **look)
        weight = "bold" if name == "net" else "normal"
        ink = colour if name == "net" else MUTED
        axes.annotate(name, (instants(at_ns)[-1], level[-1]), xytext=(6, 0), **END, color=ink, fontweight=weight)
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.set_ylabel(f"{quote}, added up")
    time_axis(axes, ran)
    return figure


@drawn
def waterfall(trades: Columns, quote: str | None = None) -> Sheet:
    """Draw how what was expected became what was earned; the steps add up exactly."""
    trades, quote = of_quote(trades, quote)
    if not len(trades["id"]):
        return empty("No finished pair trades yet: no waterfall")
    steps, net = {term: total(trades, term) for term in TERMS}, total(trades, "realised_net")
    causes = {term: step for term, step in steps.items() if term != "expected_net"}
    worst = min(causes, key=lambda term: causes[term])
    lost = f"{TERMS[worst]} cost most, {amount(-causes[worst], quote)}" if causes[worst] < 0 else "nothing was lost"
    verb = "was kept" if net >= 0 else "came of it"
    figure, (axes,) = sheet(
        f"Of {amount(steps['expected_net'], quote)} expected, {amount(net, quote)} {verb}: {lost}", height_in=3.3
    )
    level, levels = 0.0, [0.0]
    for place, (term, step) in enumerate(steps.items()):
        colour = NEUTRAL if term == "expected_net" else GAIN if step >= 0 else LOSS
        (bar,) = axes.barh(place, step, left=level, color=colour, height=0.62)
        says(bar, f"{WATERFALL[term]}: {signed(step)} {quote}")
        level += step
        levels.append(level)
        axes.plot([level] * 2, [place + 0.31, place + 0.69], color=MUTED, linewidth=0.8)
    axes.barh(len(steps), net, color=GAIN if net >= 0 else LOSS, height=0.62)
    reach = max(levels) - min(levels) or 1.0
    for place, (start, step) in enumerate(zip(levels, steps.values(), strict=False)):
        _label(axes, place, max(start, start + step) + 0.012 * reach, signed(step))
    _label(axes, len(steps), max(net, 0.0) + 0.012 * reach, amount(net, quote), bold=True)
    axes.set_yticks(range(len(steps) + 1), [*WATERFALL.values()], color=INK)
    axes.set_ylim(len(steps) + 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_xlabel(quote)
    axes.set_xlim(min(levels) - 0.03 * reach, max(levels) + 0.13 * reach)
    return figure


@drawn
def places(trades: Columns, quote: str | None = None) -> Sheet:
    """Draw net by venue pair and by symbol, with the share of the expected that was kept."""
    trades, quote = of_quote(trades, quote)
    if not len(trades["id"]):
        return empty("No finished pair trades yet: no place to compare")
    groups = [_by(np.array(routes(trades), dtype=object), trades), _by(trades["symbol"], trades)]
    best, net, kept = groups[0][0]
    share = f" ({kept} of the expected)" if kept else ""
    figure, axes = sheet(
        f"{best} earned most: {amount(net, quote)}{share}" if net > 0 else "No venue pair earned anything",
        height_in=1.3 + 0.32 * min(ROWS_SHOWN, max(len(group) for group in groups)),
        columns=2,
    )
    for each, group, title in zip(
        axes, groups, ("by venue pair, bought \N{RIGHTWARDS ARROW} sold", "by symbol"), strict=True
    ):
        shown = group[:ROWS_SHOWN]
        left = len(group) - len(shown)
        labels = [f"{amount(net)} ({kept})" if kept else amount(net) for _, net, kept in shown]
        bars(each, [name for name, _, _ in shown], [net for _, net, _ in shown], labels)
        headed(each, title + (f" (and {left} more)" if left else ""))
        each.set_xlabel(f"net, {quote} (and share of the expected)")
    return figure


@drawn
def pair_results(trades: Columns, quote: str | None = None) -> Sheet:
    """Draw what each pair earned against what was expected of it: below the line, something was lost on the way."""
    trades, quote = of_quote(trades, quote)
    trades = chosen_rows(trades, np.asarray(trades["kind"] == "arb"))
    net, expected = in_quote(trades, "realised_net"), in_quote(trades, "expected_net")
    if not len(net):
        return empty("No finished pair trades yet: none to compare with its plan")
    repaired, losing = trades["repairs"] > 0, net < 0
    after = int((repaired & losing).sum())
    among = f", {'all' if after == losing.sum() else f'{after:,}'} of them after a repair" if after else ""
    lost = f"{losing.sum():,} of {count(len(net), 'pair')} lost money{among}"
    figure, (axes,) = sheet(lost if losing.any() else f"None of {count(len(net), 'pair')} lost money", height_in=3.8)
    ends = [0.0, float(expected.max())]
    axes.plot(ends, ends, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate("as expected", (ends[1], ends[1]), xytext=(4, 0), **END, color=MUTED)
    nothing = ~repaired & ~((trades["buy_fill_ratio"] > 0) | (trades["sell_fill_ratio"] > 0))
    kinds = (
        (~repaired & ~nothing, GAIN, "no repair needed"),
        (repaired, LOSS, "hedged or unwound"),
        (nothing, NEUTRAL, "neither leg filled"),
    )
    for mask, colour, name in kinds:
        if mask.any():
            dots(axes, expected[mask], net[mask], colour, name=f"{name}: {mask.sum():,}")
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.set_xlabel(f"expected at decision, {quote}")
    axes.set_ylabel(f"realised, {quote}")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=3, labelcolor=INK, handletextpad=0.1)
    return figure


@drawn
def pnl(trades: Columns, runs: Columns, quote: str | None = None) -> Sheet:
    """Draw net by equal spans of time, and how far what was earned fell from its peak; spans in which nothing ran are gaps."""
    trades, quote = of_quote(trades, quote)
    if not len(trades["id"]):
        return empty("No finished pair trades yet: no profit and no loss")
    order = np.argsort(trades["closed_ns"], kind="stable")
    at_ns, net_e8 = trades["closed_ns"][order], trades["realised_net_e8"][order]
    ran = stretches(runs, int(at_ns[0]), int(at_ns[-1]))
    step_ns, spans = traded_slots(ran)
    place = np.maximum(np.searchsorted([begin for begin, _ in spans], at_ns, side="right") - 1, 0)
    sums = np.array([whole_sum(net_e8[place == number]) for number in range(len(spans))]) / 1e8
    level = np.cumsum(np.append(0, net_e8)) / 1e8
    fall = np.maximum.accumulate(level) - level
    width = span(step_ns / 1e6)
    figure, axes = sheet(
        f"{(sums > 0).sum()} of {len(spans)} spans of {width} earned; the deepest fall from a peak was "
        f"{amount(fall.max(), quote)}",
        height_in=4.0,
        rows=2,
    )
    begins = np.array([begin for begin, _ in spans])
    drawn_bars = axes[0].bar(
        instants(begins),
        sums,
        width=[np.timedelta64(int((end - begin) * 0.86), "ns") for begin, end in spans],
        align="edge",
        color=[GAIN if value >= 0 else LOSS for value in sums],
    )
    for bar, begin, value in zip(drawn_bars, begins.tolist(), sums.tolist(), strict=True):
        says(bar, f"{width} from {utc_text(begin)[:-4]}: {signed(value)} {quote}")
    axes[0].set_ylabel(f"{quote} per {width}")
    line(axes[1], at_ns, -fall[1:], LOSS, ran, name=f"below peak, {quote}", linewidth=0.8, fill=0.5)
    axes[1].set_ylabel(f"below peak, {quote}")
    for each in axes:
        each.axhline(0, color=MUTED, linewidth=0.8)
        time_axis(each, ran)
    axes[0].set_xlabel("")
    return figure


def traded_in(runs: Columns) -> str:
    """Return in words for how long something ran; and from the first start to the last end, where that is more."""
    ran_ns, whole_ns = run_ns(runs), int(runs["until_ns"].max() - runs["started_ns"].min())
    whole = span(whole_ns / 1e6)
    return whole if 10 * ran_ns >= 9 * whole_ns else f"{span(ran_ns / 1e6)} of trading, over {whole}"


def in_quote(trades: Columns, term: str) -> Column:
    """Return an exact column as floats in the quote, to draw and not to add up for a table."""
    return np.asarray(trades[f"{term}_e8"], dtype=np.float64) / 1e8


def total(trades: Columns, term: str) -> float:
    """Return an exact column's sum, in the quote, to draw and to write in a title."""
    return whole_sum(trades[f"{term}_e8"]) / 1e8


def _by(names: Column, trades: Columns) -> list[tuple[str, float, str]]:
    """Return (name, net, share kept) for each name, the greatest net first."""
    rows = []
    for name in sorted(set(names)):
        mine = chosen_rows(trades, np.asarray(names == name))
        net, expected = total(mine, "realised_net"), total(mine, "expected_net")
        rows.append((str(name), net, percent(net, expected) if expected > 0 else ""))
    return sorted(rows, key=lambda row: -row[1])


def _label(axes: Axes, place: float, end: float, text: str, *, bold: bool = False) -> None:
    axes.text(end, place, text, va="center", fontsize=9, color=INK, fontweight="bold" if bold else "normal")


ASSETS_SHOWN = 6


@drawn
def inventory(executions: Columns, runs: Columns, quote: str | None = None) -> Sheet:
    """Draw how fills and their fees changed each venue's balances of the quote and of the most traded assets.

    Foreign fills count too, for they move balances alike; deposits and withdrawals are not drawn.
    """
    if not len(executions["id"]):
        return empty("No fills yet: trading has moved nothing")
    executions, quote = of_quote(executions | {"quote": _assets(executions, "quote")}, quote)
    if not len(executions["id"]):
        return empty(f"No fills in {quote} yet: trading has moved nothing")
    assets = [quote, *_most_traded(executions)][:ASSETS_SHOWN]
    moves = {asset: _changes(executions, asset) for asset in assets}
    venues = sorted(set(executions["venue"]))
    painted = colours(venues)
    ends = {venue: float(moves[quote][executions["venue"] == venue].sum()) for venue in venues}
    gained, gave = max(ends, key=lambda venue: ends[venue]), min(ends, key=lambda venue: ends[venue])
    figure, axes = sheet(
        f"Trading took {amount(-ends[gave], quote)} from {gave} and brought {amount(ends[gained])} to {gained}"
        if ends[gave] < 0 < ends[gained]
        else f"Trading changed the balance of {quote} by {amount(sum(ends.values()))} in all",
        height_in=0.9 + 2.0 * -(-len(assets) // 2),
        rows=-(-len(assets) // 2),
        columns=2,
    )
    at_ns = executions["event_ns"]
    ran = stretches(runs, int(at_ns[0]), int(at_ns[-1]))
    for each, asset in zip(axes, assets, strict=False):
        lines = {venue: np.where(executions["venue"] == venue, moves[asset], 0.0) for venue in venues}
        for name, change in (lines | {"all together": moves[asset]}).items():
            level = np.cumsum(change)
            colour, width = painted.get(name, INK), 1.1 if name not in painted else 1.4
            line(
                each,
                at_ns,
                level,
                colour,
                ran,
                name=f"{short(name, 16)}, {asset}",
                most=160,
                linewidth=width,
                label=short(name, 16),
            )
        each.axhline(0, color=MUTED, linewidth=0.8)
        headed(each, f"{asset}: all together {amount(float(moves[asset].sum()))}")
        each.set_ylabel(f"change, {asset}")
        time_axis(each, ran)
    for each in axes[: len(assets) - 2]:
        each.set_xlabel("")
    for spare in axes[len(assets) :]:
        spare.set_axis_off()
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower left", ncols=len(names), labelcolor=INK, fontsize=9, frameon=False)
    return figure


@drawn
def exposure(trades: Columns, runs: Columns, quote: str | None = None) -> Sheet:
    """Draw unhedged value over time, added up, and by venue pair; in quote times seconds."""
    trades, quote = of_quote(trades, quote)
    value = np.nan_to_num(trades["exposure_quote_s"])
    if not len(value):
        return empty("No finished pair trades yet: nothing was exposed")
    unit = f"{quote}\N{MIDDLE DOT}s"
    together, worst = float(value.sum()), int(np.argmax(value))
    if not together:
        return empty(f"None of {count(len(value), 'pair')} was ever unhedged")
    figure, axes = sheet(
        f"{amount(together, unit)} unhedged in all, {amount(together / len(value))} per pair; "
        f"the worst pair made up {percent(float(value[worst]), together)} of it",
        height_in=3.1,
        columns=2,
    )
    at_ns, level = trades["closed_ns"], np.cumsum(value)
    ran = stretches(runs, int(at_ns[0]), int(at_ns[-1]))
    line(axes[0], at_ns, level, GAIN, ran, name=unit, linewidth=2, fill=0.1)
    axes[0].set_ylabel(f"{unit}, added up")
    headed(axes[0], "over time")
    time_axis(axes[0], ran)
    names = np.array(routes(trades), dtype=object)
    found = sorted(((float(value[names == name].sum()), str(name)) for name in set(names)), reverse=True)[:12]
    worst_of = {name: float(value[names == name].max()) for _, name in found}
    labels = [f"{amount(sum_)} (worst {amount(worst_of[name])})" for sum_, name in found]
    bars(axes[1], [name for _, name in found], [sum_ for sum_, _ in found], labels, colour=NEUTRAL)
    axes[1].set_xlim(right=axes[1].get_xlim()[1] * 1.12)
    headed(axes[1], "by venue pair, bought and sold")
    axes[1].set_xlabel(f"{unit} (1,000 is 1,000 {quote} unhedged for a second)")
    return figure


def _assets(executions: Columns, part: Literal["base", "quote"]) -> Column:
    """Return the base or the quote of every fill; of a million fills' handful of symbols each is read once."""
    asset_of = {text: getattr(Symbol.of(text), part) for text in set(executions["symbol"])}
    return np.array([asset_of[text] for text in executions["symbol"]], dtype=object)


def _most_traded(executions: Columns) -> list[str]:
    """Return the bases of these fills, the most traded (by value) first."""
    bases = _assets(executions, "base")
    value = executions["price"] * executions["size"]
    return sorted(set(bases), key=lambda base: -float(value[bases == base].sum()))


def _changes(executions: Columns, asset: str) -> Column:
    """Return by how much each fill changed the balance of `asset` at its venue."""
    symbols = {text: Symbol.of(text) for text in set(executions["symbol"])}
    sign = np.where(executions["side"] == "buy", 1.0, -1.0)
    as_base = np.isin(executions["symbol"], [text for text, symbol in symbols.items() if symbol.base == asset])
    as_quote = np.isin(executions["symbol"], [text for text, symbol in symbols.items() if symbol.quote == asset])
    traded = sign * executions["size"]
    charged = np.where(executions["fee_currency"] == asset, executions["fee"], 0.0)
    return np.asarray(as_base * traded - as_quote * traded * executions["price"] - charged)
