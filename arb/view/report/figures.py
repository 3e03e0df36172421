"""What figures of pair trades show, as plain data: the page draws it, and so do the notebooks (`arb/view/report/plots.py`).

Each takes columns as `arb/store/ledger/columns.py` reads them and shows one quote: the one named, else the one that most rows
have. `finding` is its title; where there is nothing to draw, `empty` says so. Points in time are `[ns, value]`, floats for the
eye.
"""

from typing import Any, Literal

import numpy as np

from arb.market.symbol import Symbol
from arb.store.ledger.columns import Column, Columns
from arb.view.report.measure import (
    balance_changes,
    chosen_rows,
    crowded,
    of_quote,
    run_ns,
    stretches,
    thinned,
    traded_slots,
    whole_sum,
)
from arb.view.report.text import WATERFALL, amount, count, percent, routes, span

Figure = dict[str, Any]
Stretches = list[tuple[int, int]]
"""From when until when something ran, ns UTC, in order."""
TERMS = {term: name for term, name in WATERFALL.items() if term != "realised_net"}
ROWS_SHOWN = 12
ASSETS_SHOWN = 6


def nothing(text: str) -> Figure:
    """Return a figure without anything to draw."""
    return {"finding": text, "empty": text}


def earnings(trades: Columns, runs: Columns, quote: str | None = None) -> Figure:
    """Net and expected net, added up over the time in which something ran."""
    trades, quote = of_quote(trades, quote)
    if not len(trades["id"]):
        return nothing("No finished pair trades yet: nothing earned, nothing lost")
    net, expected = _total(trades, "realised_net"), _total(trades, "expected_net")
    verb = "earned" if net >= 0 else "lost"
    kept = f": {percent(net, expected)} of what was expected" if net >= 0 and expected > 0 else ""
    at_ns, ran = trades["closed_ns"], _ran(runs, trades["closed_ns"])
    added = {"expected": _in_quote(trades, "expected_net"), "net": _in_quote(trades, "realised_net")}
    return {
        "finding": f"{amount(abs(net), quote)} {verb} by {count(len(at_ns), 'pair')} in {_traded_in(runs)}{kept}",
        "quote": quote,
        "won": int((trades["realised_net_e8"] > 0).sum()),
        "lines": {name: level(at_ns, np.cumsum(values), ran) for name, values in added.items()},
        "stretches": ran,
    }


def waterfall(trades: Columns, quote: str | None = None) -> Figure:
    """How what was expected became what was earned."""
    trades, quote = of_quote(trades, quote)
    if not len(trades["id"]):
        return nothing("No finished pair trades yet: no waterfall")
    steps, net = {term: _total(trades, term) for term in TERMS}, _total(trades, "realised_net")
    worst = min((term for term in steps if term != "expected_net"), key=lambda term: steps[term])
    lost = f"{TERMS[worst]} cost most, {amount(-steps[worst], quote)}" if steps[worst] < 0 else "nothing was lost"
    verb = "was kept" if net >= 0 else "came of it"
    return {
        "finding": f"Of {amount(steps['expected_net'], quote)} expected, {amount(net, quote)} {verb}: {lost}",
        "quote": quote,
        "steps": {name: steps[term] for term, name in TERMS.items()} | {WATERFALL["realised_net"]: net},
    }


def places(trades: Columns, quote: str | None = None) -> Figure:
    """Net by venue pair and by symbol, with the share of the expected that was kept."""
    trades, quote = of_quote(trades, quote)
    if not len(trades["id"]):
        return nothing("No finished pair trades yet: no place to compare")
    by_route, by_symbol = _by(np.array(routes(trades), dtype=object), trades), _by(trades["symbol"], trades)
    best, net, kept = by_route[0]
    share = f" ({kept} of the expected)" if kept else ""
    return {
        "finding": f"{best} earned most: {amount(net, quote)}{share}" if net > 0 else "No venue pair earned anything",
        "quote": quote,
        "venue_pairs": by_route[:ROWS_SHOWN],
        "symbols": by_symbol[:ROWS_SHOWN],
    }


