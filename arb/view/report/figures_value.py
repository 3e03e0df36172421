"""The account's value over time, in one quote: what the venues reported, and the fills since, at the prices of fills.

Venues' balances are in the ledger as of each start and of each change that nothing explained. In between, fills and their fees
move them. Where a report differs from that, somebody put the difference in or took it out.
"""

from collections.abc import Iterator

import numpy as np

from arb.clock import NS_PER_S
from arb.market.symbol import Symbol
from arb.store.ledger.columns import Column, Columns
from arb.view.report.figures import Figure, level, nothing
from arb.view.report.measure import balance_changes, chosen_rows, of_quote, stretches, whole_sum
from arb.view.report.text import amount

FIRST_REPORTS_NS = 60 * NS_PER_S
"""Reports of a venue or of an asset that come later than this after the first of all are deposits."""
POINTS = 400
Prices = list[tuple[Column, Column]]
"""Of each side that was filled: instants of the fills, ns UTC, in order, and their prices."""
NOISE = 1e-9
"""The part of a balance by which floats may differ."""


def account_value(
    holdings: Columns, executions: Columns, trades: Columns, runs: Columns, quote: str | None = None, since_ns: int = 0
) -> Figure:
    """The value of all balances, and the same without what was put in or taken out; assets without a fill are named.

    `holdings` and `executions` begin with the run before `since_ns`, from which on the value is shown.
    """
    if not len(holdings["ns"]):
        return nothing("No balance yet: no value of the account")
    symbols = {name: Symbol.of(name) for name in set(executions["symbol"])}
    quotes = np.array([symbols[name].quote for name in executions["symbol"]], dtype=object)
    if not len(quotes):
        return nothing("No fills yet: no price to value the account by")
    _, quote = of_quote({"quote": quotes}, quote)
    prices: dict[str, Prices] = {quote: [(np.array([0]), np.array([1.0]))]}
    for name, symbol in symbols.items():
        if symbol.quote == quote:
            rows = chosen_rows(executions, np.asarray(executions["symbol"] == name))
            sides = (chosen_rows(rows, np.asarray(rows["side"] == side)) for side in set(rows["side"]))
            prices[symbol.base] = [(fills["event_ns"], fills["price"]) for fills in sides]
    finished = chosen_rows(trades, np.asarray(trades["quote"] == quote))
    first_ns = int(holdings["ns"][0])
    last_ns = int(max(holdings["ns"][-1], executions["event_ns"][-1], *finished["closed_ns"][-1:]))
    begin_ns = int(holdings["ns"][holdings["ns"] <= first_ns + FIRST_REPORTS_NS].max())
    at_ns = np.linspace(min(max(begin_ns, since_ns), last_ns), last_ns, POINTS).astype(np.int64)
    value, put_in, without = np.zeros(len(at_ns)), np.zeros(len(at_ns)), set[str]()
    for asset in sorted(set(holdings["asset"])):
        if asset not in prices:
            without.add(asset)
            continue
        for held, added in _balances(holdings, executions, asset, first_ns, at_ns):
            value += held * _price(prices[asset], at_ns)
            for ns, size in added:
                put_in += np.where(at_ns >= ns, size * _price(prices[asset], np.array([ns]))[0], 0.0)
    inside = (finished["closed_ns"] > at_ns[0]) & (finished["closed_ns"] <= at_ns[-1])
    earned = whole_sum(finished["realised_net_e8"][inside]) / 1e8
    change, external = float(value[-1] - value[0]), float(put_in[-1] - put_in[0])
    ran = stretches(runs, int(at_ns[0]), int(at_ns[-1]))
    lines = {"account value": level(at_ns, value, ran)}
    if np.ptp(put_in) > NOISE * np.abs(value).max():
        lines["without deposits and withdrawals"] = level(at_ns, value - put_in + put_in[0], ran)
    terms = {"in this time": change, "by pairs": earned, "by prices": change - earned - external}
    terms["put in or taken out"] = external
    parts = [f"{_signed(0 if abs(term) < NOISE * abs(value[-1]) else term)} {name}" for name, term in terms.items()]
    return {
        "finding": f"The account is worth {amount(float(value[-1]), quote)}, {parts[0]}: {', '.join(parts[1:])}",
        "quote": quote,
        "lines": lines,
        "without": sorted(without),
        "stretches": ran,
    }


def _balances(
    holdings: Columns, executions: Columns, asset: str, first_ns: int, at_ns: Column
) -> Iterator[tuple[Column, list[tuple[int, float]]]]:
    """Yield for each venue its balance of an asset at each of `at_ns`, and what was put in, as `(ns, size)`."""
    moved = balance_changes(executions, asset)
    mine = chosen_rows(holdings, np.asarray(holdings["asset"] == asset))
    for venue in sorted(set(mine["venue"])):
        here = np.asarray(executions["venue"] == venue) & (moved != 0)
        fills_ns, summed = executions["event_ns"][here], np.concatenate(([0.0], np.cumsum(moved[here])))
        rows = chosen_rows(mine, np.asarray(mine["venue"] == venue))
        basis = (rows["free"] + rows["locked"]) - summed[np.searchsorted(fills_ns, rows["ns"], side="right")]
        latest = np.searchsorted(rows["ns"], at_ns, side="right")
        known = np.concatenate(([0.0], basis))[latest]
        held = np.where(latest > 0, known + summed[np.searchsorted(fills_ns, at_ns, side="right")], 0.0)
        steps = np.diff(np.concatenate(([0.0], basis)))
        if rows["ns"][0] <= first_ns + FIRST_REPORTS_NS:
            steps[0] = 0.0
        noise = NOISE * np.abs(rows["free"] + rows["locked"])
        yield (
            held,
            [(int(ns), float(step)) for ns, step, of in zip(rows["ns"], steps, noise, strict=True) if abs(step) > of],
        )


def _price(prices: Prices, at_ns: Column) -> Column:
    """Return the mean of the last price bought at and the last sold at, at each instant; before all fills, of the first."""
    last = [of[np.maximum(np.searchsorted(ns, at_ns, side="right") - 1, 0)] for ns, of in prices]
    return np.asarray(np.mean(last, axis=0))


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{amount(value)}"
