"""Percentiles, bins, choices of rows, time traded, and what another threshold would have earned.

Floats rank and draw; money is exact.

Of a threshold, the pairs that stay are counted with what they really earned. What a higher one would have freed
(balances, books that were not yet swept, rate budget) is not counted, nor what a lower one would have added: nobody
knows what that would have earned. `seen` and `best_net_e8` bound it from above: every opportunity at or above the
threshold, taken at its best instant, alone.
"""

import itertools
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec
import numpy as np
import numpy.typing as npt

from arb.market.symbol import Symbol
from arb.store.ledger.columns import Column, Columns

Mask = npt.NDArray[np.bool_]


def percentile(values: Column, share: float) -> float | None:
    """Return the value below which `share` percent of the known ones lie; None when none is known."""
    known = values[~np.isnan(values)]
    return float(np.percentile(known, share)) if len(known) else None


def mean(values: Column) -> float | None:
    """Return the mean of the known values; None when none is known."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def rounded(value: float | None, places: int = 3) -> Decimal | None:
    """Return a measured value as a decimal of so many places, half-even."""
    if value is None:
        return None
    return Decimal(value).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)


def whole_sum(values: Column) -> int:
    """Return the sum of exact integers, exactly: beyond 64 bits too."""
    return sum(values.tolist())


def counts(episodes: Columns) -> Column:
    """Return how many opportunities each row counts for: 1, unless a column of that name says more."""
    return (
        np.asarray(episodes["opportunities"]) if "opportunities" in episodes else np.ones(len(episodes["quote"]), int)
    )


def instants(ns: Column) -> Column:
    """Return instants in ns UTC as numpy dates, for time axes."""
    return np.asarray(ns, dtype=np.int64).astype("datetime64[ns]")


def of_quote(columns: Columns, quote: str | None) -> tuple[Columns, str]:
    """Return the rows of one quote and its name; without a name, of the quote that most rows have."""
    names, counts = np.unique(np.asarray(columns["quote"], dtype=str), return_counts=True)
    chosen = quote or (str(names[np.argmax(counts)]) if len(names) else "")
    return chosen_rows(columns, np.asarray(columns["quote"] == chosen)), chosen


def chosen_rows(columns: Columns, mask: Mask) -> Columns:
    """Return the rows where `mask` holds."""
    return {name: column[mask] for name, column in columns.items()}


def balance_changes(executions: Columns, asset: str) -> Column:
    """Return by how much each fill, with its fee, changed the balance of an asset at its venue."""
    found = -np.where(executions["fee_currency"] == asset, executions["fee"], 0.0)
    sign = np.where(executions["side"] == "buy", 1.0, -1.0)
    for name in set(executions["symbol"]):
        base, quote = Symbol.of(name).base_and_quote
        if asset in (base, quote):
            traded = np.where(executions["symbol"] == name, sign * executions["size"], 0.0)
            found += traded if asset == base else -traded * executions["price"]
    return np.asarray(found)


def run_ns(runs: Columns, first_ns: int = 0, last_ns: int = 2**62) -> int:
    """Return for how long runs lasted between two instants: the time traded, without that in which nothing ran."""
    begins, ends = np.maximum(runs["started_ns"], first_ns), np.minimum(runs["until_ns"], last_ns)
    return whole_sum(np.maximum(ends - begins, 0))


def stretches(runs: Columns, first_ns: int, last_ns: int, *, most: int = 60) -> list[tuple[int, int]]:
    """Return from when until when something ran, for a figure of rows from first to last: at least one stretch, and few.

    A gap of less than a hundredth of the time traded is none, nor are any but the `most` longest. The first row and the last,
    which may be a venue's instants, always lie in a stretch.
    """
    found: list[tuple[int, int]] = []
    for begin, end in zip(runs["started_ns"].tolist(), runs["until_ns"].tolist(), strict=True):
        if end >= first_ns and begin <= last_ns:
            found.append((max(begin, first_ns), min(end, last_ns)))
    found = found or [(first_ns, last_ns)]
    found[0] = first_ns, found[0][1]
    found[-1] = found[-1][0], max(last_ns, found[-1][1])
    gaps = sorted(((begin - end) for (_, end), (begin, _) in itertools.pairwise(found)), reverse=True)
    smallest_ns = max(sum(end - begin for begin, end in found) // 100, gaps[most] if len(gaps) > most else 0)
    kept = found[:1]
    for begin, end in found[1:]:
        if begin - kept[-1][1] <= smallest_ns:
            begin = kept.pop()[0]
        kept.append((begin, end))
    return kept


_DAY_S = 86_400
_STEPS_S = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200),
    *(days * _DAY_S for days in (1, 7, 28, 91, 364, 3640, 36400)),
)


def round_step_ns(length_ns: int, *, most: int) -> int:
    """Return the least span of a round length of which fewer than `most` make up so long a time."""
    return next((s for s in _STEPS_S if length_ns / 1e9 / s < most), _STEPS_S[-1]) * 1_000_000_000


def slots(first_ns: int, last_ns: int, *, most: int = 45) -> list[int]:
    """Return the bounds (ns UTC, at least two) of equal spans of a round length that cover first to last."""
    step = round_step_ns(last_ns - first_ns, most=most - 1)
    begin = first_ns // step * step
    return list(range(begin, last_ns + step + 1, step))


def traded_slots(ran: list[tuple[int, int]], *, most: int = 45) -> tuple[int, list[tuple[int, int]]]:
    """Return a round length in ns, and spans of it that cover what ran and no other time: those at its ends are cut there."""
    step = round_step_ns(sum(end - begin for begin, end in ran), most=most - 1)
    spans = []
    for begin, end in ran:
        bounds = range(begin // step * step, max(end, begin + 1), step)
        spans += [(max(at, begin), min(at + step, end)) for at in bounds]
    return step, spans


def thinned(values: Column, *, most: int = 240) -> Column:
    """Return which places of a line to draw, in order: of each stretch its first, last, lowest and highest."""
    if len(values) <= most:
        return np.arange(len(values))
    bounds = np.linspace(0, len(values), most // 4 + 1).astype(int)
    kept = {
        place
        for begin, end in itertools.pairwise(bounds)
        for place in (begin, end - 1, begin + np.argmin(values[begin:end]), begin + np.argmax(values[begin:end]))
    }
    return np.array(sorted(kept))


def crowded(x: Column, y: Column, *, most: int = 300, cells: int = 40) -> tuple[Column, Column, Column]:
    """Return points and how many each stands for: themselves while few, else one for each filled cell of a grid."""
    if len(x) <= most:
        return x, y, np.ones(len(x))
    places = []
    for values in (x, y):
        low, high = float(values.min()), float(values.max())
        places.append(np.minimum(((values - low) / ((high - low) or 1.0) * cells).astype(int), cells - 1))
    _, first, counts = np.unique(places[0] * cells + places[1], return_index=True, return_counts=True)
    return x[first], y[first], counts.astype(np.float64)


THRESHOLDS_BPS = tuple(Decimal(step) for step in (0, 2, 4, 6, 8, 10, 12, 15, 20, 25, 30, 40))


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """One threshold in bps, the pairs decided at or above it and their net, and all opportunities at or above it."""

    quote: str
    min_edge_bps: Decimal
    pairs: int
    net_e8: int
    seen: int
    best_net_e8: int


def what_if(trades: Columns, episodes: Columns, thresholds_bps: tuple[Decimal, ...] = THRESHOLDS_BPS) -> list[WhatIf]:
    """Return one row for each quote and threshold in whole bps; pairs that sell dust are left out, they have no edge.

    `episodes` are opportunities, or sums of them with their count in `opportunities`.
    """
    rows = []
    arb = (trades["kind"] == "arb") & ~np.isnan(trades["edge_bps"])
    for quote in sorted(set(trades["quote"][arb]) | set(episodes["quote"])):
        mine = arb & (trades["quote"] == quote)
        theirs = episodes["quote"] == quote
        for threshold in thresholds_bps:
            # Ranking only: the money of those that stay is added up exactly.
            kept = mine & (trades["edge_bps"] >= float(threshold))
            above = theirs & (episodes["best_edge_bps"] >= float(threshold))
            rows.append(
                WhatIf(
                    quote=quote,
                    min_edge_bps=threshold,
                    pairs=int(kept.sum()),
                    net_e8=whole_sum(trades["realised_net_e8"][kept]),
                    seen=whole_sum(counts(episodes)[above]),
                    best_net_e8=whole_sum(episodes["best_net_e8"][above]),
                )
            )
    return rows