def pair_results(trades: Columns, quote: str | None = None) -> Figure:
    """What each pair earned against what was expected of it; a point is (expected, realised, pairs there)."""
    trades, quote = of_quote(trades, quote)
    trades = chosen_rows(trades, np.asarray(trades["kind"] == "arb"))
    net, expected = _in_quote(trades, "realised_net"), _in_quote(trades, "expected_net")
    if not len(net):
        return nothing("No finished pair trades yet: none to compare with its plan")
    repaired, losing = trades["repairs"] > 0, net < 0
    after = int((repaired & losing).sum())
    among = f", {'all' if after == losing.sum() else f'{after:,}'} of them after a repair" if after else ""
    lost = f"{losing.sum():,} of {count(len(net), 'pair')} lost money{among}"
    unfilled = ~repaired & ~((trades["buy_fill_ratio"] > 0) | (trades["sell_fill_ratio"] > 0))
    kinds = {"no repair needed": ~repaired & ~unfilled, "hedged or unwound": repaired, "neither leg filled": unfilled}
    return {
        "finding": lost if losing.any() else f"None of {count(len(net), 'pair')} lost money",
        "quote": quote,
        "dots": {
            f"{name}: {mask.sum():,}": dots(expected[mask], net[mask]) for name, mask in kinds.items() if mask.any()
        },
        "as_expected": [0.0, float(expected.max())],
    }


def pnl(trades: Columns, runs: Columns, quote: str | None = None) -> Figure:
    """Net by equal spans of trading (`[begin, end, net]`), and how far what was earned fell from its peak."""
    trades, quote = of_quote(trades, quote)
    if not len(trades["id"]):
        return nothing("No finished pair trades yet: no profit and no loss")
    at_ns, net_e8 = trades["closed_ns"], trades["realised_net_e8"]
    ran = _ran(runs, at_ns)
    step_ns, spans = traded_slots(ran)
    place = np.maximum(np.searchsorted([begin for begin, _ in spans], at_ns, side="right") - 1, 0)
    sums = [whole_sum(net_e8[place == number]) / 1e8 for number in range(len(spans))]
    earned = np.cumsum(np.append(0, net_e8)) / 1e8
    fall = np.maximum.accumulate(earned) - earned
    width = span(step_ns / 1e6)
    return {
        "finding": f"{sum(net > 0 for net in sums)} of {len(spans)} spans of {width} earned; the deepest fall from a peak was "
        f"{amount(fall.max(), quote)}",
        "quote": quote,
        "width": width,
        "spans": [[*ends, net] for ends, net in zip(spans, sums, strict=True)],
        "below_peak": level(at_ns, -fall[1:], ran),
        "stretches": ran,
    }


def inventory(executions: Columns, runs: Columns, quote: str | None = None) -> Figure:
    """How fills and their fees changed each venue's balances of the quote and of the most traded assets.

    Foreign fills count too, for they move balances alike; deposits and withdrawals do not.
    """
    if not len(executions["id"]):
        return nothing("No fills yet: trading has moved nothing")
    executions, quote = of_quote(executions | {"quote": _assets(executions, "quote")}, quote)
    if not len(executions["id"]):
        return nothing(f"No fills in {quote} yet: trading has moved nothing")
    moves = {asset: balance_changes(executions, asset) for asset in [quote, *_most_traded(executions)][:ASSETS_SHOWN]}
    at_ns, ran = executions["event_ns"], _ran(runs, executions["event_ns"])
    at = {venue: np.asarray(executions["venue"] == venue) for venue in sorted(set(executions["venue"]))}
    ends = {venue: float(moves[quote][mine].sum()) for venue, mine in at.items()}
    gained, gave = max(ends, key=lambda venue: ends[venue]), min(ends, key=lambda venue: ends[venue])
    at["all together"] = np.ones(len(at_ns), dtype=bool)

    def lines(change: Column) -> dict[str, list[list[float]]]:
        return {name: level(at_ns, np.cumsum(np.where(mine, change, 0.0)), ran, most=100) for name, mine in at.items()}

    return {
        "finding": f"Trading took {amount(-ends[gave], quote)} from {gave} and brought {amount(ends[gained])} to {gained}"
        if ends[gave] < 0 < ends[gained]
        else f"Trading changed the balance of {quote} by {amount(sum(ends.values()))} in all",
        "quote": quote,
        "assets": [
            {"asset": asset, "change": float(change.sum()), "lines": lines(change)} for asset, change in moves.items()
        ],
        "stretches": ran,
    }


