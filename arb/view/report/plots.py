"""Every figure, one line each: `plots.waterfall(load.trades())`. Needs matplotlib (the extra `notebooks`).

Each heads itself with what it found, and says so when there is nothing to draw.
"""

from arb.view.report.plots_execution import leg_skew, short_legs, slippage, waits
from arb.view.report.plots_market import edges, lifetimes, on_offer, reasons, thresholds
from arb.view.report.plots_trades import earnings, exposure, inventory, pair_results, places, pnl, waterfall
from arb.view.report.style import Sheet

__all__ = [
    "Sheet",
    "earnings",
    "edges",
    "exposure",
    "inventory",
    "leg_skew",
    "lifetimes",
    "on_offer",
    "pair_results",
    "places",
    "pnl",
    "reasons",
    "short_legs",
    "slippage",
    "thresholds",
    "waits",
    "waterfall",
]
