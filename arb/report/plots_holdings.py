"""Figures of what lies where: how trading moved balances between venues, and what was unhedged for how long.

Each takes columns as `arb/store/columns.py` reads them, or a data frame of the same names. Needs matplotlib (the extra
`notebooks`).
"""

from typing import Literal

import numpy as np

from arb.market.symbol import Symbol
from arb.report.measure import instants, of_quote
from arb.report.style import (
    GAIN,
    INK,
    MUTED,
    NEUTRAL,
    Sheet,
    bars,
    colours,
    drawn,
    empty,
    headed,
    line,
    sheet,
    time_axis,
)
from arb.report.wording import amount, count, percent, routes, short
from arb.store.columns import Column, Columns

ASSETS_SHOWN = 6


@drawn
def inventory(executions: Columns, quote: str | None = None) -> Sheet:
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
    at = instants(executions["event_ns"])
    for each, asset in zip(axes, assets, strict=False):
        lines = {venue: np.where(executions["venue"] == venue, moves[asset], 0.0) for venue in venues}
        for name, change in (lines | {"all together": moves[asset]}).items():
            level = np.cumsum(change)
            colour, width = painted.get(name, INK), 1.1 if name not in painted else 1.4
            line(each, at, level, colour, most=160, linewidth=width, label=short(name, 16))
        each.axhline(0, color=MUTED, linewidth=0.8)
        headed(each, f"{asset}: all together {amount(float(moves[asset].sum()))}")
        each.set_ylabel(f"change, {asset}")
        time_axis(each)
    for each in axes[: len(assets) - 2]:
        each.set_xlabel("")
    for spare in axes[len(assets) :]:
        spare.set_axis_off()
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower left", ncols=len(names), labelcolor=INK, fontsize=9, frameon=False)
    return figure


@drawn
def exposure(trades: Columns, quote: str | None = None) -> Sheet:
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
    at, level = instants(trades["closed_ns"]), np.cumsum(value)
    line(axes[0], at, level, GAIN, linewidth=2, fill=0.1)
    axes[0].set_ylabel(f"{unit}, added up")
    headed(axes[0], "over time")
    time_axis(axes[0])
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
