"""The edges of each route over time, and the pairs that we opened on them. As in `arb/view/report/figures.py`."""

from collections import Counter

import numpy as np

from arb.store.ledger.columns import Column, Columns
from arb.view.report.figures import Figure, nothing, short_float
from arb.view.report.figures_market import NOTHING
from arb.view.report.measure import chosen_rows, counts, crowded, of_quote, stretches, whole_sum
from arb.view.report.text import route

ROUTES_SHOWN = 6
ROUTE = ("symbol", "buy_venue", "sell_venue")


def route_edges(episodes: Columns, trades: Columns, runs: Columns, quote: str | None = None) -> Figure:
    """Return the best edge of each opportunity and the edge of each of our pairs, as dots (`[ns, bps, how many]`).

    They are of the routes with the most opportunities; `routes_in_all` counts all.
    """
    episodes, quote = of_quote(episodes, quote)
    if not len(episodes["id"]):
        return nothing(NOTHING)
    every = whole_sum(counts(episodes)) // len(episodes["id"])
    mine = np.asarray((trades["quote"] == quote) & (trades["kind"] == "arb")) & ~np.isnan(trades["edge_bps"])
    trades = chosen_rows({name: trades[name] for name in (*ROUTE, "decided_ns", "edge_bps")}, mine)
    episodes = {name: episodes[name] for name in (*ROUTE, "opened_ns", "best_edge_bps")}
    seen = Counter(zip(*(episodes[name] for name in ROUTE), strict=True))
    found, medians, instants = list[Figure](), list[float](), list[int]()
    for (symbol, buy, sell), number in seen.most_common(ROUTES_SHOWN):
        here, ours = (
            chosen_rows(
                of, np.asarray((of["symbol"] == symbol) & (of["buy_venue"] == buy) & (of["sell_venue"] == sell))
            )
            for of in (episodes, trades)
        )
        dots = {f"opportunities: {number * every:,}": _over_time(here["opened_ns"], here["best_edge_bps"])}
        if len(ours["symbol"]):
            dots[f"our pairs: {len(ours['symbol']):,}"] = _over_time(ours["decided_ns"], ours["edge_bps"])
        instants += [int(ns) for points in dots.values() for ns, *_ in points]
        found.append({"route": f"{symbol} {route(buy, sell)}", "dots": dots})
        medians.append(float(np.median(here["best_edge_bps"])))
    most = f"{max(seen.values()) * every:,}"
    return {
        "finding": f"{found[0]['route']} had the most edges, {most}: half of them above {medians[0]:.1f} bps after fees",
        "quote": quote,
        "routes": found,
        "routes_in_all": len(seen),
        "stretches": stretches(runs, min(instants), max(instants)),
    }


def _over_time(at_ns: Column, bps: Column) -> list[list[float]]:
    x, y, many = crowded(at_ns.astype(np.float64), bps)
    return sorted([int(ns), short_float(value), n] for ns, value, n in zip(x, y, many.tolist(), strict=True))