def exposure(trades: Columns, runs: Columns, quote: str | None = None) -> Figure:
    """Unhedged value over time, added up, and by venue pair (`[name, sum, worst pair]`); in quote times seconds."""
    trades, quote = of_quote(trades, quote)
    value = np.nan_to_num(trades["exposure_quote_s"])
    if not len(value):
        return nothing("No finished pair trades yet: nothing was exposed")
    unit, together = f"{quote}\N{MIDDLE DOT}s", float(value.sum())
    if not together:
        return nothing(f"None of {count(len(value), 'pair')} was ever unhedged")
    names, ran = np.array(routes(trades), dtype=object), _ran(runs, trades["closed_ns"])
    by_route = [(str(name), value[names == name]) for name in set(names)]
    return {
        "finding": f"{amount(together, unit)} unhedged in all, {amount(together / len(value))} per pair; "
        f"the worst pair made up {percent(float(value.max()), together)} of it",
        "unit": unit,
        "line": level(trades["closed_ns"], np.cumsum(value), ran),
        "venue_pairs": sorted(
            ((name, float(of.sum()), float(of.max())) for name, of in by_route), key=lambda row: -row[1]
        )[:ROWS_SHOWN],
        "stretches": ran,
    }


def level(at_ns: Column, values: Column, ran: Stretches, *, most: int = 300) -> list[list[float]]:
    """Return a level over time: in each stretch from its begin, at the level it had, to its end; of very many steps some.

    `at_ns` are in order. What happened in a gap shows in the level at which the next stretch begins.
    """
    most, points = max(4, most // len(ran)), list[list[float]]()
    for begin, end in ran:
        first, after = np.searchsorted(at_ns, begin, side="left"), np.searchsorted(at_ns, end, side="right")
        if first:
            points.append([begin, short_float(values[first - 1])])
        for place in first + thinned(values[first:after], most=most) if after > first else ():
            points.append([int(at_ns[place]), short_float(values[place])])
        if after:
            points.append([end, short_float(values[after - 1])])
    return points


def dots(x: Column, y: Column) -> list[list[float]]:
    """Return points and how many each stands for."""
    return [[short_float(value) for value in point] for point in zip(*crowded(x, y), strict=True)]


def short_float(value: float) -> float:
    """Return a number with the digits that an eye can tell apart in a figure."""
    return float(f"{value:.7g}")


def _ran(runs: Columns, at_ns: Column) -> Stretches:
    return stretches(runs, int(at_ns.min()), int(at_ns.max()))


def _traded_in(runs: Columns) -> str:
    """Return in words for how long something ran; and from the first start to the last end, where that is more."""
    ran_ns, whole_ns = run_ns(runs), int(runs["until_ns"].max() - runs["started_ns"].min())
    whole = span(whole_ns / 1e6)
    return whole if 10 * ran_ns >= 9 * whole_ns else f"{span(ran_ns / 1e6)} of trading, over {whole}"


def _in_quote(trades: Columns, term: str) -> Column:
    return np.asarray(trades[f"{term}_e8"], dtype=np.float64) / 1e8


def _total(trades: Columns, term: str) -> float:
    """Return an exact column's sum, in the quote, to draw and to write in a title."""
    return whole_sum(trades[f"{term}_e8"]) / 1e8


def _by(names: Column, trades: Columns) -> list[tuple[str, float, str]]:
    """Return (name, net, share kept) for each name, the greatest net first."""
    rows = []
    for name in sorted(set(names)):
        mine = chosen_rows(trades, np.asarray(names == name))
        net, expected = _total(mine, "realised_net"), _total(mine, "expected_net")
        rows.append((str(name), net, percent(net, expected) if expected > 0 else ""))
    return sorted(rows, key=lambda row: -row[1])


def _assets(executions: Columns, part: Literal["base", "quote"]) -> Column:
    """Return the base or the quote of every fill; of a million fills' handful of symbols each is read once."""
    asset_of = {text: getattr(Symbol.of(text), part) for text in set(executions["symbol"])}
    return np.array([asset_of[text] for text in executions["symbol"]], dtype=object)


def _most_traded(executions: Columns) -> list[str]:
    """Return the bases of these fills, the most traded (by value) first."""
    bases = _assets(executions, "base")
    value = executions["price"] * executions["size"]
    return sorted(set(bases), key=lambda base: -float(value[bases == base].sum()))
